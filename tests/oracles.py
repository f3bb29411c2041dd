"""What tests ask of whichever backend runs: its numbers, its derivatives, and the same layers by hand."""

import keras
import numpy as np

from kerasdl import scratch

BY_HAND = {"rnn": scratch.RNN, "gru": scratch.GRU, "lstm": scratch.LSTM, "peephole": scratch.PeepholeLSTM}


def gradients(function, *arrays):
    """Return d function / d array for each array, by the backend's automatic differentiation.

    ``function`` takes the arrays as tensors and returns a scalar tensor, written in ``keras.ops``.
    """
    return values_and_gradients(lambda *tensors: (function(*tensors), []), *arrays)[1]


def values_and_gradients(function, *arrays):
    """As :func:`gradients`, of a function that returns a scalar and a list more, which comes back first."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        found, values = jax.jit(jax.grad(function, tuple(range(len(arrays))), has_aux=True))(
            *map(keras.ops.convert_to_tensor, arrays)
        )
    elif backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(array) for array in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value, values = function(*tensors)
        found = tape.gradient(value, tensors)
    else:
        import torch

        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        value, values = function(*tensors)
        found = torch.autograd.grad(value, tensors)
    return list(map(to_numpy, values)), list(map(to_numpy, found))


def to_numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def shaken(model, seed=1):
    """Give every weight, biases and peepholes too, a value of its own."""
    weights = np.random.default_rng(seed)
    model.set_weights([w + weights.normal(0, 0.2, w.shape).astype("float32") for w in model.get_weights()])
    return model


def by_hand(cell, weights):
    """Split a flat list of weights into layers by hand, and return them and what is left."""
    each = {"rnn": 3, "gru": 3, "lstm": 3, "peephole": 4}[cell]
    return BY_HAND[cell](*weights[:each]), weights[each:]

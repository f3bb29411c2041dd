"""What tests ask of whichever backend runs: its numbers, its derivatives, and the same layers by hand."""

import keras
import numpy as np

from kerasdl import scratch

BY_HAND = {
    "rnn": scratch.RNN,
    "gru": scratch.GRU,
    "lstm": scratch.LSTM,
    "peephole": scratch.PeepholeLSTM,
    "mgu": scratch.MGU,
}


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

        tensors = [keras.ops.convert_to_tensor(array).clone().requires_grad_() for array in arrays]
        value, values = function(*tensors)
        found = torch.autograd.grad(value, tensors)
    return list(map(to_numpy, values)), list(map(to_numpy, found))


def gpus():
    """Return how many GPUs the backend sees."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.device_count() if jax.default_backend() == "gpu" else 0
    if backend == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    import torch

    return torch.cuda.device_count()


def to_numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def shaken(model, seed=1):
    """Give every weight, biases and peepholes too, a value of its own."""
    weights = np.random.default_rng(seed)
    model.set_weights([w + weights.normal(0, 0.2, w.shape).astype("float32") for w in model.get_weights()])
    return model


def by_hand(cell, weights):
    """Split a flat list of weights into layers by hand, and return them and what is left."""
    each = 4 if cell == "peephole" else 3
    return BY_HAND[cell](*weights[:each]), weights[each:]


def close(ours, theirs, tolerance):
    """Whether two arrays are equal, relative to the largest value."""
    ours, theirs = (to_numpy(a).astype("float64") for a in (ours, theirs))
    scale = max(np.abs(theirs).max(initial=0), 1e-3)
    return ours.shape == theirs.shape and np.abs(ours - theirs).max(initial=0) <= tolerance * scale


def drawn(layer, seed=0):
    """Weights for a layer, none of them zero."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=w.shape, scale=0.4).astype("float32") for w in layer.weights]


def draws(shapes, seed=1):
    """Return an array for each shape: how much each number of a layer's results counts in a loss."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def recurrence(layer, x, states, mask, weights):
    """Return outputs and states of a recurrent layer, and the gradients for x, the states and the weights.

    The loss is the sum of all results, each number times one of :func:`draws`.
    """
    frozen = [v.value for v in layer.non_trainable_variables]
    arguments = {} if mask is None else {"mask": keras.ops.convert_to_tensor(np.array(mask, bool))}

    def weighed(x, *rest):
        initial = {"initial_state": list(rest[: len(states)])} if states else {}
        found, _ = layer.stateless_call(list(rest[len(states) :]), frozen, x, **initial, **arguments)
        found = [keras.ops.cast(f, "float32") for f in keras.tree.flatten(found)]
        counts = [keras.ops.convert_to_tensor(w, "float32") for w in draws([f.shape for f in found])]
        parts = [keras.ops.sum(f * w) for f, w in zip(found, counts, strict=True)]
        return sum(parts[1:], parts[0]), found

    return values_and_gradients(weighed, x, *states, *weights)

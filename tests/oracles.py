"""What tests ask of Keras on whichever backend runs: derivatives by its own autodiff, and float64."""

import contextlib

import keras
import numpy as np


def gradients(function, *arrays):
    """Return d function / d array for each array, by the backend's automatic differentiation.

    ``function`` takes the arrays as tensors and returns a scalar tensor, written in ``keras.ops``.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        found = jax.grad(function, argnums=tuple(range(len(arrays))))(
            *map(keras.ops.convert_to_tensor, arrays)
        )
    elif backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(array) for array in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(value, tensors)
    else:
        import torch

        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        found = torch.autograd.grad(function(*tensors), tensors)
    return [np.asarray(keras.ops.convert_to_numpy(gradient)) for gradient in found]


@contextlib.contextmanager
def float64():
    """Keras computes in float64 inside the block, on every backend."""
    before = keras.config.floatx()
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.enable_x64(True))
        keras.config.set_floatx("float64")
        stack.callback(keras.config.set_floatx, before)
        yield

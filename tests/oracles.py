"""What tests ask of whichever backend runs: derivatives by its own automatic differentiation."""

import keras
import numpy as np


def gradients(function, *arrays):
    """Return d function / d array for each array, by the backend's automatic differentiation.

    ``function`` takes the arrays as tensors and returns a scalar tensor, written in ``keras.ops``.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        found = jax.jit(jax.grad(function, argnums=tuple(range(len(arrays)))))(
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

"""What does every layer promise? Forward, backward, parameters, gradients, and no guess about shapes."""

import numpy as np

from kerasdl import checks


class Layer:
    """A node of the computational graph: it computes, and knows how a loss changes with what it was given.

    ``forward(x)`` returns the output and keeps what the way back needs. ``backward(gradient)`` takes the
    loss's gradient with respect to that output, fills ``gradients`` and returns the loss's gradient with
    respect to the input. Everything is float64. ``gradients`` is replaced at each call, not added to.

    Attributes:
        parameters: name → array, in the order of Keras's ``get_weights()``. Layers copy what they are given.
        gradients: name → array of the same shape, after ``backward``.

    Example:
        >>> class Square(Layer):
        ...     def forward(self, x):
        ...         x = as_floats("x", x)
        ...         return self.keep(x**2, x)
        ...
        ...     def backward(self, gradient):
        ...         gradient, (x,) = self.recall(gradient)
        ...         return 2 * x * gradient
        >>> square = Square()
        >>> float(square.forward(3.0)), float(square.backward(1.0))
        (9.0, 6.0)
    """

    def __init__(self, **parameters: np.ndarray):
        self.parameters = {
            name: checks.finite(name, as_floats(name, w)).copy() for name, w in parameters.items()
        }
        self.gradients: dict[str, np.ndarray] = {}
        self._tape: tuple | None = None

    def keep(self, output: np.ndarray, *saved) -> np.ndarray:
        """Remember ``saved`` for the way back, and return ``output``."""
        self._tape = np.shape(output), saved
        return output

    def recall(self, gradient: np.ndarray) -> tuple[np.ndarray, tuple]:
        """Return the checked gradient and what ``keep`` saved.

        Raises:
            RuntimeError: there was no forward pass.
            ValueError: the gradient has another shape than the output had.
        """
        if self._tape is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward pass first")
        shape, saved = self._tape
        gradient = as_floats("gradient", gradient)
        if gradient.shape != shape:
            raise ValueError(
                f"gradient {gradient.shape} does not fit the output {shape}: their shapes must be equal"
            )
        return gradient, saved


def as_floats(argument: str, value: np.ndarray, ndim: int | None = None) -> np.ndarray:
    """Return ``value`` as a float64 array that is not empty and, if ``ndim`` is given, has that many axes.

    Raises:
        ValueError: it is empty or has another number of axes.
    """
    value = np.asarray(value, dtype=np.float64)
    if value.size == 0:
        raise ValueError(f"{argument} {value.shape} is empty: give at least one row, step and feature")
    if ndim is not None and value.ndim != ndim:
        raise ValueError(f"{argument} {value.shape} has {value.ndim} axes: give {ndim}")
    return value


def alike(**arrays: np.ndarray) -> list[np.ndarray]:
    """Return both arrays as float64, if their shapes are equal: ``(4, 1)`` and ``(4,)`` must not broadcast.

    Raises:
        ValueError: they differ; the message names both.
    """
    (a, x), (b, y) = [(name, as_floats(name, value)) for name, value in arrays.items()]
    if x.shape != y.shape:
        raise ValueError(f"{a} {x.shape} and {b} {y.shape} differ: give them the same shape")
    return [x, y]

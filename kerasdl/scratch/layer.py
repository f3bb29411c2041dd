"""What does every layer promise? Forward, backward, parameters, gradients, and no guess about shapes.

Here are :class:`Layer`, which all others extend, and the checks of what they are given. Arrays go in, as
float64 or what becomes it; arrays of float64 come out.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from kerasdl import checks

Output = TypeVar("Output", np.ndarray, float)


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

    def __init__(self, **parameters: ArrayLike) -> None:
        self.parameters = {
            name: checks.finite(name, as_floats(name, w)).copy() for name, w in parameters.items()
        }
        self.gradients: dict[str, np.ndarray] = {}
        self._tape: tuple[tuple[int, ...], tuple] | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output and keep what the way back needs."""
        raise NotImplementedError

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Take the gradient of a loss with respect to the output; return those with respect to the inputs."""
        raise NotImplementedError

    def keep(self, output: Output, *saved: Any) -> Output:
        """Remember ``saved`` for the way back, and return ``output``."""
        self._tape = np.shape(output), saved
        return output

    def recall(self, gradient: ArrayLike) -> tuple[np.ndarray, tuple]:
        """Return the checked gradient and what ``keep`` saved.

        Raises:
            RuntimeError: there was no forward pass.
            ValueError: the gradient has another shape than the output had.
        """
        if self._tape is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward pass first")
        shape, saved = self._tape
        checked = as_floats("gradient", gradient)
        if checked.shape != shape:
            raise ValueError(
                f"gradient {checked.shape} does not fit the output {shape}: their shapes must be equal"
            )
        return checked, saved


def as_floats(argument: str, value: ArrayLike, ndim: int | None = None) -> np.ndarray:
    """Return ``value`` as a float64 array that is not empty and, if ``ndim`` is given, has that many axes.

    Raises:
        ValueError: it is empty or has another number of axes.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{argument} {array.shape} is empty: give at least one row, step and feature")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{argument} {array.shape} has {array.ndim} axes: give {ndim}")
    return array


def alike(**arrays: ArrayLike) -> list[np.ndarray]:
    """Return both arrays as float64, if their shapes are equal: ``(4, 1)`` and ``(4,)`` must not broadcast.

    Raises:
        ValueError: they differ; the message names both.
    """
    (a, x), (b, y) = [(name, as_floats(name, value)) for name, value in arrays.items()]
    if x.shape != y.shape:
        raise ValueError(f"{a} {x.shape} and {b} {y.shape} differ: give them the same shape")
    return [x, y]

"""What does a convolution compute? One small affine map at every place of an image, with shared weights.

Here are the convolution, maximum and average pooling, and the flattening behind them; images go in and come
out. Images are ``(batch, height, width, channels)``. Windows, strides and padding follow Keras: ``"valid"``
keeps to the image, ``"same"`` gives ⌈size / stride⌉ places and puts an odd cell of padding at the bottom and
right.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from kerasdl import checks
from kerasdl.scratch.initial import Seed, glorot_uniform
from kerasdl.scratch.layer import Layer, as_floats

Pair = int | tuple[int, int]


class Sliding(Layer):
    """A window of ``size`` that moves over the image by ``strides``: what convolution and pooling share."""

    def __init__(self, size: Pair, strides: Pair, padding: str, **parameters: ArrayLike) -> None:
        super().__init__(**parameters)
        self.size, self.strides = _pair("size", size), _pair("strides", strides)
        self.padding = checks.one_of("padding", padding, ["valid", "same"])

    def windows(self, x: np.ndarray, fill: float) -> np.ndarray:
        """Return a view ``(batch, rows, columns, channels, *size)`` of the image padded with ``fill``."""
        padded = np.pad(x, [(0, 0), *self._padding(x), (0, 0)], constant_values=fill)
        if any(n < size for n, size in zip(padded.shape[1:3], self.size, strict=True)):
            raise ValueError(f"x {x.shape} is smaller than the window {self.size}: choose a smaller window")
        down, right = self.strides
        return sliding_window_view(padded, self.size, axis=(1, 2))[:, ::down, ::right]

    def spread(self, pieces: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Add up what windows ``(batch, rows, columns, channels, *size)`` send back to the image ``x``."""
        (top, bottom), (left, right) = self._padding(x)
        batch, height, width, channels = x.shape
        padded = np.zeros((batch, top + height + bottom, left + width + right, channels))
        rows, columns = pieces.shape[1:3]
        down, across = self.strides
        for i, j in np.ndindex(self.size):
            padded[:, i : i + down * rows : down, j : j + across * columns : across] += pieces[..., i, j]
        return padded[:, top : top + height, left : left + width]

    def _padding(self, x: np.ndarray) -> list[tuple[int, int]]:
        if self.padding == "valid":
            return [(0, 0), (0, 0)]
        totals = [
            max((-(-n // stride) - 1) * stride + size - n, 0)
            for n, size, stride in zip(x.shape[1:3], self.size, self.strides, strict=True)
        ]
        return [(total // 2, total - total // 2) for total in totals]


class Convolution2D(Sliding):
    """y[r, c] = Σ kernel ⊙ window[r, c] + bias (LeCun et al. 1998); strictly, a cross-correlation.

    Args:
        kernel: ``(height, width, channels, filters)``: ``Convolution2D(*conv2d.get_weights())`` fits.
        bias: ``(filters,)``.
        strides: step of the window, down and across; one number serves both.
        padding: ``"valid"`` or ``"same"`` (zeros).

    Maps ``(batch, height, width, channels)`` to ``(batch, rows, columns, filters)``.

    Raises:
        ValueError: shapes do not fit (both are named), or the window exceeds the image.

    Example:
        >>> edge = Convolution2D(kernel=np.reshape([-1.0, 1.0], (1, 2, 1, 1)), bias=[0.0])
        >>> edge.forward(np.reshape([0.0, 0.0, 5.0, 5.0], (1, 1, 4, 1))).ravel().tolist()
        [0.0, 5.0, 0.0]
    """

    def __init__(self, kernel: ArrayLike, bias: ArrayLike, strides: Pair = 1, padding: str = "valid") -> None:
        kernel = as_floats("kernel", kernel, ndim=4)
        super().__init__(kernel.shape[:2], strides, padding, kernel=kernel, bias=bias)
        if np.shape(bias) != kernel.shape[3:]:
            raise ValueError(f"bias {np.shape(bias)} does not fit the kernel {kernel.shape}: one per filter")

    @classmethod
    def random(
        cls, size: Pair, channels: int, filters: int, seed: Seed = None, **options: Any
    ) -> "Convolution2D":
        """Draw the kernel by `glorot_uniform`, start the bias at 0; ``options`` are strides and padding."""
        kernel = glorot_uniform((*_pair("size", size), channels, filters), seed)
        return cls(kernel, np.zeros(filters), **options)

    def forward(self, x: ArrayLike) -> np.ndarray:
        x, kernel = as_floats("x", x, ndim=4), self.parameters["kernel"]
        if x.shape[-1] != kernel.shape[2]:
            raise ValueError(
                f"x {x.shape} does not fit the kernel {kernel.shape}: {kernel.shape[2]} channels"
            )
        windows = self.windows(x, fill=0)
        y = np.tensordot(windows, kernel, axes=([3, 4, 5], [2, 0, 1])) + self.parameters["bias"]
        return self.keep(y, x, windows)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x, windows) = self.recall(gradient)
        everywhere = [0, 1, 2]
        kernel_gradient = np.tensordot(windows, gradient, axes=(everywhere, everywhere))
        self.gradients = {
            "kernel": kernel_gradient.transpose(1, 2, 0, 3),
            "bias": gradient.sum(axis=(0, 1, 2)),
        }
        to_window = np.tensordot(gradient, self.parameters["kernel"], axes=(3, 3))
        return self.spread(to_window.transpose(0, 1, 2, 5, 3, 4), x)


class MaxPooling2D(Sliding):
    """The largest value in each window, channel by channel; the gradient goes back to where that value stood.

    Args:
        size: window, down and across; one number serves both.
        strides: step of the window; ``None`` is ``size``.
        padding: ``"valid"`` or ``"same"``; padding is never the largest.

    Where several are largest, the first takes the gradient.

    Example:
        >>> MaxPooling2D(2).forward(np.reshape([1.0, 4.0, 3.0, 2.0], (1, 2, 2, 1))).ravel().tolist()
        [4.0]
    """

    def __init__(self, size: Pair = 2, strides: Pair | None = None, padding: str = "valid") -> None:
        super().__init__(size, size if strides is None else strides, padding)

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x, ndim=4)
        cells = self.windows(x, fill=-np.inf)
        cells = cells.reshape(*cells.shape[:4], -1)
        return self.keep(cells.max(axis=-1), x, cells.argmax(axis=-1))

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x, winner) = self.recall(gradient)
        height, width = self.size
        pieces = gradient[..., None] * (winner[..., None] == np.arange(height * width))
        return self.spread(pieces.reshape(*gradient.shape, height, width), x)


class AveragePooling2D(Sliding):
    """The mean of each window, channel by channel; padding is not counted.

    Args:
        size: window, down and across; one number serves both.
        strides: step of the window; ``None`` is ``size``.
        padding: ``"valid"`` or ``"same"``.

    Example:
        >>> AveragePooling2D(2).forward(np.reshape([1.0, 4.0, 3.0, 2.0], (1, 2, 2, 1))).ravel().tolist()
        [2.5]
    """

    def __init__(self, size: Pair = 2, strides: Pair | None = None, padding: str = "valid") -> None:
        super().__init__(size, size if strides is None else strides, padding)

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x, ndim=4)
        counts = self.windows(np.ones_like(x), fill=0).sum(axis=(-2, -1))
        return self.keep(self.windows(x, fill=0).sum(axis=(-2, -1)) / counts, x, counts)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x, counts) = self.recall(gradient)
        share = (gradient / counts)[..., None, None]
        return self.spread(np.broadcast_to(share, (*gradient.shape, *self.size)), x)


class Flatten(Layer):
    """``(batch, ...)`` to ``(batch, everything else)``.

    Example:
        >>> Flatten().forward(np.zeros((2, 3, 4))).shape
        (2, 12)
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x)
        if x.ndim < 2:
            raise ValueError(f"x {x.shape} has no axis to flatten: give (batch, ...)")
        return self.keep(x.reshape(len(x), -1), x.shape)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (shape,) = self.recall(gradient)
        return gradient.reshape(shape)


def _pair(argument: str, value: Any) -> tuple[int, int]:
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2:
        raise ValueError(f"{argument}={value!r}: give one whole number or two, down and across")
    return checks.positive_int(argument, pair[0]), checks.positive_int(argument, pair[1])

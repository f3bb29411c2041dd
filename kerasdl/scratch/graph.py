"""What is back-propagation? Each node hands the gradient on through its own derivative: the chain rule.

Here are the nodes of a feed-forward network: sum, product, affine layer, activations, maxout and dropout.
Each takes arrays forward and gradients backward (Rumelhart, Hinton & Williams 1986).
"""

import numpy as np
from numpy.typing import ArrayLike

from kerasdl import checks
from kerasdl.scratch.initial import Seed, generator, glorot_uniform
from kerasdl.scratch.layer import Layer, alike, as_floats
from kerasdl.scratch.regularisation import dropout


class Add(Layer):
    """x + y, of two arrays of one shape. A sum hands the gradient on to both terms unchanged.

    Example:
        >>> add = Add()
        >>> float(add.forward(2.0, 3.0)), [float(g) for g in add.backward(1.5)]
        (5.0, [1.5, 1.5])
    """

    def forward(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        x, y = alike(x=x, y=y)
        return self.keep(x + y)

    def backward(self, gradient: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        checked, _ = self.recall(gradient)
        return checked, checked


class Multiply(Layer):
    """x ⊙ y, of two arrays of one shape. A product hands each factor the gradient times the other factor.

    Example:
        >>> multiply = Multiply()
        >>> float(multiply.forward(2.0, 3.0)), [float(g) for g in multiply.backward(1.5)]
        (6.0, [4.5, 3.0])
    """

    def forward(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        x, y = alike(x=x, y=y)
        return self.keep(x * y, x, y)

    def backward(self, gradient: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        gradient, (x, y) = self.recall(gradient)
        return gradient * y, gradient * x


class Affine(Layer):
    """x W + b, a layer of neurons before their activation.

    Args:
        kernel: W, ``(features, units)``.
        bias: b, ``(units,)``.

    Its input is ``(batch, features)``, or ``(batch, ..., features)`` with any axes between. The weights of a
    ``keras.layers.Dense`` fit as they are: ``Affine(*dense.get_weights())``.

    Raises:
        ValueError: kernel and bias, or input and kernel, do not fit; the message names both shapes.

    Example:
        >>> Affine(kernel=[[1.0], [2.0]], bias=[3.0]).forward([[10.0, 1.0]])
        array([[15.]])
    """

    def __init__(self, kernel: ArrayLike, bias: ArrayLike) -> None:
        super().__init__(kernel=as_floats("kernel", kernel, ndim=2), bias=bias)
        if np.shape(bias) != np.shape(kernel)[1:]:
            raise ValueError(
                f"bias {np.shape(bias)} does not fit the kernel {np.shape(kernel)}: one per column"
            )

    @classmethod
    def random(cls, features: int, units: int, seed: Seed = None) -> "Affine":
        """Draw the kernel by `glorot_uniform` and start the bias at 0."""
        return cls(glorot_uniform((features, units), seed), np.zeros(units))

    def forward(self, x: ArrayLike) -> np.ndarray:
        x, kernel = as_floats("x", x), self.parameters["kernel"]
        if x.ndim < 2 or x.shape[-1] != len(kernel):
            raise ValueError(
                f"x {x.shape} does not fit the kernel {kernel.shape}: give (batch, {len(kernel)})"
            )
        return self.keep(x @ kernel + self.parameters["bias"], x)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x,) = self.recall(gradient)
        features, units = self.parameters["kernel"].shape
        rows = gradient.reshape(-1, units)
        self.gradients = {"kernel": x.reshape(-1, features).T @ rows, "bias": rows.sum(axis=0)}
        return gradient @ self.parameters["kernel"].T


class Sigmoid(Layer):
    """σ(x) = 1 / (1 + e⁻ˣ), with σ' = σ (1 − σ) ≤ ¼.

    Example:
        >>> layer = Sigmoid()
        >>> float(layer.forward(0.0)), float(layer.backward(1.0))
        (0.5, 0.25)
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        y = sigmoid(as_floats("x", x))
        return self.keep(y, y)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (y,) = self.recall(gradient)
        return gradient * y * (1 - y)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return σ(x), without overflow at any x: e is only ever raised to a negative power.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


class Tanh(Layer):
    """tanh x = 2σ(2x) − 1, with tanh' = 1 − tanh².

    Example:
        >>> layer = Tanh()
        >>> float(layer.forward(0.0)), float(layer.backward(2.0))
        (0.0, 2.0)
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        y = np.tanh(as_floats("x", x))
        return self.keep(y, y)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (y,) = self.recall(gradient)
        return gradient * (1 - y**2)


class ReLU(Layer):
    """max(x, 0) (Nair & Hinton 2010). At the kink the derivative is taken as 0.

    Example:
        >>> layer = ReLU()
        >>> layer.forward([-1.0, 2.0]).tolist(), layer.backward([5.0, 5.0]).tolist()
        ([0.0, 2.0], [0.0, 5.0])
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x)
        return self.keep(np.maximum(x, 0), x)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x,) = self.recall(gradient)
        return gradient * (x > 0)


class LeakyReLU(Layer):
    """x for x > 0, else αx: every unit keeps a gradient (Maas, Hannun & Ng 2013).

    Args:
        negative_slope: α, at least 0; 0.01 as in the paper (``keras.layers.LeakyReLU`` has 0.3).

    Example:
        >>> layer = LeakyReLU(0.5)
        >>> layer.forward([-1.0, 2.0]).tolist(), layer.backward([4.0, 4.0]).tolist()
        ([-0.5, 2.0], [2.0, 4.0])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = checks.not_negative("negative_slope", negative_slope)

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x)
        return self.keep(np.where(x > 0, x, self.negative_slope * x), x)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x,) = self.recall(gradient)
        return gradient * np.where(x > 0, 1, self.negative_slope)


class ELU(Layer):
    """x for x > 0, else α (eˣ − 1): smooth at 0 if α = 1, with a mean nearer 0 (Clevert et al. 2016).

    Args:
        alpha: α, at least 0; the output stays above −α.

    Example:
        >>> layer = ELU()
        >>> layer.forward([-1.0, 2.0]).round(3).tolist()
        [-0.632, 2.0]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = checks.not_negative("alpha", alpha)

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x)
        below = np.minimum(x, 0)  # both branches of where() are computed, and e¹⁰⁰⁰⁰ overflows
        return self.keep(np.where(x > 0, x, self.alpha * np.expm1(below)), x)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x,) = self.recall(gradient)
        return gradient * np.where(x > 0, 1, self.alpha * np.exp(np.minimum(x, 0)))


class Maxout(Layer):
    """The largest of k affine pieces for each unit: a learned activation (Goodfellow et al. 2013).

    Args:
        kernel: W, ``(features, units, pieces)``.
        bias: b, ``(units, pieces)``.

    Maps ``(batch, features)`` to ``(batch, units)``; only the piece that won learns from an example.

    Raises:
        ValueError: kernel and bias, or input and kernel, do not fit; the message names both shapes.

    Example:
        >>> absolute = Maxout(kernel=[[[1.0, -1.0]]], bias=[[0.0, 0.0]])
        >>> absolute.forward([[-3.0], [2.0]]).tolist()
        [[3.0], [2.0]]
    """

    def __init__(self, kernel: ArrayLike, bias: ArrayLike) -> None:
        super().__init__(kernel=as_floats("kernel", kernel, ndim=3), bias=bias)
        if np.shape(bias) != np.shape(kernel)[1:]:
            raise ValueError(
                f"bias {np.shape(bias)} does not fit the kernel {np.shape(kernel)}: (units, pieces)"
            )

    @classmethod
    def random(cls, features: int, units: int, pieces: int = 2, seed: Seed = None) -> "Maxout":
        """Draw each piece by `glorot_uniform` and start the bias at 0."""
        rng = generator(seed)
        kernel = np.stack([glorot_uniform((features, units), rng) for _ in range(pieces)], axis=-1)
        return cls(kernel, np.zeros((units, pieces)))

    def forward(self, x: ArrayLike) -> np.ndarray:
        x, kernel = as_floats("x", x, ndim=2), self.parameters["kernel"]
        if x.shape[-1] != len(kernel):
            raise ValueError(
                f"x {x.shape} does not fit the kernel {kernel.shape}: give (batch, {len(kernel)})"
            )
        pieces = np.tensordot(x, kernel, axes=1) + self.parameters["bias"]
        return self.keep(pieces.max(axis=-1), x, pieces.argmax(axis=-1))

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (x, winner) = self.recall(gradient)
        kernel = self.parameters["kernel"]
        to_piece = gradient[..., None] * (winner[..., None] == np.arange(kernel.shape[-1]))
        self.gradients = {"kernel": np.tensordot(x, to_piece, axes=(0, 0)), "bias": to_piece.sum(axis=0)}
        return np.tensordot(to_piece, kernel, axes=([1, 2], [1, 2]))


class Dropout(Layer):
    """`dropout` as a layer: backward uses the mask of the forward pass. Outside training it does nothing.

    Args:
        p: probability of dropping, in [0, 1].
        seed: as for `glorot_uniform`; each training pass draws the next mask from it.

    Example:
        >>> Dropout(0.5, seed=0).forward(np.ones(4), training=True).tolist()
        [2.0, 0.0, 0.0, 0.0]
        >>> Dropout(0.5, seed=0).forward(np.ones(4)).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, p: float, seed: Seed = None) -> None:
        super().__init__()
        self.p = checks.fraction("p", p)
        self.rng = generator(seed)

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        x = as_floats("x", x)
        scale = dropout(np.ones_like(x), self.p, self.rng) if training else np.ones_like(x)
        return self.keep(x * scale, scale)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (scale,) = self.recall(gradient)
        return gradient * scale

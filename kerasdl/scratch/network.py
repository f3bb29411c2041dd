"""What is a network? Layers in a chain: forward through them, then backward in the opposite order.

One class, :class:`Network`: rows go in, outputs come out, and with a target the loss and every gradient.
"""

from collections.abc import Sequence

import numpy as np

from kerasdl import checks
from kerasdl.scratch.graph import Dropout
from kerasdl.scratch.layer import Layer
from kerasdl.scratch.losses import SoftmaxCrossEntropy


class Network(Layer):
    """A chain of layers with a loss at its end; itself a layer.

    Args:
        layers: the layers in order, each with one input.
        objective: the loss, `SoftmaxCrossEntropy` unless another is given.

    ``parameters`` and ``gradients`` map ``"affine1.kernel"``, ``"affine1.bias"``, ``"affine2.kernel"`` …
    (class and count) to the layers' own arrays: an optimizer that changes them in place trains the network.

    Raises:
        ValueError: there is no layer, or one occurs twice (its second pass would overwrite the first).

    Example:
        >>> from kerasdl.scratch import SGD, Affine, ReLU
        >>> xor, labels = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        >>> network = Network([Affine.random(2, 8, seed=1), ReLU(), Affine.random(8, 2, seed=2)])
        >>> sgd = SGD(learning_rate=0.5)
        >>> for _ in range(200):
        ...     sgd.update(network.parameters, network.gradient(xor, labels))
        >>> network.accuracy(xor, labels)
        1.0
    """

    def __init__(self, layers: Sequence[Layer], objective: Layer | None = None) -> None:
        self.layers = list(layers)
        self.objective = SoftmaxCrossEntropy() if objective is None else objective
        if not self.layers:
            raise ValueError("layers=[] is empty: give at least one")
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError(
                "layers holds one layer twice: make two, or its second pass overwrites its first"
            )

    @property
    def parameters(self) -> dict[str, np.ndarray]:  # type: ignore[override]  # read off the layers
        """Name → array of every layer, in order."""
        return self._named("parameters")

    @property
    def gradients(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        """Name → gradient of every layer, in order, after ``backward``."""
        return self._named("gradients")

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Return the last layer's output; ``training`` lets `Dropout` drop."""
        for layer in self.layers:
            x = layer.forward(x, training=training) if isinstance(layer, Dropout) else layer.forward(x)
        return x

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """Take the loss's gradient with respect to the output back to the input."""
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def loss(self, x: np.ndarray, target: np.ndarray, training: bool = False) -> float:
        """Return the loss on a batch."""
        return self.objective.forward(self.forward(x, training=training), target)

    def gradient(self, x: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradients of the training loss on a batch, named like ``parameters``."""
        self.loss(x, target, training=True)
        self.backward(self.objective.backward())
        return self.gradients

    def accuracy(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Return the fraction of rows whose largest output is the labelled one; ``labels`` are ``(batch,)``.

        Raises:
            ValueError: an output is NaN or infinite, or the labels have another shape than the rows.
        """
        best = checks.finite("the network's output", self.forward(x)).argmax(axis=-1)
        if best.shape != np.shape(labels):
            raise ValueError(
                f"labels {np.shape(labels)} do not fit the outputs {best.shape}: give one per row"
            )
        return float(np.mean(best == labels))

    def _named(self, attribute: str) -> dict[str, np.ndarray]:
        named: dict[str, np.ndarray] = {}
        counts: dict[str, int] = {}
        for layer in self.layers:
            kind = type(layer).__name__.lower()
            counts[kind] = counts.get(kind, 0) + 1
            for name, array in getattr(layer, attribute).items():
                named[f"{kind}{counts[kind]}.{name}"] = array
        return named

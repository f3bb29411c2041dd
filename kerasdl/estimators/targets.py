"""How do targets become numbers, and a model's outputs predictions?

Targets are learned from y: numbers as they are, or labels. Together with a model they make a head: which loss
it is compiled with, what it is fed as targets, and what its outputs mean.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from sklearn.utils.multiclass import check_classification_targets

Loss: TypeAlias = str | keras.losses.Loss


@dataclass(frozen=True)
class Targets(ABC):
    """What y holds.

    Attributes:
        outputs: how many outputs the builder is asked for.
    """

    outputs: int

    @abstractmethod
    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y as the numbers that a loss takes, ``(samples, …)``.

        Raises:
            ValueError: y does not hold what these targets were learned from.
        """

    @abstractmethod
    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return what a validation part is stratified by, if by anything."""

    @abstractmethod
    def head(self, model: keras.Model, loss: Loss | None) -> "Head":
        """Return how this model is trained on these targets and read.

        Args:
            model: built.
            loss: the one asked for; None for the default.

        Raises:
            ValueError: the model has another number of outputs, or the loss takes other outputs than it has.
        """


@dataclass(frozen=True)
class Head(ABC):
    """How one model is trained on targets and read.

    Attributes:
        targets: what they are.
        loss: what the model is compiled with.
    """

    targets: Targets
    loss: Loss

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y as this head's loss takes it."""
        return self.targets.encode(y)

    @abstractmethod
    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions, of the form that y had, from the model's outputs ``(samples, outputs)``."""


@dataclass(frozen=True)
class Numbers(Targets):
    """Numbers.

    Attributes:
        one_axis: y was ``(samples,)`` rather than ``(samples, targets)``.
    """

    one_axis: bool

    @classmethod
    def of(cls, y: np.ndarray) -> "Numbers":
        """Learn the targets from y."""
        return cls(1 if y.ndim == 1 else y.shape[1], y.ndim == 1)

    def encode(self, y: np.ndarray) -> np.ndarray:
        if Numbers.of(y) != self:
            raise ValueError(f"y has shape {y.shape}, unlike in the training before: fit a new model")
        return np.asarray(y, float).reshape(len(y), -1)

    def strata(self, y: np.ndarray) -> None:
        return None

    def head(self, model: keras.Model, loss: Loss | None) -> "NumberHead":
        return NumberHead(self, "mse" if loss is None else loss)


@dataclass(frozen=True)
class NumberHead(Head):
    """Outputs are the predictions."""

    targets: Numbers

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        outputs = np.asarray(outputs, float)
        return outputs[:, 0] if self.targets.one_axis else outputs


@dataclass(frozen=True)
class Labels(Targets):
    """One label a row.

    Attributes:
        classes: the labels, sorted.
    """

    classes: np.ndarray

    @classmethod
    def of(cls, y: Any) -> "Labels":
        """Learn the labels from y.

        Raises:
            ValueError: y has no labels, or one alone.
        """
        classes = np.unique(labels(y))
        if len(classes) < 2:
            raise ValueError(f"y has one class, {classes.tolist()[0]!r}: a classifier needs at least two")
        return cls(len(classes), classes)

    def encode(self, y: np.ndarray) -> np.ndarray:
        y = labels(y)
        places = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
        new = y[self.classes[places] != y].tolist()
        if new:
            raise ValueError(
                f"y has the label {new[0]!r}, which is not among classes_: {self.classes.tolist()}"
            )
        return places.astype("int32")[:, None]

    def strata(self, y: np.ndarray) -> np.ndarray:
        return labels(y)

    def head(self, model: keras.Model, loss: Loss | None) -> "LabelHead":
        outputs, classes = model.output_shape[-1], self.outputs
        if outputs != classes and not (outputs == 1 and classes == 2):
            raise ValueError(
                f"build returned a model with {outputs} outputs for {classes} classes: let it take outputs "
                "and use them"
            )
        logits = _activation(model) not in ("softmax", "sigmoid")
        if isinstance(loss, str) and "crossentropy" in loss and logits:
            raise ValueError(
                f"loss={loss!r} takes probabilities and the model gives logits: leave the loss out, or give "
                "one made with from_logits=True"
            )
        if loss is None and outputs == 1:
            loss = keras.losses.BinaryCrossentropy(from_logits=logits)
        elif loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
        return LabelHead(self, loss, logits)


@dataclass(frozen=True)
class LabelHead(Head):
    """Outputs are the classes' logits or probabilities; for two classes one output will do.

    Attributes:
        logits: whether outputs are logits.
    """

    targets: Labels
    logits: bool

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return each class's probability, ``(samples, classes)``."""
        outputs = np.asarray(outputs, float)
        if outputs.shape[1] == 1:
            outputs = np.hstack([np.zeros_like(outputs) if self.logits else 1 - outputs, outputs])
        if self.logits:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return outputs / outputs.sum(axis=1, keepdims=True)

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        return self.targets.classes[self.probabilities(outputs).argmax(axis=1)]


def labels(y: Any) -> np.ndarray:
    """Return y as an array, if it holds labels.

    Raises:
        ValueError: it holds numbers that no classifier can tell apart as labels.
    """
    y = np.asarray(y)
    check_classification_targets(y)
    return y


def _activation(model: keras.Model) -> str:
    """Return the name of what the last layer does to its outputs."""
    last = model.layers[-1] if model.layers else model
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(last, "activation", None), "__name__", "linear")

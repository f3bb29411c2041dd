"""How do targets become numbers, and a model's outputs predictions?

Targets are learned from y: numbers as they are, one label a row, or several. Together with a model they make
a head: which loss it is compiled with, what it is fed as targets, and what its outputs mean.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from kerasdl import checks
from kerasdl.estimators.losses import Loss, choose, choose_for_several
from kerasdl.estimators.meaning import Answers, Meaning, meaning


class Asked(NamedTuple):
    """What the user says about loss and outputs; None where nothing.

    Attributes:
        loss: the one to train with.
        from_logits: whether a classifier's outputs are logits.
        one_hot: whether the loss takes a classifier's targets one-hot.
    """

    loss: Loss | None = None
    from_logits: bool | None = None
    one_hot: bool | None = None


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
    def head(self, answers: Answers, asked: Asked) -> "Head":
        """Return how this model is trained on these targets and read.

        Args:
            answers: of the model.
            asked: what the user says about them.

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
        """Learn the targets from y.

        Raises:
            ValueError: y holds text or dates.
        """
        checks.real("y", y)
        return cls(1 if y.ndim == 1 else y.shape[1], y.ndim == 1)

    def encode(self, y: np.ndarray) -> np.ndarray:
        if Numbers.of(y) != self:
            raise ValueError(f"y has shape {y.shape}, unlike in the training before: fit a new model")
        return np.asarray(y, float).reshape(len(y), -1)

    def strata(self, y: np.ndarray) -> None:
        return None

    def head(self, answers: Answers, asked: Asked) -> "NumberHead":
        if answers.shape != (self.outputs,):
            raise ValueError(
                f"build returned a model with outputs of shape {answers.shape} for {self.outputs} "
                f"target{'s' * (self.outputs > 1)} a row: let it take outputs and end in that many"
            )
        return NumberHead(self, "mse" if asked.loss is None else asked.loss)


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

    def head(self, answers: Answers, asked: Asked) -> "LabelHead":
        shape, classes = answers.shape, self.outputs
        if shape != (classes,) and not (shape == (1,) and classes == 2):
            found = f"{shape[0]} outputs" if len(shape) == 1 else f"outputs of shape {shape}"
            raise ValueError(
                f"build returned a model with {found} for {classes} classes: let it take outputs and use them"
            )
        number = int(shape[0] or 0)
        means = meaning(answers, asked.from_logits)
        if means == "softmax" and number == 1:
            raise ValueError("build returned a model with a softmax of one output, which is always 1")
        return LabelHead(self, *choose(asked.loss, means, number, asked.one_hot), means)


@dataclass(frozen=True)
class LabelHead(Head):
    """Outputs are the classes' logits or probabilities; for two classes one output will do.

    Attributes:
        one_hot: whether the loss takes targets one-hot.
        means: what the outputs mean.
    """

    targets: Labels
    one_hot: bool
    means: Meaning

    def encode(self, y: np.ndarray) -> np.ndarray:
        places = self.targets.encode(y)
        return np.eye(self.targets.outputs, dtype="float32")[places[:, 0]] if self.one_hot else places

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return each class's probability, ``(samples, classes)``."""
        outputs, logits = np.asarray(outputs, float), self.means == "logits"
        if outputs.shape[1] == 1:
            outputs = np.hstack([np.zeros_like(outputs) if logits else 1 - outputs, outputs])
        if logits:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        sums = outputs.sum(axis=1, keepdims=True)
        # Sigmoids may all be 0: then nothing tells the classes apart.
        return np.where(sums > 0, outputs, 1) / np.where(sums > 0, sums, outputs.shape[1])

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        return self.targets.classes[self.probabilities(outputs).argmax(axis=1)]


@dataclass(frozen=True)
class LabelSets(Targets):
    """Several labels a row, each yes (1) or no (0)."""

    @property
    def classes(self) -> np.ndarray:
        """The labels' numbers."""
        return np.arange(self.outputs)

    def encode(self, y: np.ndarray) -> np.ndarray:
        y = np.asarray(y)
        if y.shape[1:] != (self.outputs,) or not np.isin(y, (0, 1)).all():
            raise ValueError(f"y is not 0 or 1 for each of {self.outputs} labels, as in the training before")
        return y.astype("float32")

    def strata(self, y: np.ndarray) -> None:
        return None

    def head(self, answers: Answers, asked: Asked) -> "LabelSetHead":
        if answers.shape != (self.outputs,):
            raise ValueError(
                f"build returned a model with outputs of shape {answers.shape} for {self.outputs} labels a "
                "row: let it take outputs and end in that many"
            )
        means = meaning(answers, asked.from_logits)
        return LabelSetHead(self, choose_for_several(asked.loss, means), means)


@dataclass(frozen=True)
class LabelSetHead(Head):
    """Outputs are each label's logit or probability.

    Attributes:
        means: which of the two.
    """

    targets: LabelSets
    means: Meaning

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return each label's probability, ``(samples, labels)``."""
        outputs = np.asarray(outputs, float)
        return expit(outputs) if self.means == "logits" else outputs

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        return (self.probabilities(outputs) > 0.5).astype(int)


def classes_of(y: Any) -> Labels | LabelSets:
    """Learn labels from y: one a row, or ``(samples, labels)`` of zeros and ones.

    Raises:
        ValueError: neither.
    """
    y = np.asarray(y)
    if y.ndim < 2 or y.shape[1] < 2:
        return Labels.of(y)
    if type_of_target(y) != "multilabel-indicator":
        raise ValueError(
            f"y has shape {y.shape} and other values than 0 and 1: give one label a row, (samples,)"
        )
    return LabelSets(y.shape[1])


def labels(y: Any) -> np.ndarray:
    """Return y as an array, if it holds labels.

    Raises:
        ValueError: it holds numbers that no classifier can tell apart as labels.
    """
    y = np.asarray(y)
    check_classification_targets(y)
    return y

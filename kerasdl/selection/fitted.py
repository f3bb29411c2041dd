"""What does a scorer get to see of a fitted fold? An estimator that remembers its answers.

In go a fitted estimator and its model's outputs for some rows; out comes an estimator that predicts the
same, and answers for those rows without its model. A scorer asks for predictions on the very rows that were
trained or judged, several scorers ask again, and the folds of one program share a model: so each fold keeps
what its model answered for those rows.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier

from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.estimators.losses import Loss
from kerasdl.selection.prepared import Prepared


class Shared:
    """A model that several folds share, and whose weights are in it."""

    def __init__(self, model: keras.Model):
        self.model = model
        self._present: Any = None

    def holds(self, weights: Sequence[np.ndarray]) -> keras.Model:
        """Return the model with these weights in it."""
        if self._present is not weights:
            self.model.set_weights(weights)
            self._present = weights
        return self.model


class Own(NamedTuple):
    """A fold's own weights for a model that it shares, and what a model of its own is compiled with."""

    shared: Shared
    weights: Sequence[np.ndarray]
    optimizer: keras.optimizers.Optimizer
    loss: Loss


class Fitted:
    """A fitted estimator.

    Args:
        estimator: what takes raw rows to predictions.
        features: columns that its last step saw.
        seconds: that its fit took.
    """

    def __init__(self, estimator: BaseEstimator, features: float, seconds: float):
        self.features, self.seconds = features, seconds
        self._estimator = estimator

    @property
    def estimator(self) -> BaseEstimator:
        """What takes raw rows to predictions."""
        return self._estimator

    @property
    def history(self) -> pd.DataFrame | None:
        """The history of the training, where the estimator keeps one."""
        return None

    def alone(self) -> BaseEstimator:
        """Return the estimator to keep, which shares nothing with another fold's."""
        return self.estimator

    def __getattr__(self, name: str) -> Any:
        if name in ("_estimator", "_own", "_known"):  # not there yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.estimator, name)


class FittedKeras(Fitted):
    """A fitted Keras estimator that remembers what its model answers for some X.

    Args:
        prepared: the fold's rows.
        model: the estimator at the end.
        seconds: that its fit took.
        known: (X, the model's outputs for X).
        own: this fold's weights, where the model is shared.
    """

    def __init__(
        self,
        prepared: Prepared,
        model: KerasEstimator,
        seconds: float,
        known: Sequence[tuple[Any, np.ndarray]],
        own: Own | None = None,
    ):
        super().__init__(prepared.whole(model), prepared.features, seconds)
        self._model, self._prepared, self._known, self._own = model, prepared, known, own

    @property
    def estimator(self) -> BaseEstimator:
        """What takes raw rows to predictions, this fold's weights in its model."""
        if self._own is not None:
            self._own.shared.holds(self._own.weights)
        return self._estimator

    @property
    def history(self) -> pd.DataFrame | None:
        return self._model.history_

    def alone(self) -> BaseEstimator:
        if self._own is not None and not self._own.shared.model.compiled:
            self._own.shared.model.compile(self._own.optimizer, self._own.loss)
        return copy.deepcopy(self.estimator)

    def predict(self, X: Any) -> np.ndarray:
        outputs = self._outputs(X)
        if outputs is None:
            return self.estimator.predict(X)
        return self._prepared.raw(self._model._head.decide(outputs))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return type(self._model).score(self, X, y, sample_weight)

    def _outputs(self, X: Any) -> np.ndarray | None:
        """Return the model's outputs for X, if it is known."""
        return next((outputs for known, outputs in self._known if known is X), None)


class FittedClassifier(FittedKeras):
    """The same, with probabilities."""

    def predict_proba(self, X: Any) -> np.ndarray:
        outputs = self._outputs(X)
        return (
            self.estimator.predict_proba(X) if outputs is None else self._model._head.probabilities(outputs)
        )


def remembering(
    prepared: Prepared,
    model: KerasEstimator,
    seconds: float,
    known: Sequence[tuple[Any, np.ndarray]],
    own: Own | None = None,
) -> FittedKeras:
    """Return a fold's fitted Keras estimator with its model's answers."""
    kind = FittedClassifier if is_classifier(model) else FittedKeras
    return kind(prepared, model, seconds, known, own)

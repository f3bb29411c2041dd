"""What does a scorer get to see of a fitted fold? An estimator that remembers its answers.

A scorer asks for predictions on the very rows that were trained or judged, several scorers ask again, and the
folds of one program share a model: so each fold keeps what its model answered for those rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline

from kerasdl.selection.prepared import last


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
    """A fold's own weights for a model that it shares."""

    shared: Shared
    weights: Sequence[np.ndarray]


class Fitted:
    """A fitted estimator that remembers what its model answers for some X.

    Args:
        estimator: what takes raw rows to predictions.
        features: columns that its last step saw.
        seconds: that its fit took.
        known: (X, the model's outputs for X) where the last step is a Keras estimator.
        own: this fold's weights, where the model is shared.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        features: float,
        seconds: float,
        known: Sequence[tuple[Any, np.ndarray]] = (),
        own: Own | None = None,
    ):
        self.features, self.seconds = features, seconds
        self._estimator, self._known, self._own = estimator, known, own

    @property
    def estimator(self) -> BaseEstimator:
        """What takes raw rows to predictions, this fold's weights in its model."""
        if self._own is not None:
            self._own.shared.holds(self._own.weights)
        return self._estimator

    @property
    def history(self) -> pd.DataFrame | None:
        """The history of the training, where the estimator keeps one."""
        return getattr(last(self._estimator), "history_", None)

    def __getattr__(self, name: str) -> Any:
        if name in ("_estimator", "_own", "_known"):  # not there yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def predict(self, X: Any) -> np.ndarray:
        outputs = self._outputs(X)
        return self.estimator.predict(X) if outputs is None else self._head.decide(outputs)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        if not self._known:
            return self.estimator.score(X, y)
        return type(last(self._estimator)).score(self, X, y, sample_weight)

    @property
    def _head(self) -> Any:
        return last(self._estimator)._head

    def _outputs(self, X: Any) -> np.ndarray | None:
        """Return the model's outputs for X, if it is known."""
        return next((outputs for known, outputs in self._known if known is X), None)


class FittedClassifier(Fitted):
    """The same, with probabilities."""

    def predict_proba(self, X: Any) -> np.ndarray:
        outputs = self._outputs(X)
        return self.estimator.predict_proba(X) if outputs is None else self._head.probabilities(outputs)


def remembering(
    whole: Pipeline,
    features: float,
    seconds: float,
    known: Sequence[tuple[Any, np.ndarray]],
    own: Own | None = None,
) -> Fitted:
    """Return a fold's fitted pipeline, which ends with a Keras estimator, with its model's answers."""
    kind = FittedClassifier if is_classifier(whole) else Fitted
    return kind(whole, features, seconds, known, own)

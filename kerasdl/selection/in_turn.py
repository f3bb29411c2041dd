"""How is one fold fitted by itself? As scikit-learn would, or on a Keras model compiled once and reset.

In go an estimator and folds; out comes, for each fold asked for, what its scorers get to see.
"""

import time
from typing import NamedTuple, Protocol

import keras
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from kerasdl import training
from kerasdl.estimators import inputs
from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.estimators.steps import Compiled, outputs
from kerasdl.estimators.watching import copies
from kerasdl.selection.fitted import Fitted, remembering
from kerasdl.selection.folds import Fold, Folds
from kerasdl.selection.prepared import last, prepare


class Way(Protocol):
    """How folds are fitted one at a time."""

    def fit(self, fold: Fold) -> Fitted:
        """Return what became of a fold's estimator."""


def way(estimator: BaseEstimator, folds: Folds) -> Way:
    """Return how this estimator is fitted on a fold by itself."""
    return OnOneModel(estimator, folds) if isinstance(last(estimator), KerasEstimator) else Plainly(estimator)


class Plainly:
    """Fits a clone of any estimator, as scikit-learn does."""

    def __init__(self, estimator: BaseEstimator):
        self.estimator = estimator

    def fit(self, fold: Fold) -> Fitted:
        started = time.perf_counter()
        fitted, arguments = clone(self.estimator), {}
        if fold.train.weight is not None:
            step = f"{fitted.steps[-1][0]}__" if isinstance(fitted, Pipeline) else ""
            arguments = {f"{step}sample_weight": fold.train.weight}
        fitted.fit(fold.train.X, fold.train.y, **arguments)
        features = getattr(last(fitted), "n_features_in_", np.nan)
        return Fitted(fitted, features, time.perf_counter() - started)


class _Start(NamedTuple):
    """A compiled model and every variable that training moves, as it was before any."""

    compiled: Compiled
    state: list[tuple[keras.Variable, np.ndarray]]


class OnOneModel:
    """Fits a Keras estimator on a model that is compiled once for each width of rows, and reset."""

    def __init__(self, estimator: BaseEstimator, folds: Folds):
        self.estimator = estimator
        self.prepared = [prepare(estimator, fold) for fold in folds]
        self.starts: dict[str, _Start] = {}

    def fit(self, fold: Fold) -> Fitted:
        started = time.perf_counter()
        own, estimator = self.prepared[fold.number], clone(last(self.estimator))
        steps, key = estimator._new_steps(own.y, own.columns), repr(own.shape)
        if key not in self.starts:
            with steps.chance():
                new = steps.compiled(own.train)
            self.starts[key] = _Start(new, training.snapshot(new.model))
        (model, call, _), state = self.starts[key]
        with steps.chance():
            fresh = call.make()
            training.restore(state)
            model.set_weights(fresh.get_weights())
            head = steps.head(model, own.train)
            groups = fold.train.told(estimator.validation_split)
            feed = steps.feed(head, model, own.train, own.y, fold.train.weight, groups=groups)
            watching = copies(estimator.callbacks)
            history = steps.train(model, feed, watching)
        features = None if inputs.several(own.train) else own.shape[0]
        estimator._take_over(Compiled(model, call, head), history, watching, 0, features, own.columns)
        sides = [(fold.train.X, own.train), (fold.valid.X, own.valid)]
        known = [(X, outputs(model, rows, estimator.batch_size, steps.columns)) for X, rows in sides]
        return remembering(own, estimator, time.perf_counter() - started, known)

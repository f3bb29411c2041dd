"""What does each fold train on, and what does it answer? Rows prepared inside the fold."""

import sys
import time
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array, indexable

from kerasdl import random, training
from kerasdl.borrowed import safe_indexing
from kerasdl.estimators.base import KerasEstimator
from kerasdl.selection.stack import plan
from kerasdl.selection.stack import train as together


class Prepared(NamedTuple):
    """A fold's rows after what its estimator does before the model.

    Attributes:
        steps: the fitted pipeline without its last step.
        train, valid: ``(rows, …)``, padded to the widest fold where all are trained together.
        shape: of a row before any padding.
    """

    steps: Pipeline
    train: np.ndarray
    valid: np.ndarray
    shape: tuple[int, ...]


class Fold(NamedTuple):
    """One side of training rows and one to validate."""

    number: int
    train: np.ndarray
    valid: np.ndarray
    X_train: object
    X_valid: object


@dataclass
class Folds:
    """The rows, split.

    Raises:
        ValueError: lengths that differ, a fold with an empty side or, for a classifier, one that trains
            without some class.
    """

    X: object
    y: np.ndarray
    cv: object
    weight: np.ndarray | None
    estimator: BaseEstimator

    def __post_init__(self):
        self.X, y = indexable(self.X, self.y)
        self.y = np.asarray(y)
        if self.weight is not None:
            self.weight = np.asarray(self.weight, float)
            if self.weight.shape != (len(self.y),):
                raise ValueError(
                    f"sample_weight has shape {self.weight.shape}: give one weight a row, ({len(self.y)},)"
                )
        judged = is_classifier(self.estimator)
        default = StratifiedKFold(5) if judged else KFold(5)
        if judged and self.y.ndim == 2 and self.y.shape[1] == 1:
            self.y = self.y[:, 0]
        splitter = check_cv(default if self.cv is None else self.cv, self.y, classifier=judged)
        self.folds = []
        for number, (train, valid) in enumerate(splitter.split(self.X, self.y)):
            if not (len(train) and len(valid)):
                raise ValueError(f"cv={self.cv!r} leaves a side of fold {number + 1} empty: use fewer folds")
            missing = np.setdiff1d(self.y, self.y[train]) if judged else []
            if len(missing):
                raise ValueError(
                    f"cv={self.cv!r} trains fold {number + 1} without class {missing.tolist()[0]!r}: "
                    "use StratifiedKFold, or fewer folds"
                )
            sides = (safe_indexing(self.X, train), safe_indexing(self.X, valid))
            self.folds.append(Fold(number, train, valid, *sides))

    def prepared(self, estimator: BaseEstimator) -> list[Prepared]:
        """Return each fold's rows as a pipeline's last step would see them."""
        found = []
        for fold in self.folds:
            if isinstance(estimator, Pipeline):
                steps = clone(estimator[:-1])
                train = steps.fit_transform(fold.X_train, self.y[fold.train])
                valid = steps.transform(fold.X_valid)
            else:
                steps, train, valid = make_pipeline("passthrough"), fold.X_train, fold.X_valid
            train, valid = (check_array(side, allow_nd=True) for side in (train, valid))
            found.append(Prepared(steps, train, valid, train.shape[1:]))
        return found

    def weights(self, fold: Fold) -> np.ndarray | None:
        """Return the weights of a fold's training rows."""
        return None if self.weight is None else self.weight[fold.train]


class Fitted:
    """A fitted estimator that remembers what its model answers for some X: scorers ask it often."""

    def __init__(self, estimator: BaseEstimator, features: float, known=(), seconds=0.0, arrays=None):
        self.estimator, self.features, self.seconds = estimator, features, seconds
        self.last = last(estimator)
        self._known, self._arrays = known, arrays

    def __getattr__(self, name: str):
        return getattr(self.estimator, name)

    def recall(self) -> None:
        """Put this fold's weights into the model, which folds of one program share."""
        if self._arrays is not None:
            self.last.model_.set_weights([array for arrays in self._arrays for array in arrays])

    def predict(self, X) -> np.ndarray:
        return self._answer(X, "decide", "predict")

    def score(self, X, y, sample_weight=None) -> float:
        if not self._known:
            return self.estimator.score(X, y)
        return type(self.last).score(self, X, y, sample_weight)

    def _answer(self, X, read: str, ask: str) -> np.ndarray:
        for known, outputs in self._known:
            if known is X:
                return getattr(self.last, read)(outputs)
        return getattr(self.estimator, ask)(X)


class FittedClassifier(Fitted):
    """The same, with probabilities."""

    def predict_proba(self, X) -> np.ndarray:
        return self._answer(X, "probabilities", "predict_proba")


def _remembered(whole: Pipeline, *details) -> Fitted:
    kind = FittedClassifier if is_classifier(whole) else Fitted
    return kind(whole, *details)


def last(estimator: BaseEstimator) -> BaseEstimator:
    """Return a pipeline's last step, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def pad(values: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Append zeros to each axis up to ``shape``; None leaves an axis as it is."""
    values = np.asarray(values)
    missing = [0 if size is None else size - have for size, have in zip(shape, values.shape, strict=True)]
    return np.pad(values, [(0, n) for n in missing]) if any(missing) else values


def _widened(prepared: list[Prepared]) -> list[Prepared]:
    """Return all folds as wide as the widest."""
    widest = (None, *max(own.shape for own in prepared))
    return [own._replace(train=pad(own.train, widest), valid=pad(own.valid, widest)) for own in prepared]


def _whole(prepared: Prepared, model: KerasEstimator) -> Pipeline:
    """Return the pipeline that takes raw rows to a fold's model."""
    widen = FunctionTransformer(pad, kw_args={"shape": (None, *prepared.train.shape[1:])})
    return make_pipeline(prepared.steps, widen, model)


class Each:
    """Fits any estimator on one fold at a time, as scikit-learn does."""

    def __init__(self, estimator: BaseEstimator, folds: Folds):
        self.estimator, self.folds = estimator, folds

    def fit(self, fold: Fold) -> Fitted:
        started = time.perf_counter()
        fitted, arguments = clone(self.estimator), {}
        if self.folds.weight is not None:
            step = f"{fitted.steps[-1][0]}__" if isinstance(fitted, Pipeline) else ""
            arguments = {f"{step}sample_weight": self.folds.weights(fold)}
        fitted.fit(fold.X_train, self.folds.y[fold.train], **arguments)
        features = getattr(last(fitted), "n_features_in_", np.nan)
        return Fitted(fitted, features, seconds=time.perf_counter() - started)


class InTurn:
    """Fits a Keras estimator on one fold at a time, on a model compiled once for each width and reset."""

    def __init__(self, estimator: BaseEstimator, folds: Folds):
        self.estimator, self.folds = estimator, folds
        self.prepared = folds.prepared(estimator)
        self.models: dict[tuple[int, ...], tuple[keras.Model, list]] = {}

    def fit(self, fold: Fold) -> Fitted:
        started = time.perf_counter()
        own = self.prepared[fold.number]
        keras_estimator = clone(last(self.estimator))
        y = self.folds.y[fold.train]
        units = keras_estimator.learn_targets(y)
        keras_estimator.n_features_in_ = own.shape[0]
        if own.shape not in self.models:
            with clone(keras_estimator).chance():
                model = keras_estimator.compiled(own.shape, units)
            self.models[own.shape] = model, training.snapshot(model)
        model, start = self.models[own.shape]
        keras_estimator.loss_for(model)
        with keras_estimator.chance():
            drawn = keras_estimator.built(own.shape, units).get_weights()
            training.restore(start)
            model.set_weights(drawn)
            feed = keras_estimator.feed(own.train, y, self.folds.weights(fold))
            history = keras_estimator.train(model, feed)
        keras_estimator.trained(model, history)
        sides = [(fold.X_train, own.train), (fold.X_valid, own.valid)]
        known = tuple((X, keras_estimator.outputs(rows)) for X, rows in sides)
        whole = _whole(own, keras_estimator)
        return _remembered(whole, own.shape[-1], known, time.perf_counter() - started)


def fit_together(estimators: list[BaseEstimator], folds: Folds) -> list[list[Fitted]]:
    """Fit Keras estimators, each on every fold, as one model for all that share their layers' shapes.

    Raises:
        Unstackable: one of them can't be part of a stack; the line says why.
    """
    started = time.perf_counter()
    cache, drawn, groups, places = {}, {}, {}, []
    for setting, estimator in enumerate(estimators):
        before = _before(estimator)
        if before not in cache:
            cache[before] = _widened(folds.prepared(estimator))
        for fold, own in zip(folds.folds, cache[before], strict=True):
            member, template = _member(setting, estimator, folds, fold, own, before, drawn)
            key = together.check(member)
            group = groups.setdefault(key, [])
            places.append((setting, fold, own, member, template, (key, len(group))))
            group.append((member, [own.train, own.valid]))
    found = {
        key: together.train([member for member, _ in group], [asked for _, asked in group])
        for key, group in groups.items()
    }
    share = (time.perf_counter() - started) / len(places)
    fitted = [[] for _ in estimators]
    for setting, fold, own, member, template, (group, place) in places:
        result = found[group][place]
        keras_estimator = member.estimator.trained(template, result.history)
        known = tuple(zip((fold.X_train, fold.X_valid), result.outputs, strict=True))
        fitted[setting].append(
            Fitted(_whole(own, keras_estimator), own.shape[-1], known, share, result.arrays)
        )
    return fitted


def _member(setting, estimator, folds, fold, own, before, drawn) -> tuple[together.Member, keras.Model]:
    """Return a fold's member, with the weights, order and masks that it would have alone, and its model."""
    keras_estimator = clone(last(estimator))
    y, widest = folds.y[fold.train], own.train.shape[1:]
    units = keras_estimator.learn_targets(y)
    keras_estimator.n_features_in_ = widest[0]
    state = keras_estimator.random_state
    # Equal seeds draw equal weights: one model then shows those of all folds of this width.
    same = (setting, units) if isinstance(state, (int, np.integer)) else (setting, units, fold.number)
    for shape in (widest, own.shape):
        if (*same, shape) not in drawn:
            with clone(keras_estimator).chance():
                model = keras_estimator.built(shape, units)
            drawn[(*same, shape)] = (model, plan.read(model), keras_estimator._recipe)
    template, wide, keras_estimator._recipe = drawn[(*same, widest)]
    _, narrow, _ = drawn[(*same, own.shape)]
    if own.shape != widest and not wide.indifferent_to_padding():
        raise plan.Unstackable("folds differ in columns, and more than a dense layer looks at these")
    arrays = [
        [pad(a, b.shape) for a, b in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(narrow.arrays, wide.arrays, strict=True)
    ]
    with keras_estimator.chance():
        feed = keras_estimator.feed(own.train, y, folds.weights(fold))
        training.check_targets(template, feed.y)
        order = int(random.generator("batches").integers(2**32))
    stream = (before, fold.number, order, None if feed.validation is None else feed.validation[0].tobytes())
    loss = keras_estimator.loss_for(template)
    optimizer = plan.optimizer_settings(keras_estimator.own_optimizer())
    own_plan = wide._replace(arrays=arrays)
    return together.Member(keras_estimator, loss, own_plan, feed, order, stream, optimizer), template


def _before(estimator: BaseEstimator) -> str:
    """What tells one pipeline's preparation from another's."""
    if not isinstance(estimator, Pipeline):
        return ""
    name = estimator.steps[-1][0]
    own = {k: v for k, v in estimator.get_params().items() if k != "steps" and k.partition("__")[0] != name}
    # Two long arrays may be unlike in one digit.
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return str(sorted((k, str(v)) for k, v in own.items()))

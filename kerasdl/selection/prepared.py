"""What does a fold's model see of its rows? What the pipeline before it makes of them, inside the fold.

In go an estimator, alone, at the end of a pipeline or inside a ``TransformedTargetRegressor``, and a fold;
out come arrays and targets as the model sees them, and the way back: the estimator that takes raw rows to
predictions of raw targets.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array

from kerasdl import checks
from kerasdl.estimators import inputs
from kerasdl.selection.folds import Fold
from kerasdl.selection.identity import identity
from kerasdl.training import programs


class Parts(NamedTuple):
    """An estimator, taken apart.

    Attributes:
        steps: what is done to the rows before, or None.
        target: what is done to the targets, or None.
        target_first: the targets are transformed before the steps see them.
        last: the estimator that all leads to.
    """

    steps: Pipeline | None
    target: TransformedTargetRegressor | None
    target_first: bool
    last: BaseEstimator


def parts(estimator: BaseEstimator) -> Parts:
    """Take an estimator apart."""
    target = estimator if isinstance(estimator, TransformedTargetRegressor) else None
    inner = target.regressor if target is not None else estimator
    steps = inner[:-1] if isinstance(inner, Pipeline) else None
    end = inner[-1] if isinstance(inner, Pipeline) else inner
    if target is None and isinstance(end, TransformedTargetRegressor):
        return Parts(steps, end, False, end.regressor)
    return Parts(steps, target, target is not None, end)


def last(estimator: BaseEstimator) -> BaseEstimator:
    """Return what pipelines and wrappers lead to, or the estimator itself."""
    return parts(estimator).last


class Prepared(NamedTuple):
    """A fold's rows and targets after what its estimator does before the model.

    Attributes:
        steps: the fitted pipeline without its last step.
        target: the fitted transformer of the targets, or None.
        train, valid: ``(rows, …)``.
        y: the targets to train on.
        shape: of a row before any padding.
        one_axis: the raw targets are ``(rows,)``.
        columns: names of the columns, where the prepared rows are a table and not padded.
    """

    steps: Pipeline
    target: BaseEstimator | None
    train: inputs.Rows
    valid: inputs.Rows
    y: np.ndarray
    shape: inputs.Shape
    one_axis: bool
    columns: np.ndarray | None = None

    @property
    def features(self) -> float:
        """The number of columns; of several inputs, that of all."""
        shapes = self.shape.values() if isinstance(self.shape, dict) else [self.shape]
        return sum(shape[-1] for shape in shapes)

    def whole(self, model: BaseEstimator) -> BaseEstimator:
        """Return what takes raw rows to predictions by this fitted estimator."""
        between: list[BaseEstimator] = []
        if not inputs.several(self.train):
            shape = (None, *self.train.shape[1:])
            between = [FunctionTransformer(pad, kw_args={"shape": shape})]
        pipeline = make_pipeline(self.steps, *between, model)
        return pipeline if self.target is None else Back(pipeline, self.target, self.one_axis)

    def raw(self, predictions: np.ndarray) -> np.ndarray:
        """Return a model's predictions as predictions of the raw targets."""
        if self.target is None:
            return predictions
        return _raw(self.target, predictions, self.one_axis)


class Back(RegressorMixin, BaseEstimator):
    """A fitted regressor of transformed targets, whose predictions are transformed back."""

    def __init__(self, regressor: BaseEstimator, target: BaseEstimator, one_axis: bool):
        self.regressor, self.target, self.one_axis = regressor, target, one_axis

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions of the raw targets."""
        return _raw(self.target, self.regressor.predict(X), self.one_axis)


def prepare(estimator: BaseEstimator, fold: Fold) -> Prepared:
    """Return a fold's rows as the estimator's last step would see them.

    Raises:
        ValueError: a number that is NaN, infinite or too large for Keras's floats; the message names the row.
    """
    own, y = parts(estimator), fold.train.y
    target = None
    if own.target is not None:
        target = _transformer(own.target).fit(_columns(y))
        transformed = np.asarray(target.transform(_columns(y)))
        transformed = transformed[:, 0] if transformed.shape[1:] == (1,) else transformed
    if own.steps is not None:
        steps = clone(own.steps)
        train = steps.fit_transform(fold.train.X, transformed if own.target_first else y)
        valid = steps.transform(fold.valid.X)
    else:
        steps, train, valid = make_pipeline("passthrough"), fold.train.X, fold.valid.X
    columns = _names(train)
    if inputs.several(train):
        train, valid = inputs.checked(train), inputs.checked(valid)
    else:
        train, valid = _dense(train, fold.train.rows), _dense(valid, fold.valid.rows)
    seen = y if target is None else transformed
    return Prepared(steps, target, train, valid, seen, inputs.shape(train), y.ndim == 1, columns)


def widened(prepared: Sequence[Prepared]) -> list[Prepared]:
    """Return all folds as wide as the widest, padded with zeros."""
    widest = (None, *max(own.shape for own in prepared))
    return [
        own._replace(
            train=pad(own.train, widest),
            valid=pad(own.valid, widest),
            columns=own.columns if own.shape == widest[1:] else None,
        )
        for own in prepared
    ]


def pad(values: Any, shape: tuple[int | None, ...]) -> Any:
    """Append zeros to each axis up to ``shape``; None leaves an axis as it is, and a table stays one."""
    if (hasattr(values, "columns") or issparse(values)) and values.shape[1:] == shape[1:]:
        return values
    values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    missing = [0 if size is None else size - have for size, have in zip(shape, values.shape, strict=True)]
    return np.pad(values, [(0, n) for n in missing]) if any(missing) else values


def preparation(estimator: BaseEstimator) -> Hashable:
    """Return what tells one preparation from another's; None where there is none."""
    own = parts(estimator)
    if own.steps is None and own.target is None:
        return None
    target = own.target and (_transformer(own.target), own.target_first)
    return identity((None if own.steps is None else clone(own.steps), target))


def _transformer(target: TransformedTargetRegressor) -> BaseEstimator:
    """Return the transformer that a ``TransformedTargetRegressor`` would fit.

    Raises:
        ValueError: it has a transformer and functions, or a function without its inverse.
    """
    functions = target.func is not None or target.inverse_func is not None
    if target.transformer is not None:
        if functions:
            raise ValueError(
                "TransformedTargetRegressor has a transformer and functions: give one of the two"
            )
        return clone(target.transformer)
    if functions and (target.func is None or target.inverse_func is None):
        raise ValueError("TransformedTargetRegressor needs func and inverse_func together")
    return FunctionTransformer(
        target.func, target.inverse_func, validate=True, check_inverse=target.check_inverse
    )


def _names(values: Any) -> np.ndarray | None:
    """Return the names of a table's columns, if it is one and all are strings."""
    names = list(getattr(values, "columns", ()))
    return np.array(names, object) if names and all(isinstance(name, str) for name in names) else None


def _columns(y: np.ndarray) -> np.ndarray:
    return y[:, None] if y.ndim == 1 else y


def _raw(target: BaseEstimator, predictions: np.ndarray, one_axis: bool) -> np.ndarray:
    found = np.asarray(target.inverse_transform(_columns(predictions)))
    return found[:, 0] if one_axis and found.ndim == 2 else found


def _dense(values: Any, rows: np.ndarray) -> Any:
    """Return rows that a model can take, dense; sparse ones stay sparse where they would be too large.

    Args:
        values: prepared rows.
        rows: their places in X.

    Raises:
        ValueError: text or dates, NaN, infinite or too large numbers.
    """
    checks.real("X, as prepared,", values)
    values = check_array(values, allow_nd=True, accept_sparse="csr", ensure_all_finite=False)
    if issparse(values) and programs.too_large([values]) is None:
        values = values.toarray()
    if np.issubdtype(values.dtype, np.floating):
        with np.errstate(over="ignore"):
            bad = ~_finite(values.astype(keras.config.floatx()))
        if bad.any():
            raise ValueError(
                f"X, as prepared, has NaN, infinite or too large values in {int(bad.sum())} rows, the first "
                f"in row {int(rows[bad.argmax()])} of X: impute or drop them first"
            )
    return values


def _finite(values: Any) -> np.ndarray:
    """Return of each row, sparse or not, whether all of its numbers are finite."""
    if not issparse(values):
        return np.isfinite(values).reshape(len(values), -1).all(axis=1)
    found = np.ones(values.shape[0], bool)
    found[values.tocoo().coords[0][~np.isfinite(values.tocoo().data)]] = False
    return found

"""Which model? Cross-validation with everything fitted inside each fold."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, check_cv
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing, check_array, indexable

from kerasdl import training
from kerasdl.estimators import KerasRegressor

__all__ = ["CrossValidation", "cross_validate", "log_rmse"]


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        scores: one row a fold (index ``fold``, from 1): ``train``, ``valid``, ``train_rows``,
            ``valid_rows``, ``features`` (columns after preprocessing), ``seconds``.
        predictions: out-of-fold predictions, one a row of X in its order; NaN where no fold validated it.
        histories: each fold's training history, where the estimator keeps one.
    """

    scores: pd.DataFrame
    predictions: np.ndarray
    histories: list[pd.DataFrame]

    @property
    def mean(self) -> pd.Series:
        """The mean ``train`` and ``valid`` score over the folds."""
        return self.scores[["train", "valid"]].mean()


def log_rmse(estimator: BaseEstimator, X, y: np.ndarray) -> float:
    """Return the RMSE between the logarithms of prediction and target: a scorer, and an error (0 is best).

    Predictions below 1 count as 1, as in Kaggle's house-price competition entries by linear models.

    Raises:
        ValueError: a target that is not positive.
    """
    y = np.asarray(y, float)
    if not (y > 0).all():
        raise ValueError("y has values of 0 or below: their logarithm is undefined")
    error = np.log(np.clip(estimator.predict(X), 1, None)) - np.log(y)
    return float(np.sqrt(np.mean(error**2)))


def cross_validate(
    estimator: BaseEstimator,
    X,
    y,
    *,
    cv=None,
    scoring: str | Callable | None = None,
    sample_weight=None,
) -> CrossValidation:
    """Train and score an estimator on each fold, all of it, preprocessing included, inside the fold.

    For a :class:`~kerasdl.estimators.KerasRegressor`, alone or at the end of a pipeline, one model is
    compiled and reset for each fold. Folds may differ in their number of columns (one-hot categories that a
    training part has never seen): inputs are then padded with zeros to the widest fold, and initial weights
    drawn at the fold's own width, so that the scores are those of a model of that width.

    Args:
        estimator: any scikit-learn regressor or pipeline; it is cloned and left untouched.
        X: ``(samples, …)`` array or DataFrame.
        y: ``(samples,)`` or ``(samples, targets)``.
        cv: a splitter, a number of folds, or an iterable of (train, valid) rows; default ``KFold(5)``.
        scoring: scikit-learn's name, or a function of (estimator, X, y); default the estimator's ``score``.
        sample_weight: optional ``(samples,)``, used in training.

    Raises:
        ValueError: lengths that differ, or a fold with an empty side.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> X = np.arange(20.0)[:, None]
        >>> cross_validate(Ridge(), X, 3 * X[:, 0], cv=KFold(4)).scores.shape
        (4, 6)
    """
    X, y = indexable(X, y)
    y = np.asarray(y)
    scorer = check_scoring(estimator, scoring=scoring)
    weight = None if sample_weight is None else np.asarray(sample_weight, float)
    if weight is not None and weight.shape != (len(y),):
        raise ValueError(f"sample_weight has shape {weight.shape}: give one weight a row, ({len(y)},)")
    splits = list(check_cv(KFold(5) if cv is None else cv, y).split(X, y))
    for number, sides in enumerate(splits, start=1):
        if not all(len(side) for side in sides):
            raise ValueError(f"cv={cv!r} leaves a side of fold {number} empty: use fewer folds")

    rows, predictions, histories = [], np.full(y.shape, np.nan), []
    fold_fitter = _fold_fitter(estimator, X, y, splits)
    for number, (train, valid) in enumerate(splits):
        started = time.perf_counter()
        fitted, features = fold_fitter(number, None if weight is None else weight[train])
        X_train, X_valid = _safe_indexing(X, train), _safe_indexing(X, valid)
        predictions[valid] = fitted.predict(X_valid)
        rows.append(
            {
                "train": scorer(fitted, X_train, y[train]),
                "valid": scorer(fitted, X_valid, y[valid]),
                "train_rows": len(train),
                "valid_rows": len(valid),
                "features": features,
                "seconds": time.perf_counter() - started,
            }
        )
        if hasattr(_last(fitted), "history_"):
            histories.append(_last(fitted).history_)
    scores = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="fold"))
    return CrossValidation(scores, predictions, histories)


def _fold_fitter(estimator: BaseEstimator, X, y: np.ndarray, splits: list) -> Callable:
    """Return the function (fold, weights) → (fitted estimator, its number of columns)."""
    if isinstance(_last(estimator), KerasRegressor):
        return _OneModel(estimator, X, y, splits)

    def fit(number: int, weight: np.ndarray | None):
        train = splits[number][0]
        fitted, arguments = clone(estimator), {}
        if weight is not None:
            step = f"{fitted.steps[-1][0]}__" if isinstance(fitted, Pipeline) else ""
            arguments = {f"{step}sample_weight": weight}
        fitted.fit(_safe_indexing(X, train), y[train], **arguments)
        return fitted, getattr(_last(fitted), "n_features_in_", np.nan)

    return fit


def _last(estimator: BaseEstimator) -> BaseEstimator:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


class _OneModel:
    """Fits each fold on one compiled model, as wide as the widest fold."""

    def __init__(self, estimator: BaseEstimator, X, y: np.ndarray, splits: list):
        self.X, self.y, self.splits = X, y, splits
        self.targets = 1 if y.ndim == 1 else y.shape[1]
        if not isinstance(estimator, Pipeline):
            estimator = make_pipeline("passthrough", estimator)
        self.regressor = estimator[-1]
        self.preparations = [clone(estimator[:-1]) for _ in splits]
        self.shapes = []
        for preparation, (train, _) in zip(self.preparations, splits, strict=True):
            prepared = preparation.fit_transform(_safe_indexing(X, train), y[train])
            self.shapes.append(check_array(prepared, allow_nd=True).shape[1:])
        self.widest = max(self.shapes)
        with self.regressor.chance():
            self.model = self.regressor.compiled(self.widest, self.targets)
        self.start = training.snapshot(self.model)

    def __call__(self, number: int, weight: np.ndarray | None) -> tuple[Pipeline, int]:
        rows, shape = self.splits[number][0], self.shapes[number]
        widen = FunctionTransformer(_pad, kw_args={"shape": (None, *self.widest)})
        prepare = make_pipeline(self.preparations[number], widen)
        regressor = clone(self.regressor)
        with regressor.chance():
            drawn = regressor.built(shape, self.targets).get_weights()
            training.restore(self.start)
            wide = [w.shape for w in self.model.get_weights()]
            self.model.set_weights([_pad(w, s) for w, s in zip(drawn, wide, strict=True)])
            X = prepare.transform(_safe_indexing(self.X, rows))
            regressor.learn_targets(self.y[rows])
            regressor.n_features_in_ = self.widest[0]
            history = regressor.train(self.model, regressor.feed(X, self.y[rows], weight))
        return make_pipeline(prepare, regressor.trained(self.model, history)), shape[-1]


def _pad(values: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Append zeros to each axis up to ``shape``; None leaves an axis as it is."""
    values = np.asarray(values)
    missing = [0 if size is None else size - have for size, have in zip(shape, values.shape, strict=True)]
    return np.pad(values, [(0, n) for n in missing]) if any(missing) else values

"""How good is this model on rows it has not seen? Cross-validation, all folds trained at once.

An estimator and rows go in; out come scores by fold, predictions for rows that were not trained on, and
histories.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring

from kerasdl.selection.folds import split
from kerasdl.selection.judging import judge


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        scores: one row a fold (index ``fold``, from 1): ``train``, ``valid``, ``train_rows``,
            ``valid_rows``, ``features`` (columns after preprocessing), ``seconds``.
        predictions: out-of-fold predictions, one a row of X in its order; NaN (a classifier: None)
            where no fold validated it.
        histories: each fold's training history, where the estimator keeps one.
        engine: ``"together"``, all folds as one model; ``"in turn"``; or whose workers trained them,
            ``"loky"``, ``"dask"`` or ``"ray"``.
        reason: one line that says why not together; empty where together.
    """

    scores: pd.DataFrame
    predictions: np.ndarray
    histories: list[pd.DataFrame]
    engine: str
    reason: str

    @property
    def mean(self) -> pd.Series:
        """The mean ``train`` and ``valid`` score over the folds."""
        return self.scores[["train", "valid"]].mean()


def log_rmse(estimator: BaseEstimator, X: Any, y: Any) -> float:
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
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    scoring: str | Callable | None = None,
    sample_weight: Any = None,
    vectorize: bool | str = "auto",
) -> CrossValidation:
    """Train and score an estimator on each fold, all of it, preprocessing included, inside the fold.

    For a :class:`~kerasdl.estimators.KerasRegressor` or ``KerasClassifier``, alone or at the end of a
    pipeline, all folds are trained at once, as one Keras model whose layers have an axis of folds, each fold
    with the initial weights, batches and dropout masks that it would have alone. That takes a plain stack of
    dense layers, activations, batch normalisation and kerasdl's dropout, an optimizer that treats every
    number of a weight by itself, and a loss of Keras's own. Other models are trained fold by fold on one
    compiled model (for each width) that is reset.

    Folds may differ in their number of columns (one-hot categories that a training part has never seen).
    Trained together, inputs are then padded with zeros to the widest fold, and initial weights drawn at the
    fold's own width. Either way the scores are those of a model of that width.

    Inside ``with joblib.parallel_config("loky"):`` (``"dask"``, ``"ray"``) each fold is trained by itself, on
    the workers of that engine, with the scores that it has in turn: see ``docs/clusters.md``.

    Args:
        estimator: any scikit-learn estimator or pipeline; it is cloned and left untouched.
        X: ``(samples, …)`` array or DataFrame.
        y: ``(samples,)`` or ``(samples, targets)``.
        cv: a splitter, a number of folds, or an iterable of (train, valid) rows; default ``KFold(5)``, for
            classifiers ``StratifiedKFold(5)``.
        scoring: scikit-learn's name, or a function of (estimator, X, y); default the estimator's ``score``.
        sample_weight: optional ``(samples,)``, used in training.
        vectorize: whether to train all folds at once: True, False, or ``"auto"``, where it can be done.

    Raises:
        ValueError: lengths that differ, a fold with an empty side or without one of the classes;
            ``vectorize=True`` for what can't be trained at once, with the reason; a joblib engine that forks
            or shares one Keras between threads.
        TypeError: an estimator that cannot be pickled and sent to an engine's workers.
        FloatingPointError: a fold's loss became NaN or infinite.
        FoldsLost: a worker died with a fold; the other folds' scores are in the error's ``scores``.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> X = np.arange(20.0)[:, None]
        >>> cross_validate(Ridge(), X, 3 * X[:, 0], cv=4).scores.shape
        (4, 6)
    """
    scorer = check_scoring(estimator, scoring=scoring)
    folds = split(X, y, cv, sample_weight, estimator)
    (judged,), engine, reason = judge([estimator], folds, scorer, vectorize)
    predictions = np.full(folds.y.shape, *((None, object) if is_classifier(estimator) else (np.nan,)))
    rows, histories = [], []
    for fold, found in zip(folds, judged, strict=True):
        if found.history is not None:
            histories.append(found.history)
        predictions[fold.valid.rows] = found.predictions
        rows.append(found.row)
    if all(answer is not None for answer in predictions.flat):
        predictions = predictions.astype(folds.y.dtype if is_classifier(estimator) else float)
    scores = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="fold"))
    return CrossValidation(scores, predictions, histories, engine, reason)

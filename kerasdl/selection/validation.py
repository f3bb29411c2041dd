"""How good is this model on rows it has not seen? Cross-validation, all folds trained at once.

In go an estimator, rows and a splitter; out come each fold's scores, and answers for every row by models that
have not seen it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier

from kerasdl.selection.folds import Folds, split
from kerasdl.selection.judging import judged
from kerasdl.selection.resume import ledger
from kerasdl.selection.scoring import Judge, Judged, Scoring


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        scores: one row a fold (index ``fold``, from 1): ``train``, ``valid`` (of several metrics
            ``train_r2``, ``valid_r2`` and so on), ``train_rows``, ``valid_rows``, ``features`` (columns after
            preprocessing), ``seconds``.
        predictions: out-of-fold predictions, one a row of X in its order; NaN (a classifier: None)
            where no fold validated it. Where several folds did, as in a repeated splitter: their mean, or a
            classifier's most frequent label, the first of equals.
        histories: each fold's training history, where the estimator keeps one.
        engine: ``"together"``, all folds as one model; ``"in turn"``; or whose workers trained them,
            ``"loky"``, ``"dask"`` or ``"ray"``.
        reason: one line that says why not together; empty where together.
        probabilities, decisions: a classifier's out-of-fold probabilities ``(rows, classes)`` and decision
            values, where it gives them; NaN where no fold validated the row, the mean where several did.
        answers: each fold's predictions, indexed by the rows that it validated.
        estimators: each fold's fitted estimator, if ``return_estimators``.
    """

    scores: pd.DataFrame
    predictions: np.ndarray
    histories: list[pd.DataFrame]
    engine: str
    reason: str
    probabilities: np.ndarray | None = None
    decisions: np.ndarray | None = None
    answers: list[pd.Series | pd.DataFrame] = field(default_factory=list)
    estimators: list[BaseEstimator] = field(default_factory=list)

    @property
    def mean(self) -> pd.Series:
        """The mean of each score over the folds."""
        return self.scores[self._columns()].mean()

    def __repr__(self) -> str:
        scores = self.scores[self._columns()]
        shown = scores if len(scores) <= 5 else scores.describe().loc[["min", "max"]]
        table = pd.concat([shown, scores.agg(["mean", "std"])])
        trained = self.engine + (f" ({self.reason})" if self.reason else "")
        return f"{len(scores)} folds, trained {trained}\n{table.round(4).to_string(max_cols=6)}"

    def _columns(self) -> list[str]:
        return [name for name in self.scores.columns[: list(self.scores.columns).index("train_rows")]]


def log_rmse(estimator: BaseEstimator, X: Any, y: Any) -> float:
    """Return the RMSE between the logarithms of prediction and target: a scorer, and an error (0 is best).

    Predictions below 1 count as 1, as in Kaggle's house-price competition entries by linear models.

    Args:
        estimator: fitted.
        X: rows for it.
        y: targets ``(rows,)``, above 0.

    Raises:
        ValueError: a target that is not positive.

    Example:
        >>> from sklearn.dummy import DummyRegressor
        >>> X, y = np.zeros((2, 1)), np.array([100.0, 100.0])
        >>> round(log_rmse(DummyRegressor(strategy="constant", constant=110.0).fit(X, y), X, y), 4)  # ln 1.1
        0.0953
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
    scoring: Scoring = None,
    sample_weight: Any = None,
    groups: Any = None,
    vectorize: bool | str = "auto",
    return_estimators: bool = False,
    resume: str | Path | None = None,
) -> CrossValidation:
    """Train and score an estimator on each fold, all of it, preprocessing included, inside the fold.

    For a :class:`~kerasdl.estimators.KerasRegressor` or ``KerasClassifier``, alone, at the end of a pipeline
    or in a ``TransformedTargetRegressor``, all folds are trained at once, as one Keras model whose layers
    have an axis of folds, each fold with the initial weights, batches and masks that it would have alone.
    That takes a plain stack of dense layers, activations, batch normalisation and kerasdl's dropout, an
    optimizer that treats every number of a weight by itself, and a loss of Keras's own. Each fold is watched
    by itself: stopped by ``early_stopping`` or ``EarlyStopping``, at a rate of its own under
    ``ReduceLROnPlateau`` or ``LearningRateScheduler``, with its own figures of those of Keras's metrics that
    are means over rows. Other models, and folds with other callbacks or metrics, are trained fold by fold on
    one compiled model (for each width) that is reset.

    Folds may differ in their number of columns (one-hot categories that a training part has never seen).
    Trained together, inputs are then padded with zeros to the widest fold, and initial weights drawn at the
    fold's own width. Either way the scores are those of a model of that width.

    Inside ``with joblib.parallel_config("loky"):`` (``"dask"``, ``"ray"``) each fold is trained by itself, on
    the workers of that engine, with the scores that it has in turn: see ``docs/clusters.md``.

    Args:
        estimator: any scikit-learn estimator or pipeline; it is cloned and left untouched.
        X: ``(samples, …)`` array, sparse rows or a DataFrame; a dict of arrays for a model with several
            inputs.
        y: ``(samples,)`` or ``(samples, targets)``.
        cv: a splitter, a number of folds, or an iterable of (train, valid) rows; default ``KFold(5)``, for
            classifiers ``StratifiedKFold(5)``.
        scoring: scikit-learn's name, or a function of (estimator, X, y); a list of these or a dict of name
            and either for several; default the estimator's ``score``.
        sample_weight: optional ``(samples,)``, used in training.
        groups: optional ``(samples,)``, for splitters that keep groups whole: ``cv``, and the estimator's
            ``validation_split``.
        vectorize: whether to train all folds at once: True, False, or ``"auto"``, where it can be done.
        return_estimators: whether to keep each fold's fitted estimator.
        resume: a folder of this call's own. What is finished is kept there: each fold, or all folds where
            they are trained together. After a kill the same call trains what is left, and finds what it
            would have found, bit by bit where ``random_state`` fixes the estimator's chance; after its end it
            returns that at once. A damaged file is named in a warning, and its folds are trained anew. It is
            the same call with the same data, splits, settings, versions and code: that of functions and
            classes of one's own, with all that they name in modules of one's own. Files and the environment,
            if code reads them, are not looked at.

    Returns:
        Scores, answers and histories of all folds.

    Returns:
        A :class:`CrossValidation`: scores, a row a fold; predictions for the rows that each fold left out;
        and what else is known of each training.

    Raises:
        ValueError: lengths that differ, a fold with an empty side or without one of the classes;
            ``vectorize=True`` for what can't be trained at once, with the reason; a joblib engine that forks
            or shares one Keras between threads; ``resume`` holds another call (other data, folds, settings,
            code, versions, another backend or way), or comes with ``return_estimators``.
        RuntimeError: another call uses the folder ``resume`` now.
        TypeError: an estimator that cannot be pickled and sent to an engine's workers; answers that no file
            of ``resume`` can keep, or a part of the call, such as an open file, of which ``resume`` can't
            tell whether it is the same.
        FloatingPointError: a fold's loss became NaN or infinite.
        FoldsLost: a worker died with a fold; the other folds' scores are in the error's ``scores``.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> X = np.arange(20.0)[:, None]
        >>> cross_validate(Ridge(), X, 3 * X[:, 0], cv=4).scores.shape
        (4, 6)
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> first, again = [cross_validate(Ridge(), X, 3 * X[:, 0], cv=4, resume=folder) for _ in range(2)]
        >>> again.scores.equals(first.scores)  # the very same, seconds too: nothing was trained again
        True
    """
    if resume is not None and return_estimators:
        raise ValueError(
            f"return_estimators=True, resume={str(resume)!r}: fitted estimators have no file that is safe to "
            "open: leave one of the two out"
        )
    judge = Judge.of(estimator, scoring, return_estimators)
    folds = split(X, y, cv, sample_weight, estimator, groups)
    with ledger(resume, estimator, folds, scoring, vectorize) as kept:
        (each,), engine, reason = judged([estimator], folds, judge, vectorize, kept)
        found = list(each)
    scores = pd.DataFrame([one.row for one in found], index=pd.RangeIndex(1, len(found) + 1, name="fold"))
    answers = [
        (pd.Series if one.predictions.ndim == 1 else pd.DataFrame)(one.predictions, index=fold.valid.rows)
        for fold, one in zip(folds, found, strict=True)
    ]
    return CrossValidation(
        scores,
        _predictions(folds, found, is_classifier(estimator)),
        [one.history for one in found if one.history is not None],
        engine,
        reason,
        _means(folds, [one.probabilities for one in found]),
        _means(folds, [one.decisions for one in found]),
        answers,
        [one.estimator for one in found if one.estimator is not None],
    )


def _predictions(folds: Folds, found: Sequence[Judged], labels: bool) -> np.ndarray:
    """Return one prediction a row, of the folds that validated it."""
    if not labels:
        means = _means(folds, [one.predictions for one in found])
        return np.full(folds.y.shape, np.nan) if means is None else means
    seen: dict[int, list] = {}
    for fold, one in zip(folds, found, strict=True):
        for row, answer in zip(fold.valid.rows.tolist(), one.predictions, strict=True):
            seen.setdefault(row, []).append(answer)
    predictions = np.full(folds.y.shape, None, object)
    for row, answers in seen.items():
        predictions[row] = _most_frequent(answers)
    return predictions.astype(folds.y.dtype) if len(seen) == len(folds.y) else predictions


def _most_frequent(answers: list) -> Any:
    keys = [tuple(np.atleast_1d(answer).tolist()) for answer in answers]
    return answers[keys.index(max(keys, key=keys.count))]


def _means(folds: Folds, answers: Iterable[np.ndarray | None]) -> np.ndarray | None:
    """Return each row's mean answer, NaN where there is none; None where a fold gave none at all."""
    held = [answer for answer in answers if answer is not None]
    if len(held) < len(folds) or len({answer.shape[1:] for answer in held}) != 1:
        return None
    total, count = np.zeros((len(folds.y), *held[0].shape[1:])), np.zeros(len(folds.y))
    for fold, answer in zip(folds, held, strict=True):
        total[fold.valid.rows] += answer
        count[fold.valid.rows] += 1
    with np.errstate(invalid="ignore"):
        return total / count.reshape(-1, *[1] * (total.ndim - 1))

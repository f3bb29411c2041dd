"""What is each fold worth, wherever it is trained? Together, in turn, or on an engine's workers."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from kerasdl import devices, engines
from kerasdl.estimators.base import KerasEstimator
from kerasdl.selection.folds import Each, Fitted, Fold, Folds, InTurn, fit_together, last
from kerasdl.selection.stack import plan


class FoldsLost(RuntimeError):
    """Workers died with some folds.

    Attributes:
        scores: a table of the folds that were judged all the same, a row each: the settings of a grid,
            ``fold``, then the columns of :attr:`CrossValidation.scores`.
    """

    def __init__(self, message: str, scores: pd.DataFrame | None = None):
        super().__init__(message)
        self.scores = scores


class Judged(NamedTuple):
    """One setting on one fold: its row of a table of scores, its history (or None), its predictions."""

    row: dict
    history: pd.DataFrame | None
    predictions: np.ndarray


def judge(
    estimators: list[BaseEstimator], folds: Folds, scorer: Callable, vectorize: bool | str, settings=({},)
) -> tuple[list[Iterator[Judged]], str, str]:
    """Fit and score each estimator on each fold; return that, the way it went, and why not together.

    A fold whose loss became NaN or infinite raises ``FloatingPointError`` when its turn comes.

    Args:
        estimators, folds, scorer: what to fit, on what, and who judges.
        vectorize: True, False or ``"auto"``.
        settings: what tells the estimators apart, for messages.

    Raises:
        ValueError: an unknown ``vectorize``; or it is True and the estimators can't be stacked.
        FoldsLost: workers died with some folds; it holds the others' scores.
    """
    if vectorize not in (True, False, "auto"):
        raise ValueError(f"vectorize={vectorize!r}: give True, False or 'auto'")
    engine = engines.active()
    if engine is not None:
        if vectorize is True:
            raise ValueError(
                "vectorize=True trains all folds as one model here, and parallel_config asks for "
                f"{engine.name}'s workers: leave one of the two out"
            )
        reason = "each fold is a piece of work, as parallel_config asks"
        return _sent(engine, estimators, folds, scorer, settings), engine.name, reason
    mine = [isinstance(last(estimator), KerasEstimator) for estimator in estimators]
    reason = "vectorize=False" if all(mine) else f"{type(last(estimators[0])).__name__} is no Keras estimator"
    if vectorize and devices.count() > 1:
        reason = f"each fold is trained on {devices.count()} devices"
    elif vectorize and all(mine):
        try:
            together = fit_together(estimators, folds)
        except plan.Unstackable as why:
            reason = str(why)
        else:
            return [_judged_all(fits, folds, scorer) for fits in together], "together", ""
    if vectorize is True:
        raise ValueError(f"vectorize=True, but {reason}: use 'auto' to train fold by fold")
    in_turn = [_judged_all(_fits(estimator, folds), folds, scorer) for estimator in estimators]
    return in_turn, "in turn", reason


def _fits(estimator: BaseEstimator, folds: Folds) -> Iterator[Fitted]:
    way = _way(estimator, folds)
    for fold in folds.folds:
        yield way.fit(fold)


def _way(estimator: BaseEstimator, folds: Folds) -> Each | InTurn:
    return (InTurn if isinstance(last(estimator), KerasEstimator) else Each)(estimator, folds)


def _judged_all(fits, folds: Folds, scorer: Callable) -> Iterator[Judged]:
    for fold, fitted in zip(folds.folds, fits, strict=True):
        yield _judged(fitted, fold, folds, scorer)


def _judged(fitted: Fitted, fold: Fold, folds: Folds, scorer: Callable) -> Judged:
    history = getattr(fitted.last, "history_", None)
    if history is not None:
        _check(history, fold)
    predictions = fitted.predict(fold.X_valid)
    started = time.perf_counter()
    fitted.recall()
    row = {
        "train": scorer(fitted, fold.X_train, folds.y[fold.train]),
        "valid": scorer(fitted, fold.X_valid, folds.y[fold.valid]),
        "train_rows": len(fold.train),
        "valid_rows": len(fold.valid),
        "features": fitted.features,
        "seconds": fitted.seconds + time.perf_counter() - started,
    }
    return Judged(row, history, predictions)


def _check(history: pd.DataFrame, fold: Fold) -> None:
    """Refuse a training whose loss became NaN or infinite."""
    bad = history[~np.isfinite(history.loss)]
    if len(bad):
        raise FloatingPointError(
            f"loss is {bad.loss.iloc[0]} after epoch {bad.index[0]} of fold {fold.number + 1}: lower the "
            "learning rate, or clip the gradient"
        )


# On an engine's workers.


class _Work:
    """All that a worker may be asked to do; it keeps its last setting's compiled model for the next fold."""

    def __init__(self, X, y, splits, weight, estimators, scorer):
        self.folds = Folds(X, y, splits, weight, estimators[0])
        self.estimators, self.scorer = estimators, scorer
        self.present, self.way = None, None

    def __call__(self, setting: int, number: int) -> Judged:
        if self.present != setting:
            self.present, self.way = setting, _way(self.estimators[setting], self.folds)
        fold = self.folds.folds[number]
        return _judged(self.way.fit(fold), fold, self.folds, self.scorer)


def _sent(engine, estimators, folds: Folds, scorer, settings) -> list[Iterator[Judged]]:
    """Have every setting judged on every fold by workers."""
    splits = [(fold.train, fold.valid) for fold in folds.folds]
    work = (_Work, (folds.X, folds.y, splits, folds.weight, estimators, scorer))
    calls = [(setting, fold.number) for setting in range(len(estimators)) for fold in folds.folds]
    found, lost = {}, {}
    for place, judged, error in engines.run(engine, work, calls, "folds"):
        setting, number = calls[place]
        where = f"fold {number + 1}" + (f" of {settings[setting]}" if settings[setting] else "")
        if isinstance(error, engines.WorkerLost):
            lost[where] = error
        elif error is None or isinstance(error, FloatingPointError):
            found[setting, number] = judged or error
        else:
            error.add_note(f"in {where}, on a worker of {engine.name}")
            raise error
    if lost:
        rows = [
            {**settings[setting], "fold": number + 1, **judged.row}
            for (setting, number), judged in sorted(found.items(), key=lambda item: item[0])
            if isinstance(judged, Judged)
        ]
        raise FoldsLost(
            f"a worker died with {'; '.join(lost)}, twice: it may need more memory than there is. The other "
            f"{len(rows)} of {len(calls)} folds are in this error's scores",
            pd.DataFrame(rows),
        ) from next(iter(lost.values()))
    return [_raising([found[n, fold.number] for fold in folds.folds]) for n in range(len(estimators))]


def _raising(outcomes) -> Iterator[Judged]:
    for outcome in outcomes:
        if isinstance(outcome, FloatingPointError):
            raise outcome
        yield outcome

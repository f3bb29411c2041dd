"""How are folds judged on an engine's workers? Each setting on each fold is a piece of work.

In go an engine, estimators and folds; out come the judged folds, or an error that carries
the folds already judged.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from kerasdl import engines
from kerasdl.selection.folds import Folds, split
from kerasdl.selection.in_turn import Way, way
from kerasdl.selection.resume import Ledger, Outcome, Place, raising
from kerasdl.selection.scoring import Judge, Judged


class FoldsLost(RuntimeError):
    """Workers died with some folds.

    Attributes:
        scores: a table of the folds that were judged all the same, a row each: the settings of a grid,
            ``fold``, then the columns of ``CrossValidation.scores``.
    """

    def __init__(self, message: str, scores: pd.DataFrame | None = None):
        super().__init__(message)
        self.scores = scores


class Work:
    """All that a worker may be asked to do; it keeps its last setting's compiled model for the next fold."""

    def __init__(
        self,
        X: Any,
        y: np.ndarray,
        splits: list[tuple[np.ndarray, np.ndarray]],
        weight: np.ndarray | None,
        groups: np.ndarray | None,
        estimators: list[BaseEstimator],
        judge: Judge,
    ):
        self.folds = split(X, y, splits, weight, estimators[0], groups)
        self.estimators, self.judge = estimators, judge
        self.present: tuple[int, Way] | None = None

    def __call__(self, setting: int, number: int) -> Judged:
        if self.present is None or self.present[0] != setting:
            self.present = setting, way(self.estimators[setting], self.folds)
        fold = self.folds.folds[number]
        return self.judge.judge(self.present[1].fit(fold), fold)


def sent(
    engine: engines.Engine,
    estimators: list[BaseEstimator],
    folds: Folds,
    judge: Judge,
    ledger: Ledger,
    settings: Sequence[dict[str, Any]],
) -> list[Iterator[Judged]]:
    """Have every setting judged on every fold by workers, save for what the ledger has.

    Raises:
        FoldsLost: workers died with some folds.
    """
    splits = [(fold.train.rows, fold.valid.rows) for fold in folds]
    work = (Work, (folds.X, folds.y, splits, folds.weight, folds.groups, estimators, judge))
    places = [(setting, fold.number) for setting in range(len(estimators)) for fold in folds]
    found: dict[Place, Outcome] = {}
    for place in places:
        found |= ledger.find([place]) or {}
    calls = [place for place in places if place not in found]
    lost: dict[str, Exception] = {}
    for call, judged, error in engines.run(engine, work, calls, "folds") if calls else ():
        setting, number = calls[call]
        where = f"fold {number + 1}" + (f" of {settings[setting]}" if settings[setting] else "")
        if isinstance(error, engines.WorkerLost):
            lost[where] = error
        elif error is None or isinstance(error, FloatingPointError):
            found[setting, number] = error or judged
            ledger.keep({(setting, number): found[setting, number]})
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
            f"{len(rows)} of {len(places)} folds are in this error's scores",
            pd.DataFrame(rows),
        ) from next(iter(lost.values()))
    return [raising([found[n, fold.number] for fold in folds]) for n in range(len(estimators))]

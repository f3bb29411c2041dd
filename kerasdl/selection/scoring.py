"""What is a fitted fold worth? Its scores on both sides, its history, its answers for the rows it validates.

In go a fitted fold and one scorer or several; out comes its row of the table of scores.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring

from kerasdl.selection.fitted import Fitted
from kerasdl.selection.folds import Fold

Scoring: TypeAlias = str | Callable | list | tuple | set | Mapping | None


class Judged(NamedTuple):
    """One setting on one fold.

    Attributes:
        row: of a table of scores.
        history: of the training, or None.
        predictions: for the rows that it validates.
        probabilities, decisions: the classes' probabilities and the decision values for them, or None.
        estimator: the fitted one, where it was asked for.
    """

    row: dict[str, float]
    history: pd.DataFrame | None
    predictions: np.ndarray
    probabilities: np.ndarray | None
    decisions: np.ndarray | None
    estimator: BaseEstimator | None


@dataclass(frozen=True)
class Judge:
    """Who judges.

    Attributes:
        scorers: by name; one without a name stands alone.
        keep: whether the fitted estimators are kept.
    """

    scorers: dict[str, Callable]
    keep: bool = False

    @classmethod
    def of(cls, estimator: BaseEstimator, scoring: Scoring, keep: bool = False) -> "Judge":
        """Return who judges by scikit-learn's names, functions of (estimator, X, y), or several of them.

        Args:
            estimator: to be judged.
            scoring: one, a list of names, or a mapping of names to either; None for the estimator's own.
            keep: whether the fitted estimators are kept.

        Raises:
            ValueError: an unknown name, or none at all.
        """
        if isinstance(scoring, (list, tuple, set)):
            scoring = {one if isinstance(one, str) else one.__name__: one for one in scoring}
        if not isinstance(scoring, Mapping):
            return cls({"": check_scoring(estimator, scoring=scoring)}, keep)
        if not scoring:
            raise ValueError(f"scoring={scoring!r} names no score: give at least one")
        return cls({name: check_scoring(estimator, scoring=one) for name, one in scoring.items()}, keep)

    def column(self, side: str, name: str) -> str:
        """Return the column of a score: ``train``, or ``train_r2`` where there are several."""
        return f"{side}_{name}" if name else side

    def columns(self) -> list[str]:
        """Return the columns of all scores."""
        return [self.column(side, name) for name in self.scorers for side in ("train", "valid")]

    def judge(self, fitted: Fitted, fold: Fold) -> Judged:
        """Return what a fold's estimator is worth.

        Raises:
            FloatingPointError: its loss became NaN or infinite.
        """
        if fitted.history is not None:
            _refuse_nan(fitted.history, fold)
        predictions = fitted.predict(fold.valid.X)
        started = time.perf_counter()
        row: dict[str, float] = {}
        for name, scorer in self.scorers.items():
            row[self.column("train", name)] = scorer(fitted, fold.train.X, fold.train.y)
            row[self.column("valid", name)] = scorer(fitted, fold.valid.X, fold.valid.y)
        row |= {
            "train_rows": len(fold.train.rows),
            "valid_rows": len(fold.valid.rows),
            "features": fitted.features,
        }
        row["seconds"] = fitted.seconds + time.perf_counter() - started
        probabilities, decisions = (
            _answer(fitted, ask, fold.valid.X) for ask in ("predict_proba", "decision_function")
        )
        kept = fitted.alone() if self.keep else None
        return Judged(row, fitted.history, predictions, probabilities, decisions, kept)


def _answer(fitted: Fitted, ask: str, X: Any) -> np.ndarray | None:
    """Return a classifier's answer, if it gives any of the kind."""
    if not is_classifier(fitted) or not hasattr(fitted, ask):
        return None
    answer = getattr(fitted, ask)(X)
    return answer if isinstance(answer, np.ndarray) else None


def _refuse_nan(history: pd.DataFrame, fold: Fold) -> None:
    """Refuse a training whose loss or metric became NaN or infinite."""
    for name in ("loss", *history.columns):
        bad = history[name][~np.isfinite(history[name])]
        if len(bad):
            raise FloatingPointError(
                f"{name} is {bad.iloc[0]} after epoch {bad.index[0]} of fold {fold.number + 1}: lower the "
                "learning rate, or clip the gradient"
            )

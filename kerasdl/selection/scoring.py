"""What is a fitted fold worth? Its scores on both sides, its history, its predictions.

In go a fitted fold and a scorer; out comes its row of the table of scores.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from kerasdl.selection.fitted import Fitted
from kerasdl.selection.folds import Fold


class Judged(NamedTuple):
    """One setting on one fold: its row of a table of scores, its history (or None), its predictions."""

    row: dict[str, float]
    history: pd.DataFrame | None
    predictions: np.ndarray


def score(fitted: Fitted, fold: Fold, scorer: Callable) -> Judged:
    """Return what a fold's estimator is worth.

    Raises:
        FloatingPointError: its loss became NaN or infinite.
    """
    if fitted.history is not None:
        _refuse_nan(fitted.history, fold)
    predictions = fitted.predict(fold.valid.X)
    started = time.perf_counter()
    row = {
        "train": scorer(fitted, fold.train.X, fold.train.y),
        "valid": scorer(fitted, fold.valid.X, fold.valid.y),
        "train_rows": len(fold.train.rows),
        "valid_rows": len(fold.valid.rows),
        "features": fitted.features,
    }
    row["seconds"] = fitted.seconds + time.perf_counter() - started
    return Judged(row, fitted.history, predictions)


def _refuse_nan(history: pd.DataFrame, fold: Fold) -> None:
    """Refuse a training whose loss became NaN or infinite."""
    bad = history[~np.isfinite(history.loss)]
    if len(bad):
        raise FloatingPointError(
            f"loss is {bad.loss.iloc[0]} after epoch {bad.index[0]} of fold {fold.number + 1}: lower the "
            "learning rate, or clip the gradient"
        )

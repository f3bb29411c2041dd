"""Which settings? A grid of them, every setting on every fold, trained as one model where that can be.

An estimator, rows and lists of values go in; out come a table of all settings by score, and the best one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid

from kerasdl.selection.folds import split
from kerasdl.selection.judging import judge


@dataclass(frozen=True)
class GridSearch:
    """What a grid search found.

    Attributes:
        table: one row a setting, in the grid's order: the settings by name, then the means ``train`` and
            ``valid`` over the folds, ``valid_sd``, ``worst`` (the worst fold's valid score) and ``rank``,
            from 1. A setting whose loss became NaN has NaN and ranks last.
        scores: one row a setting and fold: the settings, ``fold``, ``train``, ``valid``, ``seconds``.
        best_params: the settings of rank 1.
        best: a clone of the estimator with them, not fitted.
        engine, reason: as in :class:`~kerasdl.selection.CrossValidation`.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    best_params: dict
    best: BaseEstimator
    engine: str
    reason: str


def grid_search(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    grid: Mapping[str, Sequence] | Sequence[Mapping[str, Sequence]],
    cv: Any = None,
    *,
    scoring: str | Callable | None = None,
    lower_is_better: bool = False,
    sample_weight: Any = None,
    vectorize: bool | str = "auto",
) -> GridSearch:
    """Judge every setting of a grid on the same folds.

    Settings that leave the layers' shapes alone (learning rates, penalties, dropout rates, seeds) are trained
    at once with all their folds, as members of one Keras model; those that change them make a group each.
    Inside a ``joblib.parallel_config`` each setting on each fold is a piece of work for an engine. The scores
    are those of :func:`~kerasdl.selection.cross_validate` for each setting by itself.

    Args:
        estimator: any scikit-learn estimator or pipeline; it is cloned and left untouched.
        X, y, cv, sample_weight, vectorize: as in :func:`~kerasdl.selection.cross_validate`.
        grid: name → values, or a list of such grids, the names as in ``set_params``.
        scoring: scikit-learn's name, or a function of (estimator, X, y).
        lower_is_better: the scoring function returns an error, as :func:`~kerasdl.selection.log_rmse` does.

    Raises:
        ValueError: as ``cross_validate``, an empty grid, a name that the estimator has not.
        FoldsLost, TypeError: as ``cross_validate``.
        FloatingPointError: the loss of every setting became NaN or infinite.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> X = np.arange(20.0)[:, None]
        >>> grid_search(Ridge(), X, 3 * X[:, 0], {"alpha": [0.1, 100.0]}, cv=4).best_params
        {'alpha': 0.1}
    """
    settings = list(ParameterGrid(grid))
    if not settings:
        raise ValueError(f"grid={grid!r} holds no setting: give each name at least one value")
    scorer = check_scoring(estimator, scoring=scoring)
    folds = split(X, y, cv, sample_weight, estimator)
    estimators = [clone(estimator).set_params(**setting) for setting in settings]
    judged, engine, reason = judge(estimators, folds, scorer, vectorize, settings)
    rows: list[dict[str, Any]] = []
    for setting, folds_judged in zip(settings, judged, strict=True):
        try:
            found = [fold.row for fold in folds_judged]
        except FloatingPointError:  # one setting that diverges is a finding, not the end of the search
            found = [{"train": np.nan, "valid": np.nan, "seconds": np.nan} for _ in folds]
        for number, row in enumerate(found, start=1):
            kept = {name: row[name] for name in ("train", "valid", "seconds")}
            rows.append({"setting": len(rows) // len(folds), **setting, "fold": number, **kept})
    scores = pd.DataFrame(rows)
    sign = 1 if lower_is_better else -1
    grouped = scores.groupby("setting")
    table = pd.DataFrame(settings).assign(
        train=grouped.train.mean(),
        valid=grouped.valid.mean(),
        valid_sd=grouped.valid.std(),
        worst=grouped.valid.max() if lower_is_better else grouped.valid.min(),
        rank=(sign * grouped.valid.mean()).rank(method="first", na_option="bottom").astype(int),
    )
    if not table.valid.notna().any():
        raise FloatingPointError("every setting's loss became NaN or infinite: lower the learning rates")
    best = settings[int(table["rank"].argmin())]
    chosen = clone(estimator).set_params(**best)
    return GridSearch(table, scores.drop(columns="setting"), best, chosen, engine, reason)

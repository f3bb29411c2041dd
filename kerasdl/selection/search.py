"""Which settings? A grid of them, a random draw, or a race, each trained as one model where that can be.

In go an estimator, settings and rows; out come their scores on the same folds, and the best.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

from kerasdl import checks
from kerasdl.selection.folds import Folds, split
from kerasdl.selection.judging import judged
from kerasdl.selection.resume import ledger
from kerasdl.selection.scoring import Judge, Judged

Grid = Mapping[str, Sequence] | Sequence[Mapping[str, Sequence]]


@dataclass(frozen=True)
class GridSearch:
    """What a search found.

    Attributes:
        table: one row a setting, in the order they were tried: the settings by name, then the means ``train``
            and ``valid`` over the folds, ``valid_sd``, ``worst`` (the worst fold's valid score) and ``rank``,
            from 1. A setting whose loss became NaN has NaN and ranks last. A race has one row for each
            setting in each of its heats, and their ``heat``, from 1; the last heat ranks first.
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

    def __repr__(self) -> str:
        first = self.table.sort_values("rank").head(5)
        names = [name for name in self.best_params if self.table[name].map(repr).nunique() > 1]
        short = {name: name.rpartition("__")[2] for name in names}
        short = short if len(set(short.values())) == len(short) else {}
        shown = first[[*names, "train", "valid", "valid_sd", "rank"]].rename(columns=short)
        said = shown.round(4).to_string(index=False, max_cols=10, max_colwidth=24)
        trained = self.engine + (f" ({self.reason})" if self.reason else "")
        more = f", the best {len(first)}" if len(first) < len(self.table) else ""
        return f"{len(self.table)} settings, trained {trained}{more}\n{said}"


def grid_search(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    grid: Grid,
    cv: Any = None,
    *,
    scoring: str | Callable | None = None,
    lower_is_better: bool = False,
    sample_weight: Any = None,
    groups: Any = None,
    vectorize: bool | str = "auto",
    resume: str | Path | None = None,
) -> GridSearch:
    """Judge every setting of a grid on the same folds.

    Settings that leave the layers' shapes alone (learning rates, penalties, dropout rates, seeds) are trained
    at once with all their folds, as members of one Keras model; those that change them make a group each.
    Inside a ``joblib.parallel_config`` each setting on each fold is a piece of work for an engine. The scores
    are those of :func:`~kerasdl.selection.cross_validate` for each setting by itself.

    Args:
        estimator: any scikit-learn estimator or pipeline; it is cloned and left untouched.
        X, y, cv, sample_weight, groups, vectorize: as in :func:`~kerasdl.selection.cross_validate`.
        grid: name → values, or a list of such grids, the names as in ``set_params``.
        scoring: scikit-learn's name, or a function of (estimator, X, y).
        lower_is_better: the scoring function returns an error, as :func:`~kerasdl.selection.log_rmse` does.
        resume: a folder of this search's own. What is finished is kept there: each setting on each fold, or
            all that are trained as one model. After a kill the same call trains what is left; see
            ``cross_validate``.

    Returns:
        The table of all settings, their scores by fold, and the best.

    Raises:
        ValueError: an empty grid, an unknown name, or what ``cross_validate`` refuses.
        FloatingPointError: every setting's loss became NaN or infinite.
        FoldsLost: a worker died with a fold; the other folds' scores are in the error's ``scores``.

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
    folds = split(X, y, cv, sample_weight, estimator, groups)
    return _Search(estimator, folds, scoring, lower_is_better, vectorize, resume).of(settings)


def random_search(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    cv: Any = None,
    *,
    draws: int = 10,
    random_state: int | np.random.RandomState | None = None,
    scoring: str | Callable | None = None,
    lower_is_better: bool = False,
    sample_weight: Any = None,
    groups: Any = None,
    vectorize: bool | str = "auto",
    resume: str | Path | None = None,
) -> GridSearch:
    """Judge settings drawn at random on the same folds (Bergstra & Bengio 2012).

    Args:
        estimator, X, y, cv, scoring, lower_is_better, sample_weight, groups, vectorize, resume: as in
            :func:`grid_search`, and trained like its settings.
        distributions: name → values, or a distribution of scipy.stats, as for scikit-learn's
            ``RandomizedSearchCV``.
        draws: how many settings.
        random_state: fixes the draw; ``resume`` needs it.

    Returns:
        As :func:`grid_search`, one row a draw.

    Raises:
        ValueError, FloatingPointError, FoldsLost: as :func:`grid_search`.

    Example:
        >>> import numpy as np
        >>> from scipy.stats import loguniform
        >>> from sklearn.linear_model import Ridge
        >>> X = np.arange(20.0)[:, None]
        >>> alphas = {"alpha": loguniform(0.1, 10)}
        >>> len(random_search(Ridge(), X, X[:, 0], alphas, draws=3, random_state=0).table)
        3
    """
    sampler = ParameterSampler(distributions, checks.positive_int("draws", draws), random_state=random_state)
    folds = split(X, y, cv, sample_weight, estimator, groups)
    return _Search(estimator, folds, scoring, lower_is_better, vectorize, resume).of(list(sampler))


def halving_search(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    grid: Grid,
    cv: Any = None,
    *,
    resource: str = "epochs",
    first: int,
    last: int,
    factor: int = 3,
    scoring: str | Callable | None = None,
    lower_is_better: bool = False,
    sample_weight: Any = None,
    groups: Any = None,
    vectorize: bool | str = "auto",
    resume: str | Path | None = None,
) -> GridSearch:
    """Let settings race: train all briefly, keep the best, train those longer (Jamieson & Talwalkar 2016).

    Args:
        estimator, X, y, grid, cv, scoring, lower_is_better, sample_weight, groups, vectorize, resume: as in
            :func:`grid_search`; each heat is trained like a grid.
        resource: the parameter that grows from heat to heat, named as in ``set_params``; of a Keras estimator
            in a pipeline, ``kerasregressor__epochs``.
        first, last: its value in the first heat, and the most in any.
        factor: how many times more of it the next heat has, and how many times fewer settings.

    Returns:
        A :class:`GridSearch`, whose tables have every setting of every heat; ``best`` is the last heat's.

    Raises:
        ValueError: sizes that can't be meant, and as :func:`grid_search`.
        FloatingPointError, FoldsLost: as :func:`grid_search`.

    Example:
        >>> import numpy as np
        >>> from sklearn.ensemble import RandomForestRegressor
        >>> X = np.arange(40.0)[:, None]
        >>> race = halving_search(
        ...     RandomForestRegressor(random_state=0), X, X[:, 0], {"max_depth": [1, 2, 8]}, cv=4,
        ...     resource="n_estimators", first=2, last=6,
        ... )
        >>> race.table.groupby("heat").size().tolist()  # three settings of 2 trees, then one of 6
        [3, 1]
    """
    settings = list(ParameterGrid(grid))
    amount = checks.positive_int("first", first)
    if checks.positive_int("last", last) < amount:
        raise ValueError(f"last={last} is below first={first}: give the most that any heat may have")
    if checks.positive_int("factor", factor) < 2:
        raise ValueError(f"factor={factor}: give 2 or more")
    folds = split(X, y, cv, sample_weight, estimator, groups)
    search = _Search(estimator, folds, scoring, lower_is_better, vectorize, resume)
    heats: list[GridSearch] = []
    while True:
        heat = f"heat-{len(heats) + 1}"
        heats.append(search.of([{**setting, resource: amount} for setting in settings], heat))
        if amount * factor > last or len(settings) < 2:
            break
        kept = heats[-1].table["rank"].to_numpy().argsort()[: -(-len(settings) // factor)]
        settings, amount = [settings[place] for place in kept], amount * factor
    tables = [heat.table.assign(heat=number) for number, heat in enumerate(heats, start=1)]
    later = np.cumsum([0, *(len(table) for table in reversed(tables))])[-2::-1]
    for table, before in zip(tables, later, strict=True):
        table["rank"] += before  # a later heat ranks before
    scores = [heat.scores.assign(heat=number) for number, heat in enumerate(heats, start=1)]
    end = heats[-1]
    return GridSearch(
        pd.concat(tables, ignore_index=True),
        pd.concat(scores, ignore_index=True),
        end.best_params,
        end.best,
        end.engine,
        end.reason,
    )


@dataclass(frozen=True)
class _Search:
    """What all settings of a search have in common."""

    estimator: BaseEstimator
    folds: Folds
    scoring: str | Callable | None
    lower_is_better: bool
    vectorize: bool | str
    resume: str | Path | None

    def of(self, settings: list[dict[str, Any]], part: str = "") -> GridSearch:
        """Judge these settings; what is finished is kept in this part of the search's folder.

        Raises:
            FloatingPointError: every setting's loss became NaN or infinite.
        """
        judge = Judge.of(self.estimator, self.scoring)
        if judge.columns() != ["train", "valid"]:
            raise ValueError(f"scoring={self.scoring!r} names several scores, and a search ranks by one")
        estimators = [clone(self.estimator).set_params(**setting) for setting in settings]
        folder = None if self.resume is None else Path(self.resume) / part
        with ledger(folder, self.estimator, self.folds, self.scoring, self.vectorize, settings) as kept:
            found, engine, reason = judged(estimators, self.folds, judge, self.vectorize, kept, settings)
            scores = pd.DataFrame(self._rows(settings, found))
        table = self._table(settings, scores)
        if not table.valid.notna().any():
            raise FloatingPointError("every setting's loss became NaN or infinite: lower the learning rates")
        best = settings[int(table["rank"].argmin())]
        chosen = clone(self.estimator).set_params(**best)
        return GridSearch(table, scores.drop(columns="setting"), best, chosen, engine, reason)

    def _rows(
        self, settings: list[dict[str, Any]], found: list[Iterator[Judged]]
    ) -> Iterator[dict[str, Any]]:
        """Yield one row a setting and fold."""
        for place, (setting, judged_folds) in enumerate(zip(settings, found, strict=True)):
            try:
                each = [fold.row for fold in judged_folds]
            except FloatingPointError:  # one setting that diverges is a finding, not the end of the search
                each = [{"train": np.nan, "valid": np.nan, "seconds": np.nan} for _ in self.folds]
            for number, row in enumerate(each, start=1):
                kept = {name: row[name] for name in ("train", "valid", "seconds")}
                yield {"setting": place, **setting, "fold": number, **kept}

    def _table(self, settings: list[dict[str, Any]], scores: pd.DataFrame) -> pd.DataFrame:
        sign = 1 if self.lower_is_better else -1
        grouped = scores.groupby("setting")
        return pd.DataFrame(settings).assign(
            train=grouped.train.mean(),
            valid=grouped.valid.mean(),
            valid_sd=grouped.valid.std(),
            worst=grouped.valid.max() if self.lower_is_better else grouped.valid.min(),
            rank=(sign * grouped.valid.mean()).rank(method="first", na_option="bottom").astype(int),
        )

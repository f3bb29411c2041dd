"""Which rows does each fold train on, and which does it judge? A splitter's answer, checked.

In go X, y and a splitter; out come folds, each with its own rows of X, y and the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import indexable

from kerasdl import checks
from kerasdl.borrowed import safe_indexing
from kerasdl.estimators import inputs
from kerasdl.estimators.aside import is_splitter


class Side(NamedTuple):
    """One side of a fold: the rows' places in X, and those rows of X, y, weights and groups (or None)."""

    rows: np.ndarray
    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None

    def told(self, split: Any) -> np.ndarray | None:
        """Return the groups, where ``validation_split`` is a splitter that can be told of them."""
        return self.groups if is_splitter(split) else None


class Fold(NamedTuple):
    """One side of rows to train on and one to validate; ``number`` counts from 0."""

    number: int
    train: Side
    valid: Side


@dataclass(frozen=True)
class Folds:
    """All folds of some rows.

    Attributes:
        X, y, weight, groups: the rows, ``y`` as an array, ``weight`` and ``groups`` as one or None.
        folds: in the splitter's order.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None
    folds: tuple[Fold, ...]

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)


def split(X: Any, y: Any, cv: Any, weight: Any, estimator: BaseEstimator, groups: Any = None) -> Folds:
    """Split the rows.

    Args:
        X, y: rows and targets.
        cv: a splitter, a number of folds, an iterable of (train, valid) rows, or None: five folds, for a
            classifier stratified ones.
        weight: one a row, or None.
        estimator: what will be trained; a classifier's folds are to hold every class.
        groups: one a row, for splitters that keep them whole, or None.

    Raises:
        ValueError: lengths that differ, a fold with an empty side or, for a classifier, one that trains
            without some class.
    """
    checks.unmasked("X", X)
    checks.unmasked("y", y)
    X, y = inputs.checked(X) if inputs.several(X) else indexable(X, y)[0], np.asarray(y)
    if inputs.several(X) and inputs.count(X) != len(y):
        raise ValueError(f"X has {inputs.count(X)} rows and y {len(y)}: give one target a row")
    checks.finite("y", y)
    judged = is_classifier(estimator)
    if judged and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if weight is not None:
        checks.real("sample_weight", weight)
        weight = np.asarray(weight, float)
        if weight.shape != (len(y),):
            raise ValueError(f"sample_weight has shape {weight.shape}: give one weight a row, ({len(y)},)")

    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(y),):
            raise ValueError(f"groups has shape {groups.shape}: give one group a row, ({len(y)},)")

    def side(rows: np.ndarray) -> Side:
        own = inputs.pick(X, rows) if inputs.several(X) else safe_indexing(X, rows)
        weight_there, groups_there = (None if one is None else one[rows] for one in (weight, groups))
        return Side(rows, own, y[rows], weight_there, groups_there)

    default = StratifiedKFold(5) if judged else KFold(5)
    splitter = check_cv(default if cv is None else cv, y, classifier=judged)
    folds = []
    for number, (train, valid) in enumerate(_split(splitter, X, y, groups)):
        if not (len(train) and len(valid)):
            raise ValueError(f"cv={cv!r} leaves a side of fold {number + 1} empty: use fewer folds")
        missing = np.setdiff1d(y, y[train]).tolist() if judged and y.ndim == 1 else []
        if missing:
            raise ValueError(
                f"cv={cv!r} trains fold {number + 1} without class {missing[0]!r}: use StratifiedKFold, or "
                "fewer folds"
            )
        folds.append(Fold(number, side(train), side(valid)))
    return Folds(X, y, weight, groups, tuple(folds))


def _split(splitter: Any, X: Any, y: np.ndarray, groups: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield a splitter's folds.

    Raises:
        ValueError: it needs groups and there are none.
    """
    if groups is None and "Group" in type(splitter).__name__:
        raise ValueError(f"cv={splitter!r} keeps groups whole: give groups=, one a row")
    rows = np.zeros((len(y), 1)) if inputs.several(X) else X
    yield from splitter.split(rows, y) if groups is None else splitter.split(rows, y, groups)

"""Which rows are kept aside to validate on? A share of them, the last, or what a splitter says.

In go the estimator's ``validation_split`` and the rows; out come the places of those to train on and of those
to validate on, or the rows that were given for it.
"""

from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from kerasdl import random
from kerasdl.estimators.inputs import Rows, count

Places = tuple[np.ndarray, np.ndarray]


def kept_aside(
    split: Any, fraction: float, X: Rows, y: np.ndarray, strata: np.ndarray | None, groups: Any
) -> Places:
    """Return the places of rows to train on and of rows to validate on.

    Args:
        split: None or a share: drawn at random, in the current seed's stream; ``"last"``: the last rows, in
            their order; a splitter: the first of its splits.
        fraction: the share where ``split`` names none.
        X, y: the rows.
        strata: what a random draw is stratified by, or None.
        groups: what a splitter is told of them, or None.

    Raises:
        ValueError: a side would be empty, a class has one row alone, or ``split`` can't be meant.
    """
    rows = count(X)
    share = fraction if split is None or isinstance(split, str) else split
    if is_splitter(split):
        return _first_split(split, X, y, groups)
    if isinstance(share, bool) or not isinstance(share, (int, float, np.number)) or not 0 < share < 1:
        name = "validation_fraction" if split is None or isinstance(split, str) else "validation_split"
        raise ValueError(f"{name}={share!r}: give a share of the rows between 0 and 1, 'last' or a splitter")
    if groups is not None:
        raise ValueError(f"groups need a splitter that keeps them whole: validation_split={split!r} does not")
    if isinstance(split, str):
        if split != "last":
            raise ValueError(f"validation_split={split!r}: give a share, 'last' or a splitter")
        start = rows - int(np.ceil(share * rows))
        return _both_sides(np.arange(start), np.arange(start, rows), split)
    if strata is not None:
        labels, sizes = np.unique(strata, return_counts=True)
        if sizes.min() < 2:
            raise ValueError(
                f"class {labels[sizes.argmin()]!r} has one row, and rows are kept aside of every class to "
                "validate on (early_stopping or validation_split): give X_val and y_val, or a splitter"
            )
    seed = int(random.generator("validation").integers(2**31))
    train, valid = train_test_split(
        np.arange(rows), test_size=float(share), random_state=seed, stratify=strata
    )
    return train, valid


def is_splitter(split: Any) -> bool:
    """Return whether a ``validation_split`` is a splitter of scikit-learn's kind."""
    return hasattr(split, "split") and not isinstance(split, str)


def _first_split(splitter: Any, X: Rows, y: np.ndarray, groups: Any) -> Places:
    train, valid = next(iter(splitter.split(np.zeros((count(X), 1)), y, groups)))
    return _both_sides(np.asarray(train), np.asarray(valid), splitter)


def _both_sides(train: np.ndarray, valid: np.ndarray, split: Any) -> Places:
    if not (len(train) and len(valid)):
        raise ValueError(
            f"validation_split={split!r} leaves {len(train)} rows to train and {len(valid)} to judge"
        )
    return train, valid

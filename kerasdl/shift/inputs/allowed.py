"""What may enter a shift tool? Tables of finite numbers, probabilities, labels, weights; the rest is refused.

In goes what a user gave, with the name to use in an error; out comes an array that needs no further check.
"""

from typing import Any

import numpy as np

from kerasdl import checks
from kerasdl.shift.inputs import tables


def numbers(argument: str, X: Any, like: Any = None) -> np.ndarray:
    """Return ``X`` as a float array ``(rows, columns)``; a float array passes without a copy.

    Args:
        argument: the name to use in an error.
        X: array, DataFrame or sparse matrix, at least one row and one column, all finite numbers.
        like: an object fitted before; see :func:`kerasdl.shift.inputs.tables.read`.

    Raises:
        ValueError: no rows, no columns, NaN, text, columns missing or of another number.
    """
    table = tables.read(argument, X, like)
    values = table.numbers()
    if values is not None:
        return values
    for k, name in enumerate(table.names):
        column = table.column(k)
        if column.kind == "category":
            raise ValueError(f"{argument}: column {name!r} holds text or categories: give numbers")
        checks.finite(f"{argument}: column {name!r}", column.values)
    return np.stack([table.column(k).values for k in range(len(table.names))], axis=1)


def probabilities(argument: str, p: Any, like: Any = None) -> np.ndarray:
    """Return class probabilities as a float64 array ``(rows, classes)`` whose rows sum to exactly 1.

    The outputs of a sigmoid, ``(rows,)`` or ``(rows, 1)``, are those of the second of two classes. ``like``
    is an object fitted before, as for :func:`numbers`.

    Raises:
        ValueError: a value outside [0, 1], a row whose sum is off by more than 1e-3.
    """
    if not hasattr(p, "columns"):
        p = np.asarray(p)
        if p.ndim == 1 or (p.ndim == 2 and p.shape[1] == 1):
            second = numbers(argument, p.reshape(-1, 1)).astype(np.float64)
            p = np.column_stack([1 - second, second])
    p = numbers(argument, p, like).astype(np.float64)
    if p.shape[1] < 2:
        raise ValueError(f"{argument} has {p.shape[1]} columns: give one for each class, at least 2")
    if p.min() < -1e-6 or p.max() > 1 + 1e-6:  # float32 softmax may stray by rounding
        raise ValueError(
            f"{argument} ranges from {p.min():.3g} to {p.max():.3g}: give probabilities, not scores"
        )
    p = p.clip(0, 1)
    sums = p.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > 1e-3:
        raise ValueError(f"{argument}: row {worst} sums to {sums[worst]:.4g}: rows of probabilities sum to 1")
    return p / sums[:, None]


def weights(argument: str, w: Any) -> np.ndarray:
    """Return weights ``(rows,)`` as float64, finite, none negative, not all zero.

    Raises:
        ValueError: they are not.
    """
    w = checks.finite(argument, np.asarray(w, dtype=np.float64))
    if w.ndim != 1 or not len(w):
        raise ValueError(f"{argument} has shape {w.shape}: give (rows,), at least one")
    if w.min() < 0 or not w.any():
        raise ValueError(
            f"{argument}: smallest {w.min():.3g}, sum {w.sum():.3g}: give weights >= 0, not all 0"
        )
    return w

"""What may enter a shift tool? Tables of finite numbers with known columns, probabilities, labels."""

from typing import Any

import numpy as np

from kerasdl import checks


def table(argument: str, X: Any, like: Any = None) -> np.ndarray:
    """Return ``X`` as a float array ``(rows, columns)``; a float array passes without a copy.

    Args:
        argument: the name to use in an error.
        X: array or DataFrame, at least one row and one column, all finite.
        like: an object fitted before, with ``n_features_in_`` and perhaps ``feature_names_in_``. A
            DataFrame is then brought into that order of columns by name.

    Raises:
        ValueError: no rows, no columns, NaN, text, columns missing or of another number.
    """
    names = getattr(like, "feature_names_in_", None)
    if names is not None and column_names(X) is not None:
        missing = [name for name in names if name not in X.columns]
        extra = [name for name in X.columns if name not in names]
        if missing or extra:
            raise ValueError(
                f"{argument}: columns missing {missing}, columns never seen {extra}: give those fitted"
            )
        X = X[list(names)]
    try:
        values = np.asarray(X)
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{argument} holds something other than numbers: encode text and fill what is missing"
        ) from None
    if values.ndim != 2:
        raise ValueError(
            f"{argument} has shape {values.shape}: give (rows, columns), X.reshape(len(X), -1) if need be"
        )
    if not values.size:
        raise ValueError(f"{argument} has shape {values.shape}: give at least one row and one column")
    if like is not None and values.shape[1] != like.n_features_in_:
        raise ValueError(
            f"{argument} has {values.shape[1]} columns, {like.n_features_in_} were fitted: give the same"
        )
    return checks.finite(argument, values)


def column_names(X: Any) -> np.ndarray | None:
    """Return the column names of a DataFrame; ``None`` for an array.

    Raises:
        ValueError: a name comes twice, so that columns cannot be told apart.
    """
    columns = getattr(X, "columns", None)
    if columns is None:
        return None
    names = list(columns)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the table has more than one column {twice!r}: rename or drop one")
    return np.asarray(names, dtype=object)


def remember(estimator: Any, X: Any, values: np.ndarray) -> None:
    """Note on ``estimator`` how many columns it was fitted on, and their names if they have any."""
    estimator.n_features_in_ = values.shape[1]
    names = column_names(X)
    if names is not None:
        estimator.feature_names_in_ = names
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_  # a second fit, this time without names


def two_tables(
    estimator: Any, first: tuple[str, Any], second: tuple[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Check two ``(argument, X)`` pairs against each other and :func:`remember` the first one's columns."""
    a = table(*first)
    remember(estimator, first[1], a)
    return a, table(*second, like=estimator)


def probabilities(argument: str, p: Any, like: Any = None) -> np.ndarray:
    """Return class probabilities as a float64 array ``(rows, classes)`` whose rows sum to exactly 1.

    ``like`` is an object fitted before, as for :func:`table`.

    Raises:
        ValueError: a value outside [0, 1], a row whose sum is off by more than 1e-3, fewer than two classes.
    """
    p = table(argument, p, like).astype(np.float64)
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


def labels(argument: str, y: Any, classes: int) -> np.ndarray:
    """Return ``y`` as integers ``(rows,)`` that point at columns 0 … ``classes`` − 1.

    Raises:
        ValueError: another shape, not whole numbers, out of range, or one class only.
    """
    y = np.asarray(y)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"{argument} has shape {y.shape}: give (rows,), at least one")
    if not np.issubdtype(y.dtype, np.number) or (y != np.round(y)).any() or y.min() < 0 or y.max() >= classes:
        raise ValueError(
            f"{argument}: give the column of each label's probability, whole numbers 0 to {classes - 1}"
        )
    y = y.astype(np.intp)
    if (y == y[0]).all():
        raise ValueError(f"{argument} holds the one class {y[0]}: a label-shift estimate needs at least two")
    return y


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

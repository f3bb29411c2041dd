"""How far apart are rows? Distances, scales and chunks, of arrays that were checked before.

In go float arrays ``(rows, columns)``; nothing here refuses anything.
"""

from collections.abc import Iterator

import numpy as np

CHUNK = 8192  # rows of a pairwise matrix held at once, so that memory grows with n and not with n²


def chunks(rows: int, size: int = CHUNK) -> Iterator[slice]:
    """Yield the slices that walk through ``rows`` rows, ``size`` at a time."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ‖aᵢ − bⱼ‖² for all pairs, ``(len(a), len(b))``, never below 0."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    return np.maximum(squares, 0, out=squares)


def median_distance(X: np.ndarray, rng: np.random.Generator, rows: int = 500) -> float:
    """Return the median distance between distinct rows, from at most ``rows`` of them; 1 if all are equal."""
    if len(X) > rows:
        X = X[rng.choice(len(X), rows, replace=False)]
    squares = squared_distances(X, X)[np.triu_indices(len(X), 1)]
    positive = squares[squares > 1e-12 * max(squares.max(initial=0), 1e-300)]
    return float(np.sqrt(np.median(positive))) if len(positive) else 1.0


def standardizer(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column; a constant column is given deviation 1."""
    mean = X.mean(axis=0, dtype=np.float64)
    squares = sum(((X[rows] - mean) ** 2).sum(axis=0) for rows in chunks(len(X)))  # no copy of X
    scale = np.sqrt(squares / len(X))
    # A constant column's deviation is rounding of its own size, not of 1: units of 1e-13 are units, too.
    return mean, np.where(scale > 1e-12 * np.abs(mean), scale, 1.0)

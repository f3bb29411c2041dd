"""What may move in a column? Scores of its rows whose means tell place, spread, shape and tails apart.

In go features ``(rows, features)`` of both sides together; out come scores of mean 0 and deviation 1, whose
mean over the reference less that over the sample is a statistic of one kind of change. Scores look at rows
whatever their label, so permutation tests on them are exact.
"""

import numpy as np
from scipy.stats import norm, rankdata

from kerasdl.shift.inputs import geometry

FEW_VALUES = 10  # a feature of fewer distinct values has no tails to speak of


def mid_ranks(X: np.ndarray) -> np.ndarray:
    """Return each value's place among those of its feature, in (0, 1); equal values share their mean."""
    return (rankdata(X, axis=0) - 0.5) / len(X)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Return scores of mean 0 and deviation 1, a constant one at 0, ``(rows, any)``."""
    mean, deviation = geometry.standardizer(scores)
    return (scores - mean) / deviation


def place(u: np.ndarray) -> np.ndarray:
    """Normal scores (van der Waerden 1952): for normal columns as good as the mean, for others better."""
    return standardised(norm.ppf(u))


def spread(X: np.ndarray) -> np.ndarray:
    """Ranks of the distance from the median."""
    return standardised(rankdata(np.abs(X - np.median(X, axis=0)), axis=0))


def shapes(u: np.ndarray) -> np.ndarray:
    """Legendre polynomials 1 to 4 of the ranks ``(4, rows, features)``: Neyman's smooth test (1937).

    Orders that a feature has too few distinct values for are 0. Order 1 tells place, 2 spread, 3 skewness, 4
    tails against shoulders.
    """
    x = 2 * u - 1
    orders = np.stack([x, (3 * x**2 - 1) / 2, (5 * x**3 - 3 * x) / 2, (35 * x**4 - 30 * x**2 + 3) / 8])
    values = distinct(u)
    for order in range(1, 4):
        orders[order, :, values <= order + 1] = 0
    return np.stack([standardised(one) for one in orders])


def chi_squared_as_normal(squares: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return χ² values of several degrees of freedom on one scale, nearly normal (Wilson & Hilferty 1931)."""
    nu = 2 / (9 * np.maximum(degrees, 1))
    return np.where(degrees > 0, (np.cbrt(squares / np.maximum(degrees, 1)) - 1 + nu) / np.sqrt(nu), -10.0)


def size(n: int, m: int) -> float:
    """Return the standard error of a mean difference of independent scores of deviation 1, roughly."""
    return float(np.sqrt(1 / n + 1 / m))


def log_variance_ratio(y: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return log of each feature's variance in the sample over that in the reference ``(labels, features)``.

    In units of the values, not of ranks: a few rows that lie a thousand deviations out are a few ranks.
    """
    Z = X - np.median(X, axis=0)
    inside = (y > 0).astype(np.float64)
    inside /= inside.sum(axis=1, keepdims=True)
    outside = (y <= 0).astype(np.float64)
    outside /= outside.sum(axis=1, keepdims=True)
    total = np.maximum((Z**2).mean(axis=0), 1e-300)
    spread = [np.maximum(w @ Z**2 - (w @ Z) ** 2, 1e-9 * total) for w in (inside, outside)]
    return np.log(spread[1] / spread[0])


def distinct(X: np.ndarray) -> np.ndarray:
    """Return how many distinct values each feature has ``(features,)``."""
    return 1 + (np.diff(np.sort(X, axis=0), axis=0) > 0).sum(axis=0)


def has_tails(X: np.ndarray) -> np.ndarray:
    """Return which features have enough distinct values for tails ``(features,)``."""
    return distinct(X) >= FEW_VALUES


def pairs(
    scores: np.ndarray, owner: np.ndarray, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return products of the scores of two features ``(rows, pairs)``, float32, and which two ``(pairs, 2)``.

    Features of one column are not paired. If there are more than ``most`` pairs, a draw of features is.
    """
    varying = np.flatnonzero(np.ptp(scores, axis=0) > 0)
    count = int((1 + np.sqrt(1 + 8 * most)) / 2)
    if len(varying) > count:
        varying = np.sort(rng.choice(varying, count, replace=False))
    a, b = (varying[k] for k in np.triu_indices(len(varying), 1))
    apart = owner[a] != owner[b]
    a, b = a[apart], b[apart]
    narrow = scores.astype(np.float32)
    return standardised32(narrow[:, a] * narrow[:, b]), np.stack([a, b], axis=1)


def standardised32(scores: np.ndarray) -> np.ndarray:
    """Return scores as :func:`standardised` does, in single precision for long products."""
    deviation = scores.std(axis=0)
    return (scores - scores.mean(axis=0)) / np.where(deviation > 1e-6, deviation, 1)

"""How unusual is a statistic when the labels "reference" and "sample" are dealt at random?

In go statistics that are functions of a label vector y (1/n for each reference row, −1/m for each sample
row); out come p-values. Under no shift every relabelling is equally likely, so the rank of the true statistic
among relabelled ones gives an exact p-value (Phipson & Smyth 2010), for samples of any size and distribution.
Statistics linear or quadratic in y take one matrix product for all relabellings at once.
"""

from collections.abc import Iterable
from math import exp, lgamma, log

import numpy as np


def signed_labels(n: int, m: int, permutations: int, rng: np.random.Generator, block: int = 1) -> np.ndarray:
    """Return label vectors ``(permutations + 1, n + m)``; row 0 is the true one.

    With ``block`` above 1, which divides n and m, rows are dealt out in blocks of as many neighbours: rows
    that depend on their neighbours then stay beside them (block permutation).
    """
    n, m = n // block, m // block
    y = np.r_[np.full(n, 1 / n), np.full(m, -1 / m)] / block
    dealt = np.vstack([y, rng.permuted(np.tile(y, (permutations, 1)), axis=1)])
    return dealt if block == 1 else np.repeat(dealt, block, axis=1)


def least_p(n: int, m: int) -> float:
    """Return the least p-value that n rows against m can give, whatever the statistic.

    There are (n + m)! / (n! m!) relabellings; with n = m each comes with its mirror image, which statistics
    that look both ways cannot tell from it.
    """
    if not n or not m:
        return 1.0
    return min(1.0, exp(lgamma(n + 1) + lgamma(m + 1) - lgamma(n + m + 1) + (log(2) if n == m else 0)))


def quadratic(K: np.ndarray, y: np.ndarray, label: str = "") -> np.ndarray:
    """Return yᵀKy for each row of ``y``: for a kernel matrix K the squared MMD (Gretton et al. 2012).

    With a ``label`` a progress bar of that name shows on stderr how many rows are done.
    """
    # In blocks, which bounds the memory of the product.
    blocks: Iterable[np.ndarray] = np.array_split(y, -(-len(y) // 500))
    if label:
        from rich.console import Console  # here, for who asks for no bar should not wait for its import
        from rich.progress import track

        blocks = track(blocks, label, console=Console(stderr=True))
    return np.concatenate([np.einsum("bi,bi->b", block @ K, block) for block in blocks])


def p_value(statistics: np.ndarray) -> float:
    """Return the share of all statistics that are at least the first, the true one."""
    return float((statistics >= statistics[0] - _rounding(statistics)).mean())


def _rounding(statistics: np.ndarray) -> np.ndarray:
    """Return by how much equal statistics may differ, for each test: they are then ties, not evidence."""
    return 1e-10 * np.abs(statistics).max(axis=0) + 1e-14


def ranks_as_p(statistics: np.ndarray) -> np.ndarray:
    """Return for each relabelling and test the share of relabellings with a statistic at least as large."""
    slack = _rounding(statistics)
    ordered = np.sort(statistics, axis=0)
    below = np.stack(
        [np.searchsorted(ordered[:, t], statistics[:, t] - slack[t]) for t in range(statistics.shape[1])],
        axis=1,
    )
    return (len(statistics) - below) / len(statistics)


def with_tails(statistics: np.ndarray) -> np.ndarray:
    """Return p-values as :func:`ranks_as_p` does, those of the largest tenth read off an exponential tail.

    A rank cannot tell a statistic that is the largest from one that is the largest by far; the tail can
    (Knijnenburg et al. 2009, with one parameter instead of two, set by the median excess, which no single
    relabelling moves). A discrete statistic, whose tenth begins with many equal values, keeps its ranks.
    """
    p = ranks_as_p(statistics)
    count = len(statistics)
    top = count // 10
    if top < 10:
        return p
    for t, values in enumerate(statistics.T):
        threshold = np.partition(values, count - top - 1)[count - top - 1]
        excess = values - threshold
        half = np.median(np.partition(excess, count - top)[count - top :])
        if half > _rounding(statistics)[t] and (excess > 0).sum() == top:
            beyond = excess > 0
            p[beyond, t] = top / count * np.exp2(-excess[beyond] / half)
    return p


def smallest_p(statistics: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray]:
    """Combine several statistics over the same relabellings into one exact p-value.

    Each statistic is turned into its p-value, under the true labels and under each relabelling, and divided
    by its share of the level; the smallest of these is the new statistic (Westfall & Young 1993). Unlike
    Bonferroni's rule it loses nothing when the statistics are correlated. How the single p-values are read
    (:func:`with_tails`) cannot harm the combined one, which is a rank.

    Args:
        statistics: ``(relabellings, tests)``, row 0 the true one.
        shares: ``(tests,)``, positive; a test with twice the share is listened to twice as readily.

    Returns:
        The p-value, and that of each test alone ``(tests,)``.
    """
    smallest = (with_tails(statistics) / shares).min(axis=1)
    return float((smallest <= smallest[0] * (1 + 1e-9)).mean()), ranks_as_p(statistics)[0]

"""How unusual is a statistic when the labels "reference" and "sample" are dealt at random?

Under no shift every relabelling is equally likely, so the rank of the true statistic among relabelled ones is
an exact p-value (Phipson & Smyth 2010) for samples of any size and any distribution. The statistics here
are linear or quadratic in the label vector y (1/n for each reference row, −1/m for each sample row); so one
matrix product computes them for all relabellings at once.
"""

from collections.abc import Iterable

import numpy as np


def signed_labels(n: int, m: int, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return label vectors ``(permutations + 1, n + m)``; row 0 is the true one."""
    y = np.r_[np.full(n, 1 / n), np.full(m, -1 / m)]
    return np.vstack([y, rng.permuted(np.tile(y, (permutations, 1)), axis=1)])


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


def smallest_p(statistics: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray]:
    """Combine several statistics over the same relabellings into one exact p-value.

    Each statistic is turned into its p-value, under the true labels and under each relabelling, and divided
    by its share of the level; the smallest of these is the new statistic (Westfall & Young 1993). Unlike
    Bonferroni's rule it loses nothing when the statistics are correlated.

    Args:
        statistics: ``(relabellings, tests)``, row 0 the true one.
        shares: ``(tests,)``, positive; a test with twice the share is listened to twice as readily.

    Returns:
        The p-value, and that of each test alone ``(tests,)``.
    """
    count = len(statistics)
    slack = _rounding(statistics)
    ordered = np.sort(statistics, axis=0)
    below = np.stack(
        [np.searchsorted(ordered[:, t], statistics[:, t] - slack[t]) for t in range(statistics.shape[1])],
        axis=1,
    )
    alone = (count - below) / count
    smallest = (alone / shares).min(axis=1)
    return float((smallest <= smallest[0] * (1 + 1e-12)).mean()), alone[0]

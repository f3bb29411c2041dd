"""How far can importance weights be trusted, and how are they used in training and validation?

In go weights; out come their effective sample size and other diagnostics, a weighted risk with its error, and
weighted folds.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.covariate.overlap import OverlapWarning
from kerasdl.shift.inputs import allowed, geometry


def effective_sample_size(w: np.ndarray) -> float:
    """Return (Σw)² / Σw², the number of equal weights with the same variance (Kish 1965).

    Args:
        w: weights ``(rows,)``, not negative, not all zero.

    Returns:
        A number from 1 (one row holds all the weight) to ``rows`` (all equal).

    Example:
        >>> effective_sample_size(np.array([1.0, 1.0, 0.0, 0.0]))
        2.0
    """
    w = allowed.weights("w", w)
    w = w / w.max()  # squares of huge weights would overflow
    return float(w.sum() ** 2 / (w**2).sum())


def diagnose(w: Any, X_source: Any, X_target: Any) -> dict[str, float]:
    """Return what to look at before weights are used.

    Args:
        w: weights of the source rows ``(rows,)``.
        X_source: ``(rows, columns)`` of numbers, an array or a table.
        X_target: ``(any, columns)``.

    Returns:
        ``effective_fraction``: effective sample size / rows. ``max_weight``: the largest weight at mean 1.
        ``tail_share``: the share of the total weight that the heaviest 1 % of the rows hold.
        ``imbalance_before`` and ``imbalance_after``: the largest standardised difference of a column's mean
        between source and target, unweighted and weighted, in units of √((s² source + s² target) / 2); below
        0.1 is usually called balanced (Austin 2011, sec. "Assessing balance").

    Raises:
        ValueError: weights below 0 or all 0, or of another number than the source has rows.

    Example:
        >>> source, target = np.array([[0.0], [1.0]]), np.array([[1.0], [1.0], [0.0], [1.0]])
        >>> found = diagnose(np.array([1.0, 3.0]), source, target)
        >>> [round(found[name], 6) for name in ("effective_fraction", "max_weight", "imbalance_after")]
        [0.8, 1.5, 0.0]
    """
    w = allowed.weights("w", w)
    checks.same_length(w=w, X_source=X_source)
    X_source, X_target = allowed.numbers("X_source", X_source), allowed.numbers("X_target", X_target)
    w = w / w.mean()
    tail = max(1, len(w) // 100)
    (mean_source, scale_source), (mean, scale_target) = map(geometry.standardizer, (X_source, X_target))
    # A column constant on one side is measured by the other's deviation.
    varies = [np.ptp(X, axis=0) > 0 for X in (X_source, X_target)]
    squares = np.where(varies[0], scale_source, 0) ** 2 + np.where(varies[1], scale_target, 0) ** 2
    scale = np.where(squares > 0, np.sqrt(squares / 2), 1.0)
    return {
        "effective_fraction": effective_sample_size(w) / len(w),
        "max_weight": float(w.max()),
        "tail_share": float(np.partition(w, -tail)[-tail:].sum() / w.sum()),
        "imbalance_before": float(np.abs((mean_source - mean) / scale).max()),
        "imbalance_after": float(np.abs((w @ X_source / len(w) - mean) / scale).max()),
    }


def warn_of_thin_overlap(w: np.ndarray) -> bool:
    """Warn in words when fewer than 30 rows, or 5 % of them, carry the weight; return whether it was so."""
    size = effective_sample_size(w)
    thin = size < min(30, len(w) / 2) or size < 0.05 * len(w)
    if thin:
        warnings.warn(
            f"the weights rest on {size:.0f} effective rows of {len(w)}: source and target hardly overlap; "
            "flatten the weights (flatten_weights) or gather source rows that look like the target",
            OverlapWarning,
            stacklevel=3,
        )
    return thin


@dataclass(frozen=True)
class Risk:
    """A weighted mean loss, its standard error, and the effective number of rows behind it."""

    value: float
    standard_error: float
    effective_sample_size: float


def importance_weighted_risk(losses: np.ndarray, w: np.ndarray) -> Risk:
    """Estimate the mean loss on the target from losses on source rows.

    The self-normalised estimate Σwℓ / Σw, with the standard error √Σw²(ℓ − risk)² / Σw of the delta method
    (Owen 2013, *Monte Carlo theory, methods and examples*, eq. 9.9).

    Args:
        losses: loss of each held-out source row ``(rows,)``.
        w: its importance weight ``(rows,)``, of any scale.

    Returns:
        A :class:`Risk`.

    Raises:
        ValueError: lengths differ, NaN, weights negative or all zero.

    Warns:
        OverlapWarning: the effective sample size is too small for the standard error to be believed.

    Example:
        >>> round(importance_weighted_risk(np.array([1.0, 3.0] * 50), np.array([3.0, 1.0] * 50)).value, 9)
        1.5
    """
    losses = checks.finite("losses", np.asarray(losses, dtype=np.float64))
    w = allowed.weights("w", w)
    if losses.shape != w.shape:
        raise ValueError(f"losses has shape {losses.shape}, w has {w.shape}: give one weight for each loss")
    warn_of_thin_overlap(w)
    w = w / w.sum()
    value = w @ losses
    return Risk(float(value), float(np.sqrt((w**2) @ (losses - value) ** 2)), effective_sample_size(w))


class ImportanceWeightedKFold(BaseCrossValidator):
    """K folds that each hold about the same share of the importance weight.

    Plain folds can leave the few heavy rows all on one side, and the weighted risk of a fold then rests on
    nothing. Here rows are ranked by weight and dealt out, ``n_splits`` neighbours at a time, in random order.

    Args:
        weights: weight of each row ``(rows,)``.
        n_splits: number of folds, at least 2.
        random_state: int, ``RandomState`` or None.

    Example:
        >>> folds = ImportanceWeightedKFold(np.array([9.0, 1.0, 9.0, 1.0]), n_splits=2, random_state=0)
        >>> [float(folds.weights[test].sum()) for _, test in folds.split(np.zeros((4, 1)))]
        [10.0, 10.0]
    """

    def __init__(self, weights: np.ndarray, n_splits: int = 5, random_state: Any = None):
        self.weights = weights
        self.n_splits = n_splits
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits

    def _iter_test_indices(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[np.ndarray]:
        w = allowed.weights("weights", self.weights)
        folds = checks.positive_int("n_splits", self.n_splits)
        if not 2 <= folds <= len(w):
            raise ValueError(f"n_splits={folds}: give 2 to {len(w)}, the number of weights")
        if X is not None and len(X) != len(w):
            raise ValueError(f"rows differ: X has {len(X)}, weights has {len(w)}")
        rng = check_random_state(self.random_state)
        ranked = np.argsort(-w, kind="stable")
        fold = np.empty(len(w), dtype=int)
        for start in range(0, len(w), folds):
            rows = ranked[start : start + folds]
            fold[rows] = rng.permutation(folds)[: len(rows)]
        for k in range(folds):
            yield np.flatnonzero(fold == k)

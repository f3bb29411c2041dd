"""How far can importance weights be trusted, and how are they used in training and validation?"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.borrowed import safe_indexing
from kerasdl.shift import geometry, inputs

TAUS = (0.0, 0.25, 0.5, 0.75, 1.0)


class OverlapWarning(UserWarning):
    """Source and target overlap too little for weights to be trusted."""


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
    w = inputs.weights("w", w)
    w = w / w.max()  # squares of huge weights would overflow
    return float(w.sum() ** 2 / (w**2).sum())


def diagnose(w: np.ndarray, X_source: np.ndarray, X_target: np.ndarray) -> dict[str, float]:
    """Return what to look at before weights are used.

    Args:
        w: weights of the source rows ``(rows,)``.
        X_source: ``(rows, columns)``.
        X_target: ``(any, columns)``.

    Returns:
        ``effective_fraction``: effective sample size / rows. ``max_weight``: the largest weight at mean 1.
        ``tail_share``: the share of the total weight that the heaviest 1 % of the rows hold.
        ``imbalance_before`` and ``imbalance_after``: the largest standardised difference of a column's mean
        between source and target, unweighted and weighted; below 0.1 is usually called balanced
        (Austin 2011).
    """
    w = inputs.weights("w", w)
    checks.same_length(w=w, X_source=X_source)
    w = w / w.mean()
    tail = max(1, len(w) // 100)
    mean, scale = geometry.standardizer(X_target)
    return {
        "effective_fraction": effective_sample_size(w) / len(w),
        "max_weight": float(w.max()),
        "tail_share": float(np.partition(w, -tail)[-tail:].sum() / w.sum()),
        "imbalance_before": float(np.abs((X_source.mean(axis=0, dtype=np.float64) - mean) / scale).max()),
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
    w = inputs.weights("w", w)
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
        w = inputs.weights("weights", self.weights)
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


def _losses(model: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared error of each row; for a classifier log-loss, or 0–1 loss if it knows no probabilities."""
    if not is_classifier(model):
        gap = np.asarray(model.predict(X)).reshape(len(y), -1) - y.reshape(len(y), -1)
        return (gap**2).mean(axis=1)
    if not hasattr(model, "predict_proba"):
        return (model.predict(X) != y).astype(float)
    column = {label: k for k, label in enumerate(model.classes_)}
    p = model.predict_proba(X)
    # A label that the training fold never held has probability 0; the floor keeps its loss finite.
    picked = [p[row, column[label]] if label in column else 0.0 for row, label in enumerate(y)]
    return -np.log(np.maximum(picked, 1e-7))


def flatten_weights(
    w: np.ndarray,
    tau: float | str = "iwcv",
    *,
    estimator: Any = None,
    X: np.ndarray | None = None,
    y: np.ndarray | None = None,
    loss: Callable[[Any, np.ndarray, np.ndarray], np.ndarray] = _losses,
    random_state: Any = 0,
) -> np.ndarray:
    """Return w^τ at mean 1: τ = 0 ignores the weights, 1 keeps them (Shimodaira 2000, sec. 5).

    Exact weights remove bias and add variance; with few effective rows they can make a model worse. With
    ``tau="iwcv"`` the safety gate chooses τ from 0, ¼, ½, ¾, 1 by importance-weighted cross-validation
    (Sugiyama, Krauledat & Müller 2007): the τ of least risk, and 0 unless the gain over τ = 0 exceeds its
    own standard error.

    Args:
        w: weights of the source rows ``(rows,)``.
        tau: a number in [0, 1], or ``"iwcv"``, which needs ``estimator``, ``X`` and ``y``.
        estimator: scikit-learn estimator whose ``fit`` takes ``sample_weight``.
        X: source inputs ``(rows, …)``.
        y: source targets ``(rows,)``.
        loss: ``loss(model, X, y)`` → ``(rows,)``; by default log-loss (or 0–1) and squared error.
        random_state: of the folds.

    Returns:
        Weights ``(rows,)`` with mean 1.

    Raises:
        ValueError: ``tau`` outside [0, 1]; ``"iwcv"`` without estimator, X and y; rows differ.

    Example:
        >>> flatten_weights(np.array([1.0, 4.0]), tau=0.5).round(3)
        array([0.667, 1.333])
    """
    w = inputs.weights("w", w)
    w = w / w.mean()
    if tau == "iwcv":
        if estimator is None or X is None or y is None:
            raise ValueError("tau='iwcv' chooses by validation: give estimator, X and y, or a number for tau")
        checks.same_length(w=w, X=X, y=y)
        tau = _choose_tau(w, estimator, X, np.asarray(y), loss, random_state)
    elif isinstance(tau, str):
        raise ValueError(f"tau={tau!r}: give a number in [0, 1] or 'iwcv'")
    flat = np.where(w > 0, w, 0.0) ** checks.fraction("tau", tau)
    return flat / flat.mean()


def _choose_tau(
    w: np.ndarray, estimator: Any, X: Any, y: np.ndarray, loss: Callable, random_state: Any
) -> float:
    losses = np.zeros((len(TAUS), len(w)))
    for train, test in ImportanceWeightedKFold(w, 5, random_state).split(X):
        for k, tau in enumerate(TAUS):
            model = clone(estimator).fit(
                safe_indexing(X, train), y[train], sample_weight=flatten_weights(w[train], tau)
            )
            losses[k, test] = loss(model, safe_indexing(X, test), y[test])
    share = w / w.sum()
    best = int(np.argmin(losses @ share))
    gain = losses[0] - losses[best]
    standard_error = np.sqrt(share**2 @ (gain - share @ gain) ** 2)
    return TAUS[best] if share @ gain > standard_error else 0.0

"""Which weights make the source's mean feature equal the target's? Kernel mean matching.

In go a source and a target table; out come bounded weights of the source's rows.
"""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.covariate.base import DensityRatio
from kerasdl.shift.inputs import geometry


class KernelMeanMatching(DensityRatio):
    """Kernel mean matching (Huang et al. 2007).

    Minimises ‖mean w·φ(source) − mean φ(target)‖² + ``ridge`` / n² ‖w‖² over 0 ≤ w ≤ ``bound`` and
    |mean w − 1| ≤ ``slack``, by accelerated projected gradient. Without the ridge a few rows take
    all the weight. φ are Nyström features on at most ``components`` rows, so memory is rows × components. The
    weights match means well and the ratio at a point badly: use them for training. They exist for the source
    rows alone.

    Args:
        width: kernel width σ in standardised units; ``None`` takes the median distance.
        bound: largest weight.
        ridge: added to the kernel matrix's diagonal of ones; 0 for the published problem.
        slack: ε; ``None`` takes (√n − 1) / √n, the authors' value.
        components: Nyström features; exact when at least the number of source and target rows.
        random_state: int, ``RandomState`` or None.

    Attributes:
        width_: the width used. Others: see ``DensityRatio``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> source, target = rng.normal(size=(200, 1)), rng.normal(0.5, 1, size=(200, 1))
        >>> ratio = KernelMeanMatching(random_state=0).fit(source, target)
        >>> ratio.diagnostics_["imbalance_after"] < ratio.diagnostics_["imbalance_before"]
        True
    """

    def __init__(
        self,
        width: float | None = None,
        bound: float = 1000.0,
        ridge: float = 0.1,
        slack: float | None = None,
        components: int = 300,
        random_state: Any = None,
    ):
        self.width = width
        self.bound = bound
        self.ridge = ridge
        self.slack = slack
        self.components = components
        self.random_state = random_state

    def _fit(self, X_source: np.ndarray, X_target: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        if not self.bound >= 1:
            raise ValueError(f"bound={self.bound!r}: weights of mean 1 need a bound of at least 1")
        n = len(X_source)
        mean, deviation = geometry.standardizer(X_source)
        source, target = (X_source - mean) / deviation, (X_target - mean) / deviation
        self.width_ = float(self.width or geometry.median_distance(np.vstack([source, target]), rng))
        pooled = len(source) + len(target)
        count = min(checks.positive_int("components", self.components), pooled)
        landmarks = np.vstack([source, target])[rng.choice(pooled, count, replace=False)]
        kernel = lambda X: np.exp(geometry.squared_distances(X, landmarks) / (-2 * self.width_**2))  # noqa: E731
        values, vectors = np.linalg.eigh(kernel(landmarks))
        keep = values > 1e-10 * values.max()
        whiten = vectors[:, keep] / np.sqrt(values[keep])
        Z = np.vstack([kernel(source[rows]) @ whiten for rows in geometry.chunks(n)])
        sums = [(kernel(target[rows]) @ whiten).sum(axis=0) for rows in geometry.chunks(len(target))]
        goal = np.sum(sums, axis=0) / len(target)
        slack = (
            (np.sqrt(n) - 1) / np.sqrt(n) if self.slack is None else checks.not_negative("slack", self.slack)
        )
        ridge = checks.not_negative("ridge", self.ridge) / n**2
        return _accelerated(Z / n, goal, ridge, self.bound, slack)

    def _predict(self, X: np.ndarray) -> np.ndarray:
        raise ValueError(
            "KernelMeanMatching weighs only the rows it was fitted on: call predict_weights() without X"
        )


def _accelerated(
    A: np.ndarray, goal: np.ndarray, ridge: float, bound: float, slack: float, steps: int = 1000
) -> np.ndarray:
    """Minimise ½‖wᵀA − goal‖² + ½ ridge ‖w‖² over the box and the band by FISTA (Beck & Teboulle 2009)."""
    step = 1 / (np.linalg.norm(A.T @ A, 2) + ridge)
    w = ahead = np.ones(len(A))
    t = 1.0
    for _ in range(steps):
        updated = _project(ahead - step * (A @ (ahead @ A - goal) + ridge * ahead), bound, slack)
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2
        ahead = updated + (t - 1) / t_next * (updated - w)
        change, w, t = np.abs(updated - w).mean(), updated, t_next
        if change < 1e-7:
            break
    return w


def _project(w: np.ndarray, bound: float, slack: float) -> np.ndarray:
    """Return the nearest point of {0 ≤ w ≤ bound, |mean w − 1| ≤ slack}: clip(w − c) for one number c."""
    clipped = np.clip(w, 0, bound)
    goal = np.clip(clipped.mean(), 1 - slack, 1 + slack)
    if clipped.mean() == goal:
        return clipped
    low, high = w.min() - bound, w.max()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(w - middle, 0, bound).mean() > goal else (low, middle)
    return np.clip(w - high, 0, bound)

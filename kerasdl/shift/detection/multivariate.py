"""Which two-sample tests look at all columns together? Kernels, a classifier, a density difference.

Each takes tables of any columns, encoded and standardised on both sides together, and an exact p-value from
relabellings, which share one kernel, hat or inverse matrix.
"""

from typing import Any

import numpy as np

from kerasdl import checks
from kerasdl.shift.detection.permutation import p_value, quadratic
from kerasdl.shift.detection.two_sample import Outcome, TwoSampleTest, pooled
from kerasdl.shift.inputs import geometry
from kerasdl.shift.inputs.tables import Table


def _alone(statistics: np.ndarray) -> Outcome:
    return float(statistics[0]), p_value(statistics), {}


class MMDTest(TwoSampleTest):
    """Maximum mean discrepancy with a permutation p-value (Gretton et al. 2012).

    The kernel is the mean of Gaussians at ¼, ½, 1, 2 and 4 times the median distance of standardised rows.
    The kernel matrix takes 8 (2 ``max_rows``)² bytes at most: 128 MB as it stands.

    Args:
        alpha: level.
        permutations: relabellings; more are made where ``alpha`` asks for a smaller p-value.
        max_rows: most rows used of each side.
        random_state: for relabellings and rows.
        verbose: show on stderr how far the relabellings are.
        block: neighbouring rows that are dealt out together, for rows that depend on their neighbours;
            ``"auto"`` reads off the reference how many.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = MMDTest(random_state=0).fit(rng.normal(size=(200, 3)))
        >>> test.test(2 * rng.normal(size=(100, 3))).is_shift  # same mean, other spread
        True
    """

    def __init__(
        self,
        alpha: float = 0.05,
        permutations: int = 200,
        max_rows: int = 2000,
        random_state: Any = None,
        verbose: bool = False,
        block: int | str = 1,
    ):
        self.alpha = alpha
        self.permutations = permutations
        self.max_rows = max_rows
        self.random_state = random_state
        self.verbose = verbose
        self.block = block

    def _test(self, reference: Table, sample: Table) -> Outcome:
        K = multi_gaussian(pooled(reference, sample)[0], self._rng)

        def measure(y: np.ndarray, show: bool) -> np.ndarray:
            return quadratic(K, y, "MMD" if self.verbose and show else "")

        return self._permuted(len(reference), len(sample), measure, _alone)


def multi_gaussian(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mean of five Gaussian kernels, widths ¼ … 4 times the median distance, ``(rows, rows)``."""
    widest = 4 * geometry.median_distance(X, rng)
    K = np.exp(geometry.squared_distances(X, X) / (-2 * widest**2))
    total = K.copy()
    for _ in range(4):
        K *= K
        K *= K  # the fourth power halves the width; np.power would take ten times as long
        total += K
    return total / 5


class C2STest(TwoSampleTest):
    """Classifier two-sample test (Lopez-Paz & Oquab 2017) whose classifier needs no refit.

    A ridge classifier tries to tell reference from sample. Its leave-one-out predictions follow from one hat
    matrix for any labels, so the permutation p-value is exact and costs a matrix product. The statistic is
    the gap between the mean leave-one-out scores of both sides.

    Args:
        alpha: level.
        permutations: relabellings; more are made where ``alpha`` asks for a smaller p-value.
        penalty: ridge penalty in units of the rows' mean squared length.
        max_rows: most rows used of each side.
        random_state: for relabellings and rows.
        block: as for :class:`MMDTest`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = C2STest(random_state=0).fit(rng.normal(size=(200, 3)))
        >>> test.test(rng.normal(size=(100, 3)) + 0.5).is_shift
        True
    """

    def __init__(
        self,
        alpha: float = 0.05,
        permutations: int = 200,
        penalty: float = 0.1,
        max_rows: int = 2000,
        random_state: Any = None,
        block: int | str = 1,
    ):
        self.alpha = alpha
        self.permutations = permutations
        self.penalty = penalty
        self.max_rows = max_rows
        self.random_state = random_state
        self.block = block

    def _test(self, reference: Table, sample: Table) -> Outcome:
        hat = ridge_hat(pooled(reference, sample)[0], checks.not_negative("penalty", self.penalty))
        leverage = np.diag(hat)

        def measure(y: np.ndarray, show: bool) -> np.ndarray:
            left_out = (y @ hat - leverage * y) / (1 - leverage)
            return np.einsum("bi,bi->b", left_out, y)

        return self._permuted(len(reference), len(sample), measure, _alone)


def ridge_hat(X: np.ndarray, penalty: float) -> np.ndarray:
    """Return the hat matrix of ridge regression with an unpenalised mean, ``(rows, rows)``.

    ``X`` has columns of mean 0; the penalty is in units of the rows' mean squared length.
    """
    half = ridge_directions(X, penalty)
    return half @ half.T + 1 / len(X)


def ridge_directions(X: np.ndarray, penalty: float) -> np.ndarray:
    """Return A with AAᵀ + 1/n = :func:`ridge_hat`, ``(rows, columns)``: cheaper where columns are few."""
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    return U * np.sqrt(s**2 / (s**2 + max(penalty, 1e-9) * max((s**2).mean(), 1e-300)))


class LSDDTest(TwoSampleTest):
    """Least-squares density difference (Sugiyama et al. 2013) with a permutation p-value.

    Estimates ∫(p − q)² by a sum of Gaussian kernels on rows of both sides; θ = (H + λI)⁻¹h and
    2hᵀθ − θᵀHθ is quadratic in the labels, so all relabellings share one inverse.

    Args:
        alpha: level.
        permutations: relabellings; more are made where ``alpha`` asks for a smaller p-value.
        penalty: λ, in units of H's diagonal.
        centers: kernel centres.
        max_rows: most rows used of each side.
        random_state: for relabellings, rows and centres.
        block: as for :class:`MMDTest`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = LSDDTest(random_state=0).fit(rng.normal(size=(200, 3)))
        >>> test.test(rng.normal(size=(100, 3)) + 1).is_shift
        True
    """

    def __init__(
        self,
        alpha: float = 0.05,
        permutations: int = 200,
        penalty: float = 0.1,
        centers: int = 100,
        max_rows: int = 2000,
        random_state: Any = None,
        block: int | str = 1,
    ):
        self.alpha = alpha
        self.permutations = permutations
        self.penalty = penalty
        self.centers = centers
        self.max_rows = max_rows
        self.random_state = random_state
        self.block = block

    def _test(self, reference: Table, sample: Table) -> Outcome:
        X, _ = pooled(reference, sample)
        count = min(checks.positive_int("centers", self.centers), len(X))
        C = X[self._rng.choice(len(X), count, replace=False)]
        width = geometry.median_distance(X, self._rng)
        # ∫φₖφₗ is (πσ²)^(d/2) times this; the factor overflows with many columns, only scaling the statistic.
        H = np.exp(geometry.squared_distances(C, C) / (-4 * width**2))
        ridge = max(checks.not_negative("penalty", self.penalty), 1e-9) * np.eye(count)
        features = np.exp(geometry.squared_distances(X, C) / (-2 * width**2))

        def measure(y: np.ndarray, show: bool) -> np.ndarray:
            h = y @ features
            theta = np.linalg.solve(H + ridge, h.T).T
            return 2 * (h * theta).sum(axis=1) - np.einsum("bi,bi->b", theta @ H, theta)

        return self._permuted(len(reference), len(sample), measure, _alone)

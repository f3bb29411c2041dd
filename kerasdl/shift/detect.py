"""Has the data moved? Two-sample tests: fit on a reference, test each new sample."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift import geometry, inputs
from kerasdl.shift.permutation import p_value, quadratic, signed_labels


@dataclass(frozen=True)
class ShiftResult:
    """What a test found.

    Attributes:
        p_value: chance of a statistic at least as large when nothing has moved.
        statistic: larger means further apart.
        is_shift: whether ``p_value`` ≤ the test's ``alpha``.
        parts: p-values of the columns or tests that were combined, by name.
    """

    p_value: float
    statistic: float
    is_shift: bool
    parts: dict[str, float] = field(default_factory=dict)


class _ShiftTest(BaseEstimator):
    """Base of the tests: the checks, the features, the limit on rows. A subclass has ``_test``."""

    def fit(self, reference: Any) -> Self:
        """Keep the rows that stand for "as before", ``(rows, columns)``; at most ``max_rows`` of them.

        Raises:
            ValueError: NaN, no rows, text, ``alpha`` not between 0 and 1.
        """
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha={self.alpha!r}: give a level above 0 and below 1")
        values = inputs.table("reference", reference)
        inputs.remember(self, reference, values)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._rng = np.random.default_rng(self._seed)
        self.reference_ = self._thin(values)
        return self

    def test(self, sample: Any) -> ShiftResult:
        """Test whether ``sample`` ``(any, columns)`` comes from where the reference came from.

        Raises:
            ValueError: not fitted, other columns than the reference, NaN, no rows.
        """
        if not hasattr(self, "reference_"):
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(reference) first")
        self._rng = np.random.default_rng(self._seed)  # the same sample gives the same answer, at any time
        sample = self._thin(inputs.table("sample", sample, like=self))
        statistic, p, parts = self._test(self.reference_, sample)
        return ShiftResult(p, statistic, p <= self.alpha, parts)

    def _thin(self, X: np.ndarray) -> np.ndarray:
        most = checks.positive_int("max_rows", self.max_rows)
        return X if len(X) <= most else X[self._rng.choice(len(X), most, replace=False)]

    def _labels(self, n: int, m: int) -> np.ndarray:
        return signed_labels(n, m, checks.positive_int("permutations", self.permutations), self._rng)


def _pooled(reference: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Return both tables as one, each column at mean 0 and deviation 1 (a constant column at 0)."""
    X = np.vstack([reference, sample]).astype(np.float64)
    mean, deviation = geometry.standardizer(X)
    return (X - mean) / deviation


class KSTest(_ShiftTest):
    """Kolmogorov–Smirnov test of each column, with Bonferroni's correction (Rabanser et al. 2019).

    Args:
        alpha: level.
        max_rows: most rows used of each side.
        random_state: for the choice of those rows.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = KSTest().fit(rng.normal(size=(200, 3)))
        >>> test.test(rng.normal(size=(100, 3)) + [0, 1, 0]).is_shift
        True
    """

    def __init__(self, alpha: float = 0.05, max_rows: int = 100_000, random_state: Any = None):
        self.alpha = alpha
        self.max_rows = max_rows
        self.random_state = random_state

    def _test(self, reference: np.ndarray, sample: np.ndarray) -> tuple[float, float, dict[str, float]]:
        found = [ks_2samp(reference[:, k], sample[:, k]) for k in range(reference.shape[1])]
        names = getattr(self, "feature_names_in_", range(len(found)))
        parts = {str(name): float(one.pvalue) for name, one in zip(names, found, strict=True)}
        p = min(1.0, min(parts.values()) * len(found))
        return float(max(one.statistic for one in found)), p, parts


class BBSDTest(KSTest):
    """Black-box shift detection: tests what a classifier says instead of what it sees (Lipton et al. 2018).

    Kind ``"soft"`` tests each class probability by Kolmogorov–Smirnov with Bonferroni's correction; kind
    ``"hard"`` tests the counts of predicted classes by χ².

    Args:
        predict_proba: function from rows to probabilities ``(rows, classes)``, such as ``model.predict``;
            ``None`` when ``fit`` and ``test`` are given probabilities.
        kind: ``"soft"`` or ``"hard"``.
        alpha, max_rows, random_state: as for :class:`KSTest`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = BBSDTest().fit(rng.dirichlet([1, 1, 1], 200))
        >>> test.test(rng.dirichlet([3, 1, 1], 100)).is_shift
        True
    """

    def __init__(
        self,
        predict_proba: Callable[[np.ndarray], np.ndarray] | None = None,
        kind: str = "soft",
        alpha: float = 0.05,
        max_rows: int = 100_000,
        random_state: Any = None,
    ):
        super().__init__(alpha, max_rows, random_state)
        self.predict_proba = predict_proba
        self.kind = kind

    def _test(self, reference: np.ndarray, sample: np.ndarray) -> tuple[float, float, dict[str, float]]:
        checks.one_of("kind", self.kind, ("soft", "hard"))
        say = self.predict_proba or (lambda rows: rows)
        p, q = (inputs.probabilities("predict_proba(X)", say(rows)) for rows in (reference, sample))
        if self.kind == "hard":
            counts = np.array([np.bincount(x.argmax(axis=1), minlength=p.shape[1]) for x in (p, q)])
            counts = counts[:, counts.any(axis=0)]
            if counts.shape[1] == 1:
                return 0.0, 1.0, {}
            found = chi2_contingency(counts, correction=False)
            return float(found.statistic), float(found.pvalue), {}
        found = [ks_2samp(p[:, k], q[:, k]) for k in range(p.shape[1])]
        parts = {f"class {k}": float(one.pvalue) for k, one in enumerate(found)}
        return float(max(one.statistic for one in found)), min(1.0, min(parts.values()) * len(found)), parts


class MMDTest(_ShiftTest):
    """Maximum mean discrepancy with a permutation p-value (Gretton et al. 2012).

    The kernel is the mean of Gaussians at ¼, ½, 1, 2 and 4 times the median distance of standardised rows.
    The kernel matrix takes 8 (2 ``max_rows``)² bytes at most: 128 MB as it stands.

    Args:
        alpha: level.
        permutations: relabellings.
        max_rows: most rows used of each side.
        random_state: for relabellings and rows.
        verbose: show on stderr how far the relabellings are.

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
    ):
        self.alpha = alpha
        self.permutations = permutations
        self.max_rows = max_rows
        self.random_state = random_state
        self.verbose = verbose

    def _test(self, reference: np.ndarray, sample: np.ndarray) -> tuple[float, float, dict[str, float]]:
        K = multi_gaussian(_pooled(reference, sample), self._rng)
        squared = quadratic(K, self._labels(len(reference), len(sample)), "MMD" if self.verbose else "")
        return float(squared[0]), p_value(squared), {}


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


class C2STest(_ShiftTest):
    """Classifier two-sample test (Lopez-Paz & Oquab 2017) whose classifier needs no refit.

    A ridge classifier tries to tell reference from sample. Its leave-one-out predictions follow from one hat
    matrix for any labels, so the permutation p-value is exact and costs a matrix product. The statistic is
    the gap between the mean leave-one-out scores of both sides.

    Args:
        alpha: level.
        permutations: relabellings.
        penalty: ridge penalty in units of the rows' mean squared length.
        max_rows: most rows used of each side.
        random_state: for relabellings and rows.

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
    ):
        self.alpha = alpha
        self.permutations = permutations
        self.penalty = penalty
        self.max_rows = max_rows
        self.random_state = random_state

    def _test(self, reference: np.ndarray, sample: np.ndarray) -> tuple[float, float, dict[str, float]]:
        X = _pooled(reference, sample)
        hat = ridge_hat(X, checks.not_negative("penalty", self.penalty))
        leverage = np.diag(hat)
        y = self._labels(len(reference), len(sample))
        left_out = (y @ hat - leverage * y) / (1 - leverage)
        gap = np.einsum("bi,bi->b", left_out, y)
        return float(gap[0]), p_value(gap), {}


def ridge_hat(X: np.ndarray, penalty: float) -> np.ndarray:
    """Return the hat matrix of ridge regression with an unpenalised mean, ``(rows, rows)``.

    ``X`` has columns of mean 0; the penalty is in units of the rows' mean squared length.
    """
    n = len(X)
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    shrink = s**2 / (s**2 + max(penalty, 1e-9) * max((s**2).mean(), 1e-300))
    return (U * shrink) @ U.T + 1 / n


class LSDDTest(_ShiftTest):
    """Least-squares density difference (Sugiyama et al. 2013) with a permutation p-value.

    Estimates ∫(p − q)² by a sum of Gaussian kernels on rows of both sides; θ = (H + λI)⁻¹h and
    2hᵀθ − θᵀHθ is quadratic in the labels, so all relabellings share one inverse.

    Args:
        alpha: level.
        permutations: relabellings.
        penalty: λ, in units of H's diagonal.
        centers: kernel centres.
        max_rows: most rows used of each side.
        random_state: for relabellings, rows and centres.

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
    ):
        self.alpha = alpha
        self.permutations = permutations
        self.penalty = penalty
        self.centers = centers
        self.max_rows = max_rows
        self.random_state = random_state

    def _test(self, reference: np.ndarray, sample: np.ndarray) -> tuple[float, float, dict[str, float]]:
        X = _pooled(reference, sample)
        count = min(checks.positive_int("centers", self.centers), len(X))
        C = X[self._rng.choice(len(X), count, replace=False)]
        width = geometry.median_distance(X, self._rng)
        # ∫φₖφₗ is (πσ²)^(d/2) times this; the factor overflows with many columns, only scaling the statistic.
        H = np.exp(geometry.squared_distances(C, C) / (-4 * width**2))
        h = self._labels(len(reference), len(sample)) @ np.exp(
            geometry.squared_distances(X, C) / (-2 * width**2)
        )
        theta = np.linalg.solve(
            H + max(checks.not_negative("penalty", self.penalty), 1e-9) * np.eye(count), h.T
        ).T
        squared = 2 * (h * theta).sum(axis=1) - np.einsum("bi,bi->b", theta @ H, theta)
        return float(squared[0]), p_value(squared), {}

"""What is the density ratio, fitted directly, without a classifier in between?

Each method is a sum of Gaussian kernels on at most ``centers`` target rows, so time and memory grow with
rows × centers and never with rows². All columns are standardised by the source first.
"""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.covariate.base import DensityRatio
from kerasdl.shift.inputs import geometry

WIDTHS = (0.3, 0.6, 1.0, 1.7, 3.0)  # × the median distance
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def _gaussian(X: np.ndarray, centers: np.ndarray, width: float) -> np.ndarray:
    return np.exp(geometry.squared_distances(X, centers) / (-2 * width**2))


class _KernelRatio(DensityRatio):
    """Kernel sums Σₖ αₖ exp(−‖x − cₖ‖² / 2σ²); a subclass has ``_solve``, which finds σ and α."""

    def _fit(self, X_source: np.ndarray, X_target: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        count = min(checks.positive_int("centers", self.centers), len(X_target))
        self._mean, self._deviation = geometry.standardizer(X_source)
        source = (X_source - self._mean) / self._deviation
        target = (X_target - self._mean) / self._deviation
        self.centers_ = target[rng.choice(len(target), count, replace=False)]
        self._solve(source, target, rng)
        return self._predict(X_source)

    def _predict(self, X: np.ndarray) -> np.ndarray:
        parts = ((X[rows] - self._mean) / self._deviation for rows in geometry.chunks(len(X)))
        return np.concatenate(
            [_gaussian(part, self.centers_, self.width_) @ self.kernel_weights_ for part in parts]
        )

    def _widths(self, pooled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.width is not None:
            return np.array([self.width])
        return np.array(WIDTHS) * geometry.median_distance(pooled, rng)


def _mixture_em(likelihoods: np.ndarray, steps: int = 500, tolerance: float = 1e-7) -> np.ndarray:
    """Return the mixture proportions that maximise Σᵢ log Σₖ βₖ Lᵢₖ (EM: monotone, no step size)."""
    beta = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(steps):
        update = beta * (likelihoods / np.maximum(likelihoods @ beta, 1e-300)[:, None]).mean(axis=0)
        update /= update.sum()
        if np.abs(update - beta).sum() < tolerance:
            return update
        beta = update
    return beta


class KLIEP(_KernelRatio):
    """Kullback–Leibler importance estimation (Sugiyama et al. 2008).

    Maximises the mean of log w over the target subject to mean w = 1 over the source. With βₖ = αₖ b̄ₖ, b̄ₖ
    the kernel's mean over the source, that is a mixture whose proportions β EM finds. The width is chosen
    by the likelihood of held-out target rows.

    Args:
        width: kernel width σ in standardised units; ``None`` chooses it.
        centers: most target rows used as kernel centres.
        folds: folds of the likelihood cross-validation.
        random_state: int, ``RandomState`` or None.

    Attributes:
        width_: the width used.
        kernel_weights_: kernel weights ``(centers,)``. Others: see ``DensityRatio``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> ratio = KLIEP(random_state=0).fit(rng.normal(size=(200, 1)), rng.normal(1, 0.5, size=(200, 1)))
        >>> w = ratio.predict_weights([[1.0], [-2.0]])
        >>> bool(w[0] > w[1])
        True
    """

    def __init__(
        self, width: float | None = None, centers: int = 100, folds: int = 5, random_state: Any = None
    ):
        self.width = width
        self.centers = centers
        self.folds = folds
        self.random_state = random_state

    def _solve(self, source: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> None:
        widths = self._widths(np.vstack([source, target]), rng)
        fold = rng.permutation(len(target)) % min(checks.positive_int("folds", self.folds), len(target))
        scores = []
        for width in widths if len(widths) > 1 and fold.max() else ():
            density = self._densities(source, target, width)
            held_out = [
                np.log(np.maximum(density[fold == k] @ _mixture_em(density[fold != k], 100), 1e-300))
                for k in range(fold.max() + 1)
            ]
            scores.append(np.concatenate(held_out).mean())
        self.width_ = float(widths[int(np.argmax(scores))] if scores else widths[len(widths) // 2])
        beta = _mixture_em(self._densities(source, target, self.width_))
        self.kernel_weights_ = beta / self._source_means

    def _densities(self, source: np.ndarray, target: np.ndarray, width: float) -> np.ndarray:
        sums = sum(
            _gaussian(source[rows], self.centers_, width).sum(axis=0) for rows in geometry.chunks(len(source))
        )
        # A centre that no source row comes near would get an infinite weight; the floor bounds it.
        self._source_means = np.maximum(sums / len(source), 1e-6)
        parts = [_gaussian(target[rows], self.centers_, width) for rows in geometry.chunks(len(target))]
        return np.vstack(parts) / self._source_means


class RULSIF(_KernelRatio):
    """Relative least-squares importance fitting (Yamada et al. 2011).

    Fits the relative ratio p_t / (α p_t + (1 − α) p_s), which never exceeds 1 / α and so stays tame where
    the plain ratio explodes. Kernel weights (H + λI)⁻¹h, negative ones set to 0. Width and λ are chosen by
    the exact leave-one-out score of pairs (see ``leave_one_out``).

    Args:
        alpha: share of the target in the denominator, in [0, 1).
        width: kernel width σ in standardised units; ``None`` chooses it.
        penalty: λ; ``None`` chooses it.
        centers: most target rows used as kernel centres.
        random_state: int, ``RandomState`` or None.

    Attributes:
        width_, penalty_: those used.
        loo_score_: their leave-one-out score.
        kernel_weights_: kernel weights ``(centers,)``. Others: see ``DensityRatio``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> ratio = RULSIF(random_state=0).fit(rng.normal(size=(200, 1)), rng.normal(1, 0.5, size=(200, 1)))
        >>> bool(ratio.predict_weights().max() * ratio.scale_ < 12)
        True
    """

    def __init__(
        self,
        alpha: float = 0.1,
        width: float | None = None,
        penalty: float | None = None,
        centers: int = 100,
        random_state: Any = None,
    ):
        self.alpha = alpha
        self.width = width
        self.penalty = penalty
        self.centers = centers
        self.random_state = random_state

    def _solve(self, source: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> None:
        if not 0 <= self.alpha < 1:
            raise ValueError(f"alpha={self.alpha!r}: give a share in [0, 1)")
        penalties = PENALTIES if self.penalty is None else [checks.not_negative("penalty", self.penalty)]
        pairs = min(len(source), len(target), 2000)  # enough to rank the settings
        i, j = rng.permutation(len(source))[:pairs], rng.permutation(len(target))[:pairs]
        best = None
        for width in self._widths(np.vstack([source, target]), rng):
            H_source, _ = self._moments(source, width)
            H_target, h = self._moments(target, width)
            phi_source = _gaussian(source[i], self.centers_, width)
            phi_target = _gaussian(target[j], self.centers_, width)
            for penalty in penalties:
                sizes = (len(source), len(target))
                score = leave_one_out(
                    H_source, H_target, h, phi_source, phi_target, sizes, self.alpha, penalty
                )
                if best is None or score < best[0]:
                    H = self.alpha * H_target + (1 - self.alpha) * H_source
                    best = (score, width, penalty, np.maximum(_ridge_solve(H, penalty, h), 0))
        assert best is not None  # there is at least one width and one penalty
        self.loo_score_, self.width_, self.penalty_, self.kernel_weights_ = best
        if not self.kernel_weights_.any():
            raise ValueError("the ratio came out 0 everywhere: give a larger width or penalty")

    def _moments(self, X: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of φφᵀ and φ, summed chunk by chunk."""
        count = len(self.centers_)
        H, h = np.zeros((count, count)), np.zeros(count)
        for rows in geometry.chunks(len(X)):
            phi = _gaussian(X[rows], self.centers_, width)
            H, h = H + phi.T @ phi, h + phi.sum(axis=0)
        return H / len(X), h / len(X)


def _ridge_solve(H: np.ndarray, penalty: float, h: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(H + penalty * np.eye(len(H)), h, rcond=None)[0]


def leave_one_out(
    H_source: np.ndarray,
    H_target: np.ndarray,
    h: np.ndarray,
    phi_source: np.ndarray,
    phi_target: np.ndarray,
    sizes: tuple[int, int],
    alpha: float,
    penalty: float,
) -> float:
    """Return the exact leave-one-pair-out score of least-squares importance fitting.

    Pair i takes one source and one target row out of H and h, refits, sets negative kernel weights to 0 and
    scores α/2 w(xₜ)² + (1 − α)/2 w(xₛ)² − w(xₜ) on the two rows; the mean over the pairs is returned.
    H without the pair is C − a φₜφₜᵀ − b φₛφₛᵀ, so one inverse and a 2 × 2 system for each pair do the work
    of a refit. The sizes n − 1 enter both C and h: dropping them there is the usual slip.

    Args:
        H_source, H_target: means of φφᵀ over all rows ``(centers, centers)``.
        h: mean of φ over the target ``(centers,)``.
        phi_source, phi_target: φ of the pairs left out ``(pairs, centers)``.
        sizes: numbers of source and of target rows, each at least 2.
        alpha: the relative ratio's α; 0 for the plain ratio.
        penalty: λ.
    """
    source_size, target_size = sizes
    if min(sizes) < 2:
        raise ValueError(f"leave-one-out needs 2 source and 2 target rows at least, there are {sizes}")
    C = (
        alpha * target_size / (target_size - 1) * H_target
        + (1 - alpha) * source_size / (source_size - 1) * H_source
    )
    C_inverse = np.linalg.pinv(C + penalty * np.eye(len(C)), hermitian=True)
    U = np.stack(
        [
            np.sqrt(alpha / (target_size - 1)) * phi_target,
            np.sqrt((1 - alpha) / (source_size - 1)) * phi_source,
        ],
        2,
    )  # (pairs, centers, 2)
    h_without = (target_size * h - phi_target) / (target_size - 1)  # (pairs, centers)
    plain = h_without @ C_inverse
    CU = C_inverse @ U
    gram = np.eye(2) - U.transpose(0, 2, 1) @ CU
    correction = np.linalg.solve(gram, (U * plain[:, :, None]).sum(axis=1)[:, :, None])
    kernel_weights = np.maximum(plain + (CU @ correction)[:, :, 0], 0)
    w_source = (phi_source * kernel_weights).sum(axis=1)
    w_target = (phi_target * kernel_weights).sum(axis=1)
    return float((alpha / 2 * w_target**2 + (1 - alpha) / 2 * w_source**2 - w_target).mean())


class ULSIF(RULSIF):
    """Unconstrained least-squares importance fitting (Kanamori, Hido & Sugiyama 2009): RuLSIF with α = 0.

    Args:
        width: kernel width σ in standardised units; ``None`` chooses it.
        penalty: λ; ``None`` chooses it.
        centers: most target rows used as kernel centres.
        random_state: int, ``RandomState`` or None.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> ratio = ULSIF(random_state=0).fit(rng.normal(size=(200, 1)), rng.normal(1, 0.5, size=(200, 1)))
        >>> round(float(ratio.predict_weights().mean()), 6)
        1.0
    """

    alpha = 0.0

    def __init__(
        self,
        width: float | None = None,
        penalty: float | None = None,
        centers: int = 100,
        random_state: Any = None,
    ):
        self.width = width
        self.penalty = penalty
        self.centers = centers
        self.random_state = random_state

"""Under which class shares are the target's rows most likely? Expectation maximisation.

In goes what :mod:`kerasdl.shift.label.shares` describes; out comes the prior of highest likelihood.
"""

from typing import Any, Self

import numpy as np

from kerasdl import checks
from kerasdl.shift.label import calibration
from kerasdl.shift.label.shares import MOST_ROWS, LabelShift


class LabelShiftEM(LabelShift):
    """Maximum-likelihood prior on calibrated probabilities, by EM (Saerens, Latinne & Decaestecker 2002).

    The classifier is calibrated first, and the map is applied to the target's probabilities as well
    (Alexandari, Kundaje & Shrikumar 2020): the likelihood believes what it is told. The best default here.

    Args:
        calibration: ``"auto"`` takes matrix scaling unless cross-validation prefers another by more than one
            standard error; or ``"temperature"``, ``"bias_corrected"``, ``"vector"``, ``"matrix"`` or
            ``"none"``.
        penalty: see :func:`kerasdl.shift.label.calibration.fit_calibrator`.
        draws: bootstrap draws behind ``interval_`` and ``goodness_of_fit_``; 0 for none.
        random_state: int, ``RandomState`` or None.
        level: confidence level of ``interval_``.

    Attributes:
        calibration_: the kind in use. Others: as for every label-shift estimator.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat([0, 1], 200)
        >>> x = rng.normal(size=400) + 2 * y
        >>> p = 1 / (1 + np.exp(np.stack([2 * x - 2, 2 - 2 * x], axis=1)))  # P(y | x), exactly
        >>> em = LabelShiftEM(random_state=0).fit(y, p).estimate(p[:250])  # 200 of class 0, 50 of class 1
        >>> bool(0.75 < em.prior_[0] < 0.85)
        True
    """

    def __init__(
        self,
        calibration: str = "auto",
        penalty: float = 0.01,
        draws: int = 100,
        random_state: Any = None,
        level: float = 0.95,
    ):
        self.calibration = calibration
        self.penalty = penalty
        self.draws = draws
        self.random_state = random_state
        self.level = level

    def fit(self, y_val: Any, p_val: Any) -> Self:
        checks.one_of("calibration", self.calibration, ("auto", "none", *calibration.KINDS))
        checks.not_negative("penalty", self.penalty)
        self.__dict__.pop("calibration_", None)  # chosen anew by the first _learn, kept for the bootstrap
        return super().fit(y_val, p_val)

    def _learn(self, p: np.ndarray, y: np.ndarray) -> tuple[calibration.Calibrator | None, np.ndarray]:
        if len(y) > 10 * MOST_ROWS:  # a few hundred parameters need no more
            some = self._rng.choice(len(y), 10 * MOST_ROWS, replace=False)
            p, y = p[some], y[some]
        if not hasattr(self, "calibration_"):
            self.calibration_ = self.calibration
            if self.calibration == "auto":
                self.calibration_ = calibration.choose_calibrator(p, y, self.penalty, self._rng)
        if self.calibration_ == "none":
            return None, np.bincount(y, minlength=p.shape[1]) / len(y)
        fitted = calibration.fit_calibrator(p, y, self.calibration_, self.penalty)
        # The prior that the calibrated probabilities themselves imply, so that EM on them finds no shift.
        return fitted, fitted(p).mean(axis=0)

    def _prior(self, state: tuple[calibration.Calibrator | None, np.ndarray], p: np.ndarray) -> np.ndarray:
        fitted, source_prior = state
        return expectation_maximization(p if fitted is None else fitted(p), source_prior)

    def _honest(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted, source_prior = self._state
        return (p if fitted is None else fitted(p)), source_prior


def expectation_maximization(
    p: np.ndarray, source_prior: np.ndarray, steps: int = 300, tolerance: float = 1e-6
) -> np.ndarray:
    """Return the prior π that maximises Σᵢ log Σₖ πₖ pᵢₖ / source_priorₖ.

    Two EM steps at a time, then a leap along the path they point out (Varadhan & Roland 2008, SqS3), taken
    back where it would leave the simplex or lower the likelihood.

    Args:
        p: probabilities under ``source_prior`` ``(rows, classes)``.
        source_prior: ``(classes,)``, all above 0.
        steps: most leaps.
        tolerance: stop when an EM step moves the prior by less, summed over classes.
    """
    likelihood = np.maximum(p, calibration.FLOOR) / source_prior
    prior = source_prior
    if len(p) > 4 * MOST_ROWS:  # most steps on some of the rows, the last few on all
        prior = expectation_maximization(p[:: len(p) // MOST_ROWS], source_prior, steps, tolerance)

    def step(prior: np.ndarray) -> tuple[np.ndarray, float]:
        mixture = likelihood @ prior
        return prior * ((1 / mixture) @ likelihood) / len(p), np.log(mixture).sum()

    for _ in range(steps):
        once, before = step(prior)
        if np.abs(once - prior).sum() < tolerance:
            return once / once.sum()
        twice, _ = step(once)
        first, second = once - prior, twice - 2 * once + prior
        length = float(np.linalg.norm(first)) / max(float(np.linalg.norm(second)), 1e-300)
        prior = twice
        if length > 1:
            leap = once - first + 2 * length * first + length**2 * second
            if leap.min() > 0 and (landed := step(leap / leap.sum()))[1] >= before:
                prior = landed[0]
    return prior / prior.sum()

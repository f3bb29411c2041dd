"""Which share does each class have now? Label shift: p(x | y) stands still, p(y) moves.

All estimators learn from a classifier's probabilities on held-out labelled rows and then read its
probabilities on unlabelled rows from where it will be used.
"""

from typing import Any, Self

import numpy as np
from scipy.optimize import nnls
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift import calibration, inputs

Z_95 = 1.959964  # the normal quantile of a 95 % interval
MOST_ROWS = 2000  # rows of each side in one bootstrap draw; more would cost more than they tell


class _LabelShift(BaseEstimator):
    """Base of the label-shift estimators. A subclass has ``_learn(p, y)`` → a fitted state and
    ``_prior(state, p_target)`` → the prior.

    Attributes:
        source_prior_: share of each class among ``y_val`` ``(classes,)``.
        prior_: estimated share of each class in the target ``(classes,)``.
        class_weights_: ``prior_`` / ``source_prior_``, the importance weight of a row of each class.
        interval_: 95 % interval for each class's share in the population that the target rows were drawn
            from, ``(classes, 2)``; each class by itself. It rests on at most 2,000 rows of each side and is
            never narrower than those allow.
    """

    def fit(self, y_val: Any, p_val: Any) -> Self:
        """Learn how the classifier errs.

        Args:
            y_val: labels of rows that the classifier was not trained on ``(rows,)``: column numbers of
                ``p_val``.
            p_val: its probabilities on them ``(rows, classes)``.

        Returns:
            The estimator.

        Raises:
            ValueError: rows do not sum to 1, lengths differ, one class only, a class without a row.
        """
        p = inputs.probabilities("p_val", p_val)
        inputs.remember(self, p_val, p)
        classes = p.shape[1]
        y = inputs.labels("y_val", y_val, classes)
        checks.same_length(y_val=y, p_val=p)
        counts = np.bincount(y, minlength=classes)
        if not counts.all():
            raise ValueError(
                f"y_val has no row of class {int(np.argmin(counts))}: how it is predicted cannot be known; "
                "add such rows or drop its column"
            )
        self.source_prior_ = counts / len(y)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._rng = np.random.default_rng(self._seed)
        self._state = self._learn(p, y)
        draws = int(checks.not_negative("draws", self.draws))
        if len(y) > MOST_ROWS:  # but at least one row of each class
            first = np.unique(y, return_index=True)[1]
            some = np.union1d(first, self._rng.choice(len(y), MOST_ROWS, replace=False))
            p, y = p[some], y[some]
        self._draws = [self._draw(p, y) for _ in range(draws)]
        return self

    def _draw(self, p: np.ndarray, y: np.ndarray) -> tuple[Any, list[np.ndarray]]:
        """Relearn from a bootstrap sample; return the state and the rows left out, class by class.

        The sample is drawn inside each class, and a class with all rows drawn lends its own rows back.
        """
        drawn, out = [], []
        for k in range(p.shape[1]):
            rows = np.flatnonzero(y == k)
            chosen = self._rng.choice(rows, len(rows))
            left = np.setdiff1d(rows, chosen)
            drawn.append(chosen)
            out.append(p[left if len(left) else rows])
        rows = np.concatenate(drawn)
        return self._learn(p[rows], y[rows]), out

    def estimate(self, p_target: Any) -> Self:
        """Estimate the class shares behind unlabelled rows.

        Args:
            p_target: the classifier's probabilities on them ``(any, classes)``.

        Returns:
            The estimator, with ``prior_``, ``class_weights_`` and ``interval_``.

        Raises:
            ValueError: not fitted, another number of classes, rows that do not sum to 1.
        """
        p = self._checked("p_target", p_target)
        self.prior_ = self._prior(self._state, p)
        self.class_weights_ = self.prior_ / self.source_prior_
        self.interval_ = self._interval(len(p)) if self._draws else None
        return self

    def _interval(self, rows: int) -> np.ndarray:
        """Wilson's interval (1927) at the number of rows that the estimate is worth.

        Targets with the estimated prior are made from rows that a bootstrap draw left out, and estimated by
        what that draw learned: the mean squared error holds the chance in both samples and the bias of the
        method. A share π counted on m rows has variance π(1 − π)/m; that m is put into Wilson's formula,
        which keeps its coverage for small shares, where an estimate ± 2 deviations does not.
        """
        made = min(rows, MOST_ROWS)
        classes = len(self.prior_)
        # No share is taken to be exactly 0: half a row of each class is added.
        prior = (self.prior_ * made + 0.5) / (made + 0.5 * classes)
        rng = np.random.default_rng(self._seed)  # the same rows give the same interval, at any time
        squares = np.zeros(classes)
        for state, out in self._draws:
            counts = rng.multinomial(made, prior)
            p = np.concatenate([out[k][rng.integers(len(out[k]), size=n)] for k, n in enumerate(counts)])
            squares += (self._prior(state, p) - prior) ** 2
        variance = squares / len(self._draws)
        worth = np.minimum(prior * (1 - prior) / np.maximum(variance, 1e-12), made)
        center = (self.prior_ + Z_95**2 / (2 * worth)) / (1 + Z_95**2 / worth)
        half = Z_95 / (1 + Z_95**2 / worth)
        half *= np.sqrt(self.prior_ * (1 - self.prior_) / worth + Z_95**2 / (4 * worth**2))
        low, high = np.clip([center - half, center + half], 0, 1)
        low[low * rows < 0.05] = 0  # a twentieth of one row is rounding, and must not rule out none at all
        return np.stack([low, high], axis=1)

    def adapt_proba(self, p: Any) -> np.ndarray:
        """Return the classifier's probabilities as they should read under ``prior_`` ``(rows, classes)``.

        Each class is multiplied by its weight and rows are made to sum to 1 (Saerens, Latinne &
        Decaestecker 2002, eq. 2.4).
        """
        if not hasattr(self, "prior_"):
            raise ValueError(f"{type(self).__name__} has no prior yet: call estimate(p_target) first")
        p, source_prior = self._honest(self._checked("p", p))
        weighted = p * (self.prior_ / source_prior)
        total = weighted.sum(axis=1, keepdims=True)
        # A row that the new prior calls impossible keeps the prior itself.
        return np.where(total > 0, weighted / np.where(total > 0, total, 1), self.prior_)

    def _honest(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities as they are to be believed, and the prior behind them."""
        return p, self.source_prior_

    def _checked(self, argument: str, p: Any) -> np.ndarray:
        if not hasattr(self, "source_prior_"):
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(y_val, p_val) first")
        return inputs.probabilities(argument, p, like=self)


def _confusion(p: np.ndarray, y: np.ndarray, kind: str) -> np.ndarray:
    """Return the joint confusion matrix C[j, k]: mean of prediction j on rows of class k × its share."""
    said = (
        p if checks.one_of("kind", kind, ("soft", "hard")) == "soft" else np.eye(p.shape[1])[p.argmax(axis=1)]
    )
    return said.T @ np.eye(p.shape[1])[y] / len(y)


def _said(p: np.ndarray, kind: str) -> np.ndarray:
    if kind == "soft":
        return p.mean(axis=0)
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


class BBSE(_LabelShift):
    """Black-box shift estimation (Lipton, Wang & Smola 2018): solves C w = q for the class weights.

    C is the joint confusion matrix on the validation rows, q the mean prediction on the target; w is the
    nonnegative least-squares solution, and the prior w · source prior is scaled to sum to 1.

    Args:
        kind: ``"soft"`` uses probabilities, ``"hard"`` the predicted classes.
        draws: bootstrap draws behind ``interval_``; 0 for none.
        random_state: int, ``RandomState`` or None.

    Raises:
        ValueError: at ``fit``, the confusion matrix is singular.

    Example:
        >>> y = np.repeat([0, 1], 100)
        >>> p = np.where(y[:, None] == [0, 1], 0.8, 0.2)  # right with probability 0.8, and says so
        >>> bbse = BBSE(random_state=0).fit(y, p).estimate(p[:125])
        >>> bbse.prior_.round(3)
        array([0.8, 0.2])
    """

    def __init__(self, kind: str = "soft", draws: int = 100, random_state: Any = None):
        self.kind = kind
        self.draws = draws
        self.random_state = random_state

    def fit(self, y_val: Any, p_val: Any) -> Self:
        super().fit(y_val, p_val)
        condition = np.linalg.cond(self._state[0] / self.source_prior_)
        if not condition < 1e6:
            raise ValueError(
                f"the confusion matrix is singular (condition {condition:.1e}): some classes are predicted "
                "alike; merge them, use kind='soft', or RLLS, which leaves their weights near 1"
            )
        return self

    def _learn(self, p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _confusion(p, y, self.kind), np.bincount(y, minlength=p.shape[1]) / len(y)

    def _prior(self, state: tuple[np.ndarray, np.ndarray], p: np.ndarray) -> np.ndarray:
        C, source_prior = state
        prior = nnls(C, _said(p, self.kind))[0] * source_prior
        return prior / prior.sum()


class RLLS(_LabelShift):
    """Regularised learning under label shift (Azizzadenesheli et al. 2019).

    Like :class:`BBSE` with a penalty that draws the weights towards 1 where the data say little: minimises
    ‖Cw − q‖² + ρ²‖w − 1‖² over w ≥ 0, with ρ = ``penalty`` / √(validation rows · classes). A singular
    confusion matrix is no trouble.

    Args:
        kind: ``"soft"`` or ``"hard"``.
        penalty: strength of the penalty; 0 gives BBSE.
        draws: bootstrap draws behind ``interval_``; 0 for none.
        random_state: int, ``RandomState`` or None.

    Example:
        >>> y = np.repeat([0, 1], 100)
        >>> p = np.where(y[:, None] == [0, 1], 0.8, 0.2)
        >>> rlls = RLLS(random_state=0).fit(y, p).estimate(p[:125])
        >>> bool(0.75 < rlls.prior_[0] < 0.8)  # a little towards the source's half
        True
    """

    def __init__(self, kind: str = "soft", penalty: float = 0.1, draws: int = 100, random_state: Any = None):
        self.kind = kind
        self.penalty = penalty
        self.draws = draws
        self.random_state = random_state

    def _learn(self, p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        classes = p.shape[1]
        rho = checks.not_negative("penalty", self.penalty) / np.sqrt(len(y) * classes)
        return _confusion(p, y, self.kind), np.bincount(y, minlength=classes) / len(y), rho

    def _prior(self, state: tuple[np.ndarray, np.ndarray, float], p: np.ndarray) -> np.ndarray:
        C, source_prior, rho = state
        k = len(C)
        w = nnls(np.vstack([C, rho * np.eye(k)]), np.r_[_said(p, self.kind), np.full(k, rho)])[0]
        prior = w * source_prior
        return prior / prior.sum()


class LabelShiftEM(_LabelShift):
    """Maximum-likelihood prior on calibrated probabilities, by EM (Saerens, Latinne & Decaestecker 2002).

    The classifier is calibrated first, and the map is applied to the target's probabilities as well
    (Alexandari, Kundaje & Shrikumar 2020): the likelihood believes what it is told. The best default here.

    Args:
        calibration: ``"auto"`` takes matrix scaling unless cross-validation prefers another by more than one
            standard error; or ``"temperature"``, ``"bias_corrected"``, ``"vector"``, ``"matrix"`` or
            ``"none"``.
        penalty: see :func:`kerasdl.shift.calibration.fit_calibrator`.
        draws: bootstrap draws behind ``interval_``; 0 for none.
        random_state: int, ``RandomState`` or None.

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
        self, calibration: str = "auto", penalty: float = 0.01, draws: int = 100, random_state: Any = None
    ):
        self.calibration = calibration
        self.penalty = penalty
        self.draws = draws
        self.random_state = random_state

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

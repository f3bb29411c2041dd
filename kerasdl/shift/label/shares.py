"""Which share does each class have now? Label shift: p(x | y) stands still, p(y) moves.

In go what a classifier says of held-out labelled rows, and of unlabelled rows from where it will be used; out
come the shares of the classes there, with intervals, and whether label shift explains what is said.
"""

import warnings
from typing import Any, Self

import numpy as np
from scipy.optimize import nnls
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.inputs import tables
from kerasdl.shift.label import classes as labels
from kerasdl.shift.label import goodness
from kerasdl.shift.label.goodness import GoodnessOfFit

MOST_ROWS = 2000  # rows of each side in one bootstrap draw; more would cost more than they tell
FEWEST_DRAWS = 20  # that tell how good a fit is
DOUBT = 0.01  # a goodness of fit below this is warned of


class LabelShiftWarning(UserWarning):
    """The target's predictions are not a mix of the classes: the shares that were estimated may be wrong."""


class LabelShift(BaseEstimator):
    """Base of the label-shift estimators.

    A subclass has ``_learn(p, y)`` → a fitted state and ``_prior(state, p_target)`` → the prior.

    Attributes:
        classes_: the labels, in the order of everything below ``(classes,)``.
        source_prior_: share of each class among ``y_val`` ``(classes,)``.
        prior_: estimated share of each class in the target ``(classes,)``.
        class_weights_: ``prior_`` / ``source_prior_``, the importance weight of a row of each class.
        interval_: interval for each class's share in the population that the target rows were drawn from, at
            ``level``, ``(classes, 2)``; each class by itself. It rests on at most 2,000 rows of each side and
            is never narrower than those allow.
        goodness_of_fit_: ``(statistic, p_value)`` of the assumption that only the shares have moved; None
            with fewer than 20 draws.
        unknown_share_: least share of the target that no mix of the known classes explains, at 97.5 %
            confidence: a lower bound, 0 where nothing can be told.
    """

    draws: int
    level: float
    random_state: Any

    def fit(self, y_val: Any, p_val: Any) -> Self:
        """Learn how the classifier errs.

        Args:
            y_val: labels of rows that the classifier was not trained on ``(rows,)``: column numbers of
                ``p_val``, or labels of any kind, which are the names of its columns or else sorted.
            p_val: its probabilities on them ``(rows, classes)``, or the outputs of a sigmoid ``(rows,)`` or
                ``(rows, 1)``, or predicted labels ``(rows,)``.

        Returns:
            The estimator.

        Raises:
            ValueError: rows do not sum to 1, lengths differ, one class only, a class without a row.
        """
        if not 0 < self.level < 1:
            raise ValueError(f"level={self.level!r}: give a confidence below 1, such as 0.95")
        y, p, self.classes_ = labels.read(y_val, p_val)
        framed = p_val if hasattr(p_val, "columns") else p
        tables.remember(self, framed, tables.read("p_val", framed))
        self.n_features_in_ = p.shape[1]
        counts = np.bincount(y, minlength=p.shape[1])
        if not counts.all():
            raise ValueError(
                f"y_val has no row of class {self.classes_[np.argmin(counts)]}: how it is predicted cannot "
                "be known; add such rows or drop its column"
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
        self._features = goodness.Features(p)
        self._means = goodness.class_means(self._features(p), y, p.shape[1])
        self._cells = self._features.cells(p), y
        self._draws = [self._draw(p, y) for _ in range(draws)]
        return self

    def _draw(self, p: np.ndarray, y: np.ndarray) -> tuple[Any, list[np.ndarray], np.ndarray]:
        """Relearn from a bootstrap sample; return the state, the rows left out by class, and class means.

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
        means = goodness.class_means(self._features(p[rows]), y[rows], p.shape[1])
        return self._learn(p[rows], y[rows]), out, means

    def estimate(self, p_target: Any) -> Self:
        """Estimate the class shares behind unlabelled rows.

        Args:
            p_target: what the classifier says of them, in the form it had in ``fit``.

        Returns:
            The estimator, with ``prior_``, ``class_weights_`` and ``interval_``.

        Raises:
            ValueError: not fitted, another number of classes, rows that do not sum to 1.

        Warns:
            LabelShiftWarning: the predictions are not a mix of those of the classes.
        """
        p = self._checked("p_target", p_target)
        self.prior_ = self._prior(self._state, p)
        self.class_weights_ = self.prior_ / self.source_prior_
        squares, simulated = self._simulate(len(p))
        self.interval_ = self._interval(len(p), squares) if self._draws else None
        cells = self._cells[0], self._features.cells(p)
        self.unknown_share_ = goodness.unexplained_share(
            cells[1], cells[0], self._cells[1], p.shape[1], p.shape[1] * (len(self._features.edges) + 1)
        )
        self.goodness_of_fit_: GoodnessOfFit | None = None
        if len(self._draws) >= FEWEST_DRAWS:
            gap = self._features(p).mean(axis=0) - self.prior_ @ self._means
            self.goodness_of_fit_ = goodness.goodness_of_fit(gap, simulated, self._features.of_sureness)
            self._doubt(self.goodness_of_fit_)
        return self

    def _doubt(self, fit: GoodnessOfFit) -> None:
        if fit.p_value < DOUBT:
            unknown = (
                f"; at least {self.unknown_share_:.0%} of the rows look like no known class"
                if self.unknown_share_ > 0.02
                else ""
            )
            warnings.warn(
                f"the target's predictions are not a mix of the classes' (p = {fit.p_value:.1g}){unknown}: "
                "more than the class shares has moved, and neither prior_ nor interval_ can be trusted",
                LabelShiftWarning,
                stacklevel=3,
            )

    def _simulate(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return mean squared errors of the prior, and gaps of fit, of targets made with the prior found.

        They are made from rows that a bootstrap draw left out, and estimated by what that draw learned: the
        errors hold the chance in both samples and the bias of the method.
        """
        made = min(rows, MOST_ROWS)
        count = len(self.prior_)
        # No share is taken to be exactly 0: half a row of each class is added.
        prior = (self.prior_ * made + 0.5) / (made + 0.5 * count)
        rng = np.random.default_rng(self._seed)  # the same rows give the same interval, at any time
        squares, gaps = np.zeros(count), []
        for state, out, means in self._draws:
            counts = rng.multinomial(made, prior)
            p = np.concatenate([out[k][rng.integers(len(out[k]), size=n)] for k, n in enumerate(counts)])
            found = self._prior(state, p)
            squares += (found - prior) ** 2
            gaps.append(self._features(p).mean(axis=0) - found @ means)
        return squares / max(len(self._draws), 1), np.array(gaps)

    def _interval(self, rows: int, variance: np.ndarray) -> np.ndarray:
        """Wilson's interval (1927) at the number of rows that the estimate is worth.

        A share π counted on m rows has variance π(1 − π)/m; the m of the simulated variance is put into
        Wilson's formula, which keeps its coverage for small shares; an estimate ± 2 deviations does not.
        """
        z = float(norm.ppf(0.5 + self.level / 2))
        made = min(rows, MOST_ROWS)
        prior = (self.prior_ * made + 0.5) / (made + 0.5 * len(self.prior_))
        worth = np.minimum(prior * (1 - prior) / np.maximum(variance, 1e-12), made)
        center = (self.prior_ + z**2 / (2 * worth)) / (1 + z**2 / worth)
        half = z / (1 + z**2 / worth)
        half *= np.sqrt(self.prior_ * (1 - self.prior_) / worth + z**2 / (4 * worth**2))
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

    def _learn(self, p: np.ndarray, y: np.ndarray) -> Any:
        raise NotImplementedError

    def _prior(self, state: Any, p: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _honest(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities as they are to be believed, and the prior behind them."""
        return p, self.source_prior_

    def _checked(self, argument: str, p: Any) -> np.ndarray:
        if not hasattr(self, "source_prior_"):
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(y_val, p_val) first")
        return labels.read_like(argument, p, self.classes_, self)


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


class BBSE(LabelShift):
    """Black-box shift estimation (Lipton, Wang & Smola 2018): solves C w = q for the class weights.

    C is the joint confusion matrix on the validation rows, q the mean prediction on the target; w is the
    nonnegative least-squares solution, and the prior w · source prior is scaled to sum to 1.

    Args:
        kind: ``"soft"`` uses probabilities, ``"hard"`` the predicted classes.
        draws: bootstrap draws behind ``interval_`` and ``goodness_of_fit_``; 0 for none.
        random_state: int, ``RandomState`` or None.
        level: confidence level of ``interval_``.

    Raises:
        ValueError: at ``fit``, the confusion matrix is singular.

    Example:
        >>> y = np.repeat([0, 1], 100)
        >>> p = np.where(y[:, None] == [0, 1], 0.8, 0.2)  # right with probability 0.8, and says so
        >>> bbse = BBSE(random_state=0).fit(y, p).estimate(p[:125])
        >>> bbse.prior_.round(3)
        array([0.8, 0.2])
    """

    def __init__(self, kind: str = "soft", draws: int = 100, random_state: Any = None, level: float = 0.95):
        self.kind = kind
        self.draws = draws
        self.random_state = random_state
        self.level = level

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


class RLLS(LabelShift):
    """Regularised learning under label shift (Azizzadenesheli et al. 2019).

    Like :class:`BBSE` with a penalty that draws the weights towards 1 where the data say little: minimises
    ‖Cw − q‖² + ρ²‖w − 1‖² over w ≥ 0, with ρ = ``penalty`` / √(validation rows · classes). A singular
    confusion matrix is no trouble.

    Args:
        kind: ``"soft"`` or ``"hard"``.
        penalty: strength of the penalty; 0 gives BBSE.
        draws: bootstrap draws behind ``interval_`` and ``goodness_of_fit_``; 0 for none.
        random_state: int, ``RandomState`` or None.
        level: confidence level of ``interval_``.

    Example:
        >>> y = np.repeat([0, 1], 100)
        >>> p = np.where(y[:, None] == [0, 1], 0.8, 0.2)
        >>> rlls = RLLS(random_state=0).fit(y, p).estimate(p[:125])
        >>> bool(0.75 < rlls.prior_[0] < 0.8)  # a little towards the source's half
        True
    """

    def __init__(
        self,
        kind: str = "soft",
        penalty: float = 0.1,
        draws: int = 100,
        random_state: Any = None,
        level: float = 0.95,
    ):
        self.kind = kind
        self.penalty = penalty
        self.draws = draws
        self.random_state = random_state
        self.level = level

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

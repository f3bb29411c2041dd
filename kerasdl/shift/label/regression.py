"""Where has a regression target moved, when nobody has labelled the new rows? Target shift, from predictions.

In go a model's predictions on held-out labelled rows, and on unlabelled rows from where it will be used; out
come whether the target moved, its new mean with an interval, and corrected predictions. The assumption is
that of label shift: p(x | y) stands still, p(y) moves.
"""

import warnings
from typing import Any, Self

import numpy as np
from scipy.stats import ks_2samp, norm
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.label.shares import DOUBT, FEWEST_DRAWS, LabelShiftWarning

FEWEST_ROWS = 40
ROWS_A_BIN = 40
MOST_BINS = 12
STEPS = 200


class TargetShift(BaseEstimator):
    """Estimates how a number that a model predicts is distributed now (target shift, Zhang et al. 2013).

    The validation rows are cut into bins of equal count by their target, and again by their prediction; how
    the predictions of each target bin spread over the prediction bins stands still. The shares of the target
    bins under which the new predictions are likeliest come from EM, drawn a little towards the old ones
    (a Dirichlet prior of one row a bin). Intervals come from bootstrap draws of both sides.

    Args:
        bins: most bins; fewer with fewer than 40 validation rows a bin.
        draws: bootstrap draws behind ``interval_``; 0 for none.
        level: confidence level of ``interval_``.
        random_state: int, ``RandomState`` or None.

    Attributes:
        p_value_: of Kolmogorov & Smirnov's test that the predictions have moved.
        mean_, source_mean_: of the target, now and in the validation rows.
        interval_: interval for ``mean_`` ``(2,)``; None without draws.
        shares_, source_shares_: of the target bins ``(bins,)``.
        edges_: between them ``(bins - 1,)``.
        goodness_of_fit_: p-value of the assumption, from the draws; small where predictions are not a mix of
            those of the bins, such as beyond all that was seen. None with fewer than 20 draws.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y, y_now = rng.normal(0, 1, 500), rng.normal(0.5, 1, 400)
        >>> said, said_now = (t + 0.5 * rng.normal(size=len(t)) for t in (y, y_now))
        >>> shift = TargetShift(random_state=0).fit(y, said).estimate(said_now)
        >>> bool(shift.p_value_ < 0.01), bool(shift.interval_[0] < 0.5 < shift.interval_[1])
        (True, True)
    """

    def __init__(
        self, bins: int = MOST_BINS, draws: int = 100, level: float = 0.95, random_state: Any = None
    ):
        self.bins = bins
        self.draws = draws
        self.level = level
        self.random_state = random_state

    def fit(self, y_val: Any, predictions_val: Any) -> Self:
        """Learn how predictions follow the target.

        Args:
            y_val: target of rows that the model was not trained on ``(rows,)`` or ``(rows, 1)``, 40 at least.
            predictions_val: its predictions on them, likewise.

        Raises:
            ValueError: lengths differ, NaN, too few rows, a constant target.
        """
        if not 0 < self.level < 1:
            raise ValueError(f"level={self.level!r}: give a confidence below 1, such as 0.95")
        y, said = _numbers("y_val", y_val), _numbers("predictions_val", predictions_val)
        checks.same_length(y_val=y, predictions_val=said)
        if len(y) < FEWEST_ROWS:
            raise ValueError(f"y_val has {len(y)} rows: give {FEWEST_ROWS} at least")
        count = min(checks.positive_int("bins", self.bins), max(3, len(y) // ROWS_A_BIN))
        self.edges_ = np.unique(np.quantile(y, np.linspace(0, 1, count + 1)[1:-1]))
        if np.ptp(y) == 0:
            raise ValueError(f"y_val is {y[0]:g} in every row: there is no target to shift")
        self._said_edges = np.unique(np.quantile(said, np.linspace(0, 1, 2 * count + 1)[1:-1]))
        self._y, self._said = y, said
        self._draws = int(checks.not_negative("draws", self.draws))
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._table, self.source_shares_, self._means = self._learn(y, said)
        self.source_mean_ = float(y.mean())
        return self

    def estimate(self, predictions: Any) -> Self:
        """Estimate the target's distribution behind unlabelled rows.

        Args:
            predictions: the model's predictions on them ``(any,)`` or ``(any, 1)``.

        Warns:
            LabelShiftWarning: the predictions are not a mix of those seen: more than the target has moved.
        """
        if not hasattr(self, "_table"):
            raise ValueError("TargetShift is not fitted: call fit(y_val, predictions_val) first")
        said = _numbers("predictions", predictions)
        self.p_value_ = float(ks_2samp(self._said, said).pvalue)
        counts = self._counted(said)
        self.shares_ = _shares(counts, self._table, self.source_shares_)
        self.mean_ = float(self.shares_ @ self._means)
        self.interval_: np.ndarray | None = None
        self.goodness_of_fit_: float | None = None
        if self._draws:
            self._bootstrap(counts)
        return self

    def _bootstrap(self, counts: np.ndarray) -> None:
        """Learn from resampled validation rows, and estimate resampled targets, and targets that do fit."""
        rng = np.random.default_rng(self._seed)
        rows = int(counts.sum())
        means, distances = [], []
        explained = self._table @ self.shares_
        observed = _distance(counts, explained)
        for _ in range(self._draws):
            drawn = rng.integers(len(self._y), size=len(self._y))
            table, source, level = self._learn(self._y[drawn], self._said[drawn])
            again = rng.multinomial(rows, counts / rows)
            means.append(float(_shares(again, table, source) @ level))
            made = rng.multinomial(rows, explained / explained.sum())
            distances.append(_distance(made, table @ _shares(made, table, source)))
        half = float(norm.ppf(0.5 + self.level / 2)) * float(np.std(means))
        self.interval_ = np.array([self.mean_ - half, self.mean_ + half])
        if self._draws >= FEWEST_DRAWS:
            as_far = int(np.sum(np.array(distances) >= observed))
            p = (1 + as_far) / (1 + len(distances))
            self.goodness_of_fit_ = p
            if p < max(DOUBT, 1.5 / (1 + self._draws)):
                warnings.warn(
                    f"the predictions are not a mix of those seen (p = {p:.2g}): more than the "
                    "target's distribution has moved, and neither mean_ nor interval_ can be trusted",
                    LabelShiftWarning,
                    stacklevel=3,
                )

    def adapt(self, predictions: Any) -> np.ndarray:
        """Return predictions as they should read now ``(rows,)``.

        To each is added how much the mean target of rows so predicted has moved, by Bayes' rule on the bins.
        """
        if not hasattr(self, "shares_"):
            raise ValueError("TargetShift has no estimate yet: call estimate(predictions) first")
        said = _numbers("predictions", predictions)
        now, before = (self._expected(shares) for shares in (self.shares_, self.source_shares_))
        at = np.searchsorted(self._said_edges, self._said)
        centres = np.bincount(at, self._said, minlength=len(now)) / np.bincount(at, minlength=len(now))
        return said + np.interp(said, centres, now - before)

    def weights(self, y: Any) -> np.ndarray:
        """Return importance weights of rows by their target ``(rows,)``, mean 1 where it was fitted."""
        if not hasattr(self, "shares_"):
            raise ValueError("TargetShift has no estimate yet: call estimate(predictions) first")
        return (self.shares_ / self.source_shares_)[np.searchsorted(self.edges_, _numbers("y", y))]

    def _expected(self, shares: np.ndarray) -> np.ndarray:
        """Return the mean target of each prediction bin under shares of the target bins."""
        joint = self._table * shares
        return (joint @ self._means) / joint.sum(axis=1)

    def _counted(self, said: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(self._said_edges, said), minlength=len(self._said_edges) + 1)

    def _learn(self, y: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return P(prediction bin | target bin), the shares of the target bins, and their mean targets."""
        bins, said_bins = len(self.edges_) + 1, len(self._said_edges) + 1
        at, said_at = np.searchsorted(self.edges_, y), np.searchsorted(self._said_edges, said)
        table = np.full((said_bins, bins), 0.1)  # a tenth of a row: nothing is taken for impossible
        np.add.at(table, (said_at, at), 1.0)
        counts = np.bincount(at, minlength=bins)
        whole = np.bincount(np.searchsorted(self.edges_, self._y), self._y, minlength=bins)
        fallback = whole / np.maximum(np.bincount(np.searchsorted(self.edges_, self._y), minlength=bins), 1)
        means = np.where(counts > 0, np.bincount(at, y, minlength=bins) / np.maximum(counts, 1), fallback)
        return table / table.sum(axis=0), (counts + 0.5) / (len(y) + 0.5 * bins), means


def _shares(counts: np.ndarray, table: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the shares of the target bins that maximise the likelihood of the counts, by EM."""
    shares = source / source.sum()
    pull = len(source) * source
    for _ in range(STEPS):
        mixture = table @ shares
        expected = shares * (table.T @ (counts / mixture)) + pull
        updated = expected / expected.sum()
        if np.abs(updated - shares).sum() < 1e-6:
            return updated
        shares = updated
    return shares


def _distance(counts: np.ndarray, explained: np.ndarray) -> float:
    """Return Pearson's χ² of counts against the shares that explain them."""
    expected = counts.sum() * explained / explained.sum()
    return float(((counts - expected) ** 2 / expected).sum())


def _numbers(argument: str, values: Any) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{argument} has shape {array.shape}: give (rows,) or (rows, 1), at least one row")
    return checks.finite(argument, array)

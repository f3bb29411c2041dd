"""Which one test should be run when nobody knows how the data may move? Several statistics, one level.

In go two tables; out comes one exact p-value, and those of the parts, which tell in what way they differ.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasdl import checks
from kerasdl.shift.detection import scores
from kerasdl.shift.detection.multivariate import multi_gaussian, ridge_directions
from kerasdl.shift.detection.permutation import quadratic, smallest_p
from kerasdl.shift.detection.two_sample import Outcome, TwoSampleTest, pooled
from kerasdl.shift.inputs import allowed
from kerasdl.shift.inputs.tables import Table

# Of the level; one column's place in many is listened to most, for there every bit of power is needed.
SHARES = {
    "columns": 2.3,
    "marginal": 0.5,
    "tails": 0.5,
    "spread": 0.2,
    "pairs": 0.15,
    "direction": 0.15,
    "shape": 0.2,
}
SHARES_OF_CLASSES = {"classes": 6.0, "predictions": 6.0}
MOST_PAIRS = 1000

Measure = Callable[[np.ndarray, bool], np.ndarray]


class ShiftTest(TwoSampleTest):
    """The default test: several statistics, each strong where others are blind, on the same relabellings.

    - ``columns``: the largest shift of a column's place, by normal scores;
    - ``marginal``: the largest change of one column's distribution, by Neyman's smooth test of four orders;
    - ``spread``: the largest shift of the ranks of the distance from the median;
    - ``tails``: the largest change of a column's variance, for few rows that lie far out;
    - ``pairs``: the largest change of a correlation between two columns;
    - ``direction``: the ridge classifier's fit, for many columns that move a little together;
    - ``shape``: the MMD with several bandwidths;
    - ``classes``: the largest shift of a class's mean probability, if ``predict_proba`` is given;
    - ``predictions``: the MMD of class probabilities, likewise.

    With ``predict_proba`` the parts on columns get a quarter of the level and the last two the rest: a change
    of the columns is mostly plain to see, a change of class shares needs every bit of power.

    Their smallest p-value is compared with its own permutation distribution (Westfall & Young 1993), so the
    level is exact however they hang together. Tables of any columns are welcome; categories, text, dates and
    gaps are encoded on both sides together.

    Args:
        predict_proba: function from rows, as they were given, to probabilities ``(rows, classes)`` or, of a
            sigmoid, ``(rows,)``, such as ``model.predict``; ``None`` tests the columns alone.
        alpha: level.
        permutations: relabellings; more are made where ``alpha`` asks for a smaller p-value than these give.
        max_rows: most rows used of each side; the result's ``rows`` says how many were. Time and memory grow
            with its square.
        random_state: for relabellings and rows.
        verbose: show on stderr how far the relabellings of the slow statistics are.
        block: neighbouring rows that are dealt out together, for rows that depend on their neighbours;
            ``"auto"`` reads off the reference how many.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = ShiftTest(random_state=0).fit(rng.normal(size=(200, 3)))
        >>> result = test.test(2 * rng.normal(size=(100, 3)))
        >>> result.is_shift, result.parts["spread"] < 0.01
        (True, True)
    """

    def __init__(
        self,
        predict_proba: Callable[[Any], Any] | None = None,
        alpha: float = 0.05,
        permutations: int = 500,
        max_rows: int = 2000,
        random_state: Any = None,
        verbose: bool = False,
        block: int | str = 1,
    ):
        self.predict_proba = predict_proba
        self.alpha = alpha
        self.permutations = permutations
        self.max_rows = max_rows
        self.random_state = random_state
        self.verbose = verbose
        self.block = block

    def _test(self, reference: Table, sample: Table) -> Outcome:
        measures = self._on_columns(reference, sample)
        shares = dict(SHARES)
        if self.predict_proba is not None:
            said = []
            for table in (reference, sample):
                p = allowed.probabilities("predict_proba(X)", self.predict_proba(table.given))
                checks.same_length(**{"X": np.empty(len(table)), "predict_proba(X)": p})
                said.append(p)
            p = np.vstack(said)
            K = multi_gaussian(p, self._rng)
            measures["classes"] = _largest(scores.standardised(p))
            measures["predictions"] = lambda y, show: quadratic(K, y, self._bar("predictions", show))
            shares |= SHARES_OF_CLASSES
        names = list(measures)
        widths: list[int] = []

        def measure(y: np.ndarray, show: bool) -> np.ndarray:
            parts = [measures[name](y, show) for name in names]
            parts = [part[:, None] if part.ndim == 1 else part for part in parts]
            widths[:] = [part.shape[1] for part in parts]
            return np.concatenate(parts, axis=1)

        def conclude(found: np.ndarray) -> Outcome:
            ends = np.cumsum(widths)
            parts = [found[:, end - width : end] for end, width in zip(ends, widths, strict=True)]
            at = names.index("tails")
            parts[at] = _in_own_deviations(parts[at])
            statistics = np.stack([part[:, 0] for part in parts], axis=1)
            p, alone = smallest_p(statistics, np.array([shares[name] for name in names]))
            return float(-np.log10(alone.min())), p, dict(zip(names, alone.tolist(), strict=True))

        return self._permuted(len(reference), len(sample), measure, conclude)

    def _on_columns(self, reference: Table, sample: Table) -> dict[str, Measure]:
        X, encoding = pooled(reference, sample)
        u = scores.mid_ranks(X)
        z = scores.place(u)
        orders = scores.shapes(u)
        degrees = (np.ptp(orders, axis=1) > 0).sum(axis=0)
        error = scores.size(len(reference), len(sample))
        products, _ = scores.pairs(z, encoding.owner, MOST_PAIRS, self._rng)
        tailed = X[:, scores.has_tails(X)]
        directions = ridge_directions(X, 0.1)
        K = multi_gaussian(X, self._rng)

        def marginal(y: np.ndarray, show: bool) -> np.ndarray:
            squares = sum((y @ one) ** 2 for one in orders) / error**2
            return scores.chi_squared_as_normal(np.asarray(squares), degrees).max(axis=1)

        def pairs(y: np.ndarray, show: bool) -> np.ndarray:
            if not products.shape[1]:
                return np.zeros(len(y))
            return np.abs(y.astype(np.float32) @ products).max(axis=1).astype(np.float64)

        return {
            "columns": _largest(z),
            "marginal": marginal,
            "spread": _largest(scores.spread(X)),
            "tails": lambda y, show: scores.log_variance_ratio(y, tailed),
            "pairs": pairs,
            "direction": lambda y, show: ((y @ directions) ** 2).sum(axis=1),
            "shape": lambda y, show: quadratic(K, y, self._bar("shape", show)),
        }

    def _bar(self, name: str, show: bool) -> str:
        return name if self.verbose and show else ""


def _largest(standard: np.ndarray) -> Measure:
    """Return the largest |mean over the reference − over the sample| of standardised scores."""
    return lambda y, show: np.abs(y @ standard).max(axis=1)


def _in_own_deviations(found: np.ndarray) -> np.ndarray:
    """Return the largest statistic over its own deviation among the relabellings ``(relabellings, 1)``.

    Each side of 0 has a deviation of its own: the far rows of a large reference often fall to it alone, and
    hardly ever to a small sample alone.
    """
    if not found.shape[1]:
        return np.zeros((len(found), 1))
    sides = []
    for sign in (1, -1):
        one = np.maximum(sign * found, 0)
        deviation = np.sqrt((one**2).sum(axis=0) / np.maximum((one > 0).sum(axis=0), 1))
        sides.append((one / np.where(deviation > 0, deviation, 1)).max(axis=1))
    return np.maximum(*sides)[:, None]

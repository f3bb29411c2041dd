"""Has the data moved? What every two-sample test does, and those that look at one column at a time.

A test is fitted on a reference and asked about samples, tables of any columns; it answers with a
:class:`ShiftResult`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Self

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.detection import dependence
from kerasdl.shift.detection.permutation import least_p, signed_labels
from kerasdl.shift.inputs import allowed, tables
from kerasdl.shift.inputs.encoding import Encoding
from kerasdl.shift.inputs.tables import Column, Table

Outcome = tuple[float, float, dict[str, float]]  # statistic, p-value, p-values of the parts


@dataclass(frozen=True)
class ShiftResult:
    """What a test found.

    Attributes:
        p_value: chance of a statistic at least as large when nothing has moved.
        statistic: larger means further apart.
        is_shift: whether ``p_value`` ≤ the test's ``alpha``.
        parts: p-values of the columns or tests that were combined, by name, each for itself.
        rows: rows of the reference and of the sample that the test looked at; ``max_rows`` sets the most.
    """

    p_value: float
    statistic: float
    is_shift: bool
    parts: dict[str, float] = field(default_factory=dict)
    rows: tuple[int, int] = (0, 0)


class TwoSampleTest(BaseEstimator):
    """Base of the tests: the checks, the limit on rows, the relabellings. A subclass has ``_test``.

    Attributes:
        reference_, sample_: the rows looked at, as tables; of the last sample.
    """

    alpha: float
    max_rows: int
    random_state: Any
    block: int | str = 1
    _relabels = True  # whether the p-value comes from relabellings

    def fit(self, reference: Any) -> Self:
        """Keep the rows that stand for "as before", ``(rows, columns)``; at most ``max_rows`` of them.

        Args:
            reference: array, DataFrame (gaps, text, categories and dates are welcome) or sparse matrix.

        Raises:
            ValueError: NaN in an array, no rows, ``alpha`` not between 0 and 1.
        """
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha={self.alpha!r}: give a level above 0 and below 1")
        table = tables.read("reference", reference)
        tables.remember(self, reference, table)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._rng = np.random.default_rng(self._seed)
        self._warn(table)
        self.block_ = self._block_of(table)
        self.reference_ = self._thin(table)
        return self

    def test(self, sample: Any) -> ShiftResult:
        """Test whether ``sample`` ``(any, columns)`` comes from where the reference came from.

        Raises:
            ValueError: not fitted, other columns than the reference, no rows, a column of another kind, or
                too few rows for any p-value as small as ``alpha``.

        Warns:
            DependenceWarning: neighbouring rows are alike, or many rows are copies, and ``block`` is 1.
        """
        if not hasattr(self, "reference_"):
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(reference) first")
        # The same sample gives the same answer at any time. Its rows are not drawn as the reference's were:
        # rows of two tables may belong together in pairs.
        self._rng = np.random.default_rng([self._seed, 1])
        table = tables.read("sample", sample, like=self)
        self._warn(table)
        self.sample_ = thinned = self._thin(table)
        if self._relabels:
            self._refuse_too_few(len(self.reference_), len(thinned))
        statistic, p, parts = self._test(self.reference_, thinned)
        return ShiftResult(p, statistic, bool(p <= self.alpha), parts, (len(self.reference_), len(thinned)))

    def _test(self, reference: Table, sample: Table) -> Outcome:
        raise NotImplementedError

    def _warn(self, table: Table) -> None:
        if self.block == 1:
            blocks = "give block='auto', or thin" if self._relabels else "thin"
            dependence.warn_of_dependence(table, f"{blocks} them until neighbours are independent")

    def _block_of(self, table: Table) -> int:
        """Return how many neighbours are dealt out together: three times what the rows remember.

        But no more than leave eight blocks of the reference, for fewer can hardly be dealt out at all.
        """
        if self.block != "auto":
            return checks.positive_int("block", self.block)  # type: ignore[arg-type]
        memory = dependence.memory(dependence.number_columns(table)[1])
        return 1 if memory < 1.2 else max(1, min(ceil(3 * memory), len(table) // 8))

    def _thin(self, table: Table) -> Table:
        """Return at most ``max_rows`` rows in their order, whole blocks if there are any."""
        most = checks.positive_int("max_rows", self.max_rows)
        block = self.block_
        if block > 1:
            whole, kept = len(table) // block, max(1, most // block)
            chosen = np.arange(whole)
            if whole > kept:
                chosen = np.sort(self._rng.choice(whole, kept, replace=False))
            return table.take((chosen[:, None] * block + np.arange(block)).ravel())
        if len(table) <= most:
            return table
        return table.take(np.sort(self._rng.choice(len(table), most, replace=False)))

    def _refuse_too_few(self, n: int, m: int) -> None:
        least = least_p(n // self.block_, m // self.block_)
        if least > self.alpha:
            what = f"blocks of {self.block_} rows" if self.block_ > 1 else "rows"
            raise ValueError(
                f"{n // self.block_} {what} against {m // self.block_} give no p-value below {least:.2g}, "
                f"and alpha={self.alpha:.3g} asks for less: give more rows or a larger alpha"
            )

    def _permuted(
        self,
        n: int,
        m: int,
        measure: Callable[[np.ndarray, bool], np.ndarray],
        conclude: Callable[[np.ndarray], Outcome],
    ) -> Outcome:
        """Measure the true labels and relabellings, and conclude.

        Should ``alpha`` ask for a smaller p-value than ``permutations`` can give, more relabellings are made,
        unless the first ones show already that the p-value is far from it. The level holds: a shift is told
        only if all relabellings together tell it.

        Args:
            n: rows of the reference. m: of the sample.
            measure: from labels ``(relabellings, n + m)`` to statistics ``(relabellings, any)``; its second
                argument says whether progress may be shown.
            conclude: from all statistics to the outcome.
        """
        permutations = checks.positive_int("permutations", self.permutations)
        found = measure(signed_labels(n, m, permutations, self._rng, self.block_), True)
        outcome = conclude(found)
        if (permutations + 1) * self.alpha >= 4 or outcome[1] > max(0.05, 5 * self.alpha):
            return outcome
        rest = ceil(25 / self.alpha) - permutations
        all_found = [found]
        while rest > 0:
            all_found.append(measure(signed_labels(n, m, min(rest, 2000), self._rng, self.block_)[1:], False))
            rest -= 2000
        return conclude(np.concatenate(all_found))


def pooled(reference: Table, sample: Table) -> tuple[np.ndarray, Encoding]:
    """Return both tables as one array of standardised features, a constant one at 0, and the encoding."""
    encoding = Encoding(reference, sample)
    X = np.vstack([encoding.encode(reference), encoding.encode(sample)]).astype(np.float64)
    mean, scale = encoding.scales(X)
    return (X - mean) / scale, encoding


class KSTest(TwoSampleTest):
    """Kolmogorov–Smirnov test of each column, with Bonferroni's correction (Rabanser et al. 2019).

    Categories are tested by χ² on the counts of their values, text by its length, missing values by χ² on
    theirs.

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

    _relabels = False

    def __init__(self, alpha: float = 0.05, max_rows: int = 100_000, random_state: Any = None):
        self.alpha = alpha
        self.max_rows = max_rows
        self.random_state = random_state

    def _test(self, reference: Table, sample: Table) -> Outcome:
        parts: dict[str, float] = {}
        largest = 0.0
        for k, name in enumerate(reference.names):
            a, b = reference.column(k), sample.column(k)
            kind = tables.common_kind(a, b, name, (reference.argument, sample.argument))
            for part, statistic, p in _one_column(name, kind, a, b):
                parts[part] = p
                largest = max(largest, statistic)
        return self._bonferroni(largest, parts, len(reference), len(sample))

    def _bonferroni(self, largest: float, parts: dict[str, float], n: int, m: int) -> Outcome:
        least = least_p(n, m) * len(parts)
        if least > self.alpha:
            raise ValueError(
                f"{n} rows against {m} give no p-value below {min(least, 1):.2g} for {len(parts)} columns, "
                f"and alpha={self.alpha:.3g} asks for less: give more rows or a larger alpha"
            )
        return largest, min(1.0, min(parts.values()) * len(parts)), parts


def _one_column(name: str, kind: str, a: Column, b: Column) -> list[tuple[str, float, float]]:
    """Return ``(part, statistic, p)`` of a column: its values, and its gaps if it has any."""
    found: list[tuple[str, float, float]] = []
    gaps = [
        np.array([v is None for v in one.values]) if one.kind == "category" else np.isnan(one.values)
        for one in (a, b)
    ]
    if kind == "empty" or any(gap.all() for gap in gaps):
        found.append((name, 0.0, 1.0))
    elif kind == "text":  # hardly a text comes twice: their lengths are compared
        lengths = [[len(value) for value in one.values[~gap]] for one, gap in zip((a, b), gaps, strict=True)]
        one = ks_2samp(*lengths)
        found.append((name, float(one.statistic), float(one.pvalue)))
    elif kind == "category":
        said = [one.values[~gap] for one, gap in zip((a, b), gaps, strict=True)]
        levels, codes = np.unique(np.concatenate(said).astype(str), return_inverse=True)
        split = np.split(codes, [len(said[0])])
        counts = np.stack([np.bincount(one, minlength=len(levels)) for one in split])
        found.append((name, *_chi_squared(counts)))
    else:
        one = ks_2samp(a.values[~gaps[0]], b.values[~gaps[1]])
        found.append((name, float(one.statistic), float(one.pvalue)))
    if gaps[0].any() or gaps[1].any():
        counts = np.array([[gap.sum(), (~gap).sum()] for gap in gaps])
        found.append((f"{name}: missing", *_chi_squared(counts)))
    return found


def _chi_squared(counts: np.ndarray) -> tuple[float, float]:
    """Return Cramér's V and the p-value of a table of counts ``(2, values)``, rare values taken together."""
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < 5  # fewer than five expected: the χ² distribution is not to be believed
    if rare.sum() > 1:
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.any(axis=0)]
    if counts.shape[1] < 2:
        return 0.0, 1.0
    found = chi2_contingency(counts, correction=False)
    return float(np.sqrt(found.statistic / counts.sum())), float(found.pvalue)


class BBSDTest(KSTest):
    """Black-box shift detection: tests what a classifier says instead of what it sees (Lipton et al. 2018).

    Kind ``"soft"`` tests each class probability by Kolmogorov–Smirnov with Bonferroni's correction; kind
    ``"hard"`` tests the counts of predicted classes by χ².

    Args:
        predict_proba: function from rows, as they were given, to probabilities ``(rows, classes)`` or, of a
            sigmoid, ``(rows,)``, such as ``model.predict``; ``None`` when ``fit`` and ``test`` are given
            probabilities.
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
        predict_proba: Callable[[Any], Any] | None = None,
        kind: str = "soft",
        alpha: float = 0.05,
        max_rows: int = 100_000,
        random_state: Any = None,
    ):
        super().__init__(alpha, max_rows, random_state)
        self.predict_proba = predict_proba
        self.kind = kind

    def _test(self, reference: Table, sample: Table) -> Outcome:
        checks.one_of("kind", self.kind, ("soft", "hard"))
        say = self.predict_proba or (lambda rows: rows)
        p, q = (allowed.probabilities("predict_proba(X)", say(rows.given)) for rows in (reference, sample))
        if self.kind == "hard":
            counts = np.array([np.bincount(x.argmax(axis=1), minlength=p.shape[1]) for x in (p, q)])
            counts = counts[:, counts.any(axis=0)]
            if counts.shape[1] == 1:
                return 0.0, 1.0, {}
            found = chi2_contingency(counts, correction=False)
            return float(found.statistic), float(found.pvalue), {}
        tested = [ks_2samp(p[:, k], q[:, k]) for k in range(p.shape[1])]
        parts = {f"class {k}": float(one.pvalue) for k, one in enumerate(tested)}
        return self._bonferroni(max(float(one.statistic) for one in tested), parts, len(p), len(q))

"""Batch after batch, has the data moved? A monitor that keeps a budget of false alarms over all batches.

In goes a reference and then one batch after another; out comes, after each, how much evidence has gathered. A
test at level .05 on each of thirty batches raises a false alarm in most histories; this one in at most
``budget`` of them, however many batches come.
"""

from math import log
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, clone

from kerasdl.shift.detection.combined import ShiftTest
from kerasdl.shift.detection.two_sample import ShiftResult
from kerasdl.shift.inputs import tables


class BatchResult(NamedTuple):
    """What is known after a batch.

    Attributes:
        is_alarm: whether the evidence has ever reached 1 / budget.
        evidence: the e-process: how many times more likely than by chance what was seen is.
        result: the test of this batch alone.
    """

    is_alarm: bool
    evidence: float
    result: ShiftResult


class BatchMonitor(BaseEstimator):
    """Tests each batch against all rows before it, and adds up the evidence.

    Each batch's p-value becomes an e-value, (1 − p + p ln p) / (p ln² p): its mean is at most 1 if nothing
    has moved, and it is large for small p (Vovk & Wang 2021, mixed over their calibrator's exponent). The
    batch is compared with the reference and all earlier batches together; if nothing moves, p-values of such
    sequential ranks do not depend on each other, as in conformal martingales (Vovk, Gammerman & Shafer 2005),
    so e-values may be multiplied. The change may come at any batch: the evidence is a mean over all
    beginnings j, weighted 1 / (j (j + 1)), of the product of e-values since. It ever reaches 1 / budget in at
    most ``budget`` of all histories without a change (Ville 1939), however long they are.

    Args:
        budget: chance of any false alarm at all, over all batches.
        test: an unfitted test that relabels; by default ``ShiftTest`` with 1,000 relabellings, more where a
            batch is far out.
        memory: most rows remembered, drawn at random from all before the batch.
        random_state: int, ``RandomState`` or None.

    Attributes:
        history_: a row for each batch, with ``rows``, ``p_value``, ``evidence``, ``is_alarm``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> monitor = BatchMonitor(random_state=0).fit(rng.normal(size=(300, 2)))
        >>> calm = [monitor.update(rng.normal(size=(60, 2))).is_alarm for _ in range(3)]
        >>> moved = [monitor.update(rng.normal(0.8, 1, size=(60, 2))).is_alarm for _ in range(3)]
        >>> calm, moved[-1]
        ([False, False, False], True)
    """

    def __init__(self, budget: float = 0.05, test: Any = None, memory: int = 2000, random_state: Any = None):
        self.budget = budget
        self.test = test
        self.memory = memory
        self.random_state = random_state

    def fit(self, reference: Any) -> Self:
        """Begin with the rows that stand for "as before", a table of any columns ``(rows, columns)``.

        Raises:
            ValueError: ``budget`` not between 0 and 1; what :meth:`ShiftTest.fit` refuses.
        """
        if not 0 < self.budget < 1:
            raise ValueError(f"budget={self.budget!r}: give the chance of a false alarm, above 0 and below 1")
        seed = np.random.SeedSequence(self.random_state if isinstance(self.random_state, int) else None)
        self._rng = np.random.default_rng(seed)
        table = tables.read("reference", reference)
        tables.remember(self, reference, table)
        self._seen: list[Any] = [table.given]
        self._wealth = 0.0
        self._batches = 0
        self._alarmed = False
        self._rows: list[dict[str, Any]] = []
        return self

    def update(self, batch: Any) -> BatchResult:
        """Read one batch ``(rows, columns)`` and weigh the evidence.

        Raises:
            ValueError: not fitted, other columns, too few rows for any evidence.
        """
        if not hasattr(self, "_seen"):
            raise ValueError("BatchMonitor is not fitted: call fit(reference) first")
        table = tables.read("batch", batch, like=self)
        seed = int(self._rng.integers(2**31))
        if self.test is None:
            test: Any = ShiftTest(permutations=1000)
        else:
            test = clone(self.test)
        # A twentieth of the budget: the p-values that count most are worth more relabellings.
        test.set_params(alpha=self.budget / 20, random_state=seed)
        before = self._seen[0] if len(self._seen) == 1 else _stacked(self._seen)
        result = test.fit(before).test(table.given)
        self._batches += 1
        share = 1 / (self._batches * (self._batches + 1))
        # What no beginning has claimed yet stays as it is; the product of those begun grows by the e-value.
        self._wealth = (self._wealth + share) * e_value(result.p_value)
        evidence = self._wealth + 1 / (self._batches + 1)
        self._alarmed = self._alarmed or evidence >= 1 / self.budget
        self._remember(table.given)
        self._rows.append(
            {
                "rows": len(table),
                "p_value": result.p_value,
                "evidence": evidence,
                "is_alarm": self._alarmed,
            }
        )
        return BatchResult(self._alarmed, evidence, result)

    @property
    def history_(self) -> pd.DataFrame:
        """A row for each batch, with ``rows``, ``p_value``, the ``evidence`` after it and ``is_alarm``."""
        return pd.DataFrame(self._rows, columns=["rows", "p_value", "evidence", "is_alarm"])

    def _remember(self, batch: Any) -> None:
        """Keep the batch, and of all rows a random ``memory``: a bag, in which the order is forgotten."""
        every = _stacked([*self._seen, batch])
        rows = every.shape[0]
        if rows > self.memory:
            kept = np.sort(self._rng.choice(rows, self.memory, replace=False))
            every = every.iloc[kept] if isinstance(every, pd.DataFrame) else every[kept]
        self._seen = [every]


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], pd.DataFrame):
        return pd.concat(parts, ignore_index=True)
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.vstack(parts)


def e_value(p: float) -> float:
    """Return (1 − p + p ln p) / (p ln² p), ½ at p = 1: an e-value if ``p`` is a p-value.

    Example:
        >>> round(e_value(0.01), 2), e_value(1.0)
        (4.45, 0.5)
    """
    if p >= 1 - 1e-6:
        return 0.5
    return (1 - p + p * log(p)) / (p * log(p) ** 2)

"""Where did the mean of a stream change? An adaptive window (Bifet & Gavaldà 2007).

In go numbers; the window of recent numbers grows while their mean stands still and is cut where it moved.
"""

from collections import deque
from math import log, sqrt

from kerasdl import checks
from kerasdl.shift.monitors.base import Monitor, confidence, finite


class ADWIN(Monitor):
    """Adaptive window (Bifet & Gavaldà 2007): keeps the longest recent window that shows no change of mean.

    Whenever the window splits into an older and a newer part whose means differ by more than

        ε = √(2/m σ² ln(2/δ′)) + 2R/(3m) ln(2/δ′),   1/m = 1/n₀ + 1/n₁,   δ′ = δ / ln n

    the older part is dropped (their eq. 3.1, where R = 1). R is the range of the numbers in the window, so
    that their unit does not matter. Where several splits differ too much, the one that does so most is the
    change: all before it goes at once and the change is told once, while the published algorithm drops the
    oldest bucket until nothing is left to tell, and tells the rest of a change at later searches. The window
    is held as an exponential histogram, at most 5 buckets of each size 1, 2, 4, …: memory grows with the
    logarithm of its length.

    Args:
        delta: confidence of one split test.
        clock: numbers between two searches for a split; 1 searches at each.

    Attributes:
        n_updates: length of the window. mean: mean of the window.

    Example:
        >>> monitor = ADWIN()
        >>> drifts = monitor.update_many([0.0] * 500 + [1.0] * 100)
        >>> len(drifts) > 0 and 500 <= drifts[0] < 550
        True
    """

    BUCKETS = 5

    def __init__(self, delta: float = 0.002, clock: int = 32):
        self.delta = delta
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        confidence("delta", self.delta)
        checks.positive_int("clock", self.clock)
        # Row r holds (sum, squared deviations, least, largest) of 2^r numbers, newest last.
        self._rows: list[deque[tuple[float, float, float, float]]] = [deque()]
        self.n_updates = 0
        self._sum = 0.0
        self._deviations = 0.0
        self._tick = 0

    @property
    def mean(self) -> float:
        """Mean of the window; 0 when it is empty."""
        return self._sum / self.n_updates if self.n_updates else 0.0

    def update(self, x: float) -> bool:
        """Read one number of any range; return True if the window was cut.

        Raises:
            ValueError: ``x`` is NaN or infinite.
        """
        finite(x)
        if self.n_updates:
            self._deviations += (x - self._sum / self.n_updates) ** 2 * self.n_updates / (self.n_updates + 1)
        self.n_updates += 1
        self._sum += x
        self._rows[0].append((x, 0.0, x, x))
        if len(self._rows[0]) > self.BUCKETS:
            self._compress()
        self._tick += 1
        if self._tick % self.clock or self.n_updates < 10:
            return False
        buckets = self._search()
        for _ in range(buckets):
            self._drop_oldest()
        return buckets > 0

    def _compress(self) -> None:
        """Merge the two oldest buckets of each full row into one of the next row."""
        for level, row in enumerate(self._rows):
            if len(row) <= self.BUCKETS:
                return
            if level + 1 == len(self._rows):
                self._rows.append(deque())
            size = 1 << level
            (a, a_dev, a_low, a_high), (b, b_dev, b_low, b_high) = row.popleft(), row.popleft()
            deviations = a_dev + b_dev + (a - b) ** 2 / (2 * size)
            self._rows[level + 1].append((a + b, deviations, min(a_low, b_low), max(a_high, b_high)))

    def _search(self) -> int:
        """Return how many of the oldest buckets lie before the split that differs most too much, or 0."""
        n, total = self.n_updates, self._sum
        margin = log(2 * log(n) / self.delta)
        variance = max(self._deviations / n, 0.0)
        low = min(bucket[2] for row in self._rows for bucket in row)
        high = max(bucket[3] for row in self._rows for bucket in row)
        older, older_sum, passed, found, most = 0, 0.0, 0, 0, 1.0
        for level in range(len(self._rows) - 1, -1, -1):
            size = 1 << level
            for bucket in self._rows[level]:
                older += size
                older_sum += bucket[0]
                passed += 1
                newer = n - older
                if newer < 5:
                    return found
                if older < 5:
                    continue
                m_inverse = 1 / older + 1 / newer
                gap = abs(older_sum / older - (total - older_sum) / newer)
                bound = sqrt(2 * m_inverse * variance * margin) + 2 / 3 * m_inverse * (high - low) * margin
                if gap > most * bound:
                    found, most = passed, gap / bound
        return found

    def _drop_oldest(self) -> None:
        level = len(self._rows) - 1
        bucket_sum, bucket_deviations, _, _ = self._rows[level].popleft()
        size = 1 << level
        rest = self.n_updates - size
        gap = bucket_sum / size - (self._sum - bucket_sum) / rest
        self._deviations -= bucket_deviations + gap**2 * size * rest / self.n_updates
        self.n_updates = rest
        self._sum -= bucket_sum
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()

"""Has the meaning of the labels changed? Monitors that read a stream of errors, one number at a time.

Each keeps a bounded state, answers ``update(x)`` with True when it finds a drift, and then starts afresh.
"""

from collections import deque
from math import isfinite, log, sqrt

from sklearn.base import BaseEstimator

from kerasdl import checks


class _Monitor(BaseEstimator):
    """Base of the monitors. ``n_updates`` counts the numbers seen since the last drift."""

    def reset(self) -> None:
        """Forget the stream."""
        raise NotImplementedError

    def update_many(self, values) -> list[int]:
        """Feed an iterable of numbers and return the positions (from 0) at which a drift was found."""
        return [position for position, x in enumerate(values) if self.update(x)]


def _confidence(argument: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{argument}={value!r}: give a probability above 0 and below 1")
    return value


def _unit(x: float) -> float:
    if not 0 <= x <= 1:  # NaN, too
        raise ValueError(f"x={x!r}: give an error in [0, 1], such as 0 for right and 1 for wrong")
    return x


class ADWIN(_Monitor):
    """Adaptive window (Bifet & Gavaldà 2007): keeps the longest recent window that shows no change of mean.

    Whenever the window splits into an older and a newer part whose means differ by more than

        ε = √(2/m σ² ln(2/δ′)) + 2/(3m) ln(2/δ′),   1/m = 1/n₀ + 1/n₁,   δ′ = δ / ln n

    (their eq. 3.1), the older part is dropped. The window is held as an exponential histogram, at most 5
    buckets of each size 1, 2, 4, …: memory grows with the logarithm of its length.

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
        _confidence("delta", self.delta)
        checks.positive_int("clock", self.clock)
        self._rows: list[deque] = [
            deque()
        ]  # row r holds (sum, squared deviations) of 2^r numbers, newest last
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
        if not isfinite(x):
            raise ValueError(f"x={x!r}: give a finite number")
        if self.n_updates:
            self._deviations += (x - self._sum / self.n_updates) ** 2 * self.n_updates / (self.n_updates + 1)
        self.n_updates += 1
        self._sum += x
        self._rows[0].append((x, 0.0))
        if len(self._rows[0]) > self.BUCKETS:
            self._compress()
        self._tick += 1
        if self._tick % self.clock or self.n_updates < 10:
            return False
        cut = False
        while self._search():
            cut = True
            self._drop_oldest()
        return cut

    def _compress(self) -> None:
        """Merge the two oldest buckets of each full row into one of the next row."""
        for level, row in enumerate(self._rows):
            if len(row) <= self.BUCKETS:
                return
            if level + 1 == len(self._rows):
                self._rows.append(deque())
            size = 1 << level
            (a, a_dev), (b, b_dev) = row.popleft(), row.popleft()
            self._rows[level + 1].append((a + b, a_dev + b_dev + (a - b) ** 2 / (2 * size)))

    def _search(self) -> bool:
        """Walk from the oldest bucket to the newest and tell whether some split differs too much."""
        n, total = self.n_updates, self._sum
        if n < 10:
            return False
        confidence = log(2 * log(n) / self.delta)
        variance = max(self._deviations / n, 0.0)
        older, older_sum = 0, 0.0
        for level in range(len(self._rows) - 1, -1, -1):
            size = 1 << level
            for bucket_sum, _ in self._rows[level]:
                older += size
                older_sum += bucket_sum
                newer = n - older
                if newer < 5:
                    return False
                if older < 5:
                    continue
                m_inverse = 1 / older + 1 / newer
                gap = older_sum / older - (total - older_sum) / newer
                bound = sqrt(2 * m_inverse * variance * confidence) + 2 / 3 * m_inverse * confidence
                if gap > bound or -gap > bound:
                    return True
        return False

    def _drop_oldest(self) -> None:
        level = len(self._rows) - 1
        bucket_sum, bucket_deviations = self._rows[level].popleft()
        size = 1 << level
        rest = self.n_updates - size
        gap = bucket_sum / size - (self._sum - bucket_sum) / rest
        self._deviations -= bucket_deviations + gap**2 * size * rest / self.n_updates
        self.n_updates = rest
        self._sum -= bucket_sum
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()


class DDM(_Monitor):
    """Drift detection method (Gama et al. 2004): control chart of a classifier's error rate.

    With error rate p after i rows and s = √(p(1 − p) / i), remembers the least p + s and reports a drift
    when p + s ≥ p_min + ``drift`` · s_min. Simple, and prone to false alarms on long streams.

    Args:
        warning: multiple of s_min that sets ``warning_``.
        drift: multiple of s_min that reports a drift.
        warm_up: rows before the first judgement.

    Attributes:
        warning_: whether the last update lies in the warning zone. n_updates: rows since the last drift.

    Example:
        >>> monitor = DDM()
        >>> any(monitor.update(error) for error in [0, 0, 0, 0, 1] * 100 + [1] * 50)
        True
    """

    def __init__(self, warning: float = 2.0, drift: float = 3.0, warm_up: int = 30):
        self.warning = warning
        self.drift = drift
        self.warm_up = warm_up
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        checks.positive_int("warm_up", self.warm_up)
        if not 0 < self.warning <= self.drift:
            raise ValueError(f"warning={self.warning!r}, drift={self.drift!r}: give 0 < warning <= drift")
        self.n_updates = 0
        self.warning_ = False
        self._rate = 0.0
        self._least = (float("inf"), 0.0, 0.0)

    def update(self, x: float) -> bool:
        """Read one error, 0 or 1; return True at a drift.

        Raises:
            ValueError: ``x`` lies outside [0, 1].
        """
        self.n_updates += 1
        self._rate += (_unit(x) - self._rate) / self.n_updates
        if self.n_updates < self.warm_up:
            return False
        deviation = sqrt(self._rate * (1 - self._rate) / self.n_updates)
        level = self._rate + deviation
        if level <= self._least[0]:
            self._least = (level, self._rate, deviation)
        _, rate, least_deviation = self._least
        if level > rate + self.drift * least_deviation:
            self.reset()
            return True
        self.warning_ = level > rate + self.warning * least_deviation
        return False


class PageHinkley(_Monitor):
    """Page–Hinkley test (Page 1954, Hinkley 1971): a cumulative sum of rises above the running mean.

    mₜ = ``forget`` · mₜ₋₁ + (xₜ − x̄ₜ − ``delta``); a drift when mₜ − min m > ``threshold``. It finds
    increases; feed −x to find decreases.

    Args:
        delta: rise that is tolerated.
        threshold: height of the cumulative sum that reports a drift, in units of x.
        forget: factor just below 1 that lets old rises fade.
        warm_up: rows before the first judgement.

    Attributes:
        n_updates: rows since the last drift.

    Example:
        >>> monitor = PageHinkley(threshold=10)
        >>> monitor.update_many([0.0] * 100 + [1.0] * 15)
        [110]
    """

    def __init__(
        self, delta: float = 0.005, threshold: float = 50.0, forget: float = 0.9999, warm_up: int = 30
    ):
        self.delta = delta
        self.threshold = threshold
        self.forget = forget
        self.warm_up = warm_up
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        checks.positive_int("warm_up", self.warm_up)
        checks.not_negative("delta", self.delta)
        checks.fraction("forget", self.forget)
        if not self.threshold > 0:
            raise ValueError(f"threshold={self.threshold!r}: give a number above 0")
        self.n_updates = 0
        self._mean = 0.0
        self._sum = 0.0
        self._least = 0.0

    def update(self, x: float) -> bool:
        """Read one number of any range; return True at a drift.

        Raises:
            ValueError: ``x`` is NaN or infinite.
        """
        if not isfinite(x):
            raise ValueError(f"x={x!r}: give a finite number")
        self.n_updates += 1
        self._mean += (x - self._mean) / self.n_updates
        self._sum = self.forget * self._sum + x - self._mean - self.delta
        self._least = min(self._least, self._sum)
        if self.n_updates >= self.warm_up and self._sum - self._least > self.threshold:
            self.reset()
            return True
        return False


class HDDM(_Monitor):
    """Drift detection by Hoeffding's bounds (Frías-Blanco et al. 2015), for rises of a bounded error.

    Kind ``"A"`` compares the mean up to the best point so far with the mean of all: good for abrupt change.
    Kind ``"W"`` does it with exponentially weighted means and McDiarmid's bound: good for gradual change.

    Args:
        kind: ``"A"`` or ``"W"``.
        drift_confidence: chance of a false alarm in one comparison.
        warning_confidence: the same for ``warning_``.
        decay: weight of the newest error, for kind ``"W"``.

    Attributes:
        warning_: whether the last update lies in the warning zone. n_updates: rows since the last drift.

    Example:
        >>> monitor = HDDM("A")
        >>> drifts = monitor.update_many([0.0] * 100 + [1.0] * 30)
        >>> 100 <= drifts[0] < 110
        True
    """

    def __init__(
        self,
        kind: str = "A",
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        decay: float = 0.05,
    ):
        self.kind = kind
        self.drift_confidence = drift_confidence
        self.warning_confidence = warning_confidence
        self.decay = decay
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        checks.one_of("kind", self.kind, ("A", "W"))
        _confidence("decay", self.decay)
        self._drift = log(1 / _confidence("drift_confidence", self.drift_confidence))
        self._warning = log(1 / _confidence("warning_confidence", self.warning_confidence))
        self.n_updates = 0
        self.warning_ = False
        # For A a part is (mean, 1 / rows); for W (weighted mean, sum of squared weights).
        self._all = self._before = self._after = None

    def update(self, x: float) -> bool:
        """Read one error; return True at a drift.

        Raises:
            ValueError: ``x`` lies outside [0, 1].
        """
        _unit(x)
        self.n_updates += 1
        gap, spread = self._compare_means(x) if self.kind == "A" else self._compare_weighted(x)
        if gap > 0 and gap >= sqrt(spread * self._drift / 2):
            self.reset()
            return True
        self.warning_ = gap > 0 and gap >= sqrt(spread * self._warning / 2)
        return False

    def _compare_means(self, x: float) -> tuple[float, float]:
        """Return all − before and its m / (n (n + m)), their corollary 3: n rows before, m since."""
        mean = self._all[0] + (x - self._all[0]) / self.n_updates if self._all else x
        inverse = 1 / self.n_updates
        self._all = (mean, inverse)
        if self._before is None or mean + sqrt(inverse * self._drift / 2) <= self._before[0] + sqrt(
            self._before[1] * self._drift / 2
        ):
            self._before = self._all
        return mean - self._before[0], self._before[1] - inverse

    def _compare_weighted(self, x: float) -> tuple[float, float]:
        """Return after − before and the sum of both spreads, their corollary 6."""
        self._all = self._step(self._all, x)
        if self._before is None or self._all[0] + sqrt(self._all[1] * self._drift / 2) <= self._before[
            0
        ] + sqrt(self._before[1] * self._drift / 2):
            self._before, self._after = self._all, None
            return 0.0, 1.0
        self._after = self._step(self._after, x)
        return self._after[0] - self._before[0], self._before[1] + self._after[1]

    def _step(self, part: tuple[float, float] | None, x: float) -> tuple[float, float]:
        if part is None:
            return x, 1.0
        keep = 1 - self.decay
        return self.decay * x + keep * part[0], self.decay**2 + keep**2 * part[1]

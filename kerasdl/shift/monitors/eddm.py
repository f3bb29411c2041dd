"""Do errors come closer together? A control chart of their distances (Baena-García et al. 2006).

In go errors, 0 or 1; an alarm comes when the distance between two errors has fallen well below its best.
"""

from math import sqrt

from kerasdl import checks
from kerasdl.shift.monitors.base import Monitor, unit


class EDDM(Monitor):
    """Early drift detection method.

    With mean p and deviation s of the distances between errors, remembers the largest p + 2s and reports a
    change when (p + 2s) / its largest < ``drift``. Sensitive to slow change, and alarmed by most long streams
    that do not change at all: use it where a false alarm costs little.

    Args:
        warning: share of the largest p + 2s below which ``warning_`` is set.
        drift: share below which a change is reported.
        warm_up: rows before distances are remembered, and errors before the first judgement.

    Attributes:
        warning_: whether the last error lies in the warning zone. n_updates: rows since the last change.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> drifts = EDDM().update_many(rng.random(1000) < np.repeat([0.1, 0.6], 500))
        >>> any(500 <= at < 600 for at in drifts)
        True
    """

    def __init__(self, warning: float = 0.95, drift: float = 0.9, warm_up: int = 30):
        self.warning = warning
        self.drift = drift
        self.warm_up = warm_up
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        checks.positive_int("warm_up", self.warm_up)
        if not 0 < self.drift <= self.warning <= 1:
            raise ValueError(
                f"warning={self.warning!r}, drift={self.drift!r}: give 0 < drift <= warning <= 1"
            )
        self.n_updates = 0
        self.warning_ = False
        self._errors = 0
        self._last = 0
        self._mean = 0.0
        self._squares = 0.0
        self._largest = 0.0

    def update(self, x: float) -> bool:
        """Read one error, 0 or 1; return True at a change.

        Raises:
            ValueError: ``x`` is neither 0 nor 1.
        """
        if unit(x) not in (0, 1):
            raise ValueError(f"x={x!r}: give 0 for right and 1 for wrong, distances are between errors")
        self.n_updates += 1
        if x == 0:
            return False
        self._errors += 1
        distance = self.n_updates - self._last
        self._last = self.n_updates
        before = self._mean
        self._mean += (distance - before) / self._errors
        self._squares += (distance - before) * (distance - self._mean)
        if self.n_updates <= self.warm_up:
            return False
        level = self._mean + 2 * sqrt(self._squares / max(self._errors - 1, 1))
        if level > self._largest:
            self._largest = level
        elif self._errors > self.warm_up:
            if level < self.drift * self._largest:
                self.reset()
                return True
            self.warning_ = level < self.warning * self._largest
        return False

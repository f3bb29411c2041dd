"""Has an error rate risen above its best? A control chart (Gama et al. 2004).

In go errors, 0 or 1; an alarm comes when their rate lies well above the least rate seen.
"""

from math import sqrt

from kerasdl import checks
from kerasdl.shift.monitors.base import Monitor, unit


class DDM(Monitor):
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
        self._rate += (unit(x) - self._rate) / self.n_updates
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

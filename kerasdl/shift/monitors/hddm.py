"""Has a bounded error risen? A comparison of means by Hoeffding's bound (Frías-Blanco et al. 2015).

In go errors in [0, 1]; an alarm comes when the recent mean exceeds the best earlier one by more than chance
allows.
"""

from math import log, sqrt

from kerasdl import checks
from kerasdl.shift.monitors.base import Monitor, confidence, unit


class HDDM(Monitor):
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
        confidence("decay", self.decay)
        self._drift = log(1 / confidence("drift_confidence", self.drift_confidence))
        self._warning = log(1 / confidence("warning_confidence", self.warning_confidence))
        self.n_updates = 0
        self.warning_ = False
        # For A a part is (mean, 1 / rows); for W (weighted mean, sum of squared weights).
        self._all: tuple[float, float] | None = None
        self._before: tuple[float, float] | None = None
        self._after: tuple[float, float] | None = None

    def update(self, x: float) -> bool:
        """Read one error; return True at a drift.

        Raises:
            ValueError: ``x`` lies outside [0, 1].
        """
        unit(x)
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

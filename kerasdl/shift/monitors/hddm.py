"""Has a bounded mean risen, or fallen? A comparison of means by Hoeffding's bound (Frías-Blanco et al. 2015).

In go numbers of known bounds, such as errors; an alarm comes when the recent mean exceeds the best earlier
one by more than chance allows.
"""

from math import log, sqrt

from kerasdl import checks
from kerasdl.shift.monitors.base import SIDES, Monitor, confidence


class HDDM(Monitor):
    """Drift detection by Hoeffding's bounds (Frías-Blanco et al. 2015), for changes of a bounded mean.

    Kind ``"A"`` compares the mean up to the best point so far with the mean of all: good for abrupt change.
    Kind ``"W"`` does it with exponentially weighted means and McDiarmid's bound: good for gradual change.

    Args:
        kind: ``"A"`` or ``"W"``.
        drift_confidence: chance of a false alarm in one comparison.
        warning_confidence: the same for ``warning_``.
        decay: weight of the newest error, for kind ``"W"``.
        side: ``"rise"``, ``"fall"`` or ``"both"``; with both, each side has its own chance of a false alarm.
        bounds: least and largest value of x; (0, 1) for errors.

    Attributes:
        warning_: whether the last update lies in the warning zone. n_updates: rows since the last change.

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
        side: str = "rise",
        bounds: tuple[float, float] = (0.0, 1.0),
    ):
        self.kind = kind
        self.drift_confidence = drift_confidence
        self.warning_confidence = warning_confidence
        self.decay = decay
        self.side = side
        self.bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        checks.one_of("kind", self.kind, ("A", "W"))
        checks.one_of("side", self.side, SIDES)
        confidence("decay", self.decay)
        if not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds={self.bounds!r}: give the least and the largest value of x")
        self._warning = log(1 / confidence("warning_confidence", self.warning_confidence))
        drift = log(1 / confidence("drift_confidence", self.drift_confidence))
        self.n_updates = 0
        self.warning_ = False
        make = _Means if self.kind == "A" else _Weighted
        self._sides = [
            (side, make(drift, self.decay)) for side in ("rise", "fall") if self.side in (side, "both")
        ]

    def update(self, x: float) -> bool:
        """Read one number within ``bounds``; return True at a change.

        Raises:
            ValueError: ``x`` lies outside ``bounds``.
        """
        low, high = self.bounds
        if not low <= x <= high:  # NaN, too
            what = (
                "an error in [0, 1]"
                if (low, high) == (0, 1)
                else f"a number in [{low:g}, {high:g}], the bounds"
            )
            raise ValueError(f"x={x!r}: give {what}")
        inside = (x - low) / (high - low)
        self.n_updates += 1
        self.warning_ = False
        for side, one in self._sides:
            gap, spread = one.step(inside if side == "rise" else 1 - inside)
            if gap > 0 and gap >= sqrt(spread * one.drift / 2):
                self.reset()
                return True
            self.warning_ |= gap > 0 and gap >= sqrt(spread * self._warning / 2)
        return False


class _Means:
    """Kind A: a part is (mean, 1 / rows)."""

    def __init__(self, drift: float, decay: float):
        self.drift = drift
        self.rows = 0
        self.all = (0.0, 1.0)
        self.before: tuple[float, float] | None = None

    def step(self, x: float) -> tuple[float, float]:
        """Return all − before and its m / (n (n + m)), their corollary 3: n rows before, m since."""
        self.rows += 1
        mean = self.all[0] + (x - self.all[0]) / self.rows
        inverse = 1 / self.rows
        self.all = (mean, inverse)
        if self.before is None or mean + sqrt(inverse * self.drift / 2) <= self.before[0] + sqrt(
            self.before[1] * self.drift / 2
        ):
            self.before = self.all
        return mean - self.before[0], self.before[1] - inverse


class _Weighted:
    """Kind W: a part is (weighted mean, sum of squared weights)."""

    def __init__(self, drift: float, decay: float):
        self.drift = drift
        self.decay = decay
        self.all: tuple[float, float] | None = None
        self.before: tuple[float, float] | None = None
        self.after: tuple[float, float] | None = None

    def step(self, x: float) -> tuple[float, float]:
        """Return after − before and the sum of both spreads, their corollary 6."""
        self.all = self._moved(self.all, x)
        if self.before is None or self._upper(self.all) <= self._upper(self.before):
            self.before, self.after = self.all, None
            return 0.0, 1.0
        self.after = self._moved(self.after, x)
        return self.after[0] - self.before[0], self.before[1] + self.after[1]

    def _upper(self, part: tuple[float, float]) -> float:
        return part[0] + sqrt(part[1] * self.drift / 2)

    def _moved(self, part: tuple[float, float] | None, x: float) -> tuple[float, float]:
        if part is None:
            return x, 1.0
        keep = 1 - self.decay
        return self.decay * x + keep * part[0], self.decay**2 + keep**2 * part[1]

"""Has the mean of a stream risen, or fallen? A cumulative sum (Page 1954, Hinkley 1971).

In go numbers; an alarm comes when those above, or below, the running mean have added up.
"""

from math import sqrt

from kerasdl import checks
from kerasdl.shift.monitors.base import SIDES, Monitor, finite


class PageHinkley(Monitor):
    """Page–Hinkley test.

    mₜ = ``forget`` · mₜ₋₁ + (xₜ − x̄ₜ − ``delta``); a rise when mₜ − min m > ``threshold``. A fall of x is a
    rise of −x.

    Args:
        delta: change that is tolerated.
        threshold: height of the cumulative sum that reports a change, in units of x.
        forget: factor just below 1 that lets old changes fade.
        warm_up: rows before the first judgement.
        side: ``"rise"``, ``"fall"`` or ``"both"``.
        scale: what is one unit of x; ``"auto"`` takes the standard deviation of the first ``warm_up``
            numbers after a reset, so that ``delta`` and ``threshold`` count in deviations whatever the unit;
            those numbers are then not judged.

    Attributes:
        n_updates: rows since the last change.

    Example:
        >>> monitor = PageHinkley(threshold=10)
        >>> monitor.update_many([0.0] * 100 + [1.0] * 15)
        [110]
        >>> PageHinkley(threshold=10, side="both").update_many([1.0] * 100 + [0.0] * 15)
        [110]
    """

    def __init__(
        self,
        delta: float = 0.005,
        threshold: float = 50.0,
        forget: float = 0.9999,
        warm_up: int = 30,
        side: str = "rise",
        scale: float | str = 1.0,
    ):
        self.delta = delta
        self.threshold = threshold
        self.forget = forget
        self.warm_up = warm_up
        self.side = side
        self.scale = scale
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        checks.positive_int("warm_up", self.warm_up)
        checks.not_negative("delta", self.delta)
        checks.fraction("forget", self.forget)
        checks.one_of("side", self.side, SIDES)
        if not self.threshold > 0:
            raise ValueError(f"threshold={self.threshold!r}: give a number above 0")
        if self.scale != "auto" and not (isinstance(self.scale, (int, float)) and self.scale > 0):
            raise ValueError(f"scale={self.scale!r}: give a number above 0, or 'auto'")
        self.n_updates = 0
        self._unit = 0.0 if isinstance(self.scale, str) else float(self.scale)
        self._mean = 0.0
        self._squares = 0.0
        self._rise = self._least_rise = 0.0
        self._fall = self._least_fall = 0.0

    def update(self, x: float) -> bool:
        """Read one number of any range; return True at a change.

        Raises:
            ValueError: ``x`` is NaN or infinite.
        """
        finite(x)
        self.n_updates += 1
        before = self._mean
        self._mean += (x - before) / self.n_updates
        if not self._unit:  # the unit is being learned
            self._squares += (x - before) * (x - self._mean)
            if self.n_updates >= self.warm_up:
                self._unit = sqrt(self._squares / self.n_updates) or abs(self._mean) or 1.0
            return False
        above = (x - self._mean) / self._unit
        self._rise = self.forget * self._rise + above - self.delta
        self._fall = self.forget * self._fall - above - self.delta
        self._least_rise = min(self._least_rise, self._rise)
        self._least_fall = min(self._least_fall, self._fall)
        if self.n_updates < self.warm_up:
            return False
        risen = self.side != "fall" and self._rise - self._least_rise > self.threshold
        fallen = self.side != "rise" and self._fall - self._least_fall > self.threshold
        if risen or fallen:
            self.reset()
        return risen or fallen

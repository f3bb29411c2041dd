"""Has the mean of a stream risen? A cumulative sum (Page 1954, Hinkley 1971).

In go numbers; an alarm comes when those above the running mean have added up.
"""

from kerasdl import checks
from kerasdl.shift.monitors.base import Monitor, finite


class PageHinkley(Monitor):
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
        finite(x)
        self.n_updates += 1
        self._mean += (x - self._mean) / self.n_updates
        self._sum = self.forget * self._sum + x - self._mean - self.delta
        self._least = min(self._least, self._sum)
        if self.n_updates >= self.warm_up and self._sum - self._least > self.threshold:
            self.reset()
            return True
        return False

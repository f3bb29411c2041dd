"""Has the distribution of a stream changed, not its mean alone? A test of recent numbers (Raab et al. 2020).

In go numbers; an alarm comes when the newest of a window differ from the older ones by Kolmogorov–Smirnov.
"""

from collections import deque
from math import log, sqrt

import numpy as np
from scipy.stats import ks_2samp, rankdata

from kerasdl import checks
from kerasdl.shift.monitors.base import Monitor, confidence, finite


class KSWIN(Monitor):
    """Kolmogorov–Smirnov windowing.

    Compares the ``recent`` newest numbers with all older ones of the window; the published algorithm draws as
    many of the older, which costs power and makes answers depend on a seed. After a change the window keeps
    what came after its likeliest place, by ranks (Pettitt 1979), so that a change is told once.

    A window of 100 sees changes of half the numbers' range; a small one, such as an error rate that goes from
    .1 to .3, takes one of thousands, and a monitor of means sees it sooner.

    Args:
        alpha: level of one comparison. One is made at each number: 0.005, which others take, alarms about
            every few hundred numbers.
        window: numbers remembered.
        recent: how many of them are the newest.

    Attributes:
        n_updates: rows since the last change.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> wider = np.concatenate([rng.normal(size=500), 4 * rng.normal(size=200)])  # the mean stands still
        >>> drifts = KSWIN(alpha=0.001, window=200, recent=60).update_many(wider)
        >>> len(drifts) == 1 and 500 <= drifts[0] < 600
        True
    """

    def __init__(self, alpha: float = 0.0001, window: int = 100, recent: int = 30):
        self.alpha = alpha
        self.window = window
        self.recent = recent
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        confidence("alpha", self.alpha)
        if checks.positive_int("recent", self.recent) > checks.positive_int("window", self.window) // 2:
            raise ValueError(
                f"recent={self.recent!r}, window={self.window!r}: give at most half of the window"
            )
        self.n_updates = 0
        self._numbers: deque[float] = deque(maxlen=self.window)
        older = self.window - self.recent
        # No distance below this is significant: the bound of Dvoretzky, Kiefer & Wolfowitz, with room.
        self._least = 0.6 * sqrt(log(2 / self.alpha) / 2 * (1 / older + 1 / self.recent))

    def update(self, x: float) -> bool:
        """Read one number of any unit; return True at a change.

        Raises:
            ValueError: ``x`` is NaN or infinite.
        """
        self._numbers.append(finite(x))
        self.n_updates += 1
        if len(self._numbers) < self.window:
            return False
        values = np.array(self._numbers)
        older, newer = np.sort(values[: -self.recent]), np.sort(values[-self.recent :])
        share = [np.searchsorted(part, values, side="right") / len(part) for part in (older, newer)]
        if np.abs(share[0] - share[1]).max() < self._least or ks_2samp(older, newer).pvalue > self.alpha:
            return False
        kept = values[_likeliest_change(values) :].tolist()
        self.reset()
        self._numbers.extend(kept)
        return True


def _likeliest_change(values: np.ndarray) -> int:
    """Return how many numbers come before the split whose parts' mean ranks lie most errors apart.

    Ranks of the values tell a change of place, those of their distance from the median one of spread.
    """
    n = len(values)
    k = np.arange(3, n - 2)
    scores = np.stack([rankdata(values), rankdata(np.abs(values - np.median(values)))])
    sums = np.cumsum(scores - scores.mean(axis=1, keepdims=True), axis=1)[:, k - 1]
    return int(k[np.argmax((np.abs(sums) / np.sqrt(k * (n - k))).max(axis=0))])

"""Does the chart of distances follow the published rule?"""

import numpy as np
from streams import errors

from kerasdl import shift


def by_hand(stream):
    """The first alarm, from all distances at once."""
    at = np.flatnonzero(stream) + 1
    distances = np.diff(np.r_[0, at])
    largest = 0.0
    for k in range(1, len(at) + 1):
        if at[k - 1] <= 30:
            continue
        level = distances[:k].mean() + 2 * (distances[:k].std(ddof=1) if k > 1 else 0)
        if level > largest:
            largest = level
        elif k > 30 and level < 0.9 * largest:
            return int(at[k - 1]) - 1
    return None


def test_eddm_follows_the_published_rule():
    for seed in range(5):
        stream = errors(0.1, 0.5, 600, seed)
        assert shift.EDDM().update_many(stream)[0] == by_hand(stream)

"""Does the window compare what its docstring says, and keep what came after the change?"""

import numpy as np
from scipy.stats import ks_2samp

from kerasdl import shift


def test_the_first_alarm_is_where_scipy_s_test_first_says_so():
    rng = np.random.default_rng(0)
    stream = np.concatenate([rng.normal(size=300), 2 + rng.normal(size=200)])
    first = next(
        t
        for t in range(199, 500)
        if ks_2samp(stream[t - 199 : t - 49], stream[t - 49 : t + 1]).pvalue <= 0.001
    )
    monitor = shift.KSWIN(alpha=0.001, window=200, recent=50)
    assert monitor.update_many(stream)[0] == first


def test_after_an_alarm_the_window_holds_the_new_numbers():
    rng = np.random.default_rng(1)
    monitor = shift.KSWIN(window=200, recent=60)
    at = monitor.update_many(np.r_[rng.normal(size=400), rng.normal(8, 1, size=80)])
    assert len(at) == 1
    assert np.mean(np.array(monitor._numbers) > 4) > 0.9

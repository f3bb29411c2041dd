"""Does the adaptive window know itself, and cut where the published bound says?"""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdl import shift


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=300))
def test_adwin_knows_the_mean_and_variance_of_its_window(stream):
    monitor = shift.ADWIN(clock=1)
    for x in stream:
        monitor.update(x)
    window = np.array(stream[len(stream) - monitor.n_updates :])
    assert monitor.mean == pytest.approx(window.mean(), abs=1e-9)
    assert monitor._deviations / len(window) == pytest.approx(window.var(), abs=1e-7)
    sizes = [len(row) << level for level, row in enumerate(monitor._rows)]
    assert sum(sizes) == monitor.n_updates
    assert max(len(row) for row in monitor._rows) <= monitor.BUCKETS


def test_adwin_cuts_exactly_when_the_published_bound_is_passed():
    """A stream short enough that all buckets but the oldest hold one number each."""
    zeros, ones = [0.0] * 8, [1.0] * 5
    monitor = shift.ADWIN(delta=0.3, clock=1)
    flags = [monitor.update(x) for x in zeros + ones]
    n, newer = 13, 5
    variance = (8 / 13) * (5 / 13)
    confidence = log(2 * log(n) / 0.3)
    m = 1 / (1 / (n - newer) + 1 / newer)
    bound = sqrt(2 / m * variance * confidence) + 2 / (3 * m) * confidence
    assert bound > 1  # a gap of 1 is not enough evidence yet
    assert not any(flags)
    assert monitor.n_updates == 13


def test_memory_of_adwin_grows_with_the_logarithm():
    monitor = shift.ADWIN(clock=4096)
    monitor.update_many([0.0] * 100_000)
    assert sum(len(row) for row in monitor._rows) <= 5 * 17


def test_adwin_finds_changes_where_river_does():
    """river 0.26.1, ``ADWIN()`` on the same streams."""
    assert shift.ADWIN().update_many([0.0] * 500 + [1.0] * 500) == [511]


def test_what_is_left_after_a_cut_is_the_newer_part():
    monitor = shift.ADWIN()
    monitor.update_many([0.0] * 500 + [1.0] * 12)
    assert monitor.n_updates <= 16
    assert monitor.mean > 0.7

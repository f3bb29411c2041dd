"""Do the monitors alarm when the errors rise, and rest when they do not?"""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from kerasdl import shift

EVERY = [shift.ADWIN(), shift.DDM(), shift.PageHinkley(threshold=20.0), shift.HDDM("A"), shift.HDDM("W")]
BY_NAME = {"argvalues": EVERY, "ids": ["ADWIN", "DDM", "PageHinkley", "HDDM A", "HDDM W"]}


def errors(before, after, rows, seed):
    rng = np.random.default_rng(seed)
    return (rng.random(2 * rows) < np.repeat([before, after], rows)).astype(float).tolist()


@pytest.mark.parametrize("monitor", **BY_NAME)
def test_a_jump_of_the_error_rate_is_found_soon(monitor):
    delays = []
    for seed in range(5):
        stream = errors(0.1, 0.5, 1000, seed)
        late = [at - 1000 for at in clone(monitor).update_many(stream) if at >= 1000]
        delays.append(late[0])
    assert np.median(delays) < 200


@pytest.mark.parametrize("monitor", [EVERY[0], EVERY[2], *EVERY[3:]], ids=["ADWIN", "PageHinkley", "A", "W"])
def test_a_steady_stream_gives_few_alarms(monitor):
    # DDM is left out: it is known for its false alarms.
    assert sum(bool(clone(monitor).update_many(errors(0.1, 0.1, 750, seed))) for seed in range(20)) <= 2


@pytest.mark.parametrize("monitor", **BY_NAME)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_stream_gives_no_alarm(monitor, value):
    assert clone(monitor).update_many([value] * 3000) == []


@pytest.mark.parametrize("monitor", **BY_NAME)
def test_bad_numbers_are_refused(monitor):
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="x="):
            clone(monitor).update(bad)


@pytest.mark.parametrize("monitor", [EVERY[1], *EVERY[3:]], ids=["DDM", "A", "W"])
def test_monitors_of_errors_refuse_what_is_no_error(monitor):
    with pytest.raises(ValueError, match=r"x=2: give an error in \[0, 1\]"):
        clone(monitor).update(2)


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


def test_ddm_follows_the_published_rule():
    stream = errors(0.2, 0.6, 200, 0)
    rate, least, fired = 0.0, (np.inf, 0, 0), None
    for i, x in enumerate(stream, 1):
        rate += (x - rate) / i
        s = sqrt(rate * (1 - rate) / i)
        if i < 30:
            continue
        if rate + s <= least[0]:
            least = (rate + s, rate, s)
        if rate + s > least[1] + 3 * least[2]:
            fired = i - 1
            break
    assert shift.DDM().update_many(stream)[0] == fired


def test_page_hinkley_adds_up_what_the_equation_says():
    stream = [0.0] * 50 + [1.0] * 20
    total, least, mean, fired = 0.0, 0.0, 0.0, None
    for i, x in enumerate(stream, 1):
        mean += (x - mean) / i
        total = 0.99 * total + x - mean - 0.01
        least = min(least, total)
        if i >= 30 and total - least > 5:
            fired = i - 1
            break
    assert shift.PageHinkley(0.01, 5.0, 0.99).update_many(stream)[0] == fired


def test_hoeffding_bound_of_the_a_test_is_the_published_one():
    """After 50 zeros, m ones fire once m/(50+m) ≥ √(m / (2 · 50 (50 + m)) ln 1/δ)."""
    fires = [m for m in range(1, 50) if m / (50 + m) >= sqrt(m / (100 * (50 + m)) * log(1000))]
    assert shift.HDDM("A").update_many([0.0] * 50 + [1.0] * 50)[0] == 50 + fires[0] - 1


@pytest.mark.parametrize("monitor", EVERY[3:], ids=["A", "W"])
def test_hddm_warns_before_it_alarms(monitor):
    one = clone(monitor)
    warned = False
    for x in [0.0] * 100 + [1.0, 1.0, 0.0] * 30:
        if one.update(x):
            break
        warned = warned or one.warning_
    assert warned
    assert one.n_updates == 0


def test_memory_of_adwin_grows_with_the_logarithm():
    monitor = shift.ADWIN(clock=4096)
    monitor.update_many([0.0] * 100_000)
    assert sum(len(row) for row in monitor._rows) <= 5 * 17


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shift.ADWIN(delta=0), "delta=0: give a probability"),
        (lambda: shift.DDM(warning=4), "warning=4, drift=3.0"),
        (lambda: shift.PageHinkley(threshold=0), "threshold=0"),
        (lambda: shift.HDDM("B"), "kind='B' is not known"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

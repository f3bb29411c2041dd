"""Does the monitor of batches keep its budget, and find a change?

Budgets over 30 and over 300 batches are measured in ``benchmarks/shift_power.py``.
"""

import numpy as np
import pytest
from mixed import KINDS, mixed
from scipy.integrate import quad
from scipy.stats import binom

from kerasdl import shift
from kerasdl.shift.detection.batches import e_value


def test_the_e_value_has_a_mean_of_one_and_falls():
    # With p = exp(-u) the integrand falls like 1 / u²: beyond 600 there is 1 / 600 left.
    mean = quad(lambda u: e_value(np.exp(-u)) * np.exp(-u), 1e-6, 600, limit=200)[0] + 1 / 600
    assert mean == pytest.approx(1, abs=1e-4)
    values = [e_value(p) for p in (1e-6, 1e-3, 0.1, 0.5, 0.999, 1.0)]
    assert values == sorted(values, reverse=True)
    mixed_over_exponents = quad(lambda k: k * 0.01 ** (k - 1), 0, 1)[0]
    assert e_value(0.01) == pytest.approx(mixed_over_exponents)


def monitor(seed, **settings):
    test = shift.KSTest()
    return shift.BatchMonitor(test=test, random_state=seed, **settings)


def test_false_alarms_over_many_batches_keep_the_budget():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng([1, seed])
        watched = monitor(seed, budget=0.1).fit(rng.normal(size=(60, 1)))
        alarms += any([watched.update(rng.normal(size=(20, 1))).is_alarm for _ in range(15)])
    assert alarms <= binom.ppf(0.999, 60, 0.1)


def test_a_change_is_found_after_few_batches_and_stays_told():
    rng = np.random.default_rng(0)
    watched = shift.BatchMonitor(random_state=0).fit(rng.normal(size=(200, 3)))
    calm = [watched.update(rng.normal(size=(40, 3))) for _ in range(4)]
    moved = [watched.update(rng.normal([1, 0, 0], 1, size=(40, 3))) for _ in range(4)]
    assert not any(one.is_alarm for one in calm)
    assert moved[-1].is_alarm
    history = watched.history_
    assert history["rows"].tolist() == [40] * 8
    assert (history["evidence"] >= 0).all()
    assert history["is_alarm"].is_monotonic_increasing


def test_the_evidence_is_the_weighted_mean_over_beginnings():
    rng = np.random.default_rng(0)
    watched = monitor(0).fit(rng.normal(size=(60, 1)))
    for _ in range(5):
        last = watched.update(rng.normal(0.3, 1, size=(30, 1)))
    e = [e_value(p) for p in watched.history_["p_value"]]
    by_hand = sum(np.prod(e[j - 1 :]) / (j * (j + 1)) for j in range(1, 6)) + 1 / 6
    assert last.evidence == pytest.approx(by_hand)


def test_tables_of_any_columns_are_watched_and_memory_is_bounded():
    watched = shift.BatchMonitor(random_state=0, memory=150).fit(mixed(100, 0))
    for seed in range(3):
        watched.update(mixed(60, seed + 1)[KINDS[::-1]])
    assert len(watched._seen[0]) == 150
    with pytest.raises(ValueError, match=r"batch: columns missing \['note'\]"):
        watched.update(mixed(60, 9).drop(columns="note"))


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="is not fitted"):
        shift.BatchMonitor().update(np.ones((5, 1)))
    with pytest.raises(ValueError, match="budget=5"):
        shift.BatchMonitor(budget=5).fit(np.ones((5, 1)))

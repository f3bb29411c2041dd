"""Are rows that depend on each other noticed, and dealt out so that the level holds?"""

import numpy as np
import pytest
from scipy.stats import binom

from kerasdl import shift
from kerasdl.shift.detection import dependence


def autoregression(rows, rho, rng, columns=2):
    noise = rng.normal(size=(rows, columns))
    x = np.empty_like(noise)
    x[0] = noise[0]
    for t in range(1, rows):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return x


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_memory_is_that_of_the_autoregression(rho):
    x = autoregression(20_000, rho, np.random.default_rng(0), columns=1)
    assert dependence.memory(x) == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


def test_dependent_rows_are_warned_of_by_column():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=300), autoregression(300, 0.7, rng, 1)])
    with pytest.warns(shift.DependenceWarning, match="reference: neighbouring rows are alike .column '1'"):
        shift.ShiftTest().fit(x)


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_that_come_five_times_are_warned_of(shuffle):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(60, 3)), 5, axis=0)
    if shuffle:
        x = rng.permutation(x)
    with pytest.warns(shift.DependenceWarning):
        shift.MMDTest().fit(x)


def test_tables_in_which_chance_makes_twins_are_not():
    rng = np.random.default_rng(0)
    shift.ShiftTest().fit(rng.integers(3, size=(500, 3)))
    shift.ShiftTest().fit(rng.normal(size=(500, 1)).round(1))
    shift.ShiftTest().fit(np.ones((100, 2)))


def test_blocks_keep_the_level_on_dependent_rows():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng([6, seed])
        x = autoregression(900, 0.5, rng)
        test = shift.ShiftTest(block="auto", permutations=99, random_state=seed).fit(x[:500])
        alarms += test.test(x[500:]).is_shift
    assert alarms <= binom.ppf(0.999, 60, 0.06)


def test_blocks_still_find_a_shift_and_say_when_they_are_too_few():
    x = autoregression(900, 0.5, np.random.default_rng(0))
    fitted = shift.ShiftTest(block=20, random_state=0).fit(x[:500])
    assert fitted.test(x[500:] + 2).is_shift
    with pytest.raises(ValueError, match="25 blocks of 20 rows against 0 give no p-value"):
        fitted.test(x[500:515])

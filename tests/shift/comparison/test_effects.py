"""Do effect sizes measure what their definitions say?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from kerasdl.shift.comparison import effects
from kerasdl.shift.inputs.tables import Column

shares = st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any).map(lambda n: np.array(n) / sum(n))


def numbers(*values):
    return Column("number", np.array(values, dtype=float))


def words(*values):
    return Column("category", np.array(values, dtype=object))


@settings(deadline=None)
@given(shares, st.integers(0, 10**6))
def test_jensen_shannon_is_scipy_s_and_lies_between_0_and_1(p, seed):
    q = np.random.default_rng(seed).dirichlet(np.ones(len(p)))
    assert effects.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)
    assert 0 <= effects.jensen_shannon(p, q) <= 1
    assert effects.stability_index(p, q, (100, 100)) >= 0
    assert effects.stability_index(p, p, (100, 100)) == pytest.approx(0)


def test_bins_are_tenths_of_the_reference_and_shares_add_up():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=1000), rng.normal(2, 1, size=500)
    found = effects.shares("number", Column("number", a), Column("number", b))
    np.testing.assert_allclose(found.reference, 0.1, atol=0.002)
    assert found.sample.sum() == pytest.approx(1)
    assert found.sample[-1] == pytest.approx((b > np.quantile(a, 0.9)).mean())
    assert len(found.labels) == len(found.sample) == 10


def test_gaps_are_a_bin_of_their_own_and_rare_values_share_one():
    a = words(*["x"] * 5, None, *[f"rare {k}" for k in range(30)])
    found = effects.shares("category", a, words("x", "y", None))
    assert found.labels[0] == "x"
    assert found.labels[-2:] == ["other", "missing"]
    assert found.reference[-1] == pytest.approx(1 / 36)
    assert found.sample[-1] == pytest.approx(1 / 3)


def test_dates_and_booleans_are_shown_as_such():
    dates = Column("date", np.array([0.0, 1.0, 1.0]))
    assert effects.shares("date", dates, dates).labels == ["1970-01-01", "1970-01-02"]
    flags = Column("boolean", np.array([0.0, 1.0]))
    assert effects.shares("boolean", flags, flags).labels == ["no", "yes"]


def test_differences_are_in_standard_deviations():
    rng = np.random.default_rng(0)
    a = rng.normal(10, 3, 4000)
    found = effects.measure("number", Column("number", a), Column("number", a + 1.5))
    assert found["difference"] == pytest.approx(1.5 / a.std())
    assert found["wasserstein"] == pytest.approx(1.5 / a.std())
    wider = effects.measure("number", Column("number", a), Column("number", 10 + 2 * (a - 10)))
    assert wider["difference"] == pytest.approx(0, abs=0.05)
    assert wider["wasserstein"] > 0.3


def test_new_values_and_gaps_are_shares_of_the_rows():
    found = effects.measure("category", words("a", "b", None), words("a", "new", None, None))
    assert found["new_values"] == 0.25
    assert (found["missing_before"], found["missing_now"]) == (pytest.approx(1 / 3), 0.5)
    assert effects.measure("number", numbers(0, 1), numbers(0.5, 2, -1, 1))["new_values"] == 0.5


@pytest.mark.parametrize(
    ("psi", "difference", "word"),
    [(0.05, 0.1, "small"), (0.15, 0.1, "medium"), (0.05, -0.6, "large"), (0.3, np.nan, "large")],
)
def test_the_reading_is_the_larger_of_two_rules(psi, difference, word):
    assert effects.reading({"psi": psi, "difference": difference}) == word

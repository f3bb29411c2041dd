"""Are columns judged by themselves and all together?"""

import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, mixed
from scipy.stats import binom, chi2_contingency, false_discovery_control

from kerasdl.shift.comparison.columns import by_column, false_discovery
from kerasdl.shift.inputs import tables


def judged(a, b, permutations=199, seed=0):
    rng = np.random.default_rng(seed)
    found = by_column(tables.read("reference", a), tables.read("sample", b), 0.05, permutations, rng)
    return found.set_index("column")


def test_false_discovery_is_scipy_s():
    p = np.random.default_rng(0).random(30) ** 2
    np.testing.assert_allclose(false_discovery(p), false_discovery_control(p))


@pytest.mark.parametrize(
    ("moved", "what"),
    [("size", "place"), ("is_new", "place"), ("colour", "shares"), ("note", "place"), ("sold", "place")],
)
def test_the_column_that_moved_is_named_first_and_how(moved, what):
    found = judged(mixed(200, 0), mixed(150, 1, moved))
    assert found.index[0] == moved
    assert found.loc[moved, "moved"]
    assert what in found.loc[moved, "what"]
    assert found["moved"].sum() <= 2
    assert set(found.index) == set(KINDS)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda x, rng: 3 * x, "spread"),
        (lambda x, rng: np.where(rng.random(len(x)) < 0.4, np.nan, x), "missing"),
        (lambda x, rng: rng.exponential(size=len(x)) - 1, "shape"),
    ],
)
def test_what_moved_is_told(change, what):
    rng = np.random.default_rng(0)
    a, b = (pd.DataFrame(rng.normal(size=(n, 3)), columns=list("xyz")) for n in (400, 300))
    b["y"] = change(b["y"].to_numpy(), rng)
    found = judged(a, b)
    assert what in found.loc["y", "what"].split(", ")


def test_a_change_of_dependence_alone_names_both_columns():
    rng = np.random.default_rng(0)
    a, b = (pd.DataFrame(rng.normal(size=(n, 4)), columns=list("wxyz")) for n in (300, 300))
    b["x"] = 0.9 * b["w"] + np.sqrt(0.19) * b["x"]
    found = judged(a, b)
    assert found.loc["w", "what"] == found.loc["x", "what"] == "dependence"
    assert found.loc[["w", "x"], "moved"].all()


def test_a_category_s_p_value_is_that_of_chi_squared():
    rng = np.random.default_rng(0)
    a, b = (rng.choice(list("pqr"), n, p=q) for n, q in ((300, [0.5, 0.3, 0.2]), (200, [0.4, 0.35, 0.25])))
    found = judged(pd.DataFrame({"k": a}), pd.DataFrame({"k": b}), 2999)
    counts = [[np.sum(side == level) for level in "pqr"] for side in (a, b)]
    assert found.loc["k", "p"] == pytest.approx(chi2_contingency(counts, correction=False).pvalue, rel=0.25)


def test_the_family_s_false_alarms_stay_at_the_level():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng([9, seed])
        a, b = rng.exponential(size=(40, 8)), rng.exponential(size=(30, 8))
        alarms += judged(a, b, 99, seed)["p_family"].min() <= 0.1
    assert alarms <= binom.ppf(0.999, 60, 0.1)


def test_a_gap_has_no_place_of_its_own():
    rng = np.random.default_rng(0)
    a, b = (pd.DataFrame({"x": rng.exponential(size=n)}) for n in (400, 300))
    b.loc[rng.random(300) < 0.4, "x"] = np.nan
    assert judged(a, b).loc["x", "what"] == "missing"

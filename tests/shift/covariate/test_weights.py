"""Are weights measured, tamed and used as the formulas say?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score

from kerasdl import shift

weights = st.lists(st.floats(0.01, 100), min_size=2, max_size=40).map(np.array)


@given(weights)
def test_effective_sample_size_is_kishs_and_lies_between_one_and_n(w):
    size = shift.effective_sample_size(w)
    assert size == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert 1 - 1e-9 <= size <= len(w) + 1e-9
    assert shift.effective_sample_size(1e200 * w) == pytest.approx(size)


@settings(deadline=None)
@given(weights, st.floats(0, 1))
def test_flattened_weights_are_powers_with_mean_one(w, tau):
    flat = shift.flatten_weights(w, tau)
    assert flat.mean() == pytest.approx(1)
    np.testing.assert_allclose(flat / flat[0], (w / w[0]) ** tau, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::kerasdl.shift.OverlapWarning")
@given(weights)
def test_equal_losses_have_that_risk_and_no_error(w):
    risk = shift.importance_weighted_risk(np.full(len(w), 2.5), w)
    assert risk.value == pytest.approx(2.5)
    assert risk.standard_error == pytest.approx(0, abs=1e-12)


def test_the_weighted_risk_of_source_rows_is_the_risk_on_the_target():
    """Source N(0, 1), target N(1, 1), loss x²: the risk on the target is 1 + 1 = 2."""
    values, inside = [], 0
    for seed in range(60):
        x = np.random.default_rng(seed).normal(size=2000)
        risk = shift.importance_weighted_risk(x**2, np.exp(x - 0.5))
        values.append(risk.value)
        inside += abs(risk.value - 2) < 2 * risk.standard_error
    assert np.mean(values) == pytest.approx(2, abs=0.06)
    assert inside >= 49  # of 60 at 95 %, heavy tails allowed for


def test_a_risk_that_rests_on_a_few_rows_is_warned_of():
    with pytest.warns(shift.OverlapWarning, match="effective rows of 100"):
        shift.importance_weighted_risk(np.ones(100), np.r_[1e6, np.ones(99)])


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_folds_part_the_rows_and_share_the_weight(seed, splits):
    w = np.random.default_rng(seed).lognormal(0, 1.5, size=60)
    folds = [
        test
        for _, test in shift.ImportanceWeightedKFold(w, splits, random_state=seed).split(np.zeros((60, 1)))
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(60))
    # Neighbours in rank are dealt out: two folds differ by the heaviest weight at most.
    shares = [w[test].sum() for test in folds]
    assert max(shares) - min(shares) <= w.max() + 1e-9


def test_folds_serve_scikit_learns_own_validation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    folds = shift.ImportanceWeightedKFold(np.ones(50), 5, random_state=0)
    assert folds.get_n_splits() == 5
    assert len(cross_val_score(LinearRegression(), X, X @ [1, 2], cv=folds)) == 5


def shifted_curve(seed, strength):
    """y = x² + noise, source around 0, target around 1; the true weights; a line must choose where to fit."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=400)
    return x[:, None], x**2 + 0.1 * rng.normal(size=400), np.exp(strength * x - strength**2 / 2)


def test_the_gate_keeps_weights_that_help_and_drops_those_that_cannot():
    X, y, w = shifted_curve(0, 1.0)
    kept = shift.flatten_weights(w, estimator=LinearRegression(), X=X, y=y)
    assert kept.std() > 0.3  # the line is wrong everywhere, so where it is fitted matters
    straight = 2 * X[:, 0] + np.random.default_rng(1).normal(size=400)
    dropped = shift.flatten_weights(w, estimator=Ridge(), X=X, y=straight)
    np.testing.assert_array_equal(dropped, 1)  # the line is right: weights would only add noise


def test_the_gate_reads_classifiers_and_frames():
    X, y, w = shifted_curve(0, 1.0)
    flat = shift.flatten_weights(w, estimator=LogisticRegression(), X=pd.DataFrame({"x": X[:, 0]}), y=y > 1)
    assert flat.mean() == pytest.approx(1)


def test_diagnostics_of_equal_weights_see_the_imbalance_itself():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(500, 2)), rng.normal([2, 0], size=(500, 2))
    found = shift.diagnose(np.ones(500), source, target)
    tables = shift.diagnose(np.ones(500), pd.DataFrame(source), pd.DataFrame(target))
    assert tables == pytest.approx(found, rel=1e-12)
    spread = np.sqrt((source[:, 0].var() + target[:, 0].var()) / 2)
    gap = abs(source[:, 0].mean() - target[:, 0].mean()) / spread
    assert found["imbalance_before"] == pytest.approx(gap)
    assert found["imbalance_after"] == pytest.approx(gap)
    assert found["effective_fraction"] == pytest.approx(1)
    assert found["max_weight"] == pytest.approx(1)
    assert found["tail_share"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shift.flatten_weights([1, -1], 1), "w: smallest -1"),
        (lambda: shift.flatten_weights([0, 0], 1), "not all 0"),
        (lambda: shift.flatten_weights([1, np.nan], 1), "w has 1 NaN"),
        (lambda: shift.flatten_weights([1, 2], 2), "tau=2 lies outside"),
        (lambda: shift.flatten_weights([1, 2], "cv"), "tau='cv': give a number"),
        (lambda: shift.flatten_weights([1, 2]), "give estimator, X and y"),
        (lambda: shift.importance_weighted_risk(np.ones((2, 1)), [1, 1]), r"losses has shape \(2, 1\)"),
        (lambda: list(shift.ImportanceWeightedKFold([1, 1], 3).split([0, 0])), "n_splits=3: give 2 to 2"),
        (lambda: list(shift.ImportanceWeightedKFold([1, 1], 2).split([0])), "X has 1, weights has 2"),
    ],
)
def test_bad_weights_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

"""Are the density ratios right where the truth is known?"""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from kerasdl import shift
from kerasdl.shift.covariate.direct import _gaussian, leave_one_out
from kerasdl.shift.covariate.mean_matching import _project

# Two slopes of variance 1 / (0.4 n) each, and E[w² (x₁² + x₂²)] = 6e: 41 / n is expected. Three times that.
LOGISTIC_NOISE = 3 * 6 * np.e / 0.4

EVERY = [
    shift.DiscriminativeRatio("linear", random_state=0),
    shift.KLIEP(random_state=0),
    shift.ULSIF(random_state=0),
    shift.RULSIF(random_state=0),
    shift.KernelMeanMatching(random_state=0),
]
BY_NAME = {"argvalues": EVERY, "ids": [type(one).__name__ for one in EVERY]}


def gaussians(rows, columns=2, seed=0):
    """Source N(0, I), target N(e₁, I), and the true ratio at the source rows, mean 1."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(rows, columns)), rng.normal(size=(rows, columns))
    target[:, 0] += 1
    truth = np.exp(source[:, 0] - 0.5)
    return source, target, truth / truth.mean()


def error(w, truth):
    return np.mean((w - truth) ** 2)


@pytest.mark.parametrize("family", ["linear", "auto"])
def test_the_log_linear_ratio_of_two_gaussians_is_found(family):
    source, target, truth = gaussians(2000)
    ratio = shift.DiscriminativeRatio(family, random_state=0).fit(source, target)
    assert ratio.families_ == ("linear",)
    assert error(ratio.predict_weights(), truth) < LOGISTIC_NOISE / 2000
    at = np.array([[2.0, 0.0], [1.0, 0.0]])
    quotient = np.divide(*ratio.predict_weights(at))
    assert quotient == pytest.approx(np.e, rel=0.15)


def test_a_ratio_with_two_humps_is_not_left_to_the_linear_family():
    rng = np.random.default_rng(1)
    source = rng.normal(size=(500, 1))
    target = rng.choice([-1.2, 1.2], 500)[:, None] + 0.4 * rng.normal(size=(500, 1))
    bell = lambda x, m, s: np.exp(-0.5 * ((x - m) / s) ** 2) / s  # noqa: E731
    x = source[:, 0]
    truth = (bell(x, -1.2, 0.4) + bell(x, 1.2, 0.4)) / bell(x, 0, 1)
    ratio = shift.DiscriminativeRatio(random_state=0).fit(source, target)
    assert "linear" not in ratio.families_
    # The variance of the true ratio is 1.0: that is the error of equal weights.
    assert error(ratio.predict_weights(), truth / truth.mean()) < 0.25


@pytest.mark.parametrize("ratio", EVERY[1:4], ids=["KLIEP", "ULSIF", "RULSIF"])
def test_direct_estimates_beat_equal_weights_by_far(ratio):
    source, target, truth = gaussians(400, columns=1)
    if isinstance(ratio, shift.RULSIF) and ratio.alpha:
        truth = truth / (ratio.alpha * truth + 1 - ratio.alpha)
    truth = truth / truth.mean()
    assert error(clone(ratio).fit(source, target).predict_weights(), truth) < 0.5 * np.var(truth)


@pytest.mark.parametrize("ratio", **BY_NAME)
def test_weights_are_positive_and_have_mean_one(ratio):
    source, target, _ = gaussians(200)
    fitted = clone(ratio).fit(source, target)
    w = fitted.predict_weights()
    assert w.shape == (200,)
    assert w.min() >= 0
    assert w.mean() == pytest.approx(1)
    assert fitted.effective_sample_size_ == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert fitted.diagnostics_["imbalance_after"] < fitted.diagnostics_["imbalance_before"]


@pytest.mark.parametrize("ratio", EVERY[:4], ids=BY_NAME["ids"][:4])
def test_new_rows_get_weights_on_the_scale_of_the_source(ratio):
    source, target, _ = gaussians(150)
    fitted = clone(ratio).fit(source, target)
    np.testing.assert_allclose(fitted.predict_weights(source), fitted.predict_weights(), rtol=1e-9)


@pytest.mark.parametrize("ratio", **BY_NAME)
def test_a_second_fit_with_the_same_seed_gives_the_same_weights(ratio):
    source, target, _ = gaussians(120)
    first, second = (clone(ratio).fit(source, target).predict_weights() for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("ratio", **BY_NAME)
def test_no_shift_gives_nearly_equal_weights(ratio):
    rng = np.random.default_rng(3)
    with_slack = clone(ratio)
    fitted = with_slack.fit(rng.normal(size=(400, 2)), rng.normal(size=(400, 2)))
    assert fitted.effective_sample_size_ > 0.6 * 400


@pytest.mark.parametrize("ratio", **BY_NAME)
def test_frames_are_aligned_by_name_and_strangers_refused(ratio):
    source, target, _ = gaussians(100)
    frame = pd.DataFrame(source, columns=["a", "b"])
    other = pd.DataFrame(target, columns=["a", "b"])
    straight = clone(ratio).fit(frame, other).predict_weights()
    np.testing.assert_array_equal(clone(ratio).fit(frame, other[["b", "a"]]).predict_weights(), straight)
    with pytest.raises(ValueError, match=r"X_target: columns missing \['b'\], columns never seen \['c'\]"):
        clone(ratio).fit(frame, other.rename(columns={"b": "c"}))


@pytest.mark.parametrize("ratio", **BY_NAME)
def test_a_constant_column_changes_nothing_and_breaks_nothing(ratio):
    source, target, _ = gaussians(100)
    wider = [np.column_stack([X, np.full(len(X), 7.0)]) for X in (source, target)]
    assert np.isfinite(clone(ratio).fit(*wider).predict_weights()).all()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), "X_target has 3 columns, 2 were fitted"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "X_target has 10 NaN or infinite values"),
        (np.zeros((5, 2)), np.zeros((0, 2)), r"X_target has shape \(0, 2\)"),
        (np.zeros(5), np.zeros(5), r"X_source has shape \(5,\): give \(rows, columns\)"),
        (np.array([[1.0, 2.0]]), np.array([["a", "b"]]), "X_target: column '0' holds text or categories"),
    ],
    ids=["columns", "nan", "empty", "flat", "text"],
)
@pytest.mark.parametrize("ratio", **BY_NAME)
def test_bad_tables_are_refused_in_one_line(ratio, source, target, message):
    with pytest.raises(ValueError, match=message) as caught:
        clone(ratio).fit(source, target)
    assert "\n" not in str(caught.value)


def test_a_column_that_comes_twice_is_refused():
    frame = pd.DataFrame(np.eye(3), columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="more than one column 'a'"):
        shift.DiscriminativeRatio().fit(frame, frame)


def test_all_constant_columns_are_refused():
    with pytest.raises(ValueError, match="every column is constant"):
        shift.DiscriminativeRatio().fit(np.ones((9, 2)), np.ones((9, 2)))


def test_a_thin_overlap_is_warned_of_in_words():
    rng = np.random.default_rng(0)
    with pytest.warns(shift.OverlapWarning, match="effective rows of 300"):
        shift.DiscriminativeRatio("linear").fit(rng.normal(size=(300, 1)), 6 + rng.normal(size=(300, 1)))


@pytest.mark.parametrize(
    "ratio", [*EVERY[:4], shift.DiscriminativeRatio(random_state=0)], ids=lambda r: str(r)[:40]
)
def test_sides_that_never_meet_are_warned_of(ratio):
    rng = np.random.default_rng(0)
    with pytest.warns(shift.OverlapWarning):
        clone(ratio).fit(rng.normal(size=(60, 2)), 100 + rng.normal(size=(60, 2)))


def test_any_classifier_will_do_and_one_without_probabilities_is_refused():
    source, target, truth = gaussians(1500)
    given_one = LogisticRegression(C=100.0)
    ratio = shift.DiscriminativeRatio(given_one).fit(source, target)
    assert error(ratio.predict_weights(), truth) < LOGISTIC_NOISE / 1500
    assert not hasattr(given_one, "coef_")  # a clone was fitted
    with pytest.raises(TypeError, match="has no predict_proba"):
        shift.DiscriminativeRatio(object()).fit(source, target)
    with pytest.raises(ValueError, match="did you mean 'trees'"):
        shift.DiscriminativeRatio("tree").fit(source, target)


def test_unequal_sizes_only_scale_the_ratio():
    source, target, truth = gaussians(3000)
    w = shift.DiscriminativeRatio("linear", random_state=0).fit(source, target[:500]).predict_weights()
    assert error(w, truth) < LOGISTIC_NOISE / 500


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.floats(0.01, 2),
    st.integers(2, 9),
    st.integers(2, 9),
)
def test_the_leave_one_out_score_equals_refitting_without_each_pair(
    seed, alpha, penalty, source_size, target_size
):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(source_size, 2)), rng.normal(0.5, 1, size=(target_size, 2))
    centers = rng.normal(size=(3, 2))
    phi_s, phi_t = _gaussian(source, centers, 1.0), _gaussian(target, centers, 1.0)
    pairs = min(source_size, target_size)
    scores = []
    for i in range(pairs):
        s, t = np.delete(phi_s, i, axis=0), np.delete(phi_t, i, axis=0)
        H = alpha * t.T @ t / len(t) + (1 - alpha) * s.T @ s / len(s)
        weights = np.maximum(np.linalg.solve(H + penalty * np.eye(3), t.mean(axis=0)), 0)
        at_s, at_t = phi_s[i] @ weights, phi_t[i] @ weights
        scores.append(alpha / 2 * at_t**2 + (1 - alpha) / 2 * at_s**2 - at_t)
    fast = leave_one_out(
        phi_s.T @ phi_s / source_size,
        phi_t.T @ phi_t / target_size,
        phi_t.mean(axis=0),
        phi_s[:pairs],
        phi_t[:pairs],
        (source_size, target_size),
        alpha,
        penalty,
    )
    assert fast == pytest.approx(np.mean(scores), rel=1e-8, abs=1e-10)


def test_the_relative_ratio_never_exceeds_one_over_alpha_by_much():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(500, 1)), rng.normal(2, 0.5, size=(500, 1))
    with pytest.warns(shift.OverlapWarning, match="lie where the source has none"):
        ratio = shift.RULSIF(alpha=0.5, random_state=0).fit(source, target)
    assert ratio.predict_weights().max() * ratio.scale_ < 1.1 / 0.5


def test_kliep_maximises_the_likelihood_among_sums_of_its_kernels():
    source, target, _ = gaussians(150, columns=1)
    ratio = shift.KLIEP(width=1.0, centers=8, random_state=0).fit(source, target)
    standard = lambda X: (X - source.mean(axis=0)) / source.std(axis=0)  # noqa: E731
    phi_s, phi_t = (_gaussian(standard(X), ratio.centers_, 1.0) for X in (source, target))
    likelihood = lambda a: np.log(phi_t @ (a / (phi_s.mean(axis=0) @ a))).mean()  # noqa: E731
    rng = np.random.default_rng(0)
    others = ratio.kernel_weights_ * np.exp(rng.normal(0, 0.3, size=(300, 8)))
    assert max(likelihood(other) for other in others) <= likelihood(ratio.kernel_weights_) + 1e-4


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.5))
def test_the_projection_is_inside_and_nearer_than_other_points_inside(seed, slack):
    rng = np.random.default_rng(seed)
    w = rng.normal(1, 3, size=6)
    inside = _project(w, 4.0, slack)
    assert inside.min() >= 0
    assert inside.max() <= 4
    assert abs(inside.mean() - 1) <= slack + 1e-9
    other = rng.uniform(0, 4, size=6)
    other = other / other.mean()
    if other.max() <= 4:
        assert np.linalg.norm(w - inside) <= np.linalg.norm(w - other) + 1e-9


def test_mean_matching_matches_means_and_has_nothing_to_say_of_new_rows():
    source, target, _ = gaussians(400)
    ratio = shift.KernelMeanMatching(random_state=0).fit(source, target)
    assert ratio.diagnostics_["imbalance_after"] < 0.25
    with pytest.raises(ValueError, match="weighs only the rows it was fitted on"):
        ratio.predict_weights(target)


def test_more_rows_than_the_limit_are_weighed_all_the_same():
    source, target, truth = gaussians(5000)
    w = (
        shift.DiscriminativeRatio("linear", max_rows=1000, random_state=0)
        .fit(source, target)
        .predict_weights()
    )
    assert w.shape == (5000,)
    assert error(w, truth) < LOGISTIC_NOISE / 1000


@pytest.mark.parametrize("ratio", **BY_NAME)
def test_asking_before_fitting_is_refused(ratio):
    with pytest.raises(ValueError, match="is not fitted: call fit"):
        clone(ratio).predict_weights()


@pytest.mark.parametrize("seed", range(2))
def test_a_classifier_that_learns_by_heart_is_read_out_of_fold(seed):
    """In sample a forest knows every row: its weights were noise, and fresh rows weighed 1e10 on average."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(500, 3)), rng.normal([1, 0, 0], 1, size=(500, 3))
    truth = source[:, 0]
    forest = RandomForestClassifier(50, min_samples_leaf=2, random_state=seed)
    ratio = shift.DiscriminativeRatio(forest, random_state=seed).fit(source, target)
    assert np.corrcoef(np.log(ratio.weights_), truth)[0, 1] > 0.7
    assert ratio.predict_weights(rng.normal(size=(2000, 3))).mean() == pytest.approx(1, abs=0.3)
    assert ratio.diagnostics_["held_out_auc"] == pytest.approx(0.76, abs=0.06)  # Φ(1 / √2), the best there is


@pytest.mark.parametrize("family", ["auto", "additive", "kernel", "trees", LogisticRegression()], ids=str)
def test_a_fitted_ratio_can_be_pickled(family):
    source, target, _ = gaussians(120)
    ratio = shift.DiscriminativeRatio(family, random_state=0).fit(source, target)
    again = pickle.loads(pickle.dumps(ratio))
    np.testing.assert_array_equal(again.predict_weights(target), ratio.predict_weights(target))

"""Are the class shares found, and do the intervals hold them?"""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from kerasdl import shift
from kerasdl.shift.label.calibration import KINDS, fit_calibrator
from kerasdl.shift.label.em import expectation_maximization

EVERY = [
    shift.BBSE(random_state=0),
    shift.BBSE("hard", random_state=0),
    shift.RLLS(random_state=0),
    shift.LabelShiftEM(random_state=0, draws=20),
]
BY_NAME = {"argvalues": EVERY, "ids": ["BBSE soft", "BBSE hard", "RLLS", "LabelShiftEM"]}
MEANS = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])


def drawn(prior, rows, rng):
    """Labels with the given shares, and the exact probabilities of a classifier for equal shares."""
    y = rng.choice(3, rows, p=prior)
    x = MEANS[y] + rng.normal(size=(rows, 2))
    p = np.exp(-0.5 * ((x[:, None] - MEANS) ** 2).sum(axis=2))
    return y, p / p.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def validation():
    return drawn([1 / 3] * 3, 2000, np.random.default_rng(0))


@pytest.fixture(scope="module", params=BY_NAME["argvalues"], ids=BY_NAME["ids"])
def fitted(request, validation):
    """Each estimator, fitted once: many targets are estimated from one validation set."""
    return clone(request.param).fit(*validation)


@pytest.mark.parametrize("prior", [[0.8, 0.1, 0.1], [0.0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]], ids=str)
def test_a_known_prior_is_found(fitted, prior):
    _, p = drawn(prior, 4000, np.random.default_rng(1))
    found = fitted.estimate(p)
    np.testing.assert_allclose(found.prior_, prior, atol=0.04)
    assert found.prior_.sum() == pytest.approx(1)
    assert found.prior_.min() >= 0
    np.testing.assert_allclose(found.class_weights_, found.prior_ / found.source_prior_)
    assert (found.interval_[:, 0] <= found.prior_ + 1e-12).all()
    assert (found.interval_[:, 1] >= found.prior_ - 1e-12).all()


def test_the_validation_rows_themselves_show_no_shift(fitted, validation):
    found = fitted.estimate(validation[1])
    np.testing.assert_allclose(found.class_weights_, 1, atol=0.02)


def test_bbse_solves_the_published_equation(validation):
    y, p = validation
    _, target = drawn([0.6, 0.3, 0.1], 2000, np.random.default_rng(2))
    C = np.stack([p[y == k].sum(axis=0) / len(y) for k in range(3)], axis=1)
    w = np.linalg.solve(C, target.mean(axis=0))
    prior = w * np.bincount(y) / len(y)
    np.testing.assert_allclose(shift.BBSE(draws=0).fit(y, p).estimate(target).prior_, prior / prior.sum())


def test_rlls_without_penalty_is_bbse_and_with_a_great_one_sees_no_shift(validation):
    y, p = validation
    _, target = drawn([0.7, 0.2, 0.1], 500, np.random.default_rng(2))
    bbse = shift.BBSE(draws=0).fit(y, p).estimate(target).prior_
    np.testing.assert_allclose(shift.RLLS(penalty=0, draws=0).fit(y, p).estimate(target).prior_, bbse)
    stiff = shift.RLLS(penalty=1e6, draws=0).fit(y, p).estimate(target)
    np.testing.assert_allclose(stiff.class_weights_, 1, atol=1e-6)


def test_em_reaches_the_highest_likelihood_on_a_grid():
    _, p = drawn([0.7, 0.2, 0.1], 300, np.random.default_rng(3))
    source = np.array([0.5, 0.3, 0.2])
    likelihood = lambda prior: np.log((p / source) @ prior).sum()  # noqa: E731
    found = expectation_maximization(p, source)
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 51) for b in np.linspace(0, 1 - a, 51)]
    assert likelihood(found) >= max(likelihood(np.array(point)) for point in grid) - 1e-6


def test_em_on_many_rows_agrees_with_em_on_all_of_them_at_once():
    _, p = drawn([0.7, 0.2, 0.1], 25_000, np.random.default_rng(3))
    prior = np.full(3, 1 / 3)
    for _ in range(500):
        posterior = p * prior
        prior = (posterior / posterior.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(expectation_maximization(p, np.full(3, 1 / 3)), prior, atol=1e-4)


def test_calibration_mends_a_classifier_that_is_too_sure_of_itself():
    rng = np.random.default_rng(4)
    y, p = drawn([1 / 3] * 3, 2000, rng)
    _, target = drawn([0.8, 0.1, 0.1], 2000, rng)
    boast = lambda q: q**4 / (q**4).sum(axis=1, keepdims=True)  # noqa: E731
    wrong = shift.LabelShiftEM("none", draws=0).fit(y, boast(p)).estimate(boast(target)).prior_
    right = shift.LabelShiftEM(draws=0, random_state=0).fit(y, boast(p)).estimate(boast(target)).prior_
    truth = np.array([0.8, 0.1, 0.1])
    assert np.abs(right - truth).sum() < 0.5 * np.abs(wrong - truth).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_finds_the_temperature_that_was_put_in(kind):
    y, p = drawn([1 / 3] * 3, 20_000, np.random.default_rng(5))
    hot = p**2.5 / (p**2.5).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fit_calibrator(hot, y, kind, penalty=1e-6)(hot), p, atol=0.05)


def test_adapted_probabilities_are_those_of_bayes_rule(validation):
    rng = np.random.default_rng(6)
    _, target = drawn([0.8, 0.1, 0.1], 3000, rng)
    em = shift.LabelShiftEM("none", draws=0).fit(*validation).estimate(target)
    by_hand = target * em.prior_ / em.source_prior_
    by_hand /= by_hand.sum(axis=1, keepdims=True)
    # "none" takes the label frequencies as the prior behind the probabilities.
    np.testing.assert_allclose(em.adapt_proba(target), by_hand)


def test_more_validation_rows_than_are_needed_do_no_harm():
    rng = np.random.default_rng(9)
    em = shift.LabelShiftEM("temperature", random_state=0, draws=3).fit(*drawn([1 / 3] * 3, 25_000, rng))
    _, target = drawn([0.8, 0.1, 0.1], 4000, rng)
    np.testing.assert_allclose(em.estimate(target).prior_, [0.8, 0.1, 0.1], atol=0.03)


def test_adapted_probabilities_average_to_the_prior_that_em_found(validation):
    """A fixed point of EM is the mean of its own posteriors."""
    _, target = drawn([0.8, 0.1, 0.1], 500, np.random.default_rng(6))
    em = shift.LabelShiftEM(draws=0, random_state=0).fit(*validation).estimate(target)
    np.testing.assert_allclose(em.adapt_proba(target).mean(axis=0), em.prior_, atol=1e-5)


def test_the_same_rows_give_the_same_interval_again(validation):
    em = shift.LabelShiftEM(draws=5, random_state=0).fit(*validation)
    first = em.estimate(validation[1][:100]).interval_
    em.estimate(validation[1][100:300])
    np.testing.assert_array_equal(em.estimate(validation[1][:100]).interval_, first)


@pytest.mark.parametrize("estimator", EVERY[2:], ids=["RLLS", "LabelShiftEM"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(estimator):
    held = []
    for seed in range(15):
        rng = np.random.default_rng([7, seed])
        prior = rng.dirichlet([1, 1, 1])
        found = clone(estimator).fit(*drawn([1 / 3] * 3, 200, rng)).estimate(drawn(prior, 150, rng)[1])
        held += list((found.interval_[:, 0] <= prior) & (prior <= found.interval_[:, 1]))
    # Of 45 trials at 0.95, fewer than 38 succeed with probability 0.003.
    assert sum(held) >= 38


def test_intervals_grow_narrower_with_more_target_rows(validation):
    em = shift.LabelShiftEM("temperature", random_state=0, draws=20).fit(*validation)
    widths = [
        np.diff(em.estimate(drawn([0.5, 0.3, 0.2], rows, np.random.default_rng(8))[1]).interval_).mean()
        for rows in (50, 2000)
    ]
    assert widths[1] < 0.5 * widths[0]


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 0], [[0.5, 0.5]] * 2, "y_val holds the one class 0"),
        ([0, 1], [[0.5, 0.6]] * 2, "p_val: row 0 sums to 1.1"),
        ([0, 1], [[1.5, -0.5]] * 2, "p_val ranges from -0.5 to 1.5"),
        ([0, 2], [[0.5, 0.5]] * 2, "whole numbers 0 to 1"),
        ([0, 1], [[0.2, 0.3, 0.5]] * 2, "y_val has no row of class 2"),
        ([0, 1, 1], [[0.5, 0.5]] * 2, "rows differ: y_val has 3, p_val has 2"),
        ([0, 1], [[np.nan, 0.5]] * 2, "p_val has 2 NaN"),
        (["a", "b"], [[0.2, 0.3, 0.5]] * 2, "y_val holds 2 labels, p_val has 3 columns"),
        ([0, 1], [[1.2]] * 2, "p_val ranges from -0.2 to 1.2"),
    ],
    ids=["one class", "sum", "range", "label", "absent", "rows", "nan", "text", "columns"],
)
@pytest.mark.parametrize("estimator", **BY_NAME)
def test_bad_validation_data_is_refused_in_one_line(estimator, y, p, message):
    with pytest.raises(ValueError, match=message) as caught:
        clone(estimator).fit(y, p)
    assert "\n" not in str(caught.value)


def test_a_singular_confusion_matrix_is_refused_by_bbse_and_borne_by_rlls():
    y, p = np.repeat([0, 1], 20), np.full((40, 2), 0.5)
    with pytest.raises(ValueError, match="the confusion matrix is singular"):
        shift.BBSE().fit(y, p)
    np.testing.assert_allclose(shift.RLLS(random_state=0).fit(y, p).estimate(p).prior_, 0.5)


@pytest.mark.parametrize("estimator", **BY_NAME)
def test_bad_target_data_is_refused(estimator, validation):
    fresh = clone(estimator)
    with pytest.raises(ValueError, match="is not fitted"):
        fresh.estimate([[0.2, 0.8, 0.0]])
    fresh.fit(*validation)
    with pytest.raises(ValueError, match="has no prior yet"):
        fresh.adapt_proba([[0.2, 0.8, 0.0]])
    with pytest.raises(ValueError, match="p_target has 2 columns"):
        fresh.estimate([[0.2, 0.8]])
    with pytest.raises(ValueError, match="p_target has shape"):
        fresh.estimate(np.zeros((0, 3)))


def test_a_probability_of_exactly_zero_or_one_is_no_trouble():
    y = np.repeat([0, 1], 50)
    p = np.eye(2)[y]
    em = shift.LabelShiftEM(random_state=0, draws=5).fit(y, p).estimate(p[:60])
    np.testing.assert_allclose(em.prior_, [50 / 60, 10 / 60], atol=1e-3)
    assert np.isfinite(em.adapt_proba(p)).all()


def test_frames_of_probabilities_are_welcome(validation):
    y, p = validation
    em = shift.LabelShiftEM(random_state=0, draws=0)
    plain = clone(em).fit(y, p).estimate(p[:500]).prior_
    framed = clone(em).fit(pd.Series(y), pd.DataFrame(p)).estimate(pd.DataFrame(p[:500])).prior_
    frame = pd.DataFrame(p, columns=["a", "b", "c"])
    turned = clone(em).fit(y, frame).estimate(frame[["c", "a", "b"]][:500]).prior_
    np.testing.assert_allclose(plain, turned, rtol=1e-9)
    np.testing.assert_allclose(plain, framed, rtol=1e-9)  # another memory order sums in another order


STRINGS = np.array(["cat", "dog", "emu"])


def test_labels_may_be_words_and_columns_be_named_by_them(validation):
    y, p = validation
    _, target = drawn([0.7, 0.2, 0.1], 500, np.random.default_rng(1))
    plain = shift.LabelShiftEM(random_state=0, draws=0).fit(y, p).estimate(target)
    words = shift.LabelShiftEM(random_state=0, draws=0).fit(STRINGS[y], p).estimate(target)
    np.testing.assert_array_equal(words.prior_, plain.prior_)
    assert words.classes_.tolist() == STRINGS.tolist()
    turned = [2, 0, 1]
    named = pd.DataFrame(p[:, turned], columns=STRINGS[turned])
    named = shift.LabelShiftEM("none", draws=0).fit(STRINGS[y], named)
    named.estimate(pd.DataFrame(target[:, turned], columns=STRINGS[turned]))
    unnamed = shift.LabelShiftEM("none", draws=0).fit(y, p).estimate(target)
    np.testing.assert_allclose(named.prior_, unnamed.prior_[turned], atol=1e-5)


@pytest.mark.parametrize("make", [shift.BBSE, shift.RLLS])
def test_predicted_labels_serve_as_well_as_their_one_hot_form(make, validation):
    y, p = validation
    _, target = drawn([0.7, 0.2, 0.1], 500, np.random.default_rng(1))
    expected = make("hard", draws=0).fit(y, p).estimate(target).prior_
    said = make("hard", draws=0).fit(STRINGS[y], STRINGS[p.argmax(axis=1)])
    np.testing.assert_allclose(said.estimate(STRINGS[target.argmax(axis=1)]).prior_, expected)
    with pytest.raises(ValueError, match=r"p_target holds \['yak'\], labels that were never seen"):
        said.estimate(["yak"])


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_the_outputs_of_a_sigmoid_are_those_of_two_classes(shape):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    p = 1 / (1 + np.exp(-(rng.normal(size=400) + 4 * y - 2)))
    both = np.column_stack([1 - p, p])
    expected = shift.BBSE(draws=0).fit(y, both).estimate(both[y == 1]).prior_
    one = shift.BBSE(draws=0).fit(y, p.reshape(shape)).estimate(p[y == 1].reshape(shape))
    np.testing.assert_allclose(one.prior_, expected)
    np.testing.assert_allclose(one.adapt_proba(p.reshape(shape)).sum(axis=1), 1)


def test_a_higher_level_has_wider_intervals(validation):
    widths = []
    for level in (0.5, 0.8, 0.95, 0.99):
        one = shift.RLLS(random_state=0, draws=10, level=level).fit(*validation)
        widths.append(np.diff(one.estimate(validation[1][:200]).interval_).mean())
    assert widths == sorted(widths)
    with pytest.raises(ValueError, match="level=95"):
        shift.RLLS(level=95).fit(*validation)


@pytest.fixture(scope="module")
def doubtful(validation):
    return shift.LabelShiftEM("temperature", random_state=0, draws=40).fit(*validation)


def test_an_unknown_class_is_told_and_its_share_bounded(doubtful):
    rng = np.random.default_rng(2)
    _, p = drawn([0.2, 0.4, 0.4], 600, rng)
    x = np.array([1.5, 1.5]) + 0.5 * rng.normal(size=(400, 2))  # between all three: doubtful every time
    unknown = np.exp(-0.5 * ((x[:, None] - MEANS) ** 2).sum(axis=2))
    unknown /= unknown.sum(axis=1, keepdims=True)
    with pytest.warns(shift.LabelShiftWarning, match=r"not a mix of the classes.*look like no known class"):
        doubtful.estimate(np.vstack([p, unknown]))
    assert doubtful.goodness_of_fit_.p_value < 1e-3
    assert 0.1 < doubtful.unknown_share_ < 0.45


def test_noise_that_is_no_label_shift_is_told(doubtful):
    rng = np.random.default_rng(3)
    y = rng.choice(3, 600)
    x = MEANS[y] + 2 * rng.normal(size=(600, 2))
    p = np.exp(-0.5 * ((x[:, None] - MEANS) ** 2).sum(axis=2))
    with pytest.warns(shift.LabelShiftWarning):
        doubtful.estimate(p / p.sum(axis=1, keepdims=True))


def test_a_true_label_shift_is_not_doubted(doubtful):
    p_values, unknown = [], []
    for seed in range(30):
        rng = np.random.default_rng([8, seed])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", shift.LabelShiftWarning)
            doubtful.estimate(drawn(rng.dirichlet([1, 1, 1]), 300, rng)[1])
        p_values.append(doubtful.goodness_of_fit_.p_value)
        unknown.append(doubtful.unknown_share_)
    assert np.sum(np.array(p_values) < 0.05) <= 5  # of 30 at .05, more come once in 250
    assert max(unknown) < 0.05

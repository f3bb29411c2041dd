"""Is a regression target's shift found from predictions alone, and its mean held by the interval?"""

import numpy as np
import pytest

from kerasdl import shift


def drawn(mean, rows, rng, noise=0.6):
    """Targets, and what a model that shrinks towards 0 says of them."""
    y = rng.normal(mean, 1, rows)
    x = y + noise * rng.normal(size=rows)
    return y, x / (1 + noise**2)


@pytest.mark.parametrize("move", [0.0, 0.7, -1.0])
def test_the_new_mean_is_found_and_predictions_alone_miss_it(move):
    rng = np.random.default_rng(0)
    fitted = shift.TargetShift(random_state=0).fit(*drawn(0, 1500, rng))
    y, said = drawn(move, 1500, rng)
    found = fitted.estimate(said)
    assert found.mean_ == pytest.approx(move, abs=0.12)
    assert (found.p_value_ < 0.001) == (move != 0)
    if move:
        # Trained where the mean is 0, the model draws every prediction towards it.
        assert abs(found.mean_ - y.mean()) < 0.5 * abs(said.mean() - y.mean())
        adapted = found.adapt(said)
        assert np.mean((adapted - y) ** 2) < 0.95 * np.mean((said - y) ** 2)
        assert abs(adapted.mean() - y.mean()) < 0.5 * abs(said.mean() - y.mean())


def test_the_interval_holds_the_mean_about_as_often_as_it_says():
    held = 0
    for seed in range(30):
        rng = np.random.default_rng([2, seed])
        fitted = shift.TargetShift(random_state=seed, draws=30, level=0.9).fit(*drawn(0, 500, rng))
        low, high = fitted.estimate(drawn(0.4, 300, rng)[1]).interval_
        held += low <= 0.4 <= high
    assert held >= 22  # of 30 at .9, fewer come once in 400


def test_weights_of_labelled_rows_bring_their_mean_to_the_new_one():
    rng = np.random.default_rng(1)
    y, said = drawn(0, 2000, rng)
    found = shift.TargetShift(random_state=0, draws=0).fit(y, said).estimate(drawn(0.8, 2000, rng)[1])
    w = found.weights(y)
    assert w.mean() == pytest.approx(1, abs=0.02)
    assert w @ y / w.sum() == pytest.approx(found.mean_, abs=0.02)
    assert found.interval_ is None


def test_what_is_no_target_shift_is_doubted():
    rng = np.random.default_rng(2)
    fitted = shift.TargetShift(random_state=0).fit(*drawn(0, 1000, rng))
    with pytest.warns(shift.LabelShiftWarning, match="not a mix of those seen"):
        fitted.estimate(rng.choice([-0.1, 0.1], 500))  # two predictions alone


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda one: one.fit(np.ones(50), np.ones(50)), "y_val is 1 in every row"),
        (lambda one: one.fit(np.arange(9.0), np.arange(9.0)), "y_val has 9 rows: give 40"),
        (lambda one: one.fit(np.arange(50.0), np.arange(49.0)), "rows differ: y_val has 50"),
        (lambda one: one.fit(np.arange(50.0), np.full(50, np.nan)), "predictions_val has 50 NaN"),
        (lambda one: one.estimate(np.ones(3)), "is not fitted"),
        (lambda one: one.fit(np.arange(50.0), np.arange(50.0)).adapt([1.0]), "has no estimate yet"),
        (lambda one: one.set_params(level=95).fit(np.arange(50.0), np.arange(50.0)), "level=95"),
    ],
)
def test_bad_requests_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(shift.TargetShift())
    assert "\n" not in str(caught.value)

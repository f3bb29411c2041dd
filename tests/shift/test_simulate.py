"""Is the truth that comes with a simulated shift the truth?"""

import subprocess
import sys

import numpy as np
import pytest

from kerasdl.shift import simulate


def test_true_covariate_weights_turn_source_means_into_target_means():
    X = np.random.default_rng(0).normal(size=(40_000, 3))
    made = simulate.covariate_shift(X, direction=[1, 1, 0], strength=1.0, random_state=0)
    assert made.weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(
        made.weights @ X[made.source] / len(made.source), X[made.target].mean(axis=0), atol=0.04
    )
    np.testing.assert_array_equal(np.sort(np.r_[made.source, made.target]), np.arange(40_000))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_the_target_gets_its_share(share):
    X = np.random.default_rng(0).exponential(size=(10_000, 2))
    made = simulate.covariate_shift(X, strength=2, target_share=share, random_state=0)
    assert len(made.target) / 10_000 == pytest.approx(share, abs=0.02)


def test_no_strength_means_equal_weights():
    X = np.random.default_rng(0).normal(size=(100, 2))
    np.testing.assert_allclose(simulate.covariate_shift(X, strength=0, random_state=0).weights, 1)


def test_label_shift_meets_the_prior_and_names_the_weights():
    y = np.repeat(["a", "b", "c"], [60, 30, 10])
    made = simulate.label_shift(y, [0.1, 0.2, 0.7], 20_000, random_state=0)
    shares = [np.mean(y[made.rows] == label) for label in made.classes]
    np.testing.assert_allclose(shares, made.prior, atol=0.015)
    np.testing.assert_allclose(made.class_weights, [0.1 / 0.6, 0.2 / 0.3, 0.7 / 0.1])
    by_name = simulate.label_shift(y, {"c": 0.7, "a": 0.1, "b": 0.2}, 20_000, random_state=0)
    np.testing.assert_array_equal(by_name.rows, made.rows)


def test_a_class_may_vanish():
    made = simulate.label_shift([0, 1, 1], [0.0, 1.0], 50, random_state=0)
    assert set(made.rows) == {1, 2}


def test_concept_shift_changes_labels_after_the_point_and_only_there():
    y = np.array([0, 1, 2] * 20)
    made = simulate.concept_shift(y, before=100, after=50, random_state=0)
    np.testing.assert_array_equal(made.changed, np.arange(150) >= 100)
    np.testing.assert_array_equal(made.y[:100], y[made.rows[:100]])
    exchanged = np.array([1, 0, 2])
    np.testing.assert_array_equal(made.y[100:], exchanged[y[made.rows[100:]]])


def test_gradual_concept_shift_sets_in_over_its_width():
    made = simulate.concept_shift([0, 1], before=1000, after=3000, width=2000, random_state=0)
    assert not made.changed[:1000].any()
    assert made.changed[1000:3000].mean() == pytest.approx(0.5, abs=0.05)
    assert made.changed[3000:].all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate.covariate_shift(np.ones((5, 2))), "does not vary along direction"),
        (lambda: simulate.covariate_shift(np.eye(3), direction=[1, 0]), r"direction has shape \(2,\)"),
        (lambda: simulate.covariate_shift(np.eye(3), target_share=1), "target_share=1"),
        (lambda: simulate.label_shift([0, 1], [0.5, 0.6]), "sum to 1"),
        (lambda: simulate.label_shift([0, 1], [1.0]), "prior has shape"),
        (lambda: simulate.label_shift([0, 1], {2: 1.0}), r"prior names \[2\]"),
        (lambda: simulate.concept_shift([1, 1]), "needs two to exchange"),
        (lambda: simulate.concept_shift([0, 1], mapping={5: 1}), r"mapping names \[5\]"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_package_loads_no_keras_and_no_backend():
    code = (
        "import sys, kerasdl.shift; "
        "print([name for name in ('keras', 'tensorflow', 'jax', 'torch') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

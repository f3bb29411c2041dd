"""Does the combined test see what each single test sees, and nothing where nothing is?

Powers and levels over many repetitions are measured in ``benchmarks/shift_power.py``.
"""

import numpy as np
import pytest
from scipy.stats import binom

from kerasdl import shift
from kerasdl.shift.detection import scores


def correlated(rng):
    a, b = rng.normal(size=(200, 10)), rng.normal(size=(200, 10))
    b[:, 1] = 0.9 * b[:, 0] + np.sqrt(1 - 0.81) * b[:, 1]
    return a, b


def far_rows(rng):
    a, b = rng.normal(size=(200, 20)), rng.normal(size=(200, 20))
    rows = rng.choice(200, 10, replace=False)
    b[rows, 0] = 1000 * rng.choice([-1, 1], 10)
    return a, b


def skewed(rng):
    a, b = rng.normal(size=(200, 5)), rng.normal(size=(100, 5))
    b[:, 0] = rng.exponential(size=100) - 1
    return a, b


def one_of_many(rng):
    a, b = rng.normal(size=(200, 100)), rng.normal(size=(200, 100))
    b[:, 0] += 0.6
    return a, b


@pytest.mark.parametrize(
    ("make", "part"),
    [(correlated, "pairs"), (far_rows, "tails"), (skewed, "marginal"), (one_of_many, "columns")],
)
def test_what_one_statistic_alone_can_see_is_seen(make, part):
    results = []
    for seed in range(10):
        reference, sample = make(np.random.default_rng([3, seed]))
        results.append(shift.ShiftTest(random_state=seed).fit(reference).test(sample))
    assert sum(result.is_shift for result in results) >= 9
    assert np.mean([result.parts[part] <= 0.02 for result in results]) >= 0.9


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.standard_cauchy((n, 4)),
        lambda rng, n: rng.integers(2, size=(n, 4)).astype(float),
        lambda rng, n: np.exp(2 * rng.normal(size=(n, 1))) * np.ones(3),
    ],
    ids=["cauchy", "binary", "equal columns"],
)
def test_the_level_holds_where_moments_and_ties_are_bad(draw):
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng([4, seed])
        test = shift.ShiftTest(alpha=0.1, permutations=99, random_state=seed).fit(draw(rng, 30))
        alarms += test.test(draw(rng, 20)).is_shift
    assert alarms <= binom.ppf(0.999, 100, 0.1)


def test_the_log_variance_ratio_is_that_of_numpy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, 2)) * [1, 50]
    y = np.r_[np.full(5, 1 / 5), np.full(4, -1 / 4)][None]
    expected = np.log(X[5:].var(axis=0) / X[:5].var(axis=0))
    np.testing.assert_allclose(scores.log_variance_ratio(y, X)[0], expected)


def test_shapes_are_orthogonal_and_leave_out_what_ties_make_equal():
    u = scores.mid_ranks(np.random.default_rng(0).normal(size=(2000, 1)))
    orders = scores.shapes(u)[:, :, 0]
    np.testing.assert_allclose(orders @ orders.T / 2000, np.eye(4), atol=0.01)
    binary = scores.shapes(scores.mid_ranks(np.repeat([[0.0], [1.0]], 10, axis=0)))
    assert binary[0].any()
    assert not binary[1:].any()


def test_pairs_are_of_different_columns_and_at_most_as_many_as_asked():
    z = scores.place(scores.mid_ranks(np.random.default_rng(0).normal(size=(50, 30))))
    owner = np.repeat(np.arange(15), 2)
    products, which = scores.pairs(z, owner, 100, np.random.default_rng(0))
    assert products.shape == (50, len(which))
    assert len(which) <= 100
    assert (owner[which[:, 0]] != owner[which[:, 1]]).all()
    a, b = which[0]
    expected = z[:, a] * z[:, b]
    np.testing.assert_allclose(products[:, 0], (expected - expected.mean()) / expected.std(), atol=1e-4)

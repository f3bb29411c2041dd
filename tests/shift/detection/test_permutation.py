"""Are p-values exact, combined ones too, and are rows that belong together dealt out together?"""

from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from kerasdl.shift.detection.permutation import (
    least_p,
    p_value,
    quadratic,
    signed_labels,
    smallest_p,
    with_tails,
)


def test_the_p_value_counts_the_true_statistic_itself():
    assert p_value(np.array([3.0, 1.0, 2.0, 3.0])) == 0.5
    assert p_value(np.array([9.0, 1.0, 2.0, 3.0])) == 0.25


def test_the_smallest_p_of_one_test_is_that_test_and_of_twins_too():
    rng = np.random.default_rng(0)
    statistics = rng.normal(size=(50, 1))
    alone = p_value(statistics[:, 0])
    assert smallest_p(statistics, np.ones(1))[0] == alone
    assert smallest_p(np.hstack([statistics, 2 * statistics]), np.ones(2))[0] == alone


def test_relabellings_in_blocks_are_those_of_one_product():
    rng = np.random.default_rng(0)
    y, K = rng.normal(size=(1203, 9)), rng.normal(size=(9, 9))
    assert quadratic(K, y) == pytest.approx([one @ K @ one for one in y])


@pytest.mark.parametrize(("n", "m"), [(3, 3), (3, 4), (1, 30), (12, 4)])
def test_the_least_p_value_is_one_relabelling_of_all_and_its_mirror_image(n, m):
    assert least_p(n, m) == pytest.approx((2 if n == m else 1) / comb(n + m, n))


def test_blocks_are_dealt_out_whole():
    y = signed_labels(6, 3, 20, np.random.default_rng(0), block=3)
    assert y.shape == (21, 9)
    assert (y.reshape(21, 3, 3) == y.reshape(21, 3, 3)[:, :, :1]).all()
    np.testing.assert_allclose(y.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.maximum(y, 0).sum(axis=1), 1)


def test_tails_tell_the_largest_by_far_from_the_largest():
    """Of an exponential statistic the tail is exact: P(T > t) = exp(-t)."""
    values = np.random.default_rng(0).exponential(size=(4000, 1))
    values[0] = 20.0
    p = with_tails(values)
    assert np.log(p[0, 0]) == pytest.approx(-20, rel=0.15)
    order = np.argsort(values[:, 0])
    assert (np.diff(p[order, 0]) <= 1e-12).all()  # never less surprising for being larger


def test_the_combined_p_value_is_uniform_whatever_the_tails():
    below = 0
    for seed in range(300):
        rng = np.random.default_rng([5, seed])
        heavy = np.stack([rng.standard_cauchy(60), rng.normal(size=60), rng.integers(3, size=60)], axis=1)
        below += smallest_p(heavy, np.array([1.0, 5.0, 0.5]))[0] <= 0.1
    assert below <= binom.ppf(0.999, 300, 0.1)

"""Do the tests of all columns together compute what their equations say?"""

import numpy as np
import pytest

from kerasdl.shift.detection.multivariate import multi_gaussian, ridge_directions, ridge_hat
from kerasdl.shift.detection.permutation import quadratic, signed_labels


def test_the_quadratic_form_is_the_biased_mmd():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(7, 2)), rng.normal(size=(5, 2))
    K = multi_gaussian(np.vstack([X, Y]), rng)
    by_hand = K[:7, :7].mean() + K[7:, 7:].mean() - 2 * K[:7, 7:].mean()
    assert quadratic(K, signed_labels(7, 5, 0, rng))[0] == pytest.approx(by_hand)


def test_leave_one_out_scores_equal_those_of_refits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 3))
    X -= X.mean(axis=0)
    y = rng.normal(size=12)
    hat = ridge_hat(X, 0.2)
    penalty = 0.2 * (np.linalg.svd(X)[1] ** 2).mean()
    fast = (hat @ y - np.diag(hat) * y) / (1 - np.diag(hat))
    for i in range(12):
        rest = np.delete(np.arange(12), i)
        A = np.column_stack([np.ones(11), X[rest]])
        beta = np.linalg.solve(A.T @ A + penalty * np.diag([0, 1, 1, 1]), A.T @ y[rest])
        assert fast[i] == pytest.approx(beta[0] + X[i] @ beta[1:])


def test_ridge_directions_are_a_root_of_the_hat_matrix():
    X = np.random.default_rng(0).normal(size=(20, 3))
    X -= X.mean(axis=0)
    y = signed_labels(8, 12, 5, np.random.default_rng(1))
    assert ((y @ ridge_directions(X, 0.1)) ** 2).sum(axis=1) == pytest.approx(quadratic(ridge_hat(X, 0.1), y))

"""Do the tests keep their level, and find what has moved?"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, ks_2samp
from sklearn.base import clone

from kerasdl import shift
from kerasdl.shift.detect import multi_gaussian, ridge_hat
from kerasdl.shift.permutation import p_value, quadratic, signed_labels, smallest_p

EVERY = [
    shift.KSTest(),
    shift.MMDTest(random_state=0),
    shift.C2STest(random_state=0),
    shift.LSDDTest(random_state=0),
    shift.ShiftTest(random_state=0),
]
BY_NAME = {"argvalues": EVERY, "ids": [type(one).__name__ for one in EVERY]}


def softmax(X):
    p = np.exp(X)
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "test",
    [
        shift.KSTest(alpha=0.1),
        shift.MMDTest(alpha=0.1, permutations=59),
        shift.C2STest(alpha=0.1, permutations=59),
        shift.LSDDTest(alpha=0.1, permutations=59),
        shift.ShiftTest(softmax, alpha=0.1, permutations=59),
        shift.BBSDTest(softmax, alpha=0.1),
        shift.BBSDTest(softmax, "hard", alpha=0.1),
    ],
    ids=["KS", "MMD", "C2ST", "LSDD", "combined", "BBSD soft", "BBSD hard"],
)
def test_false_alarms_stay_inside_binomial_bounds(test):
    alarms = 0
    for seed in range(120):
        rng = np.random.default_rng([1, seed])
        one = clone(test).set_params(random_state=seed).fit(rng.normal(size=(40, 3)))
        alarms += one.test(rng.normal(size=(25, 3))).is_shift
    assert alarms <= binom.ppf(0.999, 120, 0.1)


@pytest.mark.parametrize("test", EVERY[1:], ids=BY_NAME["ids"][1:])
def test_permutation_p_values_are_uniform_under_no_shift(test):
    values = []
    for seed in range(100):
        rng = np.random.default_rng([2, seed])
        one = clone(test).set_params(random_state=seed, permutations=39)
        values.append(one.fit(rng.normal(size=(30, 2))).test(rng.normal(size=(20, 2))).p_value)
    for level in (0.25, 0.5, 0.75):
        count = np.sum(np.array(values) <= level)
        assert binom.ppf(0.0005, 100, level) <= count <= binom.ppf(0.9995, 100, level)


@pytest.mark.parametrize("test", **BY_NAME)
def test_a_plain_shift_is_found(test):
    rng = np.random.default_rng(0)
    fitted = clone(test).fit(rng.normal(size=(200, 4)))
    result = fitted.test(rng.normal([0, 0, 0, 1], size=(100, 4)))
    assert result.is_shift
    assert result.p_value <= 0.05
    assert result.statistic > 0


@pytest.mark.parametrize("test", EVERY[1:2] + EVERY[4:], ids=["MMDTest", "ShiftTest"])
def test_a_change_of_spread_alone_is_found(test):
    rng = np.random.default_rng(0)
    assert clone(test).fit(rng.normal(size=(200, 3))).test(1.7 * rng.normal(size=(100, 3))).is_shift


def test_the_classifier_shows_the_default_what_the_columns_hide():
    """One column in forty holds the class, and its share moves from one third to two thirds."""
    classify = lambda X: softmax(3 * np.column_stack([X[:, 0], -X[:, 0]]))  # noqa: E731

    def rows(n, share):
        X = rng.normal(size=(n, 40))
        X[:, 0] = np.where(rng.random(n) < share, 1, -1) + 0.5 * rng.normal(size=n)
        return X

    blind = told = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        reference, sample = rows(200, 1 / 3), rows(40, 2 / 3)
        blind += shift.ShiftTest(random_state=0).fit(reference).test(sample).is_shift
        told += shift.ShiftTest(classify, random_state=0).fit(reference).test(sample).is_shift
    assert told > blind


def test_columns_are_tested_as_scipy_does_and_corrected():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 3)), rng.normal(size=(40, 3)) + 0.3
    result = (
        shift.KSTest().fit(pd.DataFrame(a, columns=list("xyz"))).test(pd.DataFrame(b, columns=list("xyz")))
    )
    expected = {name: ks_2samp(a[:, k], b[:, k]).pvalue for k, name in enumerate("xyz")}
    assert result.parts == pytest.approx(expected)
    assert result.p_value == pytest.approx(min(1, 3 * min(expected.values())))


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


def test_the_p_value_counts_the_true_statistic_itself():
    assert p_value(np.array([3.0, 1.0, 2.0, 3.0])) == 0.5
    assert p_value(np.array([9.0, 1.0, 2.0, 3.0])) == 0.25


def test_the_smallest_p_of_one_test_is_that_test_and_of_twins_too():
    rng = np.random.default_rng(0)
    statistics = rng.normal(size=(50, 1))
    alone = p_value(statistics[:, 0])
    assert smallest_p(statistics, np.ones(1))[0] == alone
    assert smallest_p(np.hstack([statistics, 2 * statistics]), np.ones(2))[0] == alone


@pytest.mark.parametrize("test", **BY_NAME)
def test_constant_columns_are_no_trouble(test):
    rng = np.random.default_rng(0)
    still = lambda n: np.column_stack([rng.normal(size=n), np.ones(n)])  # noqa: E731
    result = clone(test).fit(still(60)).test(still(40))
    assert 0 < result.p_value <= 1


@pytest.mark.parametrize("test", **BY_NAME)
def test_equal_rows_everywhere_show_no_shift(test):
    assert clone(test).fit(np.ones((20, 2))).test(np.ones((10, 2))).p_value == 1


@pytest.mark.parametrize("test", **BY_NAME)
def test_the_same_seed_gives_the_same_answer_and_frames_are_aligned(test):
    rng = np.random.default_rng(0)
    a, b = (pd.DataFrame(rng.normal(size=(n, 2)), columns=["u", "v"]) for n in (60, 40))
    results = [clone(test).fit(a).test(sample) for sample in (b, b[["v", "u"]])]
    assert results[0] == results[1]
    with pytest.raises(ValueError, match=r"sample: columns missing \['u'\]"):
        clone(test).fit(a).test(b[["v"]])


@pytest.mark.parametrize("test", **BY_NAME)
def test_bad_tables_are_refused(test):
    fresh = clone(test)
    with pytest.raises(ValueError, match=r"is not fitted: call fit\(reference\) first"):
        fresh.test(np.ones((3, 2)))
    with pytest.raises(ValueError, match="reference has 1 NaN"):
        fresh.fit([[1.0, np.nan]])
    fresh.fit(np.ones((3, 2)))
    with pytest.raises(ValueError, match="sample has 3 columns, 2 were fitted"):
        fresh.test(np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"sample has shape \(0, 2\)"):
        fresh.test(np.ones((0, 2)))
    with pytest.raises(ValueError, match=r"alpha=1\.5"):
        clone(test).set_params(alpha=1.5).fit(np.ones((3, 2)))


def test_a_classifier_that_gives_no_probabilities_is_refused():
    with pytest.raises(ValueError, match=r"predict_proba\(X\): row 0 sums to"):
        shift.BBSDTest(lambda X: np.full((len(X), 2), 0.9)).fit(np.ones((3, 2))).test(np.ones((3, 2)))
    with pytest.raises(ValueError, match="did you mean 'soft'"):
        shift.BBSDTest(softmax, "sof").fit(np.ones((3, 2))).test(np.ones((3, 2)))


def test_rows_beyond_the_limit_are_left_out_of_the_kernel():
    rng = np.random.default_rng(0)
    test = shift.MMDTest(max_rows=100, permutations=20, random_state=0).fit(rng.normal(size=(20_000, 2)))
    assert len(test.reference_) == 100
    assert test.test(rng.normal(size=(20_000, 2)) + 1).is_shift


@pytest.mark.parametrize("test", EVERY[1:2] + EVERY[4:], ids=["MMDTest", "ShiftTest"])
def test_progress_is_shown_on_stderr_on_request_and_changes_nothing(test, capsys):
    rng = np.random.default_rng(0)
    reference, sample = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
    asked = clone(test).set_params(permutations=1200)
    quiet = asked.fit(reference).test(sample)
    assert capsys.readouterr() == ("", "")
    assert asked.set_params(verbose=True).fit(reference).test(sample) == quiet
    out, err = capsys.readouterr()
    assert not out
    assert "MMD" in err or "shape" in err
    assert "100%" in err


def test_relabellings_in_blocks_are_those_of_one_product():
    rng = np.random.default_rng(0)
    y, K = rng.normal(size=(1203, 9)), rng.normal(size=(9, 9))
    assert quadratic(K, y) == pytest.approx([one @ K @ one for one in y])

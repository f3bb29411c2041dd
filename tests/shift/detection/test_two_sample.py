"""Do the tests keep their level, and find what has moved?"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, ks_2samp
from sklearn.base import clone

from kerasdl import shift
from kerasdl.shift.detection import two_sample

EVERY = [
    shift.KSTest(),
    shift.MMDTest(random_state=0),
    shift.C2STest(random_state=0),
    shift.LSDDTest(random_state=0),
    shift.ShiftTest(random_state=0),
]
BY_NAME = {"argvalues": EVERY, "ids": [type(one).__name__ for one in EVERY]}


def forgotten(exported):
    """Return the tests that stand in a file of the room and are not shown by it or not tried here."""
    kinds = set(two_sample.TwoSampleTest.__subclasses__())
    kinds |= {kind for one in kinds for kind in one.__subclasses__()}
    # BBSDTest needs a classifier: it is tried beside the others where one is at hand.
    tried = {type(one) for one in EVERY} | {shift.BBSDTest}
    return sorted(kind.__name__ for kind in kinds if kind.__name__ not in exported or kind not in tried)


def test_no_test_is_forgotten():
    assert forgotten(shift.__all__) == []
    assert forgotten([name for name in shift.__all__ if name != "C2STest"]) == ["C2STest"]


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


@pytest.mark.parametrize(
    "make", [shift.ShiftTest, shift.MMDTest, shift.C2STest, shift.LSDDTest], ids=lambda make: make.__name__
)
def test_a_strict_level_can_be_reached(make):
    """Thirty batches watched at .05 together: a p-value of 1/501 is no small p-value."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    result = make(alpha=0.05 / 30, random_state=0).fit(X).test(X[:40] + 100)
    assert result.is_shift
    assert result.p_value < 0.05 / 30


@pytest.mark.parametrize("test", **BY_NAME)
def test_too_few_rows_for_the_level_are_refused_in_words(test):
    few = clone(test).fit(np.arange(6.0).reshape(3, 2))
    with pytest.raises(ValueError, match=r"3 rows against 3 give no p-value below 0\.[12]"):
        few.test(np.arange(6.0).reshape(3, 2) + 1e6)


def test_the_result_says_how_many_rows_were_looked_at():
    rng = np.random.default_rng(0)
    test = shift.ShiftTest(max_rows=50, permutations=100, random_state=0).fit(rng.normal(size=(300, 2)))
    assert test.test(rng.normal(size=(40, 2))).rows == (50, 40)


@pytest.mark.parametrize("test", EVERY[1:], ids=BY_NAME["ids"][1:])
def test_a_table_too_small_to_matter_in_its_unit_is_a_table(test):
    rng = np.random.default_rng(0)
    reference, sample = rng.normal(size=(80, 2)), rng.normal(size=(60, 2)) + 1
    large = clone(test).fit(reference).test(sample)
    small = clone(test).fit(1e-13 * reference).test(1e-13 * sample)
    assert small.p_value == pytest.approx(large.p_value, abs=0.01)


def test_two_thousand_columns_are_tested():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2000))
    X[60:, 7] += 3
    assert shift.ShiftTest(permutations=100, random_state=0).fit(X[:60]).test(X[60:]).is_shift


def test_rows_that_come_in_pairs_are_not_drawn_in_pairs():
    """A table and the same table moved a little: the same rows of both would say that nothing moves."""
    x = np.random.default_rng(0).normal(size=(20_000, 1))
    test = shift.ShiftTest(max_rows=1500, permutations=100, random_state=0).fit(x)
    assert test.test(x + 0.2).is_shift
    rows = [table.numbers()[:, 0] for table in (test.reference_, test.sample_)]
    assert len(np.intersect1d(rows[0].round(9), (rows[1] - 0.2).round(9))) < 300

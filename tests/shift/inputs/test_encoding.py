"""Does one encoding serve every tool, alike on both sides, and later rows too?"""

import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, mixed
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from kerasdl import shift
from kerasdl.shift.inputs import tables
from kerasdl.shift.inputs.encoding import Encoding

TESTS = [shift.ShiftTest(random_state=0), shift.KSTest(), shift.MMDTest(random_state=0)]
each_test = pytest.mark.parametrize("test", TESTS, ids=lambda one: type(one).__name__)


def encoded(reference, sample):
    a, b = tables.read("reference", reference), tables.read("sample", sample)
    encoding = Encoding(a, b)
    return encoding, encoding.encode(a), encoding.encode(b)


def test_features_are_values_gaps_levels_and_words():
    encoding, A, _ = encoded(mixed(100, 0), mixed(80, 1))
    assert np.isfinite(A).all()
    assert A.shape == (100, len(encoding.features))
    for name in ("size", "size: missing", "is_new", "colour = red", "note: length", "note: 'garden'", "sold"):
        assert name in encoding.features
    frame = mixed(100, 0)
    column = lambda name: A[:, encoding.features.index(name)]  # noqa: E731
    np.testing.assert_array_equal(column("size: missing"), frame["size"].isna())
    np.testing.assert_array_equal(column("colour = red"), frame["colour"] == "red")
    np.testing.assert_array_equal(column("note: 'garden'"), frame["note"].str.contains("garden"))
    np.testing.assert_array_equal(column("note: length"), frame["note"].str.len())
    assert encoding.owner.tolist() == sorted(encoding.owner)


def test_the_encoding_looks_at_both_sides_alike():
    a, b = mixed(60, 0), mixed(60, 1)
    first, A, B = encoded(a, b)
    second, B2, A2 = encoded(b, a)
    assert first.features == second.features
    np.testing.assert_array_equal(A, A2)
    np.testing.assert_array_equal(B, B2)


def test_values_never_seen_are_other_or_nothing_and_kinds_are_kept():
    encoding, *_ = encoded(mixed(60, 0), mixed(60, 1))
    later = mixed(3, 2)
    later["colour"] = ["purple", "red", None]
    features = encoding.encode(tables.read("X", later))
    at = [k for k, name in enumerate(encoding.features) if name.startswith("colour = ")]
    np.testing.assert_array_equal(features[:, at].sum(axis=1), [0, 1, 0])
    later["colour"] = [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="X: column 'colour' holds numbers"):
        encoding.encode(tables.read("X", later))


def test_a_rare_value_does_not_lie_far_from_all():
    a = pd.DataFrame({"k": ["x"] * 50 + ["y"] * 48 + ["rare"] * 2, "n": np.arange(100.0)})
    encoding, A, B = encoded(a, a)
    X = np.vstack([A, B])
    mean, scale = encoding.scales(X)
    dummies = encoding.is_dummy
    assert np.abs((X - mean) / scale)[:, dummies].max() < 3
    assert scale[~dummies] == pytest.approx(X[:, ~dummies].std(axis=0))


@each_test
@pytest.mark.parametrize("moved", KINDS)
def test_a_move_of_any_kind_of_column_is_found(test, moved):
    found = clone(test).fit(mixed(150, 0)).test(mixed(120, 1, moved))
    assert found.is_shift
    if isinstance(test, shift.KSTest):
        assert min(found.parts, key=found.parts.get) == moved


@each_test
def test_an_unmoved_table_and_its_columns_in_another_order_are_quiet(test):
    fitted = clone(test).fit(mixed(150, 0))
    sample = mixed(120, 1)
    assert not fitted.test(sample).is_shift
    assert fitted.test(sample[KINDS[::-1]]) == fitted.test(sample)


@pytest.mark.parametrize("test", TESTS[:2], ids=["ShiftTest", "KSTest"])
def test_a_share_of_gaps_that_grows_is_found(test):
    sample = mixed(120, 1)
    sample.loc[::2, "size"] = np.nan
    result = clone(test).fit(mixed(150, 0)).test(sample)
    assert result.is_shift


@each_test
def test_sparse_matrices_give_the_answer_of_their_numbers(test):
    X = sparse.csr_array(sparse.random(150, 6, density=0.5, random_state=0))
    dense = clone(test).fit(X[:80].toarray()).test(X[80:].toarray())
    assert clone(test).fit(X[:80]).test(X[80:]) == dense


def test_the_default_ratio_weighs_any_table():
    source, target = mixed(400, 0), mixed(400, 1, "colour")
    ratio = shift.DiscriminativeRatio(random_state=0).fit(source, target)
    by_colour = pd.Series(ratio.weights_).groupby(source["colour"].to_numpy()).mean()
    # The true ratios: .2 / .6, .3 / .3, .5 / .1.
    assert by_colour["red"] == pytest.approx(1 / 3, abs=0.2)
    assert by_colour["blue"] == pytest.approx(5, rel=0.4)
    later = mixed(5, 3)
    later.loc[0, "colour"] = "never seen"
    assert np.isfinite(ratio.predict_weights(later[KINDS[::-1]])).all()


def test_an_estimator_of_one_s_own_gets_the_table_with_its_names():
    source, target = mixed(300, 0)[KINDS[:3]].dropna(), mixed(300, 1, "is_new")[KINDS[:3]].dropna()
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size", "is_new"]))
    ratio = shift.DiscriminativeRatio(make_pipeline(columns, LogisticRegression()), random_state=0)
    w = ratio.fit(source, target).weights_
    assert w[source["is_new"]].mean() > 2 * w[~source["is_new"]].mean()
    categorical = [frame.astype({"colour": "category"}) for frame in (source, target)]
    boosted = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=20)
    assert np.isfinite(shift.DiscriminativeRatio(boosted, random_state=0).fit(*categorical).weights_).all()


def test_a_model_of_one_s_own_is_handed_the_table_by_the_tests():
    says = lambda frame: np.where(frame["is_new"], 0.9, 0.1)  # noqa: E731 (a sigmoid's outputs)
    result = shift.BBSDTest(says).fit(mixed(100, 0)).test(mixed(100, 1, "is_new"))
    assert result.is_shift
    assert shift.ShiftTest(says, random_state=0).fit(mixed(100, 0)).test(mixed(100, 1, "is_new")).is_shift


def test_a_column_of_gaps_alone_is_no_trouble_on_one_side_or_on_both():
    a, b = mixed(60, 0), mixed(50, 1)
    b["size"] = np.nan
    assert shift.ShiftTest(random_state=0).fit(a).test(b).is_shift
    a["size"] = None
    assert not shift.ShiftTest(random_state=0).fit(a).test(b).is_shift

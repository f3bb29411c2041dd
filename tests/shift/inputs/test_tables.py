"""Are tables read as they are, and refused by the name of the column?"""

import sys
from types import SimpleNamespace

import narwhals
import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, mixed
from scipy import sparse

from kerasdl import shift
from kerasdl.shift.inputs import tables


def kind(values, dtype=None):
    table = tables.read("X", pd.DataFrame({"a": pd.Series(values, dtype=dtype), "b": range(len(values))}))
    return table.column(0)


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "first"),
    [
        ([1, 2], None, "number", 1.0),
        ([1.5, None], None, "number", 1.5),
        ([1, None], "Int64", "number", 1.0),
        ([True, False], None, "boolean", 1.0),
        ([True, None], "boolean", "boolean", 1.0),
        ([True, None], object, "boolean", 1.0),
        ([2, 3.5, None], object, "number", 2.0),
        (["x", None], object, "category", "x"),
        (["x", "y"], "category", "category", "x"),
        ([3, 4], "category", "category", "3"),
        (["x", 4], object, "category", "x"),
        (["x", None], "string", "category", "x"),
        (["1970-01-03", None], "datetime64[s]", "date", 2.0),
        (["1970-01-03"], "datetime64[ns, UTC]", "date", 2.0),
        (["36h"], "timedelta64[ns]", "number", 1.5),
        ([None, None], object, "empty", None),
    ],
)
def test_each_column_is_read_as_what_it_is(values, dtype, expected, first):
    column = kind(values, dtype)
    assert column.kind == expected
    if first is not None:
        assert column.values[0] == first
    gaps = pd.Series(values, dtype=dtype).isna().to_numpy()
    assert (pd.isna(column.values) == gaps).all()


def test_dates_are_the_same_dates_in_every_unit():
    """As integers a date in seconds is a billionth of one in nanoseconds, and NaT is -9.2e18."""
    dates = ["2024-05-01", "2025-01-01", None]
    columns = [kind(dates, f"datetime64[{unit}]").values for unit in ("s", "ms", "ns")]
    for column in columns:
        np.testing.assert_array_equal(column, columns[0])
    assert np.isnan(columns[0][2])


def test_a_table_of_numbers_passes_without_a_copy_and_keeps_its_names():
    X = np.eye(3)
    assert tables.read("X", X).plain is X
    table = tables.read("X", pd.DataFrame(X, columns=list("abc")))
    assert table.names == ["a", "b", "c"]
    np.testing.assert_array_equal(table.plain, X)


def test_a_sparse_matrix_is_read_as_its_numbers():
    X = sparse.coo_array(sparse.random(20, 5, density=0.2, random_state=0))
    table = tables.read("X", X)
    np.testing.assert_array_equal(table.numbers(), X.toarray())
    np.testing.assert_array_equal(table.take(np.array([3, 1])).numbers(), X.toarray()[[3, 1]])
    np.testing.assert_array_equal(table.column(2).values, X.toarray()[:, 2])


def test_another_library_s_frame_is_read_through_narwhals():
    frame = mixed(30, 0)
    table = tables.read("X", narwhals.from_native(frame))
    assert table.names == KINDS
    ours = tables.read("X", frame)
    for k in range(5):
        assert table.column(k).kind == ours.column(k).kind
        np.testing.assert_array_equal(table.column(k).values, ours.column(k).values)


def test_polars_is_read_as_pandas_is():
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame(
        {
            "number": [1.5, None, 3.0] * 20,
            "count": range(60),
            "flag": [True, None, False] * 20,
            "day": pd.date_range("2024-01-01", periods=60).date,
            "moment": pd.date_range("2024-01-01", periods=60, freq="h"),
            "town": ["A", "B", None] * 20,
            "size": pd.Categorical(["small", "large"] * 30),
        }
    )
    columns = {name: [None if pd.isna(one) else one for one in column] for name, column in frame.items()}
    kinds = {"count": polars.Int8, "town": polars.Categorical, "size": polars.Enum(["small", "large"])}
    given = polars.DataFrame(columns, schema_overrides=kinds)
    ours, theirs = tables.read("X", frame), tables.read("X", given)
    assert theirs.names == ours.names
    for k, name in enumerate(ours.names):
        assert theirs.column(k).kind == ours.column(k).kind, name
        np.testing.assert_array_equal(theirs.column(k).values, ours.column(k).values)
    both = [
        shift.compare(one, other, permutations=199, block="auto", random_state=0)
        for one, other in (
            (frame, frame.assign(number=frame["number"] + 2)),
            (given, given.with_columns(number=polars.col("number") + 2)),
        )
    ]
    assert both[1].moved == both[0].moved
    assert "number" in both[1].moved


def test_columns_are_matched_by_name_and_strangers_named():
    frame = mixed(10, 0)
    fitted = SimpleNamespace(n_features_in_=5, feature_names_in_=np.array(KINDS, dtype=object))
    assert tables.read("X", frame[KINDS[::-1]], like=fitted).names == KINDS
    with pytest.raises(ValueError, match=r"X: columns missing \['note'\], columns never seen \['text'\]"):
        tables.read("X", frame.rename(columns={"note": "text"}), like=fitted)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.inf], "X: column 'a' has 1 infinite values, the first in row 1"),
        ([[1], [2]], "X: column 'a' holds list"),
        ([1j, 2], "X: column 'a' holds complex128"),
    ],
)
def test_what_is_no_value_is_refused_by_the_column_s_name(values, message):
    with pytest.raises(ValueError, match=message):
        kind(values)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            [1.0, 2.0],
            ["x", "y"],
            "sample: column 'a' holds text or categories, .* holds numbers",
        ),
        (["x", "y"], pd.to_datetime(["2024-01-01"] * 2), "holds dates, .*pandas.to_datetime"),
    ],
)
def test_a_column_of_two_kinds_is_refused(a, b, message):
    first, second = kind(a), kind(b)
    with pytest.raises(ValueError, match=message):
        tables.common_kind(first, second, "a", ("reference", "sample"))


def test_gaps_agree_with_every_kind_and_booleans_with_numbers():
    empty = kind([None, None], object)
    for values in ([1, 2], ["x", "y"], [True, False]):
        column = kind(values)
        assert tables.common_kind(empty, column, "a", ("r", "s")) == column.kind
    assert tables.common_kind(kind([True, False]), kind([1, 0]), "a", ("r", "s")) == "number"
    assert tables.common_kind(empty, empty, "a", ("r", "s")) == "empty"


def test_many_values_make_text_of_a_category():
    names = kind([f"house {n}" for n in range(80)])
    assert tables.common_kind(names, names, "a", ("r", "s")) == "category"  # each comes twice
    others = kind([f"garden {n}" for n in range(80)])
    assert tables.common_kind(names, others, "a", ("r", "s")) == "text"


def test_pandas_alone_needs_no_narwhals(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    tables.read("X", mixed(5, 0))


def test_an_array_of_dates_is_read_as_dates():
    days = np.array([["2024-01-01", "NaT"], ["2024-02-01", "2024-03-01"]], dtype="datetime64[s]")
    table = tables.read("X", days)
    assert [table.column(k).kind for k in range(2)] == ["date", "date"]
    assert np.isnan(table.column(1).values[0])
    for unit in ("D", "ns"):
        other = tables.read("X", days.astype(f"datetime64[{unit}]"))
        np.testing.assert_array_equal(other.column(0).values, table.column(0).values)

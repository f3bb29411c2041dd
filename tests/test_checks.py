import datetime
import fractions
import inspect

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from kerasdl import checks


def test_messages_name_argument_value_and_mend():
    with pytest.raises(ValueError, match=r"cell='lstmm' is not known; did you mean 'lstm'\?"):
        checks.one_of("cell", "lstmm", ["rnn", "gru", "lstm"])
    with pytest.raises(ValueError, match="known: gru, lstm, rnn"):
        checks.one_of("cell", "zzz", ["rnn", "gru", "lstm"])
    with pytest.raises(ValueError, match="X has 2 NaN or infinite values, the first in row 1"):
        checks.finite("X", np.array([[1.0, 2], [np.nan, 3], [np.inf, 4]]))
    with pytest.raises(ValueError, match="X has 3, y has 2"):
        checks.same_length(X=np.zeros(3), y=np.zeros(2))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1.5", 2.0], r"text, '1.5' in row 0"),
        ([[1.0, 2.0], [3.0, "4"]], r"text, '4' in row 1"),
        (np.array([[1], [2]]).astype(str), r"text, '1' in row 0"),
        (np.array([b"1", b"2"]), r"bytes, b'1' in row 0"),
        (np.array([0.5, b"1"], object), r"bytes, b'1' in row 1"),
        (np.array(["2020-01-01"], "M8[D]"), r"dates, np\.datetime64\('2020-01-01'\) in row 0"),
        (np.array([1], "m8[s]"), r"durations, np\.timedelta64\(1,'s'\) in row 0"),
        ([1.0, datetime.date(2020, 1, 1)], r"dates, datetime\.date\(2020, 1, 1\) in row 1"),
        (pd.Series(pd.to_datetime(["2020-01-01"], utc=True)), r"dates, Timestamp\("),
        (pd.Series(["1"], dtype="string"), r"text, '1' in row 0"),
        (pd.Series(["1", "2"], dtype="category"), r"text, '1' in row 0"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [1, "2"]}), r"text, '2' in row 1"),
    ],
)
def test_what_is_no_number_though_it_could_become_one_is_refused(values, said):
    with pytest.raises(ValueError, match=f"^y holds {said}.*: give numbers, such as an array of float32$"):
        checks.real("y", values)


def test_numbers_of_every_kind_are_real():
    for values in (
        [1, 2.5, True],
        [],
        np.zeros((0, 2), object),
        np.array([1, None, 2.5], object),  # a gap is for others to name
        pd.array([1.5, None], "Float64"),
        pd.DataFrame({"a": [1.0], "b": [True]}),
        pd.Series([1, 2], dtype="category"),
        np.array([fractions.Fraction(1, 2)]),
        np.float16(1),
        sparse.csr_array([[1.0]]),
    ):
        checks.real("y", values)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3"])
def test_positive_int_refuses(value):
    with pytest.raises(ValueError, match="units="):
        checks.positive_int("units", value)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_fraction_refuses(value):
    with pytest.raises(ValueError, match="outside"):
        checks.fraction("p", value)


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
def test_not_negative_refuses(value):
    with pytest.raises(ValueError, match="l2="):
        checks.not_negative("l2", value)


def test_good_values_pass_through():
    assert checks.one_of("cell", "gru", ["gru"]) == "gru"
    assert checks.positive_int("units", np.int64(3)) == 3
    assert checks.fraction("p", 1) == 1.0
    assert checks.not_negative("l2", 0) == 0.0
    assert checks.finite("names", np.array(["a", "b"])).shape == (2,)
    assert checks.same_length(X=np.zeros(3), y=None) == 3


@checks.renamed("0.3", size="units", chance="seed")
def drawn(units, seed=0):
    """Both arguments."""
    return units, seed


def test_an_old_name_still_works_and_says_the_new_one():
    with pytest.warns(DeprecationWarning, match="is deprecated") as caught:
        assert drawn(size=3, chance=5) == (3, 5)
    assert [str(w.message) for w in caught] == [
        "drawn(size=…) is deprecated: write units=…; kerasdl 0.3 no longer takes size",
        "drawn(chance=…) is deprecated: write seed=…; kerasdl 0.3 no longer takes chance",
    ]
    assert {w.filename for w in caught} == {__file__}


def test_an_old_name_becomes_the_present_one():
    with pytest.warns(DeprecationWarning, match="write units="):
        assert checks.current_name(drawn, "size") == "units"
    assert checks.current_name(drawn, "units") == "units"
    assert checks.current_name(len, "size") == "size"


def test_new_names_alone_are_shown_and_pass_in_silence():
    assert list(inspect.signature(drawn).parameters) == ["units", "seed"]
    assert drawn.__doc__ == "Both arguments."
    assert drawn(3) == drawn(units=3) == (3, 0)
    with pytest.raises(TypeError, match="size is the old name of units"):
        drawn(3, units=3, size=3)
    with pytest.raises(TypeError, match="sise"):
        drawn(sise=3)

import inspect

import numpy as np
import pytest

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

"""Tables on a page of 80 columns, against what pandas prints of the same entries."""

import re

import pandas as pd
import pytest

from kerasdl.course import tables

WIDE = pd.DataFrame(
    {
        "parameters": [305, 301, 307],
        "one step: MSE": [0.043216, 0.05, 0.0612345],
        "the least": [0.04] * 3,
        "alone, 10 steps": [0.1, 0.2, 0.3],
        "alone, 100 steps": [0.1, 0.2, 0.3],
    },
    index=["RNN", "MLP, window 8", "MLP, window 32"],
)


@pytest.mark.parametrize("width", [80, 60, 40, 20])
@pytest.mark.parametrize("index", [None, "network"])
def test_nothing_is_lost_and_no_line_is_wider_than_the_page(width, index):
    said = tables.text(WIDE.rename_axis(index), 4, width)
    assert "\\" not in said
    assert max(map(len, said.splitlines())) <= max(width, 28)  # a name and one column always stand together
    words = re.findall(r"\S+", said)
    for entry in ("305", "0.04322", "0.05", "0.06123", "MSE", "100", *([index] if index else [])):
        assert entry in words
    assert [words.count(word) for word in ("alone,", "0.1", "0.04")] == [2, 2, 3]


def test_a_table_that_fits_is_as_pandas_prints_it():
    narrow = WIDE[["parameters", "the least"]]
    assert tables.text(narrow).split() == narrow.to_string().split()


def test_headings_of_two_levels_are_parted_by_columns():
    columns = pd.MultiIndex.from_product([["memory", "time"], [f"way {n}" for n in range(9)]])
    said = tables.text(pd.DataFrame([[123.25] * 18], columns=columns))
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("123.2") == 18

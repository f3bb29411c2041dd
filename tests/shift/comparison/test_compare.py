"""Does one call on two tables say what moved, in words, in a table, in a figure and on a page?"""

import re
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, mixed

from kerasdl import shift


@pytest.fixture(scope="module")
def moved():
    before, now = mixed(300, 0), mixed(200, 1, "colour")
    now.loc[::3, "size"] = np.nan
    now.loc[:9, "colour"] = "purple"
    return shift.compare(before, now[KINDS[::-1]], permutations=299)


def test_the_verdict_and_the_columns_that_moved(moved):
    assert moved.is_shift
    assert moved.p_value <= 0.05
    assert moved.moved[:2] == ["colour", "size"] or set(moved.moved[:2]) == {"colour", "size"}
    table = moved.table.set_index("column")
    assert table.loc["colour", "new_values"] == pytest.approx(10 / 200)
    assert "missing" in table.loc["size", "what"]
    assert table.loc["size", "missing_now"] > table.loc["size", "missing_before"] + 0.2
    assert not table.loc["sold", "moved"]
    assert table.loc["sold", "effect"] == "not told from chance"
    assert moved.auc > 0.7
    assert table["importance"].idxmax() in ("colour", "size")


def test_it_prints_in_one_screen(moved):
    lines = str(moved).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("SHIFT: p = ")
    assert repr(moved) == str(moved)
    assert any("purple" not in line and line.startswith("colour") for line in lines)


def test_the_advice_names_what_to_mend_first(moved):
    text = " ".join(moved.advice)
    assert re.search(r"share of gaps changed.*size", text)
    assert re.search(r"never held: colour", text)
    assert "flatten_weights" in text or "hardly" in text


def test_nothing_moved_is_said_in_few_words():
    found = shift.compare(mixed(200, 0), mixed(150, 1), permutations=199)
    assert not found.is_shift
    assert "No shift found" in str(found)
    assert "Keep the model" in str(found)


def test_no_overlap_and_moved_answers_have_advice_of_their_own():
    rng = np.random.default_rng(0)
    far = shift.compare(rng.normal(size=(200, 2)), rng.normal(9, 1, size=(150, 2)), permutations=99)
    assert "100% of the sample's rows resemble no reference row and a classifier" in far.advice[-1]

    # Two columns set every row apart, the other forty are alike: near enough, yet told apart.
    a, b = np.random.default_rng(1).normal(size=(2, 200, 42))
    b[:, :2] += 4
    near = shift.compare(a, b, permutations=99)
    assert near.unreached_share < 0.25
    assert near.advice[-1].startswith("A classifier nearly always tells the two apart (AUC 1.00): weights")

    def rows(n, share):
        X = rng.normal(size=(n, 60))
        X[:, 0] = np.where(rng.random(n) < share, 1, -1) + 0.5 * rng.normal(size=n)
        return X

    says = lambda X: 1 / (1 + np.exp(-4 * X[:, 0]))  # noqa: E731
    answers = shift.compare(rows(200, 0.5), rows(200, 0.66), permutations=99, predict_proba=says)
    assert answers.is_shift
    assert {"classes", "predictions"} <= set(answers.result.parts)


def test_the_page_stands_alone_and_shows_every_column(moved, tmp_path):
    written = moved.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == written
    assert "http" not in written.replace("https://", "")
    assert re.search(r'src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', written)
    for name in KINDS:
        assert f"<td>{name}</td>" in written
    assert not plt.get_fignums()


def test_names_of_columns_are_escaped():
    a = pd.DataFrame({"<script>": np.random.default_rng(0).normal(size=40), "b": 1})
    assert "<script>" not in shift.compare(a, a, permutations=99).to_html()


def test_the_figure_has_a_panel_for_each_of_the_first_columns(moved):
    figure = moved.plot()
    titles = [ax.get_title() for ax in figure.axes if ax.get_visible()]
    assert [title.split(":")[0] for title in titles] == moved.table["column"].tolist()[:8]
    plt.close(figure)


def test_sampling_is_said():
    rng = np.random.default_rng(0)
    found = shift.compare(rng.normal(size=(900, 2)), rng.normal(size=(80, 2)), max_rows=100, permutations=99)
    assert found.rows == (100, 80)
    assert "100 reference rows, 80 sample rows, drawn from 900 and 80" in str(found)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (pd.DataFrame({"a": []}), pd.DataFrame({"a": [1.0]}), "reference has shape"),
        (
            pd.DataFrame({"a": [1.0] * 9}),
            pd.DataFrame({"a": [1.0]}),
            "9 rows against 1 give no p-value below 0.1",
        ),
        (pd.DataFrame({"a": [1.0] * 9}), pd.DataFrame({"b": [1.0] * 9}), "columns missing"),
        (
            pd.DataFrame({"a": [1.0] * 9, "b": "x"}),
            pd.DataFrame({"a": "x", "b": [1.0] * 9}),
            "sample: column 'a' holds text or categories, that of reference holds numbers",
        ),
    ],
    ids=["empty", "one row", "names", "swapped kinds"],
)
def test_bad_tables_are_refused_in_one_line(a, b, message):
    with pytest.raises(ValueError, match=message) as caught:
        shift.compare(a, b)
    assert "\n" not in str(caught.value)


def test_a_column_of_gaps_alone_is_no_trouble():
    a, b = mixed(60, 0), mixed(60, 1)
    a["size"] = b["size"] = np.nan
    found = shift.compare(a, b, permutations=99).table.set_index("column")
    assert found.loc["size", "kind"] == "empty"
    assert not found.loc["size", "moved"]


def test_no_picture_is_drawn_unasked():
    code = (
        "import sys, numpy as np; from kerasdl import shift;"
        "x = np.random.default_rng(0).normal(size=(60, 2)); str(shift.compare(x, x, permutations=99));"
        "print([name for name in ('matplotlib', 'seaborn', 'kerasdl.plots', 'keras') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_raw_table_of_ames_in_one_call(real_data):
    """Sold up to 2007 against 2009 and later, every column as it is in the file."""
    ames = pd.read_csv(real_data / "kaggle_house_pred_train.csv")
    columns = ames.drop(columns=["Id", "SalePrice", "YrSold"])
    found = shift.compare(columns[ames["YrSold"] <= 2007], columns[ames["YrSold"] >= 2009])
    assert found.is_shift
    assert {"SaleType", "SaleCondition"} <= set(found.moved)
    assert "Neighborhood" not in found.moved  # by permutation p = .31
    assert len(found.moved) < 15

"""The charts of the benchmarks' pages show the numbers of their results."""

import json
import sys

import pytest
from places import CHECKOUT

sys.path.append(str(CHECKOUT / "docs"))
from builder import charts

RESULTS = CHECKOUT / "benchmarks" / "results"
THERE = [name for name in charts.CHARTS if (RESULTS / f"{name}.json").exists()]


@pytest.mark.parametrize("name", THERE)
def test_a_chart_has_a_mark_for_each_number_and_says_its_ends(name):
    chart = charts.CHARTS[name](json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))
    said = charts.said_of(chart)
    (ax,) = charts.drawn(chart).axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(chart.table.index)
    for line, (column, numbers) in zip(ax.get_lines(), chart.table.items(), strict=False):
        assert line.get_label() == column
        assert list(line.get_xdata()) == pytest.approx(list(numbers), nan_ok=True)
        assert f"{numbers.max():.3g}" in said


def test_what_took_twice_as_long_stands_at_two():
    record = {"jax": {"rows": {"5": {"kerasdl": [1.0, 3.0, 2.0], "fresh": [4.0]}}, "where": ""}}
    chart = charts.CHARTS["kfold"](record)
    assert chart.table.loc["jax, 5 folds", "fresh"] == 2
    assert charts.said_of(chart) == "seconds ÷ those of kerasdl: fresh 2."


def test_the_chart_stands_below_the_heading(tmp_path):
    pages = tmp_path / "benchmarks" / "results"
    pages.mkdir(parents=True)
    (pages / "kfold.md").write_text("# K-fold\n\nA table.\n", encoding="utf-8")
    charts.write([], tmp_path)
    heading, figure, rest = (pages / "kfold.md").read_text(encoding="utf-8").split("\n\n")
    assert (heading, rest) == ("# K-fold", "A table.\n")
    assert figure.startswith(":::{figure} kfold.png\n:alt: seconds")
    assert (pages / "kfold.png").read_bytes()[1:4] == b"PNG"

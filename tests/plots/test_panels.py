"""Panels and bars, held to what they draw."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from kerasdl import plots


def legend(figure):
    return [entry.get_text() for entry in figure.legends[0].get_texts()]


def test_a_label_looks_the_same_in_every_panel():
    figure = plots.panels(
        {
            "left": {"a": ([0, 1], [1, 2]), "b": ([0, 1], [2, 1])},
            "right": {"b": ([0, 1], [3, 1]), "c": ([0, 1], [1, 1])},
        },
        "x",
        ("one", "other"),
    )
    left, right = figure.axes
    looks = [
        {line.get_label(): (line.get_color(), line.get_linestyle()) for line in ax.lines}
        for ax in (left, right)
    ]
    assert looks[0]["b"] == looks[1]["b"]
    assert len({looks[0]["a"], looks[0]["b"], looks[1]["c"]}) == 3
    assert legend(figure) == ["a", "b", "c"]
    assert [ax.get_ylabel() for ax in (left, right)] == ["one", "other"]


def test_a_tables_columns_are_drawn_over_its_index_without_gaps():
    table = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, 3.0]}, index=[10, 20, 40])
    figure = plots.panels({"one": table}, "x", "y", reference={"best": 1.0}, colours={"b": "0.5"})
    a, b, best = figure.axes[0].lines
    assert list(a.get_xdata()) == [10, 40]
    assert list(b.get_ydata()) == [1, 2, 3]
    assert (b.get_color(), best.get_label()) == ("0.5", "best")


def test_a_series_is_drawn_over_its_index_without_gaps():
    series = pd.Series([1.0, np.nan, 3.0], index=[10, 20, 40])
    for ax in (
        plots.panels({"one": {"a": series}}, "x", "y").axes[0],
        plots.lines({"a": series}, "x", "y").axes[0],
        plots.lines(series.to_frame("a"), "x", "y").axes[0],
    ):
        (a,) = ax.lines
        assert a.get_label() == "a"
        assert a.get_xydata().tolist() == [[10, 1], [40, 3]]


def test_a_logarithmic_axis_names_the_places_measured():
    figure = plots.panels({"one": {"a": ([20, 40, 80], [1, 2, 3])}}, "x", "y", xscale="log")
    figure.canvas.draw()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["20", "40", "80"]


@pytest.mark.parametrize("panes", [1, 2, 3])
def test_nothing_lies_outside_the_figure(panes):
    curves = {f"a rather long label {n}": ([0, 1], [n, 1]) for n in range(5)}
    figure = plots.panels({f"panel {n}": curves for n in range(panes)}, "x", "y", columns=3)
    with mpl.rc_context():
        figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    width, height = figure.canvas.get_width_height()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height


def test_bars_stand_in_groups_by_row_and_keep_to_their_column():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=["one", "two"])
    ax = plots.bars(table, "height", reference={"most": 5.0}).axes[0]
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [1, 2, 3, 4]
    centres = [bar.get_x() + bar.get_width() / 2 for bar in ax.patches]
    assert np.round(centres) == pytest.approx([0, 1, 0, 1])
    assert centres[0] < centres[2]
    assert [entry.get_text() for entry in ax.get_legend().get_texts()] == ["most", "a", "b"]


def test_bars_on_a_logarithmic_axis_stand_on_half_the_least_and_name_plain_numbers():
    figure = plots.bars(pd.DataFrame({"a": [4.0, 40.0], "b": [8.0, 16.0]}), "perplexity", yscale="log")
    figure.canvas.draw()
    (ax,) = figure.axes
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert low == 2
    ticks = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    assert [text.get_text() for tick, text in ticks if low <= tick <= high] == ["2", "5", "10", "20"]
    assert not len(ax.yaxis.get_minorticklocs())

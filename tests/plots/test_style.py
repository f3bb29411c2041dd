"""Colours by name, single points, legends beside the data: figures as a reader sees them."""

import numpy as np
import pandas as pd
import pytest

from kerasdl import plots

CURVES = {"RNN": ([1, 2, 3], [3.0, 2.0, 1.0]), "GRU": ([1, 2, 3], [2.0, 1.0, 0.5])}


def colour_of(ax, label):
    return next(line.get_color() for line in ax.get_lines() if line.get_label() == label)


def test_a_thing_has_one_colour_wherever_it_is_drawn():
    cells = plots.colours("LSTM", "GRU", "RNN")
    both = plots.lines(CURVES, "x", "y", colours=cells).axes[0]
    alone = plots.lines({"GRU": CURVES["GRU"]}, "x", "y", colours=cells).axes[0]
    assert colour_of(both, "GRU") == colour_of(alone, "GRU") == cells["GRU"] != colour_of(both, "RNN")
    unpinned = plots.lines({**CURVES, "new": CURVES["RNN"]}, "x", "y", colours=cells).axes[0]
    assert colour_of(unpinned, "new") not in cells.values()


def test_panels_share_their_colours_and_one_legend():
    figure = plots.panels({"left": CURVES, "right": {"GRU": CURVES["GRU"], "guess": ([1], [1.0])}}, "x", "y")
    left, right = figure.axes
    assert colour_of(left, "GRU") == colour_of(right, "GRU")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["RNN", "GRU", "guess"]
    assert left.get_legend() is None is right.get_legend()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_a_figure_of_any_number_of_panels_can_be_read_on_a_page(count):
    history = pd.DataFrame({"loss": [1.0, 0.5]}, index=[1, 2])
    figure = plots.learning_curves({f"number {n}": history for n in range(count)})
    assert figure.get_figwidth() <= 9.6
    letters = min(text.get_fontsize() for ax in figure.axes for text in [ax.title, *ax.get_xticklabels()])
    assert letters / 72 * 640 / figure.get_figwidth() >= 9  # pixels
    assert sum(ax.axison for ax in figure.axes) == count


def test_a_single_point_is_drawn():
    history = pd.DataFrame({"loss": [1.0], "val_loss": [2.0]}, index=[1])
    for ax in (
        plots.learning_curves({"a": history}).axes[0],
        plots.lines({"a": ([1], [1])}, "x", "y").axes[0],
    ):
        assert all(line.get_marker() in plots.MARKERS for line in ax.get_lines())


def test_a_legend_leaves_the_panel_when_it_would_lie_over_the_data():
    x = np.linspace(0, 1, 200)
    everywhere = {f"wave {n}": (x, np.sin(40 * x + n)) for n in range(4)}
    for figure in (plots.lines(everywhere, "x", "y"), crowded_panels(everywhere)):
        figure.draw_without_rendering()
        for ax in figure.axes:
            box = ax.get_legend().get_window_extent()
            assert not box.overlaps(ax.get_window_extent().shrunk(0.999, 0.999))
            assert figure.bbox.x0 - 1 <= box.x0
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y0 >= figure.bbox.y0 - 1
    free = plots.lines({"a": ([0, 1], [0, 1])}, "x", "y")
    free.draw_without_rendering()
    assert free.axes[0].get_window_extent().overlaps(free.axes[0].get_legend().get_window_extent())


def crowded_panels(curves):
    with plots.canvas(columns=2) as (figure, axes):
        for ax in axes[0]:
            plots.lines(curves, "x", "y", ax=ax)
    return figure


def test_few_points_lie_over_the_curve_and_many_under_it():
    many = (np.linspace(0, 1, 100), np.zeros(100))
    few = (np.array([0.2, 0.4]), np.zeros(2))
    ax = plots.fits({"few": few, "many": many}, {"curve": lambda x: x}).axes[0]
    by_label = {c.get_label(): c for c in ax.collections}
    (curve,) = ax.get_lines()
    assert by_label["few"].get_zorder() > curve.get_zorder() > by_label["many"].get_zorder()
    assert by_label["few"].get_sizes()[0] > by_label["many"].get_sizes()[0]


def test_values_used_on_a_logarithmic_axis_are_written_out():
    ax = plots.lines({"a": ([2, 5, 10, 20], [1, 2, 3, 4])}, "examples", "error", xscale="log").axes[0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "5", "10", "20"]
    assert [tick.get_text() for tick in ax.get_xticklabels(minor=True) if tick.get_text()] == []


def test_bars_stand_in_groups_and_dots_with_the_best_on_top():
    table = pd.DataFrame({"A": [1.0, 2.0], "B": [3.0, 4.0]}, index=["first", "second"])
    ax = plots.bars(table, "perplexity", {"guessing": 27}).axes[0]
    assert sorted(patch.get_height() for patch in ax.patches) == [1, 2, 3, 4]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["first", "second"]
    ax = plots.dots({"good": [0.1, 0.2], "bad": [0.5, 0.4], "best": [0.05, 0.1]}, "error").axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["bad", "good", "best"]
    assert [sorted(line.get_xdata()) for line in ax.get_lines()] == [[0.4, 0.5], [0.1, 0.2], [0.05, 0.1]]


def test_shades_are_named_by_row_and_column():
    table = pd.DataFrame([[0.0, 1.0], [0.5, 0.5]], index=list("ab"), columns=["one", "two"])
    ax = plots.shades(table, "words", "characters").axes[0]
    assert ax.get_images()[0].get_array().tolist() == [[0.0, 1.0], [0.5, 0.5]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["one", "two"]

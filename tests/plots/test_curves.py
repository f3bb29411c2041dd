import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from kerasdl import plots

HISTORY = pd.DataFrame({"loss": [3.0, 1.0], "val_loss": [4.0, 2.0]}, index=pd.RangeIndex(1, 3, name="epoch"))
SCORES = pd.DataFrame({"train": [0.1, 0.2], "valid": [0.3, 0.5]}, index=pd.RangeIndex(1, 3, name="fold"))
POINTS = (np.array([0.0, 1.0]), np.array([1.0, 3.0]))


def drawn(ax):
    """The (x, y) of every line of a panel."""
    return [tuple(map(list, line.get_data())) for line in ax.get_lines()]


def test_learning_curves_show_the_history_on_a_log_axis():
    figure = plots.learning_curves({"a": HISTORY, "b": HISTORY[["loss"]]})
    left, right = figure.axes
    assert drawn(left) == [([1, 2], [3.0, 1.0]), ([1, 2], [4.0, 2.0])]
    assert drawn(right) == [([1, 2], [3.0, 1.0])]
    assert left.get_yscale() == "log"
    with pytest.raises(KeyError):
        plots.learning_curves({"a": HISTORY}, {"accuracy": "accuracy"})


def test_fits_draw_the_curve_over_the_points():
    ax = plots.fits({"seen": POINTS}, {"line": lambda x: 2 * x + 1}).axes[0]
    ((x, y),) = drawn(ax)
    assert (min(x), max(x)) == (0, 1)
    np.testing.assert_allclose(y, 2 * np.array(x) + 1)


def test_residuals_are_prediction_minus_target():
    left, right = plots.residuals(np.array([1.0, 2.0]), np.array([1.5, 1.0]), "dollars").axes
    assert left.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 1.0]]
    assert right.collections[0].get_offsets().tolist() == [[1.5, 0.5], [1.0, -1.0]]
    assert "dollars" in left.get_xlabel()


def test_fold_spread_marks_the_means():
    ax = plots.fold_spread({"linear": SCORES, "mlp": SCORES}, reference={"published": 0.25}).axes[0]
    bars = [c for c in ax.collections if isinstance(c, mpl.collections.LineCollection)]
    assert [bar.get_segments()[0][0][1] for bar in bars] == pytest.approx([0.15, 0.4, 0.15, 0.4])


def test_lines_are_told_apart_without_colour():
    ax = plots.lines({"a": POINTS, "b": POINTS}, "x", "y", yscale="log", reference={"floor": 1.0}).axes[0]
    first, second, floor = ax.get_lines()
    assert first.get_marker() != second.get_marker()
    assert first.get_linestyle() != second.get_linestyle()
    assert set(floor.get_ydata()) == {1.0}


def test_a_figure_leaves_the_callers_settings_alone_and_prints():
    before = dict(mpl.rcParams)
    figure = plots.lines({"a": POINTS}, "x", "y")
    figure.savefig(io.BytesIO(), format="png")
    assert dict(mpl.rcParams) == before


def test_a_heat_map_has_a_cell_for_each_pair_of_settings():
    table = pd.DataFrame({"rate": [0.1, 0.1, 0.2, 0.2], "l2": [1, 2, 1, 2], "valid": [4.0, 3.0, 2.0, 1.0]})
    ax = plots.heat_map(table, "rate", "l2").axes[0]
    assert [text.get_text() for text in ax.texts] == ["4", "2", "3", "1"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rate", "l2")


def test_a_heat_map_over_several_candidates_shows_the_one_that_a_search_chooses():
    table = pd.DataFrame(
        {"rate": [0.1, 0.1, 0.2], "l2": 1, "kind": ["a", "b", "a"], "valid": [9.0, 1.0, 2.0]}
    )
    figure = plots.heat_map(table, "rate", "l2")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2"]
    assert "least over the other settings" in figure.axes[1].get_ylabel()

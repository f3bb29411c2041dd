"""A figure in words, held to the numbers that were drawn."""

import numpy as np
import pandas as pd
import pytest

from kerasdl import plots
from kerasdl.course.described import described


@pytest.mark.parametrize(
    ("heights", "said"),
    [
        ([3.0, 2.0, 1.0], "falls from 3 to 1"),
        ([1.0, 1.5, 2.25], "rises from 1 to 2.25"),
        ([3.0, 0.5, 1.0], "falls from 3 to 0.5 and ends at 1"),
        ([1.0, 4.0, 2.0], "rises from 1 to 4 and ends at 2"),
        ([1.0, 4.0, -2.0, 1.5], "runs from 1 to 1.5, between -2 and 4"),
        ([2.0, 2.0], "stays at 2"),
        ([np.nan, 2.0, np.inf, 1.0], "falls from 2 to 1"),
        ([0.25], "is 0.25"),
    ],
)
def test_a_line_is_told_by_its_ends_and_what_lies_beyond_them(heights, said):
    figure = plots.lines({"train": (range(len(heights)), heights)}, "epoch", "loss")
    assert described(figure) == f"Loss against epoch: train {said}."


def test_each_panel_has_its_sentence_and_its_axes_names_though_another_bears_them():
    curve = {"train": ([1, 2], [3.0, 1.0])}
    figure = plots.panels({"RNN": curve, "GRU": curve}, "epoch", "loss", reference={"chance": 2.5})
    assert described(figure, "Both learn") == (
        "Both learn. 2 panels. RNN: loss against epoch: train falls from 3 to 1; chance at 2.5. "
        "GRU: loss against epoch: train falls from 3 to 1; chance at 2.5."
    )


def test_bars_points_and_paths_are_told_apart():
    bars = plots.bars(pd.DataFrame({"RNN": [0.2, 0.4]}, index=["short", "long"]), "error")
    assert described(bars) == "Error: RNN 0.2 short, 0.4 long."
    seen = (np.linspace(0, 1, 20), np.zeros(20))
    assert "20 points seen" in described(plots.fits({"seen": seen}, {"zero": np.zeros_like}))
    path = np.array([[2.0, 1.0], [-1.0, 0.5], [0.5, 0.25]])
    assert "leads from (2, 1) to (0.5, 0.25)" in described(plots.descents(lambda x, y: x + y, {"SGD": path}))


def test_shades_and_pictures_say_how_many_and_from_what_to_what():
    tried = pd.DataFrame({"units": [8, 16, 8, 16], "rate": [1, 1, 2, 2], "valid": [4.0, 3.0, 2.0, 5.0]})
    said = described(plots.heat_map(tried, "units", "rate", label="RMSE"))
    assert said == "Rate against units: a grid of 2 × 2 shades of RMSE, from 2 to 5."
    weights = pd.DataFrame([[1.0, 0.0, 0.5]], index=["le"], columns=list("abc"))
    assert described(plots.shades(weights)) == "A grid of 1 × 3 shades, from 0 to 1."
    assert described(plots.pictures([np.eye(2)] * 2, ["one", "two"])) == "2 pictures: one, two."


def test_many_lines_are_counted():
    figure = plots.lines({str(n): ([0, 1], [n, n]) for n in range(9)}, "x", "y")
    assert described(figure).endswith("5 stays at 5; and 3 more.")

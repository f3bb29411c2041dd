"""A figure's file is that of ``savefig``, pixel by pixel, and the figure stays as it was."""

import io

import drawn
import numpy as np
import pytest
from matplotlib.figure import Figure

from kerasdl import plots
from kerasdl.course import picture
from kerasdl.plots.style import DPI

WAVES = {f"wave {n}": (np.linspace(0, 1, 200), np.sin(40 * np.linspace(0, 1, 200) + n)) for n in range(4)}


def own():
    figure = Figure(layout="tight")
    figure.subplots().plot([1, 2], [3, 4])
    return figure


def plain():
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    return figure


def changed():
    figure = plots.lines({"a": ([1, 2], [3, 4])}, "x", "y")
    figure.axes[0].set_title("another line above\nthe panel")
    return figure


FIGURES = drawn.FIGURES | {
    "legend outside": lambda: plots.lines(WAVES, "x", "y"),
    "changed": changed,
    "tight": own,
    "plain": plain,
}


def saved(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return drawn.pixels(stream.getvalue())


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_looks_as_savefig_draws_it(name):
    found = drawn.pixels(picture.png(FIGURES[name]()))
    assert np.array_equal(found, saved(FIGURES[name]()))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_left_as_it_was(name):
    figure = FIGURES[name]()
    before = figure.get_layout_engine(), figure.get_dpi(), figure.canvas, tuple(figure.get_size_inches())
    first = picture.png(figure)
    assert (figure.get_layout_engine(), figure.get_dpi(), figure.canvas) == before[:3]
    if name != "legend outside":  # which its own layout makes room for
        assert tuple(figure.get_size_inches()) == before[3]
    assert picture.png(figure) == first


def test_a_figure_is_laid_out_once(monkeypatch):
    figure = plots.lines({"a": ([1, 2], [3, 4])}, "x", "y")
    times = []
    engine = figure.get_layout_engine()
    monkeypatch.setattr(engine, "execute", times.append)
    picture.png(figure)
    assert len(times) == 1
    picture.png(figure)
    assert len(times) == 1  # nothing has changed
    figure.axes[0].set_xlabel("another")
    picture.png(figure)
    assert len(times) == 2


def test_what_it_shows_is_kept_in_the_file():
    assert b"It rises." in picture.png(plain(), "It rises.")

"""The draughtsman draws what the chapter would have drawn, in its order, and is never in the way."""

import drawn
import numpy as np
import pytest

from kerasdl import plots
from kerasdl.course import picture
from kerasdl.course.play.draughtsman import Draughtsman


def moved():
    figure = plots.lines({"a": ([1, 2], [3, 4])}, "x", "y")
    figure.axes[0].set_title("a line above\nthat was not there")
    return figure


FIGURES = drawn.FIGURES | {
    "contours": lambda: plots.descents(lambda x, y: x**2 + y**2, {"SGD": np.array([[2.0, 1.0], [1.0, 0.5]])}),
    "moved": moved,
}


@pytest.fixture(scope="module")
def draughtsman():
    own = Draughtsman()
    yield own
    own.close()


@pytest.mark.parametrize("name", FIGURES)
def test_it_draws_what_the_chapter_would_have_drawn(draughtsman, tmp_path, name):
    draughtsman.save(FIGURES[name](), "It shows.", tmp_path / "there.png")
    assert draughtsman.finish() == ""
    png = (tmp_path / "there.png").read_bytes()
    assert b"It shows." in png
    assert np.array_equal(drawn.pixels(png), drawn.pixels(picture.png(FIGURES[name]())))


def test_a_figure_is_drawn_as_it_was_when_it_was_given(draughtsman, tmp_path):
    figure = FIGURES["legend"]()
    draughtsman.save(figure, "", tmp_path / "there.png")
    figure.axes[0].set_title("later")
    draughtsman.finish()
    assert np.array_equal(
        drawn.pixels((tmp_path / "there.png").read_bytes()), drawn.pixels(picture.png(FIGURES["legend"]()))
    )


def test_whoever_waits_is_told_once_each_figure_is_there(draughtsman, tmp_path):
    told = []
    for place in range(3):
        draughtsman.save(FIGURES["panels"](), "", tmp_path / f"{place}.png")
        draughtsman.then(lambda: told.append(sorted(path.name for path in tmp_path.glob("*.png"))))
    draughtsman.finish()
    assert told == [[f"{place}.png" for place in range(count)] for count in (1, 2, 3)]


def test_a_figure_that_cannot_be_sent_is_drawn_at_once(draughtsman, tmp_path):
    figure = FIGURES["legend"]()
    figure.axes[0].xaxis.set_major_formatter(lambda value, place: f"<{value:g}>")
    draughtsman.save(figure, "", tmp_path / "there.png")
    assert drawn.pixels((tmp_path / "there.png").read_bytes()).shape[2] == 4


def test_what_cannot_be_drawn_is_told_in_a_line_and_the_next_is_drawn(draughtsman, tmp_path):
    figure = FIGURES["legend"]()
    figure.axes[0].set_title(r"$\nothing$")
    draughtsman.save(figure, "", tmp_path / "not.png")
    draughtsman.save(FIGURES["legend"](), "", tmp_path / "there.png")
    said = draughtsman.finish()
    assert said.startswith("ValueError: ")
    assert "\n" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]


def test_what_nobody_waits_for_is_left_undone(draughtsman, tmp_path):
    for place in range(20):
        draughtsman.save(FIGURES["legend"](), "", tmp_path / f"{place}.png")
    draughtsman.forget()
    draughtsman.save(FIGURES["legend"](), "", tmp_path / "last.png")
    draughtsman.finish()
    drawn = {path.name for path in tmp_path.iterdir()}
    assert "last.png" in drawn
    assert len(drawn) < 20


def test_where_its_process_has_ended_figures_are_drawn_all_the_same(tmp_path):
    own = Draughtsman()
    own._process.kill()
    own._process.wait()
    own.save(FIGURES["legend"](), "", tmp_path / "there.png")
    assert own.finish() == ""
    own.close()
    assert np.array_equal(
        drawn.pixels((tmp_path / "there.png").read_bytes()), drawn.pixels(picture.png(FIGURES["legend"]()))
    )

"""Planes, descents and pictures: what is drawn is what was given."""

import numpy as np
import pytest

from kerasdl import datasets, plots


def test_regions_change_colour_where_the_decision_changes_sign():
    points = np.array([[0.0, 0.0], [2.0, 1.0], [2.0, 0.0]])
    ax = plots.regions(lambda x: x[:, 0] - 1.5, points, np.array([0, 1, 1])).axes[0]
    filled, zero, one = ax.collections
    assert zero.get_offsets().tolist() == [[0.0, 0.0]]
    assert one.get_offsets().tolist() == [[2.0, 1.0], [2.0, 0.0]]
    low, high = (path.get_extents() for path in filled.get_paths())
    assert low.xmax == pytest.approx(1.5, abs=0.02) == high.xmin


def test_descents_draw_each_path_on_shared_axes():
    paths = {"a": np.array([[-2.0, 1.0], [0.0, 0.0]]), "b": np.array([[-2.0, 1.0], [-1.0, -3.0]])}
    axes = plots.descents(lambda x, y: x**2 + y**2, paths, columns=2).axes
    for ax, (label, path) in zip(axes, paths.items(), strict=True):
        assert ax.get_title() == label
        np.testing.assert_array_equal(np.transpose(ax.get_lines()[0].get_data()), path)
        assert ax.get_lines()[1].get_xydata().tolist() == [[0.0, 0.0]]
    assert axes[0].get_ylim() == axes[1].get_ylim()


def test_pictures_stand_in_rows_on_one_scale():
    images = [np.full((2, 2), 1.0), np.full((2, 2), -4.0), np.full((3, 3), 2.0)]
    ax = plots.pictures(images, ["a", "b", "c"], columns=2, signed=True).axes[0]
    assert [image.get_clim() for image in ax.get_images()] == [(-4.0, 4.0)] * 3
    lefts, tops = zip(
        *[(image.get_extent()[0], image.get_extent()[3]) for image in ax.get_images()], strict=True
    )
    assert lefts == (0, 1, 0)
    assert tops[0] == tops[1] > tops[2]
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]


def test_lines_of_any_number_are_all_drawn():
    curves = {str(n): ([1, 2], [n, n]) for n in range(9)}
    ax = plots.lines(curves, "epoch", "y").axes[0]
    assert [line.get_ydata()[0] for line in ax.get_lines()] == list(range(9))
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_the_digits_are_the_stand_in_by_their_own_name():
    digits, stand_in = datasets.digits(), datasets.images()
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(digits, name), getattr(stand_in, name))
    assert digits.source == "embedded"
    assert "digits" in digits.note

"""What lies in a plane? Decision regions, descent paths, images and heat maps.

Points, functions of two variables and images go in; a :class:`matplotlib.figure.Figure` comes out.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasdl.plots.style import MARKERS, PALETTE, Colour, canvas, figure_of


def heat_map(table: pd.DataFrame, x: str, y: str, value: str = "valid", label: str = "error") -> Figure:
    """Draw a grid search's scores over two of its settings; where others varied, the least over them.

    The darkest cell is then the search's choice: a mean over good and bad ones would hide it. Where there
    are more than two settings, :func:`kerasdl.plots.dots` shows every candidate.

    Args:
        table: of :class:`kerasdl.selection.GridSearch`, or any tidy table.
        x, y: columns of it: the settings across and down.
        value: the column to show.
        label: the value's name and unit.

    Example:
        >>> tried = {"units": [8, 16, 8, 16], "rate": [0.1, 0.1, 0.2, 0.2]}
        >>> table = pd.DataFrame({**tried, "valid": [4.0, 3.0, 2.0, 5.0]})
        >>> heat_map(table, "units", "rate").axes[0].get_xlabel()
        'units'
    """
    cells = table.pivot_table(value, y, x, aggfunc="min")
    if table.groupby([y, x]).size().max() > 1:
        label = f"{label}, least over the other settings"
    with canvas(width=max(4.5, 1.1 * cells.shape[1] + 2), height=max(2.6, 0.55 * cells.shape[0] + 1.4)) as (
        figure,
        axes,
    ):
        look = {"annot": True, "fmt": ".3g", "cmap": "viridis", "linewidths": 1, "square": False}
        sns.heatmap(cells, ax=axes[0, 0], cbar_kws={"label": label}, **look)
        axes[0, 0].tick_params(axis="y", rotation=0)
        axes[0, 0].grid(False)
    return figure


def regions(
    decide: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    labels: np.ndarray,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draw where in the plane a classifier sees which of two classes, and the points to tell apart.

    Args:
        decide: function from ``(n, 2)`` to numbers ``(n,)``, positive where it sees class 1.
        points: ``(n, 2)``.
        labels: ``(n,)``, 0 or 1.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.

    Example:
        >>> points = np.array([[0.0, 0.0], [1.0, 1.0]])
        >>> figure = regions(lambda x: x.sum(axis=1) - 1, points, np.array([0, 1]))
    """
    if ax is None:
        with canvas(width=3.6) as (figure, axes):
            return regions(decide, points, labels, axes[0, 0], title) or figure
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.35 * (high - low)
    sides = [np.linspace(*ends, 201) for ends in zip(low - margin, high + margin, strict=True)]
    plane = np.stack(np.meshgrid(*sides), axis=-1)
    heights = np.reshape(decide(plane.reshape(-1, 2)), plane.shape[:2])
    ax.contourf(*sides, heights > 0, levels=[-0.5, 0.5, 1.5], colors=PALETTE[:2], alpha=0.18)
    for label, (color, marker) in enumerate(zip(PALETTE[:2], MARKERS, strict=False)):
        x, y = points[labels == label].T
        ax.scatter(x, y, s=70, color=color, marker=marker, edgecolor="0.2", label=f"class {label}", zorder=3)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.grid(False)
    return figure_of(ax)


def descents(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    paths: Mapping[str, np.ndarray],
    minimum: tuple[float, float] = (0.0, 0.0),
    columns: int = 3,
    colours: Mapping[str, Colour] | None = None,
) -> Figure:
    """Draw ways down a function of two variables over its contour lines, one panel each on shared axes.

    Args:
        function: from x and y of one shape to heights of that shape.
        paths: label → the points passed, ``(steps + 1, 2)``.
        minimum: marked by a star.
        columns: panels in a row.
        colours: label → colour of its path; default one for all.

    Example:
        >>> path = np.array([[2.0, 1.0], [1.0, 0.5], [0.5, 0.2]])
        >>> figure = descents(lambda x, y: x**2 + y**2, {"SGD": path})
        >>> figure.axes[0].get_title()
        'SGD'
    """
    every = np.concatenate([*paths.values(), [minimum]])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.12 * (high - low)
    sides = [np.linspace(*ends, 201) for ends in zip(low - margin, high + margin, strict=True)]
    heights = function(*np.meshgrid(*sides))
    rows = -(-len(paths) // columns)
    with canvas(columns, rows, width=4.2, height=2.8, sharex=True, sharey=True) as (figure, axes):
        for ax, (label, path) in zip(axes.flat, paths.items(), strict=False):
            # Squares of equal steps: contours then lie evenly on a bowl.
            levels = heights.min() + (heights.max() - heights.min()) * np.linspace(0, 1, 14)[1:] ** 2
            ax.contour(*sides, heights, levels=levels, colors="0.75", linewidths=0.8)
            colour = (colours or {}).get(label, PALETTE[0])
            ax.plot(*path.T, color=colour, marker="o", markersize=3, linewidth=1.2)
            ax.plot(*minimum, color="0.1", marker="*", markersize=12)
            ax.set_title(label)
            ax.grid(False)
        for ax in axes[-1]:
            ax.set_xlabel("x")
        for ax in axes[:, 0]:
            ax.set_ylabel("y")
    return figure


def pictures(
    images: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    columns: int = 8,
    signed: bool = False,
    size: float = 1.2,
) -> Figure:
    """Draw small grey images side by side.

    Args:
        images: each ``(height, width)``.
        titles: one for each image, or none.
        columns: images in a row.
        signed: the numbers have a sign, as weights have: blue below 0, red above, white at 0; else the
            larger, the darker. All images share one scale.
        size: of one image, in inches.

    Example:
        >>> figure = pictures([np.eye(8), np.zeros((8, 8))], ["diagonal", "nothing"])
    """
    rows, columns = -(-len(images) // columns), min(columns, len(images))
    reach = max(np.abs(image).max() for image in images)
    # The empty ground of an unsigned image is a light grey: on white paper its edges would be lost.
    look = {"cmap": "RdBu_r", "vmin": -reach} if signed else {"cmap": "gray_r", "vmin": -0.1 * reach}
    tall = 1.25 if titles else 1.0
    # One panel for all of them: a panel each takes matplotlib seconds.
    with canvas(width=columns * size, height=rows * tall * size) as (figure, axes):
        ax = axes[0, 0]
        for number, image in enumerate(images):
            row, column = divmod(number, columns)
            height, width = np.multiply(image.shape, 0.94 / max(image.shape))
            top = -row * tall
            extent = (column, column + width, top - height, top)
            ax.imshow(image, extent=extent, interpolation="nearest", vmax=reach, **look)
            if titles:
                ax.text(column + width / 2, top + 0.04, titles[number], ha="center", va="bottom", fontsize=9)
        ax.set(xlim=(0, columns), ylim=(-rows * tall, tall - 1))
        ax.set_axis_off()
    return figure


def shades(
    table: pd.DataFrame, xlabel: str = "", ylabel: str = "", title: str = "", size: float = 0.26
) -> Figure:
    """Draw a table of numbers from 0 to 1, such as attention weights: the nearer to 1, the darker.

    Args:
        table: rows from top to bottom and columns from left to right, each named.
        xlabel, ylabel: what the columns and the rows are.
        title: above it.
        size: of a cell, in inches.

    Example:
        >>> table = pd.DataFrame([[1.0, 0.0], [0.2, 0.8]], index=["le", "chat"], columns=["the", "cat"])
        >>> figure = shades(table, "read", "written")
        >>> figure.axes[0].get_xlabel()
        'read'
    """
    rows, columns = table.shape
    with canvas(width=columns * size + 2.2, height=rows * size + 1.3) as (figure, axes):
        ax = axes[0, 0]
        ax.imshow(table.to_numpy(float), cmap="Greys", vmin=0, vmax=1, aspect="auto")
        ax.set_xticks(range(columns), [str(name) for name in table.columns], rotation=90, fontsize=9)
        ax.set_yticks(range(rows), [str(name) for name in table.index], fontsize=9)
        ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
        ax.grid(False)
    return figure

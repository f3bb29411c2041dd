"""What did it look like? Figures for a screen or a printed page, in colours that everyone can tell apart.

Every function returns a :class:`matplotlib.figure.Figure`, made without pyplot: nothing pops up, nothing
stays in memory, and the caller's own matplotlib settings are left alone.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "PALETTE",
    "canvas",
    "descents",
    "fits",
    "fold_spread",
    "heat_map",
    "learning_curves",
    "lines",
    "pictures",
    "regions",
    "residuals",
]

PALETTE = sns.color_palette("colorblind")
# Lines differ in dash and marker too, for a page printed in grey.
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P"]
REFERENCE = {"color": "0.45", "linewidth": 1, "linestyle": (0, (1, 1.5)), "zorder": 1}


@contextlib.contextmanager
def canvas(
    columns: int = 1, rows: int = 1, width: float = 5.0, height: float = 3.6, **subplots
) -> Iterator[tuple[Figure, np.ndarray]]:
    """Open a figure of ``rows × columns`` panels in the house style; yield it and its axes, always 2-D.

    Args:
        columns, rows: number of panels.
        width, height: of one panel, in inches.
        **subplots: further arguments of :meth:`matplotlib.figure.Figure.subplots`, such as ``sharey``.

    Example:
        >>> with canvas(columns=2) as (figure, axes):
        ...     line = axes[0, 0].plot([1, 2, 3])
    """
    style = sns.axes_style("whitegrid", {"grid.color": "0.92", "axes.edgecolor": "0.4"})
    context = sns.plotting_context("notebook", rc={"lines.linewidth": 1.8, "lines.markersize": 5})
    with mpl.rc_context({**style, **context, "axes.prop_cycle": mpl.cycler(color=PALETTE)}):
        figure = Figure((columns * width, rows * height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **subplots)
        yield figure, axes
        for ax in axes.flat:
            sns.despine(ax=ax)


def learning_curves(
    histories: Mapping[str, pd.DataFrame],
    columns: Mapping[str, str] | None = None,
    ylabel: str = "loss",
    log: bool = True,
) -> Figure:
    """Draw training histories side by side, one panel each on a shared axis.

    Args:
        histories: title → history, one row an epoch, as :func:`kerasdl.training.fit` returns it.
        columns: column → label; default ``loss`` as training and ``val_loss`` as validation, where present.
        ylabel: name and unit of what is drawn.
        log: draw it on a logarithmic axis.

    Raises:
        KeyError: a history lacks a column.
    """
    wanted = columns or {"loss": "training", "val_loss": "validation"}
    with canvas(columns=len(histories), sharey=True) as (figure, axes):
        for ax, (title, history) in zip(axes.flat, histories.items(), strict=True):
            present = wanted if columns else [name for name in wanted if name in history]
            for dash, column in zip(DASHES, present, strict=False):
                ax.plot(history.index, history[column], linestyle=dash, label=wanted[column])
            ax.set(title=title, xlabel="epoch", yscale="log" if log else "linear")
            ax.legend(frameon=False)
        axes.flat[0].set_ylabel(ylabel)
    return figure


def fits(
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draw points (x, y) and, over their range, functions of x.

    Args:
        points: label → (x, y), each ``(samples,)``.
        curves: label → function from ``(samples,)`` to ``(samples,)``.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
    """
    if ax is None:
        with canvas() as (figure, axes):
            return fits(points, curves, axes[0, 0], title) or figure
    everywhere = np.concatenate([x for x, _ in points.values()])
    grid = np.linspace(everywhere.min(), everywhere.max(), 300)
    for (label, (x, y)), marker in zip(points.items(), MARKERS, strict=False):
        ax.scatter(x, y, s=16, alpha=0.6, marker=marker, edgecolor="none", label=label)
    for color, dash, (label, curve) in zip(PALETTE[len(points) :], DASHES, curves.items(), strict=False):
        ax.plot(grid, curve(grid), color=color, linestyle=dash, label=label)
    ax.set(title=title, xlabel="x", ylabel="y")
    ax.legend(frameon=False)
    return ax.figure


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    reference: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draw one line a label, marked at ten points or so, and thin horizontal lines at reference values.

    Args:
        curves: label → (x, y).
        xlabel, ylabel: names and units of the axes.
        xscale, yscale: Matplotlib's names, such as ``"linear"``, ``"log"`` and ``"symlog"``.
        reference: label → height.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
    """
    crowded = len(curves) > 4
    if ax is None:
        with canvas(width=6.5 if crowded else 5) as (_, axes):
            return lines(curves, xlabel, ylabel, xscale, yscale, reference, axes[0, 0], title)
    looks = itertools.cycle(zip(DASHES, MARKERS, strict=True))
    for (label, (x, y)), (dash, marker) in zip(curves.items(), looks, strict=False):
        ax.plot(x, y, linestyle=dash, marker=marker, markevery=-(-len(x) // 12), label=label)
    for label, height in (reference or {}).items():
        ax.axhline(height, **REFERENCE, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    if xscale == "linear" and all(np.equal(np.mod(x, 1), 0).all() for x, _ in curves.values()):
        ax.xaxis.get_major_locator().set_params(integer=True)  # there is no half an epoch
    # A legend of many lines finds no empty place among them.
    ax.legend(frameon=False, **({"loc": "center left", "bbox_to_anchor": (1, 0.5)} if crowded else {}))
    return ax.figure


def residuals(target: np.ndarray, prediction: np.ndarray, unit: str = "") -> Figure:
    """Draw prediction against target, and the residual against the prediction.

    Args:
        target, prediction: ``(samples,)``, in the same unit.
        unit: written on the axes.
    """
    unit = f" ({unit})" if unit else ""
    with canvas(columns=2) as (figure, axes):
        left, right = axes[0]
        left.scatter(target, prediction, s=10, alpha=0.5, edgecolor="none")
        ends = [min(target.min(), prediction.min()), max(target.max(), prediction.max())]
        left.plot(ends, ends, **REFERENCE)
        left.set(xlabel=f"target{unit}", ylabel=f"prediction{unit}")
        right.scatter(prediction, prediction - target, s=10, alpha=0.5, edgecolor="none")
        right.axhline(0, **REFERENCE)
        right.set(xlabel=f"prediction{unit}", ylabel=f"prediction − target{unit}")
    return figure


def fold_spread(
    scores: Mapping[str, pd.DataFrame], ylabel: str = "error", reference: Mapping[str, float] | None = None
) -> Figure:
    """Draw each model's training and validation score on every fold, with the means as bars.

    Args:
        scores: model → the ``scores`` table of :class:`kerasdl.selection.CrossValidation`.
        ylabel: name and unit of the score.
        reference: label → height of a thin horizontal line.
    """
    sides = {"train": "training part", "valid": "validation part"}
    table = pd.concat(scores, names=["model", "fold"]).reset_index()
    table = table.melt(["model", "fold"], list(sides), "side", "score").replace({"side": sides})
    with canvas(width=max(4.5, 2.2 * len(scores) + 2.5)) as (figure, axes):
        ax = axes[0, 0]
        shared = {"data": table, "x": "model", "y": "score", "hue": "side", "ax": ax, "palette": PALETTE[:2]}
        sns.stripplot(**shared, dodge=True, jitter=0.08, size=6, alpha=0.8)
        half = 0.2
        for place, model in enumerate(scores):
            for shift, side in ((-half, "train"), (half, "valid")):
                mean = scores[model][side].mean()
                ends = (place + shift - 0.7 * half, place + shift + 0.7 * half)
                ax.hlines(mean, *ends, color="0.15", linewidth=2, zorder=5)
        for label, height in (reference or {}).items():
            ax.axhline(height, **REFERENCE, label=label)
        ax.set(xlabel="", ylabel=ylabel)
        ax.legend(frameon=False, title=None)
    return figure


def heat_map(table: pd.DataFrame, x: str, y: str, value: str = "valid", label: str = "error") -> Figure:
    """Draw a grid search's scores over two of its settings; where others varied, the mean over them.

    Args:
        table: of :class:`kerasdl.selection.GridSearch`, or any tidy table.
        x, y: columns of it: the settings across and down.
        value: the column to show.
        label: the value's name and unit.
    """
    cells = table.pivot_table(value, y, x)
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
    return ax.figure


def descents(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    paths: Mapping[str, np.ndarray],
    minimum: tuple[float, float] = (0.0, 0.0),
    columns: int = 3,
) -> Figure:
    """Draw ways down a function of two variables over its contour lines, one panel each on shared axes.

    Args:
        function: from x and y of one shape to heights of that shape.
        paths: label → the points passed, ``(steps + 1, 2)``.
        minimum: marked by a star.
        columns: panels in a row.
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
            ax.plot(*path.T, color=PALETTE[0], marker="o", markersize=3, linewidth=1.2)
            ax.plot(*minimum, color=PALETTE[1], marker="*", markersize=12)
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

"""How does one number change with another? Curves, points and residuals.

Numbers and tables go in, by the names of what they are; a :class:`matplotlib.figure.Figure` comes out.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasdl.plots.panels import panels
from kerasdl.plots.style import REFERENCE, Colour, Curves, canvas, curves_of, figure_of, looks, name_places


def learning_curves(
    histories: Mapping[str, pd.DataFrame],
    columns: Mapping[str, str] | None = None,
    ylabel: str = "loss",
    log: bool = True,
    colours: Mapping[str, Colour] | None = None,
) -> Figure:
    """Draw training histories side by side, one panel each on shared axes, with one legend for all.

    Args:
        histories: title → history, one row an epoch, as :func:`kerasdl.training.fit` returns it.
        columns: column → label; default ``loss`` as training and ``val_loss`` as validation, where present.
        ylabel: name and unit of what is drawn.
        log: draw it on a logarithmic axis.
        colours: label → colour.

    Raises:
        KeyError: a history lacks a column.

    Example:
        >>> history = pd.DataFrame({"loss": [0.9, 0.5], "val_loss": [1.0, 0.7]}, index=[1, 2])
        >>> figure = learning_curves({"cubic": history})
        >>> figure.axes[0].get_title()
        'cubic'
    """
    wanted = columns or {"loss": "training", "val_loss": "validation"}
    chosen = {
        title: {label: history[column] for column, label in wanted.items() if columns or column in history}
        for title, history in histories.items()
    }
    across = 2 if len(histories) in (2, 4) else min(3, len(histories))
    scale = "log" if log else "linear"
    return panels(chosen, "epoch", ylabel, yscale=scale, colours=colours, columns=across, width=4.6)


def fits(
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    ax: Axes | None = None,
    title: str = "",
    colours: Mapping[str, Colour] | None = None,
) -> Figure:
    """Draw points (x, y) and, over their range, functions of x. The fewer the points, the larger they are.

    Args:
        points: label → (x, y), each ``(samples,)``.
        curves: label → function from ``(samples,)`` to ``(samples,)``.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
        colours: label → colour.

    Example:
        >>> x = np.linspace(-1, 1, 20)
        >>> figure = fits({"seen": (x, x**2)}, {"truth": np.square})
        >>> len(figure.axes)
        1
    """
    if ax is None:
        with canvas() as (_, axes):
            return fits(points, curves, axes[0, 0], title, colours)
    every = looks([*points, *curves], colours)
    everywhere = np.concatenate([x for x, _ in points.values()])
    grid = np.linspace(everywhere.min(), everywhere.max(), 300)
    for label, curve in curves.items():
        look = every[label]
        ax.plot(grid, curve(grid), color=look["color"], linestyle=look["linestyle"], label=label, zorder=3)
    for label, (x, y) in points.items():
        few = len(x) <= 12
        ax.scatter(
            x,
            y,
            s=60 if few else 16,
            alpha=1 if few else 0.6,
            color=every[label]["color"],
            marker=every[label]["marker"],
            edgecolor="0.1" if few else "none",
            zorder=4 if few else 2,
            label=label,
        )
    ax.set(title=title, xlabel="x", ylabel="y")
    ax.legend(frameon=False)
    return figure_of(ax)


def lines(
    curves: Curves,
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    reference: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    title: str = "",
    colours: Mapping[str, Colour] | None = None,
) -> Figure:
    """Draw one line a label, marked at ten points or so, and thin horizontal lines at reference values.

    Args:
        curves: label → (x, y) or a series, drawn over its index; or a table, whose columns are the lines. A
            single point is a marker.
        xlabel, ylabel: names and units of the axes.
        xscale, yscale: Matplotlib's names, such as ``"linear"``, ``"log"`` and ``"symlog"``.
        reference: label → height.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
        colours: label → colour, as :func:`kerasdl.plots.colours` gives it.

    Example:
        >>> figure = lines({"train": ([1, 2, 3], [0.9, 0.5, 0.4])}, "epoch", "loss", reference={"noise": 0.3})
        >>> figure.axes[0].get_xlabel()
        'epoch'
        >>> table = pd.DataFrame({"train": [0.9, 0.5], "test": [1.1, 0.8]}, index=[1, 2])
        >>> [line.get_label() for line in lines(table, "epoch", "loss").axes[0].get_lines()]
        ['train', 'test']
    """
    drawn = curves_of(curves)
    crowded = len(drawn) > 4
    if ax is None:
        with canvas(width=6.5 if crowded else 5) as (_, axes):
            return lines(drawn, xlabel, ylabel, xscale, yscale, reference, axes[0, 0], title, colours)
    for (label, (x, y)), look in zip(drawn.items(), looks(drawn, colours).values(), strict=True):
        ax.plot(x, y, **look, markevery=-(-len(x) // 12) or None, label=label)
    for label, height in (reference or {}).items():
        ax.axhline(height, **REFERENCE, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    name_places(ax, [value for x, _ in drawn.values() for value in x])
    # A legend of many lines finds no empty place among them.
    ax.legend(frameon=False, **({"loc": "center left", "bbox_to_anchor": (1, 0.5)} if crowded else {}))
    return figure_of(ax)


def residuals(target: np.ndarray, prediction: np.ndarray, unit: str = "") -> Figure:
    """Draw prediction against target, and the residual against the prediction.

    Args:
        target, prediction: ``(samples,)``, in the same unit.
        unit: written on the axes.

    Example:
        >>> figure = residuals(np.array([1.0, 2.0]), np.array([1.1, 1.8]), "kg")
        >>> figure.axes[0].get_xlabel()
        'target (kg)'
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

"""How does one number change with another? Curves, points, bars, and scores side by side.

Numbers and tables go in, by the names of what they are; a :class:`matplotlib.figure.Figure` comes out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasdl.plots.panels import panels
from kerasdl.plots.style import PALETTE, REFERENCE, Colour, canvas, figure_of, looks, name_places

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


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
    """
    wanted = columns or {"loss": "training", "val_loss": "validation"}
    chosen = {
        title: {
            label: (history.index, history[column])
            for column, label in wanted.items()
            if columns or column in history
        }
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
        curves: label → (x, y); a single point is a marker.
        xlabel, ylabel: names and units of the axes.
        xscale, yscale: Matplotlib's names, such as ``"linear"``, ``"log"`` and ``"symlog"``.
        reference: label → height.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
        colours: label → colour, as :func:`kerasdl.plots.colours` gives it.
    """
    crowded = len(curves) > 4
    if ax is None:
        with canvas(width=6.5 if crowded else 5) as (_, axes):
            return lines(curves, xlabel, ylabel, xscale, yscale, reference, axes[0, 0], title, colours)
    for (label, (x, y)), look in zip(curves.items(), looks(curves, colours).values(), strict=True):
        ax.plot(x, y, **look, markevery=-(-len(x) // 12) or None, label=label)
    for label, height in (reference or {}).items():
        ax.axhline(height, **REFERENCE, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    name_places(ax, [value for x, _ in curves.values() for value in x])
    # A legend of many lines finds no empty place among them.
    ax.legend(frameon=False, **({"loc": "center left", "bbox_to_anchor": (1, 0.5)} if crowded else {}))
    return figure_of(ax)


def dots(
    scores: Mapping[str, Sequence[float]],
    xlabel: str,
    reference: Mapping[str, float] | None = None,
    colours: Mapping[str, Colour] | None = None,
) -> Figure:
    """Draw each candidate's scores as dots on a line of its own, with their mean as a bar; the best on top.

    Args:
        scores: candidate → its scores, as over folds or seeds; the smaller, the better.
        xlabel: name and unit of a score.
        reference: label → place of a thin vertical line.
        colours: candidate → colour; default one for all.
    """
    order = sorted(scores, key=lambda name: float(np.mean(scores[name])), reverse=True)
    with canvas(width=7.0, height=max(2.4, 0.32 * len(order) + 1.2)) as (figure, axes):
        ax = axes[0, 0]
        for place, name in enumerate(order):
            colour = (colours or {}).get(name, PALETTE[0])
            ax.plot(scores[name], np.full(len(scores[name]), place), "o", color=colour, alpha=0.7)
            ax.vlines(float(np.mean(scores[name])), place - 0.3, place + 0.3, color="0.15", linewidth=2)
        for label, value in (reference or {}).items():
            ax.axvline(value, **REFERENCE, label=label)
        ax.set_yticks(range(len(order)), order)
        ax.set(xlabel=xlabel, ylim=(-0.6, len(order) - 0.4))
        if reference:
            ax.legend(frameon=False)
    return figure


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
        shared: dict[str, Any] = {
            "data": table,
            "x": "model",
            "y": "score",
            "hue": "side",
            "ax": ax,
            "palette": PALETTE[:2],
        }
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

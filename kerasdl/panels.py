"""How are several panels of lines, or groups of bars, told apart? One look for one thing, in all of them.

In go tables or (x, y) by label; out comes a :class:`matplotlib.figure.Figure` in the style of
:mod:`kerasdl.plots`.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from kerasdl.plots import DASHES, MARKERS, PALETTE, REFERENCE, canvas

Line: TypeAlias = tuple[Sequence[float], Sequence[float]]
Curves: TypeAlias = "Mapping[str, Line] | pd.DataFrame"


def lines(
    contents: Mapping[str, Curves],
    xlabel: str,
    ylabel: str | Sequence[str],
    xscale: str = "linear",
    yscale: str = "linear",
    reference: Mapping[str, float] | None = None,
    colors: Mapping[str, Any] | None = None,
    columns: int = 2,
    width: float = 4.0,
    height: float = 3.3,
) -> Figure:
    """Draw panels of lines. A label looks the same in every panel, and one legend below serves them all.

    Args:
        contents: title → label → (x, y), or title → a table: one line for each column, over the index.
        xlabel: name and unit of what runs across.
        ylabel: of what runs up: one for all, whose panels then share the axis, or one each.
        xscale, yscale: Matplotlib's names, such as ``"linear"`` and ``"log"``.
        reference: label → height of a thin horizontal line.
        colors: label → colour; default the palette's, in order.
        columns: panels in a row.
        width, height: of one panel, in inches.
    """
    panes = {title: _curves(curves) for title, curves in contents.items()}
    labels = list(dict.fromkeys(label for curves in panes.values() for label in curves))
    looks = dict(zip(labels, itertools.cycle(zip(PALETTE, DASHES * 2, MARKERS * 2, strict=False))))
    shared = isinstance(ylabel, str)
    columns = min(columns, len(panes))
    rows = -(-len(panes) // columns)
    with canvas(columns, rows, width, height, sharey=shared, sharex=shared) as (figure, axes):
        for place, (ax, (title, curves)) in enumerate(zip(axes.flat, panes.items(), strict=False)):
            for label, (x, y) in curves.items():
                color, dash, marker = looks[label]
                color = (colors or {}).get(label, color)
                every = max(1, len(x) // 8)
                ax.plot(x, y, color=color, linestyle=dash, marker=marker, markevery=every, label=label)
            for label, level in (reference or {}).items():
                ax.axhline(level, **REFERENCE, label=label)
            ax.set(title=title, xscale=xscale, yscale=yscale)
            if xscale == "log":
                _name_places(ax, next(iter(curves.values()))[0])
            if not shared or place % columns == 0:
                ax.set_ylabel(ylabel if shared else ylabel[place])
            if place + columns >= len(panes):
                ax.set_xlabel(xlabel)
                ax.tick_params(labelbottom=True)
        for ax in axes.flat[len(panes) :]:
            ax.remove()
        handles = {
            label: line
            for ax in figure.axes
            for line, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        per_row = max(1, int(columns * width / (0.6 + 0.075 * max(map(len, handles)))))
        figure.legend(
            handles.values(),
            handles,
            frameon=False,
            loc="outside lower center",
            ncols=min(per_row, len(handles)),
        )
    return figure


def bars(
    table: pd.DataFrame,
    ylabel: str,
    xlabel: str = "",
    reference: Mapping[str, float] | None = None,
    colors: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draw a table as groups of bars: a group for each row, a colour and a hatch for each column.

    Args:
        table: of numbers; its index names the groups, its columns stand in the legend beside the bars.
        ylabel, xlabel: names and units of the axes.
        reference: label → height of a thin horizontal line.
        colors: column → colour; default the palette's, in order.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
    """
    if ax is None:
        with canvas(width=7.5, height=3.2) as (_, axes):
            return bars(table, ylabel, xlabel, reference, colors, axes[0, 0], title)
    places, width = np.arange(len(table)), 0.8 / table.shape[1]
    for number, column in enumerate(table):
        ax.bar(
            places + (number - (table.shape[1] - 1) / 2) * width,
            table[column],
            0.94 * width,
            color=(colors or {}).get(column, PALETTE[number]),
            hatch=["", "//", "..", "xx"][number % 4],
            edgecolor="white",
            label=column,
        )
    for label, level in (reference or {}).items():
        ax.axhline(level, **REFERENCE, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.set_xticks(places, [str(name) for name in table.index])
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax.figure


def _name_places(ax: Axes, places: Sequence[float]) -> None:
    """On a logarithmic axis, name the measured places themselves: what lies between has no measurement."""
    if len(places) <= 8:
        ax.set_xticks(list(places), [f"{place:g}" for place in places])
    ax.xaxis.set_minor_formatter(NullFormatter())


def _curves(curves: Curves) -> dict[str, Line]:
    """A table's columns without their gaps, each over the index; a mapping as it is."""
    if not isinstance(curves, pd.DataFrame):
        return dict(curves)
    return {str(name): (column.dropna().index, column.dropna().to_numpy()) for name, column in curves.items()}

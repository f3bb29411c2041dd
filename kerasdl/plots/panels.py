"""How are several panels of lines, or groups of bars, told apart? One look for one thing, in all of them.

Tables or (x, y) by label go in; a :class:`matplotlib.figure.Figure` comes out.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from kerasdl.plots.style import REFERENCE, Colour, Curves, canvas, curves_of, figure_of, looks, name_places


def panels(
    contents: Mapping[str, Curves],
    xlabel: str,
    ylabel: str | Sequence[str],
    xscale: str = "linear",
    yscale: str = "linear",
    reference: Mapping[str, float] | None = None,
    colours: Mapping[str, Colour] | None = None,
    columns: int = 2,
    width: float = 4.0,
    height: float = 3.3,
) -> Figure:
    """Draw panels of lines. A label looks the same in every panel, and one legend below serves them all.

    Args:
        contents: title → label → (x, y) or a series, drawn over its index; or title → a table: one line for
            each column.
        xlabel: name and unit of what runs across.
        ylabel: of what runs up: one for all, whose panels then share the axis, or one each.
        xscale, yscale: Matplotlib's names, such as ``"linear"`` and ``"log"``.
        reference: label → height of a thin horizontal line.
        colours: label → colour, as :func:`kerasdl.plots.colours` gives it.
        columns: panels in a row.
        width, height: of one panel, in inches.

    Example:
        >>> curve = {"train": ([1, 2, 3], [0.9, 0.5, 0.4])}
        >>> figure = panels({"RNN": curve, "GRU": curve}, "epoch", "loss")
        >>> [ax.get_title() for ax in figure.axes]
        ['RNN', 'GRU']
    """
    panes = {title: curves_of(curves) for title, curves in contents.items()}
    labels = list(dict.fromkeys(label for curves in panes.values() for label in curves))
    every = looks(labels, colours)
    shared = isinstance(ylabel, str)
    columns = min(columns, len(panes))
    rows = -(-len(panes) // columns)
    with canvas(columns, rows, width, height, sharey=shared, sharex=shared) as (figure, axes):
        for place, (ax, (title, curves)) in enumerate(zip(axes.flat, panes.items(), strict=False)):
            for label, (x, y) in curves.items():
                ax.plot(x, y, **every[label], markevery=max(1, len(x) // 8), label=label)
            for label, level in (reference or {}).items():
                ax.axhline(level, **REFERENCE, label=label)
            ax.set(title=title, xscale=xscale, yscale=yscale)
            name_places(ax, [value for x, _ in curves.values() for value in x])
            if not shared or place % columns == 0:
                ax.set_ylabel(ylabel if isinstance(ylabel, str) else ylabel[place])
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
        per_row = max(1, int(figure.get_figwidth() / (0.6 + 0.085 * max(map(len, handles)))))
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
    colours: Mapping[str, Colour] | None = None,
    ax: Axes | None = None,
    title: str = "",
    yscale: str = "linear",
) -> Figure:
    """Draw a table as groups of bars: a group for each row, a colour and a hatch for each column.

    Args:
        table: of numbers; its index names the groups, its columns stand in the legend beside the bars.
        ylabel, xlabel: names and units of the axes.
        reference: label → height of a thin horizontal line.
        colours: column → colour, as :func:`kerasdl.plots.colours` gives it.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
        yscale: ``"linear"``, or ``"log"``, where bars have no natural foot: they stand on half the least.

    Example:
        >>> table = pd.DataFrame({"RNN": [0.2, 0.4], "GRU": [0.1, 0.1]}, index=["short", "long"])
        >>> bars(table, "test error").axes[0].get_ylabel()
        'test error'
    """
    if ax is None:
        with canvas(width=7.5, height=3.2) as (_, axes):
            return bars(table, ylabel, xlabel, reference, colours, axes[0, 0], title, yscale)
    every = looks(map(str, table.columns), colours)
    places, width = np.arange(len(table)), 0.8 / table.shape[1]
    for number, column in enumerate(table):
        ax.bar(
            places + (number - (table.shape[1] - 1) / 2) * width,
            table[column],
            0.94 * width,
            color=every[str(column)]["color"],
            hatch=["", "//", "..", "xx"][number % 4],
            edgecolor="white",
            label=column,
        )
    for label, level in (reference or {}).items():
        ax.axhline(level, **REFERENCE, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale=yscale)
    if yscale == "log":
        ax.set_ylim(bottom=table.min(axis=None) / 2)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xticks(places, [str(name) for name in table.index])
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure_of(ax)

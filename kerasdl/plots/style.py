"""How does a figure look? One canvas, colours by name, and legends that do not lie over what is drawn.

A number of panels goes in; a figure and its axes come out, in the house style, whatever the caller's own
matplotlib settings are. A figure is at most 9.6 inches wide, so that its letters can be read on a page that
is 640 pixels wide.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.rcsetup import cycler
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from kerasdl import borrowed

Colour = str | tuple[float, ...]
Line: TypeAlias = tuple[Sequence[float], Sequence[float]]
Curves: TypeAlias = "Mapping[str, Line | pd.Series] | pd.DataFrame"

PALETTE: list[Colour] = list(sns.color_palette("colorblind"))
# Lines differ in dash and marker too, for a page printed in grey.
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P"]
REFERENCE: dict[str, Any] = {"color": "0.45", "linewidth": 1, "linestyle": (0, (1, 1.5)), "zorder": 1}
WIDEST = 9.6  # inches
DPI = 150.0  # dots an inch of a chapter's files: what is measured for them is drawn as it was measured


@contextlib.contextmanager
def canvas(
    columns: int = 1, rows: int = 1, width: float = 5.0, height: float = 3.6, **subplots: Any
) -> Iterator[tuple[Figure, np.ndarray]]:
    """Open a figure of ``rows × columns`` panels in the house style; yield it and its axes, always 2-D.

    Whenever the figure is laid out, which saving does, a legend that lies over what its panel shows is moved
    out of the panel: beside a single panel, below one of several.

    Args:
        columns, rows: number of panels.
        width, height: of one panel, in inches; narrower where the whole would be wider than 9.6 inches.
        **subplots: further arguments of :meth:`matplotlib.figure.Figure.subplots`, such as ``sharey``.

    Example:
        >>> with canvas(columns=2) as (figure, axes):
        ...     line = axes[0, 0].plot([1, 2, 3])
    """
    style = sns.axes_style("whitegrid", {"grid.color": "0.92", "axes.edgecolor": "0.4"})
    context = sns.plotting_context("notebook", rc={"lines.linewidth": 1.8, "lines.markersize": 5})
    # On a page of 640 pixels a point is 0.9 pixels of such a figure: 10 points are the least to be read.
    small = dict.fromkeys(
        ("axes.labelsize", "axes.titlesize", "legend.fontsize"), 10.5 if columns > 2 else 11
    )
    ticks = dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 10)
    with mpl.rc_context(
        {
            **style,
            **context,
            **small,
            **ticks,
            "legend.frameon": False,
            "axes.prop_cycle": cycler(color=PALETTE),
        }
    ):
        wide = min(columns * width, WIDEST)
        figure = Figure((wide, rows * height), layout=_Layout())
        axes = figure.subplots(rows, columns, squeeze=False, **subplots)
        yield figure, axes
        for ax in axes.flat:
            sns.despine(ax=ax)
            for axis in (ax.xaxis, ax.yaxis):
                if type(axis.get_minor_locator()) is LogLocator:  # none of the panel's own
                    named = not isinstance(axis.get_minor_formatter(), NullFormatter)
                    axis.set_minor_locator(_ShortAxis() if named else NullLocator())


def figure_of(ax: Axes) -> Figure:
    """Return the figure that a panel stands in."""
    return cast(Figure, ax.figure)  # a canvas has no figures within figures


def colours(*names: str) -> dict[str, Colour]:
    """Give each thing a colour of its own, to be the same in every figure that is handed the result.

    Args:
        *names: of the things, as the labels of curves name them; more than the palette has share its colours.

    Returns:
        name → colour.

    Example:
        >>> cells = colours("RNN", "GRU", "LSTM")
        >>> cells["GRU"] == PALETTE[1]
        True
    """
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}


def looks(labels: Iterable[str], pinned: Mapping[str, Colour] | None = None) -> dict[str, dict[str, Any]]:
    """Return for each label the ``color``, ``linestyle`` and ``marker`` of its line.

    A pinned label has its colour, and the dash and the marker that go with it; the others share what is left.

    Args:
        labels: in their order.
        pinned: label → colour, as :func:`colours` gives it.

    Example:
        >>> both = looks(["train", "test"])
        >>> both["train"]["linestyle"], both["test"]["linestyle"]
        ('-', '--')
    """
    labels, pinned = list(labels), dict(pinned or {})
    free = [colour for colour in PALETTE if colour not in pinned.values()] or PALETTE
    for label in labels:
        if label not in pinned:
            taken = len([name for name in pinned if pinned[name] in free])
            pinned[label] = free[taken % len(free)]
    found = {}
    for place, label in enumerate(labels):
        number = PALETTE.index(pinned[label]) if pinned[label] in PALETTE else place
        found[label] = {
            "color": pinned[label],
            "linestyle": DASHES[number % len(DASHES)],
            "marker": MARKERS[number % len(MARKERS)],
        }
    return found


def curves_of(curves: Curves) -> dict[str, Line]:
    """Return each label's (x, y): a series, or a table's column, over its index and without its gaps.

    Args:
        curves: label → (x, y) or series; or a table, whose columns are the curves.
    """
    found: dict[str, Line] = {}
    for label, curve in curves.items():
        if isinstance(curve, pd.Series):
            curve = curve.dropna()
            curve = curve.index, curve.to_numpy()
        found[str(label)] = curve
    return found


def name_places(ax: Axes, places: Sequence[float]) -> None:
    """Name the places measured on a logarithmic x axis, where few; whole numbers where all are whole."""
    used = sorted(set(map(float, places)))
    if ax.get_xscale() == "log":
        if 1 < len(used) <= 8:
            ax.set_xticks(used, [f"{value:g}" for value in used])
            ax.xaxis.set_minor_formatter(NullFormatter())
    elif ax.get_xscale() == "linear" and all(value.is_integer() for value in used):
        ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))  # there is no half an epoch
        if len(used) == 1:
            ax.set_xticks(used)


class _ShortAxis(LogLocator):
    """Places between the powers of ten, on an axis that is too short for two of these.

    On a longer one they have no names, and the house style has no marks: ticks there would show nothing, and
    take a quarter of a figure's time.
    """

    def __init__(self) -> None:
        super().__init__(subs="auto")

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((vmin, vmax))
        long = low > 0 and high / low >= 100
        return [] if long else super().tick_values(vmin, vmax)


class _Layout(ConstrainedLayoutEngine):
    """Matplotlib's constrained layout, and then no legend over what its panel shows."""

    def __init__(self) -> None:
        super().__init__()
        self._moved: list[Legend] = []

    def execute(self, fig: Figure) -> None:
        own = fig.get_dpi()
        fig.set_dpi(DPI)
        with borrowed.ticks_found_once():
            super().execute(fig)
        legends = {ax: one for ax in fig.axes if (one := ax.get_legend()) and one not in self._moved}
        covering = [ax for ax, one in legends.items() if _covers(ax, one.get_window_extent())]
        for ax in covering:
            _move_out(ax, fig, alone=len(fig.axes) == 1)
            self._moved.append(legends[ax])
        if covering:
            with borrowed.ticks_found_once():
                super().execute(fig)
        fig.set_dpi(own)


def _move_out(ax: Any, figure: Figure, alone: bool) -> None:
    """Move a legend beside a panel that stands alone, else below: the figure grows, the panel does not."""
    legend = ax.get_legend()
    if alone and figure.get_figwidth() + (extra := _inches(legend, figure)) <= WIDEST:
        figure.set_figwidth(figure.get_figwidth() + extra)
        legend.set_loc("center left")
        legend.set_bbox_to_anchor((1.0, 0.5), transform=ax.transAxes)
        return
    below = (ax.get_window_extent().y0 - ax.xaxis.get_tightbbox().y0) / figure.dpi
    figure.set_figheight(figure.get_figheight() + legend.get_window_extent().height / figure.dpi)
    legend.set_loc("upper center")
    drop = ScaledTranslation(0, -below, figure.dpi_scale_trans)
    legend.set_bbox_to_anchor((0.5, 0.0), transform=ax.transAxes + drop)


def _inches(legend: Any, figure: Figure) -> float:
    return legend.get_window_extent().width / figure.dpi


def _covers(ax: Axes, box: Bbox) -> bool:
    """Whether a line, a point or a bar of the panel lies under this box, in pixels."""
    for line in ax.get_lines():
        # A reference line runs through the whole panel: no place is free of it, and it stays readable.
        if line.get_transform() == ax.transData and _touches(line.get_path(), line.get_transform(), box):
            return True
    for collection in ax.collections:
        offsets = collection.get_offset_transform().transform(collection.get_offsets())
        if len(offsets) > 1 and any(box.contains(*point) for point in offsets):
            return True
    return any(box.overlaps(patch.get_window_extent()) for patch in ax.patches)


def _touches(path: Any, transform: Any, box: Bbox) -> bool:
    shown = transform.transform_path(path).cleaned(remove_nans=True)
    return len(shown.vertices) > 1 and bool(shown.intersects_bbox(box, filled=False))

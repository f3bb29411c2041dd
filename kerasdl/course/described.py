"""What is to be seen in a figure, in words? For whoever cannot see it.

A figure of matplotlib goes in; sentences come out: what its axes measure, and how each line, bar or point
lies.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 6  # things of a panel that are told one by one; of more, how many
CLEAR = 0.1  # of a line's height: an end that lies so far from its highest or lowest point is told apart


def described(figure: "Figure", shows: str = "") -> str:
    """Return what a figure shows: the sentence given, and a sentence for each panel.

    Args:
        figure: of matplotlib.
        shows: what the one who drew it says of it.

    Example:
        >>> from kerasdl import plots
        >>> described(plots.lines({"train": ([1, 2, 3], [3, 2, 1])}, "epoch", "loss"), "It learns.")
        'It learns. Loss against epoch: train falls from 3 to 1.'
    """
    panels = [said for ax in figure.axes if ax.get_label() != "<colorbar>" and (said := _panel(ax))]
    number = f"{len(panels)} panels" if len(panels) > 1 else ""
    sentences = [" ".join(part.replace("$", "").split()).rstrip(".") for part in (shows, number, *panels)]
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in sentences if part)


def _panel(ax: "Axes") -> str:
    across = _side(ax, ax.get_shared_x_axes(), "get_xlabel")
    up = _side(ax, ax.get_shared_y_axes(), "get_ylabel")
    title = ax.get_title() or ax.get_title("left")
    things = list(_things(ax))
    if len(things) > MOST:
        things = [*things[:MOST], f"and {len(things) - MOST} more"]
    return ": ".join(filter(None, [title, " against ".join(filter(None, [up, across])), "; ".join(things)]))


def _side(ax: "Axes", shared: Any, label: str) -> str:
    """An axis's name; where panels share it, one of them bears it."""
    every = [ax, *shared.get_siblings(ax)]
    return next((name for one in every if (name := getattr(one, label)())), "")


def _things(ax: "Axes") -> Iterator[str]:
    from matplotlib.collections import PathCollection, QuadMesh
    from matplotlib.container import BarContainer

    for line in ax.get_lines():
        x, y = (np.asarray(data, float) for data in (line.get_xdata(orig=False), line.get_ydata(orig=False)))
        name = _name(line)
        if line.get_transform() != ax.transData:  # a reference, through the whole panel
            place = y[0] if y[0] == y[-1] else x[0]
            yield f"{name or 'a line'} at {place:.3g}"
        elif said := _run(x, y):
            yield f"{name or 'a line'} {said}"
    for bars in ax.containers:
        if isinstance(bars, BarContainer):
            groups = [tick.get_text() for tick in ax.get_xticklabels()]
            yield " ".join(filter(None, [_name(bars), _heights([bar.get_height() for bar in bars], groups)]))
    for collection in ax.collections:
        if isinstance(collection, PathCollection):
            count = len(np.asarray(collection.get_offsets()))
            yield f"{count} point{'s' * (count != 1)} {_name(collection)}".strip()
        elif isinstance(collection, QuadMesh):
            yield _grid(collection)
    if pictures := ax.get_images():
        names = [text.get_text() for text in ax.texts]
        named = f": {', '.join(names[:MOST])}{', …' * (len(names) > MOST)}" if names else ""
        yield f"{len(pictures)} pictures{named}" if len(pictures) > 1 else _grid(pictures[0])


def _name(thing: Any) -> str:
    """What the legend calls it; nothing where matplotlib made the name up."""
    name = str(thing.get_label())
    return "" if name.startswith("_") else name


def _run(x: np.ndarray, y: np.ndarray) -> str:
    """How a line runs from left to right."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(y):
        return ""
    first, last, low, high = (f"{value:.3g}" for value in (y[0], y[-1], y.min(), y.max()))
    if len(y) == 1:
        return f"is {first}"
    if (np.diff(x) < 0).any():
        return f"leads from ({x[0]:.3g}, {first}) to ({x[-1]:.3g}, {last})"
    if y.min() == y.max():
        return f"stays at {first}"
    room = CLEAR * (y.max() - y.min())
    below, above = min(y[0], y[-1]) - y.min() > room, y.max() - max(y[0], y[-1]) > room
    if below and above:
        return f"runs from {first} to {last}, between {low} and {high}"
    if below:
        return f"falls from {first} to {low} and ends at {last}"
    if above:
        return f"rises from {first} to {high} and ends at {last}"
    return f"{'falls' if y[-1] < y[0] else 'rises'} from {first} to {last}"


def _heights(heights: Sequence[float], groups: Sequence[str]) -> str:
    if len(heights) > MOST:
        return f"{len(heights)} bars from {min(heights):.3g} to {max(heights):.3g}"
    named = groups if len(groups) == len(heights) and all(groups) else [""] * len(heights)
    return ", ".join(f"{height:.3g} {group}".strip() for height, group in zip(heights, named, strict=True))


def _grid(shades: Any) -> str:
    """A table of shades, and what they measure where a bar beside them says so."""
    values = np.ma.masked_invalid(shades.get_array())
    size = " × ".join(map(str, values.shape[:2])) if values.ndim > 1 else f"{values.size}"
    measured = f" of {shades.colorbar.ax.get_ylabel()}" if getattr(shades, "colorbar", None) else ""
    return f"a grid of {size} shades{measured}, from {values.min():.3g} to {values.max():.3g}"

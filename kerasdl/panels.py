"""The names that :func:`kerasdl.plots.panels` and :func:`kerasdl.plots.bars` had for a while."""

from typing import Any

from matplotlib.figure import Figure

from kerasdl import plots


def lines(*args: Any, colors: Any = None, **kwargs: Any) -> Figure:
    """:func:`kerasdl.plots.panels`."""
    return plots.panels(*args, colours=colors, **kwargs)


def bars(*args: Any, colors: Any = None, **kwargs: Any) -> Figure:
    """:func:`kerasdl.plots.bars`."""
    return plots.bars(*args, colours=colors, **kwargs)

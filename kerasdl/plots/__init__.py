"""What did it look like? Figures for a screen or a printed page, in colours that everyone can tell apart.

Numbers go in; every function returns a :class:`matplotlib.figure.Figure`, made without pyplot: nothing pops
up, nothing stays in memory, and the caller's own matplotlib settings are left alone.
"""

from kerasdl.plots.curves import fits, learning_curves, lines, residuals
from kerasdl.plots.panels import bars, panels
from kerasdl.plots.planes import descents, heat_map, pictures, regions, shades
from kerasdl.plots.scores import dots, fold_spread, folds
from kerasdl.plots.style import DASHES, MARKERS, PALETTE, REFERENCE, Colour, canvas, colours, looks

__all__ = [
    "DASHES",
    "MARKERS",
    "PALETTE",
    "REFERENCE",
    "Colour",
    "bars",
    "canvas",
    "colours",
    "descents",
    "dots",
    "fits",
    "fold_spread",
    "folds",
    "heat_map",
    "learning_curves",
    "lines",
    "looks",
    "panels",
    "pictures",
    "regions",
    "residuals",
    "shades",
]

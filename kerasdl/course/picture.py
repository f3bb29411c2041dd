"""What is a figure as a file? Laid out once, and drawn once.

A figure goes in; a PNG comes out, as bytes or as a file.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from kerasdl import borrowed, files

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", about: str, path: Path) -> None:
    """Write a figure's :func:`png` to a file, whole or not at all."""
    files.write(path, png(figure, about))


def png(figure: "Figure", about: str = "") -> bytes:
    """Return a figure as a PNG, as ``figure.savefig`` writes it.

    Where a figure finds the places of its labels by itself, ``savefig`` walks through the whole of it twice
    before it draws. Here this happens once, and not at all where nothing has changed since it last happened.

    Args:
        figure: of matplotlib; it is left as it was.
        about: what it shows, kept in the file for those who cannot see it.

    Example:
        >>> from kerasdl import plots
        >>> png(plots.lines({"train": ([1, 2, 3], [0.9, 0.5, 0.4])}, "epoch", "loss"))[1:4]
        b'PNG'
    """
    from kerasdl.plots.style import DPI

    buffer, engine = io.BytesIO(), figure.get_layout_engine()
    metadata = {"Description": about} if about else None
    if engine is None:
        figure.savefig(buffer, format="png", dpi=DPI, metadata=metadata)
        return buffer.getvalue()
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    laid_out, canvas, own = not figure.stale, figure.canvas, figure.get_dpi()
    try:
        figure.set_dpi(DPI)
        with borrowed.ticks_found_once():
            if not laid_out:
                engine.execute(figure)
            figure.set_layout_engine("none")
            FigureCanvasAgg(figure).print_png(buffer, metadata=metadata)
    finally:
        figure.set_layout_engine(engine)
        figure.set_dpi(own)
        figure.set_canvas(canvas)
    figure.stale = False
    return buffer.getvalue()

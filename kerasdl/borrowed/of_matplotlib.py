"""What of matplotlib is used without a promise? Its ticks, found once, and its formulas, read once.

Figures that are laid out and drawn inside a ``with`` look as they do outside. Why it is needed stands in
:data:`kerasdl.borrowed.ENTRIES`.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def ticks_found_once() -> Iterator[None]:
    """Find an axis's ticks, and the room that their labels take, once for each place that the axis has.

    Inside, nothing may change a figure but its layout.
    """
    import matplotlib.axis

    Axis: Any = matplotlib.axis.Axis  # whose types do not show what is private
    find, measure = Axis._update_ticks, Axis._get_ticklabel_bboxes
    kept: dict[Any, tuple] = {}  # axis → its place, its ticks
    boxes: dict[Any, Any] = {}

    def found(self: Any) -> list:
        place = (*self.axes.bbox.bounds, *self.get_view_interval(), self.figure.dpi)
        if self not in kept or kept[self][0] != place:
            kept[self] = place, find(self)
            boxes.pop(self, None)
        return kept[self][1]

    def measured(self: Any, ticks: list, renderer: Any = None) -> Any:
        if self not in kept or ticks is not kept[self][1]:
            return measure(self, ticks, renderer)
        if self not in boxes:
            boxes[self] = measure(self, ticks, renderer)
        return boxes[self]

    Axis._update_ticks, Axis._get_ticklabel_bboxes = found, measured
    try:
        yield
    finally:
        Axis._update_ticks, Axis._get_ticklabel_bboxes = find, measure


@contextlib.contextmanager
def formulas_read_once(most: int = 1000) -> Iterator[None]:
    """Let all figures share what was read of formulas, such as the powers of ten along an axis.

    Args:
        most: formulas that are kept.
    """
    from matplotlib.mathtext import MathTextParser

    Parser: Any = MathTextParser
    read, own = Parser._parse_cached, (Parser.__eq__, Parser.__hash__)

    # What a formula looks like depends on the kind of output, not on the figure whose reader reads it.
    Parser.__eq__ = lambda self, other: self._output_type == getattr(other, "_output_type", None)
    Parser.__hash__ = lambda self: hash(self._output_type)
    Parser._parse_cached = functools.lru_cache(most)(read.__wrapped__)
    try:
        yield
    finally:
        Parser._parse_cached, (Parser.__eq__, Parser.__hash__) = read, own

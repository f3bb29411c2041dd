"""What of matplotlib is used without a promise? Its ticks, found once where nothing has moved.

Figures that are laid out and drawn inside a ``with`` look as they do outside. Why it is needed stands in
:data:`kerasdl.borrowed.ENTRIES`.
"""

import contextlib
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

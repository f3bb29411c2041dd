"""What does a chapter say of a figure? The prose around the cell that draws it, as HTML.

A script and a line of it go in; out come the heading it stands under and the text. Mathematics becomes
MathML, which browsers draw by themselves.
"""

import bisect
import re
from dataclasses import dataclass
from pathlib import Path

from kerasdl.course import cells

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """What stands around a figure.

    Attributes:
        heading: the nearest one above it.
        before: the prose above it, from that heading on, in Markdown.
        after: the prose below it, up to the next heading.
    """

    heading: str
    before: str
    after: str


def at(script: Path, line: int) -> Lesson:
    """Return what a script says around the code cell that a line stands in."""
    every = cells.read(script.read_text(encoding="utf-8"))
    here = bisect.bisect_right([cell.line for cell in every], line) - 1
    above = [cell.text for cell in every[: here + 1] if cell.prose]
    below = [cell.text for cell in every[here + 1 : here + 2] if cell.prose]
    heading = next((found[-1] for text in reversed(above) if (found := _HEADING.findall(text))), "")
    # The last part of what stands above, and the first of what stands below.
    before = _HEADING.split(above[-1])[-1] if above else ""
    after = _HEADING.split(below[0])[0] if below else ""
    return Lesson(heading, before.strip(), after.strip())


def html(markdown: str) -> str:
    """Return Markdown as HTML; what stands between dollars as MathML, tags as plain text."""
    from latex2mathml.converter import convert
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def draw(formula: str, options: dict) -> str:
        return convert(formula, display="block" if options["display_mode"] else "inline")

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.use(dollarmath_plugin, renderer=draw, double_inline=True, allow_labels=False)
    return reader.render(markdown)

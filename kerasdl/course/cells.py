"""Which cells has a chapter's script? Prose and code, in their order, as jupytext's percent form has them.

A script's text goes in, a list of :class:`Cell` comes out.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        prose: whether it is markdown, and not code.
        line: of the script, the one below the cell's ``# %%``, counted from 1.
        text: markdown without its comment signs, or code; no empty lines around it.
    """

    prose: bool
    line: int
    text: str


def read(text: str) -> list[Cell]:
    """Return the script's cells; what stands before the first ``# %%`` is none.

    Example:
        >>> cells = read("# %% [markdown]\\n# # One\\n\\n# %%\\nx = 1\\n")
        >>> [(cell.prose, cell.line, cell.text) for cell in cells]
        [(True, 2, '# One'), (False, 5, 'x = 1')]
    """
    marks = list(re.finditer(r"^# %%(?P<kind>.*)\n", text, re.MULTILINE))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found = []
    for mark, end in zip(marks, ends, strict=True):
        prose, body = mark["kind"].strip() == "[markdown]", text[mark.end() : end]
        if prose:
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
        found.append(Cell(prose, text.count("\n", 0, mark.end()) + 1, body.strip("\n")))
    return found

"""How is a pandas table printed on a page of 80 columns?

A table goes in; text comes out. Where it is too wide, headings take several lines; columns that still find no
room follow below, with the rows' names before them.
"""

import textwrap
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def text(frame: "pd.DataFrame", digits: int = 4, width: int = 80) -> str:
    """Return a table in lines of at most ``width`` characters, if no single column is wider.

    Args:
        frame: with names for rows and columns.
        digits: significant digits of numbers.
        width: of the page.

    Example:
        >>> import pandas as pd
        >>> wide = pd.DataFrame({"training error": [0.25], "test error": [1.0]}, index=["line"])
        >>> print(text(wide, width=20))
             training  test
                error error
        line     0.25     1
    """
    shown = frame.map(lambda entry: readable(entry, digits))
    whole = shown.to_string()
    if _wide(whole) <= width:
        return whole
    if frame.columns.nlevels == 1:
        for letters in (16, 12, 8, 1):
            shown.columns = _in_lines(frame.columns, shown, letters)
            if _wide(_table(shown)) <= width:
                break
    parts, first = [], 0
    while first < len(shown.columns):
        last = len(shown.columns)
        while last > first + 1 and _wide(_table(shown.iloc[:, first:last])) > width:
            last -= 1
        parts.append(_table(shown.iloc[:, first:last]))
        first = last
    return "\n\n".join(parts)


def readable(entry: Any, digits: int) -> str:
    """A table's entry; numbers with so many significant digits, whole ones whole."""
    if isinstance(entry, Integral) or not isinstance(entry, Real):  # NumPy's numbers are numbers, too
        return str(entry)
    number = float(entry)
    return str(int(number)) if number.is_integer() and abs(number) < 1e6 else f"{number:.{digits}g}"


def _in_lines(columns: "pd.Index", shown: "pd.DataFrame", letters: int) -> "pd.MultiIndex":
    """Headings broken between words, one level a line, at the width of the entries or of so many letters."""
    import pandas as pd

    broken = []
    for place, heading in enumerate(map(str, columns)):
        widest = max(letters, *map(len, shown.iloc[:, place]))
        broken.append(textwrap.wrap(heading, widest, break_long_words=False) or [""])
    lines = max(map(len, broken))
    filled = [[""] * (lines - len(pieces)) + pieces for pieces in broken]  # they end next to the entries
    names = [*[None] * (lines - 1), columns.name]
    return pd.MultiIndex.from_arrays([list(line) for line in zip(*filled, strict=True)], names=names)


def _table(shown: "pd.DataFrame") -> str:
    # Left to itself pandas writes a word that two neighbouring headings share only once.
    lines = shown.to_string(sparsify=False).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def _wide(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)

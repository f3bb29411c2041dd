"""Which name was meant, and can it be shown?

A word and the known names go in; out comes the word, or an error with the nearest name. Only the standard
library is needed, so that the command line answers at once.
"""

import difflib
import re
from collections.abc import Iterable

# C0 and C1 (a terminal's commands begin there), DEL, line separators, and what turns the order round.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return text as one line without control signs: each becomes ``�``.

    Example:
        >>> printable("red \\x1b[31m")
        'red �[31m'
    """
    return _HIDDEN.sub("�", text).encode("utf-8", "replace").decode()


def nearest(value: str, names: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the name closest to ``value``, or the list of names if none is close.

    Example:
        >>> nearest("polynomal", ["polynomial", "linear"])
        "did you mean 'polynomial'?"
    """
    names = sorted(names)
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def one_of(argument: str, value: str, names: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``names``.

    Raises:
        ValueError: it is not; the message gives the nearest name.
    """
    names = list(names)
    if value not in names:
        raise ValueError(f"{argument}={value!r} is not known; {nearest(str(value), names)}")
    return value

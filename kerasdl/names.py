"""Which name was meant?

A word and the known names go in; out comes the word, or an error with the nearest name. Only the standard
library is needed, so that the command line answers at once.
"""

import difflib
from collections.abc import Iterable


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

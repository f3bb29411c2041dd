"""What can a screen show? The signs that it has, and no commands to the terminal hidden in a name.

Text goes in; text that can be printed anywhere comes out.
"""

import re
import sys

# C0 and C1 (a terminal's commands begin there), DEL, line separators, and what turns the order round.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return text as one line without control signs: each becomes ``�``.

    Example:
        >>> printable("red \\x1b[31m")
        'red �[31m'
    """
    return _HIDDEN.sub("�", text).encode("utf-8", "replace").decode()


def replace_unknown_signs() -> None:
    """Let standard output show ``?`` for signs that its encoding lacks, where it would raise."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

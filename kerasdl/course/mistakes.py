"""What does a reader see where something is amiss? A line, with the setting or the line in the copy.

An exception or a warning goes in; a line for the screen comes out, in place of Python's own answer
(:data:`sys.excepthook`, :func:`warnings.formatwarning`).
"""

import sys
import textwrap
import traceback
from pathlib import Path
from types import TracebackType

STOPPED = "training stopped: "  # how the line on a training that diverged begins


def warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning in lines of 80 columns, without the place in our files that it comes from.

    Example:
        >>> print(warned("few rows are left", UserWarning, "x.py", 1), end="")
        UserWarning: few rows are left
    """
    return textwrap.fill(f"{category.__name__}: {message}", 80, subsequent_indent="  ") + "\n"


def explain(
    script: Path, changed: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in a line what a changed setting or code of one's own led to.

    Training that diverges is a finding, the rest an error; that of a copy begins with the lines of the copy
    that lead to it.
    """
    if issubclass(kind, FloatingPointError):
        print(textwrap.fill(f"{STOPPED}{error}", 80, initial_indent="\n"), flush=True)
        raise SystemExit(0)
    if not issubclass(kind, Exception):
        sys.__excepthook__(kind, error, trace)
        return
    reason = " ".join(f"{error}".split()) or kind.__name__
    if changed:
        raise SystemExit(f"{changed}: the chapter cannot run like this: {reason}")
    frames = traceback.extract_tb(trace)
    lines = [str(frame.lineno) for frame in frames if Path(frame.filename).resolve() == script]
    way, short = " → ".join(dict.fromkeys(lines)), textwrap.shorten(reason, 400, placeholder=" …")
    raise SystemExit(f"{script.name}, line {way}: {kind.__name__}: {short}")

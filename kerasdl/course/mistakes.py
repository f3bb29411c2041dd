"""What does a reader see who changed a chapter so that it cannot run? A line, with the place or the setting.

An exception goes in; a line on the screen and an exit code come out. It takes the place of Python's own
answer (:data:`sys.excepthook`) where a setting was changed or a copy runs.
"""

import sys
import textwrap
import traceback
from pathlib import Path
from types import TracebackType


def explain(
    script: Path, changed: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in a line what a changed setting or code of one's own led to.

    Training that diverges is a finding, the rest an error; that of a copy begins with the lines of the copy
    that lead to it.
    """
    if issubclass(kind, FloatingPointError):
        print(textwrap.fill(f"training stopped: {error}", 80, initial_indent="\n"), flush=True)
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

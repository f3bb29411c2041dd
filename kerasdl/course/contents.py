"""What stands in the table of contents? Titles, minutes and files, at any width; a chapter's settings.

Scripts go in, text comes out. It needs nothing but the standard library: ``kerasdl list`` answers at once.
"""

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from kerasdl.course import reached
from kerasdl.course.syllabus import Script

MARGIN = 27  # where titles begin


def chapters(scripts: Sequence[Script]) -> str:
    """Return each chapter's number, name, title, time in full and file, not wider than the terminal."""
    return "\n".join(line for script in scripts for line in _chapter(script))


def settings(scripts: Sequence[Script]) -> str:
    """Return each chapter's summary, settings and the commands that use them."""
    return "\n\n".join(_settings(script) for script in scripts)


def _chapter(script: Script) -> list[str]:
    title = textwrap.wrap(script.title, max(20, width() - MARGIN))
    first = f"{script.number}  {script.name}"
    lines = [f"{first:<{MARGIN}}{title[0]}", *[" " * MARGIN + line for line in title[1:]]]
    return [*lines, f"    {_relative(script.path)} · {_minutes(script)}"]


def _settings(script: Script) -> str:
    written = {name: f"{name}={value!r}" for name, value in script.settings.items()}
    # Beside a setting that is very long the fast ones would lie far out.
    wide = min(max(10, *map(len, written.values())), width() - 24)
    lines = [
        *textwrap.wrap(f"{script.number}  {script.title}", width(), subsequent_indent="    "),
        *textwrap.wrap(script.summary, width(), initial_indent="    ", subsequent_indent="    "),
        f"    {_relative(script.path)} · {_minutes(script)} in full",
        "",
        f"    {'setting':<{wide}}  with --fast",
    ]
    for name, setting in written.items():
        fast = f"{script.fast[name]!r}" if name in script.fast else ""
        together = f"    {setting:<{wide}}  {fast}".rstrip()
        lines += [together] if len(together) <= width() else [f"    {setting}", f"    {'':<{wide}}  {fast}"]
    first = next(iter(script.settings))
    lines += ["", f"    kerasdl run {script.name} --set {first}=…", "    changes one of them"]
    return "\n".join(lines)


def _minutes(script: Script) -> str:
    """How long the full chapter took when it was last recorded, on the data that come with the package."""
    runs = reached.read(script.path.parent, script.name).get("runs", [])
    seconds = min((run["seconds"] for run in runs), default=None)
    if seconds is None:
        return "minutes"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def width() -> int:
    """Return how many columns the terminal has, at least 60; 80 where the output is a file."""
    return max(60, shutil.get_terminal_size().columns)

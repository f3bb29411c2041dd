"""What does each public name do? A page for each room, from its docstrings, with the chapters."""

import inspect
from functools import cache
from pathlib import Path

from builder import names, tree
from builder.runs import Told
from kerasdl.course import syllabus


def write(found: list[Told], source: Path) -> None:
    """Write a page for every public room."""
    for room in names.rooms():
        tree.page(source, f"api/{room.name}.rst", text(room))


def pages() -> dict[str, str]:
    """Return each room's page and its title."""
    return {f"api/{name}": name for name in names.ROOMS}


def text(room: names.Room) -> str:
    """Return a room's page, as reStructuredText: its words, a table of its names, each in full."""
    lines = [room.name, "=" * len(room.name), "", f".. automodule:: {room.name}", ""]
    if len(room.documented) > 3:
        lines += [".. list-table::", "   :class: names", "   :widths: auto", ""]
        for name in room.documented:
            said = (inspect.getdoc(getattr(room.module, name)) or "").partition("\n")[0]
            lines += [f"   * - :py:obj:`~{room.name}.{name}`", f"     - {said}"]
    for name in room.documented:
        kind = "class" if isinstance(getattr(room.module, name), type) else "function"
        lines += ["", f".. auto{kind}:: {room.name}.{name}"]
        if kind == "class":
            lines += ["   :members:", "   :inherited-members:"]
    for name in room.others:
        lines += ["", f".. py:data:: {room.name}.{name}"]
    return "\n".join(lines)


@cache
def users() -> dict[str, list[tuple[str, str]]]:
    """Return for each public name the chapters that use it: page and title."""
    found: dict[str, list[tuple[str, str]]] = {}
    for script in syllabus.scripts():
        for name in names.used(script.path.read_text(encoding="utf-8")):
            title = f"{script.number} {script.title.partition(':')[0]}"
            found.setdefault(name, []).append((f"tutorials/{script.path.stem}", title))
    return found

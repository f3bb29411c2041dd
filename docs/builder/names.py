"""Which names are public, and where are they used? Rooms and their names; scripts and the names in them."""

import ast
import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from types import ModuleType

ROOMS = (
    "kerasdl",
    "kerasdl.models",
    "kerasdl.layers",
    "kerasdl.initializers",
    "kerasdl.training",
    "kerasdl.estimators",
    "kerasdl.selection",
    "kerasdl.devices",
    "kerasdl.shift",
    "kerasdl.shift.simulate",
    "kerasdl.scratch",
    "kerasdl.datasets",
    "kerasdl.text",
    "kerasdl.plots",
    "kerasdl.course",
)


@dataclass(frozen=True)
class Room:
    """A module that people import, and its public names: classes and functions first, then the rest."""

    name: str
    module: ModuleType
    documented: list[str]
    others: list[str]


@cache
def rooms() -> list[Room]:
    """Import every public room."""
    found = []
    for name in ROOMS:
        module = importlib.import_module(name)
        public = getattr(module, "__all__", None) or [
            own
            for own, value in vars(module).items()
            if not own.startswith("_") and getattr(value, "__module__", None) == name
        ]
        public = [own for own in public if not inspect.ismodule(getattr(module, own))]
        documented = [own for own in public if _has_own_words(getattr(module, own))]
        found.append(Room(name, module, documented, [own for own in public if own not in documented]))
    return found


@cache
def every() -> dict[str, object]:
    """Return every public class and function by its full name."""
    return {f"{room.name}.{own}": getattr(room.module, own) for room in rooms() for own in room.documented}


def aliases(text: str) -> dict[str, str]:
    """Return what the names that a program imports from here stand for.

    Example:
        >>> aliases("import kerasdl\\nfrom kerasdl import models as m\\nimport numpy as np")
        {'kerasdl': 'kerasdl', 'm': 'kerasdl.models'}
    """
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "kerasdl":
                    found[name.asname or "kerasdl"] = name.name if name.asname else "kerasdl"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kerasdl":
            found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return found


def used(text: str) -> list[str]:
    """Return the public names that a program uses, in their order of first use."""
    known, meant = every(), aliases(text)
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            if first in meant:
                full = f"{meant[first]}.{rest}" if rest else meant[first]
                if full in known:
                    found[full] = None
    return list(found)


def _has_own_words(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)

"""Which backend runs? Answered before Keras is loaded, and without loading any of them."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from kerasdl import names

NAMES = ("tensorflow", "jax", "torch")


class Choice(NamedTuple):
    """A backend's name and, in words, why it is that one."""

    name: str
    reason: str


def installed() -> list[str]:
    """Return the names of the backends that this Python can find, in Keras's order. None is imported."""
    return [name for name in NAMES if importlib.util.find_spec(name)]


def install_command(name: str) -> str:
    """Return the command that installs a backend beside kerasdl."""
    return f"pip install 'kerasdl[{name}]'"


def choose(name: str | None = None) -> Choice:
    """Return the backend to use: ``name``, else what is configured, else one that is installed.

    The configuration is Keras's own: ``KERAS_BACKEND``, then ``keras.json``. Keras writes "tensorflow" into
    that file by itself on its first import, so there it counts only where TensorFlow is installed.

    Raises:
        ValueError: the name is not a backend's.
        ModuleNotFoundError: the backend, or every backend, is not installed; the message has the command.
    """
    found = installed()
    if name:
        return Choice(_require("backend", name, found), "as asked")
    if variable := os.environ.get("KERAS_BACKEND"):
        return Choice(_require("KERAS_BACKEND", variable, found), "set by KERAS_BACKEND")
    if not found:
        raise ModuleNotFoundError(f"no backend is installed: {install_command('jax')} is the lightest")
    if _in_keras_json() in found:
        return Choice(_in_keras_json(), "set in keras.json")
    only = len(found) == 1
    return Choice(found[0], "the one installed" if only else f"the first of {', '.join(found)}")


def use(name: str | None = None) -> Choice:
    """Choose a backend for this process, before Keras is loaded, and return the choice.

    Raises:
        RuntimeError: Keras already runs on another backend.
        ValueError, ModuleNotFoundError: as :func:`choose`.
    """
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if name not in (None, running):
            raise RuntimeError(f"backend={name!r}, but Keras already runs on {running!r}: start a new Python")
        return Choice(running, "already loaded")
    choice = choose(name)
    os.environ["KERAS_BACKEND"] = choice.name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build help no reader
    return choice


def _require(argument: str, name: str, found: list[str]) -> str:
    names.one_of(argument, name, NAMES)
    if name not in found:
        raise ModuleNotFoundError(f"{argument}={name!r} is not installed: {install_command(name)}")
    return name


def _in_keras_json() -> str | None:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text()).get("backend")
    except (OSError, ValueError):
        return None

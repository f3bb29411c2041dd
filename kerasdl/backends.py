"""Which backend runs? Settled before Keras is loaded, and without importing any of them.

In go a name, the environment and what is installed; out comes the backend's name, and why it is that one.
"""

import importlib.util
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from kerasdl import files, names

# Those that kerasdl has kernels for, and that train.
NAMES = ("tensorflow", "jax", "torch")
# Keras's other ones: they run models forward, and recurrent layers by Keras's own loops.
OTHERS = ("numpy", "openvino")


class Choice(NamedTuple):
    """A backend's name and, in words, why it is that one."""

    name: str
    reason: str


def installed() -> list[str]:
    """Return which of :data:`NAMES` this Python can find, in Keras's order. None is imported."""
    return [name for name in NAMES if importlib.util.find_spec(name)]


def version(package: str) -> str | None:
    """Return which version of a package is installed, or None. It is not imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def install_command(name: str) -> str:
    """Return the command that installs a backend beside kerasdl."""
    return f"pip install {name}" if name in OTHERS else files.pip_install(name)


def choose(name: str | None = None, train: bool = False) -> Choice:
    """Return the backend to use: ``name``, else what is configured, else one that is installed.

    The configuration is Keras's own: ``KERAS_BACKEND``, then ``keras.json``. Keras writes "tensorflow" into
    that file on its first import, unasked: there it counts only where TensorFlow is installed.

    Args:
        name: one of :data:`NAMES` or :data:`OTHERS`, or None.
        train: refuse a backend that only runs models forward.

    Raises:
        ValueError: the name is not a backend's, or the backend does not train.
        ModuleNotFoundError: the backend, or every backend, is not installed; the message has the command.

    Example:
        >>> choose("numpy")
        Choice(name='numpy', reason='as asked')
    """
    if name:
        return Choice(_require("backend", name, train), "as asked")
    if variable := os.environ.get("KERAS_BACKEND"):
        return Choice(_require("KERAS_BACKEND", variable, train), "set by KERAS_BACKEND")
    found, written = installed(), _in_keras_json()
    if written is not None and written in (*found, *OTHERS):
        return Choice(_require("backend in keras.json", written, train), "set in keras.json")
    if not found:
        raise ModuleNotFoundError(f"no backend is installed: {install_command('jax')} is the lightest")
    only = len(found) == 1
    return Choice(found[0], "the one installed" if only else f"the first of {', '.join(found)}")


def use(name: str | None = None, train: bool = False) -> Choice:
    """Choose a backend for this process, before Keras is loaded, and return the choice.

    Args:
        name, train: as for :func:`choose`.

    Raises:
        RuntimeError: Keras already runs on another backend.
        ValueError, ModuleNotFoundError: as :func:`choose`.
    """
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if name not in (None, running):
            raise RuntimeError(f"backend={name!r}, but Keras already runs on {running!r}: start a new Python")
        return Choice(_require("backend", running, train), "already loaded")
    choice = choose(name, train)
    os.environ["KERAS_BACKEND"] = choice.name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build help no reader
    return choice


def _require(argument: str, name: str, train: bool) -> str:
    names.one_of(argument, name, (*NAMES, *OTHERS))
    if train and name in OTHERS:
        raise ValueError(f"{argument}={name!r} runs models but cannot train them: use {', '.join(NAMES)}")
    there = name in installed() if name in NAMES else importlib.util.find_spec(name) is not None
    if not there:
        raise ModuleNotFoundError(f"{argument}={name!r} is not installed: {install_command(name)}")
    return name


def _in_keras_json() -> str | None:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text()).get("backend")
    except (OSError, ValueError):
        return None

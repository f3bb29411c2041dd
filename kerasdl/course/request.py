"""What is asked of a chapter? Its command line, and settings written as words."""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import backends, files, names


def read(name: str) -> argparse.Namespace:
    """What the command line asks of this chapter; the defaults where another program (a notebook) runs it."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--fast", action="store_true", help="small settings, seconds instead of minutes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    parser.add_argument("--backend", choices=backends.NAMES, help="default: as configured or installed")
    parser.add_argument("--devices", type=int, default=1, help="on how many each model trains")
    parser.add_argument("--out", type=Path, default=files.RESULTS, help="folder for figures and results")
    ours = Path(sys.argv[0]).stem.partition("_")[2] == name
    return parser.parse_args(sys.argv[1:] if ours else [])


def overrides(assignments: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` words into settings, each of the kind that its default is.

    Raises:
        ValueError: no ``=``, an unknown name, or a value of another kind.

    Example:
        >>> overrides(["epochs=20", "cells=gru,lstm"], {"epochs": 100, "cells": ("rnn",)})
        {'epochs': 20, 'cells': ('gru', 'lstm')}
    """
    chosen = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator:
            raise ValueError(f"--set {assignment!r}: write NAME=VALUE")
        default = settings[names.one_of("setting", name, settings)]
        chosen[name] = _parse(name, text, default)
    return chosen


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    lists_names = isinstance(default, tuple) and default and isinstance(default[0], str)
    if lists_names and "(" not in text:
        return tuple(text.split(","))
    try:
        value = ast.literal_eval(text)
        if isinstance(default, tuple) and not isinstance(value, tuple):
            value = (value,)
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is type(default):
            return value
    except (ValueError, SyntaxError):
        pass  # answered below, with every other value that does not fit
    raise ValueError(f"{name}={text!r} is not of the same kind as its default: {name}={default!r}")

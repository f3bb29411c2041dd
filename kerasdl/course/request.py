"""What is asked of a chapter? One parser for a script, the command line and a notebook.

In come words such as ``--fast --set noise=1.0``; out come the options, and settings of the right kind. A
script reads the words after its own name, ``kerasdl run`` the words after ``run``, a notebook those that it
gives to :func:`notebook`.
"""

import argparse
import ast
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from kerasdl import backends, files, names
from kerasdl.course import limits

_in_notebook = ""  # the words given to notebook()


class Refused(ValueError):
    """A request that cannot be met, or a result that does not hold: one line says which and what mends it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the line, without the way to it."""
        return [str(self)]


class Parser(argparse.ArgumentParser):
    """Answers what it does not understand in one line, with the nearest word it knows."""

    def error(self, message: str) -> NoReturn:
        """Raise :class:`Refused` with the message."""
        if unknown := re.search(
            r"(?:argument (\S+): )?invalid choice: '(.+?)' \(choose from (.+)\)", message
        ):
            choices = [word.strip(" '") for word in unknown[3].split(",")]
            which = f"{unknown[1]} " if (unknown[1] or "").startswith("-") else ""
            message = f"{which}{unknown[2]!r} is not known; {names.nearest(unknown[2], choices)}"
        raise Refused(message)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options that every way to run a chapter has."""
    add_settings(parser)
    parser.add_argument(
        "--backend",
        nargs="+",
        action="extend",
        metavar="B",
        choices=[*backends.NAMES, "all"],
        help="tensorflow, jax, torch, or all that are installed; default: the one configured or installed",
    )
    parser.add_argument(
        "--devices", type=whole, default=1, metavar="N", help="share every batch out among N devices"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=files.RESULTS,
        metavar="DIR",
        help=f"for the results, default: {files.RESULTS}; a chapter's earlier ones stand until it has ended",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options that choose a chapter's settings."""
    parser.add_argument(
        "--fast",
        action="store_true",
        help="small settings: seconds a chapter instead of a minute; results go to DIR/fast",
    )
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="change settings, such as epochs=20 or hidden=64,32; `kerasdl list CHAPTER` shows a chapter's "
        "settings and their values; results go to DIR/changed",
    )


def replace_unknown_signs() -> None:
    """Let standard output show ``?`` for signs that its encoding lacks, where it would raise."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def notebook(words: str = "") -> None:
    """Say how the chapters of this notebook run, in the words of the command line.

    Stands in a cell above ``course.Chapter(…)``; without it a notebook runs the full settings.

    Args:
        words: such as ``"--fast"`` or ``"--set noise=1.0 epochs=20 --backend jax"``.

    Raises:
        Refused: a word that no chapter knows.

    Example:
        >>> notebook("--fast --set noise=1.0")
        >>> notebook()  # back to the full settings
    """
    global _in_notebook
    _parse_words(shlex.split(words), "course.notebook")
    _in_notebook = words


def read(script: Path | None) -> argparse.Namespace:
    """What is asked of the chapter in this script, or, where there is none, in this notebook.

    Raises:
        Refused: a word that is not understood.
    """
    words = shlex.split(_in_notebook) if script is None else sys.argv[1:]
    options = _parse_words(words, "course.notebook" if script is None else script.name)
    several = options.backend or []
    if "all" in several or len(set(several)) > 1:
        raise Refused(f"--backend {' '.join(several)}: give one here; `kerasdl run` runs several in turn")
    options.backend = several[0] if several else None
    return options


def script(caller: Mapping[str, Any]) -> Path | None:
    """The script whose globals these are, if it is the program that runs; none in a notebook."""
    path = caller.get("__file__")
    if caller.get("__name__") != "__main__" or not path or not sys.argv[0]:
        return None
    path = Path(path).resolve()
    # An editor that runs a script's cells in a kernel names the file, too; its words are the kernel's.
    return path if Path(sys.argv[0]).resolve() == path else None


def _parse_words(words: Sequence[str], program: str) -> argparse.Namespace:
    parser = Parser(program, description="One chapter of the course.", allow_abbrev=False)
    add_options(parser)
    return parser.parse_args(words)


def whole(text: str) -> int:
    if re.fullmatch(r"\d+", text) and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")


def overrides(
    assignments: Sequence[str], settings: Mapping[str, Any], chapter: str | None = None
) -> dict[str, Any]:
    """Read ``NAME=VALUE`` words into settings, each of the kind that its default is.

    Args:
        assignments: the words.
        settings: each setting and its default.
        chapter: one of the course's own, whose settings have limits.

    Returns:
        The settings that the words name, and their new values.

    Raises:
        Refused: no ``=``, an unknown name, a value of another kind or beyond the setting's limits.

    Example:
        >>> overrides(["epochs=20", "cells=gru,lstm"], {"epochs": 100, "cells": ("rnn",)})
        {'epochs': 20, 'cells': ('gru', 'lstm')}
    """
    chosen = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator:
            raise Refused(f"--set {assignment!r}: write NAME=VALUE")
        if name not in settings:
            raise Refused(f"setting={name!r} is not known; {names.nearest(name, settings)}")
        chosen[name] = _parse(name, text, settings[name])
        if chapter:
            try:
                limits.hold(chapter, name, chosen[name], settings[name])
            except ValueError as error:
                raise Refused(str(error)) from None
    return chosen


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    lists_names = isinstance(default, tuple) and default and isinstance(default[0], str)
    if lists_names and "(" not in text:
        return tuple(word.strip() for word in text.split(",") if word.strip())
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = None  # answered below, with every other value that does not fit
    if isinstance(default, tuple):
        every = value if isinstance(value, tuple) else (value,)
        read = [_alike(entry, default[0]) if default else entry for entry in every]
        if None not in read:
            return tuple(read)
    elif (read_one := _alike(value, default)) is not None:
        return read_one
    raise Refused(f"{name}={text!r} is not of the same kind as its default: {name}={default!r}")


def _alike(value: Any, default: Any) -> Any:
    """The value as the default's type, or None; a whole number may stand for a real one."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    return value if type(value) is type(default) else None

"""How is a chapter opened as a notebook? ``kerasdl notebook [CHAPTER …] [--to DIR]`` writes ``.ipynb`` files.

Chapters' scripts go in; out come notebooks with the same cells and one more, which says how the chapter runs.
"""

import importlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import files
from kerasdl.course import syllabus

OPENING = """\
# How this notebook runs, in the words of the command line: "--fast" takes seconds, "--set noise=1.0" changes
# a setting, "--backend torch" the backend (restart the kernel for that); "" is the full chapter.
from kerasdl import course

course.notebook({words!r})"""


def write(
    scripts: Sequence[syllabus.Script],
    to: Path,
    fast: bool = False,
    settings: Sequence[str] = (),
    execute: bool = False,
) -> list[Path]:
    """Write chapters as notebooks and return their paths.

    Args:
        scripts: the chapters.
        to: the folder they go to, ``to/NN_name.ipynb``.
        fast: whether they use the fast settings.
        settings: ``NAME=VALUE`` words; each goes to the chapters that have such a setting.
        execute: also run each from top to bottom, and keep its outputs.

    Raises:
        ModuleNotFoundError: what makes (or runs) notebooks is not installed.
    """
    jupytext = _need("jupytext")
    written = []
    for script in scripts:
        notebook = of(script, fast, settings)
        if execute:
            to.mkdir(parents=True, exist_ok=True)
            where = {"metadata": {"path": to}}  # as when it is opened there
            _need("nbclient").NotebookClient(notebook, timeout=None, resources=where).execute()
        written.append(files.write(to / f"{script.path.stem}.ipynb", jupytext.writes(notebook, fmt="ipynb")))
    return written


def of(script: syllabus.Script, fast: bool = False, settings: Sequence[str] = ()) -> Any:
    """Return a chapter as a notebook (an ``nbformat`` node), not yet run.

    Raises:
        ModuleNotFoundError: jupytext is not installed.
    """
    notebook = _need("jupytext").reads(script.path.read_text(encoding="utf-8"), fmt="py:percent")
    words = ["--fast"] if fast else []
    for setting in settings:
        if setting.partition("=")[0] in script.settings:
            words += ["--set", shlex.quote(setting)]
    opening = _need("nbformat").v4.new_code_cell(OPENING.format(words=" ".join(words)))
    first = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, opening)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # drawn at random otherwise: the same chapter is the same file
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def _need(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error.name} is not installed: {files.pip_install('notebook')}") from None

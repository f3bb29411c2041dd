"""Which runs does the site show? Each chapter's, by backend, with what it found and what it showed.

A results folder goes in; out come :class:`Told`, a chapter each, in the course's order.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasdl.course import cells, reached, results, shown, syllabus, workplace

TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


@dataclass(frozen=True)
class Run:
    """One chapter on one backend.

    Attributes:
        result: its numbers.
        outputs: for each code cell what it showed.
        folder: where its figures are.
    """

    result: results.Result
    outputs: list[list[dict[str, Any]]]
    folder: Path


@dataclass(frozen=True)
class Told:
    """A chapter, its script and its runs.

    Attributes:
        script: as it stands in the syllabus.
        cells: prose and code.
        runs: backend → its run, in the order of ``TITLES``.
    """

    script: syllabus.Script
    cells: list[cells.Cell]
    runs: dict[str, Run]

    @property
    def page(self) -> str:
        """The name of its page, from the root of the site."""
        return f"tutorials/{self.script.path.stem}"

    @property
    def one(self) -> Run:
        """The run that stands for all where they are alike: JAX's, else the first."""
        return self.runs.get("jax") or next(iter(self.runs.values()))


def load(folder: Path) -> list[Told]:
    """Read all chapters' runs.

    Raises:
        FileNotFoundError: there is none, or one did not end well.
        ValueError: one was made of other code than the chapter's.
    """
    results.load_all(folder)  # answers where there is nothing, or where something cannot be read
    told = []
    for script in syllabus.scripts():
        parts = cells.read(script.path.read_text(encoding="utf-8"))
        kept: dict[str, Run] = {}
        for kind in ("full", "fast"):  # fast runs stand in where there is no full one
            homes = {b: workplace.home(folder, kind) / b / script.name for b in TITLES}
            kept = kept or {b: _run(home, parts) for b, home in homes.items() if home.exists()}
        if kept:
            told.append(Told(script, parts, kept))
    if not told:
        raise FileNotFoundError(f"no chapter of the course under {folder}: `kerasdl run --out {folder}`")
    return told


def _run(folder: Path, parts: list[cells.Cell]) -> Run:
    left = shown.load(folder)
    if [cell["code"] for cell in left] != [reached.code(cell.text) for cell in parts if not cell.prose]:
        raise ValueError(f"{folder.name} has changed since {folder} was made: run it again")
    return Run(results.load(folder / results.FILE), [cell["outputs"] for cell in left], folder)

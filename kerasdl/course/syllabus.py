"""Which chapters are there? Read off the scripts themselves, without running them.

The folder ``tutorials`` goes in; out come titles, settings and exercises, as :class:`Script`.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasdl import files, names


@dataclass(frozen=True)
class Script:
    """A chapter as its script declares it.

    Attributes:
        path: ``…/NN_name.py``.
        number: ``NN``.
        name: what follows it, the chapter's name.
        title, summary: the heading and the first sentence of the opening cell.
        settings: each setting and its value in a full run.
        fast: what ``--fast`` changes.
        exercises: the bullets under ``## What to try``.
    """

    path: Path
    number: str
    name: str
    title: str
    summary: str
    settings: dict[str, Any]
    fast: dict[str, Any]
    exercises: list[str]


def scripts() -> list[Script]:
    """Return every chapter, in the course's order."""
    return [read(path) for path in sorted(files.folder("tutorials").glob("[0-9][0-9]_*.py"))]


def find(name: str) -> Script:
    """Return the chapter called ``polynomial_fit``, ``04_polynomial_fit``, ``04`` or ``4``.

    Or that in a script of one's own, ``path/to/mine.py``.

    Raises:
        ValueError: there is none; the message gives the nearest name.
    """
    every = scripts()
    for script in every:
        if name in (script.name, script.path.stem) or (name.isdigit() and int(name) == int(script.number)):
            return script
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise ValueError(f"{name} is not there: give the path of a script, or a chapter by its name")
        return next((script for script in every if script.path == path), None) or read_own(path)
    raise ValueError(f"chapter {name!r} is not known; {names.nearest(name, [s.name for s in every])}")


def read(path: Path) -> Script:
    """Read a chapter's declarations.

    Raises:
        ValueError: the opening cell or the ``course.Chapter(…)`` call is missing or not as it should be.
    """
    number, _, name = path.stem.partition("_")
    script = _read(path, number, name)
    if not script.title:
        raise ValueError(f"{path.name}: open with a markdown cell: a '# # Title', an empty line, a summary")
    declared = _declaration(path, ast.parse(path.read_text(encoding="utf-8")))["name"]
    if declared != name:
        raise ValueError(f"{path.name} declares the chapter {declared!r}: the names must agree")
    return script


def read_own(path: Path) -> Script:
    """Read a script that is no chapter of the course: one of one's own, or a copy.

    Its results bear its file's name; a title and a summary it may have.

    Raises:
        ValueError: the ``course.Chapter(…)`` call is missing or not as it should be.
    """
    return _read(path, "", called(path))


def called(path: Path) -> str:
    """Return the name of such a script's results: its file's own, never that of the course's chapters."""
    name = re.sub(r"^\d\d_", "", path.stem)
    return f"{name}-copy" if name in chapter_names() else name


def chapter_names() -> list[str]:
    """Return the names of the course's chapters, by their files alone."""
    return [path.stem[3:] for path in sorted(files.folder("tutorials").glob("[0-9][0-9]_*.py"))]


def _read(path: Path, number: str, name: str) -> Script:
    text = path.read_text(encoding="utf-8")
    try:
        declared = _declaration(path, ast.parse(text))
    except SyntaxError as error:
        raise ValueError(f"{path.name}, line {error.lineno}: {error.msg}") from error
    opening = re.match(r"# %% \[markdown\]\n# # (?P<title>.+)\n#\n(?P<summary>(?:# .+\n)+)", text)
    lines = opening["summary"].splitlines() if opening else []
    paragraph = " ".join(line.removeprefix("# ") for line in lines)
    summary = re.match(r".+?[.?!](?= |$)", paragraph)
    return Script(
        path,
        number,
        name,
        opening["title"] if opening else "",
        summary[0] if summary else paragraph,
        declared.get("settings", {}),
        declared.get("fast", {}),
        _exercises(text),
    )


def _exercises(text: str) -> list[str]:
    """The bullets of the cell headed ``## What to try``, each on one line."""
    _, _, cell = text.partition("# ## What to try\n")
    cell = re.split(r"^# (?:%%|## )", cell, maxsplit=1, flags=re.MULTILINE)[0]
    prose = "\n".join(line.removeprefix("#").removeprefix(" ") for line in cell.splitlines())
    return [" ".join(bullet.split()) for bullet in re.split(r"^- ", prose, flags=re.MULTILINE)[1:]]


def _declaration(path: Path, tree: ast.Module) -> dict[str, Any]:
    """The literal arguments of the script's one ``course.Chapter(…)`` call."""
    calls = [
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Call)
        and ast.unparse(statement.value.func) == "course.Chapter"
    ]
    if len(calls) != 1:
        raise ValueError(f"{path.name}: declare course.Chapter(…) once, not {len(calls)} times")
    arguments = dict(zip(("name", "settings", "fast"), calls[0].args, strict=False))
    arguments |= {keyword.arg: keyword.value for keyword in calls[0].keywords if keyword.arg}
    try:
        return {name: ast.literal_eval(value) for name, value in arguments.items()}
    except ValueError as error:
        raise ValueError(f"{path.name}: settings must be plain numbers, words and tuples") from error


def faults(script: Script) -> list[str]:
    """Return what a chapter lacks, a line each: results, a headline, exercises, a use for every setting."""
    text = script.path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    by_name: dict[str, list[ast.Call]] = {}
    for call in calls:
        by_name.setdefault(ast.unparse(call.func), []).append(call)
    found = []
    if not by_name.get("chapter.exact"):
        found.append("no result is exact: hold something that is true at any setting")
    if by_name.get("chapter.trained") and "headline" not in text:
        found.append("no trained result is a headline: choose the one or two that the chapter is about")
    ends = [n for n in tree.body if isinstance(n, ast.Expr) and ast.unparse(n) == "chapter.finish()"]
    if len(ends) != 1 or ends[0] is not tree.body[-1]:
        found.append("chapter.finish() is not its last statement")
    figures = [ast.unparse(call.args[0]) for call in by_name.get("chapter.figure", []) if call.args]
    found += [f"two figures are called {name}" for name in sorted(set(figures)) if figures.count(name) > 1]
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found += [f"its setting {name} is used nowhere" for name in script.settings if name not in used]
    if not script.exercises:
        found.append("nothing to try: end with a cell '## What to try' of bullets")
    return found

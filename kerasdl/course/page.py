"""What does a run of the course show at its end? A short page: what holds, what was learned, what to do next.

Results go in; at 80 columns, two lines a chapter come out, a legend and the commands that lead on.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kerasdl import files
from kerasdl.course import syllabus, workplace
from kerasdl.course.report import console, duration, mark, number
from kerasdl.course.results import Result, Trained

WIDEST = 100  # columns: in wider lines the eye loses its way


def show(found: Sequence[Result], out: Path) -> None:
    """Print the page of these runs, in the course's order.

    Args:
        found: of one backend or several, side by side.
        out: where their files are.
    """
    backends = list(dict.fromkeys(result.backend for result in found))
    full = any(not result.held for result in found)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="bold")
    table.add_column("")
    table.add_column("", ratio=1)
    table.add_column("exact", justify="right", no_wrap=True)
    for backend in backends:
        table.add_column("here" if len(backends) == 1 else backend, justify="right", no_wrap=True)
    if full:
        table.add_column("in full", justify="right", no_wrap=True)
    for name, runs in chapters(found).items():
        _chapter(table, name, runs, backends, full)
    paper = console()
    paper.print()
    paper.print(table, width=min(paper.width, WIDEST))
    paper.print(Text(_legend(full), style="dim"))
    paper.print(_next(found, out), soft_wrap=True)


def chapters(found: Sequence[Result]) -> dict[str, dict[str, Result]]:
    """Sort results by chapter, in the course's order, copies last, and by backend."""
    order = [script.name for script in syllabus.scripts()]
    names = dict.fromkeys(result.chapter for result in found)
    sorted_names = sorted(
        names, key=lambda name: (name not in order, order.index(name) if name in order else 0)
    )
    return {name: {r.backend: r for r in found if r.chapter == name} for name in sorted_names}


def _chapter(table: Table, name: str, runs: dict[str, Result], backends: list[str], full: bool) -> None:
    """A line with the chapter's title, what is exact and how long it took, and a line for each headline."""
    one = next(iter(runs.values()))
    counts = [(sum(check.holds for check in run.exact), len(run.exact)) for run in runs.values()]
    holds, exact = min(counts, key=lambda count: count[0] - count[1])
    table.add_row(
        mark(not any(run.broken for run in runs.values())),
        Text(titled(name), style="bold"),
        f"{holds} of {exact}",
        *[duration(runs[b].seconds) if b in runs else "–" for b in backends],
        *([duration(one.full_seconds)] if full else []),
    )
    for headline in headlines(one):
        measured = [_measured(runs.get(backend), headline.name) for backend in backends]
        table.add_row(
            "",
            Padding(Text(headline.name), (0, 0, 0, 3)),
            "",
            *measured,
            *([number(headline.full)] if full else []),
        )


def headlines(result: Result) -> list[Trained]:
    """What the chapter is about: the trained results that it chose, else its first one."""
    return [check for check in result.trained if check.headline] or result.trained[:1]


def titled(name: str) -> str:
    """A chapter's number and title, up to its colon; the name of what is not a chapter of the course."""
    script = next((script for script in syllabus.scripts() if script.name == name), None)
    return f"{script.number} {script.title.partition(':')[0]}" if script else name


def _measured(run: Result | None, name: str) -> str:
    values = [check.measured for check in run.trained if check.name == name] if run else []
    return number(values[0]) if values else "–"


def _legend(full: bool) -> str:
    said = [
        "",
        "exact    results that are true at any setting, and how many of them hold here",
        "here     how long this run took, and what it learned",
    ]
    if full:
        said.append("in full  the same of the chapter's full setting, as recorded (– not recorded)")
    said.append("✓ all that is promised holds   ✗ something does not: `kerasdl results` names it")
    return "\n".join(said)


def _next(found: Sequence[Result], out: Path) -> str:
    names = [result.chapter for result in found]
    name = "polynomial_fit" if "polynomial_fit" in names else names[0]
    change = "noise=1.0" if name == "polynomial_fit" else f"{next(iter(found[0].settings))}=…"
    where = "" if out == files.RESULTS else f" --out {out}"
    commands = {
        f"kerasdl results {name}{where}": "all numbers of a chapter",
        f"kerasdl list {name}": "its settings",
        f"kerasdl run {name} --set {change}": "with one of them changed",
        f"kerasdl run {name}": "the whole of it, in full",
        f"kerasdl answers {name}": "answers to its exercises",
    }
    wide = min(max(map(len, commands)), 46) + 2
    lines = [""]
    for command, what in commands.items():
        lines += (
            [f"  {command:<{wide}}{what}"]
            if len(command) < wide
            else [f"  {command}", " " * (wide + 2) + what]
        )
    homes = dict.fromkeys(f"{workplace.home(out, result.kind)}/BACKEND/CHAPTER" for result in found)
    return "\n".join(["", f"Figures and tables are in {' and '.join(homes)}. What next?", *lines])

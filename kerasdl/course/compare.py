"""Do the backends agree? Each result side by side, how far they lie apart, and how far they may.

Results of several backends go in; a table comes out, and whether all keep their tolerance.
"""

import math
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from rich.text import Text

from kerasdl.course import workplace
from kerasdl.course.report import console, mark, number
from kerasdl.course.results import Result

NARROWEST = 20  # columns for a name
LEGEND = "apart: how far the backends lie apart; at most: how far they may. ✓ kept, ✗ not, – no such result."

Runs = dict[str, list[Result]]  # by backend


def compare(
    found: Sequence[Result],
    order: Sequence[str] = (),
    failed: Mapping[tuple[str, str], Path] = MappingProxyType({}),
) -> bool:
    """Print every check with its backends side by side; return whether all keep their tolerance.

    Full, fast and changed runs are compared each for themselves. Where several backends have results of one
    kind, each must have those of every chapter.

    Args:
        found: results of any chapters and backends.
        order: names of the chapters as they are to stand; others follow.
        failed: by backend and chapter, folders of runs that failed after these, or in place of them.

    Returns:
        False also where a chapter is missing on a backend, failed there or found nothing, where there are two
        results of one backend, where runs differ in settings, data or code, and where several backends have
        results and none can be compared.
    """
    paper, kept, compared = console(), True, False
    every = sorted({result.backend for result in found})
    for kind in workplace.KINDS:
        runs: dict[str, Runs] = defaultdict(lambda: defaultdict(list))
        for result in found:
            if result.kind == kind:
                runs[result.chapter][result.backend].append(result)
        if not runs:
            continue
        backends = sorted({backend for chapter in runs.values() for backend in chapter})
        if len({result.kind for result in found}) > 1:
            paper.print(f"\n{kind} runs", style="bold")
        if len(backends) == 1:
            paper.print(
                f"Only {backends[0]} has {kind} runs here: run the chapters on another backend to compare."
            )
        table = _Table([*backends, "apart", "at most"])
        for chapter in _sorted(runs, order):
            kept &= _add(table, chapter, runs[chapter], backends, failed)
        compared |= len(backends) > 1
        paper.print(table.text(paper.width), soft_wrap=True)
    chapters = {(result.backend, result.chapter) for result in found}
    for (backend, chapter), path in sorted(failed.items()):
        if (backend, chapter) not in chapters:
            kept = False
            paper.print(f"✗ {chapter} failed on {backend}: see {path}", soft_wrap=True)
    paper.print(LEGEND, style="dim")
    return kept and (compared or len(every) == 1)


def _sorted(chapters: Iterable[str], order: Sequence[str]) -> list[str]:
    """The chapters in this order, others behind them as they come."""
    places = {name: place for place, name in reversed(list(enumerate([*order, *chapters])))}
    return sorted(chapters, key=places.__getitem__)


def _add(
    table: "_Table", chapter: str, runs: Runs, backends: list[str], lost: Mapping[tuple[str, str], Path]
) -> bool:
    """Add a chapter's rows; return whether all is well with it."""
    problem = _problem(chapter, runs, backends, lost)
    table.heading(chapter, problem)
    if problem:
        return False
    kept = True
    checks = {backend: {check.name: check for check in one.checks} for backend, (one,) in runs.items()}
    for name in dict.fromkeys(name for one in checks.values() for name in one):
        of = {backend: one[name] for backend, one in checks.items() if name in one}
        values = [check.measured for check in of.values()]
        # NaN hides from max and min, so it is looked for.
        spread = max(values) - min(values) if all(map(math.isfinite, values)) else math.nan
        tolerance = min(check.tolerance for check in of.values())
        good = spread <= tolerance and len(of) == len(runs)
        kept &= good
        cells = [number(of[backend].measured, 6) if backend in of else "–" for backend in backends]
        apart = number(spread, 2) if len(of) > 1 else ""
        table.row(None if len(runs) == 1 else good, name, [*cells, apart, number(tolerance, 2)])
    return kept


def _problem(chapter: str, runs: Runs, backends: list[str], lost: Mapping[tuple[str, str], Path]) -> str:
    """Why a chapter can't be compared, in words; empty where it can."""
    for backend in backends:
        if path := lost.get((backend, chapter)):
            return f"its last run on {backend} failed: see {path}"
        if backend not in runs:
            return f"missing on {backend}"
        if len(runs[backend]) > 1:
            return f"there are {len(runs[backend])} results that say {backend}: keep one"
        if not runs[backend][0].checks:
            return f"it found nothing on {backend}"
    for aspect in ("fast", "settings", "data", "code"):
        values = {backend: str(getattr(one, aspect)) for backend, (one,) in runs.items()}
        if len(set(values.values())) > 1:
            said = "; ".join(f"{backend} {value}" for backend, value in values.items())
            return f"not comparable: {aspect} differ: {said}"
    return ""


class _Table:
    """Lines of a mark, a name and numbers. rich's own tables take seconds for ten thousand lines."""

    def __init__(self, headings: list[str]):
        self.headings = headings
        self.rows: list[tuple[bool | None, str, list[str]]] = []  # a row without numbers heads a chapter

    def heading(self, chapter: str, problem: str) -> None:
        """Begin a chapter, with what is wrong with it."""
        self.rows.append((False if problem else None, f"{chapter}: {problem}" if problem else chapter, []))

    def row(self, good: bool | None, name: str, cells: list[str]) -> None:
        """Add a check."""
        self.rows.append((good, name, cells))

    def text(self, width: int) -> Text:
        """Return the table; a name that is too long for its column takes several lines."""
        every = [self.headings, *(cells for _, _, cells in self.rows if cells)]
        wide = [max(map(len, column)) for column in zip(*every, strict=True)]
        left = max(NARROWEST, width - 2 - sum(one + 2 for one in wide))
        lines = [Text(" " * (left + 2) + _right(self.headings, wide), style="bold")]
        for good, name, cells in self.rows:
            first, *more = _wrapped(name, left if cells else width - 2)
            sign = Text(" ") if good is None else mark(good)
            body = f"{first:<{left}}{_right(cells, wide)}" if cells else first
            lines.append(Text.assemble(sign, " ", (body, "" if cells else "bold")))
            lines += [Text(f"  {line}") for line in more]
        return Text("\n").join(lines)


def _right(cells: list[str], wide: list[int]) -> str:
    return "".join(f"  {cell:>{width}}" for cell, width in zip(cells, wide, strict=True))


def _wrapped(name: str, width: int) -> list[str]:
    return [name] if len(name) <= width else textwrap.wrap(name, width, subsequent_indent="  ") or [name]

"""How are results shown? Measured beside reference, and backends side by side, as tables."""

import math
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasdl.course.results import Result


def console() -> Console:
    """Return a console as wide as its terminal; 110 columns where the output is a file."""
    # No markup: names such as kerasdl[jax] are meant as they are written.
    out = Console(markup=False, highlight=False)
    return out if out.is_terminal else Console(width=110, file=sys.stdout, markup=False, highlight=False)


def show(found: list[Result]) -> None:
    """Print each check as *measured | reference | band | source*, and whether it lies in its band."""
    several = len({result.backend for result in found}) > 1
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("chapter")
    if several:
        table.add_column("backend")
    table.add_column("check")
    for heading in ("measured", "reference", "band"):
        table.add_column(heading, justify="right")
    table.add_column("source")
    table.add_column("")
    for result in found:
        for number, check in enumerate(result.checks):
            first = number == 0
            low, high = map(_number, check.band)
            table.add_row(
                result.chapter if first else "",
                *([result.backend if first else ""] if several else []),
                check.name,
                _number(check.measured),
                "" if check.reference is None else _number(check.reference),
                f"{low} … {high}",
                check.source,
                mark(check.inside, enforced=not result.fast),
                end_section=number == len(result.checks) - 1,
            )
    console().print(table)
    if any(result.fast for result in found):
        console().print(
            "Fast settings: bands belong to the full run and are shown, not enforced.", style="dim"
        )


def mark(good: bool, enforced: bool = True) -> Text:
    """Return a tick, a cross, or, where nothing is enforced, a dot."""
    if good:
        return Text("✓", style="green")
    return Text("✗", style="red") if enforced else Text("·", style="dim")


def compare(found: list[Result]) -> bool:
    """Print every check with its backends side by side; return whether all keep their tolerance.

    Runs of one chapter are compared only where their settings, their mode and their data are the same.
    """
    kept = True
    backends = sorted({result.backend for result in found})
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("chapter")
    table.add_column("check")
    for heading in (*backends, "spread", "tolerance"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for chapter in dict.fromkeys(result.chapter for result in found):
        runs = {result.backend: result for result in found if result.chapter == chapter}
        unlike = _unlike(list(runs.values()))
        if unlike:
            kept = False
            table.add_row(chapter, f"not comparable: {unlike}", *[""] * (len(backends) + 2), mark(False))
            continue
        measured = {
            name: {backend: _find(run, name) for backend, run in runs.items() if _find(run, name)}
            for name in dict.fromkeys(check.name for run in runs.values() for check in run.checks)
        }
        for number, (name, checks) in enumerate(measured.items()):
            values = [check.measured for check in checks.values()]
            # NaN hides from max and min, so it is looked for.
            spread = max(values) - min(values) if all(map(math.isfinite, values)) else math.nan
            tolerance = min(check.tolerance for check in checks.values())
            ok = spread <= tolerance and len(checks) == len(runs)
            kept &= ok
            table.add_row(
                chapter if number == 0 else "",
                name,
                *[_number(checks[b].measured, 8) if b in checks else "–" for b in backends],
                _number(spread, 2) if len(checks) > 1 else "",
                _number(tolerance, 2),
                "" if len(runs) == 1 else mark(ok),
                end_section=number == len(measured) - 1,
            )
    console().print(table)
    if len(backends) == 1:
        console().print(
            f"Only {backends[0]} has results here: run the chapters on another backend to compare."
        )
    return kept


def _find(run: Result, name: str):
    return next((check for check in run.checks if check.name == name), None)


def _unlike(runs: list[Result]) -> str:
    """What differs between runs that must be alike, in words; empty where they are alike."""
    for aspect in ("fast", "settings", "data"):
        values = {str(getattr(run, aspect)) for run in runs}
        if len(values) > 1:
            return f"{aspect} differ: " + "; ".join(f"{run.backend} {getattr(run, aspect)}" for run in runs)
    return ""


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"

"""How are results shown? Measured beside reference, and backends side by side, as tables."""

import math
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasdl.course.results import Check, Result

WIDTH = 80  # of a log file


def console() -> Console:
    """Return a console as wide as its terminal; 80 columns where the output is a file."""
    # No markup: names such as kerasdl[jax] are meant as they are written.
    # A notebook shows plain text as a log file does.
    look = {"markup": False, "highlight": False, "force_jupyter": False}
    out = Console(**look)
    return out if out.is_terminal else Console(width=WIDTH, file=sys.stdout, **look)


def show(found: list[Result]) -> None:
    """Print all numbers of runs: what is exact; what was learned, beside what the full setting reaches."""
    out = console()
    for result in found:
        out.print(
            f"\n{result.chapter} on {result.backend}: {_setting(result)}, {result.seconds:.0f} s",
            style="bold",
        )
        if result.exact:
            out.print(_exact_table(result))
        if result.trained:
            out.print(_trained_table(result))
    out.print(_legend(found), style="dim")


def _setting(result: Result) -> str:
    if result.fast:
        return "fast setting"
    return "full setting" if result.held else "a setting of your own"


def _exact_table(result: Result) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("")
    table.add_column("exact at any setting", ratio=1)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("within", justify="right", no_wrap=True)
    for check in result.exact:
        numbers = map(_number, (check.measured, check.expected, check.within))
        table.add_row(mark(check.holds), _named(check), *numbers)
    return table


def _trained_table(result: Result) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("learned", ratio=1)
    table.add_column("here", justify="right", no_wrap=True)
    if not result.held:
        table.add_column("full", justify="right", no_wrap=True)
    table.add_column("band in full", justify="right", no_wrap=True)
    table.add_column("reference", justify="right", no_wrap=True)
    for check in result.trained:
        low, high = map(_number, check.band)
        table.add_row(
            mark(check.holds) if result.held else "",
            _named(check),
            _number(check.measured),
            *([] if result.held else ["–" if check.full is None else _number(check.full)]),
            f"{low} … {high}",
            "–" if check.reference is None else _number(check.reference),
        )
    return table


def _named(check: Check) -> Text:
    name = Text(check.name)
    return name.append(f" ({check.source})", style="dim") if check.source else name


def _legend(found: list[Result]) -> str:
    said = [
        "✓ holds, ✗ does not. In brackets: where the expected value, the reference or the band comes from."
    ]
    if any(not result.held for result in found):
        said.append(
            "full: what the chapter's full setting reaches, as recorded (– not recorded for these data); "
            "only a full run of the unedited chapter is held to the band."
        )
    return "\n".join(said)


def mark(good: bool) -> Text:
    """Return a tick or a cross."""
    return Text("✓", style="green") if good else Text("✗", style="red")


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
            name: {backend: check for backend, run in runs.items() if (check := _find(run, name))}
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


def _find(run: Result, name: str) -> Check | None:
    return next((check for check in run.checks if check.name == name), None)


def _unlike(runs: list[Result]) -> str:
    """What differs between runs that must be alike, in words; empty where they are alike."""
    for aspect in ("fast", "settings", "data", "code"):
        values = {str(getattr(run, aspect)) for run in runs}
        if len(values) > 1:
            return f"{aspect} differ: " + "; ".join(f"{run.backend} {getattr(run, aspect)}" for run in runs)
    return ""


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"

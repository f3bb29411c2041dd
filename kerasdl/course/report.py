"""How are results shown? All numbers of a run, as tables of 80 columns and more.

Results go in; tables are printed.
"""

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
            f"\n{result.chapter} on {result.backend}: {_setting(result)}, {duration(result.seconds)}",
            style="bold",
        )
        if result.exact:
            out.print(_exact_table(result))
        if result.trained:
            out.print()
            out.print(_trained_table(result))
    out.print()
    out.print(_legend(found), style="dim")


def _setting(result: Result) -> str:
    base = "fast setting" if result.fast else "full setting"
    own = [f"{name}={result.settings[name]!r}" for name in result.changed]
    edited = not (result.fast or result.held or own)
    return ", ".join([base, *own, *(["code of your own"] if edited else [])])


def _table(heading: str) -> Table:
    """A table without rules: a mark, a name that may take several lines, and numbers to follow."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="bold")
    table.add_column("", min_width=1)
    table.add_column(heading, ratio=1)
    return table


def _exact_table(result: Result) -> Table:
    table = _table("exact at any setting")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("within", justify="right", no_wrap=True)
    for check in result.exact:
        numbers = map(number, (check.measured, check.expected, check.within))
        table.add_row(mark(check.holds), _named(check), *numbers)
    return table


def _trained_table(result: Result) -> Table:
    table = _table("learned")
    table.add_column("here", justify="right", no_wrap=True)
    if not result.held:
        table.add_column("in full", justify="right", no_wrap=True)
    table.add_column("band", justify="right", no_wrap=True)
    table.add_column("reference", justify="right", no_wrap=True)
    for check in result.trained:
        low, high = map(number, check.band)
        table.add_row(
            mark(check.holds) if result.held else "",
            _named(check),
            number(check.measured),
            *([] if result.held else [number(check.full)]),
            f"{low} … {high}",
            number(check.reference),
        )
    return table


def _named(check: Check) -> Text:
    name = Text(check.name)
    return name.append(f" ({check.source})", style="dim") if check.source else name


def _legend(found: list[Result]) -> str:
    said = [
        "✓ holds, ✗ does not, – unknown. In brackets: the source of the expected or reference value.",
        "within: how far from the expected value the measured one may lie. band: the least and the greatest "
        "that the chapter's full setting may reach. reference: what was published, or what theory says.",
    ]
    if any(not result.held for result in found):
        said.append(
            "in full: what the chapter's full setting reached when it was last recorded on such data. Only a "
            "full run of the unedited chapter is held to its bands."
        )
    return "\n".join(said)


def mark(good: bool) -> Text:
    """Return a tick or a cross."""
    return Text("✓", style="green") if good else Text("✗", style="red")


def duration(seconds: float | None) -> str:
    """Seconds or minutes in words; a dash where nothing is known.

    Example:
        >>> duration(21.4), duration(150.0), duration(None)
        ('21 s', '2.5 min', '–')
    """
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def number(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}g}"

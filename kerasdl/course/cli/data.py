"""Where do the data sets come from? ``kerasdl data list · fetch · verify``.

In goes the name of a data set; out come its state in each place, its files in the cache, or what is wrong.
"""

from collections.abc import Sequence
from functools import partial

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from kerasdl import datasets, names
from kerasdl.course import report

ACTIONS = ("list", "fetch", "verify")


def act(action: str, chosen: Sequence[str]) -> int:
    """Do ``list``, ``fetch`` or ``verify`` for the named data sets, or for all, and return the exit code."""
    known = [status.name for status in datasets.status()]
    for name in chosen:
        if name not in known:
            meant = names.nearest(name, [*known, *ACTIONS])
            raise ValueError(f"data set {name!r} is not known; {meant}")
    wanted = list(chosen) or known
    return {"list": _list, "fetch": _fetch, "verify": _verify}[action](wanted)


def _list(wanted: Sequence[str]) -> int:
    table = Table("name", "what it is", "licence", "size", "used now", show_edge=False, pad_edge=False)
    for status in datasets.status():
        if status.name in wanted:
            size = f"{status.bytes / 1e6:.1f} MB"
            table.add_row(status.name, status.title, status.licence, size, status.source or status.state)
    report.console().print(table)
    return 0


def _fetch(wanted: Sequence[str]) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    failed = False
    with Progress(*columns, console=report.console(), transient=True) as progress:
        for name in wanted:
            bar = progress.add_task(name, total=None)
            try:
                found = datasets.fetch(name, partial(_advance, progress, bar))
                progress.console.print(found.note, soft_wrap=True)
            except OSError as error:  # one data set out of reach must not keep the others from coming
                failed = True
                progress.console.print(f"{error}", style="red", soft_wrap=True)
    return 1 if failed else 0


def _advance(progress: Progress, bar: TaskID, done: int, total: int | None) -> None:
    progress.update(bar, completed=done, total=total)


def _verify(wanted: Sequence[str]) -> int:
    table = Table("data set", "file", "where", "state", "", show_edge=False, pad_edge=False)
    damaged = False
    for name in wanted:
        for check in datasets.verify(name):
            damaged |= check.state == "damaged"
            style = {"ok": "green", "damaged": "red"}.get(check.state, "dim")
            detail = check.detail if check.state == "damaged" else ""
            table.add_row(name, check.file, check.source, Text(check.state, style), detail)
    report.console().print(table)
    return 1 if damaged else 0

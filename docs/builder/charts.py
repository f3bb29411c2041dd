"""What do the benchmarks' tables look like? A chart on each page, drawn of its ``.json``.

The results of ``benchmarks/results`` go in; a picture and a sentence go onto each page whose numbers can be
compared.
"""

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from builder import tree
from builder.runs import Told
from kerasdl import plots
from kerasdl.course import picture


class Chart(NamedTuple):
    """Numbers to compare.

    Attributes:
        table: a line of the chart for each row, a mark for each column.
        measured: what the numbers are.
        reference: what stands where, as a thin line.
        log: whether equal ways are equal factors.
    """

    table: pd.DataFrame
    measured: str
    reference: dict[str, float]
    log: bool = True


def write(found: list[Told], source: Path) -> None:
    """Draw what can be drawn, and put it below the heading of its page."""
    for name, chart_of in CHARTS.items():
        page, results = (source / "benchmarks" / "results" / f"{name}.{kind}" for kind in ("md", "json"))
        record = tree.ROOT / "benchmarks" / "results" / results.name
        if not page.exists() or not record.exists():
            continue
        chart = chart_of(json.loads(record.read_text(encoding="utf-8")))
        page.with_suffix(".png").write_bytes(picture.png(drawn(chart)))
        heading, _, rest = page.read_text(encoding="utf-8").partition("\n\n")
        said = said_of(chart)
        shown = f":::{{figure}} {name}.png\n:alt: {said}\n:width: 100%\n:::"
        tree.page(page.parent, page.name, "\n\n".join([heading, shown, rest]))


def drawn(chart: Chart) -> Figure:
    """Return the chart: rows from top to bottom, a mark for each column."""
    table = chart.table
    looks = plots.looks([str(column) for column in table.columns])
    with plots.canvas(width=8.5, height=0.26 * len(table) + 1.2) as (figure, axes):
        ax = axes[0, 0]
        for column in table:
            look = {**looks[str(column)], "linestyle": "none", "markersize": 7}
            ax.plot(table[column], range(len(table)), **look, label=str(column))
        for label, place in chart.reference.items():
            ax.axvline(place, **plots.REFERENCE, label=label)
        ax.set_yticks(range(len(table)), list(table.index))
        ax.set(xlabel=chart.measured, xscale="log" if chart.log else "linear", ylim=(len(table) - 0.4, -0.6))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def said_of(chart: Chart) -> str:
    """Return in a sentence what the chart shows: of each column the least and the most, and where."""
    parts = []
    for column in chart.table:
        known = chart.table[column].dropna()
        ends = f"from {known.min():.3g} ({known.idxmin()}) to {known.max():.3g} ({known.idxmax()})"
        parts.append(f"{column} {ends}" if len(known) > 1 else f"{column} {known.iloc[0]:.3g}")
    return f"{chart.measured}: {'; '.join(parts)}."


def _middle(times: list[float] | float) -> float:
    return statistics.median(times) if isinstance(times, list) else times


def _runs(record: dict, rows: str = "rows") -> Iterator[tuple[str, dict]]:
    for backend, run in sorted(record.items()):
        for name, row in run[rows].items():
            yield f"{backend}, {name}", row


def _against(one: str, unit: str = "") -> Callable[[dict], Chart]:
    """How long everything takes beside ``one``."""

    def chart(record: dict) -> Chart:
        table = {
            f"{name}{unit}": {way: _middle(t) / _middle(row[one]) for way, t in row.items() if way != one}
            for name, row in _runs(record)
        }
        return Chart(pd.DataFrame(table).T, f"seconds ÷ those of {one}", {one: 1.0})

    return chart


def _fit(record: dict) -> Chart:
    table = {}
    for name, row in _runs(record, "cells"):
        model, batch, _ = name.rsplit(",", 2)
        table[f"{model}, batch {batch}"] = {
            f"{who}, {what}": row[who][what] / row["kerasdl"][what] for who, what in FITTED if who in row
        }
    return Chart(pd.DataFrame(table).T, "seconds ÷ those of kerasdl", {"kerasdl": 1.0})


FITTED = (("Keras", "first"), ("Keras", "alike"), ("Keras", "warm"), ("raw", "warm"))


def _play(record: dict) -> Chart:
    table: dict[str, dict[str, float]] = {}
    for backend, run in sorted(record.items()):
        for name, row in run["rows"].items():
            table.setdefault(name, {})[backend] = statistics.median(row["wall"])
    return Chart(pd.DataFrame(table).T.sort_index(), "seconds a change, median", {})


def _power(record: dict) -> Chart:
    table = {
        name: {way: found["mean"] for way, found in row.items()} for name, row in record["nulls"].items()
    }
    return Chart(pd.DataFrame(table).T, "share of alarms where nothing moved", {"level": 0.05}, log=False)


def _detected(record: dict) -> Chart:
    table = {
        name: {way: found["mean"] for way, found in row.items()} for name, row in record["detect"].items()
    }
    return Chart(pd.DataFrame(table).T, "share of shifts that are told", {}, log=False)


CHARTS: dict[str, Callable[[dict], Chart]] = {
    "kfold": _against("kerasdl", " folds"),
    "dropout": _against("kerasdl"),
    "scaling": _against("in turn", " folds"),
    "fit": _fit,
    "play": _play,
    "shift": _detected,
    "shift_power": _power,
}

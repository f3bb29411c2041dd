"""How is what a run found shown? Its numbers, and each figure with the prose that stands around it.

The files and results of runs go in; the page's cards come out. A new run's pictures take the place of the old
ones as they come.
"""

import html
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nicegui import ui

from kerasdl.course import report, results
from kerasdl.course.play import lessons
from kerasdl.course.workplace import LOG

WIDE = 1.8  # of a picture's height: wider ones stand below one another, and not side by side


@dataclass(frozen=True)
class Drawn:
    """A figure that a run has drawn.

    Attributes:
        path: its file.
        alt: what is to be seen in it.
        line: of the script that drew it.
    """

    path: Path
    alt: str
    line: int


@dataclass
class Run:
    """One run that was asked for.

    Attributes:
        number: grows from run to run.
        values: its settings.
        folder: where its files are.
        figures: in their order.
        result: what it found; None until it has ended well.
    """

    number: int
    values: dict[str, Any]
    folder: Path
    figures: list[Drawn] = field(default_factory=list)
    result: results.Result | None = None

    def find(self, name: str) -> Drawn | None:
        """Return the figure of this name."""
        return next((drawn for drawn in self.figures if drawn.path.name == name), None)


class Findings:
    """The right side of the page.

    Args:
        script: the chapter's path.
        address: from a run and one of its files to where the page gets it.
    """

    def __init__(self, script: Path, address: Callable[[Run, Path], str]):
        self.script, self.address = script, address
        self.before: Run | None = None
        self.both = False
        self._numbers = ui.element("div").classes("panel")
        self._numbers.set_visibility(False)
        self._cards = ui.element("div").classes("cards")
        self._rest = ui.element("div").classes("panel")
        self._rest.set_visibility(False)
        self._sections: dict[str, ui.element] = {}
        self._texts: set[str] = set()
        self._pictures: dict[str, _Picture] = {}

    def begin(self) -> None:
        """Show that what stands here is of an earlier run."""
        self._cards.classes(add="stale")

    def picture(self, run: Run, drawn: Drawn) -> None:
        """Show a figure in the place of the one of the same name."""
        name = drawn.path.name
        if name not in self._pictures:
            with self._section(drawn):
                self._pictures[name] = _Picture()
        own = self._pictures[name]
        own.show(self.address(run, drawn.path), drawn)
        self._beside(name, own)

    def end(self, run: Run) -> None:
        """Show all that a run found, and nothing else."""
        for name, own in self._pictures.items():
            drawn = run.find(name)
            own.set_visibility(drawn is not None)
            if drawn:
                own.show(self.address(run, drawn.path), drawn)
        if run.result:
            self._show_numbers(run.result)
            self._show_rest(run)
        self.compare()
        self._cards.classes(remove="stale")

    def compare(self) -> None:
        """Show the run before beside this one, or no longer."""
        for name, own in self._pictures.items():
            self._beside(name, own)

    def _beside(self, name: str, own: "_Picture") -> None:
        drawn = self.before.find(name) if self.before and self.both else None
        own.beside(self.address(self.before, drawn.path) if self.before and drawn else "")

    def _section(self, drawn: Drawn) -> ui.element:
        """The card of the cell that a figure is drawn in: heading, prose above, pictures, prose below."""
        lesson = lessons.at(self.script, drawn.line)
        key = f"{lesson.heading}\n{lesson.before}\n{lesson.after}"
        if key not in self._sections:
            with self._cards, ui.element("section").classes("panel card"):
                ui.html(f"<h2>{html.escape(lesson.heading)}</h2>", sanitize=False)
                self._prose(lesson.before)
                self._sections[key] = ui.element("div")
                self._prose(lesson.after)
        return self._sections[key]

    def _prose(self, markdown: str) -> None:
        # What stands below one figure may stand above the next.
        if markdown and markdown not in self._texts:
            self._texts.add(markdown)
            ui.html(lessons.html(markdown), sanitize=False).classes("lesson")

    def _show_numbers(self, result: results.Result) -> None:
        before = self.before.result if self.before and self.before.result is not result else None
        self._numbers.clear()
        self._numbers.set_visibility(bool(result.checks))
        with self._numbers:
            ui.html(_numbers(result, before), sanitize=False)

    def _show_rest(self, run: Run) -> None:
        tables = sorted(run.folder.glob("*.csv"))
        log = run.folder / LOG
        self._rest.clear()
        self._rest.set_visibility(True)
        with self._rest:
            if tables:
                links = "".join(_link(self.address(run, path), path.name) for path in tables)
                ui.html(f"<div class='files'>Tables: {links}</div>", sanitize=False)
            if log.exists():
                said = html.escape(log.read_text(encoding="utf-8"))
                ui.html(
                    "<details><summary>What the chapter printed</summary>"
                    f"<pre class='printed' tabindex='0'>{said}</pre></details>",
                    sanitize=False,
                )


class _Picture(ui.element):
    """A figure, with that of the run before beside it."""

    def __init__(self) -> None:
        super().__init__("div")
        self.classes("pictures")
        with self:
            with ui.element("figure").classes("picture before") as self._before:
                ui.label("before").classes("tag")
                self._old = ui.element("img").props('alt="the same figure before"')
            with ui.element("figure").classes("picture now"):
                self._after = ui.label("after").classes("tag")
                self._new = ui.element("img")
                self._link = ui.html("", sanitize=False)
        self.beside("")

    def show(self, address: str, drawn: Drawn) -> None:
        """Show a figure."""
        self._new.props["src"], self._new.props["alt"] = address, drawn.alt
        self._new.props["data-figure"] = drawn.path.stem
        width, height = _size(drawn.path)
        wide = width > WIDE * height
        self.classes(add="wide" if wide else "", remove="" if wide else "wide")
        self._new.update()
        self._link.content = f"<div class='files'>{_link(address, 'Download')}</div>"

    def beside(self, address: str) -> None:
        """Show the picture before, or without an address none."""
        self._before.set_visibility(bool(address))
        self._after.set_visibility(bool(address))
        self.classes(add="both" if address else "", remove="" if address else "both")
        if address:
            self._old.props["src"] = address
            self._old.update()


def _size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG, in pixels; 0 of one that has gone."""
    if not picture.exists():
        return 0, 0
    with open(picture, "rb") as stream:
        return struct.unpack(">II", stream.read(24)[16:])


def _link(address: str, text: str) -> str:
    return f"<a href='{html.escape(address)}' download>{html.escape(text)}</a>"


def _numbers(result: results.Result, before: results.Result | None) -> str:
    """The results as HTML: what the chapter is about, line by line; the others when opened."""
    parts = []
    headlines = [check for check in result.trained if check.headline] or result.trained[:1]
    others = [check for check in result.trained if check not in headlines]
    if headlines:
        parts.append(_learned(headlines, before))
    if others:
        summary = f"<summary>{len(others)} more learned results</summary>"
        parts.append(f"<details class='more'>{summary}{_learned(others, before)}</details>")
    if result.exact:
        hold = sum(check.holds for check in result.exact)
        all_hold = hold == len(result.exact)
        mark = f"<span class='{'good' if all_hold else 'broken'}'>{'✓' if all_hold else '✗'}</span>"
        said = f"{mark} {hold} of {len(result.exact)} exact results hold"
        rows = [
            _row(["exact at any setting", "measured", "expected", "within"], "th"),
            *map(_exact, result.exact),
        ]
        lines = "".join(rows)
        parts.append(
            f"<details class='more'{'' if all_hold else ' open'}><summary>{said}</summary>"
            f"<table class='numbers'>{lines}</table></details>"
        )
    return "".join(parts)


def _learned(checks: list[results.Trained], before: results.Result | None) -> str:
    old = {check.name: check.measured for check in before.trained} if before else {}
    headings = ["learned", *(["before"] if before else []), "here", "in full"]
    rows = [_row(headings, "th")]
    for check in checks:
        old_one = [report.number(old.get(check.name))] if before else []
        here = f"<b>{report.number(check.measured)}</b>"
        rows.append(_row([html.escape(check.name), *old_one, here, report.number(check.full)]))
    return f"<table class='numbers'>{''.join(rows)}</table>"


def _exact(check: results.Exact) -> str:
    mark = "<span class='good'>✓</span>" if check.holds else "<span class='broken'>✗</span>"
    numbers = (check.measured, check.expected, check.within)
    return _row([f"{mark} {html.escape(check.name)}", *map(report.number, numbers)])


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"

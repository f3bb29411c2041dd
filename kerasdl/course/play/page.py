"""What does a reader see and do? One tab: a chapter's controls on the left, what the run found on the right.

A name and a player go in. A control that moves asks for a run with its value; what the player tells is shown.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import ui

from kerasdl.course import reached, report, results, syllabus
from kerasdl.course.play import controls
from kerasdl.course.play.findings import Drawn, Findings, Run
from kerasdl.course.play.player import Job, Player
from kerasdl.course.play.rows import Row

STYLE = Path(__file__).with_name("page.css")
COLOURS = {"primary": "#2f5d8a", "negative": "#b3261e"}


class Page:
    """One tab.

    Args:
        script: the chapter it opens with.
        fast: whether at the fast setting.
        opening: settings that it opens with.
        player: runs what is asked for.
        folder: for its runs; each gets a folder inside.
        address: from a file in there to where the page gets it.
        chose: told of another chapter.
    """

    def __init__(
        self,
        script: syllabus.Script,
        fast: bool,
        opening: dict[str, Any],
        player: Player,
        folder: Path,
        address: Callable[[Path], str],
        chose: Callable[[str], None],
    ):
        self.player, self.folder, self._address, self._chose = player, folder, address, chose
        self.script, self.fast = script, fast
        self.runs: dict[int, Run] = {}
        self.shown: Run | None = None
        self._number = 0
        self._changed = ""  # the setting that was changed last
        player.told = self._told
        ui.colors(**COLOURS)
        ui.add_css(STYLE.read_text(encoding="utf-8"))
        with ui.element("div").classes("play"):
            self._put_top()
            self._body = ui.element("main")
        self._put_chapter(opening)

    def _put_top(self) -> None:
        every = {script.name: f"{script.number}  {script.title}" for script in syllabus.scripts()}
        with ui.element("header").classes("top"):
            ui.label("kerasdl").classes("brand")
            chapters = ui.select(every, value=self.script.name, on_change=lambda event: self._go(event.value))
            chapters.classes("chapters").props('dense outlined options-dense aria-label="chapter"')
            modes = {True: "quick", False: "in full"}
            ui.toggle(modes, value=self.fast, on_change=lambda event: self._switch(event.value)).props(
                'no-caps unelevated dense padding="2px 12px" toggle-color="primary" color="white" '
                'text-color="primary" aria-label="setting"'
            )

    def _put_chapter(self, opening: dict[str, Any]) -> None:
        """Put a chapter's controls, and ask for its first run."""
        script = self.script
        every = controls.of(script, self.fast)
        self.values = {control.name: control.value for control in every}
        self._body.clear()
        with self._body:
            ui.html(f"<h1>{script.title}</h1>", sanitize=False)
            ui.label(script.summary).classes("summary")
            with ui.element("div").classes("desk"):
                with ui.element("aside").classes("settings panel"):
                    self._put_settings(every)
                with ui.element("div"):
                    with ui.element("div").classes("status"):
                        self._said = ui.label().classes("said").props('role="status"')
                        self._both = ui.switch(
                            "Before and after", on_change=lambda event: self._side_by_side(event.value)
                        )
                    self._bar = ui.linear_progress(0, show_value=False, size="4px").classes("bar idle")
                    self._bar.props('aria-label="progress of the run"')
                    with ui.element("div").classes("cards"):
                        self.findings = Findings(script.path, lambda run, path: self._address(path))
        self._clean(keep=None)
        self._ask()  # where the chapter starts; what stands before
        if opening:
            for name, value in opening.items():
                self.values[name] = value
                self.rows[name].set(value)
            self._after_first = True
        else:
            self._after_first = False

    def _put_settings(self, every: list[controls.Control]) -> None:
        ui.html("<h2>Settings</h2>", sanitize=False)
        self.rows = {control.name: self._row(control) for control in every}
        with ui.element("div").classes("buttons"):
            ui.button("Reset", on_click=self._reset).props("no-caps outline dense padding='3px 12px'")
            ui.button("Make this the “before”", on_click=self._make_before).props(
                "no-caps flat dense padding='3px 8px'"
            )
        ui.label("The same as a command").classes("label")
        self._command = ui.label().classes("command").props('tabindex="0"')

    def _row(self, control: controls.Control) -> Row:
        read = partial(controls.read, self.script, control.name)
        return Row(control, read, partial(self._change, control.name))

    def _go(self, name: str) -> None:
        if name != self.script.name:
            self.script = syllabus.find(name)
            self._chose(name)
            self._put_chapter({})

    def _switch(self, fast: bool) -> None:
        if fast != self.fast:
            self.fast = fast
            self._put_chapter({})

    def _change(self, name: str, value: Any) -> None:
        self._changed = name
        self.values[name] = value
        self._ask()

    def _reset(self) -> None:
        self._changed = ""
        for name, row in self.rows.items():
            row.wrong()
            row.set(row.control.value)
            self.values[name] = row.control.value
        self._ask()

    def _make_before(self) -> None:
        if self.shown:
            self.findings.before = self.shown
            self.findings.end(self.shown)

    def _side_by_side(self, both: bool) -> None:
        self.findings.both = both
        self.findings.compare()

    def _ask(self) -> None:
        self._number += 1
        run = Run(self._number, dict(self.values), self.folder / str(self._number))
        self.runs[run.number] = run
        self._command.text = controls.command(self.script, self.fast, self.values)
        words = tuple(controls.words(self.script, self.fast, self.values))
        self.player.ask(Job(run.number, self.script.path, words, run.folder))
        self._say("starting …" if self.shown is None else "waiting …")

    def _say(self, line: str, wrong: bool = False) -> None:
        self._said.text = line
        self._said.classes(add="wrong" if wrong else "", remove="" if wrong else "wrong")

    def _told(self, event: dict[str, Any]) -> None:
        """Show what the player tells of a run, unless a newer one is wanted."""
        run = self.runs.get(event["job"])
        if run is None or run.number != self._number:
            if event["event"] == "end":
                self._clean(keep=self.runs.get(self._number))
            return
        if event["event"] == "start":
            self._said.text = f"running …{self._usual()}" if self.shown else "running for the first time …"
            self._bar.classes(remove="idle").props(add="indeterminate")
            self.findings.begin()
        elif event["event"] == "progress":
            self._bar.props(remove="indeterminate").value = event["share"]
            self._said.text = f"{event['label']} …"
        elif event["event"] == "figure":
            drawn = Drawn(Path(event["path"]), event["alt"], event["line"])
            run.figures.append(drawn)
            self.findings.picture(run, drawn)
        else:
            self._end(run, event)

    def _end(self, run: Run, event: dict[str, Any]) -> None:
        self._bar.classes(add="idle")
        found = run.folder / results.FILE
        if event["cancelled"] or not found.exists():
            self._fail(event["error"] or "stopped")
            return
        run.result = results.load(found)
        first = self.findings.before is None
        if first:
            self.findings.before = run
        self.shown = run
        self.findings.end(run)
        self._clean(keep=run)
        broken = f": {event['error']}" if event["error"] else ""
        took = event["seconds"]
        self._say(
            f"ran in {took:.1f} s{broken}" if took < 10 else f"ran in {report.duration(took)}{broken}",
            bool(broken),
        )
        if first and self._after_first:
            self._after_first = False
            self._ask()

    def _fail(self, error: str) -> None:
        """Show a line beside the control that led to it, and what the last good run found."""
        line = error.removeprefix("the chapter cannot run like this: ")
        row = self.rows.get(self._changed)
        if row:
            row.wrong(line)
        self._say("not run: see the setting marked in red" if row else line, wrong=True)
        if self.shown:
            self.findings.end(self.shown)

    def _clean(self, keep: Run | None) -> None:
        """Take away the files of runs that nobody sees any more."""
        wanted = {run.number for run in (keep, self.shown, self.findings.before) if run}
        for number, run in list(self.runs.items()):
            if number not in wanted and number != self._number:
                shutil.rmtree(run.folder, ignore_errors=True)
                del self.runs[number]

    def _usual(self) -> str:
        """How long the chapter's full setting took when it was last recorded; of a fast one nothing."""
        runs = reached.read(self.script.path.parent, self.script.name).get("runs", [])
        if self.fast or not runs:
            return ""
        return f" in full, about {report.duration(min(run['seconds'] for run in runs))}"

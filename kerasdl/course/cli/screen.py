"""What is seen while chapters run? A line for each that has ended, and bars that say how far the others are.

Steps and outcomes of lanes go in; they are shown on a console, the bars only where it is a terminal.
"""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from kerasdl.course import report
from kerasdl.course.cli.lanes import Outcome, Step


class Screen:
    """The course's own bar, and below it one for what each lane does now.

    Args:
        console: where it is shown.
        total: how many chapters are to run, those of all backends together.
        whole: show all that a chapter printed: it was asked for alone.
    """

    def __init__(self, console: Console, total: int, whole: bool):
        self._console, self._total, self._whole = console, total, whole
        columns = (
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._course = self._progress.add_task("", total=total, done="")
        self._lanes: list[TaskID] = []
        self._ended = 0

    def __enter__(self) -> "Screen":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, backend: str, lanes: int) -> None:
        """Show that a backend's chapters begin, in so many lanes."""
        for bar in self._lanes:
            self._progress.remove_task(bar)
        self._lanes = [self._progress.add_task("", total=1, done="") for _ in range(lanes)]
        self._progress.update(self._course, description=backend, done=f"{self._ended}/{self._total}")

    def step(self, lane: int, step: Step) -> None:
        """Show what a lane does now."""
        share = "" if step.share is None else f"{step.share:.0%}"
        self._progress.update(
            self._lanes[lane], description=f"  {step.label}", completed=step.share or 0.0, done=share
        )

    def ended(self, outcome: Outcome) -> None:
        """Show a chapter that has ended: all it printed, where it was asked for alone, else a line."""
        self._ended += 1
        self._progress.update(self._course, completed=self._ended, done=f"{self._ended}/{self._total}")
        if self._whole and outcome.kept and outcome.result:
            report.show([outcome.result])
            return
        if self._whole and outcome.log:
            self._console.print(outcome.log, soft_wrap=True)
            return
        script = outcome.script
        took = "kept" if outcome.kept else report.duration(outcome.seconds)
        line = f"{script.number} {script.name:<24} {took:>8}   {outcome.backend}"
        if outcome.stopped:
            self._console.print("–", line)
            self._console.print(f"  {outcome.stopped}")
            return
        self._console.print(report.mark(not outcome.error), line)

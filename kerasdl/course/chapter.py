"""What is a chapter? Settings declared once, results judged by what they promise, everything it made kept.

A chapter's script opens with one declaration and ends with one call::

    chapter = course.Chapter("polynomial_fit", settings={"epochs": 100, "seed": 0}, fast={"epochs": 5})
    settings = chapter.settings
    ...
    chapter.exact("gradient: by hand against Keras", difference, within=1e-5)
    chapter.trained("test MSE", mse, (0, 2e-4), reference=1e-4, source="variance of the noise")
    chapter.finish()

Run as ``python tutorials/04_polynomial_fit.py``, the script understands ``--fast``, ``--set NAME=VALUE``,
``--backend NAME``, ``--devices N`` and ``--out DIR``; the command line runs it in just this way. In a
notebook ``course.notebook("--fast")``, in a cell above, says the same.
"""

import atexit
import contextlib
import inspect
import os
import re
import shutil
import sys
import tempfile
import textwrap
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from kerasdl import backends, files, names
from kerasdl.course import (
    environment,
    mistakes,
    picture,
    precision,
    reached,
    request,
    results,
    signals,
    syllabus,
    tables,
    workplace,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Item = TypeVar("Item")


@dataclass(frozen=True)
class Host:
    """The program that runs chapters for the command line.

    Attributes:
        tutorials: the folder of the course it runs.
        progress: told of (label, share done).
        record: whether full runs are made to be recorded: held to their bands, whatever was recorded before.
        folder: where the present chapter works; the program gives it its final name. None: the chapter does.
        shown: told what is shown (its kind, and more by name) in place of the text written within it; see
            :class:`kerasdl.course.shown.Recorder`.
        save: draws a figure into a file, now or before the run is told to have ended.
    """

    tutorials: Path
    progress: Callable[[str, float], None]
    record: bool = False
    folder: Path | None = None
    shown: Callable[..., AbstractContextManager[None]] | None = None
    save: Callable[["Figure", str, Path], None] = picture.save


host: Host | None = None


class Chapter:
    """One run of one chapter.

    Creating it reads the command line (in a notebook: the words given to :func:`kerasdl.course.notebook`),
    chooses the backend where none is configured, and says so; hence it stands before the first import of
    Keras.

    Args:
        name: the chapter's name: its script's without the number.
        settings: each setting and its value in a full run: numbers, words, booleans, tuples of these.
        fast: what ``--fast`` changes.

    Attributes:
        settings: the settings of this run, as attributes.
        fast: whether this is a fast run.
        backend: the backend's name.
        folder: where figures, tables and results go: one of this run's own, which takes the name
            ``OUT/BACKEND/NAME`` at the end (see :mod:`kerasdl.course.workplace`). A copy of a chapter is
            named after its file; a notebook has ``NAME-notebook``.

    Raises:
        kerasdl.course.Refused: an unknown or unreadable setting, with the nearest name; in a script it ends
            the program with this one line.
        ModuleNotFoundError: no backend, or not the one asked for, is installed; likewise.
        OSError: the folder for results is a file, or can't be written; likewise.

    Example:
        >>> chapter = Chapter("waves", settings={"epochs": 100}, fast={"epochs": 5})  # doctest: +SKIP
        >>> chapter.settings.epochs  # doctest: +SKIP
        100
    """

    def __init__(self, name: str, settings: dict[str, Any], fast: dict[str, Any] | None = None):
        for setting in fast or {}:
            names.one_of("fast", setting, settings)
        frame = inspect.currentframe()
        caller = frame.f_back.f_globals if frame and frame.f_back else {}
        self._script = request.script(caller)
        if self._script:
            request.replace_unknown_signs()
            signals.obey()
            warnings.formatwarning = mistakes.warned
        self._course = host.tutorials if host else files.folder("tutorials")
        own, code = _own(self._script, name, self._course)
        try:
            asked = request.read(self._script)
            chosen = {
                **settings,
                **(fast or {} if asked.fast else {}),
                **request.overrides(asked.set, settings, name if own else None),
            }
            choice = backends.use(asked.backend, train=True)
            for variable, value in environment.of_chapter(choice.name, asked.fast).items():
                os.environ.setdefault(variable, value)
            precision.full_with_keras(choice.name)
            if asked.devices > 1:
                _share_out(asked)
            self._workplace = None if host and host.folder else workplace.Workplace(asked.out)
        except (ValueError, RuntimeError, ModuleNotFoundError, OSError) as error:
            if self._script is None:
                raise
            print(f"{self._script.name}: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        self.name, self.fast, self.backend = name, asked.fast, choice.name
        self.settings = SimpleNamespace(**chosen)
        # A chapter that the course has not is held to what it says itself.
        foreign = self._script is not None and not own and name not in syllabus.chapter_names()
        called = name if own else syllabus.called(self._script) if self._script else f"{name}-notebook"
        declared = {**settings, **(fast or {} if asked.fast else {})}
        changed = [setting for setting in declared if chosen[setting] != declared[setting]]
        self._result = results.Result(called, choice.name, asked.fast, chosen, changed, code=code)
        self._ended, home = False, workplace.home(asked.out, self._result.kind)
        self._final = home / choice.name / called
        if self._workplace:
            self.folder = self._workplace.chapter(choice.name, called)
            atexit.register(self._leave)
        elif host and host.folder:
            self.folder = host.folder
        recorded = reached.read(self._course, name)
        unedited = foreign or (own and (code == recorded.get("code") or (host is not None and host.record)))
        self._result.held = unedited and not asked.fast and chosen == settings
        if self._script and (asked.set or not own):
            # A copy may be wrong anywhere, and shows where; of the chapter itself only a setting can.
            words = " ".join(asked.set)
            sys.excepthook = partial(mistakes.explain, self._script, f"{called}, {words}" if own else "")
        self._started = time.perf_counter(), time.process_time()
        many = f", {asked.devices} devices" if asked.devices > 1 else ""
        with _shown("start"):
            print(f"{called} on {choice.name} ({choice.reason}){', fast' if asked.fast else ''}{many}")

    def uses(self, data: Any) -> Any:
        """Print and record which source a set of :mod:`kerasdl.datasets` came from, and return the set."""
        print(textwrap.fill(data.note, 80, subsequent_indent="  ", break_on_hyphens=False))
        self._result.data[type(data).__name__] = data.source
        return data

    def track(self, items: Iterable[Item], label: str) -> Iterator[Item]:
        """Yield the items and show how far along they are: on a terminal, in a notebook, to `kerasdl run`."""
        items = list(items)
        if host is None and not _in_notebook():
            from rich.console import Console
            from rich.progress import track

            console = Console(stderr=True)
            yield from track(items, label, transient=True, console=console, disable=not console.is_terminal)
            return
        tell = host.progress if host else _notebook_progress()
        for done, item in enumerate(items):
            tell(label, done / len(items))
            yield item
        tell(label, 1.0)

    def figure(self, name: str, figure: "Figure", shows: str = "") -> None:
        """Save a matplotlib figure as ``NAME.png`` and, in a notebook, show it.

        Args:
            name: of the file.
            figure: made with :mod:`kerasdl.plots` or with pyplot.
            shows: what is to be seen in it, in a sentence: printed, and kept for those who cannot see it.
        """
        path = self.folder / f"{name}.png"
        (host.save if host else picture.save)(figure, shows, path)
        self._result.figures[name] = shows
        if _in_notebook():
            from IPython.display import Image, display

            # A figure made without pyplot has no picture of its own there.
            width, _ = figure.get_size_inches() * figure.dpi
            display(Image(path.read_bytes(), width=round(width), alt=shows or name))
            if shows:
                print(shows)
            return
        from kerasdl.course.described import described  # NumPy, which takes longer than `kerasdl list`

        with _shown("figure", name=name, alt=described(figure, shows)):
            print(f"figure: {self._final / name}.png" + (f"\n  {shows}" if shows else ""))

    def table(self, table: "pd.DataFrame | pd.Series", name: str = "", digits: int = 4) -> None:
        """Show a pandas table, and keep it as ``NAME.csv`` where a name is given.

        Args:
            table: with names for rows and columns.
            name: of the file, which holds all digits.
            digits: significant digits shown.
        """
        if name:
            self.history(name, table)
        frame = table.to_frame("" if table.name is None else str(table.name)) if table.ndim == 1 else table
        if _in_notebook():
            from IPython.display import display

            display(frame.map(lambda entry: tables.readable(entry, digits)))
            return
        with _shown("table", html=frame.map(lambda entry: tables.readable(entry, digits)).to_html(border=0)):
            print(tables.text(frame, digits))

    def history(self, name: str, table: "pd.DataFrame | pd.Series") -> None:
        """Save a training history or any other pandas table as ``NAME.csv``."""
        files.write(self.folder / f"{name}.csv", table.to_csv(lineterminator="\n"))

    def exact(
        self,
        name: str,
        measured: float,
        expected: float = 0.0,
        *,
        within: float,
        tolerance: float | None = None,
        source: str = "",
    ) -> None:
        """Record a number that is known whatever the settings, the seed and the data: judged in every run.

        For a closed form, for arithmetic by hand against the model, for a guard. Recorded twice, as when a
        cell runs again, the later one counts.

        Args:
            name: what was measured.
            measured: the number; a truth value counts as 0 or 1.
            expected: what it must be.
            within: how far from that it may lie, absolutely.
            tolerance: how far two backends may lie apart; default ``within``.
            source: why it is known, in a few words.
        """
        apart = within if tolerance is None else tolerance
        self._result.record(
            results.Exact(name, float(measured), float(expected), float(within), float(apart), source)
        )

    def trained(
        self,
        name: str,
        measured: float,
        band: tuple[float, float],
        *,
        reference: float | None = None,
        source: str = "",
        tolerance: float | None = None,
        headline: bool = False,
    ) -> None:
        """Record a number that the chapter's own full setting reaches.

        Held to its band in a full run of the unedited chapter alone; any other run shows it beside what the
        full setting reaches. Recorded twice, as when a cell runs again, the later one counts.

        Args:
            name: what was measured.
            measured: the number.
            band: lowest and highest value that a full run may reach.
            reference: the published or theoretical value, if there is one.
            source: where the reference, or else the band, comes from.
            tolerance: how far two backends may lie apart; default the width of the band.
            headline: whether the first page of a course's run shows it; without any, the first one is shown.
        """
        low, high = map(float, band)
        apart = abs(high - low) if tolerance is None else float(tolerance)
        known = None if reference is None else float(reference)
        self._result.record(
            results.Trained(name, float(measured), (low, high), apart, known, source, headline)
        )

    def finish(self) -> None:
        """Save the results, show them, and fail the run in one line if any does not hold.

        Raises:
            OutOfBand: an exact result is broken or, in a full run of the unedited chapter, a trained one lies
                outside its band; a script ends with this line and exit code 1.
        """
        from kerasdl.course import report

        result = self._result
        started, at_work = self._started
        result.seconds, result.busy = time.perf_counter() - started, time.process_time() - at_work
        result.versions, result.when = results.versions(self.backend), f"{date.today()}"
        full = reached.on(result.data, reached.read(self._course, self.name))
        result.full_seconds = full.get("seconds")
        for check in result.trained:
            result.record(replace(check, full=full.get("checks", {}).get(check.name)))
        result.save(self.folder)
        if self._workplace and not self._ended:
            self.folder = self._workplace.name(self.folder, result.kind, self.backend, result.chapter)
            self._ended = True
        with _shown("results"):
            report.show([result])
        if result.broken:
            error = OutOfBand.of(result)
            if self._script is None:
                raise error
            raise SystemExit(f"{result.chapter}: {error}")

    def _leave(self) -> None:
        """Keep what a run that did not reach its end has made, apart from results."""
        assert self._workplace
        with contextlib.suppress(OSError):
            if not self._ended and any(self.folder.iterdir()):
                self._workplace.name(self.folder, workplace.FAILED, self.backend, self._result.chapter)
        self._workplace.close()


class OutOfBand(request.Refused, AssertionError):
    """An exact result is broken, or a full run's trained one left its band."""

    @classmethod
    def of(cls, result: results.Result) -> "OutOfBand":
        """The line that names every such result."""
        said = []
        for check in result.broken:
            if isinstance(check, results.Exact):
                wanted = f"expected {check.expected:.6g} ± {check.within:.2g}"
            else:
                wanted = f"its band is {check.band[0]:.4g} … {check.band[1]:.4g}"
            said.append(f"{check.name} = {check.measured:.6g}, {wanted}")
        return cls("does not hold: " + "; ".join(said))


def _own(script: Path | None, name: str, tutorials: Path) -> tuple[bool, str]:
    """Whether this script is the course's own file, and the digest of its code."""
    if script is None:
        return False, ""
    ours = script.parent == tutorials.resolve() and re.fullmatch(rf"\d\d_{name}", script.stem)
    return bool(ours), reached.code(script.read_text(encoding="utf-8"))


def _shown(kind: str, **fields: Any) -> AbstractContextManager[None]:
    """Tell the host what the text that is written within this shows."""
    return host.shown(kind, **fields) if host and host.shown else nullcontext()


def _in_notebook() -> bool:
    """Whether a kernel runs this, whose outputs may be pictures."""
    loaded = sys.modules.get("IPython")
    shell = loaded.get_ipython() if loaded else None
    return hasattr(shell, "kernel")


def _notebook_progress() -> Callable[[str, float], None]:
    """A line in the cell's output, written over until all is done."""
    from IPython.display import display

    handle = display({"text/plain": "…"}, raw=True, display_id=True)

    def tell(label: str, share: float) -> None:
        done = "done" if share == 1 else f"{share:.0%}"
        handle.update({"text/plain": f"{label}: {done}"}, raw=True)

    return tell


def _share_out(asked: Namespace) -> None:
    """Train on several devices. Where each is a process, all run the chapter; the first one tells of it."""
    from kerasdl import devices

    devices.use(asked.devices)
    if not devices.first():
        asked.out = Path(tempfile.mkdtemp(prefix="kerasdl-"))
        atexit.register(shutil.rmtree, asked.out, ignore_errors=True)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  to the end of the run

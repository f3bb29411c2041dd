"""What is a chapter? Settings declared once, results held to their references, everything it made kept.

A chapter's script opens with one declaration and ends with one call::

    chapter = course.Chapter("polynomial_fit", settings={"epochs": 100, "seed": 0}, fast={"epochs": 5})
    settings = chapter.settings
    ...
    chapter.check("test MSE", mse, band=(0, 2e-4), tolerance=1e-6, reference=1e-4, source="the noise")
    chapter.finish()

Run as ``python tutorials/04_polynomial_fit.py``, the script understands ``--fast``, ``--set NAME=VALUE``,
``--backend NAME``, ``--devices N`` and ``--out DIR``; the command line runs it in just this way.
"""

import atexit
import io
import os
import platform
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from kerasdl import backends, files, names
from kerasdl.course import results
from kerasdl.course.request import overrides, read

Item = TypeVar("Item")

# The command line's worker listens here: (label, share done).
on_progress: Callable[[str, float], None] | None = None


class OutOfBand(AssertionError):
    """A result of a full run left its accepted band."""


class Chapter:
    """One run of one chapter.

    Creating it reads the command line, chooses the backend where none is configured, and says so; hence it
    stands before the first import of Keras.

    Args:
        name: the script's name without its number.
        settings: each setting and its value in a full run: numbers, words, booleans, tuples of these.
        fast: what ``--fast`` changes.

    Attributes:
        settings: the settings of this run, as attributes.
        fast: whether this is a fast run.
        backend: the backend's name.
        folder: where figures, history and results go: ``OUT/BACKEND/NAME``.

    Raises:
        ValueError: an unknown or unreadable setting; the message gives the nearest name.
        ModuleNotFoundError: no backend, or not the one asked for, is installed.
    """

    def __init__(self, name: str, settings: dict[str, Any], fast: dict[str, Any] | None = None):
        for setting in fast or {}:
            names.one_of("fast", setting, settings)
        request = read(name)
        if request.fast:
            # Of few steps and many programs: to optimise these (JAX, TensorFlow) takes longer than it saves.
            os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
        choice = backends.use(request.backend)
        if request.devices > 1:
            _share_out(request)
        chosen = {**settings, **(fast or {} if request.fast else {}), **overrides(request.set, settings)}
        self.name, self.fast, self.backend = name, request.fast, choice.name
        self.settings = SimpleNamespace(**chosen)
        self.folder = request.out / choice.name / name
        self._result = results.Result(name, choice.name, request.fast, chosen)
        self._started = time.perf_counter()
        # What an earlier run found must not stand beside what this one makes.
        (self.folder / results.FILE).unlink(missing_ok=True)
        many = f", {request.devices} devices" if request.devices > 1 else ""
        print(f"{name} on {choice.name} ({choice.reason}){', fast' if request.fast else ''}{many}")

    def uses(self, data: Any) -> Any:
        """Print and record which source a set of :mod:`kerasdl.datasets` came from, and return the set."""
        print(data.note)
        self._result.data[type(data).__name__] = data.source
        return data

    def track(self, items: Iterable[Item], label: str) -> Iterator[Item]:
        """Yield the items and show how far along they are, on a terminal or to the command line."""
        items = list(items)
        if on_progress is None:
            from rich.console import Console
            from rich.progress import track

            console = Console(stderr=True)
            yield from track(items, label, transient=True, console=console, disable=not console.is_terminal)
            return
        for done, item in enumerate(items):
            on_progress(label, done / len(items))
            yield item
        on_progress(label, 1.0)

    def figure(self, name: str, figure) -> Path:
        """Save a matplotlib figure as ``NAME.png``, show it in a notebook, and return its path."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        if "ipykernel" in sys.modules:
            from IPython.display import display

            display(figure)
        path = files.write(self.folder / f"{name}.png", buffer.getvalue())
        print(f"figure: {path}")
        return path

    def history(self, name: str, table) -> Path:
        """Save a training history or any other pandas table as ``NAME.csv`` and return its path."""
        return files.write(self.folder / f"{name}.csv", table.to_csv(lineterminator="\n"))

    def check(
        self,
        name: str,
        measured: float,
        *,
        band: tuple[float, float],
        tolerance: float,
        reference: float | None = None,
        source: str,
    ) -> None:
        """Record a result: see :class:`kerasdl.course.results.Check`.

        Raises:
            ValueError: a name used twice, or a band whose edges are the wrong way round.
        """
        if name in [check.name for check in self._result.checks]:
            raise ValueError(f"check {name!r} is recorded twice: give each its own name")
        if not band[0] <= band[1]:
            raise ValueError(f"band={band!r} of check {name!r}: give (lowest, highest)")
        reference = None if reference is None else float(reference)
        low, high = map(float, band)
        self._result.checks.append(
            results.Check(name, float(measured), (low, high), float(tolerance), reference, source)
        )

    def finish(self) -> None:
        """Save the results, print them beside their references, and hold a full run to its bands.

        Raises:
            OutOfBand: in a full run, a result lies outside its band.
        """
        from kerasdl.course import report

        self._result.seconds = time.perf_counter() - self._started
        self._result.versions = _versions(self.backend)
        self._result.save(self.folder)
        report.show([self._result])
        if self._result.outside and not self.fast:
            strays = ", ".join(f"{check.name} = {check.measured:.4g}" for check in self._result.outside)
            raise OutOfBand(f"outside the accepted band: {strays}")


def _share_out(request: Namespace) -> None:
    """Train on several devices. Where each is a process, all run the chapter; the first one tells of it."""
    from kerasdl import devices

    devices.use(request.devices)
    if not devices.first():
        request.out = Path(tempfile.mkdtemp(prefix="kerasdl-"))
        atexit.register(shutil.rmtree, request.out, ignore_errors=True)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  to the end of the run


def _versions(backend: str) -> dict[str, str]:
    """Versions of what the chapter ran on; a chapter that never loaded Keras does not load it for this."""
    loaded = {
        name: sys.modules[name].__version__ for name in ("kerasdl", "keras", backend) if name in sys.modules
    }
    return {"python": platform.python_version(), **loaded}

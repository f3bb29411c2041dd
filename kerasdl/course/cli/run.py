"""How do chapters run? One process a backend, watched from here; a chapter that fails stops no other.

Names of chapters, backends and settings go in; the results of each chapter and a table of all come out.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kerasdl import backends, names
from kerasdl.course import compiled, page, reached, report, request, results, syllabus

LOG = "output.txt"
PARTIAL_LOG = f"{LOG}.partial"
GRACE_SECONDS = 5  # for a worker to clean up after Ctrl-C before it is killed


@dataclass
class Outcome:
    """How one chapter ended: an empty error is success."""

    script: syllabus.Script
    backend: str
    seconds: float
    error: str


def run(
    chapters: Sequence[str],
    backend_names: Sequence[str],
    fast: bool,
    settings: Sequence[str],
    devices: int,
    out: Path,
    record: bool = False,
    keep: bool = True,
) -> int:
    """Run chapters on backends, show what they found, and return the exit code.

    Args:
        chapters: by name or number; none means the whole course.
        backend_names: one process each; none means the one configured or installed.
        fast: use the chapters' fast settings.
        settings: ``NAME=VALUE`` words; each goes to the chapters that have such a setting.
        devices: on how many each model trains; on PyTorch torchrun starts a process for each.
        out: results go to ``out/BACKEND/CHAPTER``.
        record: hold full runs to their bands and keep what they reach beside the tutorials.
        keep: use what earlier runs compiled, and keep what this one compiles.

    Raises:
        ValueError: an unknown chapter, a setting that no chosen chapter has, a record of other runs than full
            ones.
        ModuleNotFoundError: a backend that is not installed.
    """
    named = {script.path: script for script in map(syllabus.find, chapters)}
    scripts = list(named.values()) or syllabus.scripts()
    _check_settings(settings, scripts)
    if record and (fast or settings):
        raise ValueError("--record keeps what full settings reach: leave --fast and --set out")
    chosen = _backends(backend_names)
    outcomes: list[Outcome] = []
    single = len(scripts) == len(chosen) == 1
    interrupted = False
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = report.console()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("starting", total=len(scripts) * len(chosen))
        try:
            for backend in chosen:
                for event in _events(scripts, backend, fast, settings, devices, out, record, keep):
                    if isinstance(event, Outcome):
                        outcomes.append(event)
                        progress.advance(bar)
                        _say(console, event, out, whole=single)
                    else:
                        progress.update(bar, description=event)
        except KeyboardInterrupt:
            interrupted = True
    found = [
        results.load(path)
        for done in outcomes
        if (path := out / done.backend / done.script.name / results.FILE).exists()
    ]
    for result in found if record else ():
        if not result.broken:
            reached.record(scripts[0].path.parent, result)
    if found and not single:
        page.show(found, out)
    failed = [done for done in outcomes if done.error]
    for done in failed:
        where = out / done.backend / done.script.name / LOG
        console.print(
            f"failed: {done.script.name} on {done.backend}: {done.error} (see {where})",
            style="red",
            soft_wrap=True,
        )
    if single and found:
        console.print(f"Figures, tables and results are in {out}.", soft_wrap=True)
    if interrupted:
        console.print(f"interrupted: {len(outcomes)} of {len(scripts) * len(chosen)} chapters had ended")
        return 130
    return 1 if failed else 0


def _say(console: Console, outcome: Outcome, out: Path, whole: bool) -> None:
    """A chapter asked for alone shows all it printed; one of many, a line."""
    log = out / outcome.backend / outcome.script.name / LOG
    if whole and log.exists():
        console.print(log.read_text(encoding="utf-8"), soft_wrap=True)
        return
    script = outcome.script
    line = f"{script.number} {script.name:<24} {report.duration(outcome.seconds):>8}   {outcome.backend}"
    console.print(report.mark(not outcome.error), line)


def _check_settings(settings: Sequence[str], scripts: Sequence[syllabus.Script]) -> None:
    known = {name for script in scripts for name in script.settings}
    for word in settings:
        names.one_of("setting", word.partition("=")[0], known)
    for script in scripts:
        request.overrides(_for(script, settings), script.settings)


def _for(script: syllabus.Script, settings: Sequence[str]) -> list[str]:
    return [word for word in settings if word.partition("=")[0] in script.settings]


def _backends(wanted: Sequence[str]) -> list[str]:
    if "all" in wanted:
        wanted = backends.installed()
    if not wanted:
        choice = backends.choose(train=True)
        print(f"backend: {choice.name} ({choice.reason})")
        return [choice.name]
    return list(dict.fromkeys(backends.choose(name).name for name in wanted))


def _events(
    scripts: Sequence[syllabus.Script],
    backend: str,
    fast: bool,
    settings: Sequence[str],
    devices: int,
    out: Path,
    record: bool,
    keep: bool,
) -> Iterator[str | Outcome]:
    """Yield, as they come, lines that say what is going on, and each chapter's outcome.

    A worker that dies takes one chapter with it: another goes on with the rest.
    """
    common = ["--backend", backend, "--devices", str(devices), "--out", str(out.absolute())]
    common += ["--fast"] if fast else []
    waiting = list(scripts)
    while waiting:
        jobs = [
            {
                "path": str(script.path),
                "arguments": [*common, *_settings_for(script, settings)],
                "record": record,
            }
            for script in waiting
        ]
        yield f"{backend}: starting"
        with (
            compiled.Kept(backend if keep else "none") as kept,
            _Worker(backend, jobs, devices, out, kept.environment) as worker,
        ):
            for event in worker:
                script = waiting[0]
                if event["event"] == "progress":
                    yield f"{backend}: {script.name}, {event['label']} {event['share']:.0%}"
                elif event["event"] == "start":
                    yield f"{backend}: {script.name}"
                else:
                    yield Outcome(waiting.pop(0), backend, event["seconds"], event["error"])
            if worker.process.returncode == 0:
                kept.keep()
        if waiting:
            script = waiting.pop(0)
            folder = out / backend / script.name
            if (folder / PARTIAL_LOG).exists():
                os.replace(folder / PARTIAL_LOG, folder / LOG)
            yield Outcome(script, backend, 0.0, f"its process ended with code {worker.process.returncode}")


def _settings_for(script: syllabus.Script, settings: Sequence[str]) -> list[str]:
    return [word for setting in _for(script, settings) for word in ("--set", setting)]


class _Worker:
    """A process that runs chapters one after another and reports on its standard output."""

    def __init__(self, backend: str, jobs: list[dict], devices: int, out: Path, variables: Mapping[str, str]):
        environment = {**os.environ, **variables, "KERAS_BACKEND": backend, "PYTHONUTF8": "1"}
        environment.setdefault("MPLBACKEND", "agg")
        many = ["torch.distributed.run", "--standalone", f"--nproc-per-node={devices}", "-m"]
        launcher = many if backend == "torch" and devices > 1 else []
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                *launcher,
                "kerasdl.course.cli.worker",
                str(out / backend),
                json.dumps(jobs),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self.process.stdout
        self._events = self.process.stdout

    def __enter__(self) -> "_Worker":
        return self

    def __iter__(self) -> Iterator[dict]:
        for line in self._events:
            yield json.loads(line)
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            try:
                self.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._events.close()

"""How do chapters run? One process a backend, watched from here; a chapter that fails stops no other.

Names of chapters, backends and settings go in; the results of each chapter and a table of all come out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kerasdl import backends, files, names
from kerasdl.course import compiled, page, reached, report, request, results, signals, syllabus, workplace
from kerasdl.course.cli.kept import kept
from kerasdl.course.cli.process import Worker

LOG = "output.txt"


@dataclass(frozen=True)
class Asked:
    """What every chapter of a run has in common: see :func:`run`."""

    fast: bool
    settings: Sequence[str]
    devices: int
    out: Path
    record: bool
    keep: bool
    resume: bool


@dataclass
class Outcome:
    """How one chapter ended: an empty error is success.

    Attributes:
        script, backend: which chapter.
        seconds: how long it took.
        error: what went wrong, in a line.
        folder: what it made, under its final name.
        result: what it found, if it came so far.
        log: what it printed.
        kept: whether it did not run, because an earlier run found what it would find.
    """

    script: syllabus.Script
    backend: str
    seconds: float
    error: str
    folder: Path
    result: results.Result | None = None
    log: str = ""
    kept: bool = False


def run(
    chapters: Sequence[str],
    backend_names: Sequence[str],
    fast: bool,
    settings: Sequence[str],
    devices: int,
    out: Path,
    record: bool = False,
    keep: bool = True,
    resume: bool = False,
) -> int:
    """Run chapters on backends, show what they found, and return the exit code.

    Args:
        chapters: by name or number; none means the whole course.
        backend_names: one process each; none means the one configured or installed.
        fast: use the chapters' fast settings.
        settings: ``NAME=VALUE`` words; each goes to the chapters that have such a setting.
        devices: on how many each model trains; on PyTorch torchrun starts a process for each.
        out: results go to ``out/BACKEND/CHAPTER``, those of fast and changed runs beside it; see
            :mod:`kerasdl.course.workplace`.
        record: hold full runs to their bands and keep what they reach beside the tutorials.
        keep: use what earlier runs compiled, and keep what this one compiles.
        resume: leave out chapters that have a result of the same code, settings, versions and data.

    Raises:
        ValueError: an unknown chapter, a setting that no chosen chapter has, a record of other runs than full
            ones.
        ModuleNotFoundError: a backend that is not installed.
        OSError: ``out`` is a file, or can't be written.
    """
    named = {script.path: script for script in map(syllabus.find, chapters)}
    scripts = list(named.values()) or syllabus.scripts()
    without = check_settings(settings, scripts)
    if record and (fast or settings):
        raise ValueError("--record keeps what full settings reach: leave --fast and --set out")
    asked = Asked(fast, settings, devices, out, record, keep, resume)
    with workplace.Workplace(out) as place:
        chosen = _backends(backend_names)
        single = len(scripts) == len(chosen) == 1
        outcomes: list[Outcome] = []
        interrupt: KeyboardInterrupt | None = None
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = report.console()
        for name, numbers in without.items():
            console.print(f"{name} is no setting of {', '.join(numbers)}: these run without it.")
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("starting", total=len(scripts) * len(chosen))
            try:
                for backend in chosen:
                    for event in _events(scripts, backend, asked, place):
                        if isinstance(event, Outcome):
                            outcomes.append(event)
                            progress.advance(bar)
                            _say(console, event, whole=single)
                        else:
                            progress.update(bar, description=event)
            except KeyboardInterrupt as end:
                interrupt = end
    found = [done.result for done in outcomes if done.result]
    for result in found if record else ():
        if not result.broken:
            reached.record(scripts[0].path.parent, result)
    if found and not single:
        page.show(found, out)
    failed = [done for done in outcomes if done.error]
    for done in failed:
        console.print(
            f"failed: {done.script.name} on {done.backend}: {done.error} (see {done.folder / LOG})",
            style="red",
            soft_wrap=True,
        )
    if single and found:
        console.print(f"Figures, tables and results are in {outcomes[0].folder}.", soft_wrap=True)
    if interrupt is not None:
        console.print(f"interrupted: {len(outcomes)} of {len(scripts) * len(chosen)} chapters had ended")
        return signals.exit_code(interrupt)
    return 1 if failed else 0


def _say(console: Console, outcome: Outcome, whole: bool) -> None:
    """A chapter asked for alone shows all it printed; one of many, a line."""
    if whole and outcome.kept and outcome.result:
        report.show([outcome.result])
        return
    if whole and outcome.log:
        console.print(outcome.log, soft_wrap=True)
        return
    script = outcome.script
    took = "kept" if outcome.kept else report.duration(outcome.seconds)
    line = f"{script.number} {script.name:<24} {took:>8}   {outcome.backend}"
    console.print(report.mark(not outcome.error), line)


def check_settings(settings: Sequence[str], scripts: Sequence[syllabus.Script]) -> dict[str, list[str]]:
    """Hold ``NAME=VALUE`` words to the limits of the chapters that have such settings.

    Returns:
        For each setting that some of the chapters lack, the numbers of these.

    Raises:
        ValueError: a setting that no chapter has, or a value that one of them cannot have.
    """
    known = {name for script in scripts for name in script.settings}
    asked = dict.fromkeys(word.partition("=")[0] for word in settings)
    for name in asked:
        names.one_of("setting", name, known)
    for script in scripts:
        request.overrides(_for(script, settings), script.settings, script.name)
    lacking = {name: [script.number for script in scripts if name not in script.settings] for name in asked}
    return {name: numbers for name, numbers in lacking.items() if numbers}


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
    scripts: Sequence[syllabus.Script], backend: str, asked: Asked, place: workplace.Workplace
) -> Iterator[str | Outcome]:
    """Yield, as they come, lines that say what is going on, and each chapter's outcome.

    A worker that dies takes one chapter with it: another goes on with the rest.
    """
    waiting = []
    for script in scripts:
        words = _for(script, asked.settings)
        result = kept(script, backend, asked.fast, words, asked.out) if asked.resume else None
        if result is None:
            waiting.append(script)
            continue
        folder = workplace.home(asked.out, result.kind) / backend / script.name
        yield Outcome(script, backend, result.seconds, "", folder, result, kept=True)
    while waiting:
        jobs = [_job(script, backend, asked) for script in waiting]
        folder = place.folder / backend
        yield f"{backend}: starting"
        with (
            compiled.Kept(backend if asked.keep else "none") as programs,
            Worker(backend, jobs, asked.devices, folder, programs.environment) as worker,
        ):
            for event in worker:
                script = waiting[0]
                if event["event"] == "progress":
                    yield f"{backend}: {script.name}, {event['label']} {event['share']:.0%}"
                elif event["event"] == "start":
                    yield f"{backend}: {script.name}"
                else:
                    waiting.pop(0)
                    yield _ended(script, backend, event["seconds"], event["error"], asked, place)
            code = worker.process.returncode
            if code == 0:
                programs.keep()
        if waiting:
            yield _ended(waiting.pop(0), backend, 0.0, f"its process ended with code {code}", asked, place)


def _job(script: syllabus.Script, backend: str, asked: Asked) -> dict:
    words = ["--backend", backend, "--devices", str(asked.devices), "--out", str(asked.out.absolute())]
    words += ["--fast"] if asked.fast else []
    words += [word for setting in _for(script, asked.settings) for word in ("--set", setting)]
    return {"path": str(script.path), "name": script.name, "arguments": words, "record": asked.record}


def _ended(
    script: syllabus.Script,
    backend: str,
    seconds: float,
    error: str,
    asked: Asked,
    place: workplace.Workplace,
) -> Outcome:
    """Give what a chapter made its final name; where it failed, one beside the results."""
    folder, result, log = place.folder / backend / script.name, None, ""
    try:
        if (folder / results.FILE).exists():
            result = results.load(folder / results.FILE)
        elif not error and not _for(script, asked.settings):
            error = "it ended before chapter.finish()"
        # Without results and without an error, training diverged at a changed setting, and said so.
        kind = result.kind if result else workplace.FAILED if error else "changed"
        final = workplace.home(asked.out, kind) / backend / script.name
        if (folder / LOG).exists():
            log = (folder / LOG).read_text(encoding="utf-8", errors="replace")
        if str(folder) in log:  # a chapter that printed where its files are
            log = log.replace(str(folder), str(final))
            files.write(folder / LOG, log)
        place.name(folder, kind, backend, script.name)
    except (OSError, ValueError) as failure:  # a full disk, above all
        error, final, result = error or f"{failure}", folder, None
    return Outcome(script, backend, seconds, error, final, result, log)

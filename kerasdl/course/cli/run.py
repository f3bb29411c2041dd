"""How do chapters run? On one backend after another, watched from here; a chapter that fails stops no other.

Names of chapters, backends and settings go in; the results of each chapter and a table of all come out.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasdl import backends, names
from kerasdl.course import environment, page, reached, report, request, signals, syllabus, workplace
from kerasdl.course.cli.kept import kept
from kerasdl.course.cli.lanes import Job, Lane, Outcome, listen
from kerasdl.course.cli.screen import Screen

AT_ONCE = 2  # chapters, where nothing else is asked for: each is mostly one core's work, and takes up to 2 GB


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
    at_once: int


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
    at_once: int | None = None,
) -> int:
    """Run chapters on backends, show what they found, and return the exit code.

    Args:
        chapters: by name or number; none means the whole course.
        backend_names: one after another; none means the one configured or installed.
        fast: use the chapters' fast settings.
        settings: ``NAME=VALUE`` words; each goes to the chapters that have such a setting.
        devices: on how many each model trains; on PyTorch torchrun starts a process for each.
        out: results go to ``out/BACKEND/CHAPTER``, those of fast and changed runs beside it; see
            :mod:`kerasdl.course.workplace`.
        record: hold full runs to their bands and keep what they reach beside the tutorials.
        keep: use what earlier runs compiled, and keep what this one compiles.
        resume: leave out chapters that have a result of the same code, settings, versions and data.
        at_once: how many chapters run at a time, in a process each; None: :data:`AT_ONCE` where there are as
            many cores, and one where times are recorded or a model trains on several devices.

    Raises:
        ValueError: an unknown chapter, a setting that no chosen chapter has, a record of other runs than full
            ones or of chapters that run beside others.
        ModuleNotFoundError: a backend that is not installed.
        OSError: ``out`` is a file, or can't be written.
    """
    named = {script.path: script for script in map(syllabus.find, chapters)}
    scripts = list(named.values()) or syllabus.scripts()
    without = check_settings(settings, scripts)
    if record and (fast or settings):
        raise ValueError("--record keeps what full settings reach: leave --fast and --set out")
    alone = record or devices > 1
    if alone and (at_once or 1) > 1:
        raise ValueError(f"--jobs {at_once}: with --record or --devices chapters run one at a time")
    at_once = at_once or (1 if alone else min(AT_ONCE, environment.cores()))
    asked = Asked(fast, settings, devices, out, record, keep, resume, at_once)
    with workplace.Workplace(out) as place:
        chosen = _backends(backend_names)
        single = len(scripts) == len(chosen) == 1
        console = report.console()
        for name, numbers in without.items():
            console.print(f"{name} is no setting of {', '.join(numbers)}: these run without it.")
        with Screen(console, len(scripts) * len(chosen), whole=single) as screen:
            outcomes, interrupt = _watch(scripts, chosen, asked, place, screen)
    found = [done.result for done in outcomes if done.result]
    for result in found if record else ():
        if not result.broken:
            reached.record(scripts[0].path.parent, result)
    if found and not single:
        page.show(found, out)
    failed = [done for done in outcomes if done.error]
    for done in failed:
        console.print(
            f"failed: {done.script.name} on {done.backend}: {done.error} (see {done.folder / workplace.LOG})",
            style="red",
            soft_wrap=True,
        )
    if single and found:
        console.print(f"Figures, tables and results are in {outcomes[0].folder}.", soft_wrap=True)
    if interrupt is not None:
        console.print(f"interrupted: {len(outcomes)} of {len(scripts) * len(chosen)} chapters had ended")
        return signals.exit_code(interrupt)
    return 1 if failed else 0


def _watch(
    scripts: Sequence[syllabus.Script],
    chosen: Sequence[str],
    asked: Asked,
    place: workplace.Workplace,
    screen: Screen,
) -> tuple[list[Outcome], KeyboardInterrupt | None]:
    """Run the chapters, and return how they ended, in the course's order, and what interrupted them."""
    outcomes: list[Outcome] = []
    interrupt = None

    def ended(outcome: Outcome) -> None:
        outcomes.append(outcome)
        screen.ended(outcome)

    try:
        for backend in chosen:
            waiting = []
            for script in scripts:
                if outcome := _kept(script, backend, asked):
                    ended(outcome)
                else:
                    waiting.append(_job(script, backend, asked))
            number = min(asked.at_once, len(waiting))
            lanes = [Lane(waiting, backend, asked.devices, asked.keep, place, number) for _ in range(number)]
            screen.begin(backend, number)
            with contextlib.closing(listen(lanes)) as events:
                for lane, event in events:
                    if isinstance(event, Outcome):
                        ended(event)
                    else:
                        screen.step(lane, event)
    except KeyboardInterrupt as end:
        interrupt = end
    order = {script.name: number for number, script in enumerate(scripts)}
    outcomes.sort(key=lambda done: (chosen.index(done.backend), order[done.script.name]))
    return outcomes, interrupt


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


def _kept(script: syllabus.Script, backend: str, asked: Asked) -> Outcome | None:
    """Return what an earlier run found, where it may stand for a run now."""
    if not asked.resume:
        return None
    result = kept(script, backend, asked.fast, _for(script, asked.settings), asked.out)
    if result is None:
        return None
    folder = workplace.home(asked.out, result.kind) / backend / script.name
    return Outcome(script, backend, result.seconds, "", folder, result, kept=True)


def _job(script: syllabus.Script, backend: str, asked: Asked) -> Job:
    settings = _for(script, asked.settings)
    words = ["--backend", backend, "--devices", str(asked.devices), "--out", str(asked.out.absolute())]
    words += ["--fast"] if asked.fast else []
    words += [word for setting in settings for word in ("--set", setting)]
    return Job(script, tuple(words), bool(settings), asked.record)

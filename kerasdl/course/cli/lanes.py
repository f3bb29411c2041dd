"""How do several chapters run at once? In lanes: each has a process that takes the next chapter nobody has.

Chapters and a backend go in; out come, as they happen, the steps of each lane and every chapter's outcome.
Whatever ends the listening ends the processes too.
"""

import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kerasdl import files
from kerasdl.course import compiled, environment, mistakes, results, syllabus, workplace
from kerasdl.course.cli.process import GRACE_SECONDS, Worker

# How often to look up: a wait without end is deaf to Ctrl-C on Windows.
LISTEN_SECONDS = 0.5
_CLAIMED = "claimed"  # where a folder of its name says that a chapter is taken


class Step(NamedTuple):
    """What a lane does now, and the share of it that is done, if it is known."""

    label: str
    share: float | None = None


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

    @property
    def stopped(self) -> str:
        """What the chapter said when its training diverged; empty where it came to its end, or failed."""
        if self.error or self.result:
            return ""
        _, said, why = self.log.rpartition(mistakes.STOPPED)
        return " ".join(f"{said}{why}".split())


@dataclass(frozen=True)
class Job:
    """One chapter, and the words of its command line.

    Attributes:
        script: the chapter.
        words: for it alone, ``--set`` among them.
        changed: whether a setting of it is changed.
        record: whether it is to be held to its bands, whatever was recorded before.
    """

    script: syllabus.Script
    words: tuple[str, ...]
    changed: bool
    record: bool

    def plain(self) -> dict:
        """Return the job as :mod:`kerasdl.course.cli.worker` reads it."""
        script = self.script
        return {
            "path": str(script.path),
            "name": script.name,
            "arguments": list(self.words),
            "record": self.record,
        }


class Lane:
    """Chapters one after another on a backend; a process that dies takes one with it, and another goes on.

    Args:
        jobs: all chapters of this run; lanes of one run share them out as they go.
        backend: its name.
        devices: on how many each model trains.
        keep: use what earlier runs compiled, and keep what this one compiles.
        place: where the run works.
        at_once: how many lanes the run has.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        backend: str,
        devices: int,
        keep: bool,
        place: workplace.Workplace,
        at_once: int = 1,
    ):
        self._jobs = {job.script.name: job for job in jobs}
        self._backend, self._devices, self._keep, self._place = backend, devices, keep, place
        self._variables = environment.of_lane(at_once)
        self._folder = place.folder / backend
        self._turn = threading.Lock()
        self._worker: Worker | None = None
        self._stopped = False

    def events(self) -> Iterator[Step | Outcome]:
        """Yield what happens in this lane until no chapter is left, or it is stopped."""
        while waiting := [job for job in self._jobs.values() if not self._taken(job.script.name)]:
            yield Step("starting")
            now = ""
            with (
                compiled.Kept(self._backend if self._keep else "none") as programs,
                Worker(
                    self._backend,
                    [job.plain() for job in waiting],
                    self._devices,
                    self._folder,
                    programs.environment | self._variables,
                ) as worker,
            ):
                self._hold(worker)
                for event in worker:
                    name = event["name"]
                    if event["event"] == "start":
                        now = name
                        yield Step(name)
                    elif event["event"] == "progress":
                        yield Step(f"{name}, {event['label']}", event["share"])
                    else:
                        now = ""
                        yield self._ended(name, event["seconds"], event["error"])
                code = worker.process.returncode
                self._hold(None)
                if code == 0:
                    programs.keep()
            if self._stopped:
                return
            if code and not now:  # it died before it had a chapter: the next would do so for ever
                now = next((job.script.name for job in waiting if claim(self._folder, job.script.name)), "")
            if now:
                yield self._ended(now, 0.0, f"its process ended with code {code}")

    def stop(self) -> None:
        """Let the process end, and start no other."""
        with self._turn:
            self._stopped = True
            if self._worker:
                self._worker.interrupt()

    def kill(self) -> None:
        """End the process now, if it has not ended."""
        with self._turn:
            if self._worker:
                self._worker.kill()

    def _hold(self, worker: Worker | None) -> None:
        with self._turn:
            self._worker = worker
            if worker and self._stopped:
                worker.interrupt()

    def _taken(self, name: str) -> bool:
        return (self._folder / _CLAIMED / name).exists()

    def _ended(self, name: str, seconds: float, error: str) -> Outcome:
        """Give what a chapter made its final name; where it failed, one beside the results."""
        job, folder = self._jobs[name], self._folder / name
        script, place, log = job.script, self._place, ""
        result = None
        try:
            if (folder / results.FILE).exists():
                result = results.load(folder / results.FILE)
            elif not error and not job.changed:
                error = "it ended before chapter.finish()"
            # Without results and without an error, training diverged at a changed setting, and said so.
            kind = result.kind if result else workplace.FAILED if error else "changed"
            final = workplace.home(place.out, kind) / self._backend / name
            if (folder / workplace.LOG).exists():
                log = (folder / workplace.LOG).read_text(encoding="utf-8", errors="replace")
            if str(folder) in log:  # a chapter that printed where its files are
                log = log.replace(str(folder), str(final))
                files.write(folder / workplace.LOG, log)
            place.name(folder, kind, self._backend, name)
        except (OSError, ValueError) as failure:  # a full disk, above all
            error, final, result = error or f"{failure}", folder, None
        return Outcome(script, self._backend, seconds, error, final, result, log)


def claim(folder: Path, name: str) -> bool:
    """Take a chapter for this process, and return whether it was free.

    Args:
        folder: where the chapters of this run work on one backend.
        name: the chapter's.
    """
    try:
        (folder / _CLAIMED / name).mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def listen(lanes: Sequence[Lane]) -> Generator[tuple[int, Step | Outcome], None, None]:
    """Yield what happens in each of the lanes, as it happens, with the lane's place among them.

    Closed or interrupted, it ends their processes before it returns.

    Raises:
        OSError: a process could not be started.
    """
    told: queue.SimpleQueue[tuple[int, Step | Outcome | BaseException | None]] = queue.SimpleQueue()

    def follow(number: int, lane: Lane) -> None:
        end = None
        try:
            for event in lane.events():
                told.put((number, event))
        except BaseException as error:  # noqa: BLE001 - raised where the lanes are listened to
            end = error
        told.put((number, end))

    threads = [threading.Thread(target=follow, args=one, daemon=True) for one in enumerate(lanes)]
    try:
        for thread in threads:
            thread.start()
        running = len(threads)
        while running:
            try:
                number, event = told.get(timeout=LISTEN_SECONDS)
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                raise event
            if event is None:
                running -= 1
            else:
                yield number, event
    except KeyboardInterrupt:
        _end(lanes, threads)
        while not told.empty():  # what had ended before the interrupt came
            number, event = told.get()
            if isinstance(event, Outcome):
                yield number, event
        raise
    finally:
        _end(lanes, threads)


def _end(lanes: Sequence[Lane], threads: Sequence[threading.Thread]) -> None:
    """Let all lanes end, those that take their time by force."""
    for lane in lanes:
        lane.stop()
    late = time.monotonic() + GRACE_SECONDS
    for lane, thread in zip(lanes, threads, strict=True):
        if thread.ident is not None:
            thread.join(max(0.0, late - time.monotonic()))
            lane.kill()
            thread.join()

"""Who runs what one page asks for? A warm process, for the newest wish alone.

Jobs go in; each event of the process is handed on as it comes. A new job takes the place of one that waits,
and interrupts one that runs, unless that is about to end.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasdl.course import compiled, environment
from kerasdl.course.cli import process

PATIENCE = (
    0.5  # seconds that a running job may still take before it is interrupted: a moving hand sees it end
)
AGAIN = 0.3  # seconds after which an interrupt that was not heard is repeated
STUBBORN = 4.0  # seconds after which a process that hears none is ended
MOST_MEMORY = (
    1200  # MiB beyond which another chapter gets a new process: each leaves its imports and data behind
)
LONGEST_LINE = 2**20


@dataclass(frozen=True)
class Job:
    """A run that is wanted.

    Attributes:
        number: grows from job to job.
        script: the chapter's path.
        words: after the script's name on a command line.
        folder: where its results go.
    """

    number: int
    script: Path
    words: tuple[str, ...]
    folder: Path

    @property
    def fast(self) -> bool:
        """Whether it runs at the fast setting."""
        return "--fast" in self.words


class Player:
    """Runs jobs in one process of one backend; to be used inside one event loop.

    Args:
        backend: its name.
        told: called with each event of the process (see :mod:`kerasdl.course.play.worker`), and with
            ``start`` when a job begins. Of every job that began exactly one ``end`` is told.
    """

    def __init__(self, backend: str, told: Callable[[dict], None] = lambda event: None):
        self.backend, self.told = backend, told
        self.process: asyncio.subprocess.Process | None = None
        self._kept = compiled.Kept("none")
        self._fast = True
        self._script: Path | None = None  # that the process ran last, or was started for
        self._memory = 0.0  # MiB that it took then, at most
        self._interrupted = False  # the process was interrupted in the middle of something
        self._waiting: Job | None = None
        self._running: tuple[Job, float] | None = None
        self._took: dict[tuple[Path, bool], float] = {}
        self._wake = asyncio.Event()
        self._starting = asyncio.Lock()
        self._stopping: asyncio.Task | None = None
        self._work = asyncio.create_task(self._run_what_is_asked())

    def ask(self, job: Job) -> None:
        """Run a job as soon as may be, in place of every one before it."""
        self._waiting = job
        self._wake.set()
        self.stop_running()

    def stop_running(self) -> None:
        """Interrupt the job that runs, if there is one."""
        if self._running and (self._stopping is None or self._stopping.done()):
            self._stopping = asyncio.create_task(self._stop(self._running[0], self._patience()))

    async def warm(self, script: Path, fast: bool) -> None:
        """Have a process ready for a chapter, at one of its two settings.

        Raises:
            RuntimeError: it ended before it was ready.
        """
        async with self._starting:
            await self._warm(script, fast)

    async def _warm(self, script: Path, fast: bool) -> None:
        if self.process and self.process.returncode is None:
            full = script != self._script and self._memory > MOST_MEMORY
            if fast == self._fast and not full:
                return
            await self._end()
        self._kept = compiled.Kept(self.backend)
        variables = self._kept.environment | environment.of_chapter(self.backend, fast, often=True)
        self._fast, self._script, self._memory, self._interrupted = fast, script, 0.0, False
        self.process = await asyncio.create_subprocess_exec(
            *process.python("kerasdl.course.play.worker", str(script)),
            env=environment.of_process(self.backend, variables),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for the server, which ends it itself
        )
        if (await self._next()).get("event") != "ready":
            raise RuntimeError("the process that runs chapters could not start: the terminal says why")

    async def close(self) -> None:
        """End the process, and whatever it is doing."""
        idle = self._running is None
        self._work.cancel()
        if self._stopping:
            self._stopping.cancel()
        await asyncio.gather(self._work, *filter(None, [self._stopping]), return_exceptions=True)
        await self._end(idle)

    async def _end(self, idle: bool = True) -> None:
        ended, self.process = self.process, None
        if ended is None:
            return
        if ended.returncode is None and ended.stdin:
            ended.stdin.close()  # it ends by itself when nothing more can come
            try:
                await asyncio.wait_for(ended.wait(), STUBBORN)
                if idle:  # else it may have been writing what it compiled
                    self._kept.keep()
            except TimeoutError:
                ended.kill()
                await ended.wait()
        self._kept.__exit__()

    async def _next(self) -> dict[str, Any]:
        """The next event of the process; an empty one when there are no more."""
        own = self.process
        if own is None or own.stdout is None:  # it was ended meanwhile
            return {}
        line = await own.stdout.readline()
        if not line:
            await own.wait()
        return json.loads(line) if line else {}

    def _say(self, **words: Any) -> None:
        if self.process and self.process.stdin and self.process.returncode is None:
            self.process.stdin.write((json.dumps(words) + "\n").encode())

    async def _run_what_is_asked(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            job, self._waiting = self._waiting, None
            if job is None:
                continue
            self.told({"event": "start", "job": job.number})
            try:
                interrupted = self._interrupted
                end = await self._run(job)
                if end["error"] and interrupted and not end["cancelled"]:
                    # The interrupt before it may have left something half done: a fresh process tells.
                    await self._end()
                    end = await self._run(job)
            except Exception as error:  # noqa: BLE001  a page that waits for an end must get one
                end = {"error": f"{error}", "cancelled": False, "seconds": 0.0, "busy": 0.0}
            self.told({"event": "end", **end, "job": job.number})

    async def _run(self, job: Job) -> dict[str, Any]:
        await self.warm(job.script, job.fast)
        if self._waiting:
            return {"error": "", "cancelled": True, "seconds": 0.0, "busy": 0.0}
        started = time.perf_counter()
        self._running = job, started
        self._script = job.script
        self._say(job=job.number, path=str(job.script), arguments=list(job.words), folder=str(job.folder))
        try:
            while event := await self._next():
                if event.get("job") != job.number:
                    continue
                if event["event"] == "end":
                    self._interrupted |= event["cancelled"]
                    self._memory = event["memory"]
                    if not event["cancelled"]:
                        self._took[job.script, job.fast] = event["seconds"]
                    return event
                self.told(event)
        finally:
            self._running = None
        stopped = self._stopping is not None
        code = self.process.returncode if self.process else None
        await self._end()
        error = "" if stopped else f"its process ended with code {code}"
        return {"error": error, "cancelled": stopped, "seconds": time.perf_counter() - started, "busy": 0.0}

    def _patience(self) -> float:
        """How long the running job is worth waiting for: until its end, if that is near."""
        assert self._running
        job, started = self._running
        left = self._took.get((job.script, job.fast), 60.0) - (time.perf_counter() - started)
        return PATIENCE if left < PATIENCE else 0.0

    async def _stop(self, job: Job, patience: float) -> None:
        def runs() -> bool:
            return self._running is not None and self._running[0] is job

        until = time.perf_counter() + patience
        while runs() and time.perf_counter() < until:
            await asyncio.sleep(0.02)
        until = time.perf_counter() + STUBBORN
        while runs():
            if time.perf_counter() > until and self.process:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
            self._say(cancel=job.number)
            await asyncio.sleep(AGAIN)
        self._stopping = None

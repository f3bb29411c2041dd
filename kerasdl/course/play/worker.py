"""What happens in a warm process? A chapter's imports are made once; then each job runs its script anew.

Started by :mod:`kerasdl.course.play.player` with the word SCRIPT. One JSON job a line comes in, one JSON
event a line goes out:

* in: ``{"job": 1, "path": "…", "arguments": ["--fast", …], "folder": "…"}`` runs a script, and
  ``{"cancel": 1}`` interrupts it;
* out: ``ready``; of a job ``progress`` (label, share), ``figure`` (path, alt, line of the script) for each
  one, and ``end`` (error, cancelled, seconds, busy, memory).

When nothing more can come in, the process ends, whatever it is doing: none outlives the server.
"""

import ast
import contextlib
import gc
import inspect
import json
import os
import queue
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kerasdl.course import chapter, results
from kerasdl.course.cli import worker
from kerasdl.course.play.draughtsman import Draughtsman
from kerasdl.course.workplace import LOG


class _Interrupts:
    """Lets an interrupt through while a script runs, and at no other time."""

    def __init__(self) -> None:
        self.job: int | None = None
        signal.signal(signal.SIGINT, self._arrived)
        signal.signal(signal.SIGTERM, lambda number, frame: worker.end())

    def _arrived(self, number: int, frame: types.FrameType | None) -> None:
        if self.job is not None:
            raise KeyboardInterrupt


def main() -> None:
    """Make the script's imports, then run jobs as they come."""
    script = Path(sys.argv[1])
    # Events get a descriptor of their own; 1 and 2 belong to the chapter.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    speaking = threading.Lock()

    def send(event: str, **fields: Any) -> None:
        with speaking:
            print(json.dumps({"event": event, **fields}), file=events, flush=True)

    interrupts = _Interrupts()
    jobs: queue.Queue[dict] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs, interrupts), daemon=True).start()
    draughtsman = Draughtsman()
    _make_imports(script)
    gc.freeze()  # what the imports made is here to stay: collections between runs need not look through it
    send("ready")
    while True:
        job = jobs.get()
        number, path, folder = job["job"], Path(job["path"]), Path(job["folder"])

        def progress(label: str, share: float, number: int = number) -> None:
            send("progress", job=number, label=label, share=share)

        @contextlib.contextmanager
        def shown(
            kind: str, number: int = number, path: Path = path, folder: Path = folder, **fields: Any
        ) -> Iterator[None]:
            if kind == "figure":
                told = {
                    "path": str(folder / f"{fields['name']}.png"),
                    "alt": fields["alt"],
                    "line": _line(path),
                }
                draughtsman.then(partial(send, "figure", job=number, **told))
            yield

        folder.mkdir(parents=True, exist_ok=True)
        chapter.host = chapter.Host(path.parent, progress, folder=folder, shown=shown, save=draughtsman.save)
        started, busy = time.perf_counter(), time.process_time()
        error, cancelled = "", False
        try:
            interrupts.job = number
            error = worker.run(folder, str(path), job["arguments"])
            error = draughtsman.finish() or error
            interrupts.job = None
        except KeyboardInterrupt:
            interrupts.job = None
            cancelled = True
            draughtsman.forget()
        send(
            "end",
            job=number,
            error=error or ("" if cancelled else _stopped(folder)),
            cancelled=cancelled,
            seconds=time.perf_counter() - started,
            busy=time.process_time() - busy,
            memory=_memory(),
        )
        # Only now: nobody waits for it.
        _forget()


def _listen(jobs: "queue.Queue[dict]", interrupts: _Interrupts) -> None:
    """Take in what the server says: jobs for the main thread, interrupts at once."""
    for line in sys.stdin:
        said = json.loads(line)
        if "cancel" not in said:
            jobs.put(said)
        elif said["cancel"] == interrupts.job:
            signal.raise_signal(signal.SIGINT)
    worker.end()


def _make_imports(script: Path) -> None:
    """Run the import statements of a script, so that its first run need not."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, str(script), "exec"), {})


def _line(script: Path) -> int:
    """Return which line of the script is running: of its top level, whatever functions it is in."""
    frame, line = inspect.currentframe(), 0
    while frame:
        if frame.f_code.co_filename == str(script):
            line = frame.f_lineno
        frame = frame.f_back
    return line


def _stopped(folder: Path) -> str:
    """Return why a run ended well and early, its last line; nothing where it came to its end."""
    if (folder / results.FILE).exists():
        return ""
    lines = (folder / LOG).read_text(encoding="utf-8").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it ended before its results")


def _memory() -> float:
    """Return the MiB that this process has taken, at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def _forget() -> None:
    worker.forget()
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")

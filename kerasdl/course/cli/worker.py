"""What happens in a backend's process? Chapters run here as ``__main__``, their output kept in files.

Started by :mod:`kerasdl.course.cli.process` with the words FOLDER and JOBS: each chapter works in
``FOLDER/CHAPTER``, and one that another process has taken is left to it. Standard output carries one JSON
event a line; standard input stays open for as long as whoever started this is there.
"""

import contextlib
import functools
import json
import os
import runpy
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasdl.course import chapter, shown
from kerasdl.course.cli.lanes import claim
from kerasdl.course.workplace import LOG


def main() -> None:
    """Run each job that is free, in turn: one that fails stops no other."""
    out, jobs = Path(sys.argv[1]), json.loads(sys.argv[2])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Under torchrun each device has a process that runs the chapters; the first one tells of them.
    rank = int(os.environ.get("RANK", 0))
    if rank:
        out = Path(tempfile.mkdtemp(prefix="kerasdl-"))
    # The events' pipe gets a descriptor of its own; 1 and 2 then belong to the chapter, whatever writes to
    # them: Python, or a backend's C++.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def send(event: str, **fields: Any) -> None:
        if not rank:
            try:
                print(json.dumps({"event": event, **fields}), file=events, flush=True)
            except BrokenPipeError:  # whoever started this is gone, and no one left to be told
                end()

    try:
        for job in jobs:
            if not claim(out, job["name"]):
                continue
            progress = functools.partial(_tell, send, job["name"])
            folder = out / job["name"]
            folder.mkdir(parents=True, exist_ok=True)
            recorder = shown.Recorder(job["path"], sys.stdout)
            chapter.host = chapter.Host(
                Path(job["path"]).parent, progress, job["record"], folder, recorder.instead
            )
            send("start", name=job["name"])
            started = time.perf_counter()
            with contextlib.redirect_stdout(recorder):
                error = run(folder, job["path"], job["arguments"])
            if not error:
                with contextlib.suppress(OSError):  # on a full disk; the site then asks for the run again
                    recorder.save(folder)
            send("end", name=job["name"], seconds=time.perf_counter() - started, error=error)
            forget()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        if rank:
            shutil.rmtree(out, ignore_errors=True)


def _tell(send: Callable[..., None], name: str, label: str, share: float) -> None:
    send("progress", name=name, label=label, share=share)


def _end_with_parent() -> None:
    """Wait for the end of standard input, which comes with the end of whoever started this, then end too."""
    while os.read(0, 1):
        pass
    end()


def end() -> None:
    """End this process now, with all that the chapter has started."""
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    else:
        os.kill(os.getpid(), signal.SIGTERM)


def run(folder: Path, path: str, arguments: list[str]) -> str:
    """Run one script with its output in ``folder``; return what went wrong in a line, or nothing.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    with open(folder / LOG, "w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    error = ""
    sys.excepthook = sys.__excepthook__
    sys.argv = [path, *arguments]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as said:
        error = _said(said)
    except Exception as failure:  # noqa: BLE001  whatever it raises, the others still run
        error = f"{type(failure).__name__}: {failure}".splitlines()[0]
        try:
            sys.excepthook(type(failure), failure, failure.__traceback__)
        except SystemExit as said:  # a chapter's own words: see course.chapter
            error = _said(said)
    finally:
        with contextlib.suppress(OSError):  # on a full disk
            sys.stdout.flush()
            sys.stderr.flush()
    return error


def forget() -> None:
    """Let go of what a chapter left behind in Keras, so that the next one starts as the first did."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()


def _said(ended: SystemExit) -> str:
    """A chapter's last line, when it ends in one; nothing where all is well."""
    if not ended.code:
        return ""
    print(ended, file=sys.stderr)
    return f"{ended}".partition(": ")[2] or f"ended with {ended}"

"""In what does a backend run? In a process of its own, started, listened to and ended from here.

Jobs go in; out come the events that :mod:`kerasdl.course.cli.worker` tells of. Whatever the process has
started ends with it, and it ends with this one, however this one ends.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import kerasdl
from kerasdl.course import environment

# kerasdl is taken from where this process has it, whatever else lies there.
START = """\
import sys
sys.path.insert(0, {root!r})
try:
    import kerasdl
    sys.path.append(sys.path.pop(0))
    from {module} import main
    main()
except KeyboardInterrupt:
    raise SystemExit(130) from None
"""
GRACE_SECONDS = 1.5  # for it to end by itself after Ctrl-C before it is killed


def python(module: str, *words: str) -> list[str]:
    """Return the command that runs a module's ``main`` with these words."""
    root = str(Path(kerasdl.__file__).resolve().parents[1])
    return [sys.executable, "-c", START.format(root=root, module=module), *words]


class Worker:
    """A process that runs chapters one after another and reports on its standard output.

    Args:
        backend: its name.
        jobs: as :mod:`kerasdl.course.cli.worker` reads them.
        devices: on how many each model trains; on PyTorch torchrun starts a process for each.
        folder: where the chapters work.
        variables: more of the environment.
    """

    def __init__(
        self, backend: str, jobs: list[dict], devices: int, folder: Path, variables: Mapping[str, str]
    ):
        command = python("kerasdl.course.cli.worker", str(folder), json.dumps(jobs))
        if backend == "torch" and devices > 1:
            many = ["torch.distributed.run", "--standalone", f"--nproc-per-node={devices}", "--no-python"]
            command = [sys.executable, "-m", *many, *command]
        self._asked = self._told = False
        self.process = subprocess.Popen(
            command,
            env=environment.of_process(backend, variables),
            stdin=subprocess.PIPE,  # nothing is written: it ends when this process does
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0 if os.name == "posix" else None,
        )

    def __enter__(self) -> "Worker":
        return self

    def __iter__(self) -> Iterator[dict]:
        assert self.process.stdout
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # a line of someone else's, before the chapters begin
                event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    self._told = True
                    yield event
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        if self.process.poll() is None:
            self.interrupt()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_SECONDS)
        self.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def interrupt(self) -> None:
        """Ask the process to end, once: a second time would disturb it while it does."""
        if not self._asked:
            self._asked = True
            if not self._told:  # nothing to end yet, and Python would answer an interrupt with a traceback
                self.kill()
            self._send(signal.SIGINT if os.name == "posix" else signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all that it has started."""
        self._send(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

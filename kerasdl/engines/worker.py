"""What does a worker do? It makes the work once, then one call of it at a time, until it is told to stop.

In come the work's content, its token and a call's arguments; out go the call's result, or its error.
"""

import contextlib
import ctypes
import os
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle

from kerasdl import backends

# What limits a process's threads: BLAS and OpenMP (torch) by the first three, then TensorFlow, then JAX.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KERAS_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")


def shared_by(process: int) -> str:
    """What the name of a file begins with that this process shares with its workers."""
    return f"kerasdl-{process}-"


def end_with(parent: int) -> None:
    """Let this process end when its parent has, killed outright even, and with it what the parent shared."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        for path in Path(tempfile.gettempdir()).glob(f"{shared_by(parent)}*"):
            path.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)

    if os.name == "posix":  # elsewhere a process does not learn of its parent's end
        threading.Thread(target=watch, daemon=True).start()


class Stopped(BaseException):
    """Raised in the thread of a worker whose piece of work was given up."""


_turn = threading.Lock()
_made: tuple[str, Any] = ("", None)
_told = threading.Lock()  # guards the two below
_doing: tuple[str, int] | None = None  # the work that is done just now, and the thread that does it
_given_up: deque[str] = deque(maxlen=64)  # work of which a piece may still wait for its turn


def perform(backend: str, token: str, shared: bytes | Path, *call: Any) -> tuple[Any, Exception | None]:
    """Do one call of the work on a worker, and return its result and None, or None and its error.

    Errors are returned, not raised, since each engine would wrap them in a way of its own.
    """
    global _made
    with _turn:  # a Dask worker may have several threads; Keras and the streams are one a process
        try:
            if token in _given_up:
                raise Stopped
            if _made[0] != token:
                threads = os.environ.get("OMP_NUM_THREADS", "1")  # each engine has set it to a worker's share
                for name in KERAS_THREADS:
                    os.environ.setdefault(name, threads)
                backends.use(backend)
                _made = (token, made(shared.read_bytes() if isinstance(shared, Path) else shared))
            with _stoppable(token):
                return _made[1](*call), None
        except Stopped:
            _made = ("", None)  # it may have been left in the middle of anything
            return None, RuntimeError("given up")
        except Exception as error:  # noqa: BLE001  judged where the work was asked for
            return None, error


@contextlib.contextmanager
def _stoppable(token: str) -> Iterator[None]:
    """Let :func:`stop` reach what this thread does within."""
    global _doing
    thread = threading.get_ident()
    with _told:
        _doing = (token, thread)
    try:
        yield
    finally:
        with _told:
            _doing = None
        _raise(thread, None)  # what came too late


def stop(token: str) -> None:
    """End what this worker does, at its next step of Python, if it is a piece of the work of this token."""
    with _told:
        _given_up.append(token)
        if _doing is not None and _doing[0] == token:
            _raise(_doing[1], Stopped)


def _raise(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread at its next step of Python; None takes back one that has not come up yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error and ctypes.py_object(error))


def made(content: bytes) -> Any:
    """Return what the work's ``make`` returns."""
    try:
        make, arguments = cloudpickle.loads(content)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"a worker cannot read the work ({error}): install the module that defines the builder there"
        ) from error
    return make(*arguments)

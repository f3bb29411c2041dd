"""How does a file come over the network, so that a final name never holds half of it?

In goes a data set's name; out come its files in the cache. A download runs in a folder of its own there,
takes no more bytes than the catalogue says and no longer than a slow line needs for them, and each file is
renamed into place once its SHA-256 is right. A download that is killed leaves its folder behind,
and the next one removes it.
"""

import contextlib
import http.client
import os
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from kerasdl import files, names
from kerasdl.datasets.catalogue import Found, entry, fault

try:
    from fcntl import LOCK_EX, flock
except ImportError:  # Windows, where a file in use cannot be deleted: the sweep alone leaves others in peace
    flock = None  # type: ignore[assignment]

RETRIES, WAIT = 2, 1  # at each address: further attempts, and the seconds between them
STALLED = 30  # seconds of silence after which an attempt counts as failed
SLOWEST = 10_000  # bytes a second, below which one does, too
PIECE = 2**16  # bytes read at once
_PARTIAL = ".partial-"

Progress = Callable[[int, int], None]


def fetch(name: str, progress: Progress | None = None) -> Found:
    """Download a data set into the cache, unless it is there whole; each file is verified by SHA-256.

    Addresses are tried in the catalogue's order. Valid files are kept, damaged ones replaced.
    Two processes that fetch one data set take turns, and the second finds it done.

    Args:
        name: ``"house_prices"``, ``"time_machine"`` or ``"fashion_mnist"``.
        progress: called as ``progress(done_bytes, total_bytes)`` about ten times a second, from a thread.

    Returns:
        The files in the cache.

    Raises:
        ValueError: ``name`` is unknown.
        ConnectionError: no address gave the right file; the message names each and what it answered.

    Example:
        >>> fetch("time_machine").source  # doctest: +SKIP
        'cache'
    """
    known = entry(name)
    home = files.cache() / name
    home.mkdir(parents=True, exist_ok=True)
    paths = {file["name"]: home / file["name"] for file in known["files"]}
    total = sum(file["bytes"] for file in known["files"])
    progress = progress or (lambda done, total: None)
    with _alone(home):
        for stale in home.glob(f"{_PARTIAL}*"):
            shutil.rmtree(stale, ignore_errors=True)  # one that another Windows process uses stays
        wanted = [file for file in known["files"] if fault(paths[file["name"]], file)]
        done = total - sum(file["bytes"] for file in wanted)
        for file in wanted:
            with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=home) as partial:
                with _watched(Path(partial), done, done + file["bytes"], total, progress):
                    arrived = _from_any_address(name, file, partial)
                os.replace(arrived, paths[file["name"]])
            done += file["bytes"]
    progress(total, total)
    return Found(paths, "cache", f"{name}: {known['title']}, from the cache {home}")


def _from_any_address(name: str, file: dict, folder: str) -> Path:
    """Return the verified file from the first address that gives it."""
    answers: list[str] = []
    for url in file["urls"]:
        for attempt in range(RETRIES + 1):
            if attempt:
                time.sleep(WAIT)
            path = Path(folder) / f"{file['name']}-{len(answers)}-{attempt}"
            try:
                _transfer(url, path, file["bytes"])
            except (OSError, http.client.HTTPException, ValueError) as error:
                answer = str(error) or type(error).__name__
                path.unlink(missing_ok=True)
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                    if error.code < 500:
                        break  # it will not be there the next time
                continue
            if not (problem := fault(path, file)):
                return path
            answer = problem.removeprefix(f"{path} ")
            path.unlink()
            break
        answers.append(f"{url} ({names.printable(answer)})")
    raise ConnectionError(
        f"{file['name']} could not be fetched from {' or '.join(answers)}; "
        f"try again with a network, or go on with the embedded stand-in of {name}, which needs none"
    )


def _transfer(url: str, path: Path, size: int) -> None:
    """Bring what lies at an address into a file, and give up on more bytes, or more time, than it may take.

    A thread does it: what is given up is left to itself, wherever it waits, and stops at its next piece.
    """
    failure: list[BaseException] = []
    over = threading.Event()

    def work() -> None:
        try:
            with urllib.request.urlopen(url, timeout=STALLED) as answer, open(path, "wb") as stream:
                left = size
                while piece := answer.read1(PIECE):
                    if over.is_set():
                        return
                    left -= len(piece)
                    if left < 0:
                        raise OSError(f"it gives more than {size} bytes")
                    stream.write(piece)
            if left:
                raise OSError(f"it broke off {left} bytes before the end")
        except BaseException as error:  # noqa: BLE001  judged where it was asked for
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    allowed = STALLED + size / SLOWEST
    try:
        thread.join(allowed)
        if thread.is_alive():
            raise TimeoutError(f"it took longer than {allowed:.0f} s")
    finally:
        over.set()
    if failure:
        raise failure[0]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that a partial download found under it belongs to no running process.

    The system drops the lock when its process ends, however it ends.
    """
    if flock is None:
        yield
        return
    with open(folder / ".lock", "a") as handle:  # a file, since network drives lock no folders
        flock(handle, LOCK_EX)
        yield


@contextlib.contextmanager
def _watched(folder: Path, start: int, end: int, total: int, progress: Progress) -> Iterator[None]:
    """Report ``start`` plus the size of what lies in ``folder``, at most ``end``, while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            size = 0
            for path in folder.iterdir():
                with contextlib.suppress(FileNotFoundError):  # renamed or removed since it was listed
                    size += path.stat().st_size
            progress(min(start + size, end), total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

"""Where are compiled programs kept from run to run? In the cache folder, for JAX, the backend that can.

In goes a backend's name; out come the environment variables with which its process finds what earlier runs
compiled. A run works in a folder of its own, into which everything kept is linked; what it adds is linked
back when it has ended well. So two runs do not meet, and one that is killed leaves nothing half written.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from kerasdl import backends, files

LIMIT = 2**29  # bytes kept; beyond, the oldest programs go
ABANDONED = 24 * 3600  # seconds after which the folder of a run that was killed is taken away


def folder() -> Path:
    """Return the folder in which compiled programs are kept."""
    return files.cache() / "compiled"


def size() -> tuple[int, int]:
    """Return how many programs are kept, and their bytes."""
    sizes = [path.stat().st_size for path in _programs()]
    return len(sizes), sum(sizes)


class Kept:
    """What one run of one backend uses and adds.

    Args:
        backend: its name. For others than JAX, or where the folder can't be written, nothing is kept.

    Attributes:
        environment: the variables for the run's process.

    Example:
        >>> with Kept("torch") as kept:
        ...     kept.environment
        {}
    """

    def __init__(self, backend: str):
        self.environment: dict[str, str] = {}
        if backend != "jax" or "JAX_COMPILATION_CACHE_DIR" in os.environ:  # or the user's own
            return
        try:
            self._store = folder() / _machine()
            self._store.mkdir(parents=True, exist_ok=True)
            _forget_abandoned()
            self._own = Path(tempfile.mkdtemp(prefix="run-", dir=folder()))
        except OSError:
            return
        for path in self._store.iterdir():
            _link(path, self._own / path.name)
        self.environment = {
            "JAX_COMPILATION_CACHE_DIR": str(self._own),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",  # else the folder's name is part of the key
        }

    def __enter__(self) -> "Kept":
        return self

    def keep(self) -> None:
        """Keep what the run compiled: call it when its process has ended well."""
        if not self.environment:
            return
        for path in self._own.iterdir():
            if path.is_file():
                _link(path, self._store / path.name)
        _bound()

    def __exit__(self, *_: object) -> None:
        if self.environment:
            shutil.rmtree(self._own, ignore_errors=True)


def _machine() -> str:
    """Name what programs depend on: JAX's version, and the processor's instructions."""
    version = backends.version("jax") or "none"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
        return f"jax-{version}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
    return f"jax-{version}-{platform.machine()}"


def _programs() -> list[Path]:
    """Return every program that is kept, the oldest first."""
    found = [path for path in folder().glob("jax-*/*") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _link(path: Path, target: Path) -> None:
    """Let a whole file appear under a second name, unless that is taken."""
    with contextlib.suppress(OSError):
        try:
            os.link(path, target)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            files.write(target, path.read_bytes())


def _bound() -> None:
    kept = [(path, path.stat().st_size) for path in _programs()]
    total = sum(size for _, size in kept)
    for path, size in kept:
        if total <= LIMIT:
            return
        path.unlink(missing_ok=True)
        total -= size


def _forget_abandoned() -> None:
    for own in folder().glob("run-*"):
        if time.time() - own.stat().st_mtime > ABANDONED:
            shutil.rmtree(own, ignore_errors=True)

"""In what environment does a chapter run? Its variables, for whoever has not set them otherwise.

A backend's name goes in, and whether the run is fast; out come the variables that its libraries read when
they start.
"""

import os
from collections.abc import Mapping

from kerasdl import backends

LEVEL = "--xla_backend_optimization_level={}"
QUICK = "--xla_cpu_use_fusion_emitters=false"
LATEST = (0, 10)  # the last JAX that is known to know QUICK: XLA ends a process that is given an unknown flag


def of_chapter(backend: str, fast: bool, often: bool = False) -> dict[str, str]:
    """Return what is set before a chapter loads its backend.

    Chapters have small models and many programs: XLA takes longer to make these quick than that saves. With
    so few steps as fast runs have, to make them better at all is not worth it; a little it is, if the same
    process runs the chapter time and again.

    Args:
        backend: its name.
        fast: whether the chapter runs at its fast setting.
        often: whether it runs more than once.

    Example:
        >>> of_chapter("torch", fast=True)
        {}
    """
    flags = [LEVEL.format(1 if often else 0)] if fast and backend in ("jax", "tensorflow") else []
    if backend == "jax" and _is_known_to_know_quick(backends.version("jax")):
        flags.append(QUICK)
    found = {"XLA_FLAGS": " ".join(flags)} if flags else {}
    if backend == "tensorflow":
        found["TF_CPP_MIN_LOG_LEVEL"] = "2"  # of what it says, faults alone: its greetings look like some
    return found


def of_lane(at_once: int) -> dict[str, str]:
    """Return what a process is told that is one of so many at a time."""
    if at_once == 1:
        return {}
    # PyTorch's threads, more of them than cores, wait for one another for longer than they work.
    return {"OMP_NUM_THREADS": str(max(1, cores() // at_once))}


def of_process(backend: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a process in which chapters run.

    Args:
        backend: its name.
        variables: more of them, for whoever has not set them otherwise.
    """
    found = {**variables, **os.environ, "KERAS_BACKEND": backend, "PYTHONUTF8": "1"}
    found.setdefault("MPLBACKEND", "agg")
    # Else modules are looked for where the user stands first, and a random.py there is Python's own.
    found["PYTHONSAFEPATH"] = "1"
    # Two processes may share a GPU: else the first one takes all of its memory.
    found.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    found.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    return found


def cores() -> int:
    """Return how many cores this process may use: those of its container, or of its affinity."""
    from joblib import cpu_count  # nobody waits for the import who only asks for help

    return int(cpu_count())


def _is_known_to_know_quick(version: str | None) -> bool:
    return version is not None and tuple(map(int, version.split(".")[:2])) <= LATEST

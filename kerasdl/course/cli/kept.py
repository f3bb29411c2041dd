"""Which chapters need not run again? Those whose stored result is what a run now would find.

A chapter and what is asked of it go in; its result comes out, or nothing where one thing is another now: the
chapter's code, a setting, a version, the source of its data.
"""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import __version__, backends
from kerasdl.course import reached, request, results, syllabus, workplace

DATA = {
    "Book": "time_machine",
    "HousePrices": "house_prices",
    "Images": "fashion_mnist",
}  # as chapters name them


def kept(
    script: syllabus.Script, backend: str, fast: bool, words: Sequence[str], out: Path
) -> results.Result | None:
    """Return the stored result of a chapter on a backend, if a run now would find the same.

    Args:
        script: the chapter.
        backend: its name.
        fast, words: its setting: ``--fast``, and the ``NAME=VALUE`` words for it.
        out: where results are.
    """
    declared = {**script.settings, **(script.fast if fast else {})}
    settings = {**declared, **request.overrides(words, script.settings)}
    changed = [name for name in declared if settings[name] != declared[name]]
    kind = results.Result(script.name, backend, fast, settings, changed).kind
    try:
        found = results.load(workplace.home(out, kind) / backend / script.name / results.FILE)
    except (OSError, ValueError):
        return None
    same = (
        (found.chapter, found.backend, found.fast) == (script.name, backend, fast)
        and found.code == reached.code(script.path.read_text(encoding="utf-8"))
        and _plain(found.settings) == _plain(settings)
        and not found.broken
        and all(_version(name) == version for name, version in found.versions.items())
        and all(_source(name) == source for name, source in found.data.items())
    )
    return found if same else None


def _plain(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _version(name: str) -> str | None:
    """The version that a run now would record."""
    if name in ("python", "kerasdl"):
        return platform.python_version() if name == "python" else __version__
    return backends.version(name) or backends.version(f"{name}-cpu")


def _source(name: str) -> str | None:
    """The source that a run now would record."""
    from kerasdl.datasets import store  # pandas takes a while to load

    try:
        return store.find(DATA[name]).source
    except (KeyError, OSError, ValueError):
        return None

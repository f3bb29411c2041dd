"""What did a chapter find? Its checks and their JSON, written and read without Keras.

A chapter's run goes in as a :class:`Result` and out as ``results.json`` in its folder, and back.
"""

import json
import math
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kerasdl import files, names
from kerasdl.course import workplace

FILE = "results.json"


@dataclass(frozen=True)
class Exact:
    """A number that is known whatever the settings, the seed and the data.

    Attributes:
        name: what was measured, with its unit if it has one.
        measured: the number.
        expected: what it must be.
        within: how far from that it may lie, absolutely.
        tolerance: how far two backends may lie apart, absolutely.
        source: why it is known.
    """

    name: str
    measured: float
    expected: float
    within: float
    tolerance: float
    source: str = ""
    kind: str = "exact"

    @property
    def holds(self) -> bool:
        """Whether the measured number is what it must be; NaN never is."""
        return abs(self.measured - self.expected) <= self.within


@dataclass(frozen=True)
class Trained:
    """A number that the chapter's own full setting reaches.

    Attributes:
        name: what was measured, with its unit if it has one.
        measured: the number.
        band: lowest and highest value that a run at the full setting may reach.
        tolerance: how far two backends may lie apart, absolutely.
        reference: the published or theoretical value, if there is one.
        source: where the reference, or the band, comes from.
        headline: whether it is what the chapter is about.
        full: what the full setting reached when it was last recorded.
    """

    name: str
    measured: float
    band: tuple[float, float]
    tolerance: float
    reference: float | None = None
    source: str = ""
    headline: bool = False
    full: float | None = None
    kind: str = "trained"

    @property
    def holds(self) -> bool:
        """Whether the measured number lies in its band; NaN never does."""
        low, high = self.band
        return low <= self.measured <= high


Check = Exact | Trained


@dataclass
class Result:
    """One run of one chapter on one backend.

    Attributes:
        chapter, backend: their names.
        fast: whether the run used the chapter's fast settings.
        settings: the settings it ran with.
        changed: the names of those that were set for this run.
        held: whether the trained numbers are held to their bands: a full run of the unedited chapter.
        code: of the script, as :func:`kerasdl.course.reached.code` has it; empty in a notebook.
        data: for each data set, which source was used.
        versions: of Python, kerasdl, Keras and the backend.
        when: the day on which it ended, such as 2026-11-30.
        seconds: from the chapter's start to its end, imports of the backend included.
        busy: seconds for which the processor worked on it, all threads together.
        full_seconds: how long the full setting took when it was last recorded.
        figures: name → what it shows, in a sentence.
        checks: in the order of the chapter.
    """

    chapter: str
    backend: str
    fast: bool
    settings: dict[str, Any]
    changed: list[str] = field(default_factory=list)
    held: bool = False
    code: str = ""
    data: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    when: str = ""
    seconds: float = 0.0
    busy: float = 0.0
    full_seconds: float | None = None
    figures: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """``"full"``, ``"fast"`` or, where a setting was changed, ``"changed"``."""
        return "changed" if self.changed else "fast" if self.fast else "full"

    @property
    def exact(self) -> list[Exact]:
        """What is known at any setting."""
        return [check for check in self.checks if isinstance(check, Exact)]

    @property
    def trained(self) -> list[Trained]:
        """What this run's settings reached."""
        return [check for check in self.checks if isinstance(check, Trained)]

    @property
    def broken(self) -> list[Check]:
        """The checks that fail this run: exact ones that do not hold and, where held, trained ones."""
        return [check for check in self.checks if not check.holds and (self.held or isinstance(check, Exact))]

    def record(self, check: Check) -> None:
        """Add a check; one of the same name takes the place of the one before."""
        for place, earlier in enumerate(self.checks):
            if earlier.name == check.name:
                self.checks[place] = check
                return
        self.checks.append(check)

    def save(self, folder: Path) -> Path:
        """Write ``results.json`` into the folder, whole or not at all."""
        return files.write(
            folder / FILE, json.dumps(_to_json(asdict(self)), indent=2, allow_nan=False) + "\n"
        )


def versions(backend: str) -> dict[str, str]:
    """Return the versions of what this process runs on; Keras is not loaded for it."""
    loaded = {
        name: sys.modules[name].__version__ for name in ("kerasdl", "keras", backend) if name in sys.modules
    }
    return {"python": platform.python_version(), **loaded}


def load(path: Path) -> Result:
    """Read a ``results.json``; its names are cleaned of what a terminal would take for commands.

    Raises:
        ValueError: the file is not one; the message names it and the mend.
    """
    try:
        return _read(Result, RESULT, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        reason = names.printable(f"{error}")[:200]
        raise ValueError(
            f"{path} is not a result of this version ({reason}): run the chapter again"
        ) from None


def load_all(folder: Path) -> list[Result]:
    """Read every result under ``folder/BACKEND/CHAPTER/``, full, fast and changed ones, ordered by path.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one of them cannot be read.
    """
    workplace.mend(folder)
    homes = [workplace.home(folder, kind) for kind in workplace.KINDS]
    paths = [path for home in homes for path in sorted(home.glob(f"[!.]*/*/{FILE}"))]
    if not paths:
        raise FileNotFoundError(f"no results under {folder}: make some with `kerasdl run --out {folder}`")
    return [load(path) for path in paths]


def _read(kind: type, readers: dict[str, Callable[[Any], Any]], record: Any) -> Any:
    """What a record says of a dataclass, each of its entries of its own kind."""
    if not isinstance(record, dict):
        raise ValueError(f"{record!r:.40} in place of an object")
    fields = {}
    for name, value in record.items():
        if name not in readers:
            raise ValueError(f"{name!r:.40} is not known")
        try:
            fields[name] = readers[name](value)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"{name}={value!r:.40}") from error
    return kind(**fields)


def _check(record: Any) -> Check:
    kind = record.get("kind") if isinstance(record, dict) else None
    if kind == "exact":
        return _read(Exact, EXACT, record)
    if kind == "trained":
        return _read(Trained, TRAINED, record)
    raise ValueError(f"a check of kind {kind!r:.40}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return names.printable(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("nan", "inf", "-inf")):
        raise TypeError
    return float(value)


def _perhaps(value: Any) -> float | None:
    return None if value is None else _number(value)


def _list(value: Any) -> list:
    if not isinstance(value, list):
        raise TypeError
    return value


def _band(value: Any) -> tuple[float, float]:
    low, high = _list(value) if len(_list(value)) == 2 else (None, None)
    return _number(low), _number(high)


def _dict(value: Any, of: Callable[[Any], Any]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return {names.printable(name): of(entry) for name, entry in value.items()}


def _plain(value: Any, depth: int = 0) -> Any:
    """A setting: a number, a word, a truth value, or a list of these."""
    if isinstance(value, list) and depth < 3:
        return [_plain(entry, depth + 1) for entry in value]
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise TypeError
    return value


_TEXTS = partial(_dict, of=_text)
_BOTH: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "measured": _number,
    "tolerance": _number,
    "source": _text,
    "kind": _text,
}
EXACT = {**_BOTH, "expected": _number, "within": _number}
TRAINED = {**_BOTH, "band": _band, "reference": _perhaps, "headline": _truth, "full": _perhaps}
RESULT: dict[str, Callable[[Any], Any]] = {
    "chapter": _text,
    "backend": _text,
    "fast": _truth,
    "settings": partial(_dict, of=_plain),
    "changed": lambda value: [_text(name) for name in _list(value)],
    "held": _truth,
    "code": _text,
    "data": _TEXTS,
    "versions": _TEXTS,
    "when": _text,
    "seconds": _number,
    "busy": _number,
    "full_seconds": _perhaps,
    "figures": _TEXTS,
    "checks": lambda value: [_check(check) for check in _list(value)],
}


def _to_json(value: Any) -> Any:
    """The value with NaN and infinities, which JSON has not, written as words."""
    if isinstance(value, dict):
        return {name: _to_json(entry) for name, entry in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_to_json(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

"""What did a chapter find? Its checks and their JSON, written and read without Keras.

A chapter's run goes in as a :class:`Result` and out as ``results.json`` in its folder, and back.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasdl import files

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
    seconds: float = 0.0
    busy: float = 0.0
    full_seconds: float | None = None
    figures: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

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


def load(path: Path) -> Result:
    """Read a ``results.json``.

    Raises:
        ValueError: the file is not one; the message names it and the mend.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        checks = [_check(**check) for check in record.pop("checks")]
        return Result(**record, checks=checks)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a result of this version ({error}): run the chapter again"
        ) from error


def load_all(folder: Path) -> list[Result]:
    """Read every result under ``folder/BACKEND/CHAPTER/``, ordered by path.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one of them cannot be read.
    """
    paths = sorted(folder.glob(f"*/*/{FILE}"))
    if not paths:
        raise FileNotFoundError(f"no results under {folder}: make some with `kerasdl run --out {folder}`")
    return [load(path) for path in paths]


def _check(kind: str, **fields: Any) -> Check:
    for name in ("measured", "expected", "within", "tolerance", "reference", "full"):
        if fields.get(name) is not None:
            fields[name] = float(fields[name])
    if kind == "exact":
        return Exact(**fields)
    if kind == "trained":
        low, high = map(float, fields.pop("band"))
        return Trained(band=(low, high), **fields)
    raise ValueError(f"a check of kind {kind!r}")


def _to_json(value: Any) -> Any:
    """The value with NaN and infinities, which JSON has not, written as words."""
    if isinstance(value, dict):
        return {name: _to_json(entry) for name, entry in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_to_json(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

"""What did a chapter find? Its checks and their JSON, written and read without Keras."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kerasdl import files

FILE = "results.json"


@dataclass(frozen=True)
class Check:
    """One number that a chapter stands for.

    Attributes:
        name: what was measured, with its unit if it has one.
        measured: the number.
        band: lowest and highest value that is accepted.
        tolerance: how far two backends may lie apart, absolutely.
        reference: the published or exact value, if there is one.
        source: where the reference, or the band, comes from.
    """

    name: str
    measured: float
    band: tuple[float, float]
    tolerance: float
    reference: float | None = None
    source: str = ""

    @property
    def inside(self) -> bool:
        """Whether the measured number lies in its band; NaN never does."""
        low, high = self.band
        return low <= self.measured <= high


@dataclass
class Result:
    """One run of one chapter on one backend.

    Attributes:
        chapter, backend: their names.
        fast: whether the run used the chapter's fast settings; its bands are then shown, not enforced.
        settings: the settings it ran with.
        data: for each data set, which source was used.
        versions: of Python, kerasdl, Keras and the backend.
        seconds: from the chapter's start to its end, imports of the backend included.
        checks: in the order of the chapter.
    """

    chapter: str
    backend: str
    fast: bool
    settings: dict
    data: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    checks: list[Check] = field(default_factory=list)

    @property
    def outside(self) -> list[Check]:
        """The checks whose number left its band."""
        return [check for check in self.checks if not check.inside]

    def save(self, folder: Path) -> Path:
        """Write ``results.json`` into the folder, whole or not at all."""
        record = asdict(self)
        for check in record["checks"]:  # JSON has no NaN or infinity
            check["measured"] = _to_json(check["measured"])
            check["band"] = [_to_json(edge) for edge in check["band"]]
        return files.write(folder / FILE, json.dumps(record, indent=2, allow_nan=False) + "\n")


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


def _check(measured, band, **fields) -> Check:
    return Check(measured=float(measured), band=tuple(map(float, band)), **fields)


def _to_json(number: float) -> float | str:
    return float(number) if math.isfinite(number) else str(float(number))

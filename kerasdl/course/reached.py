"""What does each chapter's full setting reach? Recorded beside the tutorials, in ``reached/NAME.json``.

``kerasdl run --record`` writes it: the code that ran and, for each source of data, its numbers and seconds. A
run that is not the chapter's own full one shows its numbers beside these.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from kerasdl import files
from kerasdl.course.results import Result

FOLDER = "reached"


def code(text: str) -> str:
    """Return a digest of a script's code; prose, comments on lines of their own and empty lines do not count.

    Example:
        >>> code("# %% [markdown]\\n# Once\\n\\nx = 1\\n") == code("# Twice\\nx = 1\\n") != code("x = 2\\n")
        True
    """
    lines = [line.rstrip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()[:16]


def read(tutorials: Path, name: str) -> dict[str, Any]:
    """Return what was recorded of a chapter: its ``code`` and its ``runs``; empty where nothing was."""
    path = _path(tutorials, name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def on(data: dict[str, str], recorded: dict[str, Any]) -> dict[str, Any]:
    """Return ``checks`` (name → number) and ``seconds`` of the recorded run on such data, empty without."""
    return next((run for run in recorded.get("runs", []) if _kinds(run["data"]) == _kinds(data)), {})


def record(tutorials: Path, result: Result) -> Path:
    """Keep what a full run reached, in place of what an earlier one did on the same data.

    Raises:
        ValueError: the run was not a full one, or one of its numbers lies outside its band.
    """
    if not result.held or result.broken:
        raise ValueError(f"{result.chapter}: only a full run within its bands is recorded")
    known = read(tutorials, result.chapter)
    # What other code reached is no longer what the chapter reaches.
    runs = known.get("runs", []) if known.get("code") == result.code else []
    runs = [run for run in runs if _kinds(run["data"]) != _kinds(result.data)]
    runs.append(
        {
            "data": _kinds(result.data),
            "backend": result.backend,
            # On a machine that others use, too, a chapter waits: that is no time of its own.
            "seconds": round(min(result.seconds, result.busy or result.seconds), 1),
            "checks": {check.name: float(f"{check.measured:.6g}") for check in result.trained},
        }
    )
    record = {"code": result.code, "runs": sorted(runs, key=lambda run: str(run["data"]))}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    return files.write(_path(tutorials, result.chapter), text + "\n")


def _kinds(data: dict[str, str]) -> dict[str, str]:
    """Of each data set whether it is the stand-in or the real one, wherever that lies."""
    return {name: source if source == "embedded" else "real" for name, source in data.items()}


def _path(tutorials: Path, name: str) -> Path:
    return tutorials / FOLDER / f"{name}.json"

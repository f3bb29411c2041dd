"""Where do things lie? The checkout, the real data, which tests need no backend, and which need but one."""

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CHECKOUT = TESTS.parent
REAL_DATA = Path(os.environ.get("KERASDL_DATA") or CHECKOUT.parent / "shared" / "data")

# Rooms that never need a backend, save for their files ``test_…_keras.py``; and single files.
ROOMS = ("datasets/", "plots/", "scratch/", "shift/")
FILES = tuple(f"test_{name}.py" for name in ("architecture", "checks", "files", "floors", "text"))
COURSE = (
    "answers",
    "compare",
    "described",
    "environment",
    "picture",
    "results",
    "syllabus",
    "tables",
    "workplace",
)
FILES += tuple(f"course/test_{name}.py" for name in COURSE)

# A page, and the processes behind it: they need a backend to run, and do the same on each.
ONCE = ("course/play/",)


def needs_no_backend(path: Path) -> bool:
    """Return whether ``tox -e core``, an environment without a backend, runs this test file."""
    inside = path.relative_to(TESTS).as_posix()
    return inside.startswith((*ROOMS, *FILES)) and not inside.endswith("_keras.py")


def is_changed_by_no_backend(path: Path) -> bool:
    """Return whether ``tox`` runs this test file on PyTorch alone, whose processes start soonest."""
    return path.relative_to(TESTS).as_posix().startswith(ONCE)

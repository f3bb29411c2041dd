"""Where do things lie? The checkout, the real data, and which tests need no backend."""

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CHECKOUT = TESTS.parent
REAL_DATA = Path(os.environ.get("KERASDL_DATA") or CHECKOUT.parent / "shared" / "data")

# Rooms that never need a backend, save for their files ``test_…_keras.py``; and single files.
ROOMS = ("datasets/", "plots/", "scratch/", "shift/")
FILES = tuple(f"test_{name}.py" for name in ("architecture", "checks", "files", "floors", "text"))
COURSE = ("answers", "compare", "described", "picture", "results", "syllabus", "tables", "workplace")
FILES += tuple(f"course/test_{name}.py" for name in COURSE)


def needs_no_backend(path: Path) -> bool:
    """Return whether ``tox -e core``, an environment without a backend, runs this test file."""
    inside = path.relative_to(TESTS).as_posix()
    return inside.startswith((*ROOMS, *FILES)) and not inside.endswith("_keras.py")

"""What of the repository is on the site as it stands? Guides, benchmarks' tables, data, how to contribute.

They are copied with their folders, so that a link between them holds here as it does in the repository.
"""

import shutil
from pathlib import Path

from kerasdl import files

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ("docs/*.md", "benchmarks/results/*.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")
FILES = ("examples/*.py", "benchmarks/*.py", "LICENSE")


def copy(source: Path) -> None:
    """Copy pages, and the files that they link to, into the site's sources."""
    for pattern in PAGES + FILES:
        for path in ROOT.glob(pattern):
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def page(source: Path, name: str, text: str) -> None:
    """Write a page, such as ``tutorials/04_polynomial_fit.md``."""
    files.write(source / name, text.rstrip("\n") + "\n")

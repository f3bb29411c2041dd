"""Which data sets are there, and which bytes are theirs?

``data/catalogue.json`` records each data set: title, licence, page, addresses, and the size and SHA-256 of
every file. Here that record is read, and files are compared with it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from kerasdl import checks, files


@dataclass(frozen=True)
class Found:
    """The verified files of one data set.

    Attributes:
        paths: file name → path, in the catalogue's order; empty where the stand-in comes from a library.
        source: ``"folder"`` (``KERASDL_DATA``), ``"cache"`` or ``"embedded"``.
        note: one line for the reader: what was used and, for a stand-in, how to get the real data.
    """

    paths: dict[str, Path]
    source: str
    note: str

    @property
    def is_real(self) -> bool:
        """False for the embedded stand-in."""
        return self.source != "embedded"


def every() -> dict[str, dict]:
    """Return every data set by name: title, licence, page, files with size and SHA-256, and its stand-in."""
    return json.loads((files.folder("data") / "catalogue.json").read_text(encoding="utf-8"))


def entry(name: str) -> dict:
    """Return the catalogue's entry for one data set.

    Raises:
        ValueError: no such data set; the message gives the nearest name.
    """
    known = every()
    return known[checks.one_of("name", name, known)]


def fault(path: Path, file: dict) -> str:
    """Say what is wrong with a file beside its record in the catalogue; empty if nothing is."""
    if not path.is_file():
        return f"{path} is missing"
    size = path.stat().st_size
    if size != file["bytes"]:
        return f"{path} is damaged: expected {file['bytes']} bytes, found {size}"
    digest = files.sha256(path)
    if digest != file["sha256"]:
        return f"{path} is damaged: expected SHA-256 {file['sha256']}, found {digest}"
    return ""

"""Where does a file come from, and can it be trusted?

In goes a data set's name; out come its files and where they were found. The search goes from the folder in
``KERASDL_DATA`` to the cache to what the package carries, and a file is handed out only after its size and
SHA-256 agree with ``data/catalogue.json``.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kerasdl import files
from kerasdl.datasets import catalogue
from kerasdl.datasets.catalogue import Found, entry, fault
from kerasdl.datasets.download import fetch


@dataclass(frozen=True)
class FileCheck:
    """The state of one file in one place: ``"ok"``, ``"damaged"`` or ``"absent"``."""

    file: str
    source: str
    path: Path
    bytes: int
    state: str
    detail: str


@dataclass(frozen=True)
class Status:
    """What a loader would do now for one data set.

    Attributes:
        bytes: size of the real files together.
        source: where a loader would read, or ``None`` if it would raise.
        path: the folder that holds the files; ``None`` for a stand-in that comes from a library.
        state: of the real data: ``"ok"``, ``"damaged"`` or ``"absent"`` (the stand-in is used).
        detail: the loader's note, or the error it would raise.
    """

    name: str
    title: str
    licence: str
    page: str
    bytes: int
    source: str | None
    path: Path | None
    state: str
    detail: str


def find(name: str, download: bool = False) -> Found:
    """Return the files of a data set from the first place that has them.

    Args:
        name: ``"house_prices"``, ``"time_machine"`` or ``"fashion_mnist"``.
        download: fetch into the cache what ``KERASDL_DATA`` does not hold. Without it no network is touched.

    Raises:
        NotADirectoryError: ``KERASDL_DATA`` is set and is not a folder.
        FileNotFoundError: the folder holds some of the files, not all.
        ValueError: a file differs from the catalogue in size or SHA-256, or ``name`` is unknown.
        ConnectionError: ``download`` was asked for and no address answered.

    Example:
        >>> find("house_prices").source in ("folder", "cache", "embedded")
        True
    """
    known = entry(name)
    hint = f"for the real data run `kerasdl data fetch {name}` or set KERASDL_DATA to its folder"

    folder = data_folder()
    if folder:
        paths = {file["name"]: _in_folder(folder, name, file["name"]) for file in known["files"]}
        missing = [path.name for path in paths.values() if not path.is_file()]
        if missing and len(missing) < len(paths):
            raise FileNotFoundError(
                f"{name} is incomplete in KERASDL_DATA={folder}: {', '.join(missing)} missing; "
                "add it, or take the others away"
            )
        if not missing:
            _trust(known["files"], paths, "replace it, or unset KERASDL_DATA")
            return Found(paths, "folder", f"{name}: {known['title']}, from KERASDL_DATA={folder}")

    if download:
        return fetch(name)

    cache = files.cache() / name
    paths = {file["name"]: cache / file["name"] for file in known["files"]}
    here = [path for path in paths.values() if path.is_file()]
    if len(here) == len(paths):
        _trust(known["files"], paths, f"mend it with `kerasdl data fetch {name}`")
        return Found(paths, "cache", f"{name}: {known['title']}, from the cache {cache}")
    if here:
        hint = f"a download stopped at {len(here)} of {len(paths)} files, {hint}"

    spare = known["embedded"]
    paths = {file["name"]: files.folder("data") / file["name"] for file in spare["files"]}
    _trust(spare["files"], paths, "reinstall kerasdl")
    return Found(paths, "embedded", f"{name}: a stand-in, {spare['about']}; {hint}")


def verify(name: str) -> list[FileCheck]:
    """Check every file of a data set in every place that may hold it; a damaged one is reported, not raised.

    Args:
        name: ``"house_prices"``, ``"time_machine"`` or ``"fashion_mnist"``.

    Returns:
        One record for each file and place: in ``KERASDL_DATA`` where that is set, in the cache, and embedded.

    Raises:
        ValueError: ``name`` is unknown.
        NotADirectoryError: ``KERASDL_DATA`` is set and is not a folder.

    Example:
        >>> [(row.file, row.state) for row in verify("house_prices") if row.source == "embedded"]
        [('house_prices_train.csv', 'ok'), ('house_prices_test.csv', 'ok')]
    """
    known, folder, cache = entry(name), data_folder(), files.cache() / name
    places = []
    for file in known["files"]:
        if folder:
            places.append((file, "folder", _in_folder(folder, name, file["name"])))
        places.append((file, "cache", cache / file["name"]))
    places += [(file, "embedded", files.folder("data") / file["name"]) for file in known["embedded"]["files"]]
    rows = []
    for file, source, path in places:
        detail = fault(path, file)
        state = "absent" if not path.is_file() else "damaged" if detail else "ok"
        rows.append(FileCheck(file["name"], source, path, file["bytes"], state, detail))
    return rows


def status() -> list[Status]:
    """Return one record for each data set in the catalogue; damaged files are reported, not raised.

    Raises:
        NotADirectoryError: ``KERASDL_DATA`` is set and is not a folder.

    Example:
        >>> [row.name for row in status()]
        ['house_prices', 'time_machine', 'fashion_mnist']
    """
    data_folder()
    rows = []
    for name, known in catalogue.every().items():
        source, path = None, None
        try:
            found = find(name)
        except (FileNotFoundError, ValueError) as error:
            state, detail = "damaged", str(error)
        else:
            state, detail, source = "ok" if found.is_real else "absent", found.note, found.source
            path = next((path.parent for path in found.paths.values()), None)
        size = sum(file["bytes"] for file in known["files"])
        about = (known["title"], known["licence"], known["page"])
        rows.append(Status(name, *about, size, source, path, state, detail))
    return rows


def data_folder() -> Path | None:
    """Return the folder named by ``KERASDL_DATA``, or ``None`` where it is not set.

    Raises:
        NotADirectoryError: it is set and is not a folder.
    """
    value = os.environ.get("KERASDL_DATA")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(f"KERASDL_DATA={value!r} is not a folder: correct or unset it")
    return folder


def _in_folder(folder: Path, name: str, file: str) -> Path:
    """Return where the user's folder holds a file: in a subfolder named as the data set, or directly."""
    nested = folder / name / file
    return nested if nested.is_file() else folder / file


def _trust(records: Iterable[dict], paths: dict[str, Path], mend: str) -> None:
    for file in records:
        problem = fault(paths[file["name"]], file)
        if problem:
            raise ValueError(f"{problem}; {mend}")

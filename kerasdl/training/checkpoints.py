"""How is a training kept on disk? Arrays as ``.npz`` without pickle, beside JSON that vouches for them.

A record and its arrays go in; the newest pair that is whole comes out. The arrays are written first; the JSON
holds their size and SHA-256, and that of its own record, so that a pair counts only once it is there whole.
The pair before stays until then, and one more after: if the newest is damaged, the training goes on from the
one before.
"""

import hashlib
import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasdl import files

FORMAT = 2  # another form gets another number, and is refused
KEPT = 2  # pairs
HEADER = 2**14  # bytes, more than the name, type and shape of an array take

Arrays = dict[str, np.ndarray]


def place(folder: str | Path) -> Path:
    """Return the folder that is given as ``resume``, made where it is not there.

    Raises:
        NotADirectoryError: there is a file of that name.
    """
    whole = Path(folder).expanduser().absolute()
    try:
        whole.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"resume={str(folder)!r} is a file: give a folder") from None
    return whole


def write(folder: Path, number: int, record: dict[str, Any], arrays: Arrays) -> None:
    """Write a pair, and take away those that are older than the one before.

    Args:
        folder: theirs alone.
        number: of the pair; the highest is the newest.
        record: plain JSON.
        arrays: name → array of numbers.
    """
    plain: dict[str, Any] = {name: _plain(array) for name, array in arrays.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **plain)  # no objects: _plain refuses them, and NumPy 2.0 knows no allow_pickle here
    content = buffer.getvalue()
    files.write(_path(folder, number, ".npz"), content)
    vouched = {
        "format": FORMAT,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "arrays": {name: [array.dtype.str, list(array.shape)] for name, array in plain.items()},
        "record": record,
        "record_sha256": _digest(record),
    }
    files.write(_path(folder, number, ".json"), json.dumps(vouched, allow_nan=False) + "\n")
    for old in numbers(folder)[KEPT:]:
        _path(folder, old, ".json").unlink(missing_ok=True)
    known = {path.stem for path in folder.glob("checkpoint-*.json")}
    for path in folder.glob("checkpoint-*.npz"):
        if path.stem not in known:
            path.unlink(missing_ok=True)
    for path in folder.glob(".checkpoint-*"):  # half a file, where a kill came
        path.unlink(missing_ok=True)


def read(folder: Path) -> tuple[dict[str, Any], Arrays] | None:
    """Return the record and arrays of the newest pair that is whole, or None where there is no pair.

    A damaged pair is named in a warning, and the one before is tried.

    Raises:
        ValueError: there are pairs, and none is whole.
    """
    said = []
    for number in numbers(folder):
        try:
            found = pair(folder, number)
        except ValueError as damage:
            said.append(f"{damage}")
            continue
        if said:
            warnings.warn(f"{folder}: {'; '.join(said)}: going on from the one before", stacklevel=2)
        return found
    if said:
        raise ValueError(f"{folder}: {'; '.join(said)}: delete this folder to begin anew")
    return None


def pair(folder: Path, number: int) -> tuple[dict[str, Any], Arrays]:
    """Return the record and arrays of one pair.

    Raises:
        ValueError: it is not whole; the line says why.
    """
    try:
        return _read(folder, number)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile) as error:
        reason = f"{error}".splitlines()[0][:200] if f"{error}" else type(error).__name__
        raise ValueError(f"{_path(folder, number, '.json').name} is damaged ({reason})") from error


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the pairs, the newest first."""
    found = (path.stem.removeprefix("checkpoint-") for path in folder.glob("checkpoint-*.json"))
    return sorted((int(number) for number in found if number.isdecimal()), reverse=True)


def _read(folder: Path, number: int) -> tuple[dict[str, Any], Arrays]:
    vouched = json.loads(_path(folder, number, ".json").read_text(encoding="utf-8"))
    if not isinstance(vouched, dict) or vouched["format"] != FORMAT:
        raise ValueError("another format")
    record, declared = vouched["record"], vouched["arrays"]
    if not isinstance(record, dict) or not isinstance(declared, dict):
        raise ValueError("no record")
    if _digest(record) != vouched["record_sha256"]:
        raise ValueError("the SHA-256 of its record is another")
    path = _path(folder, number, ".npz")
    size = path.stat().st_size
    if size != vouched["bytes"]:
        raise ValueError(f"{path.name}: expected {vouched['bytes']} bytes, found {size}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != vouched["sha256"]:
        raise ValueError(f"{path.name}: its SHA-256 is another")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # Stored as it is: a small file that unpacks to a large one was not written here.
        if any(entry.file_size > size for entry in archive.infolist()):
            raise ValueError(f"{path.name} is compressed")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    found = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    if found != declared:
        raise ValueError(f"{path.name} holds other arrays than its record says")
    return record, arrays


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _plain(array: np.ndarray) -> np.ndarray:
    """Numbers, words or dates of a type that NumPy has itself; others, such as bfloat16, as their bits."""
    array = np.asarray(array)
    if array.dtype.kind in "biufcUSMm":
        return array
    if array.dtype.kind == "V" and not array.dtype.hasobject:
        return array.view(f"u{array.dtype.itemsize}")
    raise TypeError(f"an array of {array.dtype} can't be kept")


def _path(folder: Path, number: int, ending: str) -> Path:
    return folder / f"checkpoint-{number:09d}{ending}"


def packed(value: Any, arrays: Arrays, key: str) -> Any:
    """Return a value as JSON that :func:`unpacked` turns back into the same; its arrays go into ``arrays``.

    Args:
        value: a number, word, truth value, None, array, function of ``keras.ops``, or a list, tuple,
            dictionary or array of these.
        arrays: where arrays are put.
        key: what their names begin with.

    Raises:
        TypeError: the value is, or holds, something else.

    Example:
        >>> arrays = {}
        >>> unpacked(packed({"best": (1, np.arange(2))}, arrays, "key"), arrays)
        {'best': (1, array([0, 1]))}
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return {"float": repr(value)}
    if isinstance(value, np.ndarray) and value.dtype == object:
        return {"objects": [packed(entry, arrays, key) for entry in value.flat], "shape": list(value.shape)}
    if isinstance(value, (np.ndarray, np.generic)):
        name = f"{key}/{len(arrays)}"
        arrays[name] = _plain(np.asarray(value))
        return {"array": name, "scalar": isinstance(value, np.generic)}
    if type(value) in (list, tuple):
        return {type(value).__name__: [packed(entry, arrays, key) for entry in value]}
    if type(value) is dict:
        return {
            "dict": [[packed(name, arrays, key), packed(entry, arrays, key)] for name, entry in value.items()]
        }
    name = getattr(value, "__name__", "")
    if name and getattr(keras.ops, name, None) is value:
        return {"op": name}
    raise TypeError(f"{type(value).__name__} can't be kept")


def unpacked(value: Any, arrays: Arrays) -> Any:
    """Return what :func:`packed` was given.

    Raises:
        ValueError: it did not make this.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    match value:
        case {"float": str(text)}:
            return float(text)
        case {"array": str(name), "scalar": bool(scalar)} if name in arrays:
            return arrays[name][()] if scalar else arrays[name]
        case {"objects": list(entries), "shape": list(shape)}:
            objects = np.empty(len(entries), object)
            for place, entry in enumerate(entries):
                objects[place] = unpacked(entry, arrays)
            return objects.reshape(shape)
        case {"op": str(name)} if hasattr(keras.ops, name):
            return getattr(keras.ops, name)
        case {"list": list(entries)}:
            return [unpacked(entry, arrays) for entry in entries]
        case {"tuple": list(entries)}:
            return tuple(unpacked(entry, arrays) for entry in entries)
        case {"dict": list(entries)}:
            return {unpacked(name, arrays): unpacked(entry, arrays) for name, entry in entries}
    raise ValueError(f"{value!r:.40} is no value")

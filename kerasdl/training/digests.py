"""Is this call the same as the one before? By digests of all that it was given, equal in every process.

JSON, arrays and configs go in; a short text comes out that equal content shares. Anything else becomes JSON
in :mod:`kerasdl.training.contents`.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from scipy.sparse import issparse

from kerasdl import backends


def digest(*parts: Any) -> str:
    """Return a digest of what can be written as JSON; of anything else in it, its name counts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(json.dumps(part, sort_keys=True, default=named).encode())
    return whole.hexdigest()[:16]


def named(value: Any) -> str:
    """Return the name of what can't be written down, which is the same in the next process."""
    return getattr(value, "__qualname__", type(value).__qualname__)


def array(values: Any) -> str:
    """Return a digest of an array of numbers, words or dates, dense or sparse, with its type and shape."""
    if issparse(values):
        rows = values.tocsr()
        parts = "".join(map(array, (rows.data, rows.indices, rows.indptr)))
        return f"{type(values).__name__}{rows.shape}{parts}"
    values = np.asarray(values)
    values = np.ascontiguousarray(values)
    return f"{values.dtype}{values.shape}{hashlib.sha256(values.reshape(-1).view('u1').data).hexdigest()}"


def config(get: Callable[[], Any], otherwise: Any) -> str:
    """Return a config as text, in which names, that count the objects of a process, are places."""
    try:
        found = get()
    except Exception:  # noqa: BLE001  a class of one's own may not have any
        found = otherwise
    text = json.dumps(found, sort_keys=True, default=named)
    for place, name in enumerate(dict.fromkeys(_names(json.loads(text)))):
        text = text.replace(json.dumps(name), json.dumps(f"name {place}"))
    return text


def versions() -> dict[str, str]:
    """Return the versions on which a training depends: Python's, Keras's, the backend's and ours."""
    backend = keras.backend.backend()
    return {
        "keras": keras.__version__,
        "python": platform.python_version(),
        "kerasdl": version("kerasdl"),
        backend: version(backend),
    }


def version(package: str) -> str:
    """Return the version of an installed package, or "unknown"."""
    return backends.version(package) or "unknown"


def _names(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(name := found.get("name"), str) and len(found) > 1:  # alone it is that of a type
            yield name
        for entry in found.values():
            yield from _names(entry)
    elif isinstance(found, list):
        for entry in found:
            yield from _names(entry)

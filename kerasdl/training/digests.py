"""Is this call the same as the one before? By digests of all that it was given, equal in every process.

Data, models, settings, functions and objects go in; a short text comes out that equal content shares.
"""

import contextlib
import functools
import hashlib
import json
import platform
import types
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

import keras
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

PLAIN = (type(None), bool, int, str)


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
    """Return a digest of an array, dense or sparse, with its type and shape."""
    if issparse(values):
        rows = values.tocsr()
        return f"{rows.shape}{''.join(map(array, (rows.data, rows.indices, rows.indptr)))}"
    values = np.asarray(values)
    if values.dtype.hasobject:
        return (
            f"{values.dtype}{values.shape}{digest([described(one) for one in values.reshape(-1).tolist()])}"
        )
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
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def described(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """Return anything as JSON that equal content shares: functions by their code, objects by their parts.

    Args:
        value: arrays, tables, estimators, models, functions, and what holds them.
        inside: ids of what it is part of, where a part may hold the whole.

    Example:
        >>> described(np.arange(3)) == described(np.arange(3)) != described(np.arange(4))
        True
    """
    if type(value) in PLAIN:
        return value
    if id(value) in inside:
        return f"part {inside.index(id(value))}"
    inside = (*inside, id(value))
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, (np.ndarray, np.generic)) or issparse(value):
        return array(value)
    if isinstance(value, keras.Variable) or keras.ops.is_tensor(value):
        return array(keras.ops.convert_to_numpy(value))
    if isinstance(value, (types.ModuleType, type, np.ufunc)):
        return [kind, getattr(value, "__module__", ""), named(value), getattr(value, "__name__", "")]
    if isinstance(value, BaseEstimator):
        return [kind, described(value.get_params(deep=False), inside)]
    if hasattr(value, "columns") and hasattr(value, "__getitem__"):
        return [kind, [[str(name), array(value[name])] for name in value.columns]]
    if isinstance(value, Mapping):
        return [kind, [[described(name), described(entry, inside)] for name, entry in value.items()]]
    if isinstance(value, (set, frozenset)):
        return [kind, sorted(json.dumps(described(entry, inside)) for entry in value)]
    if isinstance(value, (list, tuple)):
        return [kind, [described(entry, inside) for entry in value]]
    if isinstance(value, types.CodeType):
        return [
            value.co_code.hex(),
            list(value.co_names),
            [described(one, inside) for one in value.co_consts],
        ]
    if isinstance(value, types.FunctionType):
        parts = [*_code(value), [*_closed_over(value)], [*_read(value)]]
        return [value.__qualname__, described(parts, inside)]
    if isinstance(value, types.MethodType):
        return [described(value.__func__, inside), described(value.__self__, inside)]
    if isinstance(value, functools.partial):
        return [kind, described([value.func, value.args, value.keywords], inside)]
    if isinstance(value, np.random.RandomState):
        return [kind, described(value.get_state(), inside)]
    if isinstance(value, np.random.Generator):
        return [kind, described(value.bit_generator.state, inside)]
    if isinstance(value, keras.Model):
        return [kind, config(value.get_config, kind), described(value.get_weights(), inside)]
    if hasattr(value, "get_config") and not isinstance(value, keras.losses.Loss):  # its config may lack some
        return [kind, config(value.get_config, kind)]
    if hasattr(value, "__dict__"):
        return [kind, described(vars(value), inside)]
    said = repr(value)
    return [kind, "" if " at 0x" in said else said]


def _code(function: types.FunctionType) -> tuple:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _read(function: types.FunctionType) -> Iterator[Any]:
    """Yield what a function reads in its module: numbers, words, arrays, and functions with all these read.

    Each thing comes once, with its name. What may change as it is used, a list above all, is left out.
    """
    room = function.__globals__
    names, seen = [*_names_in(function.__code__)], {function.__name__}
    while names:
        name = names.pop()
        if name in seen or name not in room:
            continue
        seen.add(name)
        found = room[name]
        if isinstance(found, types.FunctionType) and found.__globals__ is room:
            names += _names_in(found.__code__)
            yield name, _code(found)
        elif type(found) in (*PLAIN, float) or isinstance(found, (np.ndarray, np.generic)):
            yield name, found


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _names_in(one)


def _closed_over(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not yet defined
            yield cell.cell_contents


def _names(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(name := found.get("name"), str) and len(found) > 1:  # alone it is that of a type
            yield name
        for entry in found.values():
            yield from _names(entry)
    elif isinstance(found, list):
        for entry in found:
            yield from _names(entry)

"""What is all this made of? The content of data, models, settings, functions and objects, as JSON.

Anything goes in; out comes what equal content shares in every process, and other content does not.
"""

import contextlib
import copyreg
import dis
import functools
import importlib.util
import json
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from kerasdl import borrowed
from kerasdl.training import digests

PLAIN = (type(None), bool, int, str)
SAID = (float, complex, bytes, range, slice, type(...), type(NotImplemented))  # whole in how they print
COMPILED = (  # parts of classes that are not written in Python
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
)
INSTALLED = {"site-packages", "dist-packages"}
# Of a class, what says nothing of what it does, or comes there as it is used.
ASIDE = {
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


def described(value: Any) -> Any:
    """Return anything as JSON that equal content shares.

    What counts:

    - of arrays and tables: every number and word, their types, a table's index and its categories in order;
    - of functions and classes of one's own, which are those of no installed package: their code, with all
      that they close over and name in their module, in one's other modules, or as they import it: code,
      numbers, objects;
    - of functions and classes of installed packages: their name and the package's version;
    - of objects: their class, and all that a pickle of them would hold; of Keras's, settings and weights.

    What does not: files, the environment, and what code looks up by a name that it makes as it runs.

    Args:
        value: data, estimators, models, functions, and what holds them.

    Raises:
        TypeError: something of which that can't be told, such as an open file or a lock; it is named.

    Example:
        >>> described(np.arange(3)) == described(np.arange(3)) != described(np.arange(4))
        True
    """
    try:
        return _Reading().of(value)
    except RecursionError:
        raise TypeError(f"a {type(value).__qualname__} that holds too many things one in another") from None


def own_parts(value: Any) -> list[Any]:
    """Return, described, what a Keras object holds of one's own classes and functions, which no config tells.

    Args:
        value: a model, a layer, an optimizer, a loss, a metric or a callback.

    Raises:
        TypeError: as :func:`described`.
    """
    return _Reading().own_parts(value)


class _Reading:
    """One reading of a thing from end to end. A function or class is read where it first comes."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Any]] = {}  # by id, which the thing itself keeps from being reused
        self._inside: list[int] = []  # ids of what the present thing is part of

    def of(self, value: Any) -> Any:
        """Return one thing, described."""
        if type(value) in PLAIN:
            return value
        if type(value) in SAID:
            return [type(value).__name__, repr(value)]
        if isinstance(value, (type, types.FunctionType, types.ModuleType)):
            if id(value) in self._known:
                return f"known {self._known[id(value)][0]}"
            self._known[id(value)] = len(self._known), value
            return self._code_of(value)
        if id(value) in self._inside:
            return f"part {self._inside.index(id(value))}"
        self._inside.append(id(value))
        try:
            return [self.of(type(value)), self._parts(value)]
        finally:
            self._inside.pop()

    def all(self, values: Iterable[Any]) -> list[Any]:
        """Return several things, described."""
        return [self.of(value) for value in values]

    def _parts(self, value: Any) -> Any:
        """Return what an object holds."""
        if isinstance(value, (np.ndarray, np.generic)):
            mask = [digests.array(np.ma.getmaskarray(value))] if isinstance(value, np.ma.MaskedArray) else []
            array = np.asarray(value)
            if array.dtype.hasobject:
                return [str(array.dtype), list(array.shape), self.all(array.reshape(-1).tolist()), *mask]
            return [digests.array(array), *mask]
        if issparse(value):
            return digests.array(value)
        if isinstance(value, keras.Variable) or keras.ops.is_tensor(value):
            return digests.array(keras.ops.convert_to_numpy(value))
        if isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
            return self._table(value)
        if isinstance(value, BaseEstimator):
            return self.of(vars(value))
        if hasattr(value, "columns") and hasattr(value, "dtypes") and hasattr(value, "__getitem__"):
            return [
                [name, str(value[name].dtype), self.of(np.asarray(value[name]))] for name in value.columns
            ]
        if type(value) in (list, tuple):
            return self.all(value)
        if isinstance(value, (set, frozenset)):
            return sorted(json.dumps(_Reading().of(entry)) for entry in value)
        if type(value) in (dict, types.MappingProxyType):
            return [self.all(pair) for pair in value.items()]
        if isinstance(value, types.CodeType):
            return self._code(value)
        if isinstance(value, property):
            return self.all((value.fget, value.fset, value.fdel))
        if isinstance(value, (staticmethod, classmethod)):
            return self.of(value.__func__)
        if isinstance(value, functools.cached_property):
            return self.of(value.func)
        if isinstance(getattr(value, "__wrapped__", None), types.FunctionType) and not _own(type(value)):
            return self.of(value.__wrapped__)  # jitted, cached
        if isinstance(value, (*COMPILED, types.BuiltinFunctionType, types.MethodType)) or _bound(value):
            parts = (getattr(value, name, None) for name in ("__self__", "__func__"))
            return [digests.named(value), self.all(parts)]
        if isinstance(value, keras.losses.Loss):  # its config may lack settings, and its name counts losses
            return [self.all(pair) for pair in vars(value).items() if pair[0] != "name"]
        if isinstance(value, keras.Model):
            weights = [digests.array(one) for one in value.get_weights()]
            return [digests.config(value.get_config, ""), self.own_parts(value), weights]
        if hasattr(value, "get_config"):
            return [digests.config(value.get_config, ""), self.own_parts(value)]
        return self._pickled(value)

    def _table(self, table: Any) -> Any:
        """Return a table, a column or an index of pandas's."""
        if isinstance(table, pd.DataFrame):
            columns = [self.of(table.iloc[:, place]) for place in range(table.shape[1])]
            return [self.of(table.columns), self.of(table.index), columns, self.of(table.attrs)]
        names = table.names if isinstance(table, pd.Index) else [table.name]
        parts: list[Any] = [self.all(names), str(table.dtype)]
        if isinstance(table.dtype, pd.CategoricalDtype):
            parts += [self.of(table.dtype.categories), table.dtype.ordered]
        if isinstance(table, pd.Series):
            parts.append(self.of(table.index))
        return [*parts, self.of(np.asarray(table))]

    def own_parts(self, value: Any) -> list[Any]:
        """See :func:`own_parts`."""
        every = [value, *(borrowed.every_layer(value) if isinstance(value, keras.Model) else [])]
        found = []
        for one in every:
            itself = one if isinstance(one, types.FunctionType) else type(one)
            for part in (itself, *_flat(getattr(one, "__dict__", {}))):
                kind = part if isinstance(part, (type, types.FunctionType)) else type(part)
                if _own(kind) and id(part) not in self._inside:
                    found.append(self.of(part))
        return found

    def _pickled(self, value: Any) -> Any:
        """Return what a pickle of an object would hold.

        Raises:
            TypeError: no pickle could hold it.
        """
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:  # an object's own methods may raise anything
            kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
            raise TypeError(f"a {kind} ({error})") from error
        if isinstance(reduced, str):
            return reduced
        return self.all(list(part) if isinstance(part, Iterator) else part for part in reduced)

    def _code_of(self, value: Any) -> Any:
        """Return a function, class or module: of an installed package its name, of one's own its code."""
        if isinstance(value, types.ModuleType):
            if not _own(value):
                return ["module", value.__name__, _release(value.__name__)]
            held = {name: one for name, one in vars(value).items() if not name.startswith("__")}
            return ["module", value.__name__, self.all(held.items())]
        if isinstance(value, type):
            said: list[Any] = ["class", value.__module__, value.__qualname__]
            if not _own(value):
                return [*said, _release(value.__module__)]
            held = {name: one for name, one in vars(value).items() if name not in ASIDE}
            return [*said, self.all(value.__bases__), self.all(held.items())]
        room = value.__globals__.get("__name__", "")
        said = ["function", room, value.__qualname__, self.all(_closed_over(value))]
        if not _own(value):  # one that closes over something is made for it
            return [*said, _release(room)]
        called_with = self.all((value.__defaults__, value.__kwdefaults__))
        return [*said, called_with, self._code(value.__code__), self.all(_named_by(value))]

    def _code(self, code: types.CodeType) -> Any:
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return [
            code.co_code.hex(),
            code.co_exceptiontable.hex(),
            code.co_flags,
            [code.co_argcount, code.co_posonlyargcount, *arguments],
            list(code.co_names),
            self.all(code.co_consts),
        ]


def _own(value: Any) -> bool:
    """Return whether a function, class or module is one's own: of no installed package, Python or kerasdl."""
    if isinstance(value, types.FunctionType):
        name = value.__globals__.get("__name__", "")
    else:
        name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    top = str(name).partition(".")[0]
    if top in sys.stdlib_module_names or top in ("builtins", "kerasdl") or top.startswith("_cython_"):
        return False
    module = sys.modules.get(str(name)) or sys.modules.get(top)
    return not INSTALLED & set(PurePath(getattr(module, "__file__", None) or "").parts)


def _release(module: str) -> str:
    """Return the version of the package that a module is of, as far as it says."""
    return str(getattr(sys.modules.get(str(module).partition(".")[0]), "__version__", ""))


def _bound(value: Any) -> bool:
    """Return whether this is a method of an object that is not written in Python."""
    return hasattr(value, "__self__") and callable(value) and not _own(type(value))


def _named_by(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function's code names: in its module, and in others of one's own that it reaches there.

    In those it is looked for by all names that the code has: that may be more than the code means, not less.
    """
    codes = [*_codes(function.__code__)]
    steps = [[step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"] for code in codes]
    names = dict.fromkeys(name for code in codes for name in code.co_names)
    room = function.__globals__
    modules = [*_imported(steps, room.get("__package__"))]
    for name in dict.fromkeys(step.argval for own in steps for step in own if _is_global(step)):
        if name in room:
            yield name, room[name]
            if isinstance(room[name], types.ModuleType):
                modules.append(room[name])
    reached: list[types.ModuleType] = []
    while modules:
        module = modules.pop(0)
        if module in reached or not _own(module):
            continue
        reached.append(module)
        for name in names:
            if name in vars(module):
                found = vars(module)[name]
                yield f"{module.__name__}.{name}", found
                if isinstance(found, types.ModuleType):
                    modules.append(found)


def _flat(value: Any) -> Iterator[Any]:
    """Yield what lists and dictionaries hold, one in another."""
    if isinstance(value, (list, tuple, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _flat(one)
    else:
        yield value


def _is_global(step: dis.Instruction) -> bool:
    return step.opname == "LOAD_NAME" or (step.opname.startswith("LOAD") and "GLOBAL" in step.opname)


def _imported(steps: list[list[dis.Instruction]], package: str | None) -> Iterator[types.ModuleType]:
    """Yield the modules of one's own that code imports as it runs."""
    for own in steps:
        for level, names, step in zip(own, own[1:], own[2:], strict=False):
            if step.opname != "IMPORT_NAME":
                continue
            dots = "." * int(level.argval or 0)
            if not dots and not _is_there_as_own(step.argval.partition(".")[0]):
                continue
            within = [dots + ".".join(filter(None, (step.argval, one))) for one in names.argval or ()]
            for name in (dots + step.argval, *within):
                # What is here already is not run again; the rest the code would run in a moment.
                with contextlib.suppress(Exception):
                    yield importlib.import_module(name, package)


def _is_there_as_own(top: str) -> bool:
    """Return whether a module that may not have been imported yet is one's own."""
    if top in sys.stdlib_module_names:
        return False
    if top in sys.modules:
        return _own(sys.modules[top])
    with contextlib.suppress(ValueError, ImportError):
        spec = importlib.util.find_spec(top)
        return spec is not None and not INSTALLED & set(PurePath(spec.origin or "").parts)
    return False


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _closed_over(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet defined
            yield None

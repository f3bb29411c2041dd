"""Is this argument fit to use? Each function returns the value it is given, or raises.

The error is one line that names the argument, its value and the mend. Here too is what keeps the old name of
a renamed argument working.
"""

import datetime
import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from kerasdl.names import nearest, one_of

__all__ = [
    "current_name",
    "finite",
    "fraction",
    "nearest",
    "not_negative",
    "one_of",
    "positive",
    "positive_int",
    "real",
    "renamed",
    "same_length",
]

P = ParamSpec("P")
R = TypeVar("R")
# What NumPy and scikit-learn turn into numbers where they can: by the type of an entry, by that of an array.
_NO_NUMBERS: dict[type, str] = {
    str: "text",
    bytes: "bytes",
    datetime.date: "dates",
    np.datetime64: "dates",
    datetime.timedelta: "durations",
    np.timedelta64: "durations",
}
_NO_NUMBERS_AT_ALL = {"T": "text", "M": "dates", "m": "durations"}
_OLD_NAMES = "_old_names"  # of a function's arguments: kept on it by renamed


def positive_int(argument: str, value: int) -> int:
    """Return ``value`` if it is a whole number of at least 1.

    Raises:
        ValueError: it is not.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{argument}={value!r}: give a whole number of at least 1")
    return int(value)


def fraction(argument: str, value: float) -> float:
    """Return ``value`` if it lies in [0, 1].

    Raises:
        ValueError: it does not, or is NaN.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{argument}={value!r} lies outside [0, 1]")
    return float(value)


def not_negative(argument: str, value: float) -> float:
    """Return ``value`` if it is a finite number of at least 0.

    Raises:
        ValueError: it is not.
    """
    if not (value >= 0 and np.isfinite(value)):
        raise ValueError(f"{argument}={value!r}: give a finite number of at least 0")
    return float(value)


def positive(argument: str, value: float) -> float:
    """Return ``value`` if it is a finite number above 0.

    Raises:
        ValueError: it is not.
    """
    if not (value > 0 and np.isfinite(value)):
        raise ValueError(f"{argument}={value!r}: give a finite number above 0")
    return float(value)


def unmasked(argument: str, values: Any) -> None:
    """Refuse a masked array that hides some of its values: taken as an array it would show them.

    Raises:
        ValueError: some are masked; the message counts them and names the first row.
    """
    if isinstance(values, np.ma.MaskedArray) and (hidden := np.ma.getmaskarray(values)).any():
        raise ValueError(
            f"{argument} has {int(hidden.sum())} masked values, the first in row "
            f"{int(np.argwhere(hidden)[0][0])}: impute or drop them first"
        )


def finite(argument: str, values: Any) -> Any:
    """Return ``values`` as an array, or sparse rows, if every number is finite. What holds no floats passes.

    Raises:
        ValueError: some are NaN, infinite or masked; the message counts them and names the first row.
    """
    unmasked(argument, values)
    sparse = hasattr(values, "tocsr")
    values = values.tocsr() if sparse else np.asarray(values)
    if np.issubdtype(values.dtype, np.inexact):
        bad = ~np.isfinite(values.data if sparse else values)
        if bad.any():
            row = int(np.argwhere(bad)[0][0]) if values.ndim else 0
            if sparse:  # the row that holds this number
                row = int(np.searchsorted(values.indptr, row, "right")) - 1
            raise ValueError(
                f"{argument} has {int(bad.sum())} NaN or infinite values, the first in row {row}: "
                "impute or drop them first"
            )
    return values


def real(argument: str, values: Any) -> None:
    """Refuse text, bytes, dates and durations, alone or among numbers: "1.5" is 1.5 once somebody says so.

    Args:
        argument: its name.
        values: an array, a table or nested lists. Sparse rows pass: they hold numbers alone.

    Raises:
        ValueError: some are; the message shows the first of them, and its row.

    Example:
        >>> real("y", [0.5, "1.5"])
        Traceback (most recent call last):
        ValueError: y holds text, '1.5' in row 1: give numbers, such as an array of float32
    """
    if hasattr(values, "tocsr"):
        return
    array = np.asarray(values)
    if array.dtype.kind in "US":  # a list's numbers have become text too
        array = np.asarray(values, object)
    what, place = _NO_NUMBERS_AT_ALL.get(array.dtype.kind), 0
    if array.dtype.hasobject:
        kinds = tuple(_NO_NUMBERS)
        entries = array.reshape(-1).tolist()
        place = next((at for at, one in enumerate(entries) if isinstance(one, kinds)), -1)
        what = (
            None
            if place < 0
            else next(_NO_NUMBERS[kind] for kind in kinds if isinstance(entries[place], kind))
        )
    if what is not None and array.size:
        row = place * len(array) // array.size if array.ndim else 0
        first = array.reshape(-1)[place]
        raise ValueError(
            f"{argument} holds {what}, {first!r:.40} in row {row}: give numbers, such as an array of float32"
        )


def same_length(**arrays: Any) -> int:
    """Return how many rows all arrays, sparse ones too, share; those that are ``None`` are passed over.

    Raises:
        ValueError: the lengths differ; the message names each.
    """
    there = {name: one for name, one in arrays.items() if one is not None}
    lengths = {name: one.shape[0] if hasattr(one, "tocsr") else len(one) for name, one in there.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("rows differ: " + ", ".join(f"{name} has {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))


def renamed(removed_in: str, **names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function's keyword arguments be given by their old names too, with a DeprecationWarning.

    ``inspect.signature`` shows the new names alone.

    Args:
        removed_in: the version of kerasdl that no longer takes the old names.
        names: each old name and the new one.

    Returns:
        A decorator. What it returns raises TypeError where a call gives both names of one argument.

    Example:
        >>> @renamed("0.3", size="units")
        ... def width(units): return units
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     width(size=4)
        4
        >>> print(caught[0].message)
        width(size=…) is deprecated: write units=…; kerasdl 0.3 no longer takes size
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in names.items():
                if old not in kwargs:
                    continue
                if new in kwargs:
                    raise TypeError(f"{function.__name__}: {old} is the old name of {new}; give {new} alone")
                warnings.warn(_deprecated(function, old, new, removed_in), DeprecationWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        setattr(call, _OLD_NAMES, (removed_in, names))
        return call

    return decorate


def current_name(function: Callable, name: str) -> str:
    """Return an argument's present name; where :func:`renamed` has given it another, warn that it has.

    Example:
        >>> @renamed("0.3", size="units")
        ... def width(units): return units
        >>> current_name(width, "units")
        'units'
    """
    unchanged: tuple[str, dict[str, str]] = ("", {})
    removed_in, old_names = getattr(function, _OLD_NAMES, unchanged)
    if name not in old_names:
        return name
    new = old_names[name]
    warnings.warn(_deprecated(function, name, new, removed_in), DeprecationWarning, stacklevel=2)
    return new


def _deprecated(function: Callable, old: str, new: str, removed_in: str) -> str:
    removal = f"kerasdl {removed_in} no longer takes {old}"
    return f"{function.__name__}({old}=…) is deprecated: write {new}=…; {removal}"

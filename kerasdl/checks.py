"""Is this argument fit to use? Each answer is one line: the argument, its value, the mend."""

import numpy as np

from kerasdl.names import nearest, one_of

__all__ = ["finite", "fraction", "nearest", "not_negative", "one_of", "positive_int", "same_length"]


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


def finite(argument: str, values: np.ndarray) -> np.ndarray:
    """Return ``values`` as an array, if every number in it is finite. Arrays that hold no floats pass.

    Raises:
        ValueError: some are NaN or infinite; the message counts them and names the first row.
    """
    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.inexact):
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(np.argwhere(bad)[0][0]) if values.ndim else 0
            raise ValueError(
                f"{argument} has {int(bad.sum())} NaN or infinite values, the first in row {row}: "
                "impute or drop them first"
            )
    return values


def same_length(**arrays: np.ndarray) -> int:
    """Return the number of rows that all the arrays share; those that are ``None`` are passed over.

    Raises:
        ValueError: the lengths differ; the message names each.
    """
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError("rows differ: " + ", ".join(f"{name} has {n}" for name, n in lengths.items()))
    return next(iter(lengths.values()))

"""What may X be, and how does a model take it? Arrays, tables, sparse rows, or a dict of arrays.

In go X as the user gave it; out come checked rows, which can be counted, picked and fed.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from kerasdl import checks

Rows: TypeAlias = Any  # (rows, …) array, sparse (rows, columns), or {input: (rows, …) array}
Shape: TypeAlias = Any  # of one row: a tuple, or {input: tuple}


def several(X: Any) -> bool:
    """Return whether X holds an array for each of several inputs."""
    return isinstance(X, Mapping) and not sparse.issparse(X)


def checked(X: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of several inputs, each of two axes or more.

    Raises:
        ValueError: masked values, text, dates, NaN or infinite numbers, lengths that differ, no input.
    """
    if not X:
        raise ValueError("X={}: give an array for each input of the model")
    found = {}
    for name, values in X.items():
        checks.unmasked(f"X[{name!r}]", values)
        checks.real(f"X[{name!r}]", values)
        array = check_array(values, allow_nd=True, ensure_2d=False, input_name=f"X[{name!r}]")
        found[name] = array[:, None] if array.ndim == 1 else array
    checks.same_length(**{f"X[{name!r}]": array for name, array in found.items()})
    return found


def axes(X: Any) -> int:
    """Return the number of axes of an array, a table or nested lists."""
    return X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim


def count(X: Rows) -> int:
    """Return the number of rows."""
    return len(next(iter(X.values()))) if several(X) else X.shape[0]


def shape(X: Rows) -> Shape:
    """Return the shape of one row."""
    return {name: array.shape[1:] for name, array in X.items()} if several(X) else X.shape[1:]


def size(X: Rows) -> int:
    """Return how many numbers one row holds."""
    return sum(int(np.prod(own)) for own in (shape(X).values() if several(X) else [shape(X)]))


def pick(X: Rows, rows: Any) -> Rows:
    """Return some of the rows."""
    return {name: array[rows] for name, array in X.items()} if several(X) else X[rows]


def numbers(X: Rows) -> Any:
    """Return rows as a model's own numbers: dense, floats in Keras's float type.

    Raises:
        ValueError: a number that is too large for it; the message names the row.
    """
    if several(X):
        return {name: _numbers(f"X[{name!r}]", array) for name, array in X.items()}
    return _numbers("X", X)


def _numbers(name: str, X: Any) -> np.ndarray:
    if sparse.issparse(X):
        X = X.astype(keras.config.floatx()).toarray()
    X = np.asarray(X)
    if not np.issubdtype(X.dtype, np.floating):
        return X
    with np.errstate(over="ignore"):
        return checks.finite(name, X.astype(keras.config.floatx(), copy=False))


def trained(X: Rows) -> Any:
    """Return rows to train on: as :func:`numbers` does, but sparse ones stay sparse.

    Raises:
        ValueError: as :func:`numbers`.
    """
    if not sparse.issparse(X):
        return numbers(X)
    with np.errstate(over="ignore"):
        return checks.finite("X", X.astype(keras.config.floatx()))


def fed(X: Rows, model: keras.Model, columns: Any = None) -> Any:
    """Return rows as ``fit`` and ``predict`` of this model take them: an array, or a list of them.

    Args:
        X: rows, as :func:`numbers` or :func:`trained` gives them.
        model: a model with several inputs gets the arrays of their names.
        columns: names of X's columns: a model with several inputs then gets those of its inputs' names.

    Raises:
        ValueError: an input of the model that X has not, or the other way round.
    """
    names = [tensor.name for tensor in getattr(model, "inputs", None) or []]
    if not several(X):
        if len(names) < 2:
            return X
        if columns is None:
            raise ValueError(f"X is one array and the model has the inputs {names}: give a dict of arrays")
        X = X.toarray() if sparse.issparse(X) else X
        places = {name: place for place, name in enumerate(columns)}
        X = {name: X[:, [place]] for name, place in places.items()}
        X = {name: X[name] for name in names if name in X} if set(names) <= set(X) else X
    if set(names) != set(X):
        raise ValueError(f"X has {sorted(X)}, the model's inputs are {sorted(names)}: give each by its name")
    return [X[name] for name in names] if len(names) > 1 else X[names[0]]

"""Which label is which column? What classifiers say, in all the forms they say it in, as probabilities.

In go labels and a classifier's probabilities, sigmoid outputs or predicted labels; out come float64
probabilities ``(rows, classes)``, column numbers for the labels, and the labels in the order of the columns.
"""

from typing import Any

import numpy as np

from kerasdl.shift.inputs import allowed


def _is_labels(p: Any) -> bool:
    """Return whether ``p`` is predicted labels ``(rows,)`` and not the outputs of a sigmoid."""
    if hasattr(p, "columns"):
        return False
    p = np.asarray(p)
    if p.ndim != 1:
        return False
    return p.dtype.kind != "f" or bool(np.isfinite(p).all() and (p == np.round(p)).all())


def read(y_val: Any, p_val: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels as column numbers, probabilities, and the labels of the columns.

    Columns of a DataFrame may be named by the labels; otherwise labels that are numbers are column numbers,
    and other labels belong to the columns in sorted order, as in scikit-learn's ``classes_``.

    Raises:
        ValueError: lengths differ, labels that belong to no column, one class only.
    """
    y = np.asarray(y_val)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"y_val has shape {y.shape}: give (rows,), at least one")
    if y.dtype.kind == "b":
        y = y.astype(int)
    if _is_labels(p_val):
        said = np.asarray(p_val)
        said = said.astype(int) if said.dtype.kind == "b" else said
        same_length(y, said)
        if (said.dtype.kind in "iuf") != (y.dtype.kind in "iuf"):
            raise ValueError("y_val and p_val hold numbers and text: give the same labels in both")
        classes = np.unique(np.concatenate([y, said]))
        codes = np.searchsorted(classes, y)
        p = np.eye(len(classes))[np.searchsorted(classes, said)]
    else:
        p = allowed.probabilities("p_val", p_val)
        same_length(y, p)
        classes = _columns(y, p_val, p.shape[1])
        codes = np.searchsorted(np.sort(classes), y)
        codes = np.argsort(classes)[codes]
    if len(np.unique(codes)) == 1:
        raise ValueError(f"y_val holds the one class {y[0]}: a label-shift estimate needs at least two")
    return codes.astype(np.intp), p, classes


def same_length(y: np.ndarray, p: np.ndarray) -> None:
    """Refuse labels and predictions of different lengths."""
    if len(y) != len(p):
        raise ValueError(f"rows differ: y_val has {len(y)}, p_val has {len(p)}")


def _columns(y: np.ndarray, p_val: Any, columns: int) -> np.ndarray:
    """Return the label of each column of probabilities."""
    found = np.unique(y)
    named = getattr(p_val, "columns", None)
    if named is not None and set(found.tolist()) <= set(named):
        return np.asarray(list(named))
    if y.dtype.kind in "iuf":
        if (y != np.round(y)).any() or y.min() < 0 or y.max() >= columns:
            raise ValueError(
                f"y_val: give the column of each label's probability, whole numbers 0 to {columns - 1}, or a "
                "DataFrame p_val whose columns are named by the labels"
            )
        return np.arange(columns)
    if len(found) != columns:
        raise ValueError(
            f"y_val holds {len(found)} labels, p_val has {columns} columns: name the columns by their labels"
        )
    return found


def read_like(argument: str, p: Any, classes: np.ndarray, like: Any) -> np.ndarray:
    """Return probabilities ``(rows, classes)`` of predictions that come later.

    Raises:
        ValueError: a predicted label that was never seen, another number of classes.
    """
    if not _is_labels(p):
        return allowed.probabilities(argument, p, like)
    said = np.asarray(p)
    said = said.astype(int) if said.dtype.kind == "b" else said
    place = {label: k for k, label in enumerate(classes.tolist())}
    unknown = [label for label in np.unique(said).tolist() if label not in place]
    if unknown:
        raise ValueError(f"{argument} holds {unknown}, labels that were never seen: give those of y_val")
    return np.eye(len(classes))[[place[label] for label in said.tolist()]]

"""What of scikit-learn is used without a promise, or copied another way than it copies?

Tables, estimators and their arguments go in; rows of them, and copies, come out. Why each is needed stands in
:data:`kerasdl.borrowed.ENTRIES`.
"""

from typing import Any


def cloned(argument: Any) -> Any:
    """Return an estimator's argument as ``sklearn.clone`` copies it; a loss, optimizer or model as it is.

    The copy of a loss may lack settings. Estimators change none of them, so clones can share them.
    """
    import keras
    from sklearn.base import clone

    if isinstance(argument, (keras.losses.Loss, keras.optimizers.Optimizer, keras.Model)):
        return argument
    return clone(argument, safe=False)


def safe_indexing(X: Any, rows: Any) -> Any:
    """Return rows of an array, a DataFrame, a sparse matrix or a list."""
    from sklearn.utils import _safe_indexing

    return _safe_indexing(X, rows)


def copy_request(source: Any, target: Any) -> None:
    """Give a clone what ``set_fit_request`` and its like have asked for on the estimator it was made from."""
    from copy import deepcopy

    if hasattr(source, "_metadata_request"):
        target._metadata_request = deepcopy(source._metadata_request)

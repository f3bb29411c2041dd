"""What do we use of others that they do not promise? Private names and faults worked round, listed here.

Each entry says what it is, why it is needed and since which version; a test of ``tests/test_borrowed.py``
fails on the day it is no longer needed. Nothing is imported before it is asked for.
"""

from typing import Any


def safe_indexing(X: Any, rows: Any) -> Any:
    """Return rows of an array, a DataFrame, a sparse matrix or a list.

    ``sklearn.utils._safe_indexing``: scikit-learn has no public function that takes rows of whatever its
    estimators take (1.6 to 1.9).
    """
    from sklearn.utils import _safe_indexing

    return _safe_indexing(X, rows)

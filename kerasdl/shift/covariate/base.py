"""What do all density ratios share? The checks, the encoding, the scale, the diagnostics, the warning.

In go a source and a target table; out come weights of the source's rows, under which it looks like the
target.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from kerasdl.shift.covariate import overlap
from kerasdl.shift.covariate.weights import diagnose, effective_sample_size, warn_of_thin_overlap
from kerasdl.shift.inputs import tables
from kerasdl.shift.inputs.encoding import Encoding
from kerasdl.shift.inputs.tables import Table


class DensityRatio(BaseEstimator):
    """Base of the covariate-shift estimators: w(x) = p_target(x) / p_source(x), at mean 1 on the source.

    A subclass has ``_fit(X_source, X_target)``, which returns the raw weights of the encoded source rows, and
    ``_predict(X)``, which returns those of other rows on the same scale.

    Example:
        >>> from kerasdl import shift
        >>> rng = np.random.default_rng(0)
        >>> ratio = shift.ULSIF().fit(rng.normal(0.0, 1, (200, 1)), rng.normal(0.5, 1, (200, 1)))
        >>> isinstance(ratio, DensityRatio), round(float(ratio.weights_.mean()), 6)
        (True, 1.0)
        >>> low, high = ratio.predict_weights([[-1.0], [1.0]])  # the target lies to the right
        >>> bool(low < high)
        True

    Attributes:
        weights_: weights of the source rows ``(rows,)``, mean 1.
        effective_sample_size_: (Σw)² / Σw².
        diagnostics_: dict, see :func:`kerasdl.shift.covariate.weights.diagnose`; beside it
            ``unreached_share``, the share of target rows that no source row resembles, and, where a
            classifier was validated, ``held_out_auc``, how surely it tells both sides apart (0.5 not at all,
            1 always).
        n_features_in_, feature_names_in_: the columns; DataFrames are aligned to them by name.
    """

    def fit(self, X_source: Any, X_target: Any) -> Self:
        """Learn the ratio.

        Args:
            X_source: rows that have labels ``(rows, columns)``: array, DataFrame of any columns, or sparse.
            X_target: rows from where the model will be used ``(any, columns)``.

        Returns:
            The estimator.

        Raises:
            ValueError: columns or their kinds differ, NaN in an array, no rows.

        Warns:
            OverlapWarning: too few effective rows to trust the weights, or target rows that the source cannot
                reach.
        """
        source, target = tables.two_tables(self, ("X_source", X_source), ("X_target", X_target))
        self._encoding = Encoding(source, target)
        A, B = self._encoding.encode(source), self._encoding.encode(target)
        if not A.shape[1]:
            raise ValueError("no column holds anything on either side: there is nothing to weigh by")
        self._tables = (source, target)
        raw = self._fit(A, B)
        del self._tables
        self.scale_ = float(raw.mean())
        if not (np.isfinite(raw).all() and self.scale_ > 0):
            raise ValueError("every source row has weight 0: source and target do not overlap at all")
        self.weights_ = raw / self.scale_
        self.effective_sample_size_ = effective_sample_size(self.weights_)
        self.diagnostics_ = diagnose(self.weights_, A, B)
        self.diagnostics_["unreached_share"] = overlap.unreached_share(A, B, np.random.default_rng(0))
        if hasattr(self, "_auc"):
            self.diagnostics_["held_out_auc"] = self._auc
        if not warn_of_thin_overlap(self.weights_):
            overlap.warn_of_no_overlap(self.diagnostics_)
        return self

    def predict_weights(self, X: Any = None) -> np.ndarray:
        """Return importance weights.

        Args:
            X: rows ``(rows, columns)``; ``None`` stands for the source rows of ``fit``.

        Returns:
            Weights ``(rows,)`` on one scale, on which those of the source rows have mean 1.
        """
        if not hasattr(self, "weights_"):
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(X_source, X_target) first")
        if X is None:
            return self.weights_.copy()
        return self._predict_table(tables.read("X", X, like=self)) / self.scale_

    def _fit(self, X_source: np.ndarray, X_target: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _predict_table(self, table: Table) -> np.ndarray:
        return self._predict(self._encoding.encode(table))

    def _predict(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError

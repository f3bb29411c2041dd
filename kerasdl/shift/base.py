"""What do all density ratios share? The checks, the scale, the diagnostics, the warning."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from kerasdl.shift import inputs
from kerasdl.shift.weights import OverlapWarning, diagnose, effective_sample_size, warn_of_thin_overlap


class DensityRatio(BaseEstimator):
    """Base of the covariate-shift estimators: w(x) = p_target(x) / p_source(x), at mean 1 on the source.

    A subclass has ``_fit(X_source, X_target)``, which returns the raw weights of the source rows, and
    ``_predict(X)``, which returns those of other rows on the same scale.

    Attributes:
        weights_: weights of the source rows ``(rows,)``, mean 1.
        effective_sample_size_: (Σw)² / Σw².
        diagnostics_: dict, see :func:`kerasdl.shift.weights.diagnose`.
        n_features_in_, feature_names_in_: the columns; DataFrames are aligned to them by name.
    """

    def fit(self, X_source: Any, X_target: Any) -> Self:
        """Learn the ratio.

        Args:
            X_source: rows that have labels ``(rows, columns)``.
            X_target: rows from where the model will be used ``(any, columns)``.

        Returns:
            The estimator.

        Raises:
            ValueError: columns differ, NaN, no rows.

        Warns:
            OverlapWarning: too few effective rows to trust the weights, or a weighted source that still lies
                more than two deviations from the target.
        """
        X_source, X_target = inputs.two_tables(self, ("X_source", X_source), ("X_target", X_target))
        raw = self._fit(X_source, X_target)
        self.scale_ = float(raw.mean())
        if not (np.isfinite(raw).all() and self.scale_ > 0):
            raise ValueError("every source row has weight 0: source and target do not overlap at all")
        self.weights_ = raw / self.scale_
        self.effective_sample_size_ = effective_sample_size(self.weights_)
        self.diagnostics_ = diagnose(self.weights_, X_source, X_target)
        thin = warn_of_thin_overlap(self.weights_)
        left = self.diagnostics_["imbalance_after"]
        if left > 2 and not thin:  # sides that never meet can look alike to smooth weights
            warnings.warn(
                f"weighted, the source still lies {left:.1f} deviations from the target in some column: "
                "no source rows look like the target, and weights cannot make them",
                OverlapWarning,
                stacklevel=2,
            )
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
        return self._predict(inputs.table("X", X, like=self)) / self.scale_

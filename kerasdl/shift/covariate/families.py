"""Which classifiers may tell target from source? Families of growing freedom, each with its settings.

Each family is a function from standardised rows ``(rows, columns)`` and sides (0 source, 1 target) to fitted
log-odds, one for each of its settings; what it returns can be pickled. "logged" is "linear" on rows whose
skewed columns went through a logarithm first.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import SplineTransformer

from kerasdl.shift.inputs import geometry

LogOdds = Callable[[np.ndarray], np.ndarray]
Path = dict[str, LogOdds]  # one family's candidates, by setting
Setting = TypeVar("Setting")

RIDGES = {"C=1": 1.0, "C=0.3": 0.3, "C=0.1": 0.1, "C=0.03": 0.03}
WIDTHS = {"narrow": 2.0, "median": 1.0, "wide": 0.5}
COUNTS = {"50 trees": 50, "100 trees": 100, "150 trees": 150, "200 trees": 200}


@dataclass(frozen=True)
class Logistic:
    """Log-odds that are linear in the features that ``transform``, a fitted transformer or None, makes."""

    transform: Any
    coefficient: np.ndarray
    intercept: float

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the log-odds of rows ``(rows, columns)``."""
        features = Z if self.transform is None else self.transform.transform(Z)
        return features @ self.coefficient + self.intercept


@dataclass(frozen=True)
class Boosted:
    """Log-odds of the first ``count`` trees of a boosted classifier."""

    model: Any
    count: int

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the log-odds of rows ``(rows, columns)``."""
        if self.count == self.model.max_iter:
            return np.ravel(self.model.decision_function(Z))
        return np.ravel(next(itertools.islice(self.model.staged_decision_function(Z), self.count - 1, None)))


def _logistic(Z: np.ndarray, y: np.ndarray, settings: Mapping[str, float], transform: Any = None) -> Path:
    """Fit ridge logistic regressions on the transformed rows, one for each inverse penalty C."""
    features = Z if transform is None else transform.transform(Z)
    mean, scale = geometry.standardizer(features)
    features = (features - mean) / scale
    # With few columns Newton's steps are the cheapest; they do not scale past some hundreds.
    solver = "newton-cholesky" if features.shape[1] <= 500 else "lbfgs"
    path: Path = {}
    for setting, strength in settings.items():
        model = LogisticRegression(C=strength, solver=solver, max_iter=1000).fit(features, y)
        coefficient = model.coef_[0] / scale
        path[setting] = Logistic(transform, coefficient, float(model.intercept_[0] - mean @ coefficient))
    return path


def linear(Z: np.ndarray, y: np.ndarray, seed: int, only: str | None = None) -> Path:
    """Log-odds linear in the columns: right when both sides are Gaussians of one covariance."""
    return _logistic(Z, y, _pick(RIDGES, only))


def additive(Z: np.ndarray, y: np.ndarray, seed: int, only: str | None = None) -> Path:
    """A cubic spline for each column, straight beyond the data: curved, no interactions, no wild tails."""
    splines = SplineTransformer(n_knots=6, knots="quantile", extrapolation="linear").fit(Z)
    return _logistic(Z, y, _pick(RIDGES, only), splines)


def kernel(Z: np.ndarray, y: np.ndarray, seed: int, only: str | None = None) -> Path:
    """Gaussian kernels on 100 landmark rows (Nyström): smooth, with interactions."""
    width = geometry.median_distance(Z, np.random.default_rng(seed))
    path: Path = {}
    for name, factor in WIDTHS.items():
        settings = _pick({f"{name}, C=10": 10.0, f"{name}, C=1": 1.0}, only)
        if settings:
            landmarks = Nystroem(gamma=factor / width**2, n_components=min(100, len(Z)), random_state=seed)
            path |= _logistic(Z, y, settings, landmarks.fit(Z))
    return path


def trees(Z: np.ndarray, y: np.ndarray, seed: int, only: str | None = None) -> Path:
    """Boosted trees of three leaves: steps and pairs of columns; the number of trees is the setting."""
    counts = _pick(COUNTS, only)
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_leaf_nodes=3,
        max_iter=max(counts.values()),
        l2_regularization=1.0,
        early_stopping=False,
    ).fit(Z, y)
    return {setting: Boosted(model, count) for setting, count in counts.items()}


def _pick(settings: Mapping[str, Setting], only: str | None) -> dict[str, Setting]:
    return {name: value for name, value in settings.items() if only in (None, name)}


Family = Callable[[np.ndarray, np.ndarray, int, str | None], Path]
FAMILIES: dict[str, Family] = {
    "linear": linear,
    "logged": linear,
    "additive": additive,
    "kernel": kernel,
    "trees": trees,
}

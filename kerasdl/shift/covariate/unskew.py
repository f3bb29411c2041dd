"""Which columns are so skewed that a linear model extrapolates badly? They are log-transformed.

In go the features of both sides together; out comes a map that standardises them, skewed ones after a
logarithm. A ratio of two log-normal columns is a straight line in their logarithm and nowhere else.
"""

from collections.abc import Callable
from typing import Self

import numpy as np

from kerasdl.shift.inputs import geometry

SKEWED = 1.5
HEAVY = 8.0  # excess kurtosis


class Scaler:
    """Standardises features; with ``logs`` those that are skewed or heavy-tailed after a logarithm.

    Attributes:
        forms: for each feature ``"as it is"``, ``"log"``, ``"log1p"`` or ``"asinh"``.
    """

    def __init__(self, logs: bool):
        self.logs = logs

    def fit(self, X: np.ndarray) -> Self:
        """Choose the form of each feature, and its mean and deviation."""
        self.forms = ["as it is"] * X.shape[1]
        self.middle = np.zeros(X.shape[1])
        self.unit = np.ones(X.shape[1])
        self.floor = np.full(X.shape[1], -np.inf)
        if self.logs:
            for k in range(X.shape[1]):
                self._choose(k, X[:, k])
        self.mean, self.deviation = geometry.standardizer(self._formed(X))
        return self

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return standardised features ``(rows, features)``."""
        return (self._formed(X) - self.mean) / self.deviation

    def _choose(self, k: int, x: np.ndarray) -> None:
        before = _badness(x)
        if before < 1 or len(np.unique(x[:2000])) < 10:
            return
        positive = x[x > 0]
        middle = float(np.median(x))
        unit = float(np.median(np.abs(x - middle))) or float(np.abs(x - middle).mean())
        candidates: dict[str, tuple[float, float]] = {"asinh": (middle, unit)}
        if x.min() >= 0:
            candidates["log1p"] = (0.0, float(np.median(positive)))
        if x.min() > 0:
            candidates["log"] = (0.0, 1.0)
        worth = {name: _badness(FORMS[name]((x - m) / u)) for name, (m, u) in candidates.items()}
        best = min(worth, key=worth.__getitem__)
        if worth[best] < before / 2:
            self.forms[k] = best
            self.middle[k], self.unit[k] = candidates[best]
            # A later value below all that were seen, even 0 or less, has a logarithm, too.
            self.floor[k] = x.min() if best != "asinh" else -np.inf

    def _formed(self, X: np.ndarray) -> np.ndarray:
        if all(form == "as it is" for form in self.forms):
            return X
        out = np.array(X, dtype=np.float64)
        for k, form in enumerate(self.forms):
            if form != "as it is":
                out[:, k] = FORMS[form](
                    (np.maximum(out[:, k], self.floor[k]) - self.middle[k]) / self.unit[k]
                )
        return out


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"log": np.log, "log1p": np.log1p, "asinh": np.arcsinh}


def _badness(x: np.ndarray) -> float:
    """Return how far a column is from a tame one: 1 at the limits of skewness or kurtosis."""
    deviation = x.std()
    if deviation == 0:
        return 0.0
    z = (x - x.mean()) / deviation
    return float(max(abs((z**3).mean()) / SKEWED, ((z**4).mean() - 3) / HEAVY))

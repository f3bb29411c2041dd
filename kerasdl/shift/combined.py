"""Which one test should be run when nobody knows how the data may move?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from kerasdl import checks
from kerasdl.shift import geometry, inputs
from kerasdl.shift.detect import _pooled, _ShiftTest, multi_gaussian, ridge_hat
from kerasdl.shift.permutation import quadratic, smallest_p


class ShiftTest(_ShiftTest):
    """The default test: several statistics, each strong where others are blind, on the same relabellings.

    - ``columns``: the largest shift of a column's mean rank, in standard errors;
    - ``spread``: the same for the rank of the distance from the column's median;
    - ``direction``: the ridge classifier's fit, for many columns that move a little together;
    - ``shape``: the MMD with several bandwidths;
    - ``classes``: the largest shift of a class's mean probability, if ``predict_proba`` is given;
    - ``predictions``: the MMD of class probabilities, likewise.

    The first four share the level alike. With ``predict_proba`` they get a quarter of it and the last two the
    rest: a change of the columns is mostly plain to see, a change of class shares needs every bit of power.

    Their smallest p-value is compared with its own permutation distribution (Westfall & Young 1993), so the
    level is exact however they hang together.

    Args:
        predict_proba: function from rows to probabilities ``(rows, classes)``, such as ``model.predict``;
            ``None`` tests the columns alone.
        alpha: level.
        permutations: relabellings.
        max_rows: most rows used of each side.
        random_state: for relabellings and rows.
        verbose: show on stderr how far the relabellings of the slow statistics are.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = ShiftTest(random_state=0).fit(rng.normal(size=(200, 3)))
        >>> result = test.test(2 * rng.normal(size=(100, 3)))
        >>> result.is_shift, min(result.parts, key=result.parts.get) in ("spread", "shape")
        (True, True)
    """

    def __init__(
        self,
        predict_proba: Callable[[np.ndarray], np.ndarray] | None = None,
        alpha: float = 0.05,
        permutations: int = 500,
        max_rows: int = 2000,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.predict_proba = predict_proba
        self.alpha = alpha
        self.permutations = permutations
        self.max_rows = max_rows
        self.random_state = random_state
        self.verbose = verbose

    def _test(self, reference: np.ndarray, sample: np.ndarray) -> tuple[float, float, dict[str, float]]:
        X = _pooled(reference, sample)
        y = self._labels(len(reference), len(sample))
        shown = (lambda name: name) if self.verbose else (lambda name: "")
        found = {
            "columns": _largest(rankdata(X, axis=0), y),
            "spread": _largest(rankdata(np.abs(X - np.median(X, axis=0)), axis=0), y),
            "direction": quadratic(ridge_hat(X, 0.1), y, shown("direction")),
            "shape": quadratic(multi_gaussian(X, self._rng), y, shown("shape")),
        }
        shares = [1.0] * 4
        if self.predict_proba is not None:
            rows = np.vstack([reference, sample])
            p = inputs.probabilities("predict_proba(X)", self.predict_proba(rows))
            checks.same_length(**{"X": rows, "predict_proba(X)": p})
            found["classes"] = _largest(p, y)
            found["predictions"] = quadratic(multi_gaussian(p, self._rng), y, shown("predictions"))
            shares += [6.0, 6.0]
        p_value, alone = smallest_p(np.stack(list(found.values()), axis=1), np.array(shares))
        return float(-np.log10(alone.min())), p_value, dict(zip(found, alone.tolist(), strict=True))


def _largest(columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return max over columns of |mean of the reference − of the sample| / the column's deviation."""
    mean, deviation = geometry.standardizer(columns)
    return np.abs(y @ ((columns - mean) / deviation)).max(axis=1)

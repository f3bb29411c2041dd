"""Do source and target overlap at all? What weights cannot tell, for they look at the source's rows alone.

In go encoded tables of both sides; out comes the share of target rows that no source row resembles, and a
warning in words where weights cannot help.
"""

import warnings

import numpy as np
from scipy.stats import rankdata

from kerasdl.shift.inputs import geometry

MOST_ROWS = 500  # of each side
NEIGHBOURS = 10
MOST_UNREACHED = 0.25
MOST_AUC = 0.98


class OverlapWarning(UserWarning):
    """Source and target overlap too little for weights to be trusted."""


def unreached_share(X_source: np.ndarray, X_target: np.ndarray, rng: np.random.Generator) -> float:
    """Return the share of target rows that no source row resembles.

    As many rows are taken of either side, at most 500. A target row is unreached if no source row is as near
    as its tenth-nearest target row, in standardised columns: where the target is w times as dense as the
    source that happens with chance (w / (1 + w))¹⁰, for w = 1 once in a thousand, for w = 30 in 72 of 100.
    """
    rows = min(len(X_source), len(X_target), MOST_ROWS)
    if rows < 4 * NEIGHBOURS:
        return 0.0  # too few rows to tell
    some = [X[rng.choice(len(X), rows, replace=False)].astype(np.float64) for X in (X_source, X_target)]
    mean, scale = geometry.standardizer(np.vstack(some))
    source, target = ((X - mean) / scale for X in some)
    near = np.partition(geometry.squared_distances(target, target), NEIGHBOURS, axis=1)[:, NEIGHBOURS]
    nearest = geometry.squared_distances(target, source).min(axis=1)
    return float((nearest > near * (1 + 1e-9) + 1e-9).mean())


def auc(scores: np.ndarray, is_target: np.ndarray) -> float:
    """Return the chance that a target row scores above a source row (Mann & Whitney 1947); a tie is half."""
    m = int(is_target.sum())
    n = len(scores) - m
    return float((rankdata(scores)[is_target].sum() - m * (m + 1) / 2) / (n * m))


def warn_of_no_overlap(diagnostics: dict[str, float]) -> bool:
    """Warn in words if part of the target lies where the source has no rows; return whether it was so."""
    unreached = diagnostics["unreached_share"]
    separated = diagnostics.get("held_out_auc", 0.5)
    left = diagnostics["imbalance_after"]
    if unreached > MOST_UNREACHED:
        what = f"{unreached:.0%} of the target rows lie where the source has none like them"
    elif separated > MOST_AUC:
        what = f"a classifier tells held-out target rows from source rows nearly always (AUC {separated:.3f})"
    elif left > 2:
        what = f"weighted, the source still lies {left:.1f} deviations from the target in some column"
    else:
        return False
    warnings.warn(
        f"{what}: weights cannot make such rows; gather labelled rows that look like the target",
        OverlapWarning,
        stacklevel=3,
    )
    return True

"""How much has a column moved? Effect sizes of one column, and what a reader may call them.

In go a column of a reference and of a sample; out come numbers that do not grow with the rows, unlike
p-values: a standardised difference, the Wasserstein distance, the Jensen–Shannon distance, the population
stability index, the shares of gaps and of values never seen.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr
from scipy.stats import wasserstein_distance

from kerasdl.shift.inputs.tables import Column

BINS = 10
MOST_LEVELS = 20  # of a category; rarer ones count together
# Population stability index (Siddiqi 2006) and standardised difference (Cohen 1988): small, medium, large.
PSI_STEPS = (0.1, 0.25)
DIFFERENCE_STEPS = (0.2, 0.5)


class Shares(NamedTuple):
    """The bins of a column and the share of rows in each, gaps last if there are any.

    Attributes:
        labels: what each bin is called.
        reference, sample: shares ``(bins,)``.
    """

    labels: list[str]
    reference: np.ndarray
    sample: np.ndarray


def gaps(column: Column) -> np.ndarray:
    """Return which values are missing ``(rows,)``."""
    if column.kind == "category":
        return np.array([value is None for value in column.values], dtype=bool)
    return np.isnan(column.values)


def shares(kind: str, a: Column, b: Column) -> Shares:
    """Return the shares of a column's bins: tenths of the reference, or the values of a category."""
    missing = gaps(a), gaps(b)
    here = [one.values[~gap] for one, gap in zip((a, b), missing, strict=True)]
    if kind == "text":
        here = [np.array([float(len(value)) for value in one if isinstance(value, str)]) for one in here]
    if kind == "category":
        labels, counts = _levels(here[0], here[1])
    else:
        labels, counts = _bins(here[0].astype(np.float64), here[1].astype(np.float64), kind)
    if missing[0].any() or missing[1].any():
        labels = [*labels, "missing"]
        counts = [np.append(count, gap.sum()) for count, gap in zip(counts, missing, strict=True)]
    reference, sample = (count / max(count.sum(), 1) for count in counts)
    return Shares(labels, reference, sample)


def _levels(a: np.ndarray, b: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    values, codes = np.unique(np.concatenate([a, b]).astype(str), return_inverse=True)
    split = np.split(codes, [len(a)])
    counts = [np.bincount(one, minlength=len(values)) for one in split]
    order = np.argsort(-(counts[0] + counts[1]), kind="stable")
    kept, rest = order[:MOST_LEVELS], order[MOST_LEVELS:]
    labels = values[kept].tolist()
    grouped = [count[kept] for count in counts]
    if len(rest):
        labels.append("other")
        grouped = [np.append(one, count[rest].sum()) for one, count in zip(grouped, counts, strict=True)]
    return labels, grouped


def _bins(a: np.ndarray, b: np.ndarray, kind: str) -> tuple[list[str], list[np.ndarray]]:
    pooled = np.concatenate([a, b])
    values = np.unique(pooled)
    if len(values) <= BINS:
        labels = [_said(value, kind) for value in values]
        return labels, [np.bincount(np.searchsorted(values, one), minlength=len(values)) for one in (a, b)]
    inner = np.unique(np.quantile(a if len(a) else pooled, np.linspace(0, 1, BINS + 1)[1:-1]))
    labels = [f"≤ {_said(edge, kind)}" for edge in inner] + [f"> {_said(inner[-1], kind)}"]
    found = [np.bincount(np.searchsorted(inner, one), minlength=len(labels)) for one in (a, b)]
    return labels, found


def _said(value: float, kind: str) -> str:
    if kind == "date":
        return str(np.datetime64(0, "s") + np.timedelta64(round(value * 86400), "s"))[:10]
    if kind == "boolean":
        return "yes" if value else "no"
    return f"{value:.4g}"


def stability_index(p: np.ndarray, q: np.ndarray, rows: tuple[int, int]) -> float:
    """Return Σ (q − p) ln(q / p), half a row added to each bin (Siddiqi 2006)."""
    p = (p * rows[0] + 0.5) / (rows[0] + 0.5 * len(p))
    q = (q * rows[1] + 0.5) / (rows[1] + 0.5 * len(q))
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Return the Jensen–Shannon distance, 0 (equal) to 1 (apart): √ of the divergence in bits (Lin 1991)."""
    middle = (p + q) / 2
    parts = [rel_entr(one, middle) / np.log(2) for one in (p, q)]
    return float(np.sqrt(max(0.0, (parts[0].sum() + parts[1].sum()) / 2)))


def measure(kind: str, a: Column, b: Column) -> dict[str, float]:
    """Return the effect sizes of a column; those that its kind does not have are NaN."""
    bins = shares(kind, a, b)
    missing = gaps(a), gaps(b)
    found = {
        "difference": np.nan,
        "wasserstein": np.nan,
        "js": jensen_shannon(bins.reference, bins.sample),
        "psi": stability_index(bins.reference, bins.sample, (len(a.values), len(b.values))),
        "missing_before": float(missing[0].mean()),
        "missing_now": float(missing[1].mean()),
        "new_values": 0.0,
    }
    here = [one.values[~gap] for one, gap in zip((a, b), missing, strict=True)]
    if kind == "category":
        unseen = ~np.isin(here[1].astype(str), here[0].astype(str))
        found["new_values"] = float(unseen.sum() / len(b.values))
    elif kind in ("number", "date", "boolean") and len(here[0]) and len(here[1]):
        spread = float(np.sqrt((here[0].var() + here[1].var()) / 2))
        if spread > 0:
            found["difference"] = float((here[1].mean() - here[0].mean()) / spread)
            found["wasserstein"] = float(wasserstein_distance(here[0], here[1]) / spread)
        outside = (here[1] < here[0].min()) | (here[1] > here[0].max())
        found["new_values"] = float(outside.sum() / len(b.values))
    return found


def reading(effects: dict[str, float]) -> str:
    """Return ``"small"``, ``"medium"`` or ``"large"``, by the larger of two common rules."""
    difference = abs(effects["difference"]) if np.isfinite(effects["difference"]) else 0.0
    size = max(np.searchsorted(PSI_STEPS, effects["psi"]), np.searchsorted(DIFFERENCE_STEPS, difference))
    return ("small", "medium", "large")[int(size)]

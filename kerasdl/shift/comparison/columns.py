"""Which columns have moved, and in what? Each tested by itself, all judged together.

In go two tables; out comes a DataFrame of one row a column: p-values from relabellings, corrected for the
number of columns, what moved, and how much.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from kerasdl.shift.comparison import effects
from kerasdl.shift.detection import scores
from kerasdl.shift.detection.permutation import signed_labels, with_tails
from kerasdl.shift.inputs import tables
from kerasdl.shift.inputs.encoding import Encoding
from kerasdl.shift.inputs.tables import Table

MOST_PAIRS = 2500
ORDER = [
    *("column", "kind", "moved", "what", "effect", "p", "p_family", "p_fdr", "p_dependence"),
    *("difference", "wasserstein", "js", "psi", "missing_before", "missing_now", "new_values"),
]
ASPECTS = ("place", "spread", "shape", "missing", "shares")


def by_column(
    reference: Table, sample: Table, alpha: float, permutations: int, rng: np.random.Generator, block: int = 1
) -> pd.DataFrame:
    """Return one row a column, the surest move first.

    A column's statistic is χ² of its values' counts, or Neyman's smooth test of four orders for numbers, with
    its gaps. ``p`` is its p-value by relabelling, below the reach of the ranks by an exponential tail;
    ``p_dependence`` that of the largest change of its correlation with another column. ``p_family`` is the
    chance that any of both kinds looks so moved when nothing has (Westfall & Young 1993); ``p_fdr`` the share
    of false alarms among columns called moved so far down (Benjamini & Hochberg 1995).
    """
    encoding = Encoding(reference, sample)
    X = np.vstack([encoding.encode(reference), encoding.encode(sample)]).astype(np.float64)
    n, m = len(reference), len(sample)
    error = scores.size(n, m)
    u = scores.mid_ranks(X) if X.shape[1] else X
    orders = scores.shapes(u)
    orders[1:, :, encoding.is_dummy] = 0
    _leave_out_gaps(orders, X, encoding)
    y = signed_labels(n, m, permutations, rng, block)
    count = len(encoding.codes)
    weight = np.where(encoding.is_dummy & _of_category(encoding), 1 - X.mean(axis=0), 1.0)
    degrees = np.bincount(encoding.owner, weight * (np.ptp(orders, axis=1) > 0).sum(axis=0), minlength=count)
    squares = np.zeros((len(y), count))
    onto = np.eye(count)[encoding.owner] * weight[:, None]
    for one in orders:
        squares += ((y @ one) / error) ** 2 @ onto
    p = with_tails(scores.chi_squared_as_normal(squares, np.round(degrees)))
    p[:, degrees == 0] = 1
    pairs, which = scores.pairs(scores.place(u), encoding.owner, MOST_PAIRS, rng)
    linked = _dependence(y, pairs, encoding.owner[which] if len(which) else which, count)
    every = np.concatenate([p, linked], axis=1)
    smallest = every.min(axis=1)
    family = np.array([(smallest <= one * (1 + 1e-9)).mean() for one in every[0]]).reshape(2, count)
    discovery = false_discovery(every[0]).reshape(2, count)
    z = np.stack([y[0] @ one for one in orders]) / error
    rows = []
    for k, code in enumerate(encoding.codes):
        a, b = reference.column(k), sample.column(k)
        kind = tables.common_kind(a, b, code.name, (reference.argument, sample.argument))
        rows.append({"column": code.name, "kind": kind, **effects.measure(kind, a, b)})
    table = pd.DataFrame(rows)
    table["p"], table["p_dependence"] = p[0], linked[0]
    table["p_family"], table["p_fdr"] = family.min(axis=0), discovery.min(axis=0)
    table["moved"] = table["p_fdr"] <= alpha
    what = []
    for k, row in enumerate(table.to_dict("records")):
        told = _aspects(encoding, k, z, alpha, row) if discovery[0, k] <= alpha else []
        what.append(", ".join(told + ["dependence"] * bool(discovery[1, k] <= alpha)))
    table["what"] = what
    table["effect"] = [
        effects.reading(row) if row["moved"] else "not told from chance" for row in table.to_dict("records")
    ]
    order = np.lexsort([-table["psi"], p[0], ~table["moved"], discovery[0] > alpha])
    return table.iloc[order].reset_index(drop=True)[ORDER]


def _leave_out_gaps(orders: np.ndarray, X: np.ndarray, encoding: Encoding) -> None:
    """Rank the numbers of a column with gaps among themselves: a gap has no place, high or low."""
    for k, code in enumerate(encoding.codes):
        if code.gaps and code.kind in ("number", "boolean", "date"):
            value, gap = np.flatnonzero(encoding.owner == k)
            here = X[:, gap] == 0
            if here.sum() > 1:
                orders[:, :, value] = 0
                orders[:, here, value] = scores.shapes(scores.mid_ranks(X[here][:, [value]]))[:, :, 0]


def false_discovery(p: np.ndarray) -> np.ndarray:
    """Return Benjamini & Hochberg's (1995) adjusted p-values."""
    order = np.argsort(p)
    adjusted = p[order] * len(p) / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = np.minimum(1, np.minimum.accumulate(adjusted[::-1])[::-1])
    return out


def _of_category(encoding: Encoding) -> np.ndarray:
    kinds = np.array([code.kind for code in encoding.codes], dtype=object)
    return np.asarray(kinds[encoding.owner] == "category", dtype=bool)


def _dependence(y: np.ndarray, pairs: np.ndarray, columns: np.ndarray, count: int) -> np.ndarray:
    """Return p-values of each column's largest change of a correlation, ``(labels, columns)``."""
    largest = np.zeros((len(y), count))
    if pairs.shape[1]:
        found = np.abs(y.astype(np.float32) @ pairs)
        for k in range(count):
            its = (columns == k).any(axis=1)
            if its.any():
                largest[:, k] = found[:, its].max(axis=1)
    return with_tails(largest)


def _aspects(encoding: Encoding, k: int, z: np.ndarray, alpha: float, row: dict[Any, Any]) -> list[str]:
    """Return what moved in a column: each kind of change by its own z, at the level shared among them."""
    its = np.flatnonzero(encoding.owner == k)
    gap = [f for f in its if encoding.features[f].endswith(": missing")]
    rest = [f for f in its if f not in gap]
    p = {"missing": _p(z[0, gap], 1)}
    if encoding.codes[k].kind == "category":
        p["shares"] = _p(z[0, rest], len(rest))
    else:
        p["place"] = _p(z[0, rest], len(rest))
        p["spread"] = _p(z[1, rest], len(rest))
        p["shape"] = _p(z[2:, rest], 2 * len(rest))
    told = [name for name in ASPECTS if name in p and p[name] <= alpha / len(p)]
    if not told:
        told = [min(p, key=p.__getitem__)]
    return told + (["new values"] if row["new_values"] > 0 and row["kind"] == "category" else [])


def _p(z: np.ndarray, tests: int) -> float:
    return float(min(1.0, tests * 2 * norm.sf(np.abs(z).max()))) if z.size else 1.0

"""Has my data moved, where, how much, and what shall I do? One call on two tables as they are.

In go a reference and a sample; out comes a :class:`~kerasdl.shift.comparison.result.Comparison`: a verdict
at a stated level, a table by column, what sets the two apart, and what to do next.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.comparison import effects
from kerasdl.shift.comparison.columns import by_column
from kerasdl.shift.comparison.result import Comparison
from kerasdl.shift.covariate import overlap
from kerasdl.shift.detection.combined import ShiftTest
from kerasdl.shift.inputs import tables
from kerasdl.shift.inputs.encoding import Encoding
from kerasdl.shift.inputs.tables import Table

LOOKED_AT = 15  # columns whose importance is measured: those that the forest splits on most
SHOWN = 8  # columns whose shares are kept for the figure


def compare(
    reference: Any,
    sample: Any,
    *,
    alpha: float = 0.05,
    predict_proba: Callable[[Any], Any] | None = None,
    permutations: int = 999,
    max_rows: int = 2000,
    block: int | str = 1,
    random_state: Any = 0,
) -> Comparison:
    """Compare two tables and say what has moved.

    Args:
        reference: rows that stand for "as before": array, DataFrame of any columns, or sparse matrix.
        sample: rows from now, of the same columns; DataFrames are matched by name.
        alpha: level of the verdict, and share of false alarms among the columns called moved.
        predict_proba: a classifier's function from rows, as they were given, to probabilities; its answers
            then take part in the verdict, and a shift of class shares is told from one of the columns.
        permutations: relabellings behind the p-values of columns.
        max_rows: most rows looked at of each side, drawn at random; the answer says how many were.
        block: neighbouring rows that belong together, or ``"auto"``, where rows are not independent.
        random_state: int, ``RandomState`` or None.

    Returns:
        A :class:`~kerasdl.shift.comparison.result.Comparison`: ``print`` it, read its ``table``,
        ``plot()`` it, or write it ``to_html``.

    Raises:
        ValueError: columns differ in name or kind, no rows, too few rows for the level.

    Warns:
        DependenceWarning: neighbouring rows are alike, or many rows are copies.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> import pandas as pd
        >>> before = pd.DataFrame({"age": rng.normal(40, 9, 300), "town": rng.choice(["A", "B"], 300)})
        >>> now = before.assign(age=rng.normal(46, 9, 300))
        >>> found = compare(before, now)
        >>> found.is_shift, found.table.loc[0, ["column", "what", "effect"]].tolist()
        (True, ['age', 'place', 'large'])
    """
    test = ShiftTest(predict_proba, alpha, max_rows=max_rows, random_state=random_state, block=block)
    result = test.fit(reference).test(sample)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    whole = tables.read("reference", reference), tables.read("sample", sample, like=test)
    a, b = test.reference_, test.sample_
    table = by_column(a, b, alpha, checks.positive_int("permutations", permutations), rng, test.block_)
    importance, auc = _importance(a, b, rng)
    table["importance"] = [importance.get(name, 0.0) for name in table["column"]]
    encoding = Encoding(a, b)
    unreached = overlap.unreached_share(encoding.encode(a), encoding.encode(b), rng)
    return Comparison(
        result=result,
        alpha=alpha,
        table=table,
        auc=auc,
        unreached_share=unreached,
        rows=(len(a), len(b)),
        rows_given=(len(whole[0]), len(whole[1])),
        shares={name: _shares(a, b, name) for name in table["column"][:SHOWN]},
    )


def _shares(a: Table, b: Table, name: str) -> effects.Shares:
    k = a.names.index(name)
    one, other = a.column(k), b.column(k)
    return effects.shares(tables.common_kind(one, other, name, (a.argument, b.argument)), one, other)


def _codes(a: Table, b: Table) -> np.ndarray:
    """Return one number a column for a forest: values, or the rank of a category's value; gaps far below."""
    columns = []
    for k in range(len(a.names)):
        parts = [one.column(k) for one in (a, b)]
        if any(one.kind == "category" for one in parts):
            strings = [v if isinstance(v, str) else "" for one in parts for v in one.values]
            columns.append(np.unique(strings, return_inverse=True)[1].astype(float))
            continue
        values = np.concatenate([one.values for one in parts]).astype(np.float64)
        low = np.nanmin(values) if np.isfinite(values).any() else 0.0
        columns.append(np.where(np.isnan(values), low - 1 - abs(low), values))
    return np.stack(columns, axis=1)


def _importance(a: Table, b: Table, rng: np.random.Generator) -> tuple[dict[str, float], float]:
    """Return how much held-out AUC a domain classifier loses without each column, and that AUC.

    A forest learns on one half of the rows and is asked about the other, both ways; a column's
    information is removed by shuffling its values among the rows (Breiman 2001).
    """
    X, y = _codes(a, b), np.repeat([False, True], [len(a), len(b)])
    if min(len(a), len(b)) < 10:
        return {}, float("nan")
    half = np.concatenate([rng.permutation(count) % 2 for count in (len(a), len(b))])
    losses: dict[str, list[float]] = {}
    found = []
    for k in range(2):
        learn, held = half != k, half == k
        seed = int(rng.integers(2**31))
        forest = ExtraTreesClassifier(
            100, min_samples_leaf=5, max_features=0.5, class_weight="balanced", random_state=seed
        ).fit(X[learn], y[learn])
        plain = overlap.auc(forest.predict_proba(X[held])[:, 1], y[held])
        found.append(plain)
        for column in np.argsort(-forest.feature_importances_)[:LOOKED_AT]:
            dealt = X[held].copy()
            dealt[:, column] = rng.permutation(dealt[:, column])
            lost = plain - overlap.auc(forest.predict_proba(dealt)[:, 1], y[held])
            losses.setdefault(a.names[column], []).append(lost)
    return {name: max(0.0, sum(lost) / 2) for name, lost in losses.items()}, float(np.mean(found))

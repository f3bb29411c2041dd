"""Are the rows independent? Rows that depend on their neighbours, and rows that are repeated.

In goes a table whose rows are in their order; out comes how strongly neighbours resemble each other, and how
many rows are repeated. A permutation test assumes independent rows. Dependent rows carry less information
than their number suggests, so it raises too many false alarms.
"""

import warnings

import numpy as np
from scipy.stats import rankdata

from kerasdl.shift.inputs.tables import Table

MOST_ROWS = 2000  # neighbouring rows that are looked at
ALIKE = 0.25  # a correlation from row to row below this costs a test little
SURE = 5.5  # standard errors, so that independent rows are hardly ever called dependent
TWINS = 0.2  # share of the rows that have a twin


class DependenceWarning(UserWarning):
    """Rows depend on their neighbours or come several times: a test that deals them out alarms too often."""


def number_columns(table: Table) -> tuple[list[str], np.ndarray]:
    """Return the names and the values of the columns of numbers without gaps, of at most 2,000 first rows."""
    some = table.take(slice(0, MOST_ROWS))
    numbers = some.numbers()
    if numbers is not None:
        return some.names, numbers.astype(np.float64, copy=False)
    found = [(name, some.column(k)) for k, name in enumerate(some.names)]
    found = [(name, one) for name, one in found if one.kind != "category" and np.isfinite(one.values).all()]
    values = [one.values for _, one in found]
    return [name for name, _ in found], np.stack(values, axis=1) if values else np.empty((len(some), 0))


def autocorrelation(X: np.ndarray, lag: int) -> np.ndarray:
    """Return the correlation of each column with itself ``lag`` rows later ``(columns,)``; 0 if constant."""
    Z = X - X.mean(axis=0)
    squares = (Z**2).sum(axis=0)
    products = (Z[lag:] * Z[:-lag]).sum(axis=0)
    return np.where(squares > 0, products / np.where(squares > 0, squares, 1), 0.0)


def memory(X: np.ndarray) -> float:
    """Return over how many rows the most dependent column remembers: 1 + 2 Σ of its autocorrelations.

    For an autoregression x' = ρx + noise that is (1 + ρ) / (1 − ρ). The sum stops where two neighbouring
    lags add up to nothing (Geyer 1992, initial positive sequence).
    """
    if len(X) < 8 or not X.shape[1]:
        return 1.0
    columns = np.argsort(-autocorrelation(X, 1))[:5]
    longest = 1.0
    for k in columns:
        total, lag = 1.0, 1
        while lag + 1 < len(X) // 4:
            pair = float(autocorrelation(X[:, [k]], lag)[0] + autocorrelation(X[:, [k]], lag + 1)[0])
            if pair <= 2 / np.sqrt(len(X)):
                break
            total += 2 * pair
            lag += 2
        # A short table's sum can run away; no more than half as much again as its first lag alone would say.
        first = min(float(autocorrelation(X[:, [k]], 1)[0]), 0.99)
        longest = max(longest, min(total, 1.5 * (1 + first) / (1 - first)))
    return longest


def warn_of_dependence(table: Table, mend: str) -> None:
    """Warn in words if neighbouring rows are alike or many rows have a twin; ``mend`` says what to do."""
    names, X = number_columns(table)
    if len(X) < 40 or not X.shape[1]:
        return
    r = np.where(_varied(X), autocorrelation(rankdata(X, axis=0), 1), 0.0)
    strongest = int(np.argmax(np.abs(r)))
    if abs(r[strongest]) > max(ALIKE, SURE / np.sqrt(len(X))):
        warnings.warn(
            f"{table.argument}: neighbouring rows are alike (column {names[strongest]!r} correlates "
            f"{r[strongest]:.2f} from row to row); taken as independent they alarm too often: {mend}",
            DependenceWarning,
            stacklevel=4,
        )
        return
    share = _twins(X)
    if share > TWINS:
        warnings.warn(
            f"{table.argument}: {share:.0%} of the rows come more than once, more than chance allows; "
            f"taken as independent they alarm too often: drop copies, or put them side by side and {mend}",
            DependenceWarning,
            stacklevel=4,
        )


def _varied(X: np.ndarray) -> np.ndarray:
    """Return which columns vary throughout: of one that is nearly always 0, neighbours say nothing."""
    most = np.array([np.unique(column, return_counts=True)[1].max() for column in X.T])
    return most < 0.8 * len(X)


def _twins(X: np.ndarray) -> float:
    """Return the share of rows that have a twin, or 0 if as many are to be expected by chance."""
    n = len(X)
    _, counts = np.unique(X, axis=0, return_counts=True)
    share = float(counts[counts > 1].sum() / n)
    if share <= TWINS:
        return 0.0
    expected = float(n)  # twins of a row if its columns were independent of each other
    for column in X.T:
        _, seen = np.unique(column, return_counts=True)
        expected *= float((seen.astype(float) ** 2).sum()) / n**2
    if X.shape[1] == 1:  # a single column says it by its counts alone: no draw makes each value equally often
        return share if len(counts) > 20 and counts.min() == counts.max() else 0.0
    return share if expected < 0.05 else 0.0

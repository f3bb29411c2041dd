"""What stands in a table? Arrays, DataFrames and sparse matrices of any columns, read in one way.

In goes what a user has: an array, a DataFrame (pandas, or any that narwhals knows, such as polars), a sparse
matrix. Out comes a :class:`Table`, its columns matched by name to those seen before, each brought to one of
five kinds. A gap in a DataFrame is a missing value; in an array of numbers it is refused.
"""

import datetime
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import sparse

from kerasdl import checks

TEXT_VALUES = 50  # more distinct values than this, in more than half of the rows, are free text


class Column(NamedTuple):
    """One column of one table, brought to one form.

    Attributes:
        kind: ``"number"``, ``"boolean"``, ``"date"``, ``"category"`` or ``"empty"`` (nothing but gaps).
        values: float64 ``(rows,)`` with NaN for gaps (dates in days since 1970), or for a category strings
            with None for gaps.
    """

    kind: str
    values: np.ndarray


class Table:
    """A table that was read and checked.

    Attributes:
        given: the array, pandas DataFrame or CSR matrix itself, its columns in the order first seen: what a
            function of the user's own is handed.
        names: column names; of an array "0", "1", ….
        plain: float array ``(rows, columns)`` when every value is a finite number, else None.
    """

    def __init__(self, argument: str, given: Any, plain: np.ndarray | None):
        self.argument = argument
        self.given = given
        self.plain = plain
        columns = given.columns if isinstance(given, pd.DataFrame) else range(given.shape[1])
        self.names = [str(name) for name in columns]

    def __len__(self) -> int:
        return int(self.given.shape[0])

    def numbers(self) -> np.ndarray | None:
        """Return the table as floats ``(rows, columns)`` if it is numbers without gaps, else None."""
        if isinstance(self.given, pd.DataFrame) or self.plain is not None:
            return self.plain
        return self.given.toarray().astype(np.float64, copy=False)

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return the table of some rows."""
        given = self.given.iloc[rows] if isinstance(self.given, pd.DataFrame) else self.given[rows]
        plain = None
        if self.plain is not None:
            plain = given if self.plain is self.given else self.plain[rows]
        return type(self)(self.argument, given, plain)

    def column(self, k: int) -> Column:
        """Return column ``k`` in its own form.

        Raises:
            ValueError: it holds infinite or complex values, or things such as lists.
        """
        if isinstance(self.given, pd.DataFrame):
            return _read_series(self.given.iloc[:, k], f"{self.argument}: column {self.names[k]!r}")
        if self.plain is not None:
            return Column("number", self.plain[:, k].astype(np.float64, copy=False))
        return Column("number", self.given[:, [k]].toarray()[:, 0].astype(np.float64))


def read(argument: str, X: Any, like: Any = None) -> Table:
    """Return ``X`` as a :class:`Table`.

    Args:
        argument: the name to use in an error.
        X: array ``(rows, columns)``, DataFrame or sparse matrix, at least one row and one column.
        like: an object fitted before, with ``n_features_in_`` and perhaps ``feature_names_in_``. A DataFrame
            is then brought into that order of columns by name.

    Raises:
        ValueError: no rows, no columns, columns missing or of another number, NaN in an array of numbers,
            infinite values.
    """
    frame = as_frame(argument, X)
    if frame is None and sparse.issparse(X):
        given: Any = sparse.csr_matrix(X)
        plain = None
        checks.finite(argument, given.data)
    elif frame is None:
        values = _as_array(argument, X)
        if values.dtype.kind in "fiub":
            values = values if values.dtype.kind == "f" else values.astype(np.float64)
            given = plain = checks.finite(argument, values)
        else:
            given, plain = pd.DataFrame(values).infer_objects(), None
    else:
        given = _aligned(argument, frame, like)
        plain = _numbers(given)
    if given.shape[0] == 0 or given.shape[1] == 0:
        raise ValueError(f"{argument} has shape {given.shape}: give at least one row and one column")
    if like is not None and given.shape[1] != like.n_features_in_:
        raise ValueError(
            f"{argument} has {given.shape[1]} columns, {like.n_features_in_} were fitted: give the same"
        )
    return Table(argument, given, plain)


def remember(estimator: Any, X: Any, table: Table) -> None:
    """Note on ``estimator`` how many columns it was fitted on, and their names if they have any."""
    estimator.n_features_in_ = table.given.shape[1]
    if isinstance(table.given, pd.DataFrame) and hasattr(X, "columns"):
        estimator.feature_names_in_ = np.asarray(list(table.given.columns), dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_  # a second fit, this time without names


def two_tables(estimator: Any, first: tuple[str, Any], second: tuple[str, Any]) -> tuple[Table, Table]:
    """Read two ``(argument, X)`` pairs, the second like the first, whose columns are remembered."""
    a = read(*first)
    remember(estimator, first[1], a)
    return a, read(*second, like=estimator)


def as_frame(argument: str, X: Any) -> pd.DataFrame | None:
    """Return a DataFrame of any library as one of pandas, or None for what is no DataFrame.

    Raises:
        TypeError: it has columns, but narwhals does not know it.
        ValueError: a name comes twice, so that columns cannot be told apart.
    """
    if isinstance(X, pd.DataFrame):
        frame = X
    elif not hasattr(X, "columns"):
        return None
    else:
        import narwhals  # only who brings another DataFrame needs it

        other = narwhals.from_native(X, eager_only=True)
        # Column by column: narwhals' own way to pandas goes through pyarrow.
        frame = pd.DataFrame({name: _column_of(other[name]) for name in other.columns})
    names = list(frame.columns)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{argument}: the table has more than one column {twice!r}: rename or drop one")
    return frame


def _column_of(series: Any) -> Any:
    if series.dtype.is_numeric() and not series.is_null().any():
        return series.to_numpy()
    values = series.to_list()
    return pd.Series(values, dtype=float) if series.dtype.is_numeric() else pd.Series(values, dtype=object)


def _as_array(argument: str, X: Any) -> np.ndarray:
    try:
        values = np.asarray(X)
    except ValueError:
        raise ValueError(f"{argument} has rows of different lengths: give (rows, columns)") from None
    if values.ndim != 2:
        raise ValueError(
            f"{argument} has shape {values.shape}: give (rows, columns), X.reshape(len(X), -1) if need be"
        )
    return values


def _aligned(argument: str, frame: pd.DataFrame, like: Any) -> pd.DataFrame:
    names = getattr(like, "feature_names_in_", None)
    if names is None:
        return frame
    missing = [name for name in names if name not in frame.columns]
    extra = [name for name in frame.columns if name not in set(names)]
    if missing or extra:
        raise ValueError(
            f"{argument}: columns missing {missing}, columns never seen {extra}: give those fitted"
        )
    return frame[list(names)]


def _numbers(frame: pd.DataFrame) -> np.ndarray | None:
    """Return the values of a DataFrame of finite numbers alone; None if there is anything else."""
    if not all(isinstance(kind, np.dtype) and kind.kind in "fiub" for kind in frame.dtypes):
        return None
    values = frame.to_numpy()
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    return values if np.isfinite(values).all() else None


def _read_series(series: pd.Series, where: str) -> Column:
    dtype = series.dtype
    missing = series.isna().to_numpy()
    if missing.all():
        return Column("empty", np.full(len(series), np.nan))
    if isinstance(dtype, pd.CategoricalDtype):
        return Column("category", _strings(series, missing, where))
    if pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype):
        return _read_objects(series, missing, where)
    return _read_typed(series, missing, where)


def _read_typed(series: pd.Series, missing: np.ndarray, where: str) -> Column:
    dtype = series.dtype
    if isinstance(dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        origin = pd.Timestamp(0, tz=getattr(series.dtype, "tz", None))
        # A difference knows its own unit; the integers behind dates do not say whether they count s or ns.
        return Column("date", ((series - origin) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64))
    if pd.api.types.is_timedelta64_dtype(dtype):
        return Column("number", (series / pd.Timedelta(days=1)).to_numpy(dtype=np.float64))
    if pd.api.types.is_complex_dtype(dtype) or not pd.api.types.is_numeric_dtype(dtype):
        raise ValueError(f"{where} holds {dtype}: give numbers, booleans, dates, categories or text")
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"{where} has {int(infinite.sum())} infinite values, the first in row {int(infinite.argmax())}: "
            "give finite numbers, or NaN for what is missing"
        )
    return Column("boolean" if pd.api.types.is_bool_dtype(dtype) else "number", values)


def _read_objects(series: pd.Series, missing: np.ndarray, where: str) -> Column:
    kinds = {type(value) for value in series[~missing]}
    if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return Column(
            "boolean", np.array([np.nan if v is None else float(v) for v in _with_none(series, missing)])
        )
    if all(issubclass(kind, Real) and not issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return _read_typed(pd.to_numeric(series), missing, where)
    if all(issubclass(kind, (datetime.date, np.datetime64)) for kind in kinds):
        return _read_typed(pd.to_datetime(series, utc=True), missing, where)
    plain = (str, bytes, Real, datetime.date, np.bool_)
    strange = [kind.__name__ for kind in kinds if not issubclass(kind, plain)]
    if strange:
        raise ValueError(
            f"{where} holds {sorted(strange)[0]}: give numbers, booleans, dates, categories or text"
        )
    return Column("category", _strings(series, missing, where))


def _with_none(series: pd.Series, missing: np.ndarray) -> list[Any]:
    return [None if gap else value for value, gap in zip(series, missing, strict=True)]


def _strings(series: pd.Series, missing: np.ndarray, where: str) -> np.ndarray:
    return np.array([None if v is None else str(v) for v in _with_none(series, missing)], dtype=object)


def common_kind(first: Column, second: Column, name: str, arguments: tuple[str, str]) -> str:
    """Return the kind of a column that stands in two tables; ``"text"`` for a category of too many values.

    Raises:
        ValueError: the kinds differ, such as numbers in one table and text in the other.
    """
    kinds = {first.kind, second.kind} - {"empty"}
    if not kinds:
        return "empty"
    if kinds == {"number", "boolean"}:
        return "number"
    if len(kinds) > 1:
        mend = "pandas.to_datetime" if "date" in kinds else "pandas.to_numeric"
        raise ValueError(
            f"{arguments[1]}: column {name!r} holds {_PLURAL[second.kind]}, that of {arguments[0]} holds "
            f"{_PLURAL[first.kind]}: give both the same kind ({mend}, or astype(str))"
        )
    (kind,) = kinds
    if kind == "category":
        values = [v for v in (*first.values, *second.values) if isinstance(v, str)]
        distinct = len(set(values))
        return "text" if distinct > max(TEXT_VALUES, len(values) / 2) else "category"
    return kind


_PLURAL = {
    "number": "numbers",
    "boolean": "booleans",
    "date": "dates",
    "category": "text or categories",
    "empty": "nothing but gaps",
}

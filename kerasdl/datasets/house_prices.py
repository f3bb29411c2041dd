"""What did houses sell for, and what is known about each?

Out come two tables with the 79 columns that Dean De Cock gathered ("Ames, Iowa: Alternative to the Boston
Housing Data", Journal of Statistics Education 19(3), 2011), and the submission form of Kaggle's competition.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kerasdl import checks, files
from kerasdl.datasets import store

_COLUMNS = """
    MSSubClass MSZoning LotFrontage LotArea Street Alley LotShape LandContour Utilities LotConfig LandSlope
    Neighborhood Condition1 Condition2 BldgType HouseStyle OverallQual OverallCond YearBuilt YearRemodAdd
    RoofStyle RoofMatl Exterior1st Exterior2nd MasVnrType MasVnrArea ExterQual ExterCond Foundation BsmtQual
    BsmtCond BsmtExposure BsmtFinType1 BsmtFinSF1 BsmtFinType2 BsmtFinSF2 BsmtUnfSF TotalBsmtSF Heating
    HeatingQC CentralAir Electrical 1stFlrSF 2ndFlrSF LowQualFinSF GrLivArea BsmtFullBath BsmtHalfBath
    FullBath HalfBath BedroomAbvGr KitchenAbvGr KitchenQual TotRmsAbvGrd Functional Fireplaces FireplaceQu
    GarageType GarageYrBlt GarageFinish GarageCars GarageArea GarageQual GarageCond PavedDrive WoodDeckSF
    OpenPorchSF EnclosedPorch 3SsnPorch ScreenPorch PoolArea PoolQC Fence MiscFeature MiscVal MoSold YrSold
    SaleType SaleCondition
"""
_NUMBERS = """
    MSSubClass LotFrontage LotArea OverallQual OverallCond YearBuilt YearRemodAdd MasVnrArea BsmtFinSF1
    BsmtFinSF2 BsmtUnfSF TotalBsmtSF 1stFlrSF 2ndFlrSF LowQualFinSF GrLivArea BsmtFullBath BsmtHalfBath
    FullBath HalfBath BedroomAbvGr KitchenAbvGr TotRmsAbvGrd Fireplaces GarageYrBlt GarageCars GarageArea
    WoodDeckSF OpenPorchSF EnclosedPorch 3SsnPorch ScreenPorch PoolArea MiscVal MoSold YrSold
"""
COLUMNS = tuple(_COLUMNS.split())
NUMBERS = frozenset(_NUMBERS.split())
"""The 36 columns that hold numbers; the other 43 hold text."""


@dataclass(frozen=True, eq=False)
class HousePrices:
    """The tables of one source.

    Attributes:
        features: DataFrame ``(1460, 79)``, numbers and text, missing values included.
        prices: float64 ``(1460,)``, dollars.
        test_features: DataFrame ``(1459, 79)``.
        test_ids: int64 ``(1459,)``, the houses that a submission must price.
        source: ``"folder"``, ``"cache"`` or ``"embedded"``.
        note: one line: what was used and how to get the real data.
        is_real: False for the embedded stand-in.
    """

    features: pd.DataFrame
    prices: np.ndarray
    test_features: pd.DataFrame
    test_ids: np.ndarray
    source: str
    note: str
    is_real: bool


def house_prices(download: bool = False) -> HousePrices:
    """Load the house prices: from ``KERASDL_DATA``, the cache, or the embedded stand-in.

    ``NA`` reads as missing in both tables, and so does the word ``None``, which marks houses without masonry
    veneer: these are pandas' own rules. Columns without missing values are int64, the other numbers float64.

    Args:
        download: fetch the real data into the cache first, where ``KERASDL_DATA`` does not hold them.

    Returns:
        A ``HousePrices``: tables of 79 columns, prices in dollars, and where they came from.

    Raises:
        ValueError: a file is damaged or does not hold the columns it should.
        FileNotFoundError: ``KERASDL_DATA`` holds one of the two files only.
        NotADirectoryError: ``KERASDL_DATA`` is not a folder.
        ConnectionError: ``download`` was asked for and no address answered.

    Example:
        >>> houses = house_prices()
        >>> houses.features.shape, houses.prices.shape
        ((1460, 79), (1460,))
    """
    found = store.find("house_prices", download)
    train_path, test_path = found.paths.values()
    train, test = _read(train_path, priced=True), _read(test_path, priced=False)
    return HousePrices(
        features=train[list(COLUMNS)],
        prices=train["SalePrice"].to_numpy(np.float64),
        test_features=test[list(COLUMNS)],
        test_ids=test["Id"].to_numpy(np.int64),
        source=found.source,
        note=found.note,
        is_real=found.is_real,
    )


def write_submission(path: str | Path, ids: np.ndarray, prices: np.ndarray) -> Path:
    """Write predicted prices in Kaggle's form, ``Id,SalePrice``: the whole file or none.

    Args:
        path: file to write; one that exists is replaced.
        ids: whole numbers ``(n,)``, each once.
        prices: dollars ``(n,)``, finite and positive.

    Returns:
        The file's path.

    Raises:
        ValueError: the two differ in length or shape, an id repeats, or a price is not finite and positive.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "submission.csv"
        >>> print(write_submission(path, [1461, 1462], [120000, 150000.5]).read_text(), end="")
        Id,SalePrice
        1461,120000.0
        1462,150000.5
    """
    ids, prices = _ids(ids), _prices("prices", prices)
    checks.same_length(ids=ids, prices=prices)
    lines = [f"{house},{price!r}\n" for house, price in zip(ids.tolist(), prices.tolist(), strict=True)]
    return files.write(path, "Id,SalePrice\n" + "".join(lines))


def check_submission(path: str | Path, ids: np.ndarray) -> np.ndarray:
    """Return the prices of a submission in the order of ``ids``, if the file is one that Kaggle would take.

    Args:
        path: file with the columns ``Id,SalePrice``, its rows in any order.
        ids: whole numbers ``(n,)``, the houses to be priced.

    Returns:
        Prices in dollars, float64 ``(n,)``.

    Raises:
        ValueError: other columns, missing, repeated or foreign ids, or a price not finite and positive.

    Example:
        >>> import tempfile
        >>> path = write_submission(Path(tempfile.mkdtemp()) / "mine.csv", [1461, 1462], [120000, 150000.5])
        >>> check_submission(path, [1462, 1461]).tolist()
        [150000.5, 120000.0]
    """
    ids, table = _ids(ids), pd.read_csv(path)
    if list(table) != ["Id", "SalePrice"]:
        raise ValueError(f"{path} has columns {list(table)}: a submission has Id,SalePrice")
    given = _ids(table["Id"], f"Id in {path}")
    missing, foreign = np.setdiff1d(ids, given), np.setdiff1d(given, ids)
    if missing.size or foreign.size:
        first = f"{missing[0]} is not priced" if missing.size else f"{foreign[0]} was not asked for"
        raise ValueError(
            f"{path} misses {missing.size} houses and prices {foreign.size} others, such as {first}: "
            "write one row for each id"
        )
    prices = _prices(f"SalePrice in {path}", table["SalePrice"])
    return pd.Series(prices, index=given).loc[ids].to_numpy()


def _read(path: Path, priced: bool) -> pd.DataFrame:
    table = pd.read_csv(path)
    check_schema(table, str(path), priced)
    return table


def check_schema(table: pd.DataFrame, where: str, priced: bool) -> None:
    """Refuse a table whose columns, their order, their kinds, ids or prices are not the house prices'.

    Args:
        table: as ``pandas.read_csv`` reads it.
        where: the file, for the message.
        priced: whether ``SalePrice`` must be the last column.

    Raises:
        ValueError: the message names the column and the mend.
    """
    mend = "take the file from `kerasdl data fetch house_prices`"
    expected = ["Id", *COLUMNS, *(["SalePrice"] if priced else [])]
    if list(table) != expected:
        lost = [column for column in expected if column not in table]
        extra = [column for column in table if column not in expected]
        what = f"missing {lost}, unexpected {extra}" if lost or extra else "not in their order"
        raise ValueError(f"{where} has the wrong columns, {what}: {mend}")
    for column in expected:
        number = column in NUMBERS or column in ("Id", "SalePrice")
        is_number = table[column].dtype.kind in "iuf"
        if is_number != number:
            holds, should = ("numbers", "text") if is_number else ("text", "numbers")
            raise ValueError(f"{where}: column {column!r} holds {holds} where {should} belong: {mend}")
        if number and np.isinf(table[column].to_numpy(np.float64)).any():
            raise ValueError(f"{where}: column {column!r} holds infinite values: {mend}")
    _ids(table["Id"], f"column 'Id' in {where}")
    if priced:
        _prices(f"column 'SalePrice' in {where}", table["SalePrice"])


def _ids(values: np.ndarray, name: str = "ids") -> np.ndarray:
    """Return whole numbers, each once, as int64 ``(n,)``."""
    values = np.asarray(values)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"{name} is {values.dtype} of shape {values.shape}: give whole numbers of shape (n,)"
        )
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) < len(values):
        raise ValueError(f"{name} repeats {unique[counts > 1][0]}: give each house once")
    return values.astype(np.int64)


def _prices(name: str, values: np.ndarray) -> np.ndarray:
    """Return finite, positive numbers as float64 ``(n,)``."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"{name} is {values.dtype} of shape {values.shape}: give numbers of shape (n,)")
    values = checks.finite(name, values.astype(np.float64))
    if (values <= 0).any():
        row = int(np.argmax(values <= 0))
        raise ValueError(f"{name} has {values[row]} in row {row}: a price is above 0")
    return values

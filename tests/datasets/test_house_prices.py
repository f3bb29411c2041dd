import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from kerasdl import files
from kerasdl.datasets import check_submission, house_prices, write_submission
from kerasdl.datasets.house_prices import COLUMNS, NUMBERS, check_schema

BASEMENT = ["BsmtQual", "BsmtCond", "BsmtFinType1"]
GARAGE = ["GarageType", "GarageYrBlt", "GarageFinish", "GarageQual", "GarageCond"]


@pytest.fixture(scope="module")
def embedded():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KERASDL_DATA", raising=False)
        patch.setenv("KERASDL_CACHE", os.devnull)
        return house_prices()


@pytest.fixture
def raw():
    return pd.read_csv(files.folder("data") / "house_prices_train.csv")


def assert_shapes(houses):
    assert houses.features.shape == (1460, 79)
    assert houses.test_features.shape == (1459, 79)
    assert houses.prices.shape == (1460,)
    assert houses.prices.dtype == np.float64
    assert houses.test_ids.dtype == np.int64
    np.testing.assert_array_equal(houses.test_ids, np.arange(1461, 2920))
    assert not {"Id", "SalePrice"} & set(houses.features)


def log_rmse(houses):
    """Five-fold log-RMSE of a ridge regression, its preprocessing fitted inside each fold."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")
    texts = OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")
    model = make_pipeline(make_column_transformer(numbers, texts), Ridge(10))
    scoring = "neg_root_mean_squared_error"
    return -cross_val_score(model, houses.features, np.log(houses.prices), cv=KFold(5), scoring=scoring)


def test_the_stand_in_has_the_shapes_of_the_real_tables(embedded):
    assert_shapes(embedded)
    assert not embedded.is_real
    assert "kerasdl data fetch house_prices" in embedded.note


def test_the_stand_in_is_made_again_byte_by_byte(tmp_path):
    script = files.folder("data") / "make_house_prices.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    for name in ("house_prices_train.csv", "house_prices_test.csv"):
        assert (tmp_path / name).read_bytes() == (files.folder("data") / name).read_bytes()


def test_missing_values_and_rare_levels_are_there(embedded):
    features = embedded.features
    missing = features.isna().mean()
    assert 0.1 < missing["LotFrontage"] < 0.25
    assert (missing[["Alley", "PoolQC", "MiscFeature"]] > 0.9).all()
    assert (missing > 0).sum() >= 19  # as many columns as in the real training table
    levels = [features[column].value_counts() for column in COLUMNS if column not in NUMBERS]
    assert sum((counts <= 3).any() for counts in levels) >= 5
    widths = {pd.get_dummies(features.iloc[train]).shape[1] for train, _ in KFold(5).split(features)}
    assert len(widths) > 1


def test_each_invented_house_agrees_with_itself(embedded):
    for h in (embedded.features, embedded.test_features):
        assert (h["BsmtFinSF1"] + h["BsmtFinSF2"] + h["BsmtUnfSF"] == h["TotalBsmtSF"]).all()
        assert (h["1stFlrSF"] + h["2ndFlrSF"] + h["LowQualFinSF"] == h["GrLivArea"]).all()
        assert (h["YearBuilt"] <= h["YearRemodAdd"]).all()
        assert (h["YearRemodAdd"] <= h["YrSold"]).all()
        assert not (h["GarageYrBlt"] > h["YrSold"]).any()
        assert not (h["GarageYrBlt"] < h["YearBuilt"]).any()
        for columns, size in ((BASEMENT, "TotalBsmtSF"), (GARAGE, "GarageArea")):
            for column in columns:
                assert (h[column].isna() == (h[size] == 0)).all(), column
        assert (h["FireplaceQu"].isna() == (h["Fireplaces"] == 0)).all()
        assert (h["PoolQC"].isna() == (h["PoolArea"] == 0)).all()
        assert ((h["2ndFlrSF"] > 0) | ~h["HouseStyle"].isin(["2Story", "2.5Fin", "1.5Fin"])).all()


def test_the_invented_price_can_be_learned_but_not_by_heart(embedded):
    spread = np.log(embedded.prices).std()
    assert 0.35 < spread < 0.45
    assert 0.13 < log_rmse(embedded).mean() < 0.17


def test_no_invented_row_is_a_real_one(embedded, real_data):
    real = house_prices()
    columns = ["Neighborhood", "LotArea", "GrLivArea", "YearBuilt"]
    assert embedded.features.merge(real.features, on=columns).empty


def test_the_real_tables_are_the_published_ones(real_data):
    houses = house_prices()
    assert_shapes(houses)
    assert houses.is_real
    # Known of Kaggle's training table: mean, least and greatest price; 259 lots without a frontage.
    assert round(houses.prices.mean(), 2) == 180921.20
    assert (houses.prices.min(), houses.prices.max()) == (34900, 755000)
    assert houses.features["LotFrontage"].isna().sum() == 259
    assert houses.features["Neighborhood"].nunique() == 25


def test_the_real_levels_are_where_the_invented_ones_come_from(embedded, real_data):
    real = house_prices()
    for column in COLUMNS:
        assert (embedded.features[column].dtype.kind in "if") == (real.features[column].dtype.kind in "if")
        if column not in NUMBERS:
            known = set(real.features[column].dropna()) | set(real.test_features[column].dropna())
            assert set(embedded.features[column].dropna()) <= known, column


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="LotArea"), r"wrong columns, missing \['LotArea'\]"),
        (lambda t: t.assign(Extra=1), r"unexpected \['Extra'\]"),
        (lambda t: t[[*t.columns[:-3], *t.columns[-2:], t.columns[-3]]], "not in their order"),
        (lambda t: t.assign(LotArea=t["LotArea"].astype(str) + " sq"), "'LotArea' holds text where numbers"),
        (lambda t: t.assign(Street=1), "'Street' holds numbers where text"),
        (lambda t: t.assign(LotArea=np.inf), "'LotArea' holds infinite"),
        (lambda t: t.assign(Id=7), "repeats 7"),
        (lambda t: t.assign(Id=t["Id"] + 0.5), "'Id' in here.csv is float64"),
        (lambda t: t.assign(SalePrice=t["SalePrice"].where(t.index != 4)), "SalePrice.* row 4"),
        (lambda t: t.assign(SalePrice=-1), "-1.0 in row 0"),
    ],
)
def test_a_wrong_table_is_refused_by_the_name_of_its_column(raw, spoil, message):
    check_schema(raw, "here.csv", priced=True)
    with pytest.raises(ValueError, match=message) as error:
        check_schema(spoil(raw), "here.csv", priced=True)
    assert "here.csv" in str(error.value)


def test_a_submission_comes_back_as_it_was_written(tmp_path):
    ids = np.arange(1461, 2920)
    prices = np.random.default_rng(0).lognormal(12, 0.4, len(ids))
    path = write_submission(tmp_path / "out" / "submission.csv", ids, prices)
    # The file holds each float whole; older pandas reads the last bit either way.
    np.testing.assert_allclose(check_submission(path, ids), prices, rtol=1e-15)
    np.testing.assert_allclose(check_submission(path, ids[::-1]), prices[::-1], rtol=1e-15)
    assert path.read_text().splitlines()[0] == "Id,SalePrice"


@pytest.mark.parametrize(
    ("ids", "prices", "message"),
    [
        ([1, 2], [1.0], "ids has 2, prices has 1"),
        ([1, 1], [1.0, 2.0], "repeats 1"),
        ([1.5, 2], [1.0, 2.0], "whole numbers"),
        ([1, 2], [1.0, np.nan], "1 NaN or infinite"),
        ([1, 2], [np.inf, 1.0], "1 NaN or infinite"),
        ([1, 2], [1.0, 0.0], "0.0 in row 1"),
        ([1, 2], [[1.0], [2.0]], r"shape \(2, 1\)"),
        ([1, 2], ["a", "b"], "give numbers"),
    ],
)
def test_a_wrong_submission_is_not_written(tmp_path, ids, prices, message):
    path = files.write(tmp_path / "submission.csv", "the one before\n")
    with pytest.raises(ValueError, match=message):
        write_submission(path, ids, prices)
    assert path.read_text() == "the one before\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Id,Price\n1,2\n2,3\n", "a submission has Id,SalePrice"),
        ("Id,SalePrice\n1,2.0\n", "misses 1 houses .* 2 is not priced"),
        ("Id,SalePrice\n1,2.0\n2,3.0\n3,4.0\n", "prices 1 others.* 3 was not asked for"),
        ("Id,SalePrice\n1,2.0\n1,3.0\n", "repeats 1"),
        ("Id,SalePrice\n1,2.0\n2,\n", "NaN"),
        ("Id,SalePrice\n1,2.0\n2,dear\n", "give numbers"),
        ("Id,SalePrice\n1,2.0\n2,-3\n", "-3.0 in row 1"),
    ],
)
def test_a_wrong_submission_is_not_accepted(tmp_path, text, message):
    path = files.write(tmp_path / "submission.csv", text)
    with pytest.raises(ValueError, match=message):
        check_submission(path, [1, 2])

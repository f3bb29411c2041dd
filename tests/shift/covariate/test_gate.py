"""Does the gate serve any model that takes weights, and say what it chose?"""

import warnings

import numpy as np
import pandas as pd
import pytest
from mixed import mixed
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from kerasdl import shift
from kerasdl.shift.covariate.gate import fit_weighted


def shifted_curve(seed):
    """y = x² + noise asked about where x is larger: a line must choose where to fit."""
    x = np.random.default_rng(seed).normal(size=400)
    return x[:, None], x**2 + 0.1 * np.random.default_rng(seed + 1).normal(size=400), np.exp(x - 0.5)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LinearRegression()),
        make_pipeline(make_pipeline(StandardScaler(), Ridge(0.1))),
        TransformedTargetRegressor(LinearRegression()),
    ],
    ids=["pipeline", "in a pipeline", "transformed target"],
)
def test_weights_reach_the_model_inside(model):
    X, y, w = shifted_curve(0)
    flat, tau = shift.flatten_weights(w, estimator=model, X=X, y=y, return_tau=True)
    plain, its_tau = shift.flatten_weights(w, estimator=LinearRegression(), X=X, y=y, return_tau=True)
    assert tau == its_tau > 0
    np.testing.assert_allclose(flat, plain)
    np.testing.assert_allclose(flat, shift.flatten_weights(w, tau))


def test_tau_is_zero_where_the_model_is_right():
    X, y, w = shifted_curve(0)
    square = make_pipeline(PolynomialFeatures(2), LinearRegression())
    flat, tau = shift.flatten_weights(w, estimator=square, X=X, y=y, return_tau=True)
    assert tau == 0
    np.testing.assert_array_equal(flat, 1)


def test_frames_of_any_columns_go_through_the_pipeline():
    frame = mixed(200, 0)[["colour", "is_new"]]
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["colour"])), Ridge())
    y = pd.Series(frame["is_new"].astype(float))
    assert shift.flatten_weights(np.ones(200), estimator=model, X=frame, y=y).shape == (200,)


NEIGHBOURS = KNeighborsRegressor()


@pytest.mark.parametrize("model", [NEIGHBOURS, make_pipeline(StandardScaler(), NEIGHBOURS)])
def test_a_model_that_takes_no_weights_is_refused_in_words(model):
    X, y, w = shifted_curve(0)
    with pytest.raises(TypeError, match="KNeighborsRegressor: its fit takes no sample_weight"):
        shift.flatten_weights(w, estimator=model, X=X, y=y)


def test_weights_that_rest_on_few_rows_are_not_believed():
    X, y, _ = shifted_curve(0)
    w = np.r_[np.full(5, 1000.0), np.full(395, 0.01)]
    assert shift.flatten_weights(w, estimator=LinearRegression(), X=X, y=y, return_tau=True)[1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("task", ["years", "neighbourhoods"])
def test_gated_weights_do_no_harm_on_the_real_houses(real_data, task):
    """Old sales for new ones, cheap neighbourhoods for dear ones: plain weights cost 4 to 12 %."""
    ames = pd.read_csv(real_data / "kaggle_house_pred_train.csv")
    y = np.log(ames["SalePrice"].to_numpy())
    if task == "years":
        source, target, leave = ames["YrSold"] <= 2007, ames["YrSold"] >= 2009, ["YrSold"]
    else:
        middle = ames.groupby("Neighborhood")["SalePrice"].median()
        source = ames["Neighborhood"].map(middle) <= middle.median()
        target, leave = ~source, ["Neighborhood"]
    X = ames.drop(columns=["Id", "SalePrice", *leave])
    numbers = X.select_dtypes("number").columns
    columns = make_column_transformer((SimpleImputer(), numbers))
    if task == "years":
        model = make_pipeline(columns, StandardScaler(), Ridge(10))
    else:
        model = make_pipeline(columns, HistGradientBoostingRegressor(max_iter=60, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", shift.OverlapWarning)
        w = shift.DiscriminativeRatio(random_state=0).fit(X[source], X[target]).weights_
    flat = shift.flatten_weights(w, estimator=model, X=X[source], y=y[source])
    error = lambda w: np.sqrt(  # noqa: E731
        np.mean((fit_weighted(model, X[source], y[source], w).predict(X[target]) - y[target]) ** 2)
    )
    assert error(flat) <= 1.02 * error(np.ones(source.sum()))

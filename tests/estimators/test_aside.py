"""Rows to validate on: a share, the last, whole groups, or those that are given."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor

X = np.random.default_rng(0).normal(size=(40, 2))
Y = X[:, 0]
SETTINGS = {"epochs": 2, "random_state": 0}


def regressor(**changes):
    return KerasRegressor(models.linear, **({**SETTINGS, "optimizer": "sgd", "learning_rate": 0.0} | changes))


def mean_loss(model, rows, y):
    return np.mean((model.predict(rows) - y) ** 2)


def test_the_last_rows_are_the_last():
    model = regressor(validation_split="last", validation_fraction=0.25).fit(X, Y)
    np.testing.assert_allclose(model.history_.val_loss, mean_loss(model, X[-10:], Y[-10:]), rtol=1e-5)
    np.testing.assert_allclose(model.history_.loss, mean_loss(model, X[:30], Y[:30]), rtol=1e-5)


def test_a_share_is_taken_whether_or_not_it_stops():
    model = regressor(validation_split=0.25).fit(X, Y)
    assert model.history_.val_loss.notna().all()
    both = 30 * model.history_.loss + 10 * model.history_.val_loss
    np.testing.assert_allclose(both / 40, mean_loss(model, X, Y), rtol=1e-5)


def test_a_splitter_keeps_groups_whole():
    groups = np.arange(40) // 4
    splitter = GroupShuffleSplit(1, test_size=3, random_state=0)
    train, valid = next(splitter.split(X, Y, groups))
    model = regressor(validation_split=splitter).fit(X, Y, groups=groups)
    np.testing.assert_allclose(model.history_.val_loss, mean_loss(model, X[valid], Y[valid]), rtol=1e-5)
    np.testing.assert_allclose(model.history_.loss, mean_loss(model, X[train], Y[train]), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"validation_split": 1.5}, "validation_split=1.5"),
        ({"validation_split": "first"}, "validation_split='first'"),
        ({"validation_split": "last", "validation_fraction": 0.0}, "validation_fraction=0.0"),
        ({"early_stopping": False}, "None for never"),
        ({"early_stopping": 1, "min_delta": -1.0}, "min_delta=-1.0"),
    ],
)
def test_what_cannot_be_meant_is_answered(changes, words):
    with pytest.raises(ValueError, match=words):
        regressor(**changes).fit(X, Y)


def test_a_class_of_one_row_is_named_with_what_asks_for_it():
    labels = np.r_[np.zeros(20), np.ones(19), 2].astype(int)
    with pytest.raises(ValueError, match=r"class .*2.* has one row.*early_stopping"):
        KerasClassifier(models.linear, early_stopping=2, **SETTINGS).fit(X, labels)


def test_groups_without_a_splitter_are_refused():
    with pytest.raises(ValueError, match="groups need a splitter"):
        regressor(validation_split=0.2).fit(X, Y, groups=np.arange(40))


def test_rows_that_are_given_go_through_the_pipeline():
    far = 1000 + 500 * X
    with sklearn.config_context(enable_metadata_routing=True):
        model = KerasRegressor(models.linear, **SETTINGS).set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("model", model)], transform_input=["X_val"])
        pipeline.fit(far, Y, X_val=far[:10], y_val=Y[:10])
        last = pipeline[-1].history_.val_loss.iloc[-1]
    assert last == pytest.approx(np.mean((pipeline.predict(far[:10]) - Y[:10]) ** 2), rel=1e-4)


def test_rows_that_have_not_gone_through_it_are_refused_where_that_shows():
    table = pd.DataFrame(X, columns=["a", "b"])
    pipeline = Pipeline([("scale", StandardScaler()), ("model", KerasRegressor(models.linear, **SETTINGS))])
    with pytest.raises(ValueError, match=r"transform_input=\['X_val'\]"):
        pipeline.fit(table, Y, model__X_val=table, model__y_val=Y)
    with pytest.raises(TypeError, match="give X_val=… and y_val=…"):
        pipeline.fit(table, Y, model__validation_data=(table, Y))
    with pytest.raises(TypeError, match="it is a parameter of KerasRegressor"):
        pipeline.fit(table, Y, model__epochs=3)
    with pytest.raises(ValueError, match="belong together"):
        regressor().fit(X, Y, X_val=X)

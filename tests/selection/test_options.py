"""Scores, groups, repeats, several inputs and preparations: what folds do that a plain fit does."""

import keras
import numpy as np
import pandas as pd
import pytest
from folds import CV, LABELS, X, Y, classifier, logged, regressor
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from kerasdl.selection import cross_validate, grid_search


def test_several_scores_at_once():
    scoring = ["r2", "neg_mean_absolute_error"]
    found = cross_validate(regressor(), X, Y, cv=CV, scoring=scoring)
    for name in scoring:
        one = cross_validate(regressor(), X, Y, cv=CV, scoring=name)
        np.testing.assert_allclose(found.scores[f"valid_{name}"], one.scores.valid)
    assert list(found.mean.index) == ["train_r2", "valid_r2", f"train_{scoring[1]}", f"valid_{scoring[1]}"]
    named = cross_validate(Ridge(), X, Y, cv=CV, scoring={"own": lambda model, X, y: 7.0})
    assert (named.scores.valid_own == 7).all()
    with pytest.raises(ValueError, match="a search ranks by one"):
        grid_search(Ridge(), X, Y, {"alpha": [1.0]}, scoring=scoring)


def test_groups_stay_whole():
    groups = np.arange(47) // 5
    found = cross_validate(regressor(), X, Y, cv=GroupKFold(3), groups=groups)
    given = cross_validate(regressor(), X, Y, cv=list(GroupKFold(3).split(X, Y, groups)))
    np.testing.assert_array_equal(found.scores.valid, given.scores.valid)
    with pytest.raises(ValueError, match="give groups=, one a row"):
        cross_validate(regressor(), X, Y, cv=GroupKFold(3))


def test_repeated_folds_lose_no_prediction():
    repeated = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    found = cross_validate(Ridge(), X, Y, cv=repeated)
    assert len(found.answers) == 6
    means = pd.concat(found.answers).groupby(level=0).mean()
    np.testing.assert_allclose(found.predictions, means)
    labels = cross_validate(classifier(epochs=1), X, LABELS, cv=repeated)
    assert set(labels.predictions) <= set(LABELS)
    np.testing.assert_allclose(labels.probabilities.sum(axis=1), 1)


def test_decision_values():
    found = cross_validate(SVC(), X, LABELS == "low", cv=CV)
    train, valid = next(CV.split(X))
    own = SVC().fit(X[train], LABELS[train] == "low").decision_function(X[valid])
    np.testing.assert_allclose(found.decisions[valid], own)
    assert found.probabilities is None


def test_several_inputs_go_in_turn():
    def build(input_shape):
        tensors = [keras.Input(shape, name=name) for name, shape in input_shape.items()]
        return keras.Model(tensors, keras.layers.Dense(1)(keras.layers.Concatenate()(tensors)))

    rows = {"left": X[:, :2], "right": X[:, 2:]}
    found = cross_validate(regressor(build), rows, Y, cv=CV, return_estimators=True)
    assert (found.engine, found.reason) == ("in turn", "X has several inputs")
    train, valid = next(CV.split(X))
    alone = regressor(build).fit({name: own[train] for name, own in rows.items()}, Y[train])
    aside = {name: own[valid] for name, own in rows.items()}
    np.testing.assert_allclose(found.predictions[valid], alone.predict(aside), rtol=1e-5)
    np.testing.assert_allclose(found.estimators[0].predict(aside), alone.predict(aside), rtol=1e-5)


def test_a_table_has_a_column_for_each_input_in_a_fold_too():
    def build(features):
        tensors = [keras.Input((1,), name=name) for name in ("b", "a")]
        return keras.Model(tensors, keras.layers.Dense(1)(keras.layers.Concatenate()(tensors)))

    table = pd.DataFrame(X, columns=list("abcd"))
    scaled = make_pipeline(StandardScaler(), regressor(build)).set_output(transform="pandas")
    train, valid = next(CV.split(X))
    for estimator in (regressor(build), scaled):
        found = cross_validate(estimator, table, Y, cv=CV, return_estimators=True)
        assert found.engine == "in turn"
        alone = clone(estimator).fit(table.iloc[train], Y[train]).predict(table.iloc[valid])
        np.testing.assert_allclose(found.predictions[valid], alone, rtol=1e-5)
        np.testing.assert_allclose(found.estimators[0].predict(table.iloc[valid]), alone, rtol=1e-5)


def test_several_inputs_under_a_logarithm():
    def build(input_shape):
        tensors = [keras.Input(shape, name=name) for name, shape in input_shape.items()]
        return keras.Model(tensors, keras.layers.Dense(1)(keras.layers.Concatenate()(tensors)))

    rows = {"left": X[:, :2], "right": X[:, 2:]}
    plain = cross_validate(regressor(build), rows, np.log(Y), cv=CV).predictions
    found = cross_validate(logged(regressor(build)), rows, Y, cv=CV, return_estimators=True)
    np.testing.assert_allclose(found.predictions, np.exp(plain), rtol=1e-5)
    valid = next(CV.split(X))[1]
    kept = found.estimators[0].predict({name: own[valid] for name, own in rows.items()})
    np.testing.assert_allclose(kept, found.predictions[valid], rtol=1e-5)


def test_groups_stay_whole_where_they_validate():
    groups = np.arange(47) // 4
    estimator = regressor(validation_split=GroupShuffleSplit(1, random_state=0), early_stopping=2)
    ways = [
        cross_validate(estimator, X, Y, cv=GroupKFold(3), groups=groups, vectorize=way)
        for way in (True, False)
    ]
    train, valid = next(GroupKFold(3).split(X, Y, groups))
    alone = clone(estimator).fit(X[train], Y[train], groups=groups[train])
    for way in ways:
        pd.testing.assert_frame_equal(way.histories[0], alone.history_, rtol=1e-5, check_like=True)
        np.testing.assert_allclose(way.predictions[valid], alone.predict(X[valid]), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="give one group a row"):
        cross_validate(estimator, X, Y, cv=GroupKFold(3), groups=groups[1:])


def test_preparations_by_other_columns_are_told_apart():
    # Lists of 140 names that differ in the middle, where a long list's print is cut.
    names = [f"column {number:03}" for number in range(160)]
    wide = pd.DataFrame(np.random.default_rng(1).normal(size=(47, 160)), columns=names)
    chosen = [[*names[:70], other, *names[90:159]] for other in (names[75], names[80])]
    pipeline = make_pipeline(ColumnTransformer([("kept", "passthrough", chosen[0])]), regressor())
    grid = {"columntransformer": [ColumnTransformer([("kept", "passthrough", own)]) for own in chosen]}
    found = grid_search(pipeline, wide, wide[names[75]].to_numpy(), grid, cv=CV, vectorize=True)
    for place, own in enumerate(grid["columntransformer"]):
        pipeline.set_params(columntransformer=own)
        alone = cross_validate(pipeline, wide, wide[names[75]].to_numpy(), cv=CV, vectorize=False)
        assert found.table.valid[place] == pytest.approx(alone.mean.valid, rel=1e-5)
    assert found.table.valid[0] != found.table.valid[1]


def test_bad_rows_are_named_both_ways():
    large, missing = X.copy(), Y.copy()
    large[30, 1], missing[20] = 1e39, np.nan
    for way in (True, False):
        with pytest.raises(ValueError, match="in row 30 of X"):
            cross_validate(regressor(), large, Y, cv=CV, vectorize=way)
        with pytest.raises(ValueError, match="y has 1 NaN or infinite values, the first in row 20"):
            cross_validate(regressor(), X, missing, cv=CV, vectorize=way)


class Shifting(TransformerMixin, BaseEstimator):
    """Scales each column by its own number, held in a long table."""

    def __init__(self, by=None):
        self.by = by

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * self.by.to_numpy()[: X.shape[1]]

    def __sklearn_is_fitted__(self):
        return True


def test_preparations_are_told_apart_by_their_content():
    # pandas prints 60 rows of a longer table: these two print alike.
    near, far = (pd.Series(np.where(np.arange(100) % 79 > 20, value, 1.0)) for value in (1.0, 5.0))
    wide = np.repeat(X, 20, axis=1)
    pipeline = make_pipeline(Shifting(near), regressor())
    grid = {"shifting__by": [near, far]}
    found = grid_search(pipeline, wide, Y, grid, cv=CV, vectorize=True)
    for place, by in enumerate((near, far)):
        alone = cross_validate(pipeline.set_params(shifting__by=by), wide, Y, cv=CV, vectorize=False)
        assert found.table.valid[place] == pytest.approx(alone.mean.valid, rel=1e-5)
    assert found.table.valid[0] != found.table.valid[1]


def test_a_mixed_tables_encoder_may_stay_as_it_is():
    table = pd.DataFrame(
        {"number": X[:, 0], "word": np.array(["a", "b", "rare"])[np.r_[2, np.arange(46) % 2]]}
    )
    columns = make_column_transformer(
        (StandardScaler(), ["number"]), (OneHotEncoder(handle_unknown="ignore"), ["word"]), sparse_threshold=1
    )
    ways = [
        cross_validate(make_pipeline(columns, regressor()), table, Y, cv=CV, vectorize=way)
        for way in (True, False)
    ]
    np.testing.assert_allclose(ways[0].scores.valid, ways[1].scores.valid, rtol=1e-5)


def test_it_prints_in_ten_lines():
    for estimator, cv in ((regressor(epochs=1), 3), (Ridge(), 20)):
        said = repr(cross_validate(estimator, X, Y, cv=cv))
        assert f"{cv} folds, trained" in said
        assert len(said.splitlines()) <= 10

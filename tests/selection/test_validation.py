"""Cross-validation against the same folds taken one by one, with scikit-learn's own cloning and fitting."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.model_selection import cross_validate as sklearn_cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from kerasdl import initializers, layers, models
from kerasdl.estimators import KerasClassifier, KerasRegressor
from kerasdl.selection import cross_validate, log_rmse


@pytest.fixture
def table():
    """Rows whose rare words are in some folds only, so that folds differ in their columns."""
    generator = np.random.default_rng(0)
    words = generator.choice(["a", "b", "c"], 60)
    words[0], words[20:22] = "rare", "scarce"
    X = pd.DataFrame({"number": generator.normal(size=60), "word": words})
    return X, np.exp(X.number + (words == "a") + 3).to_numpy()


def pipeline(last):
    return make_pipeline(
        make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                make_column_selector(dtype_exclude="number"),
            ),
        ),
        last,
    )


def keras_model(build=models.mlp, **changes):
    settings = {"epochs": 4, "batch_size": 8, "optimizer": "adam", "learning_rate": 0.05, "random_state": 0}
    if build is models.mlp:
        settings["build__hidden"] = (6,)
    return KerasRegressor(build, **(settings | changes))


def normalised(features, units):
    """Every column counts in what becomes of the others, a column of zeros too."""
    inputs = keras.Input((features,))
    start = initializers.get("glorot_uniform")
    x = keras.layers.LayerNormalization()(inputs)
    return keras.Model(inputs, keras.layers.Dense(units, kernel_initializer=start)(x))


def dropped(features, units):
    """The place of a number among the inputs decides whether it is dropped."""
    inputs = keras.Input((features,))
    start = initializers.get("glorot_uniform")
    return keras.Model(
        inputs, keras.layers.Dense(units, kernel_initializer=start)(layers.Dropout(0.3)(inputs))
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.001, "build__l2": 0.01},
        {"build": normalised},
        {"build": dropped},
    ],
)
def test_folds_of_unequal_width_score_as_models_of_their_own_width(table, changes, weighted):
    X, y = table
    estimator = pipeline(keras_model(**changes))
    weight = np.linspace(0.5, 1.5, len(y)) if weighted else None
    result = cross_validate(estimator, X, y, cv=KFold(4), scoring=log_rmse, sample_weight=weight)
    assert result.scores.features.nunique() > 1
    for (train, valid), (_, row) in zip(KFold(4).split(X), result.scores.iterrows(), strict=True):
        alone = clone(estimator)
        arguments = {} if weight is None else {"kerasregressor__sample_weight": weight[train]}
        alone.fit(X.iloc[train], y[train], **arguments)
        assert row.features == alone[:-1].transform(X.iloc[train]).shape[1]
        assert row.valid == pytest.approx(log_rmse(alone, X.iloc[valid], y[valid]), rel=1e-5)
        assert row.train == pytest.approx(log_rmse(alone, X.iloc[train], y[train]), rel=1e-5)
        np.testing.assert_allclose(result.predictions[valid], alone.predict(X.iloc[valid]), rtol=1e-4)


def test_other_estimators_score_as_scikit_learn_says(table):
    X, y = table
    result = cross_validate(pipeline(Ridge()), X, y, scoring="neg_root_mean_squared_error")
    theirs = sklearn_cross_validate(
        pipeline(Ridge()), X, y, cv=KFold(5), scoring="neg_root_mean_squared_error", return_train_score=True
    )
    np.testing.assert_allclose(result.scores.valid, theirs["test_score"])
    np.testing.assert_allclose(result.scores.train, theirs["train_score"])
    assert result.histories == []


def test_weights_reach_other_estimators(table):
    X, y = table
    weight = np.linspace(0.1, 2, len(y))
    result = cross_validate(pipeline(Ridge()), X, y, cv=3, sample_weight=weight)
    train, valid = next(KFold(3).split(X))
    alone = pipeline(Ridge()).fit(X.iloc[train], y[train], ridge__sample_weight=weight[train])
    assert result.scores.valid.iloc[0] == pytest.approx(alone.score(X.iloc[valid], y[valid]))


def test_nothing_of_the_validation_part_is_seen(table):
    X, y = table
    seen = []

    class Recorder(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            seen.append(np.ravel(X))
            return super().fit(X, y, sample_weight)

    splitter = ShuffleSplit(3, test_size=0.25, random_state=0)
    estimator = make_pipeline(Recorder(), keras_model(models.linear))
    cross_validate(estimator, X[["number"]].to_numpy(), y, cv=splitter)
    for (train, _), values in zip(splitter.split(X), seen, strict=True):
        np.testing.assert_array_equal(values, X.number.to_numpy()[train])


def test_rows_never_validated_have_no_prediction(table):
    X, y = table
    result = cross_validate(Ridge(), X[["number"]], y, cv=ShuffleSplit(1, test_size=10, random_state=0))
    assert np.isfinite(result.predictions).sum() == 10


def test_two_targets_and_the_means(table):
    X, y = table
    both = np.stack([y, 2 * y], 1)
    result = cross_validate(keras_model(models.linear), X[["number"]], both, cv=2)
    assert result.predictions.shape == both.shape
    assert result.mean["valid"] == pytest.approx(result.scores.valid.mean())
    assert [len(history) for history in result.histories] == [4, 4]


def test_a_column_of_classes_is_as_good_as_a_row(table):
    X, y = table
    classes = np.where(y > np.median(y), "dear", "cheap")
    estimator = KerasClassifier(models.linear, epochs=2, random_state=0)
    ways = [cross_validate(estimator, X[["number"]], one, cv=3) for one in (classes, classes[:, None])]
    assert np.array_equal(ways[0].predictions, ways[1].predictions)


def test_the_estimator_is_left_as_it_was(table):
    X, y = table
    estimator = pipeline(keras_model())
    before = estimator.get_params()
    cross_validate(estimator, X, y, cv=2)
    assert estimator.get_params().keys() == before.keys()
    assert not hasattr(estimator[-1], "model_")


def test_log_rmse_is_its_equation():
    class Fixed:
        def predict(self, X):
            return np.array([-5.0, np.e, np.e**2])

    y = np.array([1.0, 1.0, 1.0])
    assert log_rmse(Fixed(), None, y) == pytest.approx(root_mean_squared_error([0, 0, 0], [0, 1, 2]))
    with pytest.raises(ValueError, match="logarithm"):
        log_rmse(Fixed(), None, y - 1)


def test_bad_input_is_answered(table):
    X, y = table
    with pytest.raises(ValueError, match="inconsistent numbers"):
        cross_validate(Ridge(), X[["number"]], y[:-1])
    with pytest.raises(ValueError, match="one weight a row"):
        cross_validate(Ridge(), X[["number"]], y, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="fold 1 empty"):
        cross_validate(Ridge(), X[["number"]], y, cv=[(np.arange(60), [])])


def test_hidden_values_are_named_and_never_shown():
    hidden = np.ma.masked_array(np.ones((12, 2)), np.arange(24).reshape(12, 2) == 7)
    model = KerasRegressor(models.linear, epochs=1)
    words = "has 1 masked values, the first in row 3: impute or drop them first"
    for call in (
        lambda: cross_validate(Ridge(), hidden, np.ones(12)),
        lambda: cross_validate(Ridge(), np.ones((12, 2)), hidden[:, 1]),
        lambda: model.fit(hidden, np.ones(12)),
        lambda: model.fit(np.ones((12, 2)), hidden[:, 1]),
        lambda: model.fit(np.ones((12, 2)), np.ones(12)).predict(hidden),
    ):
        with pytest.raises(ValueError, match=words):
            call()

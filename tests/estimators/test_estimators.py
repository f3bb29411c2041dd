import inspect
import re
from concurrent.futures import ThreadPoolExecutor

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kerasdl
from kerasdl import models, training
from kerasdl.estimators import KerasClassifier, KerasRegressor, steps


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3


def regressor(**changes):
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 0.05, "optimizer": "sgd", "random_state": 0}
    return KerasRegressor(models.linear, **(settings | changes))


def test_fit_is_kerass_own_fit_on_our_batches(data):
    X, y = data
    estimator = regressor().fit(X, y)
    with kerasdl.random.seeded(0):
        model = models.linear(3)
        model.compile(keras.optimizers.SGD(0.05), "mse")
        history = training.fit(model, X, y[:, None], epochs=3, batch_size=8)
    np.testing.assert_array_equal(estimator.predict(X), model.predict(X.astype("float32"), verbose=0)[:, 0])
    pd.testing.assert_frame_equal(estimator.history_, history)


def test_it_learns_the_line(data):
    X, y = data
    assert regressor(epochs=60).fit(X, y).score(X, y) > 0.999


def test_every_argument_survives_clone_and_set_params():
    estimator = KerasRegressor(models.mlp, epochs=7, build__hidden=(4,), build__l2=0.1, random_state=3)
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert copy.set_params(build__hidden=(8, 8), epochs=2).get_params()["build__hidden"] == (8, 8)
    assert estimator.build__hidden == (4,)
    assert copy.get_params()["epochs"] == 2


def test_a_loss_survives_clone_with_its_settings(data):
    # A deep copy of keras.losses.Huber forgets its delta.
    loss = keras.losses.Huber(delta=0.2)
    copy = clone(regressor(loss=loss))
    errors = np.zeros((3, 1), "float32"), np.full((3, 1), 2, "float32")
    assert float(keras.ops.convert_to_numpy(copy.loss(*errors))) == pytest.approx(0.2 * (2 - 0.1))
    assert np.array_equal(copy.fit(*data).predict(data[0]), regressor(loss=loss).fit(*data).predict(data[0]))


def test_the_builder_gets_what_its_signature_names(data):
    X, y = data
    seen = {}

    def build(input_shape, units, width=2):
        seen.update(input_shape=input_shape, units=units, width=width)
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Dense(units)(keras.layers.Dense(width)(inputs)))

    KerasRegressor(build, epochs=1, build__width=5).fit(X, np.stack([y, y], 1))
    assert seen == {"input_shape": (3,), "units": 2, "width": 5}


def test_random_state_fixes_the_run_and_leaves_the_world_alone(data):
    X, y = data
    kerasdl.set_seed(5)
    expected = kerasdl.random.generator("weights").normal()
    kerasdl.set_seed(5)
    first, second = (regressor().fit(X, y).predict(X) for _ in range(2))
    assert np.array_equal(first, second)
    assert kerasdl.random.generator("weights").normal() == expected
    assert not np.array_equal(first, regressor(random_state=1).fit(X, y).predict(X))
    states = [np.random.RandomState(2) for _ in range(2)]
    third, fourth = (regressor(random_state=state).fit(X, y).predict(X) for state in states)
    assert np.array_equal(third, fourth)


def test_two_targets_and_three_axes(data):
    X, y = data
    two = np.stack([y, -y], 1)
    assert regressor().fit(X, two).predict(X).shape == (40, 2)

    def build(input_shape):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(inputs)))

    windows = np.zeros((6, 4, 2))
    assert KerasRegressor(build, epochs=1).fit(windows, np.zeros(6)).predict(windows).shape == (6,)


def test_weights_count_and_only_their_ratios(data):
    X, y = data
    y = y + (np.arange(40) < 20) * 5
    weight = np.where(np.arange(40) < 20, 1.0, 1e-6)
    plain, weighted, scaled = (
        regressor(epochs=40).fit(X, y, sample_weight=w).predict(X[:20]) for w in (None, weight, 1000 * weight)
    )
    assert np.abs(weighted - y[:20]).mean() < 0.2 * np.abs(plain - y[:20]).mean()
    np.testing.assert_allclose(scaled, weighted, rtol=1e-5)


def test_an_optimizer_instance_is_left_untouched(data):
    X, y = data
    optimizer = keras.optimizers.Adam(0.01)
    estimator = regressor(optimizer=optimizer, learning_rate=None).fit(X, y)
    assert not optimizer.built
    assert estimator.model_.optimizer is not optimizer
    assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(0.01)


def test_it_stands_at_the_end_of_a_pipeline(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), regressor(epochs=40)).fit(pd.DataFrame(X).add_prefix("x"), y)
    assert pipeline.score(pd.DataFrame(X).add_prefix("x"), y) > 0.99


def compiled_builder(features):
    model = models.linear(features)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: KerasRegressor(models.mlp, hidden=(4,)), TypeError, "build__hidden"),
        (lambda: regressor().set_params(epoch=3), ValueError, "did you mean 'epochs'"),
        (lambda: regressor(build__widths=3), ValueError, "build__ name='widths'"),
        (lambda: KerasRegressor(lambda: None), TypeError, "must return a keras.Model"),
        (lambda: KerasRegressor(compiled_builder), ValueError, "compiled model"),
    ],
)
def test_misuse_is_answered(make, error, words, data):
    with pytest.raises(error, match=words):
        make().fit(*data)


def test_bad_data_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="NaN"):
        regressor().fit(np.full_like(X, np.nan), y)
    with pytest.raises(ValueError, match="NaN"):
        regressor().fit(X, np.full_like(y, np.nan))
    with pytest.raises(ValueError, match="negative"):
        regressor().fit(X, y, sample_weight=-np.ones(40))
    with pytest.raises(ValueError, match="zero in every row"):
        regressor().fit(X, y, sample_weight=np.zeros(40))
    with pytest.raises(ValueError, match="features"):
        regressor().fit(X, y).predict(X[:, :2])


def test_an_old_name_of_a_builder_s_argument_still_works():
    X, y = np.zeros((8, 2)), np.zeros((8, 3))
    with pytest.warns(DeprecationWarning, match="write outputs="):
        fitted = KerasRegressor(models.linear, epochs=1, build__units=3).fit(X, y)
    assert fitted.model_.output_shape == (None, 3)


@pytest.mark.parametrize("kind", [KerasRegressor, KerasClassifier])
def test_every_argument_is_described(kind):
    described = kind.__doc__.partition("Args:")[2].partition("Attributes:")[0]
    for name in inspect.signature(kind).parameters:
        assert re.search(rf"\b{name}\b", described), name


def stock(features, units=1):
    return keras.Sequential(
        [
            keras.Input((features,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(units),
        ]
    )


@pytest.mark.parametrize("build", [models.mlp, stock])
def test_a_fit_in_a_thread_is_the_fit_alone(data, build):
    X, y = data

    def fitted(seed):
        settings = {"build__hidden": (4,), "build__dropout": 0.3} if build is models.mlp else {}
        return (
            KerasRegressor(build, epochs=2, batch_size=8, random_state=seed, **settings).fit(X, y).predict(X)
        )

    alone = [fitted(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(fitted, range(4))), alone)


def test_scikit_learn_s_own_threads_find_what_one_finds(data):
    X, y = data
    alone = cross_val_score(regressor(epochs=1), X, y, cv=3)
    with joblib.parallel_config("threading", n_jobs=3):
        np.testing.assert_array_equal(cross_val_score(regressor(epochs=1), X, y, cv=3), alone)


def test_one_row_is_not_made_a_huge_batch(data, monkeypatch):
    X, y = data
    model = regressor(batch_size=200_000, epochs=1).fit(X, y)
    fed = []
    predict = steps.predict
    monkeypatch.setattr(steps, "predict", lambda own, x, size: fed.append(x) or predict(own, x, size))
    model.predict(X[:1])
    assert len(fed[0]) <= 1024

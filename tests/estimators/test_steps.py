"""What a training is made of obeys the estimator's settings, whatever the builder is made of."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5]
LABELS = np.digitize(Y, [-1, 1])


def stock(features, outputs):
    return keras.Sequential([keras.Input((features,)), layers.Dense(8, "relu"), layers.Dense(outputs)])


def dropped(features, outputs):
    stack = [layers.Dense(8, "relu"), layers.Dropout(0.5), layers.GaussianNoise(0.1), layers.Dense(outputs)]
    return keras.Sequential([keras.Input((features,)), *stack])


def augmented(input_shape, outputs):
    stack = [layers.RandomFlip(), layers.RandomTranslation(0.2, 0.2), layers.Flatten(), layers.Dense(outputs)]
    return keras.Sequential([keras.Input(input_shape), *stack])


def drawn_by_the_builder(features, outputs):
    scale = random.random() + np.random.random() + float(keras.random.uniform(()))  # noqa: NPY002
    start = keras.initializers.RandomUniform(-scale, scale)
    return keras.Sequential([keras.Input((features,)), layers.Dense(outputs, kernel_initializer=start)])


def states():
    found = [random.getstate(), np.random.get_state()[1].tolist()]  # noqa: NPY002
    if keras.backend.backend() == "torch":
        import torch

        found.append(torch.get_rng_state().tolist())
    return found


@pytest.mark.parametrize("build", [stock, dropped, augmented, drawn_by_the_builder])
def test_random_state_fixes_any_builder_and_leaves_the_world_alone(build):
    rows = GENERATOR.normal(size=(24, 6, 6, 1)) if build is augmented else X
    y = Y[: len(rows)]
    keras.utils.set_random_seed(7)
    before = states()
    next_layer = layers.Dense(2)
    next_layer.build((None, 2))
    expected = next_layer.get_weights()[0]
    keras.utils.set_random_seed(7)
    made = [KerasRegressor(build, epochs=2, random_state=seed).fit(rows, y) for seed in (3, 3, 4)]
    assert states() == before
    next_layer = layers.Dense(2)
    next_layer.build((None, 2))
    np.testing.assert_array_equal(next_layer.get_weights()[0], expected)
    first, second, third = (model.predict(rows) for model in made)
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, third)


def test_a_set_rate_is_obeyed_when_training_goes_on():
    settings = {"epochs": 1, "optimizer": "sgd", "learning_rate": 0.1, "random_state": 0}
    for goes_on in ("warm_start", "partial_fit"):
        model = KerasRegressor(models.linear, **settings, warm_start=True).fit(X, Y)
        model.set_params(learning_rate=0.0)
        before = model.predict(X)
        again = model.fit if goes_on == "warm_start" else model.partial_fit
        np.testing.assert_array_equal(again(X, Y).predict(X), before)
    model.set_params(optimizer="adam", learning_rate=0.5)
    assert not np.allclose(model.fit(X, Y).predict(X), before)
    assert type(model.model_.optimizer).__name__ == "Adam"
    with pytest.raises(ValueError, match="fit a new one with warm_start=False"):
        model.set_params(build__l2=0.1).fit(X, Y)


def test_the_hundredth_pass_draws_no_more_than_the_second(monkeypatch):
    from kerasdl import random as draws

    model = KerasRegressor(models.linear, random_state=0).partial_fit(X, Y)
    made = []
    stream = draws.stream
    monkeypatch.setattr(draws, "stream", lambda *key: made.append(key) or stream(*key))
    counts = []
    for _ in range(4):
        made.clear()
        model.partial_fit(X, Y)
        counts.append(len(made))
    assert len(set(counts)) == 1
    orders = {key for key in made if key[0] == "batches"}
    assert orders == {("batches", 4)}


def test_an_optimizers_settings_are_parameters():
    model = KerasRegressor(
        models.linear, epochs=1, optimizer="sgd", optimizer__momentum=0.9, optimizer__nesterov=True
    )
    assert model.get_params()["optimizer__momentum"] == 0.9
    made = model.set_params(optimizer__momentum=np.float64(0.5)).fit(X, Y).model_.optimizer
    assert (made.momentum, made.nesterov) == (0.5, True)
    with pytest.raises(ValueError, match="optimizer__ name='momentun' is not known; did you mean 'momentum'"):
        model.set_params(optimizer__momentun=0.1).fit(X, Y)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": np.int64(16), "epochs": np.int64(2)},
        {"random_state": np.int64(1)},
        {"learning_rate": np.float32(0.01)},
        {"build__dropout": np.float32(0.1), "build__l2": np.float64(0.1)},
        {"report_every": np.int32(1), "early_stopping": np.int64(1)},
    ],
)
def test_numpy_numbers_are_the_numbers_they_are(changes):
    plain = {name: value.item() for name, value in changes.items()}
    ours, theirs = (
        KerasRegressor(models.mlp, **({"epochs": 2, "random_state": 0, "build__hidden": (4,)} | own))
        for own in (changes, plain)
    )
    np.testing.assert_array_equal(ours.fit(X, Y).predict(X), theirs.fit(X, Y).predict(X))


def test_one_width_is_one_hidden_layer():
    one, other = (
        KerasRegressor(models.mlp, epochs=1, build__hidden=hidden, random_state=0).fit(X, Y).predict(X)
        for hidden in (np.int64(5), (5,))
    )
    np.testing.assert_array_equal(one, other)


def test_a_rate_may_be_a_function():
    given = {"epochs": 2, "random_state": 0}
    ways = [
        KerasRegressor(models.linear, optimizer=keras.optimizers.SGD(lambda: 0.05), **given),
        KerasRegressor(models.linear, optimizer="sgd", learning_rate=lambda: 0.05, **given),
        KerasRegressor(models.linear, optimizer="sgd", learning_rate=0.05, **given),
    ]
    first, second, third = (model.fit(X, Y).predict(X) for model in ways)
    np.testing.assert_allclose(first, third, rtol=1e-5)
    np.testing.assert_allclose(second, third, rtol=1e-5)


def test_balanced_classes_weigh_alike():
    rows, labels = np.r_[X, X[:5]], np.r_[np.zeros(40), np.ones(5)].astype(int)
    settings = {"epochs": 20, "batch_size": 45, "report_every": 20, "learning_rate": 0.1, "random_state": 0}
    balanced = KerasClassifier(models.linear, class_weight="balanced", **settings).fit(rows, labels)
    given = KerasClassifier(models.linear, class_weight={0: 45 / 80, 1: 45 / 10}, **settings).fit(
        rows, labels
    )
    weight = np.where(labels == 0, 45 / 80, 45 / 10)
    by_row = KerasClassifier(models.linear, **settings).fit(rows, labels, sample_weight=weight)
    np.testing.assert_array_equal(balanced.predict_proba(rows), by_row.predict_proba(rows))
    np.testing.assert_array_equal(given.predict_proba(rows), by_row.predict_proba(rows))
    assert balanced.predict_proba(rows)[:, 1].mean() > 0.4
    for wrong in ("even", {"zero": 1}):
        with pytest.raises(ValueError, match="class_weight"):
            KerasClassifier(models.linear, class_weight=wrong, epochs=1).fit(rows, labels)


def test_metrics_are_in_the_history_and_are_fresh_each_time():
    metrics = ["mae", keras.metrics.RootMeanSquaredError(name="rmse")]
    model = KerasRegressor(models.linear, epochs=3, metrics=metrics, validation_split=0.2, random_state=0)
    history = model.fit(X, Y).history_
    assert {"mae", "rmse", "val_mae", "val_rmse"} <= set(history)
    np.testing.assert_allclose(history.rmse**2, history.loss, rtol=1e-5)
    again = model.fit(X, Y).history_
    np.testing.assert_array_equal(history.rmse, again.rmse)
    assert metrics[1].variables[0] is not model.model_.metrics[-1].variables[0]


def test_rows_of_another_length_go_on_with_a_recurrent_builder():
    rows = GENERATOR.normal(size=(12, 7, 3))
    settings = {"build__units": 4, "epochs": 1, "random_state": 0}
    model = KerasRegressor(models.many_to_one, warm_start=True, **settings).fit(rows, Y[:12])
    assert model.fit(rows, Y[:12]).predict(rows[:, :5]).shape == (12,)
    assert model.partial_fit(rows[:, :4], Y[:12]).model_.input_shape == (None, None, 3)
    with pytest.raises(ValueError, match=r"rows of shape \(7, 2\), the model takes \(None, 3\)"):
        model.predict(rows[:, :, :2])


def test_a_number_that_is_too_large_names_its_row():
    large = X.copy()
    large[5, 1] = 1e39
    with pytest.raises(ValueError, match="X has 1 NaN or infinite values, the first in row 5"):
        KerasRegressor(models.linear, epochs=1).fit(large, Y)


def test_one_bar_for_a_whole_training(capsys):
    KerasRegressor(models.linear, epochs=3, verbose=1, random_state=0).fit(X, Y)
    said = capsys.readouterr()
    assert (said.out + said.err).count("epochs") == 1
    assert "3/3" in said.out + said.err

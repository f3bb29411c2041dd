"""All folds at once against the same folds in turn: equal weights, batches, masks, so equal scores."""

import gc
import resource
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerasdl import initializers, layers, models
from kerasdl.estimators import KerasClassifier, KerasRegressor
from kerasdl.selection import cross_validate, grid_search

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(67, 5))
Y = 2 * X[:, 0] + np.sin(X[:, 1]) + GENERATOR.normal(size=67) / 10
LABELS = np.array(["low", "high"])[(X[:, 0] > 0).astype(int)]
WEIGHT = np.linspace(0.5, 1.5, 67)
ROWS = np.arange(67)
# 5, 8 and 6 batches of 8 an epoch; the second fold's last batch is one row.
UNEVEN = [(ROWS[:40], ROWS[40:]), (ROWS[10:], ROWS[:10]), (np.r_[0:30, 50:67], ROWS[30:50])]


def regressor(**changes):
    settings = {"epochs": 10, "batch_size": 8, "report_every": 5, "learning_rate": 0.01, "random_state": 0}
    build = {"build__hidden": (6,), "build__dropout": 0.2, "build__l2": 1e-3}
    return KerasRegressor(models.mlp, **(settings | build | changes))


def normalised(features, units):
    # No bias before the normalisation, which takes it away: its gradient is rounding alone.
    inputs = keras.Input((features,))
    start = initializers.get("glorot_uniform")
    x = keras.layers.Dense(8, use_bias=False, kernel_initializer=start)(inputs)
    x = keras.layers.Activation("tanh")(keras.layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(inputs, keras.layers.Dense(units, kernel_initializer=start)(layers.Dropout(0.3)(x)))


def same(estimator, y=Y, scoring="neg_mean_squared_error", weight=WEIGHT):
    together, in_turn = (
        cross_validate(estimator, X, y, cv=UNEVEN, scoring=scoring, sample_weight=weight, vectorize=way)
        for way in (True, False)
    )
    assert (together.engine, in_turn.engine) == ("together", "in turn")
    for side in ("train", "valid"):
        np.testing.assert_allclose(together.scores[side], in_turn.scores[side], rtol=1e-5)
    for ours, theirs in zip(together.histories, in_turn.histories, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-5)
    return together, in_turn


OPTIMIZERS = {
    "momentum": keras.optimizers.SGD(momentum=0.9, nesterov=True),
    "adam": keras.optimizers.Adam(amsgrad=True, clipvalue=1.0),
    "clipped by variable": keras.optimizers.Adam(clipnorm=0.1),
    "clipped together": keras.optimizers.Adam(global_clipnorm=0.1),
    "decayed": keras.optimizers.AdamW(weight_decay=0.1),
    "nadam": keras.optimizers.Nadam(),
    "rmsprop": keras.optimizers.RMSprop(centered=True, momentum=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_uneven_folds_train_as_each_would_alone(name):
    same(regressor(optimizer=OPTIMIZERS[name]))


def test_a_schedule_and_a_loss_with_settings():
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 70)
    optimizer = keras.optimizers.SGD(schedule)
    same(regressor(optimizer=optimizer, learning_rate=None, loss=keras.losses.Huber(0.2)), weight=None)


def test_batch_normalisation_counts_the_rows_that_are_there():
    same(KerasRegressor(normalised, epochs=10, batch_size=8, random_state=0))


def test_a_classifier_stops_each_fold_by_itself():
    estimator = KerasClassifier(
        models.mlp, epochs=12, batch_size=8, learning_rate=0.1, early_stopping=2, random_state=0
    ).set_params(build__hidden=(6,), build__dropout=0.2)
    together, in_turn = same(estimator, LABELS, scoring="neg_log_loss")
    assert len({len(history) for history in together.histories}) > 1
    assert np.array_equal(together.predictions, in_turn.predictions)


def test_images_are_flattened_and_a_sequential_model_will_do():
    def build(input_shape):
        start = initializers.get("normal")
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Flatten(),
                keras.layers.Dense(1, kernel_initializer=start),
            ]
        )

    images = X[:, :4].reshape(67, 2, 2, 1)
    estimator = KerasRegressor(build, epochs=3, random_state=0)
    ways = [cross_validate(estimator, images, Y, cv=3, vectorize=way) for way in (True, False)]
    np.testing.assert_allclose(ways[0].predictions, ways[1].predictions, rtol=1e-4, atol=1e-6)


def test_a_grid_scores_as_each_setting_by_itself():
    grid = {
        "kerasregressor__learning_rate": [0.01, 0.05],
        "kerasregressor__build__dropout": [0.0, 0.3],
        "kerasregressor__build__l2": [0.0, 0.01],
        "kerasregressor__random_state": [0, 3],
    }
    pipeline = make_pipeline(StandardScaler(), regressor())
    found = grid_search(pipeline, X, Y, grid, cv=3, scoring="neg_mean_squared_error", vectorize=True)
    assert found.engine == "together"
    assert len(found.table) == 16
    assert len(found.scores) == 48
    for place in (0, 5, 10, 15):
        setting = found.table.loc[place, list(grid)].to_dict()
        setting["kerasregressor__random_state"] = int(setting["kerasregressor__random_state"])
        alone = cross_validate(
            pipeline.set_params(**setting),
            X,
            Y,
            cv=3,
            scoring="neg_mean_squared_error",
            vectorize=False,
        )
        assert found.table.valid[place] == pytest.approx(alone.mean.valid, rel=1e-5)
        assert found.table.train[place] == pytest.approx(alone.mean.train, rel=1e-5)
    best = found.table.valid.argmax()
    assert found.table["rank"][best] == 1
    assert (
        found.best.get_params()["kerasregressor__learning_rate"]
        == found.best_params["kerasregressor__learning_rate"]
    )


def test_a_setting_that_diverges_ranks_last_and_harms_no_other():
    estimator = regressor(optimizer="sgd", epochs=5)
    found = grid_search(estimator, X, Y, {"learning_rate": [0.01, 1e9]}, cv=3)
    alone = cross_validate(estimator, X, Y, cv=3)
    assert found.table.valid[0] == pytest.approx(alone.mean.valid, rel=1e-6)
    assert np.isnan(found.table.valid[1])
    assert found.table["rank"].tolist() == [1, 2]
    with pytest.raises(FloatingPointError, match="of fold 1: lower the learning rate"):
        cross_validate(estimator.set_params(learning_rate=1e9), X, Y, cv=3)
    with pytest.raises(FloatingPointError, match="every setting"):
        grid_search(estimator, X, Y, {"learning_rate": [1e9]}, cv=3)


def branching(features):
    inputs = keras.Input((features,))
    sides = [keras.layers.Dense(3)(inputs) for _ in range(2)]
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Add()(sides)))


def stock_dropout(features):
    inputs = keras.Input((features,))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(inputs)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"build": branching}, "branches"),
        ({"build": stock_dropout}, "keras's Dropout.* has no twin"),
        ({"optimizer": keras.optimizers.Lamb()}, "optimizer 'Lamb'"),
        ({"optimizer": keras.optimizers.Adam(use_ema=True)}, "averages weights"),
        ({"loss": keras.losses.MeanSquaredError(reduction="sum")}, "reduces by 'sum'"),
        ({"loss": lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1)}, "judge each row"),
    ],
)
def test_what_cannot_be_stacked_says_why(changes, reason):
    estimator = KerasRegressor(**({"build": models.linear, "epochs": 1, "random_state": 0} | changes))
    with pytest.raises(ValueError, match=f"vectorize=True, but .*{reason}"):
        cross_validate(estimator, X, Y, cv=2, vectorize=True)


def test_and_is_trained_in_turn():
    found = cross_validate(KerasRegressor(stock_dropout, epochs=1, random_state=0), X, Y, cv=2)
    assert found.engine == "in turn"
    assert "has no twin" in found.reason
    assert found.scores.valid.notna().all()


def test_bad_folds_are_answered():
    ordered = np.sort(LABELS)
    with pytest.raises(ValueError, match="fold 1 without class 'high'"):
        cross_validate(KerasClassifier(models.linear), X, ordered, cv=KFold(2))
    with pytest.raises(ValueError, match="vectorize='yes'"):
        cross_validate(regressor(), X, Y, vectorize="yes")
    with pytest.raises(ValueError, match="NaN"):
        cross_validate(regressor(), X, np.where(ROWS == 3, np.nan, Y))
    for way in (True, False):
        with pytest.raises(ValueError, match="report_every=2 does not divide epochs=5"):
            cross_validate(regressor(epochs=5, report_every=2), X, Y, vectorize=way)
        with pytest.raises(ValueError, match="batch_size=0"):
            cross_validate(regressor(batch_size=0), X, Y, vectorize=way)
    with pytest.raises(ValueError, match="no setting"):
        grid_search(regressor(), X, Y, [])


WATCHED = {"metrics": ["mae"], "callbacks": keras.callbacks.ReduceLROnPlateau("loss", patience=1)}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, WATCHED], ids=["plain", "watched"])
def test_fifty_cross_validations_leave_no_memory_behind(changes):
    def resident() -> float:
        """Megabytes in use now, which Linux alone tells; elsewhere the most there ever was."""
        gc.collect()
        if sys.platform == "linux":
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    estimator = regressor(epochs=2, report_every=2, **changes)
    for _ in range(5):
        cross_validate(estimator, X, Y)
    before = resident()
    for seed in range(50):
        cross_validate(estimator.set_params(random_state=seed, learning_rate=0.01 + seed / 1000), X, Y)
    assert (resident() - before) / 50 <= 1

"""Each option that runs together scores as in turn and as a fit by itself; the others say why not."""

import keras
import numpy as np
import pandas as pd
import pytest
from folds import CV, LABELS, X, Y, classifier, logged, regressor
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerasdl import models
from kerasdl.selection import cross_validate, grid_search


def stock(features, outputs):
    stack = [keras.layers.Dense(5, "tanh"), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((features,)), *stack])


def without_input(outputs):
    return keras.Sequential([keras.layers.Dense(5, "tanh"), keras.layers.Dense(outputs)])


def nested(features, outputs):
    inputs = keras.Input((features,))
    head = keras.Sequential([keras.Input((5,)), keras.layers.Dense(outputs, "softmax")])
    return keras.Model(inputs, head(keras.layers.Dense(5, "tanh")(inputs)))


def softmax(features, outputs):
    return keras.Sequential([keras.Input((features,)), keras.layers.Dense(outputs, "softmax")])


def falling(epoch, rate):
    return rate / (1 + epoch)


SETS = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
GIVEN = models.mlp(4, (5,), 1)


TOGETHER = {
    "stock layers": (regressor(stock), X, Y),
    "no Input": (regressor(without_input), X, Y),
    "a given model": (regressor(GIVEN), X, Y),
    "optimizer__": (regressor(optimizer="sgd", optimizer__momentum=0.9, learning_rate=0.001), X, Y),
    "stopping by another column": (regressor(early_stopping=1, monitor="loss", min_delta=0.3), X, Y),
    "the last weights stay": (regressor(early_stopping=1, min_delta=0.3, restore_best=False), X, Y),
    "a validation share": (regressor(validation_split=0.25), X, Y),
    "the last rows validate": (
        regressor(validation_split="last", validation_fraction=0.2, early_stopping=2),
        X,
        Y,
    ),
    "a splitter validates": (regressor(validation_split=KFold(4), early_stopping=2), X, Y),
    "balanced classes": (classifier(class_weight="balanced"), X, LABELS),
    "one-hot targets": (
        classifier(softmax, loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics="acc"),
        X,
        LABELS,
    ),
    "several labels": (classifier(metrics=[keras.metrics.BinaryAccuracy()]), X, SETS),
    "a logarithm around": (logged(make_pipeline(StandardScaler(), regressor())), X, Y),
    "a logarithm inside": (make_pipeline(StandardScaler(), logged(regressor())), X, Y),
    "a target scaler": (TransformedTargetRegressor(regressor(), transformer=StandardScaler()), X, Y),
    "sparse rows": (regressor(), sparse.csr_array(X * (X > 0)), Y),
    "metrics, and a stopper of Keras's": (
        regressor(
            metrics=["mae", keras.metrics.RootMeanSquaredError("rmse")],
            callbacks=keras.callbacks.EarlyStopping(
                "val_rmse", patience=1, min_delta=0.1, restore_best_weights=True, start_from_epoch=1
            ),
            validation_split=0.25,
            epochs=8,
        ),
        X,
        Y,
    ),
    "metrics of weighted rows, and stopping by one": (
        classifier(
            metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)],
            class_weight="balanced",
            early_stopping=1,
            monitor="val_accuracy",
            epochs=8,
        ),
        X,
        LABELS,
    ),
    "a rate that falls on a plateau": (
        regressor(
            callbacks=[
                keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=1, min_delta=1.5),
                keras.callbacks.TerminateOnNaN(),
            ],
            epochs=6,
        ),
        X,
        Y,
    ),
    "a rate by the epoch": (
        regressor(
            callbacks=keras.callbacks.LearningRateScheduler(falling),
            optimizer=keras.optimizers.AdamW(weight_decay=0.1),
            report_every=2,
        ),
        X,
        Y,
    ),
    "NumPy numbers": (regressor(batch_size=np.int64(8), build__dropout=np.float32(0.25)), X, Y),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_together_is_in_turn_is_alone(name):
    estimator, rows, y = TOGETHER[name]
    scoring = None if y is SETS else "neg_log_loss" if y is LABELS else "neg_mean_squared_error"
    ways = [
        cross_validate(estimator, rows, y, cv=CV, scoring=scoring, vectorize=way, return_estimators=True)
        for way in (True, False)
    ]
    assert [way.engine for way in ways] == ["together", "in turn"]
    for side in ("train", "valid"):
        np.testing.assert_allclose(ways[0].scores[side], ways[1].scores[side], rtol=1e-5, atol=1e-7)
    for ours, theirs in zip(ways[0].histories, ways[1].histories, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-5, check_like=True)
    train, valid = list(CV.split(X))[1]
    alone = clone(estimator).fit(rows[train], y[train])
    for way in ways:
        if y.dtype.kind == "f":
            np.testing.assert_allclose(
                way.predictions[valid], alone.predict(rows[valid]), rtol=1e-5, atol=1e-6
            )
            kept = way.estimators[1].predict(rows[valid])
            np.testing.assert_allclose(kept, alone.predict(rows[valid]), rtol=1e-5, atol=1e-6)
        else:
            own = alone.predict_proba(rows[valid])
            np.testing.assert_allclose(way.probabilities[valid], own, rtol=1e-4, atol=1e-6)
            kept = way.estimators[1].predict_proba(rows[valid])
            np.testing.assert_allclose(kept, own, rtol=1e-4, atol=1e-6)


def squashed(x):
    return keras.ops.tanh(x)


def own_activation(features, outputs):
    stack = [keras.layers.Dense(5, squashed), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((features,)), *stack])


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of one's own."""

    def __call__(self, step):
        return 0.1 / (1 + keras.ops.cast(step, "float32"))

    def get_config(self):
        return {}


class Own(keras.Model):
    """A model of one's own."""

    def __init__(self, outputs):
        super().__init__()
        self.last = keras.layers.Dense(outputs)

    def call(self, x):
        return self.last(x)


PLATEAU = keras.callbacks.ReduceLROnPlateau("loss", patience=9)
IN_TURN = {
    "callback LambdaCallback watches one model": regressor(callbacks=keras.callbacks.LambdaCallback()),
    "'r2_score' is not known to be a mean": regressor(metrics=[keras.metrics.R2Score()]),
    "optimizer 'SGD' remembers past rates": regressor(
        callbacks=PLATEAU, optimizer="sgd", optimizer__momentum=0.9, learning_rate=0.001
    ),
    "which a schedule gives": regressor(
        callbacks=PLATEAU, learning_rate=keras.optimizers.schedules.CosineDecay(0.01, 20)
    ),
    "activation of its own kind": regressor(own_activation),
    "schedule of its own kind": regressor(learning_rate=Falling()),
    "is a model within the model": regressor(
        lambda features: keras.Sequential([keras.Input((features,)), models.linear(features)])
    ),
    "is not a plain path": regressor(lambda outputs: Own(outputs)),
}


@pytest.mark.parametrize("reason", IN_TURN)
def test_what_is_trained_in_turn_says_why(reason):
    found = cross_validate(IN_TURN[reason], X, Y, cv=CV)
    assert found.engine == "in turn"
    assert reason in found.reason
    train, valid = next(CV.split(X))
    alone = clone(IN_TURN[reason]).fit(X[train], Y[train])
    np.testing.assert_allclose(found.predictions[valid], alone.predict(X[valid]), rtol=1e-4, atol=1e-5)


def test_what_watched_a_fold_is_kept_with_it():
    for way in (True, False):
        found = cross_validate(
            TOGETHER["a rate that falls on a plateau"][0], X, Y, cv=CV, vectorize=way, return_estimators=True
        )
        rates = [history.learning_rate.iloc[-1] for history in found.histories]
        assert max(rates) < 0.02
        for estimator in found.estimators:
            plateau, _ = estimator[-1].callbacks_
            assert plateau.model is estimator[-1].model_


def test_settings_that_stop_otherwise_are_one_program():
    grid = {"early_stopping": [1, 3], "min_delta": [0.0, 0.3], "callbacks": [None, PLATEAU]}
    found = grid_search(regressor(epochs=6), X, Y, grid, cv=CV, vectorize=True)
    for place in (3, 4):
        setting = found.table.loc[place, list(grid)].to_dict()
        alone = cross_validate(regressor(epochs=6, **setting), X, Y, cv=CV, vectorize=False)
        assert found.table.valid[place] == pytest.approx(alone.mean.valid, rel=1e-5)


def test_a_nested_head_gives_the_probabilities_that_it_says():
    found = cross_validate(classifier(nested, epochs=20), X, LABELS, cv=CV)
    train, valid = next(CV.split(X))
    alone = classifier(nested, epochs=20).fit(X[train], LABELS[train])
    own = alone.model_.predict(X[valid].astype("float32"), verbose=0)
    np.testing.assert_allclose(found.probabilities[valid], own, rtol=1e-4, atol=1e-6)


def test_members_that_weigh_their_rows_otherwise_are_fed_otherwise():
    grid = {"class_weight": [None, "balanced", {"low": 5, "middle": 1, "high": 1}]}
    estimator = classifier()
    found = grid_search(estimator, X, LABELS, grid, cv=CV, scoring="neg_log_loss", vectorize=True)
    for place, weight in enumerate(grid["class_weight"]):
        alone = cross_validate(
            estimator.set_params(class_weight=weight),
            X,
            LABELS,
            cv=CV,
            scoring="neg_log_loss",
            vectorize=False,
        )
        assert found.table.valid[place] == pytest.approx(alone.mean.valid, rel=1e-5)

"""Each option that runs together scores as in turn and as a fit by itself; the others say why not."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor
from kerasdl.selection import cross_validate, grid_search

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(47, 4))
Y = np.exp(X[:, 0] + GENERATOR.normal(size=47) / 10)
LABELS = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.4, 0.4])]
SETS = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
CV = KFold(3)
SETTINGS = {"epochs": 4, "batch_size": 8, "learning_rate": 0.02, "random_state": 0}


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


GIVEN = models.mlp(4, (5,), 1)


def regressor(build=models.mlp, **changes):
    own = {"build__hidden": (5,), "build__dropout": 0.2} if build is models.mlp else {}
    return KerasRegressor(build, **(SETTINGS | own | changes))


def classifier(build=models.linear, **changes):
    return KerasClassifier(build, **(SETTINGS | changes))


def logged(model):
    return TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)


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


def scored(model, rows, y):
    return model.score(rows, y)


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

"""An epoch as one program against Keras's own fit, step by step, from the same seed."""

import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import layers, models, training
from kerasdl.training import programs

BACKEND = keras.backend.backend()
ROWS, BATCH = 23, 5  # an odd last batch
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, 6)).astype("float32")
Y = (X[:, :1] - 2 * X[:, 1:2] + 0.1 * rng.normal(size=(ROWS, 1))).astype("float32")
LABELS = rng.integers(0, 3, ROWS)
WEIGHT = rng.uniform(0.5, 1.5, ROWS)
IMAGES = rng.normal(size=(ROWS, 6, 6, 1)).astype("float32")
SERIES = rng.normal(size=(ROWS, 4, 3)).astype("float32")
TAGS = rng.integers(0, 3, (ROWS, 4))
SERIES[:7, 2:] = 0.0  # padding


@pytest.fixture(autouse=True)
def record_at_once(monkeypatch):
    """On PyTorch a few steps are not worth a recording: here they are."""
    if BACKEND == "torch":
        monkeypatch.setattr("kerasdl.training.programs.torch.WORTH", 0)


class Count(keras.layers.Layer):
    """Counts how often Python runs through it in training: a compiled step does not."""

    def __init__(self):
        super().__init__()
        self.traces = 0

    def call(self, x, training=False):
        self.traces += bool(training)
        return x


def mlp(*between, metrics=("accuracy",)):
    sizes = [keras.layers.Dense(8, "relu"), *between, keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((6,)), *sizes])
    weighted = ["accuracy"] if metrics else None
    model.compile(keras.optimizers.Adam(0.01), LOGITS, metrics=list(metrics), weighted_metrics=weighted)
    return model, X, LABELS


def linear():
    model = models.linear(6)
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model, X, Y


def scheduled():
    model = models.linear(6, l2=0.01)
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.8)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=1.0), keras.losses.Huber())
    return model, X, Y


def convnet():
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    x = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.MaxPooling2D()(x)))
    model = keras.Model(inputs, x)
    model.compile(keras.optimizers.RMSprop(0.01), LOGITS, metrics=["accuracy"])
    return model, IMAGES, LABELS


def lstm(masked=True):
    inputs = keras.Input((4, 3))
    x = layers.Steps(mask_value=0.0)(inputs) if masked else inputs
    x = keras.layers.SpatialDropout1D(0.4, seed=5)(x)  # one mask for all steps
    x = layers.LSTM(5, return_sequences=True)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), LOGITS, weighted_metrics=["accuracy"])
    return model, SERIES, TAGS


def two_inputs():
    left, right = keras.Input((6,)), keras.Input((1,))
    model = keras.Model([left, right], keras.layers.Dense(1)(keras.layers.Concatenate()([left, right])))
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model, [X, X[:, 1:2] ** 2], Y


def uncompiled_shapes():
    """No shape is known before the first batch."""
    model = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.Dense(3)])
    model.compile("sgd", LOGITS, metrics=["accuracy"])
    return model, X, LABELS


MODELS = {
    "dropout": lambda: mlp(layers.Dropout(0.3)),
    "stock dropout": lambda: mlp(keras.layers.Dropout(0.2, seed=3)),
    "normalised": lambda: mlp(keras.layers.BatchNormalization()),
    "linear": linear,
    "scheduled": scheduled,
    "convnet": convnet,
    "lstm": lstm,
    "two inputs": two_inputs,
    "shapes unknown": uncompiled_shapes,
}


def trained(make, engine, **settings):
    kerasdl.set_seed(7)
    model, x, y = make()
    settings = {"epochs": 2, "batch_size": BATCH} | settings
    history = training.fit(model, x, y, engine=engine, **settings)
    return model, history


def same(one, other, rtol=1e-6):
    """Weights, optimizer and history of two trainings agree."""
    (model, history), (stepped, expected) = one, other
    variables = zip(
        [*model.variables, *model.optimizer.variables],
        [*stepped.variables, *stepped.optimizer.variables],
        strict=True,
    )
    for got, want in variables:
        got, want = map(keras.ops.convert_to_numpy, (got, want))
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * max(np.abs(want).max(), 1e-3))
    assert list(history.columns) == list(expected.columns)
    np.testing.assert_allclose(history, expected, rtol=rtol)
    assert history.index.equals(expected.index)


@pytest.mark.parametrize("name", MODELS)
def test_a_program_trains_as_step_by_step(name):
    program, stepped = (trained(MODELS[name], engine) for engine in ("program", "keras"))
    same(program, stepped)
    assert program[1].attrs == {"engine": "program", "reason": None}
    assert stepped[1].attrs == {"engine": "keras", "reason": "as asked"}


@pytest.mark.skipif(BACKEND != "torch", reason="JAX and TensorFlow have one way")
@pytest.mark.parametrize("name", ["dropout", "linear"])
def test_a_few_steps_are_the_same_before_they_are_worth_a_program(name, monkeypatch):
    monkeypatch.setattr("kerasdl.training.programs.torch.WORTH", 20)
    runs = []
    for engine in ("auto", "keras"):
        kerasdl.set_seed(7)
        model, x, y = MODELS[name]()
        for _ in range(3):  # the third time they are
            history = training.fit(model, x, y, epochs=2, batch_size=BATCH, engine=engine)
        runs.append((model, history))
    same(*runs, rtol=2e-6)


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch alone has a fused LSTM on a CPU")
@pytest.mark.parametrize("taping", [True, False])
def test_the_fused_lstm_is_recorded_whether_or_not_the_caller_tapes(taping):
    import torch

    with torch.set_grad_enabled(taping):
        program = trained(lambda: lstm(masked=False), "program")
    assert program[1].attrs == {"engine": "program", "reason": None}
    same(program, trained(lambda: lstm(masked=False), "keras"))


@pytest.mark.skipif(BACKEND != "torch", reason="elsewhere every layer has a seed of its own")
def test_an_unseeded_stock_layer_draws_from_torch_as_in_single_steps(monkeypatch):
    runs = []
    for worth in (0, 10**6):
        monkeypatch.setattr("kerasdl.training.programs.torch.WORTH", worth)
        keras.utils.set_random_seed(7)
        runs.append(trained(lambda: mlp(keras.layers.Dropout(0.3)), "program"))
    assert [history.attrs["engine"] for _, history in runs] == ["program", "steps"]
    same(*runs)


def rate(epoch, now):
    return now * (0.5 if epoch else 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"sample_weight": WEIGHT, "validation_data": (X[:9], Y[:9], WEIGHT[:9]), "batch_size": 4},
        {"report_every": 2, "epochs": 4, "validation_data": (np.tile(X, (2, 1)), np.tile(Y, (2, 1)))},
        {"batch_size": 1, "shuffle": False},
        {"batch_size": 100, "callbacks": [keras.callbacks.LearningRateScheduler(rate)]},
    ],
    ids=["weights", "reports", "batch of one", "rate"],
)
def test_weights_validation_reports_and_rates_are_those_of_step_by_step(settings):
    same(trained(linear, "program", **settings), trained(linear, "keras", **settings))


def test_a_second_fit_compiles_nothing():
    count = Count()
    model, x, y = mlp(count)
    held_out = (X[:9], LABELS[:9])
    training.fit(model, x, y, epochs=1, batch_size=BATCH, validation_data=held_out)
    before = count.traces
    training.fit(model, x[::-1], y, epochs=3, batch_size=BATCH, validation_data=held_out)
    assert count.traces == before > 0
    training.fit(model, x, y, epochs=1, batch_size=BATCH + 1)
    assert count.traces > before  # the counter counts
    before = count.traces
    model.optimizer.learning_rate = 0.5
    start = model.get_weights()
    training.fit(model, x, y, epochs=1, batch_size=BATCH + 1)
    assert count.traces == before
    assert max(np.abs(a - b).max() for a, b in zip(start, model.get_weights(), strict=True)) > 0.1


def test_what_changes_the_step_makes_it_anew():
    model, x, y = mlp(metrics=())
    training.fit(model, x, y, epochs=1)
    first, *_, last = model.layers
    first.trainable = False
    model.compile(keras.optimizers.SGD(0.1), LOGITS)
    frozen = first.get_weights()
    training.fit(model, x, y, epochs=1)
    assert all(np.array_equal(a, b) for a, b in zip(frozen, first.get_weights(), strict=True))
    first.trainable, last.trainable = True, False
    model.compile(keras.optimizers.SGD(0.1), LOGITS, metrics=["accuracy"])
    kept = last.get_weights()
    assert list(training.fit(model, x, y, epochs=1).columns) == ["accuracy", "loss"]
    assert all(np.array_equal(a, b) for a, b in zip(kept, last.get_weights(), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(frozen, first.get_weights(), strict=True))


def test_callbacks_at_epoch_ends_work_as_before():
    def stopping():
        return keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)

    make = linear
    runs = []
    for engine in ("program", "keras"):
        settings = {"validation_data": (-X, Y), "epochs": 9, "callbacks": [stopping()]}
        runs.append(trained(make, engine, **settings))
    same(*runs)
    assert len(runs[0][1]) == 3  # it gets worse from the first epoch


def carried():
    inputs = keras.Input(batch_shape=(2, 3, 1))
    x = layers.Carried(layers.LSTM(4, return_sequences=True, return_state=True))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    series = np.sin(np.arange(24)).reshape(8, 3, 1).astype("float32")
    return model, series, np.cos(series)


def test_a_state_is_carried_from_batch_to_batch_and_begins_anew():
    settings = {"batch_size": 2, "shuffle": False, "callbacks": [training.ResetState()]}
    program, stepped = (trained(carried, engine, **settings) for engine in ("program", "keras"))
    same(program, stepped)
    held = keras.ops.convert_to_numpy(program[0].layers[1].states[0])
    assert np.abs(held).max() > 0
    forgetful, _ = trained(carried, "program", **settings | {"callbacks": []})
    assert not np.array_equal(forgetful.get_weights()[0], program[0].get_weights()[0])


def test_a_loss_that_blows_up_names_epoch_and_batches():
    model, x, y = linear()
    x = x.copy()
    x[12] = 3e38  # batch 3 of 5
    with pytest.raises(
        FloatingPointError, match=r"loss is (nan|inf) in epoch 1, within batches [1-3] to [3-5]:"
    ):
        training.fit(model, x, y, epochs=2, batch_size=BATCH, shuffle=False)


def test_an_interrupt_leaves_the_last_whole_chunk(monkeypatch):
    kerasdl.set_seed(7)
    model, x, y = linear()
    chunks = []
    own = programs.contract.Pace.took

    def took(self, steps, seconds, shapes):
        own(self, steps, seconds, shapes)
        chunks.append(steps)
        if len(chunks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(programs.contract.Pace, "took", took)
    settings = {"batch_size": 1, "shuffle": False}
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, x, y, epochs=3, **settings)
    monkeypatch.undo()
    done = sum(chunks)
    assert 0 < done < len(x)
    kerasdl.set_seed(7)
    expected, *_ = linear()
    training.fit(expected, x[:done], y[:done], epochs=1, engine="keras", **settings)
    for got, want in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    training.fit(model, x, y, epochs=1, **settings)  # it goes on


class Watching(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


class OwnStep(keras.Model):
    def train_step(self, *arguments):
        return super().train_step(*arguments)


def test_what_cannot_be_a_program_says_why(monkeypatch):
    model, x, y = linear()
    watching = Watching()
    history = training.fit(model, x, y, epochs=2, batch_size=BATCH, callbacks=[watching])
    assert watching.batches == 2 * 5
    assert history.attrs["engine"] == "keras"
    assert "Watching has on_train_batch_end" in history.attrs["reason"]
    with pytest.raises(ValueError, match="engine='program': callback Watching"):
        training.fit(model, x, y, epochs=1, callbacks=[watching], engine="program")
    with pytest.raises(ValueError, match="engine='programme'"):
        training.fit(model, x, y, epochs=1, engine="programme")
    assert "on_train_batch_end" in programs.obstacle(
        model, (), [keras.callbacks.LambdaCallback(on_train_batch_end=print)]
    )
    assert programs.obstacle(model, (), [keras.callbacks.ModelCheckpoint("a.keras")]) is None
    assert "hold <U1" in programs.obstacle(model, [np.array(["a"])])
    monkeypatch.setattr(programs, "free_memory", lambda: 8.0)
    large = training.fit(model, x, y, epochs=1)
    assert large.attrs["engine"] == "keras"
    assert "the data take 0 MiB, more than 25% of the 0 free" in large.attrs["reason"]
    monkeypatch.undo()
    model.compile("sgd", "mse", run_eagerly=True)
    assert "run_eagerly" in programs.obstacle(model)
    inputs = keras.Input((6,))
    own = OwnStep(inputs, keras.layers.Dense(1)(inputs))
    own.compile("sgd", "mse")
    assert "train_step of its own" in training.fit(own, x, y, epochs=1).attrs["reason"]


def test_progress_is_shown(capsys):
    model, x, y = linear()
    training.fit(model, x, y, epochs=1, batch_size=BATCH, verbose=1, engine="program")
    shown = capsys.readouterr().out
    assert "5/5" in shown
    assert "loss" in shown


@pytest.mark.parametrize("way", ["program", "keras"])
def test_steps_on_given_rows_are_those_of_a_fit_in_that_order(way, monkeypatch):
    model, x, y = linear()
    expected, *_ = linear()
    expected.set_weights(model.get_weights())
    training.fit(expected, x[:20], y[:20], epochs=1, batch_size=5, shuffle=False, engine="keras")
    if way == "keras":
        monkeypatch.setattr(programs, "obstacle", lambda *_: "as asked")
    rows = np.arange(20, dtype="int32").reshape(4, 5)
    for start, end in ((0, 1), (1, 4)):
        programs.steps(model, (x, y), [rows, rows], start, end)
    for got, want in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_many_models_trained_in_turn_are_no_reason_for_a_warning(caplog):
    # TensorFlow warns of a function that is traced anew: a model of its own is no such function.
    for _ in range(7):
        model, x, y = linear()
        training.fit(model, x, y, epochs=1, batch_size=BATCH)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []

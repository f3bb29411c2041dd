"""A training that is stopped and goes on is the training that was not stopped, to the last bit."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from blows import cut, turn
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasdl
from kerasdl import layers, models, training
from kerasdl.training import checkpoints

ROWS, BATCH, EPOCHS = 23, 5, 6
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, 6)).astype("float32")
LABELS = rng.integers(0, 3, ROWS)
SERIES = rng.normal(size=(ROWS, 4, 3)).astype("float32")


class Killed(BaseException):
    """Stands in for a kill: nothing catches it."""


class Kill(keras.callbacks.Callback):
    def __init__(self, at):
        super().__init__()
        self._at = at  # not a setting

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._at:
            raise Killed


def dropping(optimizer=None):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, "relu"),
            layers.Dropout(0.3),
            keras.layers.Dropout(0.2),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3),
        ]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.01), LOGITS, metrics=["accuracy"])
    return model, X, LABELS


def scheduled():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.8)
    return dropping(keras.optimizers.SGD(rate, momentum=0.9, use_ema=True))


def recurrent():
    model = keras.Sequential([keras.Input((4, 3)), layers.LSTM(5, dropout=0.2), keras.layers.Dense(3)])
    model.compile("rmsprop", LOGITS)
    return model, SERIES, LABELS


def half():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, dtype="bfloat16")])
    model.compile("sgd", LOGITS)
    return model, X, LABELS


def unbuilt():
    model = keras.Sequential([keras.layers.Dense(4, "tanh"), layers.Dropout(0.5), keras.layers.Dense(3)])
    model.compile("adam", LOGITS)
    return model, X, LABELS


MODELS = {one.__name__: one for one in (dropping, scheduled, recurrent, half, unbuilt)}


def watched():
    return [
        keras.callbacks.EarlyStopping("val_loss", patience=50, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
    ]


def train(make, folder=None, seed=7, at=None, every=1, **changes):
    if seed is not None:
        kerasdl.set_seed(seed)
    model, x, y = make()
    asked = {"epochs": EPOCHS, "batch_size": BATCH, "validation_data": (x[:9], y[:9]), "callbacks": watched()}
    asked |= changes
    if isinstance(
        getattr(model.optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
    ):
        asked["callbacks"] = asked["callbacks"][:1]
    if folder is None:
        return model, training.fit(model, x, y, **asked)
    asked["callbacks"] = [*asked["callbacks"], Kill(at)]
    return model, training.fit(model, x, y, resume=training.Checkpoints(folder, epochs=every), **asked)


def draw():
    """Draw from what the whole process shares, as another process would have."""
    np.random.uniform(size=3)  # noqa: NPY002
    if keras.backend.backend() == "torch":
        import torch

        torch.rand(3)


def equal(one, other):
    """Weights, optimizer, seeds and history: bit by bit."""
    (model, history), (expected, wanted) = one, other
    for (variable, got), (_, want) in zip(training.snapshot(model), training.snapshot(expected), strict=True):
        assert got.tobytes() == want.tobytes(), variable.path
    assert history.equals(wanted)
    assert history.index.equals(wanted.index)
    assert history.attrs == wanted.attrs


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def uninterrupted():
    return train(dropping)


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("dropping", "auto"),
        ("dropping", "keras"),
        ("recurrent", "auto"),
        slow("recurrent", "keras"),
        *(slow(name, engine) for name in ("scheduled", "half", "unbuilt") for engine in ("auto", "keras")),
    ],
)
def test_a_training_killed_twice_ends_bit_equal(tmp_path, name, engine):
    whole = train(MODELS[name], engine=engine)
    for at in (2, 5):
        with pytest.raises(Killed):
            train(MODELS[name], tmp_path, at=at, engine=engine)
        draw()
    equal(train(MODELS[name], tmp_path, engine=engine), whole)
    # And once more: it has ended, and nothing is left to do.
    equal(train(MODELS[name], tmp_path, at=0, engine=engine), whole)


def test_rows_of_several_epochs_go_on_too(tmp_path):
    changes = {"report_every": 2, "shuffle": False}
    with pytest.raises(Killed):
        train(dropping, tmp_path, at=2, every=3, **changes)
    assert [number // 2 for number in checkpoints.numbers(tmp_path)] == [2]
    equal(train(dropping, tmp_path, **changes), train(dropping, **changes))


def test_an_early_stop_is_where_it_would_have_been(tmp_path):
    changes = {"callbacks": [keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10.0)]}
    whole = train(dropping, **changes)
    assert len(whole[1]) < EPOCHS
    with pytest.raises(Killed):
        train(
            dropping,
            tmp_path,
            at=1,
            callbacks=[keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10.0)],
        )
    resumed = train(
        dropping, tmp_path, callbacks=[keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10.0)]
    )
    equal(resumed, whole)


def test_without_a_seed_the_weights_and_orders_of_the_first_call_are_kept(tmp_path, uninterrupted):
    with pytest.raises(Killed):
        train(dropping, tmp_path, at=2)
    equal(train(dropping, tmp_path, seed=99), uninterrupted)


@pytest.mark.slow
def test_a_process_killed_outright_goes_on_in_the_next(tmp_path, uninterrupted):
    code = f"""
import os, sys
sys.path[:0] = {sys.path!r}
import keras, test_resume
class Out(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == int(sys.argv[1]):
            os.kill(os.getpid(), 9)
test_resume.Kill = lambda at: Out()
Out.__qualname__ = "Kill"
model, history = test_resume.train(test_resume.dropping, {str(tmp_path / "run")!r})
print(len(history))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    ended = [
        subprocess.run([sys.executable, "-c", code, at], env=environment, capture_output=True, text=True)
        for at in ("3", "-1")
    ]
    assert [one.returncode for one in ended] == [-9, 0], ended[1].stderr
    assert ended[1].stdout.split() == [str(EPOCHS)]
    equal(train(dropping, tmp_path / "run", at=0), uninterrupted)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A training killed before its fifth epoch, with the checkpoints of the third and the fourth."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.raises(Killed):
        train(dropping, folder, at=4)
    assert [number // 2 for number in checkpoints.numbers(folder)] == [4, 3]
    return folder


@pytest.fixture
def copy(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "copy")


def newest(folder, ending):
    return sorted(folder.glob(f"*{ending}"))[-1]


@pytest.mark.parametrize("harm", [cut, turn, lambda path: path.unlink(), lambda path: path.write_text("{}")])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_and_says_so(copy, harm, uninterrupted):
    harm(newest(copy, ".npz"))
    with pytest.warns(
        UserWarning, match=r"checkpoint-000000008\.json is damaged .*going on from the one before"
    ):
        resumed = train(dropping, copy)
    equal(resumed, uninterrupted)


def test_where_no_checkpoint_is_whole_it_is_said(copy):
    for path in copy.glob("*.npz"):
        path.unlink()
    with pytest.raises(ValueError, match="delete this folder to begin anew"):
        train(dropping, copy)


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("model", {"make": unbuilt}),
        ("loss, optimizer or metrics", {"make": lambda: dropping(keras.optimizers.Adam(0.02))}),
        ("data", {"sample_weight": np.ones(ROWS)}),
        ("data", {"validation_data": (X[:8], LABELS[:8])}),
        ("settings", {"batch_size": 6}),
        ("callbacks", {"callbacks": []}),
        ("callbacks", {"callbacks": [keras.callbacks.EarlyStopping("val_loss", patience=51), watched()[1]]}),
    ],
)
def test_another_training_in_that_folder_is_refused_in_a_line(copy, word, change):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    change = dict(change)
    with pytest.raises(
        ValueError, match=rf"resume='.*copy' holds a training with other .*{word}.*: give another"
    ) as told:
        train(change.pop("make", dropping), copy, **change)
    assert "\n" not in str(told.value)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_a_second_training_in_the_same_folder_is_refused_and_two_checkpoints_are_kept(copy):
    held = kerasdl.files.hold(copy)
    with pytest.raises(RuntimeError, match="in use by another run"):
        train(dropping, copy)
    kerasdl.files.let_go(held)
    models.mlp(3)  # counts the names of layers up: the model is the same
    train(dropping, copy)
    assert sorted(path.name for path in copy.iterdir()) == [
        f"checkpoint-{number:09d}.{ending}" for number in (12, 13) for ending in ("json", "npz")
    ]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_fuzzed_checkpoints_are_whole_or_refused(kept, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
    path = newest(folder, data.draw(st.sampled_from([".json", ".npz"])))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record, arrays = checkpoints.read(folder)
    assert isinstance(record, dict)
    assert arrays


def test_a_pickle_in_a_checkpoint_is_not_opened(copy):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"a": 1}], dtype=object))
    newest(copy, ".npz").write_bytes(buffer.getvalue())
    record = json.loads(newest(copy, ".json").read_text())
    record |= {"bytes": len(buffer.getvalue()), "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    newest(copy, ".json").write_text(json.dumps(record))
    with pytest.warns(UserWarning, match="is damaged .*allow_pickle"):
        checkpoints.read(copy)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        float("inf"),
        "word",
        [1, (2.5, None)],
        {"a": {1: "b"}},
        np.float32(0.1),
        np.arange(3),
    ],
)
def test_what_is_packed_comes_out_as_it_was(value):
    arrays = {}
    text = json.dumps(checkpoints.packed(value, arrays, "key"), allow_nan=False)
    found = checkpoints.unpacked(json.loads(text), arrays)
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def variant(by):
    """A layer, a loss, a metric and a schedule of one's own, in which one number stands."""

    class Times(keras.layers.Layer):
        def call(self, inputs):
            return by * inputs

    def loss(y, outputs):
        return by * keras.losses.sparse_categorical_crossentropy(y, outputs, from_logits=True)

    def metric(y, outputs):
        return by * keras.ops.mean(outputs, axis=-1)

    return {"layer": Times, "loss": loss, "metric": metric, "schedule": lambda epoch: by * 0.01}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("layer", "model"),
        ("loss", "loss, optimizer or metrics"),
        ("metric", "loss, optimizer or metrics"),
        ("schedule", "callbacks"),
    ],
)
def test_an_edit_in_what_is_one_s_own_makes_another_training(tmp_path, name, word):
    def call(by):
        own = variant(1.0) | {name: variant(by)[name]}
        model = keras.Sequential([keras.Input((6,)), own["layer"](), keras.layers.Dense(3)])
        model.compile("sgd", own["loss"], metrics=[own["metric"]])
        schedule = keras.callbacks.LearningRateScheduler(own["schedule"])
        return training.fit(model, X, LABELS, epochs=1, callbacks=[schedule], resume=tmp_path)

    first = call(1.0)
    assert call(1.0).equals(first)
    with pytest.raises(ValueError, match=f"holds a training with other .*{word}: give another folder"):
        call(2.0)

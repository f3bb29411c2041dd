"""Models of one kind share their traces: each trains as if it were alone."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest
from alike import VARIANTS, X, Y, after_others, alone, equal, made, set_attribute, trained

import kerasdl
from kerasdl import models
from kerasdl.training.programs import kinds, recent, twins

BACKEND, stock = keras.backend.backend(), keras.layers
pytestmark = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch traces no step for others")


def test_the_second_of_a_kind_is_not_traced_and_trains_the_same(monkeypatch):
    watched = {"validation_data": (X, Y)}
    expected = alone(made, **watched)
    if BACKEND == "tensorflow":
        assert equal(trained(made(), **watched), expected)  # by the twin, which is traced now
    calls = []
    for name in ("train_step", "test_step"):
        own = getattr(keras.Model, name)
        monkeypatch.setattr(keras.Model, name, lambda *args, own=own: calls.append(1) or own(*args))
    assert equal(trained(made(), **watched), expected)
    assert not calls
    other_rate = made(optimizer=lambda: keras.optimizers.Adam(0.3))
    assert not equal(trained(other_rate, **watched), expected)  # a rate is a variable
    assert not calls
    alone(made)
    assert calls


def in_a_row(*parts):
    """A Sequential, compiled by words, as most are."""
    kerasdl.set_seed(1)
    model = keras.Sequential(parts)
    model.compile("adam", "mse", metrics=["mae"])
    return model


FORMS = {
    "built at once": lambda: in_a_row(keras.Input((6,)), stock.Dense(3, "relu"), stock.Dense(1)),
    "built by its data": lambda: in_a_row(stock.Dense(3, "relu"), stock.Dense(1)),
    "recurrent": lambda: in_a_row(
        keras.Input((6,)), stock.Reshape((6, 1)), kerasdl.layers.LSTM(3), stock.Dense(1)
    ),
    "Keras's own": lambda: in_a_row(
        keras.Input((6,)),
        *(stock.Reshape((6, 1)), stock.Conv1D(3, 2), stock.BatchNormalization(), stock.Dropout(0.3)),
        *(stock.Bidirectional(stock.GRU(2, recurrent_dropout=0.2)), stock.Dense(1)),
    ),
    "nested": lambda: in_a_row(
        keras.Input((6,)), keras.Sequential([stock.Dense(3), stock.LayerNormalization()]), stock.Dense(1)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_models_in_a_row_share_their_trace_too(form, monkeypatch):
    expected = alone(FORMS[form])
    after_others(FORMS[form])
    calls, own = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda *args: calls.append(1) or own(*args))
    assert equal(trained(FORMS[form]()), expected)
    assert not calls


@pytest.fixture(scope="module")
def plain():
    """What is kept of plain models."""
    kept = recent.Recent(16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent, "SHARED", kept)
        after_others(made)
    return kept


@pytest.mark.parametrize("name", ["activation", "a frozen variable", "loss of one's own"])
def test_what_differs_is_trained_as_if_it_were_alone(name, plain, monkeypatch):
    expected = alone(VARIANTS[name])
    monkeypatch.setattr(recent, "SHARED", plain)
    assert equal(trained(VARIANTS[name]()), expected)  # after one of the plain kind


def test_a_model_changed_between_two_trainings_does_not_teach_the_others():
    expected = alone(made, rows=7)
    first = made()
    after_others(made)
    trained(first)
    first.layers[1].activation = keras.activations.tanh
    trained(first, rows=7)  # shapes that its kind has not seen
    assert equal(after_others(made, rows=7), expected)


def test_two_of_a_kind_can_be_trained_in_turns():
    expected = alone(made)
    one, other = made(), made()
    found = [trained(model) for model in (one, other, one, other)]
    assert kinds.kind(one) == kinds.kind(other) is not None
    assert equal(found[0], expected)
    assert equal(found[1], expected)
    assert equal(found[2], found[3])
    assert not equal(found[2], expected)


def test_metrics_and_weighted_metrics_of_one_name_are_told_apart():
    twice = {"metrics": ["mae"], "weighted_metrics": ["mae"]}
    plain = {"metrics": ["mae", "mae"], "weighted_metrics": []}
    weight = np.linspace(0, 5, 8, dtype="float32")

    def watched(asked):
        return made(lambda model: model.compile("sgd", "mse", **asked))

    expected = alone(lambda: watched(plain), sample_weight=weight)
    after_others(lambda: watched(twice), sample_weight=weight)
    assert equal(after_others(lambda: watched(plain), sample_weight=weight), expected)


def test_a_loss_that_computes_by_a_function_of_ones_own_has_no_kind():
    scale = {"is": 1.0}

    def own(y_true, y_pred):
        return scale["is"] * keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    def with_own(factor):
        scale["is"] = factor
        loss = keras.losses.MeanSquaredError()
        loss.fn = own
        return made(loss=loss)

    expected = alone(lambda: with_own(3.0))
    after_others(lambda: with_own(1.0))
    assert equal(after_others(lambda: with_own(3.0)), expected)


HALF = """
def half(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1) / {}
"""


def with_half(divisor=2):
    """A model whose loss and metric are a function made anew, as when a cell of a notebook runs again."""
    names = {"keras": keras}
    exec(HALF.format(divisor), names)
    return made(loss=names["half"], metrics=(names["half"],))


def test_functions_of_one_code_that_read_nothing_else_are_one_kind(monkeypatch):
    expected, third = alone(with_half), alone(lambda: with_half(3))
    recent.SHARED.clear()
    after_others(with_half)
    calls, own = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda *args: calls.append(1) or own(*args))
    assert equal(trained(with_half()), expected)
    assert not calls
    assert equal(trained(with_half(3)), third)
    assert calls


def test_what_cannot_be_a_key_has_no_kind_and_trains():
    expected = alone(made)
    for note in (([1, 2],), (np.arange(3),)):
        model = made(set_attribute("note", note))
        assert kinds.kind(model) is None
        assert equal(trained(model), expected)


def test_two_threads_train_models_of_one_kind_at_once(monkeypatch):
    step, expected, more = keras.Model.train_step, alone(made, rows=7), alone(made)
    one, other, found = made(), made(), []
    # Other shapes: the same ones JAX would trace for one thread after the other.
    beside = threading.Thread(target=lambda: found.append(trained(other, rows=7)), daemon=True)

    def step_while_another_trains(*args):
        if beside.ident is None:  # the first trace is not done when the other training begins and ends
            beside.start()
            beside.join(60)
        return step(*args)

    monkeypatch.setattr(keras.Model, "train_step", step_while_another_trains)
    assert equal(alone(lambda: one), more)
    assert equal(found[0], expected)


class Halves(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, 0.5, dtype)

    def get_config(self):
        return {}


def test_what_has_no_way_back_from_its_config_is_trained_all_the_same():
    def halves():
        keras.utils.clear_session(free_memory=False)
        kerasdl.set_seed(1)
        layer = keras.layers.Dense(1, kernel_initializer=Halves())
        model = keras.Sequential([keras.Input((6,)), layer])
        model.compile("sgd", "mse")
        return model

    expected = alone(halves)
    assert equal(after_others(halves), expected)


def test_what_is_kept_keeps_no_model_and_is_bounded(monkeypatch):
    recent.SHARED.clear()
    monkeypatch.setattr(recent.SHARED, "most", 2)
    seen = []
    for units in (2, 3, 4, 5):
        model = models.mlp(6, hidden=(units,), outputs=1)
        for _ in range(2):
            model = models.mlp(6, hidden=(units,), outputs=1)
            model.compile("sgd", "mse")
            trained(model)
            seen.append(weakref.ref(model))
        del model
    gc.collect()
    assert [one() for one in seen] == [None] * 8
    assert len(recent.SHARED) == 2


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX keeps traces itself")
def test_tables_of_many_sizes_leave_few_traces_and_no_warning(monkeypatch, caplog):
    from kerasdl.training.programs import tensorflow

    monkeypatch.setattr(tensorflow, "MOST", 3)
    recent.SHARED.clear()
    for rows in (3, 4, 5, 6, 7, 8, 9, 10):
        model = made()
        last = trained(model, rows=rows)
    twin = twins.known(kinds.kind(model))
    assert len(twin.traces.functions) == 3
    assert "retracing" not in caplog.text
    assert equal(alone(made, rows=10), last)

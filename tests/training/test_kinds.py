"""Models of one kind share their traces: each trains as if it were alone, and what differs is told apart."""

import gc
import threading
import weakref
from collections import OrderedDict

import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import borrowed, models, training
from kerasdl.training.programs import kinds, twins

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch traces no step for others")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 6)).astype("float32")
Y = RNG.normal(size=(10, 1)).astype("float32")


def made(change=None, *, dropout=0.2, l2=0.01, optimizer=None, loss="mse", metrics=("mae",)):
    """A compiled model, its names and draws as of the first of a process, and what ``change`` does to it."""
    keras.utils.clear_session(free_memory=False)
    kerasdl.set_seed(1)
    model = models.mlp(6, hidden=(4,), outputs=1, l2=l2, dropout=dropout)
    model.compile(optimizer() if optimizer else keras.optimizers.Adam(0.1), loss, metrics=list(metrics))
    if change:
        change(model)
    return model


def excluding(name):
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=[name])
    return optimizer


def set_attribute(name, value, layer=1):
    return lambda model: setattr(model.layers[layer], name, value)


def tanh(x):
    return 2 * keras.ops.tanh(x)


class Odd(keras.losses.MeanSquaredError):
    def call(self, y_true, y_pred):
        return 3 * super().call(y_true, y_pred)


VARIANTS = {
    "dropout": lambda: made(dropout=0.5),
    "penalty": lambda: made(l2=0.5),
    "no penalty": lambda: made(l2=0.0),
    "optimizer": lambda: made(optimizer=lambda: keras.optimizers.SGD(0.1)),
    "momentum": lambda: made(optimizer=lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    "its settings": lambda: made(optimizer=lambda: keras.optimizers.Adam(0.1, beta_1=0.5)),
    "clipped": lambda: made(optimizer=lambda: keras.optimizers.Adam(0.1, clipnorm=0.01)),
    "schedule": lambda: made(
        optimizer=lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))
    ),
    "what decays": lambda: made(optimizer=lambda: excluding("bias")),
    "what else decays": lambda: made(optimizer=lambda: excluding("kernel")),
    "loss": lambda: made(loss="mae"),
    "loss with settings": lambda: made(loss=keras.losses.MeanSquaredError(reduction="sum")),
    "loss of one's own": lambda: made(loss=Odd()),
    "metrics": lambda: made(metrics=("mse",)),
    "activation": lambda: made(set_attribute("activation", keras.activations.tanh)),
    "activation of one's own": lambda: made(set_attribute("activation", tanh)),
    "frozen": lambda: made(lambda model: (set_attribute("trainable", False)(model), recompile(model))),
    "a frozen variable": lambda: made(lambda model: setattr(model.layers[1].bias, "trainable", False)),
    "a call of one's own": lambda: made(set_attribute("call", lambda inputs, **_: inputs[:, :4])),
}


def recompile(model):
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])


def trained(model, rows=8, **how):
    kerasdl.set_seed(2)
    history = training.fit(model, X[:rows], Y[:rows], epochs=2, batch_size=4, **how)
    return [*model.get_weights(), history.to_numpy()]


def shared():
    """What is kept for models to come: traces on JAX, twins on TensorFlow."""
    if BACKEND == "jax":
        from kerasdl.training.programs import jax

        return jax
    return twins


def alone(make, **how):
    """The same training where nothing has been traced before."""
    shared()._kept.clear()
    return trained(make(), **how)


def after_others(make, **how):
    """The same training where its kind has been traced for others: twins are traced for the second one."""
    trained(make(), **how)
    trained(make(), **how)
    return trained(make(), **how)


def equal(ones, others):
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


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
    "built at once": lambda: in_a_row(
        keras.Input((6,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)
    ),
    "built by its data": lambda: in_a_row(keras.layers.Dense(3, "relu"), keras.layers.Dense(1)),
    "recurrent": lambda: in_a_row(
        keras.Input((6,)), keras.layers.Reshape((6, 1)), kerasdl.layers.LSTM(3), keras.layers.Dense(1)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_models_in_a_row_share_their_trace_too(form, monkeypatch):
    after_others(FORMS[form])
    calls, own = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda *args: calls.append(1) or own(*args))
    trained(FORMS[form]())
    assert not calls


@pytest.fixture(scope="module")
def plain():
    """What is kept of plain models."""
    after_others(made)
    return dict(shared()._kept)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_differs_has_another_kind(name):
    assert kinds.kind(ready(made())) is not None
    assert kinds.kind(ready(VARIANTS[name]())) != kinds.kind(ready(made()))


def ready(model):
    borrowed.build(model, (X[:1], Y[:1]))
    return model


@pytest.mark.parametrize("name", ["activation", "a frozen variable", "loss of one's own"])
def test_what_differs_is_trained_as_if_it_were_alone(name, plain):
    expected = alone(VARIANTS[name])
    shared()._kept = OrderedDict(plain)
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
    shared()._kept.clear()
    after_others(with_half)
    calls, own = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda *args: calls.append(1) or own(*args))
    assert equal(trained(with_half()), expected)
    assert not calls
    assert equal(trained(with_half(3)), third)
    assert calls


scale = 2.0


def of_a_number(y_true, y_pred):
    return scale * keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def of_a_default(y_true, y_pred, scale=2.0):
    return scale * keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def of_an_import(y_true, y_pred):
    import math

    return math.pi * keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def of_another_function(y_true, y_pred):
    square = lambda x: scale * x**2  # noqa: E731
    return keras.ops.mean(square(y_true - y_pred), axis=-1)


def of_what_stands_around():
    factor = 2.0

    def own(y_true, y_pred):
        return factor * keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    return own


@pytest.mark.parametrize(
    "function", [of_a_number, of_a_default, of_an_import, of_another_function, of_what_stands_around()]
)
def test_a_function_that_may_read_what_changes_has_no_kind(function):
    plain = made()
    trained(plain)
    assert kinds.kind(plain) is not None
    for model in (made(loss=function), made(metrics=(function,))):
        trained(model)
        assert kinds.kind(model) is None


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
    shared()._kept.clear()
    monkeypatch.setattr(shared(), "MOST", 2)
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
    assert len(shared()._kept) == 2


def plain_layers():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3), keras.layers.Dense(1)])


def in_one_graph():
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Activation("relu")(inputs)))


@pytest.mark.parametrize("make", [plain_layers, in_one_graph])
def test_names_that_keras_counts_up_make_no_kind_and_names_of_ones_own_do(make):
    found = []
    for name in (None, None, "own"):
        model = make()
        if name:
            model.layers[-1].name = name
        model.compile("adam", "mse", metrics=["mae"])
        found.append(kinds.kind(ready(model)))
    assert found[0] == found[1] is not None
    assert found[1] != found[2]


def test_a_kind_stays_the_same_while_a_model_is_used():
    model = made()
    trained(model)
    kind = kinds.kind(model)
    assert kind is not None
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    trained(model)
    assert kinds.kind(model) == kind


def test_what_cannot_be_told_has_no_kind():
    own = keras.layers.Dense(1, activation=keras.layers.LeakyReLU())
    model = keras.Sequential([keras.Input((6,)), own])
    model.compile("sgd", "mse")
    assert kinds.kind(ready(model)) is None
    doubled = keras.Model(inputs := keras.Input((6,)), 2 * keras.layers.Dense(1)(inputs))
    doubled.compile("sgd", "mse")
    assert kinds.kind(ready(doubled)) is None


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX keeps traces itself")
def test_tables_of_many_sizes_leave_few_traces_and_no_warning(monkeypatch, caplog):
    from kerasdl.training.programs import tensorflow

    monkeypatch.setattr(tensorflow, "MOST", 3)
    twins._kept.clear()
    for rows in (3, 4, 5, 6, 7, 8, 9, 10):
        last = trained(made(), rows=rows)
    (twin,) = twins._kept.values()
    assert len(twin.traces.functions) == 3
    assert "retracing" not in caplog.text
    assert equal(alone(made, rows=10), last)

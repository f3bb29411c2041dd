"""Models of one kind share their traces: each trains as if it were alone, and what differs is told apart."""

import gc
import weakref

import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import models, training
from kerasdl.training.programs import kinds

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="traces are shared on JAX")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 6)).astype("float32")
Y = RNG.normal(size=(10, 1)).astype("float32")


def made(change=None, *, dropout=0.2, l2=0.01, optimizer=None, loss="mse", metrics=("mae",)):
    """A compiled model, its names and draws as of the first of a process, and what ``change`` does to it."""
    keras.utils.clear_session()
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


def alone(make, **how):
    """The same training where nothing has been traced before."""
    from kerasdl.training.programs import jax

    jax._kept.clear()
    return trained(make(), **how)


def equal(ones, others):
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


def test_the_second_of_a_kind_is_not_traced_and_trains_the_same(monkeypatch):
    watched = {"validation_data": (X, Y)}
    expected = alone(made, **watched)
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


@pytest.fixture(scope="module")
def plain():
    """The kind of a plain model, which has been trained once; its traces are kept."""
    from kerasdl.training.programs import jax

    model = made()
    trained(model)
    return kinds.kind(model), dict(jax._kept)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_differs_is_trained_as_if_it_were_alone(name, plain):
    from kerasdl.training.programs import jax

    expected = alone(VARIANTS[name])
    kind, jax._kept = plain[0], jax.OrderedDict(plain[1])
    model = VARIANTS[name]()
    assert equal(trained(model), expected)  # after one of the plain kind
    assert kinds.kind(model) != kind


def test_a_model_changed_between_two_trainings_does_not_teach_the_others():
    expected = alone(made, rows=7)
    first = made()
    trained(first)
    first.layers[1].activation = keras.activations.tanh
    trained(first, rows=7)  # shapes that its kind has not seen
    assert equal(trained(made(), rows=7), expected)


def test_two_of_a_kind_can_be_trained_in_turns():
    expected = alone(made)
    one, other = made(), made()
    found = [trained(model) for model in (one, other, one, other)]
    assert kinds.kind(one) == kinds.kind(other) is not None
    assert equal(found[0], expected)
    assert equal(found[1], expected)
    assert equal(found[2], found[3])
    assert not equal(found[2], expected)


def test_traces_keep_no_model_and_are_bounded(monkeypatch):
    from kerasdl.training.programs import jax

    monkeypatch.setattr(jax, "MOST", 2)
    seen = []
    for units in (2, 3, 4, 5):
        model = models.mlp(6, hidden=(units,), outputs=1)
        model.compile("sgd", "mse")
        trained(model)
        seen.append(weakref.ref(model))
        del model
    gc.collect()
    assert [one() for one in seen] == [None] * 4
    assert len(jax._kept) == 2


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
    assert kinds.kind(built(model)) is None
    doubled = keras.Model(inputs := keras.Input((6,)), 2 * keras.layers.Dense(1)(inputs))
    doubled.compile("sgd", "mse")
    assert kinds.kind(built(doubled)) is None


def built(model):
    trained(model)
    return model

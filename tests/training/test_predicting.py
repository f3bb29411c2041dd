"""Outputs are those of Keras's predict, whatever the model, its inputs and what happened to it before."""

import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import layers, models
from kerasdl.training.predicting import KEPT, predict

RNG = np.random.default_rng(0)
X = RNG.normal(size=(11, 6)).astype("float32")
SERIES = RNG.normal(size=(11, 5, 3)).astype("float32")


def two_inputs():
    one, other = keras.Input((6,), name="one"), keras.Input((6,), name="other")
    both = keras.layers.Concatenate()([one, keras.layers.Dense(2)(other)])
    return keras.Model([one, other], keras.layers.Dense(1)(both)), [X, X[::-1]]


def two_outputs():
    inputs = keras.Input((6,))
    outputs = {"mean": keras.layers.Dense(1)(inputs), "spread": keras.layers.Dense(2, "softplus")(inputs)}
    return keras.Model(inputs, outputs), X


class Doubled(keras.Model):
    """Has a step of its own."""

    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1)

    def call(self, x):
        return self.last(x)

    def predict_step(self, *state_and_data):
        found = super().predict_step(*state_and_data)
        return (2 * found[0], *found[1:]) if isinstance(found, tuple) else 2 * found


def doubled():
    model = Doubled()
    model(X[:1])
    return model, X


def normalized():
    model = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    return model, X


MODELS = {
    "dropout": lambda: (models.mlp(6, hidden=(4,), outputs=2, dropout=0.5), X),
    "moving means": normalized,
    "lstm": lambda: (keras.Sequential([keras.Input((5, 3)), layers.LSTM(4), keras.layers.Dense(1)]), SERIES),
    "whole numbers": lambda: (
        keras.Sequential([keras.Input((5,), dtype="int32"), keras.layers.Embedding(4, 2)]),
        RNG.integers(4, size=(11, 5), dtype="int32"),
    ),
    "two inputs": two_inputs,
    "two outputs": two_outputs,
    "a step of its own": doubled,
    "bfloat16": lambda: (
        keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, dtype="mixed_bfloat16")]),
        X,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch_size", [4, 32])
def test_it_answers_as_keras_does(name, batch_size):
    model, x = MODELS[name]()
    found, theirs = predict(model, x, batch_size), model.predict(x, batch_size=batch_size, verbose=0)
    keras.tree.assert_same_structure(found, theirs)
    for ours, stock in zip(keras.tree.flatten(found), keras.tree.flatten(theirs), strict=True):
        assert (ours.dtype, ours.flags.writeable) == (stock.dtype, True)
        np.testing.assert_allclose(ours.astype(float), stock.astype(float), rtol=1e-6, atol=1e-7)
    assert KEPT in vars(model)


def test_a_state_goes_from_batch_to_batch_and_stays_with_the_model():
    ways = []
    for answer in (predict, lambda model, x, size: model.predict(x, batch_size=size, verbose=0)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layers.GRU(4, stateful=True)])
        ways.append([answer(model, SERIES[:6], 2), answer(model, SERIES[6:10], 2), *model.variables])
    for ours, stock in zip(*ways, strict=True):
        ours, stock = map(keras.ops.convert_to_numpy, (ours, stock))
        np.testing.assert_allclose(ours, stock, rtol=1e-6, atol=1e-7)


def changed_weights(model):
    model.set_weights([2 * weight for weight in model.get_weights()])


def changed_layer(model):
    model.layers[0].activation = keras.activations.tanh
    model.compile(model.optimizer, "mse")


def frozen(model):
    model.layers[0].trainable = False


@pytest.mark.parametrize("change", [changed_weights, changed_layer, frozen])
def test_what_has_changed_since_counts(change):
    model = models.mlp(6, hidden=(4,), outputs=1)
    model.compile("sgd", "mse")
    predict(model, X, 4)
    change(model)
    np.testing.assert_allclose(predict(model, X, 4), model.predict(X, verbose=0), rtol=1e-6, atol=1e-7)


def test_a_changed_model_leaves_those_of_its_former_kind_alone():
    one, other = [], []
    for found in (one, other):
        keras.utils.clear_session(free_memory=False)
        kerasdl.set_seed(1)
        found.append(models.mlp(6, hidden=(4,), outputs=1))
        found[0].compile("sgd", "mse")
    predict(one[0], X, 4)
    one[0].layers[0].activation = keras.activations.tanh
    predict(one[0], X, 5)  # traced now
    np.testing.assert_allclose(predict(other[0], X, 5), other[0].predict(X, verbose=0), rtol=1e-6, atol=1e-7)


class Own(keras.Sequential):
    def predict(self, x, **arguments):
        return 7 + super().predict(x, **arguments)


def test_a_predict_of_its_own_is_asked():
    model = Own([keras.Input((6,)), keras.layers.Dense(1)])
    np.testing.assert_array_equal(predict(model, X, 4), model.predict(X, batch_size=4, verbose=0))


def test_a_model_that_is_not_built_is_built_by_keras():
    model = keras.Sequential([keras.layers.Dense(1)])
    assert predict(model, X, 4).shape == (11, 1)
    assert predict(model, X, 4).shape == (11, 1)
    assert KEPT in vars(model)

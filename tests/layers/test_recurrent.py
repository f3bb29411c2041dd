"""The fast recurrent layers beside stock Keras with equal weights, in all that a layer does.

That each cell's numbers are right is tests/layers/test_cells.py's to show.
"""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import close, drawn, recurrence, to_numpy

from kerasdl import layers, training

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]],
    "one row masked": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 1, 1, 0, 0]],
}


def stock(cell):
    """Return a maker of the layer that runs a cell of ours in Keras's own loop."""

    def make(units, **arguments):
        of_the_layer = ("return_sequences", "return_state", "go_backwards")
        loop = {k: arguments.pop(k) for k in of_the_layer if k in arguments}
        return keras.layers.RNN(cell(units, **arguments), **loop, dtype=arguments.get("dtype"))

    return make


PAIRS = {
    "SimpleRNN": (layers.SimpleRNN, keras.layers.SimpleRNN, {}),
    "GRU": (layers.GRU, keras.layers.GRU, {}),
    "GRU, reset before": (layers.GRU, keras.layers.GRU, {"reset_after": False}),
    "LSTM": (layers.LSTM, keras.layers.LSTM, {}),
    "PeepholeLSTM": (layers.PeepholeLSTM, stock(layers.PeepholeLSTMCell), {}),
    "PeepholeLSTM, full": (layers.PeepholeLSTM, stock(layers.PeepholeLSTMCell), {"form": "full"}),
    "MGU": (layers.MGU, stock(layers.MGUCell), {}),
}


def data(count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    return x, [rng.normal(size=(BATCH, UNITS)).astype("float32") for _ in range(count)]


def check_equal(name, mask, initial, seed, tolerance=1e-5, **arguments):
    ours, stock, extra = PAIRS[name]
    pair = [make(UNITS, **extra, **arguments) for make in (ours, stock)]
    count = (2 if "LSTM" in name else 1) if initial else 0
    x, states = data(count, seed)
    for layer in pair:
        layer.build(x.shape)
    weights = drawn(pair[0], seed)
    (values, slopes), (expected, expected_slopes) = (
        recurrence(one, x, states, MASKS[mask], weights) for one in pair
    )
    assert all(close(a, b, tolerance) for a, b in zip(values, expected, strict=True))
    assert all(close(a, b, tolerance) for a, b in zip(slopes, expected_slopes, strict=True))


@settings(max_examples=6, deadline=None)
@given(
    name=st.sampled_from(sorted(PAIRS)),
    mask=st.sampled_from(sorted(MASKS)),
    initial=st.booleans(),
    seed=st.integers(0, 99),
    arguments=st.fixed_dictionaries(
        {
            "return_sequences": st.booleans(),
            "return_state": st.booleans(),
            "go_backwards": st.booleans(),
            "use_bias": st.booleans(),
            "activation": st.sampled_from(["tanh", "relu", "sigmoid", "linear", "elu"]),
        }
    ),
)
def test_any_arguments_give_what_keras_gives(name, mask, initial, seed, arguments):
    check_equal(name, mask, initial, seed, **arguments)


@pytest.mark.parametrize("mask", ["none", "holes", "one row masked"])
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_both_directions_run_fast_and_equal_keras(name, mask, monkeypatch):
    x, _ = data(0)
    ours, stock, _ = PAIRS[name]
    pair = [keras.layers.Bidirectional(make(UNITS, return_sequences=True)) for make in (stock, ours)]
    for layer in pair:
        layer.build(x.shape)
    weights = drawn(pair[0])
    expected = recurrence(pair[0], x, [], MASKS[mask], weights)
    monkeypatch.setattr(stock, "inner_loop", None)  # ours must not fall back on it
    found = recurrence(pair[1], x, [], MASKS[mask], weights)
    for one, other in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
        assert close(one, other, 1e-5)


def models_of(layer, **compile_arguments):
    inputs = keras.Input((None, FEATURES))
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile("sgd", "mse", **compile_arguments)
    return model


@pytest.mark.parametrize("jit_compile", ["auto", False])
def test_fit_trains_as_keras_does(jit_compile):
    x, _ = data(0)
    losses, weights = [], None
    for kind in (layers.LSTM, keras.layers.LSTM):
        model = models_of(
            keras.layers.Bidirectional(kind(UNITS, dropout=0.5, seed=3)), jit_compile=jit_compile
        )
        weights = weights or drawn(model)
        model.set_weights(weights)
        history = model.fit(x, np.ones((BATCH, 1)), epochs=3, shuffle=False, verbose=0).history
        losses.append(history["loss"] + [model.evaluate(x, np.ones((BATCH, 1)), verbose=0)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


WAYS = {"compiled": {"jit_compile": True}, "traced": {"jit_compile": False}, "eager": {"run_eagerly": True}}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch's compiler warns of what it does itself
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PAIRS)
def test_both_fits_train_as_keras_does_in_every_way(name, way, masked):
    ours, stock, extra = PAIRS[name]
    x, _ = data(0)
    x[np.equal(MASKS["holes"], 0)] = 0
    trained, weights = [], None
    for make, fit in [(stock, keras.Model.fit), (ours, keras.Model.fit), (ours, training.fit)]:
        model = keras.Sequential([keras.Input((TIME, FEATURES)), *[keras.layers.Masking()] * masked])
        model.add(make(UNITS, **extra))
        model.add(keras.layers.Dense(1))
        model.compile("adam", "mse", **WAYS[way])
        weights = weights or drawn(model)
        model.set_weights(weights)
        fit(model, x, np.ones((BATCH, 1)), epochs=3, batch_size=2, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for found in trained[1:]:
        assert all(close(one, other, 1e-5) for one, other in zip(found, trained[0], strict=True))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("mixed_bfloat16", name) for name in ("GRU", "LSTM", "PeepholeLSTM")] + [("mixed_float16", "LSTM")],
)
def test_half_precision_stays_beside_keras(dtype, name):
    check_equal(name, "right", True, 0, 2e-2, dtype=dtype, return_sequences=True, return_state=True)


@pytest.mark.parametrize("unroll", [False, True])
def test_stateful_layers_carry_their_state_as_keras_does(unroll):
    x, _ = data(0)
    found = []
    for kind in (layers.GRU, keras.layers.GRU):
        layer = kind(UNITS, stateful=True, unroll=unroll)
        layer.build(x.shape)
        layer.set_weights([*drawn(layer)[:3], *layer.get_weights()[3:]])
        layer(x)
        found.append(keras.ops.convert_to_numpy(layer(x)))
    assert close(*found, 1e-5)


def test_a_layer_survives_its_config_and_a_file(tmp_path):
    x, _ = data(0)
    for name, (ours, _, extra) in PAIRS.items():
        model = models_of(keras.layers.Bidirectional(ours(UNITS, **extra)))
        path = tmp_path / f"{name}.keras"
        model.save(path)
        again = keras.saving.load_model(path)
        assert type(again.layers[1].forward_layer) is ours
        assert again.predict(x, verbose=0) == pytest.approx(model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_a_gradient_of_a_gradient_is_right_or_refused(name):
    x, _ = data(0)
    found = []
    for make in PAIRS[name][:2]:
        layer = make(UNITS)
        layer.build(x.shape)
        layer.set_weights(drawn(layer))
        found.append(second_derivative(layer, x))
        if found[0] is None:  # refused, in words
            return
    assert close(*found, 1e-4)


def second_derivative(layer, x):
    """d Σ (d Σ output / dx)² / dx; None where the backend refuses it."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        slope = jax.grad(lambda x: keras.ops.sum(layer(x)))
        return jax.grad(lambda x: keras.ops.sum(slope(x) ** 2))(x)
    if backend == "tensorflow":
        import tensorflow as tf

        tensor = tf.convert_to_tensor(x)
        with tf.GradientTape() as outer:
            outer.watch(tensor)
            with tf.GradientTape() as inner:
                inner.watch(tensor)
                output = tf.reduce_sum(layer(tensor))
            squares = tf.reduce_sum(inner.gradient(output, tensor) ** 2)
        with pytest.raises(NotImplementedError, match="gradient of a gradient"):
            outer.gradient(squares, tensor)
        return None
    import torch

    tensor = keras.ops.convert_to_tensor(x).requires_grad_()
    if isinstance(layer, layers.GRU):
        with pytest.raises(NotImplementedError, match="gradient of a gradient"):
            torch.autograd.grad(layer(tensor).sum(), tensor, create_graph=True)
        return None
    (slope,) = torch.autograd.grad(layer(tensor).sum(), tensor, create_graph=True)
    (second,) = torch.autograd.grad((slope**2).sum(), tensor)
    return to_numpy(second)


def test_a_file_that_knows_another_home_of_a_layer_still_loads():
    for kind in (layers.GRU, layers.PeepholeLSTM):
        config = keras.saving.serialize_keras_object(kind(UNITS))
        config["module"] = "kerasdl.layers.recurrent"  # where they stood before each cell had a file
        assert type(keras.saving.deserialize_keras_object(config)) is kind

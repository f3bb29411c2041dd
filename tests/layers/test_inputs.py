"""What a recurrent layer answers to inputs of any shape: what stock Keras answers, or one clear line.

Random shapes run in a Python of their own: a kernel that reads past the end of an array ends the process, or
changes what another test sees.
"""

import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from oracles import close, drawn, gradients, to_numpy
from places import CHECKOUT, TESTS

from kerasdl import layers, models
from kerasdl.layers.cells.base import REGISTRY

FEATURES, UNITS = 4, 3
BACKEND = keras.backend.backend()
STOCK = ["SimpleRNN", "GRU", "LSTM"]


def pair(name, **arguments):
    """Our layer and Keras's, with equal weights."""
    made = [getattr(home, name)(UNITS, **arguments) for home in (layers, keras.layers)]
    for layer in made:
        layer.build((None, None, FEATURES))
        layer.set_weights(drawn(made[0]))
    return made


def sequences(rows=3, steps=5, features=FEATURES):
    return np.random.default_rng(0).normal(size=(rows, steps, features)).astype("float32")


def random_call(rng):
    """Draw one call: a cell and shapes of x, states and mask, right or wrong."""

    def near(n):
        return int(rng.choice([n, n, n, n, 1, n + 1, max(n - 2, 0)]))

    name = str(rng.choice(STOCK))
    rows, steps = int(rng.integers(0, 4)), int(rng.integers(1, 4))
    x = rng.normal(size=(rows, steps, near(FEATURES))).astype("float32")
    states = [
        rng.normal(size=(near(rows), near(UNITS))).astype("float32")
        for _ in range(2 if name == "LSTM" else 1)
    ]
    shape = [near(rows), near(steps), *([int(rng.choice([1, UNITS]))] if rng.random() < 0.3 else [])]
    mask = rng.random(shape) < 0.7
    arguments = {"initial_state": states} if rng.random() < 0.6 else {}
    if rng.random() < 0.6:
        arguments["mask"] = keras.ops.convert_to_tensor(mask)
    return name, x, arguments


def answer(layer, x, arguments):
    """Return a layer's results, or the error."""
    try:
        return [to_numpy(a) for a in keras.tree.flatten(layer(x, **arguments))]
    except Exception as error:  # noqa: BLE001 - stock answers with errors of many kinds
        return error


def try_many(calls, seed):
    rng = np.random.default_rng(seed)
    pairs = {name: pair(name, return_sequences=True, return_state=True) for name in STOCK}
    answered = refused = 0
    for _ in range(calls):
        name, x, arguments = random_call(rng)
        ours, stock = (answer(layer, x, arguments) for layer in pairs[name])
        told = (
            f"{name} {x.shape} { {k: keras.tree.map_structure(np.shape, v) for k, v in arguments.items()} }"
        )
        if isinstance(ours, ValueError) or (isinstance(ours, Exception) and isinstance(stock, Exception)):
            refused += 1
            continue
        assert not isinstance(ours, Exception), f"{told}: {ours}"
        answered += 1
        if not isinstance(stock, Exception):
            assert all(close(a, b, 1e-5) for a, b in zip(ours, stock, strict=True)), told
    assert answered > calls / 10, "hardly a call was answered"
    assert refused > calls / 10, "hardly a call was refused"
    print("held")


def test_calls_of_any_shape_end_in_stock_s_answer_or_an_error():
    calls = 300 if BACKEND == "torch" else 30
    path = os.pathsep.join(map(str, (CHECKOUT, TESTS, TESTS / "layers")))
    command = [sys.executable, "-W", "ignore", "-c", f"import test_inputs; test_inputs.try_many({calls}, 0)"]
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-1500:]
    assert run.stdout.endswith("held\n")


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize(
    ("features", "states", "message"),
    [
        (2, None, "was built for 4 features, sequences have 2"),
        (8, None, "was built for 4 features, sequences have 8"),
        (FEATURES, (3, UNITS + 1), r"does not fit .*: give \(3, 3\)"),
        (FEATURES, (2, UNITS), r"does not fit .*: give \(3, 3\)"),
        (FEATURES, (UNITS,), r"does not fit .*: give \(3, 3\)"),
    ],
)
def test_sizes_that_do_not_fit_are_named(name, features, states, message):
    layer = REGISTRY[name].layer(UNITS)
    layer.build((None, None, FEATURES))
    arguments = (
        {} if states is None else {"initial_state": [np.ones(states, "float32")] * len(layer.state_size)}
    )
    with pytest.raises(ValueError, match=message):
        layer(sequences(features=features), **arguments)


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("shape", [(3, 1), (1, 6), (3, 4, UNITS), (2, 5), (5,), ()])
def test_a_mask_of_other_steps_or_rows_is_named(name, shape):
    layer = REGISTRY[name].layer(UNITS)
    layer.build((None, None, FEATURES))
    given = re.escape(f"mask of shape {shape} does not fit sequences of shape (3, 5, 4): give (3, 5)")
    with pytest.raises(ValueError, match=given):
        layer(sequences(), mask=keras.ops.ones(shape, "bool"))


@pytest.mark.parametrize("name", REGISTRY)
def test_a_list_is_no_mask_and_complex_numbers_are_no_sequences(name):
    layer = REGISTRY[name].layer(UNITS)
    with pytest.raises(ValueError, match=r"give an array of shape \(3, 5\)"):
        layer(sequences(), mask=[[True] * 5] * 3)
    with pytest.raises(ValueError, match="reads real numbers"):
        layer(sequences().astype("complex64"))


@pytest.mark.parametrize("name", REGISTRY)
def test_states_may_be_given_as_a_list_in_a_list(name):
    layer = REGISTRY[name].layer(UNITS)
    states = [np.full((3, UNITS), 0.5, "float32")] * len(layer.state_size)
    expected = to_numpy(layer(sequences(), initial_state=states))
    assert close(layer(sequences(), initial_state=[states]), expected, 1e-6)


def test_the_number_of_states_is_named():
    layer = layers.LSTM(UNITS)
    with pytest.raises(ValueError, match=r"initial_state of shapes \(3, 3\) does not fit"):
        layer(sequences(), initial_state=[np.ones((3, UNITS), "float32")])


@pytest.mark.parametrize("name", REGISTRY)
def test_one_state_serves_every_row(name):
    layer = REGISTRY[name].layer(UNITS, return_sequences=True)
    one = np.ones((1, UNITS), "float32")
    count = len(layer.state_size)
    expected = to_numpy(layer(sequences(), initial_state=[one.repeat(3, axis=0)] * count))
    assert close(layer(sequences(), initial_state=[one] * count), expected, 1e-6)


@pytest.mark.parametrize("name", STOCK)
def test_a_mask_may_have_a_third_axis(name):
    ours, stock = pair(name, return_sequences=True)
    mask = keras.ops.convert_to_tensor(np.array([[1, 0, 1, 1, 0]] * 3, bool)[..., None])
    assert close(ours(sequences(), mask=mask), to_numpy(stock(sequences(), mask=mask)), 1e-6)


def test_a_mask_with_an_axis_of_words_trains_where_it_does_in_stock():
    found = []
    for home in (layers, keras.layers):
        inputs = keras.Input((3, 4), dtype="int32")
        words = keras.layers.Embedding(5, 4, mask_zero=True, embeddings_initializer="ones")(inputs)
        start = {"kernel_initializer": "ones", "recurrent_initializer": "zeros"}
        lines = keras.layers.TimeDistributed(home.SimpleRNN(4, **start))(words)
        model = keras.Model(inputs, home.SimpleRNN(4, **start)(lines))
        model.compile("sgd", "mse")
        x = np.array([[[1, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]]], "int32")
        try:
            found.append(model.fit(x, np.ones((1, 4)), epochs=2, verbose=0).history["loss"])
        except Exception:  # noqa: BLE001 - where stock cannot, we need not
            found.append(None)
    assert found[1] is None or found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_a_dropout_of_1_drops_what_it_drops_in_stock(name):
    ours, stock = pair(name, dropout=1.0)
    assert close(ours(sequences(), training=True), to_numpy(stock(sequences(), training=True)), 1e-6)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_layer_shows_all_that_it_was_made_with(name):
    layer = REGISTRY[name].layer(UNITS)
    config = layer.get_config()
    shown = {key: getattr(layer, key) for key in config if key not in ("dtype", "seed", "implementation")}
    plain = {key: value for key, value in shown.items() if isinstance(config[key], (bool, int, float, str))}
    assert {key: getattr(value, "__name__", value) for key, value in plain.items()} == {
        key: config[key] for key in plain
    }


def test_a_forgotten_batch_size_is_named():
    model = models.language_model(8, "lstm", units=3, layers=1, batch_size=4)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.ones((32, 6), "int32")
    with pytest.raises(
        Exception, match=r"batch of 32, and .* carries the states of 4 rows: give batch_size=4"
    ):
        model(x)


def test_steps_of_nan_are_padding_too():
    x = sequences(rows=1, steps=3)
    x[0, 1] = np.nan
    steps = layers.Steps(mask_value=float("nan"))
    assert to_numpy(steps.compute_mask(keras.ops.convert_to_tensor(x))).tolist() == [[True, False, True]]
    assert np.isfinite(to_numpy(steps(x))).all()


def test_maxout_hands_a_mask_on():
    inputs = keras.Input((None, FEATURES))
    masked = keras.layers.Masking(0.0)(inputs)
    x = sequences(rows=2)
    x[:, 3:] = 0
    losses = []
    for hidden in (layers.Maxout(2), keras.layers.Dense(2)):
        model = keras.Model(inputs, hidden(masked))
        model.compile("sgd", "mse")
        y = model.predict(x, verbose=0)
        y[:, 3:] = 1000
        losses.append(model.evaluate(x, y, verbose=0))
    assert losses == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.skipif(BACKEND != "torch", reason="only torch changes tensors in place")
@pytest.mark.parametrize("name", REGISTRY)
def test_a_result_may_be_changed_in_place(name):
    layer = REGISTRY[name].layer(UNITS, return_sequences=True, return_state=True)
    layer.build((None, None, FEATURES))
    layer.set_weights(drawn(layer))

    def changed(x):
        outputs, *states = layer(x)
        outputs.mul_(2)
        for state in states:
            state.add_(1.0)
        return keras.ops.sum(keras.ops.sin(outputs)) + sum(keras.ops.sum(keras.ops.sin(s)) for s in states)

    def copied(x):
        outputs, *states = layer(x)
        return keras.ops.sum(keras.ops.sin(outputs * 2)) + sum(
            keras.ops.sum(keras.ops.sin(s + 1)) for s in states
        )

    x = sequences()
    assert close(gradients(changed, x)[0], gradients(copied, x)[0], 1e-6)


@pytest.mark.skipif(BACKEND != "torch", reason="only torch changes tensors in place")
@pytest.mark.parametrize("name", REGISTRY)
def test_a_mask_may_be_changed_in_place(name):
    layer = REGISTRY[name].layer(UNITS, return_sequences=True)
    layer.build((None, None, FEATURES))
    layer.set_weights(drawn(layer))

    def slope(change):
        def total(x):
            mask = keras.ops.convert_to_tensor(np.array([[1, 0, 1, 1, 0]] * 3, bool))
            outputs = layer(x, mask=mask)
            if change:
                mask.fill_(True)
            return keras.ops.sum(outputs)

        return gradients(total, sequences())[0]

    assert close(slope(True), slope(False), 1e-6)

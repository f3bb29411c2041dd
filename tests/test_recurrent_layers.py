"""The fast recurrent layers beside stock Keras with equal weights: outputs, states and every gradient."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gradients

from kerasdl import layers

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]],
    "one row masked": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 1, 1, 0, 0]],
}


def peephole(units, form="per_unit", **arguments):
    """The peephole cell in Keras's own loop."""
    cell_arguments = {k: arguments.pop(k) for k in ("activation", "use_bias") if k in arguments}
    cell_arguments |= {k: arguments.pop(k) for k in ("recurrent_activation",) if k in arguments}
    return keras.layers.RNN(layers.PeepholeLSTMCell(units, form, **cell_arguments), **arguments)


PAIRS = {
    "SimpleRNN": (layers.SimpleRNN, keras.layers.SimpleRNN, {}),
    "GRU": (layers.GRU, keras.layers.GRU, {}),
    "GRU, reset before": (layers.GRU, keras.layers.GRU, {"reset_after": False}),
    "LSTM": (layers.LSTM, keras.layers.LSTM, {}),
    "PeepholeLSTM": (layers.PeepholeLSTM, peephole, {}),
    "PeepholeLSTM, full": (layers.PeepholeLSTM, peephole, {"form": "full"}),
}


def close(ours, theirs, tolerance):
    """Whether two arrays are equal, relative to the largest value."""
    ours, theirs = (np.asarray(a, "float64") for a in (ours, theirs))
    scale = max(np.abs(theirs).max(initial=0), 1e-3)
    return ours.shape == theirs.shape and np.abs(ours - theirs).max(initial=0) <= tolerance * scale


def drawn(layer, seed=0):
    """Weights for a layer, none of them zero."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=w.shape, scale=0.4).astype("float32") for w in layer.weights]


def results(layer, x, states, mask, weights):
    """Outputs and states, and the gradients with respect to x, the states and the weights."""
    frozen = [v.value for v in layer.non_trainable_variables]
    arguments = {} if mask is None else {"mask": keras.ops.convert_to_tensor(np.array(mask, bool))}

    def outputs(x, *rest):
        initial = {"initial_state": list(rest[: len(states)])} if states else {}
        found, _ = layer.stateless_call(list(rest[len(states) :]), frozen, x, **initial, **arguments)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def scalar(*tensors):
        rng = np.random.default_rng(1)
        found = outputs(*tensors)
        weigh = lambda f: keras.ops.convert_to_tensor(rng.normal(size=f.shape).astype("float32"))  # noqa: E731
        parts = [keras.ops.sum(f * weigh(f)) for f in found]
        return sum(parts[1:], parts[0])

    arrays = [x, *states, *weights]
    values = outputs(*map(keras.ops.convert_to_tensor, arrays))
    return [keras.ops.convert_to_numpy(v) for v in values], gradients(scalar, *arrays)


def data(count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    return x, [rng.normal(size=(BATCH, UNITS)).astype("float32") for _ in range(count)]


def check_equal(name, mask, initial, seed, **arguments):
    ours, stock, extra = PAIRS[name]
    pair = [make(UNITS, **extra, **arguments) for make in (ours, stock)]
    count = (2 if "LSTM" in name else 1) if initial else 0
    x, states = data(count, seed)
    for layer in pair:
        layer.build(x.shape)
    weights = drawn(pair[0], seed)
    (values, slopes), (expected, expected_slopes) = (
        results(one, x, states, MASKS[mask], weights) for one in pair
    )
    assert all(close(a, b, 1e-5) for a, b in zip(values, expected, strict=True))
    assert all(close(a, b, 1e-5) for a, b in zip(slopes, expected_slopes, strict=True))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", PAIRS)
def test_outputs_states_and_gradients_equal_keras(name, mask):
    check_equal(name, mask, initial=mask != "left", seed=0, return_sequences=True, return_state=True)


@settings(max_examples=8, deadline=None)
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

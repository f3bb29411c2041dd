"""What lets sequences in, carries their states and looks back at them: under every dtype, of any shape."""

import keras
import numpy as np
import pytest
from oracles import close, drawn, to_numpy

from kerasdl import layers, models
from kerasdl.layers.cells.base import REGISTRY

HALVES = ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"]


def sequences(rows=2, steps=6, features=3):
    return np.random.default_rng(0).normal(size=(rows, steps, features)).astype("float32")


def as_float32(tensor):
    return to_numpy(keras.ops.cast(tensor, "float32"))


@pytest.mark.parametrize("policy", ["float32", *HALVES])
@pytest.mark.parametrize("value", [0.1, -999.25, 0.0])
def test_padding_is_found_in_every_precision(policy, value):
    x = sequences(steps=4)
    x[0, 2:] = x[1, 0] = value
    steps = layers.Steps(mask_value=value, dtype=policy)
    read = keras.ops.cast(x, steps.compute_dtype)  # as Keras hands it to the layer
    assert to_numpy(steps.compute_mask(read)).tolist() == [
        [True, True, False, False],
        [False, True, True, True],
    ]
    assert (as_float32(steps(x))[0, 2:] == 0).all()


def test_whole_numbers_are_no_padding_of_half_a_number():
    steps = layers.Steps(mask_value=0.5)
    assert to_numpy(steps.compute_mask(keras.ops.zeros((1, 2, 3), "int32"))).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", REGISTRY)
def test_a_state_is_carried_in_every_precision(name, policy):
    both = {"return_sequences": True, "return_state": True, "dtype": policy}
    carried = layers.Carried(REGISTRY[name].layer(4, **both), dtype=policy)
    x = sequences()
    parts = [as_float32(carried(x[:, :3])), as_float32(carried(x[:, 3:]))]
    assert close(np.concatenate(parts, axis=1), as_float32(carried.layer(x)[0]), 2e-2)


def test_what_has_no_state_of_its_own_carries_none():
    both_ways = keras.layers.Bidirectional(layers.GRU(3, return_sequences=True, return_state=True))
    stack = keras.layers.RNN([keras.layers.GRUCell(3)] * 2, return_sequences=True, return_state=True)
    for layer in (both_ways, stack, keras.layers.Dense(3)):
        with pytest.raises(TypeError, match=f"is a {type(layer).__name__}: give a recurrent layer"):
            layers.Carried(layer)


def test_there_is_nothing_to_reset_before_the_first_batch():
    carried = layers.Carried(layers.GRU(3, return_sequences=True, return_state=True))
    carried.reset_state()
    carried(sequences())
    carried.reset_state()
    assert not to_numpy(carried.states[0]).any()


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [(layers.Steps(), (3,), 3), (layers.Steps(0.0), (2, 3), 3), (layers.Tokens(4), (2,), 2)],
)
def test_too_few_axes_are_named(layer, shape, axes):
    with pytest.raises(ValueError, match=f"expected min_ndim={axes}, found ndim={len(shape)}"):
        layer(np.ones(shape, "float32"))


def test_powers_hand_a_mask_on():
    inputs = keras.Input((None, 1))
    powers = layers.Powers(2)(keras.layers.Masking(0.0)(inputs))
    model = keras.Model(inputs, keras.layers.RNN(keras.layers.SimpleRNNCell(1))(powers))
    x = np.array([[[0.5], [0.2], [0.0]]], "float32")
    assert close(model(x), model(x[:, :2]), 1e-6)


@pytest.mark.parametrize(
    "layer",
    [layers.Maxout(4), layers.Steps(0.0), layers.Dropout(0.5), layers.Attention()],
    ids=lambda one: one.name,
)
def test_no_rows_are_answered_with_none(layer):
    nothing = sequences(rows=0, features=4)
    more = {"memory": nothing} if isinstance(layer, layers.Attention) else {}
    assert tuple(layer(nothing, **more).shape) == (0, 6, 4)


def test_an_empty_memory_is_answered_as_a_masked_one():
    query = sequences()
    empty = layers.Attention()(query, query[:, :0])
    masked = layers.Attention()(query, query, memory_mask=keras.ops.zeros((2, 6), "bool"))
    assert close(empty, masked, 0)


@pytest.mark.parametrize(
    ("query", "memory", "mask", "message"),
    [
        ((2, 3), (2, 5, 3), None, r"query of shape \(2, 3\) and memory of shape \(2, 5, 3\): give \(batch"),
        ((2, 4, 3), (1, 5, 3), None, r"and memory of shape \(1, 5, 3\)"),
        ((2, 4, 3), (2, 5, 4), None, r"and memory of shape \(2, 5, 4\)"),
        ((2, 4, 3), (2, 5, 3), (2, 4), r"memory_mask of shape \(2, 4\) does not fit memory: give \(2, 5\)"),
        ((5, 5, 3), (5, 5, 3), (5, 5, 1), r"memory_mask of shape \(5, 5, 1\) does not fit"),
    ],
)
def test_attention_refuses_what_would_be_stretched_to_fit(query, memory, mask, message):
    given = {} if mask is None else {"memory_mask": keras.ops.ones(mask, "bool")}
    with pytest.raises(ValueError, match=message):
        layers.Attention()(keras.ops.ones(query), keras.ops.ones(memory), **given)


@pytest.mark.parametrize("teacher", [(2, 4, 2), (1, 5, 2), (2, 5, 1)])
def test_a_teacher_of_another_shape_is_named(teacher):
    layer = models.output_recurrent(3, 2, units=4).get_layer("output_recurrent")
    with pytest.raises(ValueError, match=r"does not fit the sequences: give \(2, 5, 2\)"):
        layer(keras.ops.ones((2, 5, 3)), keras.ops.ones(teacher))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch draws a mask in the order of memory")
@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("masked", [False, True])
def test_stock_dropout_behind_a_layer_drops_what_it_drops_behind_stock_s(name, masked):
    given = {"mask": keras.ops.convert_to_tensor(np.arange(6) < [[4], [6]])} if masked else {}
    found = []
    for home in (layers, keras.layers):
        layer = getattr(home, name)(4, return_sequences=True)
        layer.build((2, 6, 3))
        layer.set_weights(drawn(layer))
        outputs = layer(sequences(), **given)
        keras.utils.set_random_seed(0)
        found.append(to_numpy(keras.layers.Dropout(0.5)(outputs, training=True)))
    assert close(*found, 1e-5)

"""Which models are of one kind? Those whose steps are one function; what differs is told apart."""

import keras
import pytest
from alike import VARIANTS, X, Y, made, ready, trained

from kerasdl import borrowed
from kerasdl.training.programs import kinds

stock = keras.layers
pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch traces no step for others"
)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_differs_has_another_kind(name):
    assert kinds.kind(ready(made())) is not None
    assert kinds.kind(ready(VARIANTS[name]())) != kinds.kind(ready(made()))


def embedded(mask):
    return [stock.Embedding(9, 4, mask_zero=mask), stock.LSTM(3)]


def in_time(*parts):
    return [stock.Reshape((6, 1)), *parts, stock.Flatten()]


def in_space(*parts):
    return [stock.Reshape((3, 2, 1)), *parts, stock.Flatten()]


def joined(layer):
    """Two ways through a graph, which come together again."""
    inputs = keras.Input((6,))
    return [keras.Model(inputs, layer([stock.Dense(3)(inputs), stock.Dense(3)(inputs)]))]


def attending(layer):
    inputs = keras.Input((6,))
    values = stock.Reshape((3, 2))(inputs)
    pair = [values, values]
    outputs = layer(*pair) if isinstance(layer, stock.MultiHeadAttention) else layer(pair)
    return [keras.Model(inputs, stock.Flatten()(outputs))]


MERGING = (stock.Add, stock.Subtract, stock.Multiply, stock.Average, stock.Maximum, stock.Minimum)
# Layers of Keras that models of one kind may have: how they stand in a model, and two settings.
STACKS = [
    (lambda own: [stock.Dense(3), stock.Activation(own)], "relu", "tanh"),
    (lambda own: [stock.Dense(3), stock.ReLU(max_value=own)], 1.0, 2.0),
    (lambda own: [stock.Dense(3), stock.LeakyReLU(own)], 0.1, 0.2),
    (lambda own: [stock.Dense(3), stock.ELU(own)], 0.5, 2.0),
    (lambda own: in_time(stock.Dense(3), stock.PReLU(shared_axes=own)), None, [1]),
    (lambda own: in_time(stock.Dense(3), stock.Softmax(own)), 1, 2),
    (embedded, False, True),
    (lambda own: [stock.Reshape((6, 1)), stock.Masking(own), stock.LSTM(3)], 0.0, 1.0),
    (lambda own: [stock.Dense(3), stock.RepeatVector(own), stock.Flatten()], 2, 3),
    (lambda own: [stock.Reshape((3, 2)), stock.Permute(own), stock.GlobalMaxPooling1D()], (1, 2), (2, 1)),
    (lambda own: [stock.Rescaling(own)], 2.0, 3.0),
    *((lambda own, merge=merge: joined(merge(dtype=own)), "float32", "float16") for merge in MERGING),
    (lambda own: joined(stock.Concatenate(own)), 1, -1),
    (lambda own: joined(stock.Dot(1, normalize=own)), False, True),
    (lambda own: in_time(stock.Conv1D(2, 2, dilation_rate=own)), 1, 2),
    (lambda own: in_time(stock.DepthwiseConv1D(2, strides=own)), 1, 2),
    (lambda own: in_time(stock.SeparableConv1D(2, 2, padding=own)), "valid", "same"),
    (lambda own: in_time(stock.ZeroPadding1D(own)), 1, 2),
    (lambda own: in_time(stock.UpSampling1D(own)), 1, 2),
    (lambda own: in_time(stock.MaxPooling1D(own)), 2, 3),
    (lambda own: in_time(stock.AveragePooling1D(own)), 2, 3),
    (lambda own: in_time(stock.GlobalMaxPooling1D(keepdims=own)), False, True),
    (lambda own: in_time(stock.GlobalAveragePooling1D(keepdims=own)), False, True),
    (lambda own: in_space(stock.Conv2D(2, own)), 1, 2),
    (lambda own: in_space(stock.Conv2DTranspose(2, 2, padding=own)), "valid", "same"),
    (lambda own: in_space(stock.DepthwiseConv2D(2, use_bias=own)), False, True),
    (lambda own: in_space(stock.SeparableConv2D(2, 2, depth_multiplier=own)), 1, 2),
    (lambda own: in_space(stock.ZeroPadding2D(own)), 1, 2),
    (lambda own: in_space(stock.UpSampling2D(2, interpolation=own)), "nearest", "bilinear"),
    (lambda own: in_space(stock.MaxPooling2D(2, padding=own)), "valid", "same"),
    (lambda own: in_space(stock.AveragePooling2D(2, padding=own)), "valid", "same"),
    (lambda own: in_space(stock.GlobalMaxPooling2D(keepdims=own)), False, True),
    (lambda own: in_space(stock.GlobalAveragePooling2D(keepdims=own)), False, True),
    (lambda own: [stock.Dense(4), stock.BatchNormalization(momentum=own)], 0.9, 0.5),
    (lambda own: [stock.Dense(4), stock.LayerNormalization(epsilon=own)], 1e-3, 1e-5),
    (lambda own: [stock.Dense(4), stock.GroupNormalization(own)], 2, 4),
    (lambda own: in_time(stock.Dense(4), stock.UnitNormalization(own)), 1, 2),
    (lambda own: [stock.Dense(4), stock.Dropout(own)], 0.2, 0.5),
    (lambda own: in_time(stock.SpatialDropout1D(own)), 0.2, 0.5),
    (lambda own: in_space(stock.SpatialDropout2D(own)), 0.2, 0.5),
    (lambda own: [stock.GaussianNoise(own)], 0.2, 0.5),
    (lambda own: in_time(stock.SimpleRNN(3, dropout=own)), 0.0, 0.5),
    (lambda own: in_time(stock.GRU(3, reset_after=own)), True, False),
    (lambda own: in_time(stock.LSTM(3, go_backwards=own)), True, False),
    (lambda own: in_time(stock.Bidirectional(stock.GRU(3), merge_mode=own)), "sum", "ave"),
    (lambda own: in_time(stock.TimeDistributed(stock.Dense(2, own))), "relu", "tanh"),
    (lambda own: attending(stock.Attention(use_scale=own)), False, True),
    (lambda own: attending(stock.AdditiveAttention(dropout=own)), 0.0, 0.5),
    (lambda own: attending(stock.MultiHeadAttention(2, own)), 2, 3),
    (lambda own: [keras.Sequential([stock.Dense(3), stock.Dense(2, own)])], "relu", "tanh"),
]


def with_stack(stack, setting):
    model = keras.Sequential([keras.Input((6,)), *stack(setting), stock.Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(("stack", "one", "other"), STACKS)
def test_two_models_of_one_code_are_of_one_kind_and_a_setting_makes_another(stack, one, other):
    found = [kinds.kind(ready(with_stack(stack, setting))) for setting in (one, one, other)]
    assert found[0] == found[1] is not None
    assert found[1] != found[2]


def test_every_layer_that_has_a_kind_stands_in_such_a_model():
    models = [with_stack(stack, one) for stack, one, _ in STACKS]
    seen = {type(layer).__name__ for model in models for layer in borrowed.every_layer(model)}
    assert set(kinds.LAYERS) <= seen


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
    inside = keras.Model(inputs := keras.Input((6,)), keras.layers.Dense(2)(inputs) + 1)
    model = keras.Sequential([keras.Input((6,)), inside, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert kinds.kind(ready(model)) is None

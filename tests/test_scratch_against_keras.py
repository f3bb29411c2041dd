"""The hand-written layers and optimizers beside Keras's own, on the backend that runs."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import float64, gradients

from kerasdl import scratch

BACKEND = keras.backend.backend()
# keras.ops.tanh and sqrt return float32 on JAX whatever they are given, jax_enable_x64 or not.
TOLERANCE = 1e-5 if BACKEND == "jax" else 1e-10


def difference(ours, theirs):
    """‖ours − theirs‖ / ‖theirs‖, or ‖ours‖ if theirs is zero."""
    assert np.shape(ours) == np.shape(theirs)
    scale = np.linalg.norm(theirs)
    return np.linalg.norm(np.asarray(ours, dtype=np.float64) - theirs) / (scale or 1.0)


# Layers and losses


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (scratch.Sigmoid(), keras.ops.sigmoid),
        (scratch.Tanh(), keras.ops.tanh),
        (scratch.ReLU(), keras.ops.relu),
        (scratch.LeakyReLU(0.2), lambda x: keras.ops.leaky_relu(x, 0.2)),
        (scratch.ELU(1.5), lambda x: keras.ops.elu(x, 1.5)),
    ],
)
def test_activations_and_their_derivatives_equal_keras(ours, theirs):
    rng = np.random.default_rng(0)
    x, r = rng.normal(size=(2, 50, 3)).astype("float32")
    assert difference(ours.forward(x), keras.ops.convert_to_numpy(theirs(x))) <= 1e-6
    (slope,) = gradients(lambda x: keras.ops.sum(theirs(x) * r), x)
    assert difference(ours.backward(r), slope) <= 1e-6


def test_losses_and_their_gradients_equal_keras():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 6, 4)).astype("float32") * 5
    labels = rng.integers(0, 4, 6)
    pairs = [
        (scratch.MeanSquaredError(), target, keras.losses.MeanSquaredError()),
        (scratch.SoftmaxCrossEntropy(), labels, keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        (
            scratch.SoftmaxCrossEntropy(),
            np.eye(4, dtype="float32")[labels],
            keras.losses.CategoricalCrossentropy(from_logits=True),
        ),
    ]
    for ours, y, theirs in pairs:
        assert ours.forward(logits, y) == pytest.approx(float(theirs(y, logits)), rel=1e-5)
        (slope,) = gradients(lambda x, y=y, loss=theirs: loss(y, x), logits)
        assert difference(ours.backward(), slope) <= 1e-5


def test_dense_weights_drop_in():
    dense = keras.layers.Dense(4)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    theirs = keras.ops.convert_to_numpy(dense(x))
    assert difference(scratch.Affine(*dense.get_weights()).forward(x), theirs) <= 1e-6


def test_the_books_penalty_is_keras_l2_of_half_the_strength():
    w = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    assert scratch.l2_penalty(w, 3.0)[0] == pytest.approx(float(keras.regularizers.L2(1.5)(w)), rel=1e-6)


# Convolution and pooling


@settings(deadline=None, max_examples=15)
@given(
    image=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
)
def test_convolution_and_pooling_equal_keras(image, size, strides, padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *image, 2)).astype("float32")
    kernel, bias = rng.normal(size=(*size, 2, 3)).astype("float32"), np.zeros(3)
    common = {"strides": strides, "padding": padding, "data_format": "channels_last"}
    pairs = [
        (
            scratch.Convolution2D(kernel, bias, strides, padding),
            lambda x: keras.ops.conv(x, kernel, **common),
        ),
        (scratch.MaxPooling2D(size, strides, padding), lambda x: keras.ops.max_pool(x, size, **common)),
        (
            scratch.AveragePooling2D(size, strides, padding),
            lambda x: keras.ops.average_pool(x, size, **common),
        ),
    ]
    for ours, theirs in pairs:
        assert difference(ours.forward(x), keras.ops.convert_to_numpy(theirs(x))) <= 1e-6


@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_way_back_through_convolution_and_pooling_equals_autodiff(strides, padding):
    if strides == (2, 3) and BACKEND == "tensorflow":
        strides = (2, 2)  # TensorFlow's CPU kernels have no unequal strides
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 8, 2)).astype("float32")
    kernel = rng.normal(size=(3, 2, 2, 4)).astype("float32")
    common = {"strides": strides, "padding": padding, "data_format": "channels_last"}
    convolution = scratch.Convolution2D(kernel, np.zeros(4), strides, padding)
    r = rng.normal(size=convolution.forward(x).shape).astype("float32")
    to_x = convolution.backward(r)
    theirs = gradients(lambda x, k: keras.ops.sum(keras.ops.conv(x, k, **common) * r), x, kernel)
    assert difference(to_x, theirs[0]) <= 1e-6
    assert difference(convolution.gradients["kernel"], theirs[1]) <= 1e-6
    for ours, op in (
        (scratch.MaxPooling2D((3, 2), strides, padding), keras.ops.max_pool),
        (scratch.AveragePooling2D((3, 2), strides, padding), keras.ops.average_pool),
    ):
        r = rng.normal(size=ours.forward(x).shape).astype("float32")
        (slope,) = gradients(lambda x, op=op, r=r: keras.ops.sum(op(x, (3, 2), **common) * r), x)
        assert difference(ours.backward(r), slope) <= 1e-6


# Recurrent layers

RECURRENT = {
    "rnn": (scratch.RNN, keras.layers.SimpleRNN, {}),
    "gru": (scratch.GRU, keras.layers.GRU, {"reset_after": True}),
    "gru, reset before": (scratch.GRU, keras.layers.GRU, {"reset_after": False}),
    "lstm": (scratch.LSTM, keras.layers.LSTM, {}),
}
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]],
    "left": [[1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 1, 0, 1], [1, 1, 0, 0, 1, 0], [0, 1, 0, 1, 0, 1]],
    "all": [[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]],
}


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_states_and_gradients_equal_keras_with_the_same_weights(kind, mask):
    make, theirs, options = RECURRENT[kind]
    rng, mask = np.random.default_rng(0), MASKS[mask] and np.array(MASKS[mask], dtype=bool)
    with float64():
        layer = theirs(4, return_sequences=True, return_state=True, **options)
        layer.build((None, 6, 3))
        weights = [rng.normal(size=w.shape) for w in layer.trainable_variables]
        ours = make(*weights, **options)
        x, states = rng.normal(size=(3, 6, 3)), tuple(rng.normal(size=(ours.states, 3, 4)))
        r, last = rng.normal(size=(3, 6, 4)), tuple(rng.normal(size=(ours.states, 3, 4)))
        if mask is not None:
            # Before the first step that counts, TensorFlow gives zeros and JAX the initial state.
            r *= np.logical_or.accumulate(mask, axis=1)[..., None]

        def run(x, *rest):
            outputs, _ = layer.stateless_call(
                rest[ours.states :],
                layer.non_trainable_variables,
                x,
                initial_state=list(rest[: ours.states]),
                mask=None if mask is None else keras.ops.convert_to_tensor(mask),
            )
            return outputs

        def projected(*arrays):
            outputs = zip(run(*arrays), (r, *last), strict=True)
            return sum(keras.ops.sum(output * keras.ops.convert_to_tensor(k)) for output, k in outputs)

        arrays = (x, *states, *weights)
        y, *final = [keras.ops.convert_to_numpy(a) for a in run(*map(keras.ops.convert_to_tensor, arrays))]
        slopes = gradients(projected, *arrays)

    counted = np.abs(r) > 0
    assert (
        difference(np.where(counted, ours.forward(x, mask, states), 0), np.where(counted, y, 0)) <= TOLERANCE
    )
    for a, b in zip(ours.final_state, final, strict=True):
        assert difference(a, b) <= TOLERANCE
    to_x = ours.backward(r, last)
    for a, b in zip((to_x, *ours.initial_gradient, *ours.gradients.values()), slopes, strict=True):
        assert difference(a, b) <= TOLERANCE


@pytest.mark.parametrize("kind", RECURRENT)
def test_weights_of_a_trained_layer_drop_in_at_float32(kind):
    make, theirs, options = RECURRENT[kind]
    x = np.random.default_rng(0).normal(size=(4, 9, 3)).astype("float32")
    layer = theirs(5, return_sequences=True, **options)
    y = keras.ops.convert_to_numpy(layer(x))
    assert difference(make(*layer.get_weights(), **options).forward(x), y) <= 1e-5


# Optimizers

OPTIMIZERS = {
    "sgd": (lambda rate: scratch.SGD(rate), lambda rate: keras.optimizers.SGD(rate)),
    "momentum": (
        lambda rate: scratch.Momentum(rate, 0.8),
        lambda rate: keras.optimizers.SGD(rate, momentum=0.8),
    ),
    "nesterov": (
        lambda rate: scratch.Nesterov(rate, 0.8),
        lambda rate: keras.optimizers.SGD(rate, momentum=0.8, nesterov=True),
    ),
    "adagrad": (lambda rate: scratch.AdaGrad(rate), lambda rate: keras.optimizers.Adagrad(rate)),
    "adagrad, 0.5 and 0.01": (
        lambda rate: scratch.AdaGrad(rate, 0.5, 0.01),
        lambda rate: keras.optimizers.Adagrad(rate, initial_accumulator_value=0.5, epsilon=0.01),
    ),
    "rmsprop": (lambda rate: scratch.RMSProp(rate), lambda rate: keras.optimizers.RMSprop(rate)),
    "rmsprop, 0.7 and 0.01": (
        lambda rate: scratch.RMSProp(rate, 0.7, 0.01),
        lambda rate: keras.optimizers.RMSprop(rate, rho=0.7, epsilon=0.01),
    ),
    "adam": (lambda rate: scratch.Adam(rate), lambda rate: keras.optimizers.Adam(rate)),
    "adam, 0.8, 0.95 and 0.01": (
        lambda rate: scratch.Adam(rate, 0.8, 0.95, 0.01),
        lambda rate: keras.optimizers.Adam(rate, beta_1=0.8, beta_2=0.95, epsilon=0.01),
    ),
}


def farthest_apart(kind, dtype, rate=0.05, steps=100):
    """The largest relative difference of the weights on the way, with the same gradients for both.

    The gradients scale from 1e-4 to 1 across the weights, so that the place of ε matters.
    """
    make, theirs = OPTIMIZERS[kind]
    rng, scale = np.random.default_rng(0), np.logspace(-4, 0, 12).reshape(3, 4)
    start = {"a": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=(2,)).astype(dtype)}
    ours, parameters = make(rate), {name: w.astype("float64") for name, w in start.items()}
    optimizer = theirs(rate)
    variables = [keras.Variable(w, dtype=dtype) for w in start.values()]
    worst = 0.0
    for _ in range(steps):
        step = {"a": (scale * rng.normal(size=(3, 4))).astype(dtype), "b": rng.normal(size=2).astype(dtype)}
        ours.update(parameters, step)
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in step.values()], variables)
        for w, variable in zip(parameters.values(), variables, strict=True):
            worst = max(worst, difference(w, keras.ops.convert_to_numpy(variable.value)))
    moved = sum(np.linalg.norm(parameters[name] - w) for name, w in start.items())
    assert moved > 0.01
    return worst


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_hundred_steps_equal_keras_in_float32(kind):
    assert farthest_apart(kind, "float32") <= 1e-5


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.skipif(
    BACKEND == "jax", reason="keras.ops.sqrt returns float32 on JAX, even with jax_enable_x64"
)
def test_a_hundred_steps_equal_keras_in_float64(kind):
    with float64():
        assert farthest_apart(kind, "float64") <= 1e-10


def test_defaults_are_those_of_keras():
    for ours, theirs in (
        (scratch.SGD(), keras.optimizers.SGD()),
        (scratch.AdaGrad(), keras.optimizers.Adagrad()),
        (scratch.RMSProp(), keras.optimizers.RMSprop()),
        (scratch.Adam(), keras.optimizers.Adam()),
    ):
        assert ours.learning_rate == pytest.approx(float(theirs.learning_rate))
        for name in ("rho", "epsilon", "beta_1", "beta_2"):
            assert getattr(ours, name, None) == getattr(theirs, name, None)


def test_clipping_is_keras_global_clipnorm():
    rng = np.random.default_rng(0)
    step = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=2)}
    clipped = scratch.clip_by_global_norm(step, 1.0)
    variables = [keras.Variable(np.zeros(g.shape)) for g in step.values()]
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=1.0)
    optimizer.apply([keras.ops.convert_to_tensor(g.astype("float32")) for g in step.values()], variables)
    for gradient, variable in zip(clipped.values(), variables, strict=True):
        assert difference(gradient, -keras.ops.convert_to_numpy(variable.value)) <= 1e-6

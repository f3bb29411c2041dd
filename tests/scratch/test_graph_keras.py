"""The hand-written layers and optimizers beside Keras's own, on the backend that runs."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gradients

from kerasdl import scratch

BACKEND = keras.backend.backend()
# Keras's promotion takes float64 to float32 everywhere but on TensorFlow: in tanh on JAX, in matmul on torch.
DTYPE, TOLERANCE = ("float64", 1e-10) if BACKEND == "tensorflow" else ("float32", 1e-5)
# keras.ops.average_pool on torch counts odd "same" padding into the mean; TensorFlow and JAX leave it out.
POOLINGS = [
    (scratch.MaxPooling2D, keras.ops.max_pool, ["valid", "same"]),
    (
        scratch.AveragePooling2D,
        keras.ops.average_pool,
        ["valid"] if BACKEND == "torch" else ["valid", "same"],
    ),
]


def difference(ours, theirs):
    """‖ours − theirs‖ / ‖theirs‖, or ‖ours‖ if theirs is zero."""
    assert np.shape(ours) == np.shape(theirs)
    scale = np.linalg.norm(theirs)
    return np.linalg.norm(np.asarray(ours, dtype=np.float64) - theirs) / (scale or 1.0)


def projection(output, weights):
    """Σ weights ⊙ output, the scalar whose gradient with respect to the output is ``weights``."""
    return keras.ops.sum(keras.ops.multiply(output, keras.ops.convert_to_tensor(weights)))


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
    (slope,) = gradients(lambda x: projection(theirs(x), r), x)
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


@settings(deadline=None, max_examples=8)
@given(
    image=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
)
def test_convolution_and_pooling_equal_keras(image, size, strides, padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *image, 2)).astype("float32")
    kernel = rng.normal(size=(*size, 2, 3)).astype("float32")
    common = {"strides": strides, "padding": padding, "data_format": "channels_last"}
    convolution = scratch.Convolution2D(kernel, np.zeros(3), strides, padding).forward(x)
    assert difference(convolution, keras.ops.convert_to_numpy(keras.ops.conv(x, kernel, **common))) <= 1e-6
    for pooling, op, paddings in POOLINGS:
        if padding in paddings:
            theirs = keras.ops.convert_to_numpy(op(x, size, **common))
            assert difference(pooling(size, strides, padding).forward(x), theirs) <= 1e-6


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
    theirs = gradients(lambda x, k: projection(keras.ops.conv(x, k, **common), r), x, kernel)
    assert difference(to_x, theirs[0]) <= 1e-6
    assert difference(convolution.gradients["kernel"], theirs[1]) <= 1e-6
    for pooling, op, paddings in POOLINGS:
        if padding in paddings:
            ours = pooling((3, 2), strides, padding)
            r = rng.normal(size=ours.forward(x).shape).astype("float32")
            (slope,) = gradients(lambda x, op=op, r=r: projection(op(x, (3, 2), **common), r), x)
            assert difference(ours.backward(r), slope) <= 1e-6


# Recurrent layers

RECURRENT = {
    "rnn": (scratch.RNN, keras.layers.SimpleRNN, {}),
    "gru": (scratch.GRU, keras.layers.GRU, {"reset_after": True}),
    "gru, reset before": (scratch.GRU, keras.layers.GRU, {"reset_after": False}),
    "lstm": (scratch.LSTM, keras.layers.LSTM, {}),
}
# Rows: padded nowhere, on the right, on the left, with holes, everywhere.
MASK = np.array(
    [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]],
    dtype=bool,
)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "masked"])
def test_outputs_states_and_gradients_equal_keras_with_the_same_weights(kind, mask):
    make, theirs, options = RECURRENT[kind]
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(size=shape).astype(DTYPE)

    layer = theirs(4, return_sequences=True, return_state=True, dtype=DTYPE, **options)
    layer.build((None, 6, 3))
    layer.set_weights([draw(*w.shape) for w in layer.get_weights()])
    weights = layer.get_weights()
    ours = make(*weights, **options)
    x, states = draw(5, 6, 3), tuple(draw(ours.states, 5, 4))
    r, last = draw(5, 6, 4), tuple(draw(ours.states, 5, 4))
    # Before the first step that counts, TensorFlow puts out zeros, and others the initial state.
    begun = np.ones((5, 6, 1), bool) if mask is None else np.logical_or.accumulate(mask, axis=1)[..., None]
    r *= begun

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
        return sum(projection(output, k) for output, k in zip(run(*arrays), (r, *last), strict=True))

    arrays = (x, *states, *weights)
    y, *final = [keras.ops.convert_to_numpy(a) for a in run(*map(keras.ops.convert_to_tensor, arrays))]
    slopes = gradients(projected, *arrays)

    assert y.dtype == DTYPE
    assert difference(begun * ours.forward(x, mask, states), begun * y) <= TOLERANCE
    for a, b in zip(ours.final_state, final, strict=True):
        assert difference(a, b) <= TOLERANCE
    to_x = ours.backward(r, last)
    for a, b in zip((to_x, *ours.initial_gradient, *ours.gradients.values()), slopes, strict=True):
        assert difference(a, b) <= TOLERANCE


# Optimizers

OPTIMIZERS = {
    "sgd": (scratch.SGD, keras.optimizers.SGD, {}),
    "momentum": (scratch.Momentum, keras.optimizers.SGD, {"momentum": 0.75}),
    "nesterov": (scratch.Nesterov, lambda **o: keras.optimizers.SGD(nesterov=True, **o), {"momentum": 0.75}),
    "adagrad": (
        scratch.AdaGrad,
        lambda initial_accumulator=0.1, **o: keras.optimizers.Adagrad(
            initial_accumulator_value=initial_accumulator, **o
        ),
        {"initial_accumulator": 0.5, "epsilon": 2**-7},
    ),
    "rmsprop": (scratch.RMSProp, keras.optimizers.RMSprop, {"rho": 0.75, "epsilon": 2**-7}),
    "adam": (scratch.Adam, keras.optimizers.Adam, {"beta_1": 0.75, "beta_2": 1 - 2**-6, "epsilon": 2**-7}),
}


def farthest_apart(ours, theirs, dtype):
    """The largest relative difference of the weights over 100 steps with the same gradients.

    The gradients scale from 1e-4 to 1 across the weights, so that the place of ε matters.
    """
    rng, scale = np.random.default_rng(0), np.logspace(-4, 0, 12).reshape(3, 4)
    start = {"a": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=2).astype(dtype)}
    parameters = {name: w.astype("float64") for name, w in start.items()}
    variables = [keras.Variable(w, dtype=dtype) for w in start.values()]
    worst = 0.0
    for _ in range(100):
        step = {"a": (scale * rng.normal(size=(3, 4))).astype(dtype), "b": rng.normal(size=2).astype(dtype)}
        ours.update(parameters, step)
        theirs.apply([keras.ops.convert_to_tensor(g) for g in step.values()], variables)
        here = np.concatenate([w.ravel() for w in parameters.values()])
        there = np.concatenate([keras.ops.convert_to_numpy(v.value).ravel() for v in variables])
        worst = max(worst, difference(here, there))
    assert all(np.linalg.norm(parameters[name] - w) > 0.01 for name, w in start.items())
    return worst


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_hundred_steps_with_default_constants_equal_keras_in_float32(kind):
    ours, theirs, options = OPTIMIZERS[kind]
    options = {"momentum": 0.9} if "momentum" in options else {}
    ours, theirs = ours(learning_rate=0.05, **options), theirs(learning_rate=0.05, **options)
    assert farthest_apart(ours, theirs, "float32") <= 1e-5


@pytest.mark.skipif(BACKEND == "jax", reason="keras.ops.sqrt makes float32 of float64 on JAX")
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_hundred_steps_equal_keras_in_float64(kind):
    # The constants are exact in float32, through which Keras takes them on TensorFlow.
    ours, theirs, options = OPTIMIZERS[kind]
    ours, theirs = ours(learning_rate=2**-4, **options), theirs(learning_rate=2**-4, **options)
    assert farthest_apart(ours, theirs, "float64") <= 1e-10


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

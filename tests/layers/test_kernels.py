"""Where a kernel cannot run, Keras's own loop does: on a backend without kernels, and while others look on.

The backend without kernels is Keras's NumPy; the others are torch's compiler, its function transforms and its
automatic casts.
"""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from oracles import BY_HAND, close, drawn, gradients
from places import CHECKOUT

from kerasdl import layers
from kerasdl.layers.cells.base import REGISTRY

on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="concerns TensorFlow")
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="concerns JAX")
on_torch = pytest.mark.skipif(keras.backend.backend() != "torch", reason="concerns torch")

SCRIPT = """
import keras, numpy as np
from oracles import BY_HAND, close, drawn
from kerasdl import models
from kerasdl.layers import kernels
from kerasdl.layers.cells.base import REGISTRY

assert keras.backend.backend() == "numpy" and kernels.load() is None
x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
mask = np.array([[1, 0, 1, 0], [1, 1, 0, 1]], bool)
for name, entry in REGISTRY.items():
    layer = entry.layer(5, return_sequences=True)
    layer.build(x.shape)
    weights = drawn(layer)
    layer.set_weights(weights)
    assert close(layer(x, mask=mask), BY_HAND[name](*weights).forward(x, mask), 1e-5), name
    both_ways = models.recurrent_stack(3, name, units=4, bidirectional=True, mask_value=0.0)
    assert both_ways.predict(x, verbose=0).shape == (2, 4, 8)
print("answered")
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="Keras's NumPy backend (3.15) imports jax")
def test_a_backend_without_kernels_runs_on_keras_loop():
    environment = {
        **os.environ,
        "KERAS_BACKEND": "numpy",
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT}/tests",
    }
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "answered\n", run.stderr[-2000:]


def built(kind, **arguments):
    layer = kind(3, **arguments)
    layer.build((2, 3, 4))
    layer.set_weights(drawn(layer))
    return layer


def inputs():
    return np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")


@on_torch
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's forward mode loads it
@pytest.mark.parametrize("name", REGISTRY)
def test_function_transforms_answer_as_the_tape_does(name):
    import torch

    layer, x = built(REGISTRY[name].layer), keras.ops.convert_to_tensor(inputs())
    (slope,) = gradients(lambda x: keras.ops.sum(layer(x)), inputs())
    assert close(torch.func.grad(lambda x: layer(x).sum())(x), slope, 1e-6)
    one_by_one = torch.func.vmap(lambda row: layer(row[None])[0])(x)
    assert close(one_by_one, layer(x).detach(), 1e-6)
    assert close(torch.func.jvp(layer, (x,), (x,))[1], torch.func.jvp(loop_of(name), (x,), (x,))[1], 1e-5)


@on_torch
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", REGISTRY)
def test_a_batch_of_gradients_is_each_of_them(name, masked):
    import torch

    layer, x = built(REGISTRY[name].layer, return_sequences=True), keras.ops.convert_to_tensor(inputs())
    given = {"mask": torch.tensor([[1, 0, 1], [0, 1, 1]], dtype=torch.bool)} if masked else {}

    def jacobian(**how):
        return torch.autograd.functional.jacobian(lambda x: layer(x, **given).sum((0, 2)), x, **how)

    assert close(jacobian(vectorize=True), jacobian(), 1e-6)


@on_torch
@pytest.mark.parametrize("name", ["gru", "mgu", "peephole", "rnn"])  # an LSTM's steps are torch's own
def test_a_prediction_keeps_no_step(name, monkeypatch):
    import weakref

    import torch

    kind, kept, most = REGISTRY[name].arithmetic, [], []
    step = kind.step

    def counting(self, *arguments):
        new, saved = step(self, *arguments)
        most.append(sum(one() is not None for one in kept))
        kept.extend(map(weakref.ref, saved))
        return new, saved

    monkeypatch.setattr(kind, "step", counting)
    layer, x = built(REGISTRY[name].layer), np.ones((2, 40, 4), "float32")
    with torch.no_grad():
        layer(x)
    assert max(most) <= 10  # those of the step before
    most.clear()
    layer(x)
    assert max(most) > 30  # kept for the way back


def loop_of(name):
    """Keras's own loop over the cell, with the weights that ``built`` gives."""
    entry = REGISTRY[name]
    return built(lambda units: keras.layers.RNN(entry.cell(units)))


@on_torch
@pytest.mark.parametrize("name", REGISTRY)
def test_autocast_computes_as_it_does_in_keras_loop(name):
    import torch

    layer, stock, x = (
        built(REGISTRY[name].layer),
        loop_of(name),
        keras.ops.convert_to_tensor(inputs()).requires_grad_(),
    )
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = layer(x), stock(x)
    assert found.dtype == expected.dtype
    assert close(found.detach(), expected.detach(), 1e-6)
    (slope,), (wanted,) = (torch.autograd.grad(y.float().sum(), x) for y in (found, expected))
    assert close(slope, wanted, 1e-6)


@on_torch
@pytest.mark.parametrize("name", ["GRU", "LSTM"])  # Keras's SimpleRNN, and its RNN, cannot (3.15)
def test_a_layer_compiles_as_one_graph_where_stock_does(name):
    import torch

    x, found = keras.ops.convert_to_tensor(inputs()), []
    for home in (layers, keras.layers):
        layer = built(getattr(home, name))
        torch.compiler.reset()
        whole = torch.compile(layer, backend="aot_eager", fullgraph=True)
        found += [whole(x).detach(), layer(x).detach()]
    assert all(close(one, found[0], 1e-6) for one in found)


@on_torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning", "ignore::UserWarning:torch")
def test_a_compiled_model_trains_as_stock_does():
    losses = []
    for home in (layers, keras.layers):
        layer = built(home.LSTM)
        steps = keras.Input((3, 4))
        model = keras.Model(steps, layer(steps))
        model.compile("sgd", "mse", jit_compile=True)
        losses.append(model.fit(inputs(), np.ones((2, 3)), epochs=3, verbose=0).history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@on_tensorflow
def test_lengths_that_vary_share_one_program(monkeypatch):
    from kerasdl.layers.kernels import tensorflow as kernel

    found, programs = [], set()
    make = kernel._programs
    monkeypatch.setattr(kernel, "_programs", lambda *kind: programs.add(make(*kind)[0]) or make(*kind))
    for home in (layers, keras.layers):
        layer = built(home.GRU)
        steps = keras.Input((None, 4))
        model = keras.Model(steps, layer(steps))
        model.compile("sgd", "mse")
        rng = np.random.default_rng(0)
        batches = [rng.normal(size=(2, length, 4)).astype("float32") for length in (3, 4, 5, 6, 3)]
        found.append([float(model.train_on_batch(x, np.ones((2, 3)))) for x in batches])
        found.append(np.concatenate([model.predict_on_batch(x) for x in batches]).ravel())
        if home is layers:
            (program,) = programs
            assert program.experimental_get_tracing_count() <= 3
    assert close(found[0], found[2], 1e-5)
    assert close(found[1], found[3], 1e-5)


@on_tensorflow
@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("shape", [(None, None, 4), (None, None, None), None])
def test_a_function_of_open_shapes_trains_as_the_tape_does(name, shape):
    import tensorflow as tf

    layer, x = built(REGISTRY[name].layer, return_sequences=True), tf.constant(inputs())

    def slopes(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(tf.ensure_shape(x, shape or (None, None, None))) ** 2)
        return tape.gradient(value, [x, layer.cell.kernel.value])

    found = tf.function(slopes, input_signature=[tf.TensorSpec(shape, "float32")])(x)
    assert all(close(one, other, 1e-6) for one, other in zip(found, slopes(x), strict=True))


@on_tensorflow
@pytest.mark.parametrize("name", REGISTRY)
def test_shapes_that_are_known_stay_known(name):
    import tensorflow as tf

    layer = built(REGISTRY[name].layer, return_sequences=True, return_state=True)
    for rows, steps in ((2, 3), (3, 3), (3, 5)):  # from here on one program serves any
        layer(tf.ones((rows, steps, 4)))
    outputs, *states = tf.function(layer).get_concrete_function(tf.TensorSpec((1, 6, 4))).structured_outputs
    assert outputs.shape == (1, 6, 3)
    assert all(state.shape == (1, 3) for state in states)


@on_tensorflow
@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("rows", [1, 2])
def test_a_number_of_rows_that_stays_goes_with_any_length(name, rows):
    layer = built(REGISTRY[name].layer)
    x = np.random.default_rng(0).normal(size=(rows, 7, 4)).astype("float32")
    by_hand = BY_HAND[name](*layer.get_weights())
    for length in (3, 5, 7, 3, 5, 7):
        assert close(layer(x[:, :length]), by_hand.forward(x[:, :length])[:, -1], 1e-5)


@on_tensorflow
@pytest.mark.parametrize("name", REGISTRY)
def test_a_function_that_xla_compiles_trains_as_the_tape_does(name):
    import tensorflow as tf

    layer, x = built(REGISTRY[name].layer), tf.constant(inputs())

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(value, x)

    assert close(tf.function(slope, jit_compile=True)(x), slope(x), 1e-5)


@on_torch
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's forward mode loads it
@pytest.mark.parametrize("name", REGISTRY)
def test_forward_mode_answers_for_inputs_and_is_refused_for_states(name):
    import torch
    from torch.autograd import forward_ad

    layer, x = built(REGISTRY[name].layer), keras.ops.convert_to_tensor(inputs())
    expected = torch.func.jvp(loop_of(name), (x,), (x,))[1]
    with forward_ad.dual_level():
        slope = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, x))).tangent
        assert close(slope.detach(), expected.detach(), 1e-5)
        state = forward_ad.make_dual(torch.ones(2, 3), torch.ones(2, 3))
        with pytest.raises(NotImplementedError, match=r"forward mode|forward AD"):
            layer(x, initial_state=[state] * len(keras.tree.flatten(layer.state_size)))


@on_jax
@pytest.mark.parametrize("name", REGISTRY)
def test_forward_mode_is_refused_with_the_way_out(name):
    import jax

    layer = built(REGISTRY[name].layer)
    with pytest.raises(
        NotImplementedError, match=r"forward mode is not written for this layer: use keras\.l"
    ):
        jax.jvp(layer, (inputs(),), (inputs(),))
    assert np.isfinite(jax.hessian(lambda x: keras.ops.sum(layer(x) ** 2))(inputs())).all()


@on_tensorflow
def test_forward_mode_is_refused_by_its_name():
    import tensorflow as tf

    layer, x = built(layers.GRU), tf.constant(inputs())
    with (
        pytest.raises(NotImplementedError, match="forward mode is written for this layer"),
        tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)),
    ):
        layer(x)

"""Is there still no public way? A test for each private name of :data:`kerasdl.borrowed.ENTRIES`.

One that fails has good news: take out the entry, and what is borrowed.
"""

import inspect
import warnings

import keras
import numpy as np
import pytest
from borrowing import compiled, in_a_new_python, on

from kerasdl import borrowed


def test_still_epochs_as_asked(tmp_path):
    x, y = np.ones((4, 3)), np.ones((4, 1))
    for _ in range(2):  # the second ends at once, where the first ended
        model = compiled()
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        model.fit(x, y, epochs=2, callbacks=[backup], verbose=0)
    assert model.fit(x, y, epochs=2, verbose=0).epoch == []  # no callback, and still nothing is trained
    with borrowed.epochs_as_asked(model):
        assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]
    assert model.fit(x, y, epochs=1, verbose=0).epoch == [0]


def test_still_optimized():
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    public = [name for name in dir(model.optimizer) if not name.startswith("_") and "trainable" in name]
    assert public == []
    assert [v.path for v in borrowed.optimized(model.optimizer)] == [
        v.path for v in model.trainable_variables
    ]


def test_still_compile_arguments():
    def far(y, found):
        return keras.ops.mean(keras.ops.abs(y - found), axis=-1)

    model = compiled()
    model.compile("sgd", far, metrics=[far, "mae", keras.metrics.MeanSquaredError()])
    found = borrowed.compile_arguments(model)
    assert found["loss"] is found["metrics"][0] is far
    assert found["metrics"][1] == "mae"
    assert found["metrics"][2] is not model._compile_config.config["metrics"][2]
    assert found["optimizer"] is not model.optimizer
    assert model.get_compile_config()["loss"] is not far  # the public way


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of one's own."""

    def __call__(self, step):
        return 0.5

    def get_config(self):
        return {}


@pytest.mark.parametrize("rate", [Falling(), lambda: 0.5], ids=["schedule", "function"])
def test_still_own_rate(rate):
    optimizer = keras.optimizers.SGD(rate)
    assert optimizer.learning_rate is not rate
    new = borrowed.new_optimizer(optimizer)
    assert float(keras.ops.convert_to_numpy(new.learning_rate)) == 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = optimizer.get_config()
    with pytest.raises((TypeError, ValueError)):
        keras.optimizers.SGD.from_config(config)  # the public way


def test_still_every_layer():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="deep")])
    model = keras.Sequential([keras.Input((3,)), inner])
    assert "deep" not in {layer.name for layer in model.layers}
    assert "deep" in {layer.name for layer in borrowed.every_layer(model)}
    assert not hasattr(model, "flatten_layers")


def test_still_rowwise_metric():
    metric = keras.metrics.BinaryAccuracy(threshold=0.75)
    function, settings = borrowed.rowwise_metric(metric)
    y, p = np.array([[1.0], [1.0]], "float32"), np.array([[0.7], [0.8]], "float32")
    assert keras.ops.convert_to_numpy(function(y, p, **settings)).ravel().tolist() == [0, 1]
    assert not {name for name in ("fn", "function", "fn_kwargs") if hasattr(metric, name)}


def test_still_mask_of():
    outputs = keras.layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    assert keras.ops.convert_to_numpy(borrowed.mask_of(outputs)).tolist() == [[True, False]]
    assert borrowed.mask_of(np.zeros(1)) is None
    assert not hasattr(keras.backend, "get_keras_mask")


def test_still_exporting(tmp_path):
    from kerasdl.layers.kernels.exports import exporting

    asked = []

    class Asks(keras.layers.Layer):
        def call(self, x):
            asked.append(exporting())
            return x

    model = keras.Sequential([keras.Input((1,)), Asks()])
    model(np.ones((1, 1), "float32"))
    assert not any(asked)
    form = {"torch": ("torch", "model.pt2")}.get(keras.backend.backend(), ("tf_saved_model", "model"))
    if form[0] == "tf_saved_model":
        pytest.importorskip("tensorflow")
    model.export(str(tmp_path / form[1]), format=form[0], verbose=False)
    assert asked[-1]


def test_still_inner_loop():
    parameters = list(inspect.signature(keras.layers.RNN.inner_loop).parameters)
    assert parameters == ["self", "sequences", "initial_state", "mask", "training"]
    assert keras.layers.RNN.inner_loop.__doc__ is None


def test_still_dropout_cell():
    cell = keras.layers.GRU(2, dropout=0.5, seed=0, implementation=1).cell
    assert cell.dropout_mask_count == 3
    assert [tuple(mask.shape) for mask in cell.get_dropout_mask(np.ones((2, 3), "float32"))] == 3 * [(2, 3)]
    assert type(cell).get_dropout_mask.__doc__ is None
    assert "DropoutRNNCell" not in dir(keras.layers)


def test_still_seed_state():
    generator = keras.random.SeedGenerator(7)
    assert keras.ops.convert_to_numpy(generator.next()).tolist() == [7, 0]
    assert keras.ops.convert_to_numpy(generator.state).tolist() == [7, 1]
    assert keras.random.SeedGenerator.next.__doc__ is None


def test_still_first_variables():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    few = len(model.metrics_variables)
    borrowed.build(model, (np.ones((2, 3), "float32"), np.ones((2, 1), "float32")))
    assert model.built
    assert model.optimizer.built
    assert len(model.metrics_variables) > few
    other = keras.Sequential([keras.layers.Dense(1)])
    other.compile("sgd", "mse", metrics=["mae"])
    other.build((None, 3))  # the public way
    assert len(other.metrics_variables) == few


@on("torch")
def test_still_one_by_one():
    from torch.fx.experimental.proxy_tensor import make_fx

    model = compiled()
    weights = [w.value.detach().clone() for w in model.trainable_variables]

    def in_scope(rate, *gradients):
        pairs = [(model.optimizer.variables[1], rate), *zip(model.trainable_variables, weights, strict=True)]
        with keras.StatelessScope(state_mapping=pairs) as scope:
            model.optimizer.apply(list(gradients), model.trainable_variables)
            return [scope.get_current_value(w) for w in model.trainable_variables]

    gradients = [keras.ops.ones_like(w) for w in weights]
    rate = model.optimizer.variables[1].value.detach().clone()
    with pytest.raises(RuntimeError):
        make_fx(in_scope)(rate, *gradients)
    with borrowed.one_by_one(model.optimizer):
        moved = make_fx(in_scope)(rate, *gradients)(2 * rate, *gradients)
    step = keras.ops.convert_to_numpy(weights[0] - moved[0])
    np.testing.assert_allclose(step, 2 * float(rate), rtol=1e-6)


@on("torch")
def test_still_torch_random(monkeypatch):
    """Stock dropout can't be recorded, and looks for its arithmetic where we put ours."""
    from torch.fx.experimental.proxy_tensor import make_fx

    layer = keras.layers.Dropout(0.4, seed=1)
    state = layer.seed_generator.state

    def in_scope(seed, x):
        with keras.StatelessScope(state_mapping=[(state, seed)]):
            return layer(x, training=True)

    arguments = state.value.detach().clone(), keras.ops.ones((4, 50))
    with pytest.raises(RuntimeError):
        make_fx(in_scope)(*arguments)
    monkeypatch.setattr(borrowed.torch_random(), "dropout", lambda x, rate, *_, **__: x + rate)
    assert np.allclose(keras.ops.convert_to_numpy(make_fx(in_scope)(*arguments)(*arguments)), 1.4)


def test_still_producer():
    """A layer that is called twice does not say which call made a tensor."""
    inputs = [keras.Input((2,)), keras.Input((2,))]
    layer = keras.layers.Dense(1)
    outputs = [layer(one) for one in inputs]
    for one, made in zip(inputs, outputs, strict=True):
        operation, sources = borrowed.producer(made)
        assert operation is layer
        assert sources[0] is one
    assert layer.input is not inputs[1]


def test_still_HOW_MADE():
    one = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.1))
    other = keras.layers.Dense.from_config(one.get_config())
    assert one.get_config() == other.get_config()
    arguments, path, parent = borrowed.HOW_MADE
    assert [getattr(layer, arguments) is None for layer in (one, other)] == [True, False]
    keras.Sequential([one], name="row").build((1, 2))
    other.build((1, 2))
    assert [getattr(layer, path) for layer in (one, other)] == [f"row/{one.name}", one.name]
    assert [getattr(layer, parent) for layer in (one, other)] == ["row", ""]


def test_still_stock_draws():
    """Keras's own layers draw from global generators, which its seeding sets for good."""
    import random

    random.seed(1)
    before = random.getstate()
    with borrowed.stock_draws(0):
        first = keras.layers.Dense(2).kernel_initializer((3, 2)), keras.random.normal((2,))
    assert random.getstate() == before
    with borrowed.stock_draws(0):
        again = keras.layers.Dense(2).kernel_initializer((3, 2)), keras.random.normal((2,))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    keras.utils.set_random_seed(0)
    assert random.getstate() != before


@on("jax", "tensorflow")
def test_still_train_function():
    model, first = compiled(), []
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    step = model.train_step

    def train_step(*arguments):
        first.append(1)
        return step(*arguments)

    model.train_step = train_step
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    assert not first  # the one that was compiled goes on
    model.train_function = None
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    assert first


# Keras's own training on two halves of the CPU, each with two rows of four, or with two and one of three.
TWO_DEVICES = """
    import keras
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    x, y = np.ones((4, 1)), np.array([[9.0], [9.0], [-1.0], [-1.0]])

    def weight(rows):
        inputs = keras.Input((1,))
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = keras.Model(inputs, dense(inputs))
        model.compile(keras.optimizers.SGD(0.5, clipnorm=1.0), "mse")
        model.fit(x[:rows], y[:rows], batch_size=rows, shuffle=False, verbose=0)
        return model.get_weights()[0].item()

    one = weight(4)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        two = weight(4)
        try:
            odd = weight(3)
        except Exception:
            odd = "refused"
    print(one, two, odd)
"""


@pytest.fixture(scope="module")
def two_devices():
    return in_a_new_python(TWO_DEVICES, CUDA_VISIBLE_DEVICES="")


@on("tensorflow")
def test_still_symbolic_build(two_devices):
    assert two_devices[-1] == "refused"


@on("tensorflow")
def test_still_summed_gradients(two_devices):
    one, two = map(float, two_devices[:2])
    assert one == pytest.approx(0.5)  # −½ · the mean gradient, −8, clipped to −1
    assert two == pytest.approx(0.0)  # −½ · the sum of two gradients clipped to −1 and 1

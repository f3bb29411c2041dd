"""Models changed between Keras's recurrent layers and ours: all that they have goes along, both ways.

After the change the outputs, the next training step and the next dropout mask are those that the given model
has.
"""

import json

import keras
import numpy as np
import pytest
from oracles import close

import kerasdl
from kerasdl import layers, models

BATCH, TIME, FEATURES = 3, 5, 4
BACKEND = keras.backend.backend()


def data(seed=0):
    x = np.random.default_rng(seed).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    return x, np.ones((BATCH, 1), "float32")


def of(*parts, batch=None, **compiled):
    """A compiled model: the input, the parts one after another, and one output."""
    inputs = outputs = keras.Input((None, FEATURES), batch_size=batch)
    for part in (*parts, keras.layers.Dense(1)):
        outputs = part(outputs)
    model = keras.Model(inputs, outputs)
    model.compile(**{"optimizer": "adam", "loss": "mse", **compiled})
    return model


def steps(model, count=2):
    """The outputs, the losses of the next training steps, and the outputs after them."""
    x, y = data()
    before = model.predict(x, verbose=0)
    # Stock dropout on torch draws from torch's one generator, and so does the making of metrics.
    model.evaluate(x, y, verbose=0)
    keras.utils.set_random_seed(0)
    losses = [float(model.train_on_batch(x, y)) for _ in range(count)]
    return [before, np.array(losses), model.predict(x, verbose=0)]


def check_alike(model, change=layers.accelerate):
    changed = change(model)
    for one, other in zip(steps(model), steps(changed), strict=True):
        assert close(one, other, 1e-5)
    return changed


def test_outputs_steps_and_dropout_masks_go_on_as_they_were():
    model = of(
        keras.layers.Bidirectional(keras.layers.LSTM(4, dropout=0.5, return_sequences=True)),
        keras.layers.Dropout(0.5),
        layers.Dropout(0.5),
        keras.Sequential([keras.Input((None, 8)), keras.layers.GRU(5, dropout=0.3, return_sequences=True)]),
        keras.layers.SimpleRNN(4),
    )
    model.fit(*data(), epochs=2, verbose=0)
    changed = check_alike(model)
    assert type(changed.layers[1].backward_layer) is layers.LSTM
    assert type(changed.layers[4].layers[0]) is layers.GRU
    assert type(changed.layers[5]) is layers.SimpleRNN


def test_there_and_back_is_the_model_again(tmp_path):
    model = of(keras.layers.GRU(4, return_sequences=True), keras.layers.LSTM(3))
    model.fit(*data(), epochs=1, verbose=0)
    back = layers.standard(layers.accelerate(model))
    assert json.dumps(back.get_config()) == json.dumps(model.get_config())
    back.save(tmp_path / "standard.keras")
    check_alike(model, lambda _: back)


def test_a_layer_s_own_state_goes_along():
    normal = keras.layers.Normalization()
    normal.adapt(10 + 5 * data()[0])
    check_alike(of(normal, keras.layers.GRU(3)))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="look-ups are TensorFlow's")
def test_a_vocabulary_goes_along():
    table = keras.layers.StringLookup()
    table.adapt([["a", "b", "a"]])
    words = keras.Input((None,), dtype="string")
    embedded = keras.layers.Embedding(4, 3)(table(words))
    model = keras.Model(words, keras.layers.LSTM(2)(embedded))
    x = keras.ops.convert_to_tensor([["b", "a", "z"]])
    assert close(layers.accelerate(model)(x), model(x), 1e-6)


def test_the_state_of_a_stateful_layer_goes_along():
    model = of(keras.layers.GRU(3, stateful=True), batch=BATCH)
    model.predict(data()[0], verbose=0)
    changed = layers.accelerate(model)
    expected = [model.predict(data()[0], verbose=0) for _ in range(2)]
    assert close(changed.predict(data()[0], verbose=0), expected[0], 1e-5)
    assert close(changed.predict(data()[0], verbose=0), expected[1], 1e-5)


def test_a_model_frozen_after_training_keeps_its_optimizer():
    model = of(keras.layers.GRU(3))
    model.fit(*data(), epochs=2, verbose=0)
    model.layers[1].trainable = False
    changed = layers.accelerate(model)
    assert changed.layers[1].trainable is False
    pairs = zip(changed.optimizer.variables, model.optimizer.variables, strict=True)
    assert all(close(a, b, 0) for a, b in pairs)


class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x


class Own(keras.Model):
    """A model whose own code makes its layers."""

    def __init__(self, units, **arguments):
        super().__init__(**arguments)
        self.units = units
        self.recurrent, self.output_layer = keras.layers.LSTM(units), keras.layers.Dense(1)

    def call(self, x, training=False):
        return self.output_layer(self.recurrent(x, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class NoConfig(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)

    def get_config(self):
        raise NotImplementedError


def bent(x):
    return keras.ops.tanh(x) + 0.1 * x


def far(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred))


def test_layers_and_functions_of_one_s_own_need_no_registration():
    check_alike(
        of(
            Twice(),
            keras.layers.Dense(FEATURES, activation=bent),
            keras.layers.Lambda(bent),
            keras.layers.GRU(3),
            loss=far,
            metrics=[],
        )
    )


def test_a_loss_keeps_its_settings():
    check_alike(of(keras.layers.GRU(2), loss=keras.losses.Huber(delta=5.0)))


def test_a_class_of_one_s_own_with_a_config_is_changed_inside():
    model = Own(3)
    model.compile("adam", "mse")
    model.fit(*data(), verbose=0)
    changed = check_alike(model)
    assert type(changed) is Own
    assert type(changed.recurrent) is layers.LSTM


def test_a_model_in_half_precision_goes_on_scaling_its_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = of(keras.layers.GRU(3), keras.layers.Dense(1, dtype="float32"))
        model.fit(*data(), verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    changed = layers.accelerate(model)
    assert type(changed.optimizer) is type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    pairs = zip(changed.optimizer.variables, model.optimizer.variables, strict=True)
    assert all(close(a, b, 0) for a, b in pairs)
    changed.train_on_batch(*data())


def own_twice():
    """Two classes of one name."""

    class Scaled(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    return Scaled


class Scaled(keras.layers.Layer):
    def call(self, x):
        return 3 * x


def test_classes_and_lambdas_of_one_name_are_told_apart():
    half, rate, made = 0.5, 0.01, {}
    exec("def halved(x): return x / 2", made)  # in no module
    model = of(
        own_twice()(),
        Scaled(),
        keras.layers.Dense(FEATURES, activation=lambda x: keras.ops.tanh(x) * half),
        keras.layers.Dense(FEATURES, activation=lambda x: -x),
        keras.layers.Dense(FEATURES, activation=made["halved"]),
        keras.layers.GRU(3, return_sequences=True),
        keras.layers.Lambda(lambda x: keras.ops.mean(x, axis=1), output_shape=(3,)),
        loss=lambda y, found: keras.ops.mean(keras.ops.abs(y - found), axis=-1),
        optimizer=keras.optimizers.SGD(lambda: rate),
    )
    check_alike(model)
    assert Scaled.__name__ == "Scaled"


class Adversary(Own):
    """Trained by two optimizers."""

    def compile(self, other, **arguments):
        super().compile(**arguments)
        self.other = other

    def get_compile_config(self):
        return {"optimizer": "adam", "loss": "mse", "other": keras.optimizers.serialize(self.other)}

    def compile_from_config(self, config):
        self.compile(**config | {"other": keras.optimizers.deserialize(config["other"])})


class Untold(Own):
    def compile(self, rate, **arguments):
        super().compile(keras.optimizers.SGD(rate), **arguments)


def test_each_optimizer_of_a_class_with_a_compile_of_its_own_goes_along():
    model = Adversary(2)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), optimizer="adam", loss="mse")
    model.fit(*data(), verbose=0)
    weights = model.trainable_variables
    model.other.build(weights)
    model.other.apply([keras.ops.ones(w.shape) for w in weights], weights)
    changed = check_alike(model)
    pairs = zip(changed.other.variables, model.other.variables, strict=True)
    assert all(close(a, b, 0) for a, b in pairs)


def test_a_compile_that_cannot_be_told_is_refused_with_the_way_out():
    model = Untold(2)
    model.compile(0.1, loss="mse")
    model(data()[0])
    with pytest.raises(TypeError, match=r"has a compile of its own: give its class get_compile_config and"):
        layers.accelerate(model)


@pytest.mark.parametrize("change", [layers.accelerate, layers.standard])
def test_what_is_no_model_is_named(change):
    with pytest.raises(TypeError, match=r"model=<GRU .*: give a keras.Model"):
        change(keras.layers.GRU(2))


def test_a_model_without_a_config_is_refused_with_the_way_out():
    model = NoConfig(keras.layers.LSTM(2))
    model(data()[0])
    with pytest.raises(TypeError, match=r"give its class get_config, or name kerasdl.layers' own layers"):
        layers.accelerate(model)


def test_standard_leaves_nothing_of_kerasdl():
    kerasdl.set_seed(0)
    model = models.many_to_one(FEATURES, 2, "gru", units=3, mask_value=0.0)
    changed = layers.standard(model)
    assert "kerasdl" not in json.dumps(keras.saving.serialize_keras_object(changed))
    x = data()[0]
    x[:, 3:] = 0
    assert close(changed.predict(x, verbose=0), model.predict(x, verbose=0), 1e-6)


def test_standard_names_what_has_no_stock_twin():
    model = models.recurrent_stack(FEATURES, "peephole", units=2, dropout=0.5)
    with pytest.warns(UserWarning, match=r"'peephole_1' \(PeepholeLSTM\).*'dropout_1' \(Dropout\)"):
        layers.standard(model)

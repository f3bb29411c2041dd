"""What comes out of a pickle is what went in, whatever has become of the builder."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor

X = np.random.default_rng(0).normal(size=(30, 3))
Y = X[:, 0]
ACTIVATION = "relu"


def changing(features, outputs):
    return keras.Sequential([keras.Input((features,)), layers.Dense(4, ACTIVATION), layers.Dense(outputs)])


def lambdas(features, outputs):
    slope = 2 if ACTIVATION == "relu" else 3
    inputs = keras.Input((features,))
    return keras.Model(inputs, layers.Lambda(lambda t, s=slope: s * t)(layers.Dense(outputs)(inputs)))


def copied(model):
    return pickle.loads(pickle.dumps(model))


def test_the_architecture_travels_and_a_difference_is_said(monkeypatch):
    model = KerasRegressor(changing, epochs=1, random_state=0).fit(X, Y)
    content, expected = pickle.dumps(model), model.predict(X)
    monkeypatch.setattr(sys.modules[__name__], "ACTIVATION", "tanh")
    with pytest.warns(UserWarning, match="makes another model than the one that was saved"):
        loaded = pickle.loads(content)
    np.testing.assert_array_equal(loaded.predict(X), expected)


def test_what_only_its_builder_can_make_is_refused_when_that_has_changed(monkeypatch):
    model = KerasRegressor(lambdas, epochs=1, random_state=0).fit(X, Y)
    content = pickle.dumps(model)
    np.testing.assert_array_equal(pickle.loads(content).predict(X), model.predict(X))
    monkeypatch.setattr(sys.modules[__name__], "ACTIVATION", "tanh")
    with pytest.raises(ValueError, match="load it with the builder that it was saved with"):
        pickle.loads(content)


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of one's own."""

    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / (1 + ops.cast(step, "float32"))

    def get_config(self):
        return {"start": self.start}


class Scaled(layers.Layer):
    """A layer of one's own."""

    def __init__(self, factor, **others):
        super().__init__(**others)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


def bent(x):
    return ops.tanh(x) + 0.1 * x


def with_own_parts(features, outputs):
    stack = [layers.Dense(4, bent), Scaled(0.5), layers.Dense(outputs)]
    return keras.Sequential([keras.Input((features,)), *stack])


class Subclass(keras.Model):
    """A model of one's own."""

    def __init__(self, width=4, outputs=1):
        super().__init__()
        self.width, self.outs = width, outputs
        self.hidden, self.last = layers.Dense(width, "tanh"), layers.Dense(outputs)

    def call(self, x):
        return self.last(self.hidden(x))


def subclassed(outputs):
    return Subclass(outputs=outputs)


def without_input(outputs):
    return keras.Sequential([layers.Dense(4, "tanh"), layers.Dense(outputs)])


@pytest.mark.parametrize("build", [with_own_parts, subclassed, without_input, models.mlp])
def test_builders_of_any_kind_come_back_and_learn_on(build):
    model = KerasRegressor(build, epochs=1, learning_rate=Halving(0.1), random_state=0).fit(X, Y)
    loaded = copied(model)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_allclose(
        loaded.partial_fit(X, Y).predict(X), model.partial_fit(X, Y).predict(X), rtol=1e-5
    )


def slower():
    return 0.01


@pytest.mark.parametrize("rate", [Halving(0.1), slower], ids=["schedule", "function"])
def test_a_rate_from_a_script_comes_back(rate, monkeypatch):
    # A script's module is "__main__", whose name Keras does not put into a config.
    kind = rate if rate is slower else Halving
    monkeypatch.setattr(kind, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], kind.__name__, kind, raising=False)
    model = KerasRegressor(models.linear, epochs=1, learning_rate=rate, random_state=0).fit(X, Y)
    loaded = copied(model)
    np.testing.assert_allclose(
        loaded.partial_fit(X, Y).predict(X), model.partial_fit(X, Y).predict(X), rtol=1e-5
    )


def test_what_watched_goes_with_its_model():
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9)
    model = KerasRegressor(with_own_parts, epochs=3, callbacks=plateau, random_state=0).fit(X, Y)
    loaded = copied(model)
    assert loaded.callbacks_[0].model is loaded.model_
    assert model.callbacks_[0].model is model.model_
    assert loaded.callbacks_[0].wait == model.callbacks_[0].wait


def test_settings_changed_before_the_pickle_are_obeyed_after_it():
    model = KerasRegressor(models.linear, epochs=1, warm_start=True, optimizer="sgd", learning_rate=0.1)
    model.fit(X, Y).set_params(learning_rate=0.0)
    loaded, before = copied(model), model.predict(X)
    np.testing.assert_array_equal(loaded.fit(X, Y).predict(X), before)


def test_a_model_is_a_start_that_is_left_as_it_was():
    given = keras.Sequential([keras.Input((3,)), layers.Dense(1, name="out")])
    given.layers[0].trainable = True
    given.set_weights([np.array([[1.0], [0], [0]]), np.zeros(1)])
    started = KerasRegressor(given, epochs=1, optimizer="sgd", learning_rate=0.0, random_state=0).fit(X, Y)
    np.testing.assert_allclose(started.predict(X), Y, rtol=1e-5)
    trained = KerasRegressor(given, epochs=2, learning_rate=0.1, random_state=0).fit(X, Y + 5)
    assert given.get_weights()[1] == 0
    assert not given.compiled
    assert trained.model_ is not given
    loaded = copied(trained.set_params(warm_start=True))
    np.testing.assert_array_equal(loaded.predict(X), trained.predict(X))
    assert loaded.fit(X, Y).n_iter_ == 2
    with pytest.raises(ValueError, match="is a model, which has no arguments"):
        KerasRegressor(given, build__l2=1).fit(X, Y)


def test_a_frozen_base_stays_frozen():
    base = models.mlp(3, (4,), 2)
    base.trainable = False
    given = keras.Sequential([keras.Input((3,)), base, layers.Dense(3)])
    labels = np.arange(30) % 3
    model = KerasClassifier(given, epochs=2, random_state=0).fit(X, labels)
    for ours, theirs in zip(model.model_.layers[0].get_weights(), base.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_process_predicts_the_same(tmp_path):
    model = KerasRegressor(models.mlp, epochs=1, build__hidden=(4,), random_state=0).fit(X, Y)
    file = tmp_path / "model.pickle"
    file.write_bytes(pickle.dumps((model, X, model.predict(X))))
    script = (
        "import pickle, sys; from pathlib import Path; import numpy as np\n"
        "model, X, expected = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "np.testing.assert_array_equal(model.predict(X), expected)"
    )
    root = str(Path(models.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, env=environment)

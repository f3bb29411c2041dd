"""Which start a builder gives its weights: by name, by instance, and what is refused."""

import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import initializers, models


@pytest.mark.parametrize("name", sorted(initializers.NAMES))
def test_a_name_is_its_initializer(name):
    start = initializers.get(name)
    assert type(start).__name__.lower() == name.replace("_", "").replace("xavier", "glorot")


def test_an_instance_is_taken_as_it_is():
    start = initializers.HeNormal(seed=3)
    assert initializers.get(start) is start


@pytest.mark.parametrize(
    ("name", "variance"),
    [("he_normal", 2 / 400), ("xavier_uniform", 2 / 700), ("lecun_normal", 1 / 400), ("zeros", 0)],
)
def test_the_builder_draws_every_kernel_with_it(name, variance):
    kerasdl.set_seed(0)
    model = models.mlp(400, hidden=(300,), outputs=10, initializer=name)
    kernel, bias, last, _ = model.get_weights()
    assert kernel.var() == pytest.approx(variance, rel=0.02)
    assert not bias.any()
    assert last.any() == (variance > 0)


def test_the_default_is_xaviers():
    kerasdl.set_seed(0)
    default = models.mlp(5, hidden=(4,)).get_weights()
    kerasdl.set_seed(0)
    named = models.mlp(5, hidden=(4,), initializer="glorot_uniform").get_weights()
    for a, b in zip(default, named, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_with_an_instance_is_saved_and_comes_back(tmp_path):
    start = initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    model = models.mlp(5, hidden=(4,), initializer=start)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[1].kernel_initializer.get_config() == start.get_config()


def test_units_that_start_alike_stay_alike():
    model = models.mlp(6, hidden=(16,), outputs=3, initializer=keras.initializers.Constant(0.1))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    generator = np.random.default_rng(0)
    model.fit(generator.normal(size=(64, 6)), generator.normal(size=(64, 3)), epochs=5, verbose=0)
    kernel = model.get_weights()[0]
    assert np.abs(kernel - 0.1).max() > 0.01
    np.testing.assert_allclose(kernel, np.repeat(kernel[:, :1], 16, axis=1), atol=1e-6)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="initializer='he_norml' is not known; did you mean 'he_normal'"):
        models.mlp(3, initializer="he_norml")


def test_neither_name_nor_initializer_is_refused():
    with pytest.raises(TypeError, match=r"initializer=0\.1: give a name or an instance"):
        models.mlp(3, initializer=0.1)


@pytest.mark.parametrize("hidden", [(0,), (8, 0), (-1,), (2.5,)])
def test_a_layer_without_units_is_refused(hidden):
    with pytest.raises(ValueError, match="give a whole number of at least 1"):
        models.mlp(3, hidden=hidden)

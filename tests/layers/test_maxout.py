"""Maxout against NumPy by hand: outputs, gradients, the special cases it contains, and its way to disk."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from oracles import gradients

import kerasdl
from kerasdl import scratch
from kerasdl.layers import Maxout


def built(features, *arguments, **options):
    layer = Maxout(*arguments, **options)
    layer.build((None, features))
    return layer


@pytest.mark.parametrize(("features", "units", "pieces"), [(1, 1, 1), (6, 1, 2), (5, 4, 3), (2, 3, 7)])
def test_outputs_and_gradients_are_those_by_hand(features, units, pieces):
    rng = np.random.default_rng(0)
    layer = built(features, units, pieces)
    layer.set_weights([rng.normal(size=(features, units, pieces)), rng.normal(size=(units, pieces))])
    by_hand = scratch.Maxout(*layer.get_weights())
    x, weight = (
        rng.normal(size=(7, features)).astype("float32"),
        rng.normal(size=(7, units)).astype("float32"),
    )

    def loss(x, kernel, bias):
        output, _ = layer.stateless_call([kernel, bias], [], x)
        return keras.ops.sum(keras.ops.multiply(output, weight))

    np.testing.assert_allclose(to_numpy(layer(x)), by_hand.forward(x), rtol=1e-5, atol=1e-5)
    to_input = by_hand.backward(weight)
    expected = [to_input, by_hand.gradients["kernel"], by_hand.gradients["bias"]]
    for got, want in zip(gradients(loss, x, *layer.get_weights()), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_one_piece_is_dense():
    layer, dense = built(4, 3, 1), keras.layers.Dense(3)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    dense.build((None, 4))
    dense.set_weights([layer.get_weights()[0][..., 0], layer.get_weights()[1][..., 0]])
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(dense(x)), rtol=1e-5, atol=1e-6)


def test_a_piece_of_zeros_makes_relu():
    layer = built(3, 3)
    layer.set_weights([np.stack([np.eye(3), np.zeros((3, 3))], axis=-1), np.zeros((3, 2))])
    x = np.array([[-1.5, 0.0, 2.5]], "float32")
    assert to_numpy(layer(x)).tolist() == [[0.0, 0.0, 2.5]]


def test_axes_between_batch_and_features_are_kept():
    layer = built(3, 2)
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    y = to_numpy(layer(x))
    np.testing.assert_allclose(y[:, 2], to_numpy(layer(x[:, 2])), rtol=1e-5, atol=1e-6)
    assert y.shape == layer.compute_output_shape(x.shape) == (4, 5, 2)


def test_every_piece_starts_at_glorots_limit_for_features_and_units():
    kernel, bias = built(30, 20, 8, seed=1).get_weights()
    limit = np.sqrt(6 / (30 + 20))
    for piece in np.moveaxis(kernel, -1, 0):
        assert 0.98 * limit < np.abs(piece).max() <= limit
    assert len({piece.tobytes() for piece in np.moveaxis(kernel, -1, 0)}) == 8
    assert not bias.any()


def test_the_first_draw_is_numpys_bit_for_bit():
    kerasdl.set_seed(3)
    kernel = built(6, 4, 2).get_weights()[0]
    kerasdl.set_seed(3)
    generator, limit = kerasdl.random.generator("weights"), np.sqrt(6 / (6 + 4))
    expected = [generator.uniform(-limit, limit, (6, 4)).astype("float32") for _ in range(2)]
    np.testing.assert_allclose(kernel, np.stack(expected, axis=-1), rtol=2e-7, atol=0)


def test_a_seed_repeats_the_kernel_and_none_draws_anew():
    assert np.array_equal(built(5, 4, seed=2).get_weights()[0], built(5, 4, seed=2).get_weights()[0])
    assert not np.array_equal(built(5, 4).get_weights()[0], built(5, 4).get_weights()[0])


def test_a_saved_model_predicts_the_same(tmp_path):
    inputs = keras.Input((6,))
    hidden = Maxout(5, 3, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(2, axis=0))
    model = keras.Model(inputs, Maxout(2)(hidden(inputs)))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(9, 6)).astype("float32")
    assert np.array_equal(to_numpy(model(x)), to_numpy(again(x)))
    assert again.layers[1].get_config() == hidden.get_config()


def test_the_regularizer_sees_the_kernel_alone():
    layer = built(6, 5, 3, kernel_regularizer=keras.regularizers.L2(0.5))
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias + 1])
    assert float(to_numpy(layer.losses[0])) == pytest.approx(0.5 * np.sum(kernel**2), rel=1e-5)


def test_the_constraint_bounds_each_piece_of_each_unit():
    layer = built(6, 5, 3, kernel_constraint=keras.constraints.MaxNorm(0.1, axis=0))
    bounded = to_numpy(layer.kernel.constraint(layer.kernel))
    np.testing.assert_allclose(np.linalg.norm(bounded, axis=0), np.full((5, 3), 0.1), rtol=1e-4)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="units=0"):
        Maxout(0)
    with pytest.raises(ValueError, match=r"pieces=1\.5"):
        Maxout(3, 1.5)
    with pytest.raises(ValueError, match="expected axis -1"):
        built(4, 3)(np.zeros((2, 5), "float32"))

"""The convolutional builder: its arithmetic by hand, its size by formula, its way to disk, its learning."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

import kerasdl
from kerasdl import datasets, models, scratch, training


def by_hand(weights):
    """The same network in NumPy, from Keras's weights."""
    first, second, output = (weights[i : i + 2] for i in (0, 2, 4))
    return scratch.Network(
        [
            scratch.Convolution2D(*first, padding="same"),
            scratch.ReLU(),
            scratch.MaxPooling2D(2),
            scratch.Convolution2D(*second, padding="same"),
            scratch.ReLU(),
            scratch.MaxPooling2D(2),
            scratch.Flatten(),
            scratch.Affine(*output),
        ]
    )


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (9, 14, 3)])
def test_it_computes_what_the_layers_by_hand_do(shape):
    model = models.convnet(shape, outputs=4)
    x = np.random.default_rng(0).uniform(size=(5, *shape)).astype("float32")
    got = to_numpy(model(x))
    assert got.shape == (5, 4)
    np.testing.assert_allclose(got, by_hand(model.get_weights()).forward(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shape", "outputs"), [((8, 8, 1), 10), ((28, 28, 1), 10), ((9, 14, 3), 2)])
def test_its_size_follows_the_formula(shape, outputs):
    height, width, channels = shape
    convolutions = (9 * channels + 1) * 16 + (9 * 16 + 1) * 32
    output = ((height // 4) * (width // 4) * 32 + 1) * outputs
    assert models.convnet(shape, outputs).count_params() == convolutions + output


def test_one_seed_gives_one_start_and_every_kernel_its_limit():
    kerasdl.set_seed(5)
    first = models.convnet((8, 8, 1)).get_weights()
    kerasdl.set_seed(5)
    again = models.convnet((8, 8, 1)).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for kernel, fan in zip(first[::2], (6 / 9, 6 / 144, 6 / (128 + 10)), strict=True):
        assert 0.9 * np.sqrt(fan) < np.abs(kernel).max() <= np.sqrt(fan)


def test_a_saved_model_predicts_the_same(tmp_path):
    model = models.convnet((8, 8, 1))
    model.save(tmp_path / "convnet.keras")
    again = keras.models.load_model(tmp_path / "convnet.keras")
    x = np.random.default_rng(0).uniform(size=(6, 8, 8, 1)).astype("float32")
    assert np.array_equal(to_numpy(model(x)), to_numpy(again(x)))


def test_it_learns_some_digits():
    digits = datasets.images()
    kerasdl.set_seed(0)
    model = models.convnet(digits.x_train.shape[1:])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    training.fit(model, digits.x_train, digits.y_train, epochs=3, batch_size=64, report_every=3)
    assert model.evaluate(digits.x_test, digits.y_test, verbose=0)[1] > 0.85


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((8, 8), "channels"),
        ((3, 8, 1), "at least 4 × 4"),
        ((8, 8, 0), "the channels in input_shape=0"),
        ((None, 8, 1), "the height in input_shape=None"),
    ],
)
def test_shapes_that_are_no_image_are_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        models.convnet(shape)


def test_outputs_are_counted():
    with pytest.raises(ValueError, match="outputs=0"):
        models.convnet((8, 8, 1), outputs=0)

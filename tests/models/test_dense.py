import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import layers, models


def test_linear_is_the_equation():
    model = models.linear(3, outputs=2)
    w, b = np.arange(6.0).reshape(3, 2), np.array([0.5, -1.0])
    model.set_weights([w, b])
    x = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(model.predict(x, verbose=0), x @ w + b, rtol=1e-6)


def test_polynomials_weights_are_its_coefficients():
    model = models.polynomial(3)
    model.set_weights([np.array([[1.2], [-3.4], [5.6]]), np.array([5.0])])
    x = np.linspace(-2, 2, 9)
    expected = 5 + 1.2 * x - 3.4 * x**2 + 5.6 * x**3
    np.testing.assert_allclose(model.predict(x[:, None], verbose=0)[:, 0], expected, rtol=1e-5)


def test_mlp_is_its_layers_by_hand():
    kerasdl.set_seed(0)
    model = models.mlp(4, hidden=(5, 3), outputs=2, activation="tanh")
    w1, b1, w2, b2, w3, b3 = (w.astype("float64") for w in model.get_weights())
    x = np.random.default_rng(0).normal(size=(6, 4))
    expected = np.tanh(np.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "penalised"),
    [(lambda l2: models.linear(3, l2=l2), 1), (lambda l2: models.mlp(3, (4,), 1, l2=l2), 2)],
)
def test_the_penalty_is_lambda_times_the_kernels_squared(build, penalised):
    model = build(0.3)
    weights = [w + 0.5 for w in model.get_weights()]  # biases too, which must stay out of it
    model.set_weights(weights)
    kernels = [w for w in weights if w.ndim == 2]
    assert len(kernels) == penalised
    penalty = sum(float(keras.ops.convert_to_numpy(loss)) for loss in model.losses)
    assert penalty == pytest.approx(0.3 * sum((k**2).sum() for k in kernels), rel=1e-5)
    assert not build(0.0).losses


def test_a_seed_fixes_the_weights_and_layers_differ_among_themselves():
    def weights(seed):
        kerasdl.set_seed(seed)
        return models.mlp(5, hidden=(5, 5), outputs=5).get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[2])


def test_dropout_is_placed_after_each_hidden_layer():
    model = models.mlp(3, hidden=(4, 4), dropout=(0.2, 0.5))
    assert [layer.rate for layer in model.layers if "dropout" in layer.name] == [0.2, 0.5]
    assert not any("dropout" in layer.name for layer in models.mlp(3, hidden=(4, 4)).layers)


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.linear(3),
        lambda: models.polynomial(3),
        lambda: models.mlp(3, (4,), dropout=0.1, l2=0.1),
    ],
)
def test_a_saved_model_comes_back_the_same(build, tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(5, model.input_shape[-1])).astype("float32")
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: models.linear(0), "features=0"),
        (lambda: models.linear(3, outputs=0), "outputs=0"),
        (lambda: models.linear(3, l2=-1.0), "l2=-1.0"),
        (lambda: models.polynomial(0), "degree=0"),
        (lambda: models.mlp(3, hidden=(0,)), "hidden=0"),
        (lambda: models.mlp(3, dropout=1.5), "dropout=1.5"),
        (lambda: models.mlp(3, hidden=(4, 4), dropout=(0.1,)), "1 rates for 2 hidden"),
        (lambda: layers.Powers(2)(np.zeros((4, 2))), "one feature"),
    ],
)
def test_bad_sizes_are_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (models.linear, {"features": 3}),
        (models.mlp, {"features": 3, "hidden": (2,)}),
        (models.convnet, {"input_shape": (4, 4, 1)}),
    ],
)
def test_units_is_still_taken_for_the_number_of_outputs(build, arguments):
    with pytest.warns(DeprecationWarning, match="write outputs="):
        model = build(**arguments, units=4)
    assert model.output_shape == (None, 4)

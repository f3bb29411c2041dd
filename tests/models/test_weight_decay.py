"""Three ways to write weight decay, held to one another and to NumPy at every step."""

import keras
import numpy as np
import pytest

import kerasdl
from kerasdl import models, training

RATE, DECAY, BATCH, EPOCHS = 0.05, 0.7, 4, 3


def half_squared_error(y, prediction):
    return keras.ops.mean(keras.ops.square(prediction - y), axis=-1) / 2


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(12, 6)), generator.normal(size=(12, 1)) + 3


def by_hand(x, y, w, b, shrink):
    """Every step's weights and bias, in float64; ``shrink`` is what a step takes off w, as a share."""
    kerasdl.set_seed(1)
    batches, path = training.Batches(x, y, BATCH), []
    for epoch in range(EPOCHS):
        batches.epoch = epoch
        for x_batch, y_batch in batches:
            error = x_batch.astype(float) @ w + b - y_batch
            w, b = w - RATE * x_batch.T @ error / BATCH - shrink * w, b - RATE * error.mean(axis=0)
            path.append(np.append(w, b))
    return np.array(path)


class Path(keras.callbacks.Callback):
    """Weights and bias after every step. It asks its own ``model``, which JAX's trainer brings up to date."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(np.append(*self.model.get_weights()))


def by_keras(x, y, loss, optimizer, l2=0.0):
    kerasdl.set_seed(1)
    model = models.linear(6, l2=l2)
    start = [w.astype(float) for w in model.get_weights()]
    model.compile(optimizer, loss)
    path = Path()
    kerasdl.set_seed(1)
    training.fit(model, x, y, epochs=EPOCHS, batch_size=BATCH, callbacks=[path])
    return np.array(path.steps), start


def sgd(rate=RATE, **arguments):
    optimizer = keras.optimizers.SGD(rate, **arguments)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


@pytest.mark.parametrize(
    ("loss", "optimizer", "l2"),
    [
        (half_squared_error, {}, DECAY / 2),  # λ/2 ‖w‖² is L2(λ/2)
        (half_squared_error, {"weight_decay": DECAY}, 0.0),
        ("mse", {"rate": RATE / 2}, DECAY),  # without the half, everything is twice as large
    ],
    ids=["regulariser", "optimizer", "regulariser of the whole square"],
)
def test_every_step_is_the_penaltys_by_hand(data, loss, optimizer, l2):
    path, start = by_keras(*data, loss, sgd(**optimizer), l2)
    np.testing.assert_allclose(path, by_hand(*data, *start, shrink=RATE * DECAY), rtol=2e-5, atol=2e-6)


def test_a_penalty_over_2n_shrinks_by_the_rate_over_the_batch(data):
    """λ/(2n)‖w‖² beside a ½-squared loss: w ← (1 − ηλ/|B|) w − …, so it is ours with λ/|B|."""
    path, start = by_keras(*data, half_squared_error, sgd(), l2=DECAY / BATCH / 2)
    np.testing.assert_allclose(
        path, by_hand(*data, *start, shrink=RATE * DECAY / BATCH), rtol=2e-5, atol=2e-6
    )


def test_the_half_matters(data):
    path, start = by_keras(*data, half_squared_error, sgd(), l2=DECAY)
    np.testing.assert_allclose(path, by_hand(*data, *start, shrink=2 * RATE * DECAY), rtol=2e-5, atol=2e-6)
    assert np.abs(path - by_hand(*data, *start, shrink=RATE * DECAY)).max() > 0.01


@pytest.mark.parametrize("decayed", [True, False])
def test_an_optimizers_decay_takes_the_bias_unless_it_is_excluded(decayed):
    """Inputs and targets of zero leave the bias with its gradient alone, and the decay."""
    model = models.linear(2)
    model.set_weights([np.ones((2, 1)), np.ones(1)])
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5) if decayed else sgd(0.1, weight_decay=0.5)
    model.compile(optimizer, half_squared_error)
    model.train_on_batch(np.zeros((4, 2)), np.zeros((4, 1)))
    w, b = model.get_weights()
    np.testing.assert_allclose(w, np.full((2, 1), 0.95), rtol=1e-6)
    np.testing.assert_allclose(b, [0.85 if decayed else 0.9], rtol=1e-6)


def test_every_kernel_of_a_perceptron_is_penalised_and_no_bias():
    model = models.mlp(3, hidden=(4, 5), outputs=2, l2=0.25)
    model.set_weights([w + 1 for w in model.get_weights()])
    kernels = model.get_weights()[::2]
    penalty = float(keras.ops.convert_to_numpy(keras.ops.sum(keras.ops.stack(model.losses))))
    assert penalty == pytest.approx(0.25 * sum((kernel**2).sum() for kernel in kernels), rel=1e-5)


@pytest.mark.parametrize("build", [lambda λ: models.linear(2, l2=λ), lambda λ: models.mlp(2, (3,), l2=λ)])
@pytest.mark.parametrize("λ", [-0.1, float("nan"), float("inf")])
def test_a_penalty_that_is_none_is_refused(build, λ):
    with pytest.raises(ValueError, match=r"l2=.*finite number of at least 0"):
        build(λ)

"""What devices/test_devices.py trains on one device and on two: ``python devices_script.py 2 OUT.npz``."""

import os
import sys

import keras
import numpy as np

import kerasdl
from kerasdl import devices, layers, models, training
from kerasdl.estimators import KerasRegressor
from kerasdl.selection import cross_validate

# Odd batches: 8 + 8 + 7, and 8 + 8 + 1, whose last row only one device has.
ROWS = {"mlp": 23, "lstm": 17, "masked": 17, "convnet": 17, "thawed": 23, "normalised": 23}
SHAPES = {"lstm": (7, 4), "masked": (7, 4), "convnet": (8, 8, 1)}


def model(name):
    kerasdl.set_seed(3)
    if name == "mlp":
        built = models.mlp(5, (16, 16), outputs=3, l2=0.01)
        built.compile(
            keras.optimizers.Adam(0.01, global_clipnorm=0.5),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            weighted_metrics=["accuracy"],
        )
        return built, (5,)
    inputs = keras.Input(SHAPES.get(name, (5,)))
    if name == "lstm":
        x = layers.LSTM(6, kernel_initializer="ones")(inputs)
    elif name == "masked":
        x = keras.layers.Masking()(inputs)
        x = layers.LSTM(6, kernel_initializer="ones", return_sequences=True)(x)
    elif name == "thawed":
        x = keras.layers.Dense(4, kernel_initializer="ones", trainable=False)(inputs)
    elif name == "convnet":
        x = keras.layers.Conv2D(3, 3, activation="relu", kernel_initializer="ones")(inputs)
        x = keras.layers.Flatten()(x)
    else:
        x = keras.layers.BatchNormalization()(inputs)
    built = keras.Model(inputs, keras.layers.Dense(3, kernel_initializer="zeros")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    built.compile(keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=0.1), loss)
    return built, inputs.shape[1:]


def train(name):
    """Return the history and the weights of a training, as arrays by name."""
    built, shape = model(name)
    generator = np.random.default_rng(0)
    rows = ROWS[name]
    x, y = generator.normal(size=(rows, *shape)), generator.integers(3, size=(rows, 1))
    if name == "masked":  # each row has another number of steps: 1 … 7
        x *= (np.arange(7) <= np.arange(rows)[:, None] % 7)[..., None]
        y = generator.integers(3, size=(rows, 7))
    if name == "thawed":
        training.fit(built, x, y, epochs=1, batch_size=8)
        built.layers[1].trainable = True
        built.compile(keras.optimizers.SGD(0.05), built.loss)
    weight = np.linspace(0.2, 1.8, rows) if name == "mlp" else None
    history = training.fit(
        built,
        x,
        y,
        epochs=4,
        batch_size=8,
        report_every=2,
        sample_weight=weight,
        validation_data=(x[:5], y[:5]) if name == "mlp" else (x[:1], y[:1]),
    )
    found = {f"{name} {column}": history[column].to_numpy() for column in history}
    found |= {f"{name} weight {place}": value for place, value in enumerate(built.get_weights())}
    return found | {f"{name} outputs": built.predict(x[:5], verbose=0)}


def folds():
    """Return the scores of a cross-validation, each fold trained on all devices."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(23, 5))
    estimator = KerasRegressor(models.mlp, epochs=2, batch_size=8, random_state=0, build__hidden=(4,))
    found = cross_validate(estimator, x, x[:, 0], cv=3, vectorize="auto" if devices.count() > 1 else False)
    return {"folds valid": found.scores.valid.to_numpy(), "folds reason": found.reason}


def names():
    """Batch normalisation is shared out on JAX alone."""
    return [name for name in ROWS if name != "normalised" or keras.backend.backend() == "jax"]


if __name__ == "__main__":
    devices.use(int(sys.argv[1]))
    found = {}
    for name in names():
        found |= train(name)
    found |= folds()
    if devices.first():
        np.savez(sys.argv[2], devices=devices.count(), **found)
    if "RANK" in os.environ:
        import torch

        torch.distributed.destroy_process_group()

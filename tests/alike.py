"""What is a model of one kind, and one of another? Small compiled models, trained alone or after others."""

import keras
import numpy as np

import kerasdl
from kerasdl import borrowed, models, training
from kerasdl.training.programs import recent

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 6)).astype("float32")
Y = RNG.normal(size=(10, 1)).astype("float32")


def made(change=None, *, dropout=0.2, l2=0.01, optimizer=None, loss="mse", metrics=("mae",)):
    """A compiled model, its names and draws as of the first of a process, and what ``change`` does to it."""
    keras.utils.clear_session(free_memory=False)
    kerasdl.set_seed(1)
    model = models.mlp(6, hidden=(4,), outputs=1, l2=l2, dropout=dropout)
    model.compile(optimizer() if optimizer else keras.optimizers.Adam(0.1), loss, metrics=list(metrics))
    if change:
        change(model)
    return model


def excluding(name):
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=[name])
    return optimizer


def set_attribute(name, value, layer=1):
    return lambda model: setattr(model.layers[layer], name, value)


def tanh(x):
    return 2 * keras.ops.tanh(x)


class Odd(keras.losses.MeanSquaredError):
    def call(self, y_true, y_pred):
        return 3 * super().call(y_true, y_pred)


VARIANTS = {
    "dropout": lambda: made(dropout=0.5),
    "penalty": lambda: made(l2=0.5),
    "no penalty": lambda: made(l2=0.0),
    "optimizer": lambda: made(optimizer=lambda: keras.optimizers.SGD(0.1)),
    "momentum": lambda: made(optimizer=lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    "its settings": lambda: made(optimizer=lambda: keras.optimizers.Adam(0.1, beta_1=0.5)),
    "clipped": lambda: made(optimizer=lambda: keras.optimizers.Adam(0.1, clipnorm=0.01)),
    "schedule": lambda: made(
        optimizer=lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))
    ),
    "what decays": lambda: made(optimizer=lambda: excluding("bias")),
    "what else decays": lambda: made(optimizer=lambda: excluding("kernel")),
    "loss": lambda: made(loss="mae"),
    "loss with settings": lambda: made(loss=keras.losses.MeanSquaredError(reduction="sum")),
    "loss of one's own": lambda: made(loss=Odd()),
    "metrics": lambda: made(metrics=("mse",)),
    "activation": lambda: made(set_attribute("activation", keras.activations.tanh)),
    "activation of one's own": lambda: made(set_attribute("activation", tanh)),
    "frozen": lambda: made(lambda model: (set_attribute("trainable", False)(model), recompile(model))),
    "a frozen variable": lambda: made(lambda model: setattr(model.layers[1].bias, "trainable", False)),
    "a call of one's own": lambda: made(set_attribute("call", lambda inputs, **_: inputs[:, :4])),
}


def recompile(model):
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])


def ready(model):
    borrowed.build(model, (X[:1], Y[:1]))
    return model


def trained(model, rows=8, **how):
    kerasdl.set_seed(2)
    history = training.fit(model, X[:rows], Y[:rows], epochs=2, batch_size=4, **how)
    return [*model.get_weights(), history.to_numpy()]


def alone(make, **how):
    """The same training where nothing has been traced before."""
    recent.SHARED.clear()
    return trained(make(), **how)


def after_others(make, **how):
    """The same training where its kind has been traced for others: twins are traced for the second one."""
    trained(make(), **how)
    trained(make(), **how)
    return trained(make(), **how)


def equal(ones, others):
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))

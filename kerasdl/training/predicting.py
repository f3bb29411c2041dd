"""How does a model answer many rows? Its own ``predict_step``, traced once, on one batch after another.

A model and its inputs go in; the outputs of Keras's ``predict`` come out as NumPy arrays. Keras's way there
takes longer to set up than a small model takes for all its rows; and on JAX models of one kind share a trace
here, where Keras traces each anew.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasdl import borrowed, devices
from kerasdl.training import programs

# What it is called on the model that it belongs to: with that it is collected.
KEPT = "prediction_program"


def predict(model: keras.Model, x: Any, batch_size: int) -> Any:
    """Return a model's outputs, as ``model.predict(x, batch_size=batch_size, verbose=0)`` does.

    Args:
        model: any; what can't be answered here, or asks for Keras's own loop, is left to Keras.
        x: inputs ``(samples, …)``: an array or, for several inputs, a list or dict of them.
        batch_size: rows a batch.

    Returns:
        Outputs ``(samples, …)``, in the form in which the model returns them.
    """
    rows = len(keras.tree.flatten(x)[0])
    if not rows or _asks_for_keras(model):
        with borrowed.stock_draws(None):  # on PyTorch it draws a number, which other threads must not miss
            return model.predict(x, batch_size=batch_size, verbose=0)
    parts = [
        keras.tree.map_structure(lambda a, first=first: a[first : first + batch_size], x)
        for first in range(0, rows, batch_size)
    ]
    found = _forward(model)(parts)
    return keras.tree.map_structure(lambda *several: np.concatenate(several), *found)


def _asks_for_keras(model: keras.Model) -> bool:
    """Whether a model is not built yet, has a ``predict`` of its own, or is set to run in another way."""
    own = any(
        name in vars(model) or getattr(type(model), name) is not getattr(keras.Model, name)
        for name in ("predict", "make_predict_function")
    )
    return (
        own
        or model.run_eagerly
        or model.steps_per_execution != 1
        or devices.count() > 1
        or keras.distribution.distribution() is not None
        or programs.module().obstacle(model) is not None
        or not all(layer.built for layer in borrowed.every_layer(model))
    )


def _forward(model: keras.Model) -> Callable[[list], list]:
    """Return what answers batches: what is kept, where nothing has changed since."""
    now = (
        model.optimizer if model.compiled else None,
        tuple(model.metrics),  # Keras makes some of them anew where a model is compiled again
        vars(model).get("predict_step"),
        tuple(map(id, model.variables)),
        model.jit_compile,
        programs.module().Program.kind(model),
    )
    kept = vars(model).get(KEPT)
    if kept is None or kept[0] != now:
        kept = now, programs.module().forward(model, now[-1])
        object.__setattr__(model, KEPT, kept)  # past Keras, which looks for layers and variables in it
    return kept[1]

"""How does a model change between Keras's recurrent layers and ours? Both ways, weights and training kept.

A Keras model goes in; a model with the other layers comes out, its answers and its training state the same.
"""

from typing import Any

import keras

from kerasdl import borrowed
from kerasdl.layers.cells.gru import GRU
from kerasdl.layers.cells.lstm import LSTM
from kerasdl.layers.cells.simple import SimpleRNN

_OURS: dict[str, type] = {kind.__name__: kind for kind in (SimpleRNN, GRU, LSTM)}
_STOCK: dict[str, type] = {name: getattr(keras.layers, name) for name in _OURS}


def accelerate(model: keras.Model) -> keras.Model:
    """Return the model with stock SimpleRNN, GRU and LSTM layers swapped for ours.

    Weights, the compiled state and the optimizer's state are carried over, so training goes on where it
    stood. The given model is left as it is; layers inside wrappers (``Bidirectional``, ``TimeDistributed``)
    and inside nested models are swapped, too.

    Args:
        model: one that has a config: functional, sequential, or your own with ``get_config``.

    Raises:
        TypeError: a model without a config, whose layers are set in its own code.

    Example:
        >>> inputs = keras.Input((5, 3))
        >>> model = accelerate(keras.Model(inputs, keras.layers.LSTM(4)(inputs)))
        >>> type(model.layers[1]) is LSTM
        True
    """
    return _swap(model, _STOCK, _OURS)


def standard(model: keras.Model) -> keras.Model:
    """Return the model with our SimpleRNN, GRU and LSTM layers swapped for stock Keras's.

    The way back from :func:`accelerate`: a file saved from it loads where kerasdl is not installed. Other
    layers of kerasdl, ``PeepholeLSTM`` among them, have no stock twin and stay.

    Args:
        model: one that has a config.

    Raises:
        TypeError: a model without one.

    Example:
        >>> inputs = keras.Input((5, 3))
        >>> model = standard(keras.Model(inputs, _OURS["GRU"](4)(inputs)))
        >>> type(model.layers[1]) is keras.layers.GRU
        True
    """
    return _swap(model, _OURS, _STOCK)


def _swap(model: keras.Model, old: dict[str, type], new: dict[str, type]) -> keras.Model:
    try:
        config = model.get_config()
    except NotImplementedError as error:
        raise TypeError(f"model={model.name!r} has no config: its own code sets its layers") from error
    swapped = type(model).from_config(_swapped(config, old, new))
    swapped.set_weights(model.get_weights())
    if model.compiled:
        swapped.compile(**borrowed.compile_arguments(model))
        if model.optimizer.built:
            swapped.optimizer.build(swapped.trainable_variables)
            for ours, theirs in zip(swapped.optimizer.variables, model.optimizer.variables, strict=True):
                ours.assign(keras.ops.convert_to_numpy(theirs))  # a copy: JAX deletes what it trains on
    return swapped


def _swapped(config: Any, old: dict[str, type], new: dict[str, type]) -> Any:
    """Return a config in which every layer of an ``old`` class, however deep, is of the ``new`` one."""
    if isinstance(config, (list, tuple)):
        return type(config)(_swapped(part, old, new) for part in config)
    if not isinstance(config, dict):
        return config
    config = {key: _swapped(value, old, new) for key, value in config.items()}
    name = config.get("class_name")
    if name in old and config.get("registered_name") == _registered(old[name]):
        config |= {"module": new[name].__module__, "registered_name": _registered(new[name])}
        if new[name] is _STOCK[name]:
            config["module"] = "keras.layers"
    return config


def _registered(kind: type) -> str | None:
    """Return the name under which a config knows the class: none for Keras's own."""
    name = keras.saving.get_registered_name(kind)
    return name if ">" in name else None

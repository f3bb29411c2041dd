"""How does a model change between Keras's recurrent layers and ours? Both ways, with all that it has learned.

:func:`accelerate` and :func:`standard` take a Keras model and return a copy in which the recurrent layers are
of the other kind. The copy is made as by saving and loading.
"""

import tempfile
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from kerasdl import borrowed, initializers
from kerasdl.layers.cells.gru import GRU
from kerasdl.layers.cells.lstm import LSTM
from kerasdl.layers.cells.simple import SimpleRNN
from kerasdl.layers.sequences import Steps

_OURS: dict[str, type] = {kind.__name__: kind for kind in (SimpleRNN, GRU, LSTM)}
_STOCK: dict[str, type] = {name: getattr(keras.layers, name) for name in _OURS}


def accelerate(model: keras.Model) -> keras.Model:
    """Return a copy of the model with stock SimpleRNN, GRU and LSTM layers swapped for ours.

    All that the model has goes along: weights, each layer's own state (what a ``Normalization`` or a
    ``StringLookup`` learned, dropout's seeds, the states of ``stateful`` layers), what it was compiled with
    and the optimizer's state. Training goes on where it stood. The given model is left as it is; layers
    inside wrappers (``Bidirectional``, ``TimeDistributed``) and nested models are swapped, too, and layers,
    functions and models of your own need no registration.

    Args:
        model: one that can be saved and loaded: functional, sequential, or a class of your own with
            ``get_config``.

    Raises:
        TypeError: a model of your own that cannot be built from its config.

    Example:
        >>> inputs = keras.Input((5, 3))
        >>> model = accelerate(keras.Model(inputs, keras.layers.LSTM(4)(inputs)))
        >>> type(model.layers[1]) is LSTM
        True
    """
    return _swap(model, _STOCK, _OURS)


def standard(model: keras.Model) -> keras.Model:
    """Return a copy of the model with our SimpleRNN, GRU and LSTM layers swapped for stock Keras's.

    The way back from :func:`accelerate`: a file saved from it loads where kerasdl is not installed. ``Steps``
    and our initializers become their stock twins as well. What has none, ``PeepholeLSTM`` and ``Dropout``
    among it, stays, and a warning names it.

    Args:
        model: one that can be saved and loaded, as in :func:`accelerate`.

    Raises:
        TypeError: as :func:`accelerate`.

    Example:
        >>> inputs = keras.Input((5, 3))
        >>> model = standard(keras.Model(inputs, _OURS["GRU"](4)(inputs)))
        >>> type(model.layers[1]) is keras.layers.GRU
        True
    """
    swapped = _swap(model, _OURS, _STOCK)
    left = []
    for layer in borrowed.every_layer(swapped):
        if type(layer) is Steps:
            layer.__class__ = keras.layers.Identity if layer.mask_value is None else keras.layers.Masking
        for name, value in list(vars(layer).items()):
            if isinstance(value, keras.initializers.Initializer):
                setattr(layer, name, _stock_twin(value))
        if type(layer).__module__.partition(".")[0] == "kerasdl":
            left.append(f"{layer.name!r} ({type(layer).__name__})")
    if left:
        warnings.warn(f"without a stock twin, files need kerasdl for: {', '.join(left)}", stacklevel=2)
    return swapped


def _stock_twin(value: Any) -> Any:
    """Return Keras's initializer for one of ours of the same name; anything else as it is."""
    ours = type(value).__module__ == initializers.__name__
    kind = getattr(keras.initializers, type(value).__name__, None) if ours else None
    return value if kind is None else kind.from_config(value.get_config())


def _swap(model: keras.Model, old: dict[str, type], new: dict[str, type]) -> keras.Model:
    with keras.saving.custom_object_scope(dict(_of_its_own(model))):
        swapped = _copied(model)
        _carry(model, swapped)
        # Each of ours is a stock layer with another loop: the class alone tells them apart.
        for layer in borrowed.every_layer(swapped):
            name = type(layer).__name__
            if name in old and type(layer) is old[name]:
                layer.__class__ = new[name]
        if model.compiled:
            swapped.compile(**borrowed.compile_arguments(model))
    if model.compiled and model.optimizer.built:
        twin = {id(w): other for w, other in zip(model.weights, swapped.weights, strict=True)}
        # Of the weights that it was built for, whatever has been frozen or thawed since.
        swapped.optimizer.build([twin[id(w)] for w in borrowed.optimized(model.optimizer)])
        for ours, theirs in zip(swapped.optimizer.variables, model.optimizer.variables, strict=True):
            ours.assign(keras.ops.convert_to_numpy(theirs))
    return swapped


def _copied(model: keras.Model) -> keras.Model:
    """Return the model as it is after saving and loading, not compiled."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            keras.saving.save_model(model, path)
            # Safe: the code that a file may hold is here the model's own.
            return keras.saving.load_model(path, compile=False, safe_mode=False)
        except (NotImplementedError, TypeError) as error:
            raise TypeError(
                f"model={model.name!r} cannot be built from its config: give its class get_config, "
                "or name kerasdl.layers' own layers in its code"
            ) from error


def _carry(model: keras.Model, copied: keras.Model) -> None:
    """Hand on what files leave out: dropout's seeds, and the states of stateful recurrent layers."""
    pairs = list(zip(model.variables, copied.variables, strict=True))
    layers = zip(borrowed.every_layer(model), borrowed.every_layer(copied), strict=True)
    for theirs, ours in layers:
        if getattr(theirs, "stateful", False) and getattr(theirs, "states", None) is not None:
            pairs += zip(keras.tree.flatten(theirs.states), keras.tree.flatten(ours.states), strict=True)
    for variable, ours in pairs:
        ours.assign(keras.ops.convert_to_numpy(variable.value))  # a copy: JAX deletes what it trains on


def _of_its_own(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yield the name and the object of each class and function outside Keras that a model's config names."""
    parts: list[Any] = [model, *borrowed.every_layer(model)]
    if model.compiled:
        parts += [model.optimizer, *keras.tree.flatten(model.loss), *model.metrics]
        parts += [inner for one in model.metrics for inner in getattr(one, "metrics", ())]
    parts = [part for part in parts if hasattr(part, "__dict__")]
    values = [value for part in parts for value in (part, *vars(part).values())]
    for value in values:
        kind = value if isinstance(value, (type, types.FunctionType)) else type(value)
        if kind.__module__.partition(".")[0] not in ("keras", "builtins"):
            yield kind.__name__, kind
            if isinstance(kind, type):
                yield keras.saving.get_registered_name(kind), kind

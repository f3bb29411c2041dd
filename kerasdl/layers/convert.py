"""How does a model change between Keras's recurrent layers and ours? Both ways, with all that it has learned.

:func:`accelerate` and :func:`standard` take a Keras model and return a copy in which the recurrent layers are
of the other kind. The copy is made as by saving and loading.
"""

import contextlib
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
        TypeError: no model; one of your own that cannot be built from its config, or has a ``compile`` of its
            own and no ``compile_from_config``.

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
    if not isinstance(model, keras.Model):
        raise TypeError(f"model={model!r}: give a keras.Model")
    with _named_apart(model):
        swapped = _copied(model)
        _carry(model, swapped)
        # Each of ours is a stock layer with another loop: the class alone tells them apart.
        for layer in borrowed.every_layer(swapped):
            name = type(layer).__name__
            if name in old and type(layer) is old[name]:
                layer.__class__ = new[name]
        if model.compiled:
            _compile(model, swapped)
    twin = {id(w): other for w, other in zip(model.weights, swapped.weights, strict=True)}
    for name, optimizer in vars(model).items():
        if isinstance(optimizer, keras.optimizers.Optimizer) and optimizer.built:
            copied = getattr(swapped, name)
            # Of the weights that it was built for, whatever has been frozen or thawed since.
            copied.build([twin[id(w)] for w in borrowed.optimized(optimizer)])
            for ours, theirs in zip(copied.variables, optimizer.variables, strict=True):
                ours.assign(keras.ops.convert_to_numpy(theirs))
    return swapped


def _copied(model: keras.Model) -> keras.Model:
    """Return the model as it is after saving and loading, not compiled."""
    compiled = model.compiled
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            model.compiled = False  # what it was compiled with is carried as it is, not by way of a file
            keras.saving.save_model(model, path)
            # Safe: the code that a file may hold is here the model's own.
            return keras.saving.load_model(path, compile=False, safe_mode=False)
        except (NotImplementedError, TypeError) as error:
            raise TypeError(
                f"model={model.name!r} cannot be built from its config: give its class get_config, "
                "or name kerasdl.layers' own layers in its code"
            ) from error
        finally:
            model.compiled = compiled


def _compile(model: keras.Model, copied: keras.Model) -> None:
    """Compile the copy as the model was.

    Raises:
        TypeError: the model's class has a way of its own, which it does not tell.
    """
    kind = type(model)
    if kind.compile is keras.Model.compile:
        copied.compile(**borrowed.compile_arguments(model))
    elif kind.compile_from_config is keras.Model.compile_from_config:
        raise TypeError(
            f"model={model.name!r} has a compile of its own: give its class get_compile_config and "
            "compile_from_config"
        )
    else:
        copied.compile_from_config(model.get_compile_config())


def _carry(model: keras.Model, copied: keras.Model) -> None:
    """Hand on what files leave out: dropout's seeds, and the states of stateful recurrent layers."""
    pairs = list(zip(model.variables, copied.variables, strict=True))
    layers = zip(borrowed.every_layer(model), borrowed.every_layer(copied), strict=True)
    for theirs, ours in layers:
        if getattr(theirs, "stateful", False) and getattr(theirs, "states", None) is not None:
            pairs += zip(keras.tree.flatten(theirs.states), keras.tree.flatten(ours.states), strict=True)
    for variable, ours in pairs:
        ours.assign(keras.ops.convert_to_numpy(variable.value))  # a copy: JAX deletes what it trains on


@contextlib.contextmanager
def _named_apart(model: keras.Model) -> Iterator[None]:
    """Let each class and function outside Keras that a model is made of be found by a name that no other has.

    Files hold their names alone. Two classes may share one, and all lambdas do, which files hold as code that
    has lost sight of its module.
    """
    found = _of_its_own(model)
    names = [kind.__name__ for kind in found]
    try:
        for number, kind in enumerate(found):
            if keras.saving.get_registered_name(kind) == kind.__name__:
                kind.__name__ = f"{kind.__name__}_{number}"
        named = {keras.saving.get_registered_name(kind): kind for kind in found}
        with keras.saving.custom_object_scope(named):
            yield
    finally:
        for kind, name in zip(found, names, strict=True):
            kind.__name__ = name


def _of_its_own(model: keras.Model) -> list[Any]:
    """Return each class and function outside Keras that a model's config names."""
    parts: list[Any] = [model, *borrowed.every_layer(model)]
    if model.compiled:
        parts += [*keras.tree.flatten(model.loss), *model.metrics]
        parts += [inner for one in model.metrics for inner in getattr(one, "metrics", ())]
    parts = [part for part in parts if hasattr(part, "__dict__")]
    found = {}
    for value in (value for part in parts for value in (part, *vars(part).values())):
        kind = value if isinstance(value, (type, types.FunctionType)) else type(value)
        outside = str(kind.__module__).partition(".")[0] not in ("keras", "builtins")  # exec gives none
        if outside and (isinstance(kind, types.FunctionType) or hasattr(kind, "get_config")):
            found[id(kind)] = kind
    return list(found.values())

"""Which models train by the same program? Those of stock parts that differ in nothing but their numbers.

A compiled model goes in; its kind comes out, equal for models whose steps are one function of their
variables.
"""

import dis
import inspect
import json
import re
from collections.abc import Hashable, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import keras

from kerasdl import borrowed, devices, layers
from kerasdl.layers.powers import Powers
from kerasdl.layers.sequences import Steps

# What each of these computes is said by its config and its variables alone. What is not here has no kind.
LAYERS = (
    "InputLayer",
    *("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"),
    *("Dense", "Embedding", "Flatten", "Reshape", "Permute", "RepeatVector", "Masking", "Rescaling"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
    *("Conv1D", "Conv2D", "Conv2DTranspose", "DepthwiseConv1D", "DepthwiseConv2D"),
    *("SeparableConv1D", "SeparableConv2D", "ZeroPadding1D", "ZeroPadding2D", "UpSampling1D", "UpSampling2D"),
    *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
    *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise"),
    *("SimpleRNN", "GRU", "LSTM", "SimpleRNNCell", "GRUCell", "LSTMCell", "Bidirectional", "TimeDistributed"),
    *("Attention", "AdditiveAttention", "MultiHeadAttention", "EinsumDense"),
)
OURS = (layers.Dropout, layers.SimpleRNN, layers.GRU, layers.LSTM, Powers, Steps)
OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad")
LOSSES = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
)
METRICS = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "RootMeanSquaredError",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
)
REGULARIZERS = ("L1", "L2", "L1L2")
OWN = {
    "build",
    "quantize",
    "loss",
}  # Keras itself sets these on a layer or a model; a loss is looked at apart


def kind(model: keras.Model) -> Hashable | None:
    """Return what the trace of a model's step depends on, or None where that can't be told.

    Args:
        model: compiled and built.

    Example:
        >>> def made(units):
        ...     keras.utils.clear_session()  # names begin anew
        ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> one, again, other = kind(made(1)), kind(made(1)), kind(made(2))
        >>> one is None or (one == again and one != other)  # on PyTorch it is None
        True
    """
    try:
        found = _kind(model)
        hash(found)  # a tuple of one's own, on a layer, may hold a list
        return found
    except (_Unknown, AttributeError, KeyError, TypeError, ValueError, NotImplementedError):
        return None


class _Unknown(Exception):
    """Something of the model may compute what its config does not say."""


def _kind(model: keras.Model) -> Hashable:
    _ask(devices.count() == 1 and keras.distribution.distribution() is None)
    _ask(_is_model(model))
    # Classes first: a config is asked of Keras's own parts and ours alone.
    parts = borrowed.every_layer(model)
    nested = [part for part in parts if _is_model(part)]
    for one in (model, *parts, model.optimizer):
        _ask({name for name, own in vars(one).items() if callable(own) and hasattr(type(one), name)} <= OWN)
    for part in parts:
        _ask(_is_one_of(part, LAYERS) or type(part) in OURS or _is_model(part))
        _ask(getattr(part, "activity_regularizer", None) is None)
        for name in ("activation", "recurrent_activation"):
            own = getattr(part, name, None)
            _ask(own is None or own is keras.activations.get(own.__name__))
    variables, loss = tuple(map(_variable, model.variables)), _loss(model.loss)
    metrics = [own for metric in model.metrics for own in getattr(metric, "metrics", ())]
    functions = [_function(own) for metric in metrics for own in _wrapped(metric)]
    _ask(_is_one_of(model.optimizer, OPTIMIZERS, keras.optimizers))
    _, optimizer = borrowed.optimizer_settings(model.optimizer)
    # A schedule is part of the program, a number is a variable. What decays can't be told from the config.
    _ask(isinstance(optimizer.pop("learning_rate"), float) and optimizer["weight_decay"] is None)
    optimizer.pop("name", None)
    config, compiled = model.get_config(), model.get_compile_config()
    _ask(all(map(_says_all, (model, *nested))))
    asked = [compiled.get(name) for name in ("metrics", "weighted_metrics")]
    _ask(len(_named(asked)) == len(metrics))
    configs = [config, optimizer, compiled.get("loss_weights"), asked]
    configs += [one.get_config() for one in (*parts, *metrics)]
    names = _given_by_keras(model, parts)
    return (
        type(model),
        json.dumps(_renamed(configs, names), sort_keys=True),
        tuple(_attributes(part, names) for part in (*parts, model.optimizer)),
        loss,
        (*map(type, metrics), *functions),
        variables,
        tuple((tuple(v.shape), v.dtype) for v in (*model.optimizer.variables, *model.metrics_variables)),
        (keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()),
        bool(model.jit_compile),
    )


def _ask(known: bool) -> None:
    if not known:
        raise _Unknown


def _is_model(thing: Any) -> bool:
    made = type(thing)
    return made.__name__ in ("Functional", "Sequential") and made.__module__.startswith("keras.")


def _says_all(model: keras.Model) -> bool:
    """Whether a graph is one of layers alone: the configs of operations that are none say too little."""
    made = model.get_config()["layers"]
    named = [one["config"]["name"] for one in made if one["class_name"] != "InputLayer"]
    return sorted(named) == sorted(one.name for one in model.layers if not _is_one_of(one, LAYERS[:1]))


def _is_one_of(thing: Any, names: tuple[str, ...], room: Any = keras.layers) -> bool:
    """Whether this is one of Keras's own, of just this class."""
    name = type(thing).__name__
    return name in names and getattr(room, name) is type(thing)


def _given_by_keras(model: keras.Model, parts: list) -> dict[str, str]:
    """Return, for each name that Keras gave by counting, one that counts within the model alone.

    A second model of the same code has ``dense_2`` for ``dense``. Several outputs are told apart by name.
    """
    if len(model.outputs) > 1:
        return {}
    return {
        one.name: f"#{number}"
        for number, one in enumerate((model, *parts, model.optimizer))
        if re.fullmatch(rf"((forward|backward)_)?{_snake(type(one).__name__)}(_\d+)?", one.name)
    }


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", name).lower()


def _renamed(config: Any, names: Mapping[str, str]) -> Any:
    """Return a config with its parts' names changed."""
    if isinstance(config, dict):
        return {key: _renamed(value, names) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)([_renamed(value, names) for value in config])
    return names.get(config, config) if isinstance(config, str) else config


def _attributes(part: Any, names: Mapping[str, str]) -> Hashable:
    """Every attribute: the value of a plain one, the class of another. Configs leave some out: use_cudnn."""
    plain = (bool, int, float, str, tuple, type(None))
    return type(part), tuple(
        (name, _renamed(own, names) if isinstance(own, plain) else _class(own))
        for name, own in sorted(vars(part).items())
        if name not in borrowed.HOW_MADE
    )


def _class(own: Any) -> type:
    """Return the class of a thing: of a dict, list or set the plain one, for some are wrapped."""
    return next((plain for plain in (dict, list, set) if isinstance(own, plain)), type(own))


def _loss(loss: Any) -> Hashable:
    if isinstance(loss, str):
        return loss, _identity(keras.losses.get(loss))
    if isinstance(loss, FunctionType):
        return _function(loss)
    _ask(_is_one_of(loss, LOSSES, keras.losses))
    made, settings = borrowed.loss_record(loss)
    return made, tuple((name, _setting(settings[name])) for name in sorted(settings))


def _named(asked: Any) -> list[str]:
    """The metrics that a compiled model was given by a name or as a function."""
    if isinstance(asked, dict) and "class_name" in asked:
        return [asked["config"]] if asked["class_name"] == "function" else []
    if isinstance(asked, dict):
        asked = list(asked.values())
    if isinstance(asked, (list, tuple)):
        return [name for one in asked for name in _named(one)]
    return [asked] if isinstance(asked, str) else []


def _wrapped(metric: Any) -> list[Any]:
    """The function that a metric averages, where it was given as one; the others are Keras's own."""
    if type(metric) is not keras.metrics.MeanMetricWrapper:
        _ask(_is_one_of(metric, METRICS, keras.metrics))
        return []
    return [own for own in vars(metric).values() if isinstance(own, FunctionType)]


def _function(function: Any) -> Hashable:
    """What a function computes: its code, where that reads nothing but its arguments and Keras."""
    if _is_stock(function):
        return function
    _ask(isinstance(function, FunctionType) and not (function.__defaults__ or function.__kwdefaults__))
    _ask(function.__name__ != "<lambda>")  # Keras warns of it when it writes down how a model is compiled
    read, code = inspect.getclosurevars(function), function.__code__
    _ask(not read.nonlocals and all(map(_is_keras, read.globals.values())))
    _ask(not any(isinstance(constant, CodeType) for constant in code.co_consts))
    _ask(all(step.opname != "IMPORT_NAME" for step in dis.get_instructions(code)))
    return code, tuple(sorted((name, own.__name__) for name, own in read.globals.items()))


def _is_keras(own: Any) -> bool:
    return isinstance(own, ModuleType) and own.__name__.partition(".")[0] == "keras"


def _setting(value: Any) -> Hashable:
    if isinstance(value, dict):
        return tuple((name, _setting(value[name])) for name in sorted(value))
    if isinstance(value, keras.DTypePolicy):
        return type(value), value.name
    _ask(value is None or isinstance(value, (str, bool, int, float)) or _is_stock(value))
    return value


def _is_stock(value: Any) -> bool:
    """Whether this is a function of Keras: one of one's own may read what changes from model to model."""
    return hasattr(value, "__code__") and (value.__module__ or "").startswith("keras.")


def _identity(found: Any) -> Any:
    return found if hasattr(found, "__code__") else type(found)


def _variable(variable: Any) -> Hashable:
    regularizer = getattr(variable, "regularizer", None)
    _ask(getattr(variable, "constraint", None) is None)
    _ask(regularizer is None or _is_one_of(regularizer, REGULARIZERS, keras.regularizers))
    penalty = regularizer and json.dumps(regularizer.get_config(), sort_keys=True)
    return tuple(variable.shape), variable.dtype, variable.trainable, type(regularizer), penalty

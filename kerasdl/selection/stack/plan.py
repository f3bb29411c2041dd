"""Can this model be one of many? A dense stack can: its plan says what members share and what is theirs.

In goes a built model, a loss, a metric, a callback or an optimizer; out comes what models of one stack must
share and what may differ between them, or the reason why this one must be trained by itself.
"""

import inspect
import json
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasdl import borrowed, layers
from kerasdl.selection.identity import identity

# Optimizers that treat every number of a weight by itself. Others look at norms over a whole weight.
ELEMENTWISE = {"SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion"}
# Layers without weights that look along the last axis at most.
PLAIN = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
    keras.layers.Rescaling,
    layers.Powers,
)
# Callbacks that ask a model for no more than its weights, its rate and its history; some change the rate.
MOVES = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
PER_MEMBER = (keras.callbacks.EarlyStopping, keras.callbacks.TerminateOnNaN, *MOVES)


class Unstackable(Exception):
    """Why a model can't be trained as one of many."""


class Plan(NamedTuple):
    """A dense stack, read.

    Attributes:
        shared: one ``(kind, settings)`` a layer, dropout left out: equal for all members of a stack.
        arrays: the weights of each of those layers.
        penalties: their (l1, l2) on the kernel and (l1, l2) on the bias: ``(layers, 4)``.
        dropout: place → (rate, key): dropout before the layer of that number, or after the last.
    """

    shared: tuple[tuple[str, str], ...]
    arrays: list[list[np.ndarray]]
    penalties: np.ndarray
    dropout: dict[int, tuple[float, int]]

    def indifferent_to_padding(self) -> bool:
        """Return whether columns of zeros after the inputs change nothing: a dense layer meets them first."""
        kinds = [kind for kind, _ in self.shared]
        first = kinds.index("Dense") if "Dense" in kinds else len(kinds)
        before = set(kinds[:first]) <= {"Flatten", "BatchNormalization"}
        return before and all(place > first for place in self.dropout)


def read(model: keras.Model) -> Plan:
    """Return the plan of a built model.

    Raises:
        Unstackable: the model is not a single path of layers that can be stacked.
    """
    if type(model).__name__ not in ("Functional", "Sequential") or len(model.inputs) != 1:
        raise Unstackable(f"{type(model).__name__} {model.name!r} is not a plain path from one input")
    shared: list[tuple[str, str]] = []
    arrays: list[list[np.ndarray]] = []
    penalties: list[tuple[float, ...]] = []
    dropout: dict[int, tuple[float, int]] = {}
    tensor = model.inputs[0]
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, keras.Model):
            raise Unstackable(f"layer {layer.name!r} is a model within the model")
        if layer.input is not tensor:
            raise Unstackable(f"layer {layer.name!r} does not follow the one before it: the model branches")
        tensor = layer.output
        if layer.dtype_policy.name != "float32" or not layer.trainable:
            raise Unstackable(f"layer {layer.name!r} is frozen, or computes in {layer.dtype_policy.name}")
        if type(layer) is layers.Dropout:
            if layer.rate == 1 or layer.noise_shape is not None or len(shared) in dropout:
                raise Unstackable(f"dropout {layer.name!r} has a rate of 1, a noise shape or follows another")
            if layer.rate:
                dropout[len(shared)] = (layer.rate, int(_numpy(layer.seed_generator.state)[0]))
            continue
        settings, penalty = _read(layer, first=not shared)
        shared.append((type(layer).__name__, json.dumps(settings, sort_keys=True)))
        arrays.append([_numpy(weight) for weight in layer.weights])
        penalties.append(penalty)
    if tensor is not model.outputs[0]:
        raise Unstackable(f"model {model.name!r} ends before its last layer")
    if not any(arrays):
        raise Unstackable(f"model {model.name!r} has no weights")
    return Plan(tuple(shared), arrays, np.array(penalties, float), dropout)


def _read(layer: keras.layers.Layer, first: bool) -> tuple[dict, tuple]:
    """Return a layer's shared settings, and its penalties."""
    config, kind = layer.get_config(), type(layer)
    free = (0.0,) * 4
    held = [name for name, value in config.items() if "constraint" in name and value is not None]
    if getattr(layer, "activity_regularizer", None) is not None or held:
        raise Unstackable(f"layer {layer.name!r} has an activity regulariser or a constraint")
    if kind is keras.layers.Dense:
        if config.get("lora_rank") or config.get("quantization_config"):
            raise Unstackable(f"layer {layer.name!r} is quantised or adapted")
        if not _of_keras(layer.activation):
            raise Unstackable(f"layer {layer.name!r} has an activation of its own kind")
        penalty = (*_penalty(layer, layer.kernel_regularizer), *_penalty(layer, layer.bias_regularizer))
        return {name: config[name] for name in ("units", "activation", "use_bias")}, penalty
    if kind is keras.layers.BatchNormalization:
        unlike = config.get("renorm") or config["synchronized"] or layer.axis not in (-1, 1)
        if unlike or len(layer.output.shape) != 2 or layer.gamma_regularizer or layer.beta_regularizer:
            raise Unstackable(f"layer {layer.name!r} normalises in another way than over the batch")
        return {name: config[name] for name in ("momentum", "epsilon", "center", "scale")}, free
    if kind is keras.layers.Flatten and first:
        return {}, free
    if kind in PLAIN:
        activation = getattr(layer, "activation", keras.activations.linear)
        config = {name: value for name, value in config.items() if name not in ("name", "dtype")}
        if _of_keras(activation) and getattr(layer, "axis", -1) == -1:
            return config, free
    raise Unstackable(f"layer {layer.name!r} ({kind.__module__.split('.')[0]}'s {kind.__name__}) has no twin")


def _of_keras(function: Any) -> bool:
    return (getattr(function, "__module__", None) or "").startswith("keras.")


def _penalty(layer: keras.layers.Layer, regularizer: Any) -> tuple[float, float]:
    if regularizer is None:
        return 0.0, 0.0
    if type(regularizer) not in (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2):
        raise Unstackable(f"layer {layer.name!r} has a regulariser of its own kind")
    return float(getattr(regularizer, "l1", 0.0)), float(getattr(regularizer, "l2", 0.0))


def _numpy(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def rowwise(loss: Any) -> tuple[Callable, Hashable]:
    """Return the function (targets, outputs) → one number a row of a loss, and what tells it from others.

    Raises:
        Unstackable: it is not one of Keras's own, or its reduction is not the mean over rows.
    """
    loss = keras.losses.get(loss)
    kind = loss if inspect.isfunction(loss) else type(loss)
    if not kind.__module__.startswith("keras.") or kind.__name__ in ("CTC", "Circle", "Dice", "Tversky"):
        raise Unstackable(f"loss {kind.__name__!r} is not known to judge each row by itself")
    if inspect.isfunction(loss):
        return loss, loss.__name__
    if loss.reduction != "sum_over_batch_size":
        raise Unstackable(f"loss {loss.name!r} reduces by {loss.reduction!r}")
    _, settings = borrowed.loss_record(loss)
    return loss.call, identity(sorted(settings.items()))


class Gauge(NamedTuple):
    """A metric that is a mean over rows.

    Attributes:
        name: its column in a history.
        rowwise: (targets, outputs) → one number a row.
        root: whether the metric is the mean's square root.
        key: what tells it from others.
    """

    name: str
    rowwise: Callable
    root: bool
    key: Hashable


def gauge(metric: keras.metrics.Metric) -> Gauge:
    """Return a metric as a mean over rows.

    Raises:
        Unstackable: it is not one of Keras's own, or not known to be such a mean.
    """
    kind = type(metric)
    if kind is keras.metrics.RootMeanSquaredError:
        return Gauge(metric.name, keras.losses.mean_squared_error, True, kind.__name__)
    if isinstance(metric, keras.metrics.MeanMetricWrapper) and _of_keras(kind):
        function, settings = borrowed.rowwise_metric(metric)
        if _of_keras(function):
            return Gauge(
                metric.name,
                partial(function, **settings),
                False,
                identity([function, sorted(settings.items())]),
            )
    raise Unstackable(f"metric {metric.name!r} is not known to be a mean over rows")


def watched(callbacks: Sequence[keras.callbacks.Callback], optimizer: tuple[str, dict, float | None]) -> None:
    """Refuse callbacks that can't watch one model of many.

    Args:
        callbacks: of one member.
        optimizer: its name, settings and rate, as :func:`settings` gives them.

    Raises:
        Unstackable: one of them may ask for a whole model, or changes a rate that no member has for itself.
    """
    name, config, rate = optimizer
    for callback in callbacks:
        kind = type(callback)
        if kind not in PER_MEMBER:
            raise Unstackable(f"callback {kind.__name__} watches one model at a time")
        if kind not in MOVES:
            continue
        if rate is None:
            raise Unstackable(f"callback {kind.__name__} changes the rate, which a schedule gives")
        if name == "Ftrl" or config.get("momentum"):
            raise Unstackable(
                f"callback {kind.__name__} changes the rate, and optimizer {name!r} remembers past rates"
            )


def settings(optimizer: keras.optimizers.Optimizer) -> tuple[str, dict, float | None]:
    """Return an optimizer's name, its settings without the rate, and the rate (None where a schedule).

    Raises:
        Unstackable: it looks at whole weights, or keeps state that members can't share.
    """
    record = keras.optimizers.serialize(optimizer)
    name, config = record["class_name"], dict(record["config"])
    if name not in ELEMENTWISE or not record["module"].startswith("keras."):
        raise Unstackable(f"optimizer {name!r} is not known to treat each number of a weight by itself")
    if config["use_ema"] or config["gradient_accumulation_steps"] or config["loss_scale_factor"]:
        raise Unstackable(f"optimizer {name!r} averages weights, accumulates gradients or scales the loss")
    config.pop("name")
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        if not str(rate.get("module")).startswith("keras.optimizers"):
            raise Unstackable(f"optimizer {name!r} takes its rate from a schedule of its own kind")
        return name, config, None
    return name, config | {"learning_rate": 1.0}, float(rate)

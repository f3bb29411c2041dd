"""What of Keras is used without a promise? Private names of layers, optimizers, metrics and losses.

Layers, models, optimizers, metrics or losses go in; what their public side does not tell comes out. Why each
is needed stands in :data:`kerasdl.borrowed.ENTRIES`.
"""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any


def every_layer(model: Any) -> list[Any]:
    """Return every layer of a model, those inside nested models and wrappers included."""
    return list(model._flatten_layers(include_self=False))


def optimized(optimizer: Any) -> list[Any]:
    """Return the weights that an optimizer was built for, in the order of its slots."""
    return list(optimizer._trainable_variables)


def producer(tensor: Any) -> tuple[Any, list[Any]]:
    """Return the operation that made a symbolic tensor, and the tensors that it was made from."""
    operation, node, _ = tensor._keras_history
    return operation, list(operation._inbound_nodes[node].input_tensors)


# What a layer says of its making: its arguments, where all are plain; the paths of itself and its parent.
HOW_MADE = ("_auto_config", "_path", "_parent_path")
_TURN = threading.RLock()


@contextlib.contextmanager
def stock_draws(seed: int | None) -> Iterator[None]:
    """Let all that Keras's own layers draw inside the block obey a seed, and leave no trace of it after.

    That is also what NumPy's global generator and PyTorch's draw. ``None`` changes nothing. These generators
    are one for the process, so that threads enter the block in turn.
    """
    with _TURN:
        if seed is None:
            yield
        else:
            with _drawn_from(seed):
                yield


@contextlib.contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    import random

    import keras
    import numpy as np
    from keras.src.backend.common import global_state

    name = "global_seed_generator"
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    generator = global_state.get_global_attribute(name)
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "torch":
            import torch

            stack.enter_context(torch.random.fork_rng(range(torch.cuda.device_count())))
            torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        global_state.set_global_attribute(name, None)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
            global_state.set_global_attribute(name, generator)


def mask_of(tensor: Any) -> Any:
    """Return the mask that Keras keeps with a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def build(model: Any, batch: Any) -> None:
    """Make what a compiled model lacks before its first training step: variables of layers and metrics."""
    model._symbolic_build(data_batch=batch)


@contextlib.contextmanager
def epochs_as_asked(model: Any) -> Iterator[None]:
    """Let ``fit`` begin with the epoch that it is told: an earlier ``BackupAndRestore`` no longer counts."""
    model._initial_epoch = None
    try:
        yield
    finally:
        model._initial_epoch = None


@contextlib.contextmanager
def one_by_one(optimizer: Any) -> Iterator[None]:
    """Let an optimizer move its variables one by one, by Keras's operations alone."""
    stock = next(base for base in type(optimizer).__mro__ if base.__name__ == "BaseOptimizer")
    names = ("_backend_update_step", "_apply_weight_decay")
    for name in names:
        setattr(optimizer, name, getattr(stock, name).__get__(optimizer))
    try:
        yield
    finally:
        for name in names:
            delattr(optimizer, name)


def rowwise_metric(metric: Any) -> tuple[Any, dict[str, Any]]:
    """Return what gives one number a row of a metric that is their mean, and its settings."""
    return metric._fn, dict(metric._fn_kwargs)


def torch_random() -> Any:
    """Return the module that holds Keras's dropout on PyTorch."""
    from keras.src.backend.torch import random

    return random


def loss_record(loss: Any) -> tuple[type, dict[str, Any]]:
    """Return a :class:`keras.losses.Loss` as its class and its attributes, which copy and pickle whole."""
    return type(loss), dict(vars(loss))


def loss_from_record(record: tuple[type, dict[str, Any]]) -> Any:
    """Return the loss of a :func:`loss_record`, its settings as they were."""
    kind, attributes = record
    loss: Any = object.__new__(kind)
    vars(loss).update(attributes)
    return loss


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return what a model was compiled with, its optimizer and metrics made anew from their settings.

    All else is the model's own: a loss's config may lack settings, and a function has none.
    """
    import keras

    def anew(metric: Any) -> Any:
        return type(metric).from_config(metric.get_config()) if isinstance(metric, keras.Metric) else metric

    found = keras.tree.map_structure(anew, dict(model._compile_config.config))
    # The optimizer of a model in half precision scales the loss by now, whatever the policy of the day.
    return found | {"optimizer": alike(model.optimizer), "auto_scale_loss": False, "loss": model.loss}


def alike(optimizer: Any) -> Any:
    """Return a new optimizer with another's settings."""
    import keras

    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        scale, steps = optimizer.initial_scale, optimizer.dynamic_growth_steps
        return type(optimizer)(alike(optimizer.inner_optimizer), scale, steps, name=optimizer.name)
    kind, settings = optimizer_settings(optimizer)
    return kind.from_config(settings)


def new_optimizer(optimizer: Any) -> Any:
    """Return a new optimizer of a name or with another's settings, under the one name that all have."""
    import keras

    name = {"name": "optimizer"}
    if isinstance(optimizer, str):
        return keras.optimizers.get({"class_name": optimizer, "config": name})
    kind, settings = optimizer_settings(keras.optimizers.get(optimizer))
    return kind.from_config(settings | name)


def optimizer_settings(optimizer: Any) -> tuple[Any, dict[str, Any]]:
    """Return an optimizer's class and what its ``from_config`` takes: a rate that changes as it is."""
    import keras

    public = getattr(keras.optimizers, type(optimizer).__name__, None)
    # PyTorch has classes of its own for Keras's optimizers.
    kind = public if public is not None and isinstance(optimizer, public) else type(optimizer)
    rate = optimizer._learning_rate
    if isinstance(rate, keras.Variable):
        return kind, optimizer.get_config()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a rate which is a function can't be saved
        return kind, optimizer.get_config() | {"learning_rate": rate}

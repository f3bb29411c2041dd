"""On how many devices does one model train? Each takes a share of every batch; the gradient is the batch's.

A number of devices and a compiled model go in; out comes the model with a training step that shares each
batch out. The engine is each backend's own: ``keras.distribution`` on JAX, ``tf.distribute.MirroredStrategy``
on TensorFlow, ``DistributedDataParallel`` under ``torchrun`` on PyTorch. The module named after a backend
sets it up, and is loaded only there. On all of them, batches come whole, in the order that
:class:`kerasdl.training.Batches` draws, and are shared out row by row. So is a batch that is short or odd,
and the gradient is that of the mean over all its rows.
"""

import importlib
from types import ModuleType
from typing import Any

import keras

from kerasdl import borrowed, checks

__all__ = ["callbacks", "count", "first", "spread", "use"]

_count = 1


def use(devices: int) -> None:
    """Train every model that is built after this call on several devices: GPUs or TPUs, else CPU cores.

    Call it once, before the first model. On PyTorch each device is a process: start the script with
    ``torchrun --nproc-per-node 2 script.py``. On several hosts, JAX and PyTorch count the devices of all.
    :func:`kerasdl.training.fit` then finds the weights, losses and metrics that it finds on one device, up to
    rounding; only dropout draws other masks on TensorFlow and PyTorch. Keras's own ``model.fit`` trains
    correctly on JAX and PyTorch, but on one device's worth of work; on TensorFlow it refuses odd batches and
    clips each device's gradient by itself.

    Args:
        devices: how many; 1 changes nothing.

    Raises:
        ValueError: fewer devices are there; on PyTorch, the script runs in another number of processes.
        RuntimeError: another number is in use, or the backend has started already.

    Example:
        >>> use(1)
        >>> count()
        1
    """
    global _count
    devices = checks.positive_int("devices", devices)
    if _count not in (1, devices):
        raise RuntimeError(f"devices={devices}, but {_count} are in use here: start a new Python")
    if devices > 1:
        _module().start(devices)
        _count = devices


def count() -> int:
    """Return how many devices a model trains on: 1, until :func:`use` says more.

    Example:
        >>> count()
        1
    """
    return _count


def first() -> bool:
    """Return whether this process is the one that speaks and writes: on PyTorch, each device is a process.

    Example:
        >>> if first():
        ...     print("trained")
        trained
    """
    return _count == 1 or _module().first()


def spread(model: keras.Model) -> None:
    """Make a compiled model's training step share each batch out; :func:`kerasdl.training.fit` calls it.

    Args:
        model: compiled; it is changed in place. On one device it stays as it is.

    Raises:
        ValueError: the model normalises over the batch, of which each device would see a part; or its loss is
            not a mean over rows.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> spread(model)
        >>> "train_step" in vars(model)  # one device: Keras's own step
        False
    """
    if _count == 1:
        return
    if keras.backend.backend() != "jax":  # where one program sees the whole batch
        _refuse_what_looks_along_the_batch(model)
    weights = {id(variable) for variable in model.trainable_variables}
    if "train_step" in vars(model):
        if model.train_step.weights == weights:
            return
        del model.train_step  # layers were frozen or freed since
    shared = _module().step(model, _count)
    shared.weights = weights
    model.train_step = shared
    model.train_function = None  # one made before would go on without it


def callbacks() -> list[keras.callbacks.Callback]:
    """Return the callbacks that a training needs so that its history is that of all devices.

    Example:
        >>> callbacks()  # one device needs none
        []
    """
    return [] if _count == 1 else _module().callbacks()


def mask(outputs: Any) -> Any:
    """Return the mask whose steps Keras's mean loss counts, or None where the mean is over rows.

    Raises:
        NotImplementedError: one of several outputs has a mask.
    """
    masks = [borrowed.mask_of(tensor) for tensor in keras.tree.flatten(outputs)]
    if len(masks) > 1 and any(one is not None for one in masks):
        raise NotImplementedError(
            f"devices={_count}: {len(masks)} outputs, some of them masked, weigh differently on each device: "
            "use JAX, or one device"
        )
    return masks[0]


def loss_tracker(model: keras.Model) -> keras.metrics.Metric:
    """Return the metric that keeps a compiled model's mean loss."""
    return next(metric for metric in model.metrics if metric.name == "loss")


def too_few(wanted: int, there: int, what: str) -> ValueError:
    """Return the error for a machine with fewer devices than are wanted."""
    return ValueError(f"devices={wanted}, but there are {there} {what}: ask for {there} at most")


def _module() -> ModuleType:
    return importlib.import_module(f"{__name__}.{keras.backend.backend()}")


def _refuse_what_looks_along_the_batch(model: keras.Model) -> None:
    backend = keras.backend.backend()
    for layer in borrowed.every_layer(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            if backend == "tensorflow" and layer.synchronized:
                continue
            mend = {"tensorflow": "set synchronized=True", "torch": "use LayerNormalization, or one device"}
            raise ValueError(
                f"devices={_count}: layer {layer.name!r} would normalise over each device's rows by "
                f"themselves: {mend[backend]}"
            )
    for loss in keras.tree.flatten(getattr(model, "loss", None)):
        reduction = getattr(loss, "reduction", "mean")
        if reduction not in ("mean", "sum_over_batch_size"):
            raise ValueError(
                f"devices={_count}: loss {loss.name!r} has reduction={reduction!r}, and devices share out a "
                "mean over rows: use 'sum_over_batch_size', or one device"
            )

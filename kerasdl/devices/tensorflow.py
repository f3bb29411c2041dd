"""How does TensorFlow train on several devices? By a replica of the model on each, all taking the same step.

In go a compiled model and the number of devices; out comes its training step. The functions are those that
:mod:`kerasdl.devices` asks of each backend's module.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from kerasdl import devices


def start(count: int) -> None:
    """Mirror every variable made from now on on ``count`` GPUs; without any, on parts of the CPU."""
    if tf.distribute.has_strategy():
        return
    gpus = tf.config.list_physical_devices("GPU")
    there = len(gpus) or os.cpu_count() or 1
    if count > there:
        raise devices.too_few(count, there, "GPUs" if gpus else "CPU cores and no GPU")
    if not gpus:
        cpu = tf.config.list_physical_devices("CPU")[0]
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
        except RuntimeError as error:
            raise RuntimeError(
                f"devices={count}: TensorFlow has started already; call this before any computation"
            ) from error
    names = [f"{'GPU' if gpus else 'CPU'}:{number}" for number in range(count)]
    tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy(names))


def step(model: keras.Model, count: int) -> Callable:
    """Return a training step in which every row of the batch weighs the same, however it was shared out.

    Keras gives each replica's mean the same weight, and clips each replica's gradient by itself.
    """
    model._maybe_symbolic_build = partial(_build, model)

    def train_step(data: Any) -> dict[str, Any]:
        optimizer = model.optimizer
        optimizer._all_reduce_sum_gradients = list  # they arrive summed
        own = tf.shape(keras.tree.flatten(data)[0])[0]
        # A device without a row takes part with one that counts for nothing.
        x, y, weight = keras.utils.unpack_x_y_sample_weight(
            keras.tree.map_structure(lambda v: None if v is None else _rows(v, tf.maximum(own, 1)), data)
        )
        replica = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weight) * count
            # What each device's loss is a mean over: its rows, or the steps that count.
            rows = tf.cast(own, "float32")
            counted = rows
            if (mask := devices.mask(outputs)) is not None:
                counted = tf.where(own > 0, tf.reduce_sum(tf.cast(mask, "float32")), 0)
            every, total = replica.all_reduce("SUM", [rows, counted])
            share = counted / tf.maximum(total, 1)
            objective = optimizer.scale_loss(loss * share)
        devices.loss_tracker(model).update_state(loss, sample_weight=share * every)
        weights = model.trainable_weights
        gradients = tape.gradient(objective, weights)
        summed = iter(replica.all_reduce("SUM", [g for g in gradients if g is not None]))
        gradients = [None if g is None else next(summed) for g in gradients]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        x, y, weight, outputs = keras.tree.map_structure(
            lambda v: None if v is None else v[:own], (x, y, weight, outputs)
        )
        return model.compute_metrics(x, y, outputs, sample_weight=weight)

    return train_step


def _rows(values: Any, count: Any) -> Any:
    """Append zeros up to this number of rows."""
    return tf.pad(values, [[0, count - tf.shape(values)[0]]] + [[0, 0]] * (len(values.shape) - 1))


def _build(model: keras.Model, iterator: Any) -> None:
    """Make what a model lacks from the first device's part of the first batch.

    Keras would learn the shapes from the mean of all devices' parts, and so fail on an odd batch.
    """
    strategy = tf.distribute.get_strategy()
    for _, _, batches in iterator:
        part = keras.tree.map_structure(lambda v: strategy.experimental_local_results(v)[0], next(batches))
        model._symbolic_build(data_batch=part)
        break


def first() -> bool:
    """Return whether this process speaks and writes for all: there is one."""
    return True


def callbacks() -> list[keras.callbacks.Callback]:
    """Return the callbacks that a training needs here: none."""
    return []

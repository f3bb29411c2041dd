"""How does JAX train on several devices? As one program, whose rows the compiler shares out.

In go a compiled model and the number of devices; out comes its training step. The functions are those that
:mod:`kerasdl.devices` asks of each backend's module.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import keras
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from kerasdl import devices, random

FLAG = "--xla_force_host_platform_device_count"


class Whole(keras.distribution.DataParallel):
    """Keras's data parallelism, fed whole batches: cut outside the program, an odd one would be refused."""

    def get_data_layout(self, data_shape: tuple) -> keras.distribution.TensorLayout:
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def start(count: int) -> None:
    """Put every variable made from now on on ``count`` devices; without accelerators, on CPU cores."""
    cores = os.cpu_count() or 1
    if FLAG not in os.environ.get("XLA_FLAGS", ""):  # heard until the first computation
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}={min(count, cores)}".strip()
    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ and not jax.distributed.is_initialized():
        keras.distribution.initialize()
        random.agree(lambda words: multihost_utils.broadcast_one_to_all(words.astype("uint32")))
    there = keras.distribution.list_devices()
    if count > len(there):
        if there[0].startswith("cpu") and count <= cores:
            raise RuntimeError(
                f"devices={count}: JAX has started already, or XLA_FLAGS gives it {len(there)}; call this "
                "before any computation"
            )
        kind = there[0].partition(":")[0].upper()
        raise devices.too_few(count, len(there), "CPU cores and no GPU" if kind == "CPU" else f"{kind}s")
    keras.distribution.set_distribution(Whole(devices=there[:count], auto_shard_dataset=False))


def step(model: keras.Model, count: int) -> Callable:
    """Return a training step whose rows lie on the devices in turn."""
    stock = model.train_step
    rows = NamedSharding(keras.distribution.distribution().device_mesh.backend_mesh, PartitionSpec("batch"))

    def train_step(state: Any, data: Any) -> Any:
        return stock(state, jax.tree.map(lambda v: jax.lax.with_sharding_constraint(v, rows), data))

    return train_step


def first() -> bool:
    """Return whether this process speaks and writes for all."""
    return jax.process_index() == 0


def callbacks() -> list[keras.callbacks.Callback]:
    """Return the callbacks that a training needs here: none."""
    return []

"""How does PyTorch train on several devices? In one process each, started by torchrun.

In go a compiled model and the number of devices; out comes its training step. The functions are those that
:mod:`kerasdl.devices` asks of each backend's module.
"""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from kerasdl import devices, random


def start(count: int) -> None:
    """Join the other processes; each takes the GPU of its number, or the CPU where there is none."""
    if distributed.is_initialized():
        return
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if processes != count:
        raise ValueError(
            f"devices={count}, but the script runs in {processes} process{'es' * (processes > 1)}: start it "
            f"with torchrun --nproc-per-node {count}"
        )
    gpus = torch.cuda.device_count()
    here, there = int(os.environ["LOCAL_WORLD_SIZE"]), gpus or os.cpu_count() or 1
    if here > there:
        raise devices.too_few(here, there, "GPUs" if gpus else "CPU cores and no GPU")
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if gpus else "gloo")
    random.agree(_from_first)


def _from_first(words: np.ndarray) -> list[int]:
    """Return the first process's words."""
    shared = torch.from_numpy(words).to("cuda" if torch.cuda.is_available() else "cpu")
    distributed.broadcast(shared, src=0)
    return shared.tolist()


def step(model: keras.Model, count: int) -> Callable:
    """Return a training step on this process's rows, whose gradient becomes that of the whole batch."""
    parallel = DistributedDataParallel(model)
    rank = distributed.get_rank()

    def train_step(data: Any) -> dict[str, Any]:
        every = keras.tree.flatten(data)[0].shape[0]
        own = len(range(rank, every, count))
        # A process without a row takes part with one that counts for nothing.
        rows = slice(rank, None, count) if own else slice(0, 1)
        data = keras.tree.map_structure(lambda v: None if v is None else v[rows], data)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = parallel(x, training=True)
        model.zero_grad()
        loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weight)
        # The processes' gradients are averaged as if each had as many rows, or steps that count.
        share = own / every
        if (mask := devices.mask(outputs)) is not None:
            counted = mask.sum() * bool(own)
            total = counted.clone()
            distributed.all_reduce(total)
            share = counted / total.clamp(min=1)
        model.optimizer.scale_loss(loss * (share * count)).backward()
        weights = model.trainable_weights
        with torch.no_grad():
            model.optimizer.apply([w.value.grad for w in weights], weights)
        if not own:
            return model.get_metrics_result()
        devices.loss_tracker(model).update_state(loss, sample_weight=share * every)
        return model.compute_metrics(x, y, outputs, sample_weight=weight)

    return train_step


def first() -> bool:
    """Return whether this process speaks and writes for all."""
    return distributed.get_rank() == 0


class Total(keras.callbacks.Callback):
    """Adds up at an epoch's end what each process has counted for its metrics."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch + 1 == self.params["steps"]:
            for variable in self.model.metrics_variables:
                distributed.all_reduce(variable.value.data)


def callbacks() -> list[keras.callbacks.Callback]:
    """Return the callbacks that a training needs here."""
    return [Total()]

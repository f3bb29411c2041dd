"""How is an epoch one program on JAX? A loop over ``model.train_step`` on the values of its variables.

A compiled model goes in; out comes a program that takes steps on data that lie on the device.
"""

from typing import Any

import jax
import keras
import numpy as np
from jax import lax

from kerasdl import devices
from kerasdl.training.programs import contract


def obstacle(model: keras.Model) -> str | None:
    """Return why JAX can't make a program of this model's training, or None."""
    if not model.jit_compile:
        return "the model is compiled with jit_compile=False"
    if jax.process_count() > 1:
        return f"{jax.process_count()} processes take their rows from Keras's own loop"
    return None


def free_memory() -> float | None:
    """Return how many bytes the first device has free, or None where it does not say."""
    stats = jax.local_devices()[0].memory_stats()
    return stats["bytes_limit"] - stats["bytes_in_use"] if stats and "bytes_limit" in stats else None


class Program(contract.Program):
    """See :class:`kerasdl.training.programs.contract.Program`. The loop's bounds are arguments: one trace."""

    def __init__(self, model: keras.Model, signature: tuple):
        super().__init__(model, signature)
        tracker = devices.loss_tracker(model)
        places = {id(variable): place for place, variable in enumerate(model.metrics_variables)}
        self._mean = [places[id(variable)] for variable in (tracker.total, tracker.count)]
        self._values: tuple[list, ...] = ()
        self._loops = {True: self._loop(training=True), False: self._loop(training=False)}

    def _parts(self) -> tuple[list, ...]:
        model = self.model
        return (
            list(model.trainable_variables),
            list(model.non_trainable_variables),
            list(model.optimizer.variables),
            list(model.metrics_variables),
        )

    def _loop(self, training: bool) -> Any:
        model = self.model
        total, count = self._mean

        def step(state: tuple, batch: Any) -> tuple:
            if training:
                return tuple(map(list, model.train_step(state, batch)[1]))
            weights, others, optimizer, metrics = state
            weights, others, metrics = model.test_step((weights, others, metrics), batch)[1]
            return list(weights), list(others), optimizer, list(metrics)

        def loop(state: tuple, data: Any, rows: Any, start: Any, stop: Any) -> tuple:
            def body(number: Any, state: tuple) -> tuple:
                arrays, form = jax.tree.flatten(data)
                chosen = [lax.dynamic_index_in_dim(one, number, keepdims=False) for one in rows]
                batch = [
                    array.at[one].get(mode="promise_in_bounds")
                    for array, one in zip(arrays, chosen, strict=True)
                ]
                return step(state, jax.tree.unflatten(form, batch))

            state = lax.fori_loop(start, stop, body, state)
            return state, state[3][total] / state[3][count]

        if devices.count() == 1:
            return jax.jit(loop)
        shardings = tuple([variable.value.sharding for variable in part] for part in self._parts())
        return jax.jit(loop, out_shardings=(shardings, None))

    def put(self, data: Any) -> Any:
        if (distribution := keras.distribution.distribution()) is None:
            return jax.tree.map(jax.numpy.asarray, data)
        everywhere = jax.sharding.NamedSharding(
            distribution.device_mesh.backend_mesh, jax.sharding.PartitionSpec()
        )
        return jax.tree.map(lambda a: jax.device_put(a, everywhere), data)

    def begin(self) -> None:
        self._values = tuple([variable.value for variable in part] for part in self._parts())

    def end(self) -> None:
        for part, values in zip(self._parts(), self._values, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        self._values = ()

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> float:
        values, loss = self._loops[training](self._values, data, rows, np.int32(start), np.int32(stop))
        loss = float(loss)  # waits for the device
        self._values = values
        return loss

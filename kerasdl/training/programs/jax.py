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
        self._fresh = [variable.value for variable in model.metrics_variables]
        self._values: tuple[list, ...] = ()
        self._steps = {True: self._step(training=True), False: self._step(training=False)}
        self._loops = {training: self._loop(step) for training, step in self._steps.items()}
        self._results = jax.jit(self._result)
        self._apart: dict[bool, bool] = {}

    def _parts(self) -> tuple[list, ...]:
        model = self.model
        return (
            list(model.trainable_variables),
            list(model.non_trainable_variables),
            list(model.optimizer.variables),
            list(model.metrics_variables),
        )

    def _step(self, training: bool) -> Any:
        """Return one step, which takes its rows out of the data."""
        model = self.model

        def step(number: Any, state: tuple, data: Any, rows: list) -> tuple:
            arrays, form = jax.tree.flatten(data)
            chosen = [lax.dynamic_index_in_dim(one, number, keepdims=False) for one in rows]
            parts = zip(arrays, chosen, strict=True)
            batch = jax.tree.unflatten(form, [a.at[own].get(mode="promise_in_bounds") for a, own in parts])
            if training:
                return tuple(map(list, model.train_step(state, batch)[1]))
            weights, others, optimizer, metrics = state
            weights, others, metrics = model.test_step((weights, others, metrics), batch)[1]
            return list(weights), list(others), optimizer, list(metrics)

        return jax.jit(step)  # traced once, wherever it is called

    def _loop(self, step: Any) -> Any:
        def loop(state: tuple, data: Any, rows: list, start: Any, stop: Any) -> tuple:
            if len(rows[0]) == 1:
                state = step(start, state, data, rows)
            else:
                state = lax.fori_loop(start, stop, lambda n, state: step(n, state, data, rows), state)
            return state, self._result(state[3])

        if devices.count() == 1:
            return jax.jit(loop)
        shardings = tuple([variable.value.sharding for variable in part] for part in self._parts())
        return jax.jit(loop, out_shardings=(shardings, None))

    def _result(self, metrics: list) -> dict[str, Any]:
        held = list(zip(self.model.metrics_variables, metrics, strict=True))
        with keras.StatelessScope(state_mapping=held):
            return self.model.get_metrics_result()

    def put(self, data: Any) -> Any:
        if (distribution := keras.distribution.distribution()) is None:
            return jax.tree.map(jax.numpy.asarray, data)
        everywhere = jax.sharding.NamedSharding(
            distribution.device_mesh.backend_mesh, jax.sharding.PartitionSpec()
        )
        return jax.tree.map(lambda a: jax.device_put(a, everywhere), data)

    def put_rows(self, rows: np.ndarray) -> Any:
        # Handed over with a call they cost nothing; to put them there takes longer than a small epoch.
        return rows if keras.distribution.distribution() is None else self.put(rows)

    def take(self) -> None:
        self._values = tuple([variable.value for variable in part] for part in self._parts())

    def give(self) -> None:
        for part, values in zip(self._parts(), self._values, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        self._values = ()

    def reset(self) -> None:
        self._values = (*self._values[:3], self._fresh)

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> dict[str, Any]:
        step, values = self._steps[training], self._values
        if training not in self._apart:
            self._apart[training] = devices.count() == 1 and _slow_in_a_loop(
                step.trace(np.int32(0), values, data, rows).jaxpr
            )
        if self._apart[training]:
            rows = self.put(rows)
            for number in range(start, stop):
                values = step(np.int32(number), values, data, rows)
            found = self._results(values[3])
        else:
            values, found = self._loops[training](values, data, rows, np.int32(start), np.int32(stop))
        found = jax.tree.map(np.asarray, found)  # waits for the device
        self._values = values
        return found


def _slow_in_a_loop(program: Any) -> bool:
    """Return whether a program convolves on a CPU: inside a loop, that takes XLA four times as long."""
    if jax.default_backend() != "cpu":
        return False
    inner = [value for equation in program.eqns for value in equation.params.values()]
    inner = [getattr(value, "jaxpr", value) for value in inner]
    return any(equation.primitive.name == "conv_general_dilated" for equation in program.eqns) or any(
        _slow_in_a_loop(value) for value in inner if hasattr(value, "eqns")
    )

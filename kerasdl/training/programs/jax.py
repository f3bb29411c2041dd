"""How is an epoch one program on JAX? A loop over ``model.train_step`` on the values of its variables.

A compiled model goes in; out comes a program that takes steps on data that lie on the device.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any

import jax
import keras
import numpy as np
from jax import lax

from kerasdl import devices
from kerasdl.training.programs import contract, recent


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


class _Present(threading.local):
    """Whose step is traced now, in this thread: two threads may train models of one kind."""

    model: Any = None


class Traces:
    """Steps and loops, traced once for all models of a kind: the loop's bounds are arguments, too.

    Attributes:
        present: the model whose step is traced, while a program runs it.
        apart: training or testing → whether its steps are slow inside a loop; as far as known.
    """

    def __init__(self, model: keras.Model):
        self.present = _Present()
        self.apart: dict[bool, bool] = {}
        self.steps = {True: self._step(training=True), False: self._step(training=False)}
        self.alone = {training: jax.jit(step, donate_argnums=1) for training, step in self.steps.items()}
        self.loops = {training: self._loop(step, model) for training, step in self.steps.items()}
        self.answer = jax.jit(self._answer)

    def _step(self, training: bool) -> Any:
        """Return one step, which takes its rows out of the data, and says what the metrics say then."""

        def step(number: Any, state: tuple, data: Any, rows: list) -> tuple[tuple, dict]:
            model = self.present.model
            arrays, form = jax.tree.flatten(data)
            chosen = [lax.dynamic_index_in_dim(one, number, keepdims=False) for one in rows]
            parts = zip(arrays, chosen, strict=True)
            batch = jax.tree.unflatten(form, [a.at[own].get(mode="promise_in_bounds") for a, own in parts])
            if training:
                found, state = model.train_step(state, batch)
                return tuple(map(list, state)), found
            weights, others, optimizer, metrics = state
            found, (weights, others, metrics) = model.test_step((weights, others, metrics), batch)
            return (list(weights), list(others), optimizer, list(metrics)), found

        return jax.jit(step)  # traced once, wherever it is called

    def _loop(self, step: Any, model: keras.Model) -> Any:
        def loop(state: tuple, data: Any, rows: list, start: Any, stop: Any) -> tuple[tuple, dict]:
            if len(rows[0]) == 1:
                return step(start, state, data, rows)
            state = lax.fori_loop(start, stop, lambda n, state: step(n, state, data, rows)[0], state)
            return state, self._result(state[3])

        if devices.count() == 1:
            return jax.jit(loop)
        shardings = tuple([variable.value.sharding for variable in part] for part in _parts(model))
        return jax.jit(loop, out_shardings=(shardings, None))

    def _result(self, metrics: list) -> dict[str, Any]:
        model = self.present.model
        held = list(zip(model.metrics_variables, metrics, strict=True))
        with keras.StatelessScope(state_mapping=held):
            return model.get_metrics_result()

    def _answer(self, weights: list, others: list, x: Any) -> tuple:
        return self.present.model.predict_step((weights, others), (x,))


def _traces(model: keras.Model, kind: Hashable | None) -> Traces:
    """Return the traces of a model's kind; where it has none, its own, which go with it."""
    return Traces(model) if kind is None else recent.SHARED.find(kind, lambda: Traces(model))


def _parts(model: keras.Model) -> tuple[list, ...]:
    return (
        list(model.trainable_variables),
        list(model.non_trainable_variables),
        list(model.optimizer.variables),
        list(model.metrics_variables),
    )


def forward(model: keras.Model, kind: Hashable | None) -> Callable[[list], list]:
    """Return what answers batches of inputs with NumPy outputs; states of layers go along."""
    traces = _traces(model, kind)

    def answers(batches: list) -> list:
        weights = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        found = []
        traces.present.model = model
        try:
            for batch in batches:
                answer, others = traces.answer(weights, others, batch)
                found.append(answer)
        finally:
            traces.present.model = None
        for variable, value in zip(model.non_trainable_variables, others, strict=True):
            variable.assign(value)
        return jax.tree.map(np.asarray, found)

    return answers


class Program(contract.Program):
    """See :class:`kerasdl.training.programs.contract.Program`. Models of one kind share their traces."""

    def __init__(self, model: keras.Model, signature: tuple):
        super().__init__(model, signature)
        self._fresh = [variable.value for variable in model.metrics_variables]
        self._values: tuple[list, ...] = ()
        self._traces = _traces(model, signature[-1])

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
        self._values = tuple([variable.value for variable in part] for part in _parts(self.model))

    def give(self) -> None:
        for part, values in zip(_parts(self.model), self._values, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        self._values = ()

    def reset(self) -> None:
        self._values = (*self._values[:3], self._fresh)

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> dict[str, Any]:
        traces, values = self._traces, self._values
        step = traces.steps[training]
        traces.present.model = self.model  # while it may be traced: traces that are kept keep no model
        try:
            if training not in traces.apart:
                traces.apart[training] = devices.count() == 1 and _slow_in_a_loop(
                    step.trace(np.int32(0), values, data, rows).jaxpr
                )
            if traces.apart[training]:
                rows = self.put(rows)
                # Each step writes over what the one before it left; the last chunk's are kept.
                values = jax.tree.map(lambda value: jax.device_put(value, may_alias=False), values)
                for number in range(start, stop):
                    values, found = traces.alone[training](np.int32(number), values, data, rows)
            else:
                values, found = traces.loops[training](values, data, rows, np.int32(start), np.int32(stop))
        finally:
            traces.present.model = None
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

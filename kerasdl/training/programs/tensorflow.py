"""How is an epoch one program on TensorFlow? A loop over ``model.train_step`` inside one function.

A compiled model goes in; out comes a program that takes steps on data that lie on the device.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import keras
import tensorflow as tf

from kerasdl.training.programs import contract, recent, twins

MOST = 64  # traces that a model or a twin keeps


def obstacle(model: keras.Model) -> str | None:
    """Return why TensorFlow can't make a program of this model's training, or None."""
    if tf.distribute.has_strategy():
        return "the replicas of a distribution strategy take their rows from Keras's own loop"
    if tf.config.functions_run_eagerly():
        return "TensorFlow is told to run functions eagerly"
    return None


def free_memory() -> float | None:
    """Return how many bytes the device that trains has free, or None where it does not say."""
    return None


class Traces:
    """The loops and the answers of one model, each traced for the first inputs of its shapes.

    Args:
        model: built; for loops compiled, its metrics as they begin.

    Attributes:
        functions: (loop or answer, shapes) → what was traced last.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.functions = recent.Recent(MOST)
        self._fresh = [variable.numpy() for variable in model.metrics_variables]

    def answer(self, x: Any) -> Any:
        """Return the outputs for a batch of inputs."""
        return self._traced("answer", lambda: self.model.predict_step, (x,))((x,))

    def loop(self, training: bool, data: Any, rows: Any, chunk: Any) -> dict[str, Any]:
        """Take the training steps, or the test steps, of a chunk, and return what the metrics say."""
        return self._traced(training, lambda: self._loop(training), (data, rows))(data, rows, chunk)

    def _traced(self, what: Any, make: Callable[[], Callable], given: Any) -> Any:
        key = (what, *((tuple(one.shape), one.dtype) for one in tf.nest.flatten(given)))
        # TensorFlow would keep the traces of all shapes in one function, and warn of them; and it counts
        # functions by their source, which a partial has not.
        return self.functions.find(
            key,
            lambda: tf.function(
                functools.partial(make()), jit_compile=self.model.jit_compile, autograph=False
            ),
        )

    def _loop(self, training: bool) -> Callable:
        model = self.model
        step = model.train_step if training else model.test_step
        metrics = list(zip(model.metrics_variables, self._fresh, strict=True))

        def loop(data: Any, rows: Any, chunk: Any) -> Any:
            start, stop, anew = tf.unstack(chunk)  # one argument: TensorFlow takes its time over each
            for variable, fresh in metrics:
                variable.assign(tf.where(anew > 0, fresh, variable))

            def body(number: Any) -> list:
                arrays = zip(tf.nest.flatten(data), rows, strict=True)
                batch = [tf.gather(array, chosen[number]) for array, chosen in arrays]
                step(tf.nest.pack_sequence_as(data, batch))
                return [number + 1]

            tf.while_loop(lambda number: number < stop, body, [start], parallel_iterations=1)
            return model.get_metrics_result()

        return loop


def forward(model: keras.Model, kind: Hashable | None) -> Callable[[list], list]:
    """Return what answers batches of inputs with NumPy outputs, by a twin where the model's kind has one."""
    own = Traces(model)

    def answers(batches: list) -> list:
        twin = None if own.functions else twins.known(kind)
        if twin is not None and not twin.take(model):
            twin = None
        try:
            traces = own if twin is None else twin.traces
            found = [traces.answer(tf.nest.map_structure(tf.convert_to_tensor, batch)) for batch in batches]
            return tf.nest.map_structure(lambda one: one.numpy(), found)
        finally:
            if twin is not None:
                twin.give(model)

    return answers


class Program(contract.Program):
    """See :class:`kerasdl.training.programs.contract.Program`.

    The model's variables change in place, or those of the twin which its kind has.
    """

    def __init__(self, model: keras.Model, signature: tuple):
        super().__init__(model, signature)
        self._anew = False
        self._own = self._traces = Traces(model)
        self._twin: twins.Twin | None = None
        self._batch: Any = None

    def put(self, data: Any) -> Any:
        self._batch = tf.nest.map_structure(lambda array: array[:1].copy(), data)  # a view keeps all rows
        return tf.nest.map_structure(tf.convert_to_tensor, data)

    def take(self) -> None:
        if self._own.functions or self._batch is None:
            return
        twin = twins.of(self.signature[-1], self.model, self._batch, Traces)
        if twin is not None and twin.take(self.model):
            self._twin, self._traces = twin, twin.traces

    def give(self) -> None:
        if self._twin is not None:
            self._twin.give(self.model)
            self._twin, self._traces = None, self._own
        if self._anew:
            self.model.reset_metrics()
            self._anew = False

    def reset(self) -> None:
        self._anew = True  # when the next steps begin

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> dict[str, Any]:
        chunk = tf.constant([start, stop, int(self._anew)])
        found = self._traces.loop(training, data, rows, chunk)
        self._anew = False
        return tf.nest.map_structure(lambda one: one.numpy(), found)  # waits for the device

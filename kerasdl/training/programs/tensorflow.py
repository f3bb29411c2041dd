"""How is an epoch one program on TensorFlow? A loop over ``model.train_step`` inside one function.

A compiled model goes in; out comes a program that takes steps on data that lie on the device.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasdl.training.programs import contract


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


def forward(model: keras.Model, kind: None) -> Callable[[list], list]:
    """Return what answers batches of inputs with NumPy outputs."""
    step = tf.function(
        functools.partial(lambda x: model.predict_step((x,))),
        jit_compile=model.jit_compile,
        autograph=False,
        reduce_retracing=True,
    )

    def answers(batches: list) -> list:
        found = [step(tf.nest.map_structure(tf.convert_to_tensor, batch)) for batch in batches]
        return tf.nest.map_structure(lambda one: one.numpy(), found)

    return answers


class Program(contract.Program):
    """See :class:`kerasdl.training.programs.contract.Program`. The model's variables change in place."""

    def __init__(self, model: keras.Model, signature: tuple):
        super().__init__(model, signature)
        self._anew = False
        self._fresh = [variable.numpy() for variable in model.metrics_variables]
        self._loops = {True: self._loop(training=True), False: self._loop(training=False)}

    def _loop(self, training: bool) -> Any:
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

        # TensorFlow counts traces by a function's source, and would warn of every fifth model. A partial has
        # none: each program is counted by itself.
        return tf.function(functools.partial(loop), jit_compile=model.jit_compile, autograph=False)

    def put(self, data: Any) -> Any:
        return tf.nest.map_structure(tf.convert_to_tensor, data)

    def take(self) -> None:
        pass

    def give(self) -> None:
        if self._anew:
            self.model.reset_metrics()
            self._anew = False

    def reset(self) -> None:
        self._anew = True  # when the next steps begin

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> dict[str, Any]:
        found = self._loops[training](data, rows, tf.constant([start, stop, int(self._anew)]))
        self._anew = False
        return tf.nest.map_structure(lambda one: one.numpy(), found)  # waits for the device

"""Which network remembers nothing but what it said? One whose output is fed back.

Sizes go in; out comes a Keras model that is told the true outputs (teacher forcing), and one with the same
weights that hears its own.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasdl import checks, layers
from kerasdl.initializers import GlorotUniform


def output_recurrent(features: int, outputs: int = 1, units: int = 256) -> keras.Model:
    """Return h(t) = tanh(x(t) W + y(t−1) U + b), y(t) = h(t) V + c, trained with teacher forcing.

    Only the output is fed back (Jordan 1986). Training shows the true y(t−1) in its place (Williams & Zipser
    1989), so the model has two inputs, x and the teacher, ``(batch, time, features)`` and
    ``(batch, time, outputs)``; the teacher is the target itself, shifted by a step inside: train with
    ``model.fit([x, y], y)``. No step waits for another then, but the network never meets its own errors.
    :func:`free_running` lets it.

    Its weights ``[kernel, recurrent_kernel, bias, output_kernel, output_bias]`` fit
    :class:`kerasdl.scratch.OutputRNN` as they are.

    Args:
        features: numbers a step, at least 1.
        outputs: size of y, at least 1.
        units: size of h, at least 1.

    Raises:
        ValueError: a size below 1; in use, sequences of length 0, or a teacher of other rows or steps.

    Example:
        >>> output_recurrent(3, outputs=2, units=8).output_shape
        (None, None, 2)
    """
    x = keras.Input((None, checks.positive_int("features", features)), name="inputs")
    teacher = keras.Input((None, checks.positive_int("outputs", outputs)), name="teacher")
    layer = OutputRecurrent(units, outputs, name="output_recurrent")
    outputs = layer(layers.Steps(name="steps")(x), teacher)
    return keras.Model([x, teacher], outputs, name="output_recurrent")


def free_running(model: keras.Model) -> keras.Model:
    """Return an :func:`output_recurrent` model that hears itself: its only input is x.

    The two share their weights: train one, run the other. This one can be trained too, through time and
    without a teacher.

    Raises:
        ValueError: another kind of model.

    Example:
        >>> free_running(output_recurrent(3, outputs=2, units=8)).output_shape
        (None, None, 2)
    """
    found = [layer for layer in model.layers if isinstance(layer, OutputRecurrent)]
    if len(found) != 1:
        raise ValueError(f"model={model.name!r}: give one that models.output_recurrent made")
    x = keras.Input(model.inputs[0].shape[1:], name="inputs")
    return keras.Model(x, found[0](layers.Steps(name="steps")(x)), name="free_running")


@keras.saving.register_keras_serializable("kerasdl")
class OutputCell(keras.layers.Layer):
    """One step of :class:`OutputRecurrent`; its state is y."""

    def __init__(self, units: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = checks.positive_int("units", units)
        self.state_size = self.output_size = checks.positive_int("outputs", outputs)

    def build(self, input_shape: tuple) -> None:
        outputs = self.state_size
        for name, shape in {
            "kernel": (input_shape[-1], self.units),
            "recurrent_kernel": (outputs, self.units),
            "bias": (self.units,),
            "output_kernel": (self.units, outputs),
            "output_bias": (outputs,),
        }.items():
            start = "zeros" if len(shape) == 1 else GlorotUniform()
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer=start))

    def call(self, x: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        told = states[0]
        h = ops.tanh(ops.matmul(x, self.kernel) + ops.matmul(told, self.recurrent_kernel) + self.bias)
        y = ops.matmul(h, self.output_kernel) + self.output_bias
        return y, [y]

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units, "outputs": self.state_size}


@keras.saving.register_keras_serializable("kerasdl")
class OutputRecurrent(keras.layers.RNN):
    """The layer of :func:`output_recurrent`: forced where it is given a teacher, else free."""

    def __init__(self, units: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(OutputCell(units, outputs), return_sequences=True, **kwargs)

    def call(self, sequences: Any, teacher: Any = None, mask: Any = None, training: bool = False) -> Any:
        if teacher is None:
            return super().call(sequences, mask=mask, training=training)
        wanted, given = (*sequences.shape[:2], self.cell.state_size), tuple(teacher.shape)
        if any(None not in (a, b) and a != b for a, b in zip(wanted, given, strict=True)):
            raise ValueError(f"teacher of shape {given} does not fit the sequences: give {wanted}")
        told = ops.pad(teacher[:, :-1], [[0, 0], [1, 0], [0, 0]])
        return self.cell(sequences, [told])[0]  # every step knows its past: all at once

    def build(self, sequences_shape: tuple, teacher_shape: tuple | None = None) -> None:
        super().build(sequences_shape)

    def compute_output_shape(self, sequences_shape: tuple, teacher_shape: tuple | None = None) -> tuple:
        return (*sequences_shape[:2], self.cell.state_size)

    def get_config(self) -> dict:
        config = super().get_config()
        for name in ("cell", "return_sequences"):
            del config[name]
        return {**config, "units": self.cell.units, "outputs": self.cell.state_size}

    @classmethod
    def from_config(cls, config: dict) -> "OutputRecurrent":
        return cls(**config)

"""Which network reads or writes a sequence? One stack of recurrent layers, turned four ways.

Sizes go in; out come Keras models from one vector to a sequence, from a sequence to one answer, or from a
sequence to an answer at each step.
"""

from typing import Any

import keras

from kerasdl import checks
from kerasdl.initializers import GlorotUniform, Orthogonal
from kerasdl.layers import Dropout, Steps
from kerasdl.layers.cells.base import REGISTRY

CELLS = {name: cell.layer for name, cell in REGISTRY.items()}


def recurrent_stack(
    features: int,
    cell: str = "lstm",
    units: int = 256,
    layers: int = 2,
    bidirectional: bool = False,
    dropout: float = 0.0,
    return_sequences: bool = True,
    mask_value: float | None = None,
) -> keras.Model:
    """Return recurrent layers on top of each other, ``(batch, time, features)`` to ``(batch, time, units)``.

    Kernels start by :class:`kerasdl.initializers.GlorotUniform`, recurrent kernels by
    :class:`kerasdl.initializers.Orthogonal`, biases at 0 and an LSTM's forget gate at 1, as in Keras.

    Args:
        features: numbers a step, at least 1.
        cell: ``"rnn"``, ``"gru"``, ``"lstm"``, ``"peephole"`` or ``"mgu"``.
        units: width of each layer, the size of its state.
        layers: how many, at least 1.
        bidirectional: read both ways; each layer then gives ``2 · units``, forwards first.
        dropout: share that training drops of what one layer hands to the next.
        return_sequences: False: the last output alone, ``(batch, units)``.
        mask_value: a step whose features all have this value is padding, and passed over. A row that is only
            padding is answered from its initial state, zeros.

    Raises:
        ValueError: a size below 1, an unknown cell, a dropout outside [0, 1]; in use, sequences of length 0.

    Example:
        >>> recurrent_stack(3, cell="gru", units=8).output_shape
        (None, None, 8)
    """
    inputs = keras.Input((None, checks.positive_int("features", features)), name="inputs")
    outputs = _stack(
        _steps(inputs, mask_value), cell, units, layers, bidirectional, dropout, return_sequences
    )
    return keras.Model(inputs, outputs, name="recurrent_stack")


def one_to_many(
    features: int,
    steps: int,
    outputs: int = 1,
    cell: str = "lstm",
    units: int = 256,
    layers: int = 1,
    every_step: bool = True,
) -> keras.Model:
    """Return a network that makes one input a sequence, ``(batch, steps, outputs)``.

    Args:
        features: size of the input, ``(batch, features)``.
        steps: length of the sequence, at least 1.
        outputs: numbers a step; linear.
        cell, units, layers: as in :func:`recurrent_stack`.
        every_step: show the input at every step; False: at the first one, and zeros after.

    Raises:
        ValueError: a size below 1, an unknown cell.

    Example:
        >>> one_to_many(3, steps=7, outputs=2, units=8).output_shape
        (None, 7, 2)
    """
    inputs = keras.Input((checks.positive_int("features", features),), name="inputs")
    checks.positive_int("steps", steps)
    if every_step:
        sequence = keras.layers.RepeatVector(steps, name="every_step")(inputs)
    else:
        first = keras.layers.Reshape((1, features), name="first_step")(inputs)
        sequence = keras.layers.ZeroPadding1D((0, steps - 1), name="zeros_after")(first)
    return keras.Model(inputs, _dense(outputs)(_stack(sequence, cell, units, layers)), name="one_to_many")


def many_to_one(
    features: int,
    outputs: int = 1,
    cell: str = "lstm",
    units: int = 256,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    mask_value: float | None = None,
) -> keras.Model:
    """Return a network that answers at the end: ``(batch, time, features)`` to ``(batch, outputs)``.

    Args:
        features: numbers a step.
        outputs: size of the linear output: a classifier's logits (train it with ``from_logits=True``) or a
            regression's values.
        cell, units, layers, bidirectional, dropout, mask_value: as in :func:`recurrent_stack`.

    Raises:
        ValueError: as :func:`recurrent_stack`.

    Example:
        >>> many_to_one(3, outputs=2, units=8).output_shape
        (None, 2)
    """
    stack = recurrent_stack(features, cell, units, layers, bidirectional, dropout, False, mask_value)
    return keras.Model(stack.input, _dense(outputs)(stack.output), name="many_to_one")


def many_to_many(
    features: int,
    outputs: int = 1,
    cell: str = "lstm",
    units: int = 256,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    mask_value: float | None = None,
) -> keras.Model:
    """Return a network that answers at each step: ``(batch, time, features)`` to ``(batch, time, outputs)``.

    Where steps are masked, Keras's losses leave them out; its metrics do on TensorFlow and PyTorch, on JAX
    (keras 3.15) only ``weighted_metrics`` with the mask as ``sample_weight``.

    Args:
        features: numbers a step.
        outputs: size of the linear output at each step.
        cell, units, layers, bidirectional, dropout, mask_value: as in :func:`recurrent_stack`.

    Raises:
        ValueError: as :func:`recurrent_stack`.

    Example:
        >>> many_to_many(3, outputs=2, units=8, bidirectional=True).output_shape
        (None, None, 2)
    """
    stack = recurrent_stack(features, cell, units, layers, bidirectional, dropout, True, mask_value)
    return keras.Model(stack.input, _dense(outputs)(stack.output), name="many_to_many")


def recurrent_layer(cell: str, units: int, **arguments: Any) -> keras.layers.Layer:
    """Return one recurrent layer by its cell's name, its weights drawn in NumPy."""
    kind = CELLS[checks.one_of("cell", cell, CELLS)]
    start = {"kernel_initializer": GlorotUniform(), "recurrent_initializer": Orthogonal()}
    return kind(checks.positive_int("units", units), **start, **arguments)


def _steps(inputs: Any, mask_value: float | None) -> Any:
    return Steps(mask_value, name="steps")(inputs)


def _stack(
    sequence: Any,
    cell: str,
    units: int,
    depth: int,
    bidirectional: bool = False,
    dropout: float = 0.0,
    return_sequences: bool = True,
) -> Any:
    """Return what a stack of recurrent layers makes of a symbolic sequence."""
    checks.positive_int("layers", depth)
    checks.fraction("dropout", dropout)
    for number in range(1, depth + 1):
        layer = recurrent_layer(
            cell, units, return_sequences=return_sequences or number < depth, name=f"{cell}_{number}"
        )
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"both_ways_{number}")
        sequence = layer(sequence)
        if dropout and number < depth:
            sequence = Dropout(dropout, name=f"dropout_{number}")(sequence)
    return sequence


def _dense(outputs: int) -> keras.layers.Dense:
    outputs = checks.positive_int("outputs", outputs)
    return keras.layers.Dense(outputs, kernel_initializer=GlorotUniform(), name="output")

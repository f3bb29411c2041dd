"""How do sequences enter a network, and how does its state outlast them?

Three layers: :class:`Steps` takes sequences of numbers and :class:`Tokens` numbers of tokens, both with their
padding masked; :class:`Carried` hands a state on from batch to batch.
"""

import math
from typing import Any

import keras
from keras import ops

from kerasdl import checks
from kerasdl.initializers import Uniform
from kerasdl.text import Vocabulary


def _refuse_empty(sequences: Any) -> None:
    """The backends differ here: one would answer, another ask for an index that is not there."""
    if sequences.shape[1] == 0:
        raise ValueError(f"sequences of shape {tuple(sequences.shape)} have length 0: give at least one step")


@keras.saving.register_keras_serializable("kerasdl")
class Steps(keras.layers.Layer):
    """Lets sequences ``(batch, time, features)`` in, refuses those of length 0, and masks padding.

    Args:
        mask_value: a step whose features all have this value, which may be NaN, is padding: the layers behind
            pass over it, and Keras's losses leave it out. None: every step counts. A row that is all padding
            keeps the state it began with, zeros.

    Raises:
        ValueError: on a call with sequences of length 0, or of fewer than three axes.

    Example:
        >>> steps = Steps(mask_value=0.0)
        >>> steps.compute_mask(keras.ops.ones((1, 2, 3))).shape[1]
        2
    """

    def __init__(self, mask_value: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(min_ndim=3)

    def call(self, sequences: Any) -> Any:
        _refuse_empty(sequences)
        if self.mask_value is None:
            return sequences
        # Zeros, so that what padding holds, even NaN, reaches no gradient.
        return ops.where(self.compute_mask(sequences)[..., None], sequences, 0.0)

    def compute_mask(self, sequences: Any, previous_mask: Any = None) -> Any:
        if self.mask_value is None:
            return previous_mask
        if math.isnan(self.mask_value):  # NaN equals nothing, itself not either
            return ops.logical_not(ops.all(ops.isnan(sequences), axis=-1))
        value = self.mask_value
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(sequences.dtype)):
            # Rounded as the sequences are: on TensorFlow no half number equals the one that it came from.
            value = ops.cast(value, sequences.dtype)
        return ops.any(ops.not_equal(sequences, value), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}


@keras.saving.register_keras_serializable("kerasdl")
class Tokens(keras.layers.Layer):
    """Turns the numbers of tokens into vectors: one-hot, or learned ones of a given width.

    Maps ``(batch, time)`` of int32 to ``(batch, time, width)``, and masks padding where the vocabulary
    reserves it. Encode with this vocabulary: a number outside it has no vector, and few backends say so.

    Args:
        vocabulary: a :class:`kerasdl.text.Vocabulary`, which is saved with the model, or its length.
        width: of the learned vectors, which start uniform on ±0.05; None: one-hot.

    Attributes:
        vocabulary: as given; None where only its length was.
        size: its length.

    Raises:
        TypeError: neither a vocabulary nor a whole number.
        ValueError: a size below 1; on a call, sequences of length 0, or of fewer than two axes.

    Example:
        >>> tuple(Tokens(5)(keras.ops.array([[0, 4, 2]])).shape)
        (1, 3, 5)
    """

    def __init__(self, vocabulary: Vocabulary | int, width: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(vocabulary, dict):  # from a config
            vocabulary = Vocabulary(**vocabulary)
        self.vocabulary = vocabulary if isinstance(vocabulary, Vocabulary) else None
        if isinstance(vocabulary, Vocabulary):
            self.size = len(vocabulary)
        elif isinstance(vocabulary, int):
            self.size = checks.positive_int("vocabulary", vocabulary)
        else:
            raise TypeError(f"vocabulary={vocabulary!r}: give a kerasdl.text.Vocabulary or its length")
        self.width = None if width is None else checks.positive_int("width", width)
        self.padding = self.vocabulary.padding if self.vocabulary else None
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.width:
            self.vectors = self.add_weight(
                name="vectors", shape=(self.size, self.width), initializer=Uniform()
            )

    def call(self, tokens: Any) -> Any:
        _refuse_empty(tokens)
        if self.width:
            return ops.take(self.vectors, ops.cast(tokens, "int32"), axis=0)
        return ops.one_hot(ops.cast(tokens, "int32"), self.size, dtype=self.compute_dtype)

    def compute_mask(self, tokens: Any, previous_mask: Any = None) -> Any:
        return previous_mask if self.padding is None else ops.not_equal(tokens, self.padding)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, self.width or self.size)

    def get_config(self) -> dict[str, Any]:
        vocabulary = self.vocabulary.get_config() if self.vocabulary else self.size
        return {**super().get_config(), "vocabulary": vocabulary, "width": self.width}


@keras.saving.register_keras_serializable("kerasdl")
class Carried(keras.layers.Wrapper):
    """Begins each batch with the state in which the recurrent layer ended the batch before, row by row.

    The gradient ends where the batch does: back-propagation is truncated there. Keras's own
    ``stateful=True`` trains with the state on TensorFlow alone: on JAX it stays at zero, on PyTorch the
    gradient fails (keras 3.15). Feed :func:`kerasdl.text.sequential_windows` unshuffled, and give ``fit`` a
    :class:`kerasdl.training.ResetState` so that each pass starts from zeros.

    Args:
        layer: a recurrent layer of :mod:`kerasdl.layers`, with ``return_sequences`` and ``return_state``.

    Raises:
        TypeError: a layer that is not recurrent, reads both ways, or runs a stack of cells.
        ValueError: a layer that does not return both, an input whose batch size is left open, or, on a call,
            a batch of another size.

    Example:
        >>> from kerasdl import layers
        >>> layer = Carried(layers.GRU(4, return_sequences=True, return_state=True))
        >>> once, again = layer(ops.ones((2, 5, 3))), layer(ops.ones((2, 5, 3)))
        >>> bool(ops.all(once[:, 0] == again[:, 0]))  # the second began where the first had ended
        False
        >>> layer.reset_state()
        >>> bool(ops.all(once == layer(ops.ones((2, 5, 3)))))
        True
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if not isinstance(layer, keras.layers.RNN) or hasattr(layer.cell, "cells"):
            raise TypeError(
                f"layer={layer.name!r} is a {type(layer).__name__}: give a recurrent layer of kerasdl.layers"
            )
        if not (layer.return_sequences and layer.return_state):
            raise ValueError(f"layer={layer.name!r}: give it return_sequences=True and return_state=True")
        self.supports_masking = True
        self.states: list[keras.Variable] = []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        if input_shape[0] is None:
            raise ValueError(f"input_shape={input_shape}: a carried state needs a fixed batch size")
        sizes = keras.tree.flatten(self.layer.state_size)
        self.states = [
            self.add_weight(
                name=f"state_{n}",
                shape=(input_shape[0], size),
                initializer="zeros",
                trainable=False,
                autocast=False,  # cast to half precision it is a copy, and PyTorch would assign to that
            )
            for n, size in enumerate(sizes)
        ]

    def call(self, sequences: Any, mask: Any = None, training: bool = False) -> Any:
        rows, built = sequences.shape[0], self.states[0].shape[0]
        if rows not in (None, built):
            raise ValueError(
                f"a batch of {rows}, and {self.name!r} carries the states of {built} rows: "
                f"give batch_size={built}"
            )
        # A copy: PyTorch could not go back through a variable that is assigned to below.
        before = [ops.stop_gradient(state + 0.0) for state in self.states]
        outputs, *after = self.layer(sequences, initial_state=before, mask=mask, training=training)
        for state, value in zip(self.states, after, strict=True):
            state.assign(ops.stop_gradient(value))
        return outputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.layer.compute_output_shape(input_shape)[0]

    def reset_state(self) -> None:
        """Set every row's state to zeros."""
        for state in self.states:
            state.assign(ops.zeros(state.shape))

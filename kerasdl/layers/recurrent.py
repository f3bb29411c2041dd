"""Which layers remember? Keras's recurrent ones and the peephole LSTM, with one interface."""

import keras

from kerasdl.layers.peephole import PeepholeLSTMCell


@keras.saving.register_keras_serializable("kerasdl")
class SimpleRNN(keras.layers.SimpleRNN):
    """Drop-in for :class:`keras.layers.SimpleRNN`."""


@keras.saving.register_keras_serializable("kerasdl")
class GRU(keras.layers.GRU):
    """Drop-in for :class:`keras.layers.GRU`."""


@keras.saving.register_keras_serializable("kerasdl")
class LSTM(keras.layers.LSTM):
    """Drop-in for :class:`keras.layers.LSTM`."""


@keras.saving.register_keras_serializable("kerasdl")
class PeepholeLSTM(keras.layers.RNN):
    """An LSTM whose gates see the cell state: "peepholes" (Gers & Schmidhuber 2000).

    With σ the ``recurrent_activation`` and tanh the ``activation``::

        i = σ(x W_i + h U_i + p_i ⊙ c + b_i)        c' = f ⊙ c + i ⊙ tanh(x W_c + h U_c + b_c)
        f = σ(x W_f + h U_f + p_f ⊙ c + b_f)        h' = o ⊙ tanh(c')
        o = σ(x W_o + h U_o + p_o ⊙ c' + b_o)

    In the other published form, ``"full"``, all three gates see c, through matrices: ``c P`` in place of
    ``p ⊙ c``, in the output gate too.

    Args:
        units: size of h and c, at least 1.
        form: ``"per_unit"`` or ``"full"``.
        peephole_initializer: where p starts; the default, zeros, is a plain LSTM.
        peephole_regularizer, peephole_constraint: as Keras has them for the other weights.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: as in
            :class:`keras.layers.RNN`.
        activity_regularizer, name, dtype, trainable: as in any Keras layer.
        **cell_arguments: the rest of :class:`keras.layers.LSTM`'s, with its defaults: activations,
            ``use_bias``, ``unit_forget_bias``, initializers, regularizers and constraints, ``dropout``,
            ``recurrent_dropout``, ``seed``.

    Call arguments:
        sequences: ``(batch, time, features)``.
        initial_state: ``[h, c]``, each ``(batch, units)``; default zeros.
        mask: ``(batch, time)``, False at steps to pass over: there the state stays.
        training: whether to drop.

    Returns:
        ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``; with ``return_state``
        a tuple of it, h and c.

    Raises:
        ValueError: an unknown form or a size below 1.

    Example:
        >>> import numpy as np
        >>> PeepholeLSTM(4)(np.zeros((2, 5, 3), "float32")).shape[-1]
        4
    """

    def __init__(
        self,
        units: int,
        form: str = "per_unit",
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        activity_regularizer=None,
        name: str | None = None,
        dtype=None,
        trainable: bool = True,
        **cell_arguments,
    ):
        cell = PeepholeLSTMCell(
            units, form, dtype=dtype, trainable=trainable, name="peephole_lstm_cell", **cell_arguments
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            name=name,
            dtype=dtype,
            trainable=trainable,
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)

    @property
    def units(self) -> int:
        return self.cell.units

    def get_config(self) -> dict:
        config = super().get_config()
        del config["cell"]
        return {**self.cell.get_config(), **config}

    @classmethod
    def from_config(cls, config: dict) -> "PeepholeLSTM":
        return cls(**config)

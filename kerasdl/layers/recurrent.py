"""Which layers remember? Keras's recurrent ones, faster, and the peephole LSTM.

Each is a drop-in: arguments, weights, config, masks, states and results are stock Keras's. What differs is
how the loop over time runs: see :mod:`kerasdl.layers.kernels`. Where the fast loop can't do what is asked,
Keras's own runs.
"""

import keras
from keras import ops

from kerasdl.layers import kernels
from kerasdl.layers.kernels import cells
from kerasdl.layers.peephole import PeepholeLSTMCell

_ACTIVATIONS = {getattr(keras.activations, name): name for name in cells.ACTIVATIONS}


class _Fast:
    """Runs the loop over time by the backend's kernel, where the layer's arguments allow it."""

    def inner_loop(self, sequences, initial_state, mask, training: bool = False):
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        kernel, arithmetic = kernels.load(), self._arithmetic()
        # Dropped states, and a mask of its own for each gate, are left to Keras's loop.
        several_masks = self.cell.recurrent_dropout or getattr(self.cell, "dropout_mask_count", None)
        cudnn = getattr(self, "use_cudnn", False)
        if (
            kernel is None
            or arithmetic is None
            or (training and several_masks)
            or self.unroll
            or cudnn is True
            or (cudnn and kernel.has_cudnn(self, mask))
        ):
            return super().inner_loop(sequences, initial_state, mask, training)
        dtype = self.cell.compute_dtype
        if training and self.cell.dropout:
            sequences = sequences * ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        states = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
        if self.stateful:  # the variables are overwritten before the reverse pass reads them
            states = [ops.copy(s) for s in states]
        names = [getattr(self.cell, name, None) for name in cells.Weights._fields]
        weights = [None if w is None else ops.cast(ops.convert_to_tensor(w), dtype) for w in names]
        last, outputs, states = kernel.recur(
            arithmetic,
            ops.cast(sequences, dtype),
            states,
            cells.Weights(*weights),
            mask,
            self.return_sequences,
        )
        if self.zero_output_for_mask and mask is not None:  # Bidirectional asks for it
            counts = ops.expand_dims(ops.cast(mask, "bool"), -1)
            last = ops.where(counts[:, -1], last, 0)
            outputs = ops.where(counts if self.return_sequences else counts[:, -1:], outputs, 0)
        return last, outputs, states

    def _arithmetic(self):
        """Return the cell of :mod:`~kerasdl.layers.kernels.cells` that this layer's cell is, or None."""
        cell = self.cell
        activations = [cell.activation, getattr(cell, "recurrent_activation", keras.activations.sigmoid)]
        if not all(one in _ACTIVATIONS for one in activations):
            return None
        names = [_ACTIVATIONS[one] for one in activations]
        if type(cell) is keras.layers.GRUCell:
            return cells.GRU(*names, bool(cell.reset_after))
        if type(cell) is PeepholeLSTMCell:
            return cells.PeepholeLSTM(*names, cell.form)
        plain = {keras.layers.SimpleRNNCell: cells.SimpleRNN, keras.layers.LSTMCell: cells.LSTM}
        return plain[type(cell)](*names) if type(cell) in plain else None


@keras.saving.register_keras_serializable("kerasdl")
class SimpleRNN(_Fast, keras.layers.SimpleRNN):
    """Drop-in for :class:`keras.layers.SimpleRNN`, faster."""


@keras.saving.register_keras_serializable("kerasdl")
class GRU(_Fast, keras.layers.GRU):
    """Drop-in for :class:`keras.layers.GRU`, faster."""


@keras.saving.register_keras_serializable("kerasdl")
class LSTM(_Fast, keras.layers.LSTM):
    """Drop-in for :class:`keras.layers.LSTM`, faster."""


@keras.saving.register_keras_serializable("kerasdl")
class PeepholeLSTM(_Fast, keras.layers.RNN):
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

"""How few gates can remember for long? One: the minimal gated unit blends and resets by the same gate.

:class:`MGU`, the layer; :class:`MGUCell`, one step of it; and its arithmetic.
Tensors ``(batch, time, features)`` go in; outputs ``(batch, time, units)``, or the last one, come out.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasdl.layers.cells.base import Arithmetic, Operations, Pair, Tensor, Tensors, Weights, register
from kerasdl.layers.cells.own import CellLayer, add_gate_weights


class MGUArithmetic(Arithmetic):
    """Zhou, Wu, Zhang & Zhou 2016, gates f, h."""

    saves, slopes = 3, 2

    def recurrent(self, w: Weights) -> Pair:
        kernel = w["recurrent_kernel"]
        units = kernel.shape[0]
        return (kernel[:, :units], kernel[:, units:]), ()

    def step(self, ops: Operations, z: Tensor, states: Tensors, matrices: Tensors, vectors: Tensors) -> Pair:
        (h,), (of_f, of_n) = states, ops.split(z, 2)
        f = self.gate(ops, ops.plus_through(of_f, h, matrices[0]))
        n = self.act(ops, ops.plus_through(of_n, f * h, matrices[1]))
        return (ops.blend(f, n, h),), (f, n, h)

    def back(
        self, ops: Operations, d_states: Tensors, saved: Tensors, matrices: Tensors, vectors: Tensors
    ) -> Pair:
        (d,), (f, n, h) = d_states, saved
        new = d * f
        dn = self.act_back(ops, new, n)
        reset = ops.through(dn, matrices[1])
        df = self.gate_back(ops, ops.plus_product(d * (n - h), reset, h), f)
        return (df, dn), (ops.plus_through(ops.plus_product(d - new, reset, f), df, matrices[0]),)

    def projected(self, ops: Operations, slopes: Tensors) -> Tensor:
        return ops.columns(slopes)

    def gradients(
        self, ops: Operations, slopes: Tensors, saved: Callable[[int], Tensor], h: Tensor, w: Weights
    ) -> dict[str, Tensor]:
        df, dn = slopes
        kernel = ops.columns((ops.outer(h, df), ops.outer(saved(0) * h, dn)))
        return {"recurrent_kernel": kernel, "bias": ops.total(ops.columns(slopes))}


@keras.saving.register_keras_serializable("kerasdl")
class MGUCell(keras.layers.GRUCell):
    """One step of :class:`MGU`: the arguments are the layer's, the state is ``[h]``.

    Weights, in this order, columns f, h: ``kernel`` ``(features, 2 · units)``, ``recurrent_kernel``
    ``(units, 2 · units)``, ``bias`` ``(2 · units,)``.

    Example:
        >>> h, states = MGUCell(4)(ops.ones((2, 3)), [ops.zeros((2, 4))])
        >>> tuple(h.shape), len(states)
        ((2, 4), 1)
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, reset_after=False, **kwargs)
        # Keras would draw one mask for each gate here; a state that is dropped is dropped for both.
        self.implementation, self.dropout_mask_count = 2, None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        add_gate_weights(self, input_shape[-1], 2)

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> tuple[Tensor, Any]:
        h = states[0] if isinstance(states, (list, tuple)) else states
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        seen = h * self.get_recurrent_dropout_mask(h) if training and self.recurrent_dropout else h
        z = ops.matmul(inputs, self.kernel)
        of_f, of_n = ops.split(z if self.bias is None else z + self.bias, 2, axis=1)
        recurrent = ops.convert_to_tensor(self.recurrent_kernel)
        f = self.recurrent_activation(of_f + ops.matmul(seen, recurrent[:, : self.units]))
        n = self.activation(of_n + ops.matmul(f * seen, recurrent[:, self.units :]))
        h = (1 - f) * h + f * n
        return h, [h] if isinstance(states, (list, tuple)) else h

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["reset_after"]
        return config


@keras.saving.register_keras_serializable("kerasdl")
class MGU(CellLayer):
    """The minimal gated unit, a GRU with one gate for both of its two (Zhou, Wu, Zhang & Zhou 2016).

    With σ the ``recurrent_activation`` and tanh the ``activation``::

        f  = σ(x W_f + h U_f + b_f)
        h̃  = tanh(x W_h + (f ⊙ h) U_h + b_h)
        h' = (1 − f) ⊙ h + f ⊙ h̃

    It has two thirds of a GRU's weights.

    Args:
        units: size of h, at least 1.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: as in
            :class:`keras.layers.RNN`.
        activity_regularizer, name, dtype, trainable: as in any Keras layer.
        **cell_arguments: the rest of :class:`keras.layers.GRU`'s but ``reset_after``, with its defaults:
            activations, ``use_bias``, initializers, regularizers and constraints, ``dropout``,
            ``recurrent_dropout``, ``seed``.

    Call arguments:
        sequences: ``(batch, time, features)``.
        initial_state: h, ``(batch, units)``; default zeros.
        mask: ``(batch, time)``, False at steps to pass over: there the state stays.
        training: whether to drop.

    Returns:
        ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``; with ``return_state``
        a tuple of it and h.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> import numpy as np
        >>> MGU(4)(np.zeros((2, 5, 3), "float32")).shape[-1]
        4
    """

    cell_class, cell_name = MGUCell, "mgu_cell"


register("mgu", cell=MGUCell, arithmetic=MGUArithmetic, layer=MGU)

"""How does a gate see the cell state itself? Through a peephole.

:class:`PeepholeLSTM`, the layer; :class:`PeepholeLSTMCell`, one step of it; and its arithmetic.
Tensors ``(batch, time, features)`` go in; outputs ``(batch, time, units)``, or the last one, come out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from kerasdl import checks
from kerasdl.layers.cells.base import Arithmetic, Operations, Pair, Tensor, Tensors, Weights, register
from kerasdl.layers.cells.own import CellLayer, of_cell

FORMS = ("per_unit", "full")


@dataclass(frozen=True)
class PeepholeLSTMArithmetic(Arithmetic):
    """Gers & Schmidhuber 2000: gates see the cell state, unit by unit or, in full, through matrices."""

    form: str = "per_unit"

    weights = (*Arithmetic.weights, "peephole_kernel")
    options: ClassVar = {"form": FORMS}
    saves = 6

    def recurrent(self, w: Weights) -> Pair:
        if self.form == "per_unit":
            return (w["recurrent_kernel"],), tuple(w["peephole_kernel"][n] for n in range(3))
        return (w["recurrent_kernel"], w["peephole_kernel"]), ()

    def step(self, ops: Operations, z: Tensor, states: Tensors, matrices: Tensors, vectors: Tensors) -> Pair:
        h, c = states
        i, f, g, o = ops.split(ops.plus_through(z, h, matrices[0]), 4)
        if self.form == "per_unit":
            i, f = ops.plus_product(i, vectors[0], c), ops.plus_product(f, vectors[1], c)
        else:
            see_i, see_f, see_o = ops.split(ops.through(c, matrices[1]), 3)
            i, f, o = i + see_i, f + see_f, o + see_o
        i, f, g = self.gate(ops, i), self.gate(ops, f), self.act(ops, g)
        new = ops.plus_product(f * c, i, g)
        o = self.gate(ops, ops.plus_product(o, vectors[2], new) if self.form == "per_unit" else o)
        shown = self.act(ops, new)
        return (o * shown, new), (i, f, g, o, c, shown)

    def back(
        self, ops: Operations, d_states: Tensors, saved: Tensors, matrices: Tensors, vectors: Tensors
    ) -> Pair:
        (dh, dc), (i, f, g, o, c, shown) = d_states, saved
        do = self.gate_back(ops, dh * shown, o)
        dc = dc + self.act_back(ops, dh * o, shown)
        if self.form == "per_unit":
            dc = ops.plus_product(dc, do, vectors[2])
        di, df = self.gate_back(ops, dc * g, i), self.gate_back(ops, dc * c, f)
        dz = ops.join((di, df, self.act_back(ops, dc * i, g), do))
        if self.form == "per_unit":
            old = ops.plus_product(ops.plus_product(dc * f, di, vectors[0]), df, vectors[1])
        else:
            old = ops.plus_through(dc * f, ops.join((di, df, do)), matrices[1])
        return (dz,), (ops.through(dz, matrices[0]), old)

    def gradients(
        self, ops: Operations, slopes: Tensors, saved: Callable[[int], Tensor], h: Tensor, w: Weights
    ) -> dict[str, Tensor]:
        (dz,) = slopes
        di, df, _, do = ops.cut(dz, 4)
        c = saved(4)
        if self.form == "per_unit":
            new = saved(1) * c + saved(0) * saved(2)
            peephole = ops.stack((ops.total(di * c), ops.total(df * c), ops.total(do * new)))
        else:
            peephole = ops.outer(c, ops.columns((di, df, do)))
        return {**super().gradients(ops, slopes, saved, h, w), "peephole_kernel": peephole}


@keras.saving.register_keras_serializable("kerasdl")
class PeepholeLSTMCell(keras.layers.LSTMCell):
    """One step of :class:`PeepholeLSTM`: the states are ``[h, c]``.

    Weights, in this order: ``kernel`` ``(features, 4 · units)`` and ``recurrent_kernel``
    ``(units, 4 · units)``, columns i, f, c, o as in Keras; ``bias`` ``(4 · units,)``; ``peephole_kernel``,
    ``(3, units)`` with rows i, f, o, or in full ``(units, 3 · units)`` with columns i, f, o.

    Args:
        units: size of h and of c.
        form: ``"per_unit"`` or ``"full"``, as in the layer.
        peephole_initializer, peephole_regularizer, peephole_constraint: of ``peephole_kernel``.
        **kwargs: those of :class:`keras.layers.LSTMCell`.

    Raises:
        ValueError: an unknown form.

    Example:
        >>> h, states = PeepholeLSTMCell(4)(ops.ones((2, 3)), [ops.zeros((2, 4)), ops.zeros((2, 4))])
        >>> tuple(h.shape), len(states)
        ((2, 4), 2)
    """

    def __init__(
        self,
        units: int,
        form: str = "per_unit",
        peephole_initializer: Any = "zeros",
        peephole_regularizer: Any = None,
        peephole_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.form = checks.one_of("form", form, FORMS)
        self.peephole_initializer = keras.initializers.get(peephole_initializer)
        self.peephole_regularizer = keras.regularizers.get(peephole_regularizer)
        self.peephole_constraint = keras.constraints.get(peephole_constraint)
        # Keras would draw one mask for each gate here; a state that is dropped is dropped for all of them.
        self.implementation, self.dropout_mask_count = 2, None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.peephole_kernel = self.add_weight(
            shape=(3, self.units) if self.form == "per_unit" else (self.units, 3 * self.units),
            name="peephole_kernel",
            initializer=self.peephole_initializer,
            regularizer=self.peephole_regularizer,
            constraint=self.peephole_constraint,
        )

    def call(self, inputs: Tensor, states: Tensors, training: bool = False) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            h = h * self.get_recurrent_dropout_mask(h)
        z = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z if self.bias is None else z + self.bias, 4, axis=1)
        if self.form == "per_unit":
            see_i, see_f, see_o = ops.unstack(ops.convert_to_tensor(self.peephole_kernel))
            see_i, see_f = see_i * c, see_f * c
        else:
            see_i, see_f, see_o = ops.split(ops.matmul(c, self.peephole_kernel), 3, axis=1)
        i, f = self.recurrent_activation(i + see_i), self.recurrent_activation(f + see_f)
        c = f * c + i * self.activation(g)
        o = self.recurrent_activation(o + (see_o * c if self.form == "per_unit" else see_o))
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        config = {
            "form": self.form,
            "peephole_initializer": keras.initializers.serialize(self.peephole_initializer),
            "peephole_regularizer": keras.regularizers.serialize(self.peephole_regularizer),
            "peephole_constraint": keras.constraints.serialize(self.peephole_constraint),
        }
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("kerasdl")
class PeepholeLSTM(CellLayer):
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

    cell_class, cell_name = PeepholeLSTMCell, "peephole_lstm_cell"

    def __init__(self, units: int, form: str = "per_unit", **arguments: Any) -> None:
        super().__init__(units, form=form, **arguments)

    form, unit_forget_bias = of_cell("form"), of_cell("unit_forget_bias")
    peephole_initializer, peephole_regularizer = (
        of_cell("peephole_initializer"),
        of_cell("peephole_regularizer"),
    )
    peephole_constraint = of_cell("peephole_constraint")


register("peephole", cell=PeepholeLSTMCell, arithmetic=PeepholeLSTMArithmetic, layer=PeepholeLSTM)

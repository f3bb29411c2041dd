"""How does a cell keep a memory beside its output? The LSTM adds to it, behind gates.

:class:`LSTM`, a drop-in for Keras's, and its arithmetic.
Tensors ``(batch, time, features)`` go in; outputs ``(batch, time, units)``, or the last one, come out.
"""

import keras

from kerasdl.layers.cells.base import Arithmetic, Operations, Pair, Tensor, Tensors, register
from kerasdl.layers.recurrent import FastLoop


class LSTMArithmetic(Arithmetic):
    """Hochreiter & Schmidhuber 1997 with a forget gate (Gers et al. 2000); gates i, f, c, o as in Keras."""

    saves = 6

    @property
    def fused(self) -> str | None:
        return "lstm" if self == LSTMArithmetic() else None

    def step(self, ops: Operations, z: Tensor, states: Tensors, matrices: Tensors, vectors: Tensors) -> Pair:
        (h, c), (u,) = states, matrices
        i, f, g, o = ops.split(ops.plus_through(z, h, u), 4)
        i, f, o = self.gate(ops, i), self.gate(ops, f), self.gate(ops, o)
        g = self.act(ops, g)
        new = ops.plus_product(f * c, i, g)
        shown = self.act(ops, new)
        return (o * shown, new), (i, f, g, o, c, shown)

    def back(
        self, ops: Operations, d_states: Tensors, saved: Tensors, matrices: Tensors, vectors: Tensors
    ) -> Pair:
        (dh, dc), (i, f, g, o, c, shown), (u,) = d_states, saved, matrices
        dc = dc + self.act_back(ops, dh * o, shown)
        dz = ops.join(
            (
                self.gate_back(ops, dc * g, i),
                self.gate_back(ops, dc * c, f),
                self.act_back(ops, dc * i, g),
                self.gate_back(ops, dh * shown, o),
            )
        )
        return (dz,), (ops.through(dz, u), dc * f)


@keras.saving.register_keras_serializable("kerasdl")
class LSTM(FastLoop, keras.layers.LSTM):
    """Drop-in for :class:`keras.layers.LSTM`, faster.

    Example:
        >>> x = keras.ops.ones((2, 5, 3))  # (batch, time, features)
        >>> tuple(LSTM(4)(x).shape), tuple(LSTM(4, return_sequences=True)(x).shape)
        ((2, 4), (2, 5, 4))
    """


register("lstm", cell=keras.layers.LSTMCell, arithmetic=LSTMArithmetic, layer=LSTM)

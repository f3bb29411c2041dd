"""What is the plainest recurrent cell? The state goes through a matrix, joins the input, and is squashed.

:class:`SimpleRNN`, a drop-in for Keras's, and its arithmetic.
Tensors ``(batch, time, features)`` go in; outputs ``(batch, time, units)``, or the last one, come out.
"""

import keras

from kerasdl.layers.cells.base import Arithmetic, Operations, Pair, Tensor, Tensors, register
from kerasdl.layers.recurrent import FastLoop


class SimpleRNNArithmetic(Arithmetic):
    """h' = act(z + h U) (Elman 1990)."""

    @property
    def fused(self) -> str | None:
        return f"rnn_{self.activation}" if self.activation in ("tanh", "relu") else None

    def step(self, ops: Operations, z: Tensor, states: Tensors, matrices: Tensors, vectors: Tensors) -> Pair:
        (h,), (u,) = states, matrices
        new = self.act(ops, ops.plus_through(z, h, u))
        return (new,), (new,)

    def back(
        self, ops: Operations, d_states: Tensors, saved: Tensors, matrices: Tensors, vectors: Tensors
    ) -> Pair:
        (d,), (new,), (u,) = d_states, saved, matrices
        dz = self.act_back(ops, d, new)
        return (dz,), (ops.through(dz, u),)


@keras.saving.register_keras_serializable("kerasdl")
class SimpleRNN(FastLoop, keras.layers.SimpleRNN):
    """Drop-in for :class:`keras.layers.SimpleRNN`, faster.

    Example:
        >>> x = keras.ops.ones((2, 5, 3))  # (batch, time, features)
        >>> tuple(SimpleRNN(4)(x).shape), tuple(SimpleRNN(4, return_sequences=True)(x).shape)
        ((2, 4), (2, 5, 4))
    """


register("rnn", cell=keras.layers.SimpleRNNCell, arithmetic=SimpleRNNArithmetic, layer=SimpleRNN)

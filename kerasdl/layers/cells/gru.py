"""How does a cell choose between its past and something new? The GRU blends them, one gate for both.

:class:`GRU`, a drop-in for Keras's, and its arithmetic.
Tensors ``(batch, time, features)`` go in; outputs ``(batch, time, units)``, or the last one, come out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras

from kerasdl.layers.cells.base import Arithmetic, Operations, Pair, Tensor, Tensors, Weights, register
from kerasdl.layers.recurrent import FastLoop


@dataclass(frozen=True)
class GRUArithmetic(Arithmetic):
    """Cho et al. 2014, gates z, r, h; the reset gate after the product (Keras's default) or before it."""

    reset_after: bool = True

    options: ClassVar = {"reset_after": (True, False)}
    slopes = 2

    @property
    def fused(self) -> str | None:
        return "gru" if self == GRUArithmetic() else None

    @property
    def saves(self) -> int:
        return 5 if self.reset_after else 4

    def recurrent(self, w: Weights) -> Pair:
        kernel, bias = w["recurrent_kernel"], w.get("bias")
        if self.reset_after:
            return (kernel,), (() if bias is None else (bias[1],))
        units = kernel.shape[0]
        return (kernel[:, : 2 * units], kernel[:, 2 * units :]), ()

    def input_bias(self, w: Weights) -> Tensor | None:
        bias = w.get("bias")
        return bias[0] if self.reset_after and bias is not None else bias

    def step(self, ops: Operations, z: Tensor, states: Tensors, matrices: Tensors, vectors: Tensors) -> Pair:
        (h,) = states
        of_u, of_r, of_n = ops.split(z, 3)
        if self.reset_after:
            from_h = ops.plus_through(vectors[0], h, matrices[0]) if vectors else ops.through(h, matrices[0])
            h_u, h_r, h_n = ops.split(from_h, 3)
        else:
            h_u, h_r = ops.split(ops.through(h, matrices[0]), 2)
        u, r = self.gate(ops, of_u + h_u), self.gate(ops, of_r + h_r)
        if self.reset_after:
            n = self.act(ops, ops.plus_product(of_n, r, h_n))
        else:
            n = self.act(ops, ops.plus_through(of_n, r * h, matrices[1]))
        return (ops.blend(u, h, n),), (u, r, n, h, h_n) if self.reset_after else (u, r, n, h)

    def back(
        self, ops: Operations, d_states: Tensors, saved: Tensors, matrices: Tensors, vectors: Tensors
    ) -> Pair:
        (d,), (u, r, n, h, *h_n) = d_states, saved
        old = d * u
        du = self.gate_back(ops, d * (h - n), u)
        dn = self.act_back(ops, d - old, n)
        if self.reset_after:
            dr = self.gate_back(ops, dn * h_n[0], r)
            dz, from_h = ops.join((du, dr, dn)), ops.join((du, dr, dn * r))
            return (dz, from_h), (ops.plus_through(old, from_h, matrices[0]),)
        reset = ops.through(dn, matrices[1])
        gates = ops.join((du, self.gate_back(ops, reset * h, r)))
        return (gates, dn), (ops.plus_through(ops.plus_product(old, reset, r), gates, matrices[0]),)

    def projected(self, ops: Operations, slopes: Tensors) -> Tensor:
        return slopes[0] if self.reset_after else ops.columns(slopes)

    def gradients(
        self, ops: Operations, slopes: Tensors, saved: Callable[[int], Tensor], h: Tensor, w: Weights
    ) -> dict[str, Tensor]:
        if self.reset_after:
            dz, from_h = slopes
            found = {"recurrent_kernel": ops.outer(h, from_h)}
            return found | ({"bias": ops.stack((ops.total(dz), ops.total(from_h)))} if "bias" in w else {})
        gates, dn = slopes
        kernel = ops.columns((ops.outer(h, gates), ops.outer(saved(1) * h, dn)))
        return {"recurrent_kernel": kernel, "bias": ops.total(ops.columns(slopes))}


@keras.saving.register_keras_serializable("kerasdl")
class GRU(FastLoop, keras.layers.GRU):
    """Drop-in for :class:`keras.layers.GRU`, faster.

    Example:
        >>> x = keras.ops.ones((2, 5, 3))  # (batch, time, features)
        >>> tuple(GRU(4)(x).shape), tuple(GRU(4, return_sequences=True)(x).shape)
        ((2, 4), (2, 5, 4))
    """


register("gru", cell=keras.layers.GRUCell, arithmetic=GRUArithmetic, layer=GRU)

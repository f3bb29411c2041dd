"""What does a recurrent cell compute, forward and in reverse? The arithmetic alone, for every backend.

A cell is written once, in terms of a few operations that each backend's module brings (``ops``, a
:class:`Formulas`): split and join gates, send a vector through a matrix, the activations. Whether a state
is ``(batch, units)`` or ``(units, batch)`` is the backend's choice, for one of them multiplies faster than
the other.

For one step, ``step`` takes the projected input x W + b and the states, and returns the new states and what
the reverse pass will need; ``back`` takes the gradient with respect to the new states and that, and returns
the gradient with respect to the projected input (and, for the GRU, to the projected state), then to the old
states. No weight's gradient is summed step by step: ``gradients`` takes those of all steps at once, as
matrices with one row for each step of each sample.
"""

from dataclasses import dataclass
from typing import NamedTuple

ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear")

NO_SECOND_GRADIENT = "the gradient of a gradient is not written for this layer: use keras.layers' own"


class Formulas:
    """What is made of simpler operations, unless a backend has one for the whole.

    ``tanh_back`` and the like take the gradient after an activation, and the activation's value, to the
    gradient before it.
    """

    linear = staticmethod(lambda z: z)
    linear_back = staticmethod(lambda d, y: d)
    tanh_back = staticmethod(lambda d, y: d * (1 - y * y))
    sigmoid_back = staticmethod(lambda d, y: d * (y * (1 - y)))
    # a + b ⊙ c, and u ⊙ a + (1 − u) ⊙ b.
    plus_product = staticmethod(lambda a, b, c: a + b * c)
    blend = staticmethod(lambda u, a, b: u * a + (1 - u) * b)

    @classmethod
    def plus_through(cls, a, v, matrix):
        return a + cls.through(v, matrix)


class Weights(NamedTuple):
    """A layer's weights in Keras's layout; those that it does not have are None."""

    kernel: object
    recurrent_kernel: object
    bias: object = None
    peephole_kernel: object = None


@dataclass(frozen=True)
class _Cell:
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    # How many arrays ``step`` saves and ``back`` returns of slopes.
    saves, slopes = 1, 1

    def recurrent(self, w: Weights) -> tuple[tuple, tuple]:
        """Return the matrices that states go through and the vectors that are added to or scale them."""
        return (w.recurrent_kernel,), ()

    def input_bias(self, w: Weights):
        """Return the bias of the projected input, or None."""
        return w.bias

    def _act(self, ops, z):
        return getattr(ops, self.activation)(z)

    def _gate(self, ops, z):
        return getattr(ops, self.recurrent_activation)(z)

    def _act_back(self, ops, d, y):
        return getattr(ops, f"{self.activation}_back")(d, y)

    def _gate_back(self, ops, d, y):
        return getattr(ops, f"{self.recurrent_activation}_back")(d, y)

    def projected(self, ops, slopes: tuple):
        """Return the gradient with respect to the projected inputs, from what ``back`` returned."""
        return slopes[0]

    def gradients(self, ops, slopes: tuple, saved, h, w: Weights) -> tuple:
        """Return the gradients of recurrent kernel, bias and peephole kernel (None where there is none).

        ``slopes`` are what ``back`` returned, ``h`` the states before each step, both ``(rows, …)``;
        ``saved(n)`` is the n-th of what ``step`` saved, in that form.
        """
        (dz,) = slopes
        return ops.outer(h, dz), ops.total(dz), None


class SimpleRNN(_Cell):
    """h' = act(z + h U) (Elman 1990)."""

    def step(self, ops, z, states, matrices, vectors):
        (h,), (u,) = states, matrices
        new = self._act(ops, ops.plus_through(z, h, u))
        return (new,), (new,)

    def back(self, ops, d_states, saved, matrices, vectors):
        (d,), (new,), (u,) = d_states, saved, matrices
        dz = self._act_back(ops, d, new)
        return (dz,), (ops.through(dz, u),)


class LSTM(_Cell):
    """Hochreiter & Schmidhuber 1997 with a forget gate (Gers et al. 2000); gates i, f, c, o as in Keras."""

    saves = 6

    def step(self, ops, z, states, matrices, vectors):
        (h, c), (u,) = states, matrices
        i, f, g, o = ops.split(ops.plus_through(z, h, u), 4)
        i, f, o = self._gate(ops, i), self._gate(ops, f), self._gate(ops, o)
        g = self._act(ops, g)
        new = ops.plus_product(f * c, i, g)
        shown = self._act(ops, new)
        return (o * shown, new), (i, f, g, o, c, shown)

    def back(self, ops, d_states, saved, matrices, vectors):
        (dh, dc), (i, f, g, o, c, shown), (u,) = d_states, saved, matrices
        dc = dc + self._act_back(ops, dh * o, shown)
        dz = ops.join(
            (
                self._gate_back(ops, dc * g, i),
                self._gate_back(ops, dc * c, f),
                self._act_back(ops, dc * i, g),
                self._gate_back(ops, dh * shown, o),
            )
        )
        return (dz,), (ops.through(dz, u), dc * f)


@dataclass(frozen=True)
class GRU(_Cell):
    """Cho et al. 2014, gates z, r, h; the reset gate after the product (Keras's default) or before it."""

    reset_after: bool = True
    slopes = 2

    @property
    def saves(self) -> int:
        return 5 if self.reset_after else 4

    def recurrent(self, w: Weights):
        if self.reset_after:
            return (w.recurrent_kernel,), (() if w.bias is None else (w.bias[1],))
        units = w.recurrent_kernel.shape[0]
        return (w.recurrent_kernel[:, : 2 * units], w.recurrent_kernel[:, 2 * units :]), ()

    def input_bias(self, w: Weights):
        return w.bias[0] if self.reset_after and w.bias is not None else w.bias

    def step(self, ops, z, states, matrices, vectors):
        (h,) = states
        of_u, of_r, of_n = ops.split(z, 3)
        if self.reset_after:
            from_h = ops.plus_through(vectors[0], h, matrices[0]) if vectors else ops.through(h, matrices[0])
            h_u, h_r, h_n = ops.split(from_h, 3)
        else:
            h_u, h_r = ops.split(ops.through(h, matrices[0]), 2)
        u, r = self._gate(ops, of_u + h_u), self._gate(ops, of_r + h_r)
        if self.reset_after:
            n = self._act(ops, ops.plus_product(of_n, r, h_n))
        else:
            n = self._act(ops, ops.plus_through(of_n, r * h, matrices[1]))
        return (ops.blend(u, h, n),), (u, r, n, h, h_n) if self.reset_after else (u, r, n, h)

    def back(self, ops, d_states, saved, matrices, vectors):
        (d,), (u, r, n, h, *h_n) = d_states, saved
        old = d * u
        du = self._gate_back(ops, d * (h - n), u)
        dn = self._act_back(ops, d - old, n)
        if self.reset_after:
            dr = self._gate_back(ops, dn * h_n[0], r)
            dz, from_h = ops.join((du, dr, dn)), ops.join((du, dr, dn * r))
            return (dz, from_h), (ops.plus_through(old, from_h, matrices[0]),)
        reset = ops.through(dn, matrices[1])
        gates = ops.join((du, self._gate_back(ops, reset * h, r)))
        return (gates, dn), (ops.plus_through(ops.plus_product(old, reset, r), gates, matrices[0]),)

    def gradients(self, ops, slopes, saved, h, w):
        if self.reset_after:
            dz, from_h = slopes
            bias = None if w.bias is None else ops.stack((ops.total(dz), ops.total(from_h)))
            return ops.outer(h, from_h), bias, None
        gates, dn = slopes
        kernel = ops.columns((ops.outer(h, gates), ops.outer(saved(1) * h, dn)))
        return kernel, ops.total(ops.columns(slopes)), None

    def projected(self, ops, slopes):
        return slopes[0] if self.reset_after else ops.columns(slopes)


@dataclass(frozen=True)
class PeepholeLSTM(_Cell):
    """Gers & Schmidhuber 2000: gates see the cell state, unit by unit or, in full, through matrices."""

    form: str = "per_unit"
    saves = 6

    def recurrent(self, w: Weights):
        if self.form == "per_unit":
            return (w.recurrent_kernel,), tuple(w.peephole_kernel[n] for n in range(3))
        return (w.recurrent_kernel, w.peephole_kernel), ()

    def step(self, ops, z, states, matrices, vectors):
        h, c = states
        i, f, g, o = ops.split(ops.plus_through(z, h, matrices[0]), 4)
        if self.form == "per_unit":
            i, f = ops.plus_product(i, vectors[0], c), ops.plus_product(f, vectors[1], c)
        else:
            see_i, see_f, see_o = ops.split(ops.through(c, matrices[1]), 3)
            i, f, o = i + see_i, f + see_f, o + see_o
        i, f, g = self._gate(ops, i), self._gate(ops, f), self._act(ops, g)
        new = ops.plus_product(f * c, i, g)
        o = self._gate(ops, ops.plus_product(o, vectors[2], new) if self.form == "per_unit" else o)
        shown = self._act(ops, new)
        return (o * shown, new), (i, f, g, o, c, shown)

    def back(self, ops, d_states, saved, matrices, vectors):
        (dh, dc), (i, f, g, o, c, shown) = d_states, saved
        do = self._gate_back(ops, dh * shown, o)
        dc = dc + self._act_back(ops, dh * o, shown)
        if self.form == "per_unit":
            dc = ops.plus_product(dc, do, vectors[2])
        di, df = self._gate_back(ops, dc * g, i), self._gate_back(ops, dc * c, f)
        dz = ops.join((di, df, self._act_back(ops, dc * i, g), do))
        if self.form == "per_unit":
            old = ops.plus_product(ops.plus_product(dc * f, di, vectors[0]), df, vectors[1])
        else:
            old = ops.plus_through(dc * f, ops.join((di, df, do)), matrices[1])
        return (dz,), (ops.through(dz, matrices[0]), old)

    def gradients(self, ops, slopes, saved, h, w):
        (dz,) = slopes
        di, df, _, do = ops.cut(dz, 4)
        c = saved(4)
        if self.form == "per_unit":
            new = saved(1) * c + saved(0) * saved(2)
            peephole = ops.stack((ops.total(di * c), ops.total(df * c), ops.total(do * new)))
        else:
            peephole = ops.outer(c, ops.columns((di, df, do)))
        return ops.outer(h, dz), ops.total(dz), peephole

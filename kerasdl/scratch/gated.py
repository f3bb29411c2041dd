"""How does a network remember for long? Gates decide what to keep, what to write and what to show.

Here are the gated cells (GRU, MGU, LSTM, peephole LSTM), each with its step and the step's gradient by hand;
the walk through time is that of :class:`kerasdl.scratch.Recurrent`.
"""

import numpy as np
from numpy.typing import ArrayLike

from kerasdl import checks
from kerasdl.scratch.graph import sigmoid
from kerasdl.scratch.initial import Seed, generator, glorot_uniform, orthogonal
from kerasdl.scratch.layer import Layer
from kerasdl.scratch.recurrent import Recurrent, Saved, State


class GRU(Recurrent):
    """h(t) = z ⊙ h(t−1) + (1 − z) ⊙ h̃: one gate z decides how much of the past stays (Cho et al. 2014).

    With update gate z = σ(x W_z + h U_z + b_z) and reset gate r = σ(x W_r + h U_r + b_r), the candidate is

    - ``reset_after=False``: h̃ = tanh(x W_h + (r ⊙ h) U_h + b_h), as published;
    - ``reset_after=True``: h̃ = tanh(x W_h + b_h + r ⊙ (h U_h + b'_h)), Keras's default, which cuDNN needs.

    Some texts swap z and 1 − z; with −W_z, −U_z, −b_z it is the same layer.

    Args:
        kernel: ``(features, 3 · units)``, columns z, r, h.
        recurrent_kernel: ``(units, 3 · units)``.
        bias: ``(2, 3 · units)`` with ``reset_after`` (for x and for h), else ``(3 · units,)``.
        reset_after: whether the reset gate acts after the multiplication by U_h.

    ``GRU(*keras.layers.GRU(...).get_weights())`` computes the same.

    Raises:
        ValueError: a weight of a shape that does not fit the others.

    Example:
        >>> layer = GRU.random(features=3, units=4, seed=0)
        >>> layer.forward(np.ones((2, 5, 3))).shape, layer.parameters["bias"].shape
        ((2, 5, 4), (2, 12))
    """

    def __init__(
        self, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike, reset_after: bool = True
    ) -> None:
        super().__init__(kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
        wide, self.reset_after = 3 * self.units, reset_after
        self._fits(
            kernel=(self.features, wide),
            recurrent_kernel=(self.units, wide),
            bias=(2, wide) if reset_after else (wide,),
        )

    @classmethod
    def random(cls, features: int, units: int, seed: Seed = None, reset_after: bool = True) -> "GRU":
        """Draw the kernel by `glorot_uniform`, the recurrent one by `orthogonal`; the bias starts at 0."""
        rng, bias = generator(seed), np.zeros((2, 3 * units) if reset_after else 3 * units)
        kernel, recurrent = (
            glorot_uniform((features, 3 * units), rng),
            orthogonal((units, 3 * units), rng),
        )
        return cls(kernel, recurrent, bias, reset_after)

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        (h,) = state
        w, n = self.parameters, self.units
        if self.reset_after:
            from_x = x @ w["kernel"] + w["bias"][0]
            from_h = h @ w["recurrent_kernel"] + w["bias"][1]
        else:
            from_x = x @ w["kernel"] + w["bias"]
            from_h = h @ w["recurrent_kernel"][:, : 2 * n]
        z, r = np.split(sigmoid(from_x[:, : 2 * n] + from_h[:, : 2 * n]), 2, axis=1)
        if self.reset_after:
            past = from_h[:, 2 * n :]
            candidate = np.tanh(from_x[:, 2 * n :] + r * past)
        else:
            past = h
            candidate = np.tanh(from_x[:, 2 * n :] + (r * past) @ w["recurrent_kernel"][:, 2 * n :])
        return (z * h + (1 - z) * candidate,), (x, h, z, r, past, candidate)

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        (gradient,), (x, h, z, r, past, candidate) = gradients, saved
        kernel, recurrent, n = self.parameters["kernel"], self.parameters["recurrent_kernel"], self.units
        to_z = gradient * (h - candidate) * z * (1 - z)
        to_candidate = gradient * (1 - z) * (1 - candidate**2)
        to_reset_past = to_candidate if self.reset_after else to_candidate @ recurrent[:, 2 * n :].T
        to_r = to_reset_past * past * r * (1 - r)
        from_x = np.concatenate([to_z, to_r, to_candidate], axis=1)
        self.gradients["kernel"] += x.T @ from_x
        if self.reset_after:
            from_h = np.concatenate([to_z, to_r, r * to_candidate], axis=1)
            self.gradients["recurrent_kernel"] += h.T @ from_h
            self.gradients["bias"] += [from_x.sum(axis=0), from_h.sum(axis=0)]
            to_h = gradient * z + from_h @ recurrent.T
        else:
            self.gradients["recurrent_kernel"][:, : 2 * n] += h.T @ from_x[:, : 2 * n]
            self.gradients["recurrent_kernel"][:, 2 * n :] += (r * h).T @ to_candidate
            self.gradients["bias"] += from_x.sum(axis=0)
            to_h = gradient * z + r * to_reset_past + from_x[:, : 2 * n] @ recurrent[:, : 2 * n].T
        return from_x @ kernel.T, (to_h,)


class MGU(Recurrent):
    """h(t) = (1 − f) ⊙ h(t−1) + f ⊙ h̃: the minimal gated unit, one gate for a GRU's two (Zhou et al. 2016).

    With f = σ(x W_f + h U_f + b_f), the candidate is h̃ = tanh(x W_h + (f ⊙ h) U_h + b_h): the gate that
    lets the new in also chooses what of the past the new may see.

    Args:
        kernel: ``(features, 2 · units)``, columns f, h.
        recurrent_kernel: ``(units, 2 · units)``.
        bias: ``(2 · units,)``.

    ``MGU(*kerasdl.layers.MGU(...).get_weights())`` computes the same.

    Raises:
        ValueError: a weight of a shape that does not fit the others.

    Example:
        >>> layer = MGU.random(features=3, units=4, seed=0)
        >>> layer.forward(np.ones((2, 5, 3))).shape, layer.parameters["bias"].shape
        ((2, 5, 4), (8,))
    """

    def __init__(self, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike) -> None:
        super().__init__(kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
        wide = 2 * self.units
        self._fits(kernel=(self.features, wide), recurrent_kernel=(self.units, wide), bias=(wide,))

    @classmethod
    def random(cls, features: int, units: int, seed: Seed = None) -> "MGU":
        """Draw the kernel by `glorot_uniform`, the recurrent one by `orthogonal`; the bias starts at 0."""
        rng, wide = generator(seed), 2 * units
        return cls(glorot_uniform((features, wide), rng), orthogonal((units, wide), rng), np.zeros(wide))

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        (h,) = state
        from_x = x @ self.parameters["kernel"] + self.parameters["bias"]
        to_f, to_h = np.split(self.parameters["recurrent_kernel"], 2, axis=1)
        f = sigmoid(from_x[:, : self.units] + h @ to_f)
        candidate = np.tanh(from_x[:, self.units :] + (f * h) @ to_h)
        return ((1 - f) * h + f * candidate,), (x, h, f, candidate)

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        (gradient,), (x, h, f, candidate) = gradients, saved
        through_f, through_h = np.split(self.parameters["recurrent_kernel"], 2, axis=1)
        to_candidate = gradient * f * (1 - candidate**2)
        to_seen = to_candidate @ through_h.T
        to_f = (gradient * (candidate - h) + to_seen * h) * f * (1 - f)
        from_x = np.concatenate([to_f, to_candidate], axis=1)
        self.gradients["kernel"] += x.T @ from_x
        self.gradients["recurrent_kernel"] += np.concatenate([h.T @ to_f, (f * h).T @ to_candidate], axis=1)
        self.gradients["bias"] += from_x.sum(axis=0)
        to_h = gradient * (1 - f) + to_seen * f + to_f @ through_f.T
        return from_x @ self.parameters["kernel"].T, (to_h,)


class LSTM(Recurrent):
    """c(t) = f ⊙ c(t−1) + i ⊙ g, h(t) = o ⊙ tanh c(t): a memory c that is added to, not multiplied through.

    Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000). The gates
    i, f, o are σ and the candidate g is tanh of x W + h U + b, each with its own columns.

    Args:
        kernel: ``(features, 4 · units)``, columns i, f, g, o.
        recurrent_kernel: ``(units, 4 · units)``.
        bias: ``(4 · units,)``.

    ``LSTM(*keras.layers.LSTM(...).get_weights())`` computes the same. The state is ``(h, c)``.

    Raises:
        ValueError: a weight of a shape that does not fit the others.

    Example:
        >>> layer = LSTM.random(features=3, units=4, seed=0)
        >>> outputs = layer.forward(np.ones((2, 5, 3)))
        >>> h, c = layer.final_state
        >>> np.array_equal(outputs[:, -1], h), c.shape
        (True, (2, 4))
    """

    states = 2

    def __init__(self, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike) -> None:
        super().__init__(kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
        wide = 4 * self.units
        self._fits(kernel=(self.features, wide), recurrent_kernel=(self.units, wide), bias=(wide,))

    @classmethod
    def random(cls, features: int, units: int, seed: Seed = None) -> "LSTM":
        """Draw the kernel by `glorot_uniform` and the recurrent one by `orthogonal`; the bias is 0, f's is 1.

        A forget gate that starts open lets the gradient through (Jozefowicz, Zaremba & Sutskever 2015).
        """
        return cls(*_lstm_start(features, units, seed))

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        h, c = state
        w = self.parameters
        i, f, g, o = np.split(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        return (o * np.tanh(new), new), (x, h, c, i, f, g, o, np.tanh(new))

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        (to_h, to_c), (x, h, c, i, f, g, o, shown) = gradients, saved
        to_c = to_c + to_h * o * (1 - shown**2)
        before = np.concatenate(
            [
                to_c * g * i * (1 - i),
                to_c * c * f * (1 - f),
                to_c * i * (1 - g**2),
                to_h * shown * o * (1 - o),
            ],
            axis=1,
        )
        return self._to_inputs(before, x, h, to_c * f)

    def _to_inputs(
        self, before: np.ndarray, x: np.ndarray, h: np.ndarray, to_c: np.ndarray
    ) -> tuple[np.ndarray, State]:
        self.gradients["kernel"] += x.T @ before
        self.gradients["recurrent_kernel"] += h.T @ before
        self.gradients["bias"] += before.sum(axis=0)
        return before @ self.parameters["kernel"].T, (before @ self.parameters["recurrent_kernel"].T, to_c)


class PeepholeLSTM(LSTM):
    """An LSTM whose gates see the memory c, even while the output gate hides it. Two forms are published:

    - ``"per_unit"`` (Gers & Schmidhuber 2000): each unit's gates see its own c through one weight each; i
      and f see c(t−1), and o sees the new c(t): i = σ(… + p_i ⊙ c(t−1)), o = σ(… + p_o ⊙ c(t)).
    - ``"full"``, as some courses teach it: a matrix per gate, and all three see c(t−1):
      i = σ(… + c(t−1) P_i), and so on.

    Args:
        kernel: ``(features, 4 · units)``, columns i, f, g, o.
        recurrent_kernel: ``(units, 4 · units)``.
        bias: ``(4 · units,)``.
        peephole_kernel: ``(3, units)``, rows i, f, o; or in full ``(units, 3 · units)``, columns i, f, o.
        form: ``"per_unit"`` or ``"full"``.

    With a peephole kernel of zeros it is an `LSTM`.

    Raises:
        ValueError: an unknown form, or a weight of a shape that does not fit the others.

    Example:
        >>> x = np.ones((2, 5, 3))
        >>> seeing, plain = PeepholeLSTM.random(3, 4, seed=0), LSTM.random(3, 4, seed=0)
        >>> np.array_equal(seeing.forward(x), plain.forward(x))  # peepholes begin at 0
        True
    """

    def __init__(
        self,
        kernel: ArrayLike,
        recurrent_kernel: ArrayLike,
        bias: ArrayLike,
        peephole_kernel: ArrayLike,
        form: str = "per_unit",
    ) -> None:
        super().__init__(kernel, recurrent_kernel, bias)
        self.parameters |= Layer(peephole_kernel=peephole_kernel).parameters
        self.form = checks.one_of("form", form, ["per_unit", "full"])
        self._fits(peephole_kernel=(3, self.units) if form == "per_unit" else (self.units, 3 * self.units))

    @classmethod
    def random(cls, features: int, units: int, seed: Seed = None, form: str = "per_unit") -> "PeepholeLSTM":
        """Start as `LSTM.random` does, with peepholes of 0."""
        peephole = np.zeros((3, units) if form == "per_unit" else (units, 3 * units))
        return cls(*_lstm_start(features, units, seed), peephole, form)

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        h, c = state
        w, peephole = self.parameters, self.parameters["peephole_kernel"]
        i, f, g, o = np.split(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4, axis=1)
        see_i, see_f, see_o = (
            peephole[:, None] * c if self.form == "per_unit" else np.split(c @ peephole, 3, axis=1)
        )
        i, f, g = sigmoid(i + see_i), sigmoid(f + see_f), np.tanh(g)
        new = f * c + i * g
        o = sigmoid(o + (peephole[2] * new if self.form == "per_unit" else see_o))
        return (o * np.tanh(new), new), (x, h, c, i, f, g, o, new)

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        (to_h, to_c), (x, h, c, i, f, g, o, new) = gradients, saved
        peephole, shown = self.parameters["peephole_kernel"], np.tanh(new)
        to_o = to_h * shown * o * (1 - o)
        to_c = to_c + to_h * o * (1 - shown**2)
        if self.form == "per_unit":
            to_c = to_c + to_o * peephole[2]
        to_i, to_f, to_g = to_c * g * i * (1 - i), to_c * c * f * (1 - f), to_c * i * (1 - g**2)
        to_c = to_c * f
        if self.form == "per_unit":
            self.gradients["peephole_kernel"] += [
                (s * d).sum(axis=0) for s, d in ((c, to_i), (c, to_f), (new, to_o))
            ]
            to_c = to_c + to_i * peephole[0] + to_f * peephole[1]
        else:
            to_gates = np.concatenate([to_i, to_f, to_o], axis=1)
            self.gradients["peephole_kernel"] += c.T @ to_gates
            to_c = to_c + to_gates @ peephole.T
        return self._to_inputs(np.concatenate([to_i, to_f, to_g, to_o], axis=1), x, h, to_c)


def _lstm_start(features: int, units: int, seed: Seed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng, bias = generator(seed), np.zeros(4 * units)
    bias[units : 2 * units] = 1
    return glorot_uniform((features, 4 * units), rng), orthogonal((units, 4 * units), rng), bias

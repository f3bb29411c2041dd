"""How does a recurrence run fast on JAX? One scan forward, one in reverse, weight gradients after it.

States are ``(units, batch)`` here: on a CPU, XLA multiplies a large matrix by a thin one more than twice as
fast as a thin one by a large one. For the same reason the input is projected inside the scan, where it is
one more such product, and not before it.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from kerasdl.layers.kernels.cells import Formulas, Weights


class _Ops(Formulas):
    """The operations of :mod:`kerasdl.layers.kernels.cells` on ``(units, batch)``."""

    sigmoid, tanh, relu = jax.nn.sigmoid, jnp.tanh, jax.nn.relu
    stack = staticmethod(jnp.stack)

    relu_back = staticmethod(lambda d, y: jnp.where(y > 0, d, 0))
    through = staticmethod(lambda v, matrix: matrix @ v)
    split = staticmethod(lambda z, n: jnp.split(z, n, axis=0))
    # On rows: ``(steps · batch, …)``.
    total = staticmethod(lambda rows: rows.sum(axis=0))
    outer = staticmethod(lambda a, b: a.T @ b)
    columns = staticmethod(lambda parts: jnp.concatenate(parts, axis=1))
    cut = staticmethod(lambda rows, n: jnp.split(rows, n, axis=1))

    @staticmethod
    def join(parts):
        # Written piece by piece, which XLA does in place: a concatenation it computes value by value.
        units, batch = parts[0].shape
        joined = jnp.zeros((units * len(parts), batch), parts[0].dtype)
        for n, part in enumerate(parts):
            joined = lax.dynamic_update_slice(joined, part, (n * units, 0))
        return joined


def recur(cell, x, states, weights: Weights, mask=None, sequences: bool = True):
    """Run a cell over time.

    Args:
        cell: one of :mod:`kerasdl.layers.kernels.cells`.
        x: ``(batch, time, features)``.
        states: each ``(batch, units)``.
        mask: boolean ``(batch, time)`` or None; where it is False, states stay.
        sequences: whether the outputs of all steps are wanted.

    Returns:
        The last output, ``(batch, units)``; all outputs, ``(batch, time, units)``, or the last with a time
        axis of 1; the last states.
    """
    outputs, states = _recur(cell, sequences, x, tuple(states), weights, mask)
    return states[0], outputs if sequences else states[0][:, None], list(states)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(cell, sequences, x, states, weights, mask):
    return _scan(cell, sequences, x, states, weights, mask, keep=False)[0]


def _scan(cell, sequences, x, states, weights, mask, keep: bool):
    matrices, vectors = cell.recurrent(weights)
    kernel, matrices = weights.kernel.T, [m.T for m in matrices]
    bias, vectors = cell.input_bias(weights), [v[:, None] for v in vectors]

    def step(states, inputs):
        x, m = inputs
        z = kernel @ x
        new, saved = cell.step(_Ops, z if bias is None else z + bias[:, None], states, matrices, vectors)
        if m is not None:
            new = tuple(jnp.where(m, n, s) for n, s in zip(new, states, strict=True))
        output = new[0] if sequences or keep else None
        return new, (output, saved if keep else None)

    inputs = (jnp.transpose(x, (1, 2, 0)), None if mask is None else mask.T[:, None])
    states, (outputs, saved) = lax.scan(step, tuple(s.T for s in states), inputs)
    wanted = jnp.transpose(outputs, (2, 0, 1)) if sequences else None
    return (wanted, tuple(s.T for s in states)), (outputs, saved)


def _forward(cell, sequences, x, states, weights, mask):
    result, (outputs, saved) = _scan(cell, sequences, x, states, weights, mask, keep=True)
    return result, (x, states, weights, mask, outputs, saved)


def _backward(cell, sequences, kept, gradient):
    x, states, weights, mask, outputs, saved = kept
    d_outputs, d_states = gradient
    matrices, vectors = cell.recurrent(weights)
    vectors = [v[:, None] for v in vectors]

    def back(d_states, inputs):
        d, saved, m = inputs
        if sequences:
            d_states = (d_states[0] + d, *d_states[1:])
        moved = d_states if m is None else tuple(jnp.where(m, d, 0) for d in d_states)
        slopes, old = cell.back(_Ops, moved, saved, matrices, vectors)
        if m is not None:
            old = tuple(o + jnp.where(m, 0, d) for o, d in zip(old, d_states, strict=True))
        return old, tuple(s.T for s in slopes)

    d_outputs = jnp.transpose(d_outputs, (1, 2, 0)) if sequences else None
    inputs = (d_outputs, saved, None if mask is None else mask.T[:, None])
    d_states, slopes = lax.scan(back, tuple(d.T for d in d_states), inputs, reverse=True)

    def rows(stacked):
        return stacked.reshape(-1, stacked.shape[-1])

    slopes = tuple(map(rows, slopes))
    before = jnp.concatenate([states[0][None], jnp.transpose(outputs[:-1], (0, 2, 1))])
    recurrent, bias, peephole = cell.gradients(
        _Ops, slopes, lambda n: rows(jnp.transpose(saved[n], (0, 2, 1))), rows(before), weights
    )
    dz = cell.projected(_Ops, slopes)
    d_x = (dz @ weights.kernel.T).reshape(x.shape[1], x.shape[0], x.shape[2])
    gradients = Weights(
        _Ops.outer(rows(jnp.swapaxes(x, 0, 1)), dz),
        recurrent,
        None if weights.bias is None else bias,
        peephole,
    )
    return jnp.swapaxes(d_x, 0, 1), tuple(d.T for d in d_states), gradients, None


_recur.defvjp(_forward, _backward)


def has_cudnn(layer, mask) -> bool:
    """Return whether stock Keras would run this layer on cuDNN."""
    return jax.default_backend() == "gpu" and type(layer.cell).__name__ == "LSTMCell" and mask is None

"""How does a recurrence run fast on JAX? One scan forward, one in reverse, weight gradients after it.

In go a cell's arithmetic, its inputs, states, weights and mask; out come outputs and states, differentiable.
States are ``(units, batch)`` here: on a CPU, XLA multiplies a large matrix by a thin one more than twice as
fast as a thin one by a large one. For the same reason the input is projected inside the scan, where it is
one more such product, and not before it.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from kerasdl.layers.cells.base import NO_FORWARD_MODE, Arithmetic, Operations, Tensor, Tensors, Weights
from kerasdl.layers.kernels.exports import exporting


class JaxOperations(Operations):
    """The operations of a cell on states ``(units, batch)``."""

    def sigmoid(self, z: Tensor) -> Tensor:
        return jax.nn.sigmoid(z)

    def tanh(self, z: Tensor) -> Tensor:
        return jnp.tanh(z)

    def relu(self, z: Tensor) -> Tensor:
        return jax.nn.relu(z)

    def stack(self, parts: Sequence[Tensor]) -> Tensor:
        return jnp.stack(parts)

    def relu_back(self, d: Tensor, y: Tensor) -> Tensor:
        return jnp.where(y > 0, d, 0)

    def through(self, v: Tensor, matrix: Tensor) -> Tensor:
        return matrix @ v

    def split(self, z: Tensor, n: int) -> Sequence[Tensor]:
        return jnp.split(z, n, axis=0)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        # Written piece by piece, which XLA does in place: a concatenation it computes value by value.
        units, batch = parts[0].shape
        joined = jnp.zeros((units * len(parts), batch), parts[0].dtype)
        for n, part in enumerate(parts):
            joined = lax.dynamic_update_slice(joined, part, (n * units, 0))
        return joined

    def total(self, rows: Tensor) -> Tensor:
        return rows.sum(axis=0)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a.T @ b

    def columns(self, parts: Sequence[Tensor]) -> Tensor:
        return jnp.concatenate(parts, axis=1)

    def cut(self, rows: Tensor, n: int) -> Sequence[Tensor]:
        return jnp.split(rows, n, axis=1)


OPS = JaxOperations()


def recur(
    cell: Arithmetic,
    x: Tensor,
    states: Tensors,
    weights: Weights,
    mask: Tensor | None,
    sequences: bool,
    layer: Any,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Run a cell over time: see :class:`kerasdl.layers.kernels.Kernel`."""
    try:
        outputs, last = _recur(cell, sequences, x, tuple(states), dict(weights), mask)
    except TypeError as error:
        if "forward-mode" in str(error):
            raise NotImplementedError(NO_FORWARD_MODE) from error
        raise
    return last[0], outputs if sequences else last[0][:, None], list(last)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(
    cell: Arithmetic, sequences: bool, x: Tensor, states: Tensors, weights: Weights, mask: Tensor | None
) -> Any:
    return _scan(cell, sequences, x, states, weights, mask, keep=False)[0]


def _scan(
    cell: Arithmetic,
    sequences: bool,
    x: Tensor,
    states: Tensors,
    weights: Weights,
    mask: Tensor | None,
    keep: bool,
) -> Any:
    matrices, vectors = cell.recurrent(weights)
    kernel, matrices = weights["kernel"].T, [m.T for m in matrices]
    bias, vectors = cell.input_bias(weights), [v[:, None] for v in vectors]

    def step(states: Tensors, inputs: Any) -> Any:
        x, m = inputs
        z = kernel @ x
        new, saved = cell.step(OPS, z if bias is None else z + bias[:, None], states, matrices, vectors)
        if m is not None:
            new = tuple(jnp.where(m, n, s) for n, s in zip(new, states, strict=True))
        output = new[0] if sequences or keep else None
        return new, (output, saved if keep else None)

    inputs = (jnp.transpose(x, (1, 2, 0)), None if mask is None else mask.T[:, None])
    states, (outputs, saved) = lax.scan(step, tuple(s.T for s in states), inputs)
    wanted = jnp.transpose(outputs, (2, 0, 1)) if sequences else None
    return (wanted, tuple(s.T for s in states)), (outputs, saved)


def _forward(
    cell: Arithmetic, sequences: bool, x: Tensor, states: Tensors, weights: Weights, mask: Tensor | None
) -> Any:
    result, (outputs, saved) = _scan(cell, sequences, x, states, weights, mask, keep=True)
    return result, (x, states, weights, mask, outputs, saved)


def _backward(cell: Arithmetic, sequences: bool, kept: Any, gradient: Any) -> Any:
    x, states, weights, mask, outputs, saved = kept
    d_outputs, d_states = gradient
    matrices, vectors = cell.recurrent(weights)
    vectors = [v[:, None] for v in vectors]

    def back(d_states: Tensors, inputs: Any) -> Any:
        d, saved, m = inputs
        if sequences:
            d_states = (d_states[0] + d, *d_states[1:])
        moved = d_states if m is None else tuple(jnp.where(m, d, 0) for d in d_states)
        slopes, old = cell.back(OPS, moved, saved, matrices, vectors)
        if m is not None:
            old = tuple(o + jnp.where(m, 0, d) for o, d in zip(old, d_states, strict=True))
        return old, tuple(s.T for s in slopes)

    d_outputs = jnp.transpose(d_outputs, (1, 2, 0)) if sequences else None
    inputs = (d_outputs, saved, None if mask is None else mask.T[:, None])
    d_states, slopes = lax.scan(back, tuple(d.T for d in d_states), inputs, reverse=True)

    def rows(stacked: Tensor) -> Tensor:
        return stacked.reshape(-1, stacked.shape[-1])

    slopes = tuple(map(rows, slopes))
    before = jnp.concatenate([states[0][None], jnp.transpose(outputs[:-1], (0, 2, 1))])
    every = cell.gradients(
        OPS, slopes, lambda n: rows(jnp.transpose(saved[n], (0, 2, 1))), rows(before), weights
    )
    dz = cell.projected(OPS, slopes)
    d_x = (dz @ weights["kernel"].T).reshape(x.shape[1], x.shape[0], x.shape[2])
    every["kernel"] = OPS.outer(rows(jnp.swapaxes(x, 0, 1)), dz)
    gradients = {name: every[name] for name in weights}
    return jnp.swapaxes(d_x, 0, 1), tuple(d.T for d in d_states), gradients, None


_recur.defvjp(_forward, _backward)


def serves(x: Tensor) -> bool:
    """Return whether a call can be run here: see :class:`kerasdl.layers.kernels.Kernel`.

    A gradient of one's own is no operation of any other format: an exported model takes Keras's loop.
    """
    return not (isinstance(x, jax.core.Tracer) and exporting())


def traces() -> bool:
    """Return False: a loop is written as a loop."""
    return False


def has_cudnn(layer: Any, mask: Tensor | None) -> bool:
    """Return whether stock Keras would run this layer on cuDNN."""
    return jax.default_backend() == "gpu" and type(layer.cell).__name__ == "LSTMCell" and mask is None

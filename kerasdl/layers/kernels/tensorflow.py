"""How does a recurrence run fast on TensorFlow? Two programs: one loop forward, one in reverse.

In go a cell's arithmetic, its inputs, states, weights and mask; out come outputs and states, differentiable.
States are ``(batch, units)``, and the input is projected before the loop, in one product for all steps: each
operation within a loop costs some microseconds to start. Inside a graph, as of Keras's training step, the
programs are parts of it.
"""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kerasdl.layers.cells.base import (
    NO_SECOND_GRADIENT,
    Arithmetic,
    Operations,
    Tensor,
    Tensors,
    Weights,
)
from kerasdl.layers.kernels.exports import exporting


class TensorFlowOperations(Operations):
    """The operations of a cell on states ``(batch, units)``."""

    sigmoid, tanh, relu = map(staticmethod, (tf.sigmoid, tf.tanh, tf.nn.relu))
    stack = staticmethod(tf.stack)

    def relu_back(self, d: Tensor, y: Tensor) -> Tensor:
        return tf.where(y > 0, d, tf.zeros_like(d))

    def through(self, v: Tensor, matrix: Tensor) -> Tensor:
        return tf.matmul(v, matrix)

    def split(self, z: Tensor, n: int) -> Sequence[Tensor]:
        return tf.split(z, n, axis=1)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        return tf.concat(parts, axis=1)

    def total(self, rows: Tensor) -> Tensor:
        return tf.reduce_sum(rows, axis=0)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return tf.matmul(a, b, transpose_a=True)

    def columns(self, parts: Sequence[Tensor]) -> Tensor:
        return tf.concat(parts, axis=1)

    def cut(self, rows: Tensor, n: int) -> Sequence[Tensor]:
        return tf.split(rows, n, axis=1)


OPS = TensorFlowOperations()


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
    kind = (cell, len(states), tuple(weights), mask is not None, sequences)
    # Told apart by their sizes, too: one program for all would leave them open, and not time and rows alone.
    sizes = tuple(tuple(w.shape) for w in weights.values())
    forward, backward = _programs(*kind, sizes)
    masks = [] if mask is None else [mask]

    @tf.custom_gradient
    def run(*tensors: Tensor) -> Any:
        # An outer tape must not look into the program: its gradient is given here.
        results, kept = forward(*map(tf.stop_gradient, tensors), *masks)

        @tf.custom_gradient
        def once(*watched: Tensor) -> Any:  # all that it depends on, so that a second tape meets the refusal
            still = [tf.stop_gradient(tensor) for tensor in watched]
            return backward(still[: len(tensors)], masks, kept, still[len(tensors) :]), _refuse

        return results, lambda *gradients: once(*tensors, *gradients)

    tensors = [x, *states, *weights.values()]
    *last_states, outputs = run(*map(tf.convert_to_tensor, tensors))
    for state in last_states:  # a program for any number of rows and any length cannot say which these are
        state.set_shape((x.shape[0], state.shape[1]))
    if sequences:
        outputs.set_shape((*x.shape[:2], outputs.shape[2]))
    last = last_states[0]
    if mask is not None:
        # Keras holds zeros until a row's first step that counts, whatever the initial state.
        started = tf.cast(tf.cumsum(tf.cast(mask, "int32"), axis=1) > 0, x.dtype)[..., None]
        last = last * started[:, -1]
        outputs = outputs * started if sequences else outputs
    return last, outputs if sequences else last[:, None], last_states


def _refuse(*_: Tensor) -> Any:
    raise NotImplementedError(NO_SECOND_GRADIENT)


@functools.cache
def _programs(
    cell: Arithmetic,
    count: int,
    names: tuple[str, ...],
    masked: bool,
    sequences: bool,
    sizes: tuple[Any, ...],
) -> tuple[Any, Any]:
    """Return the forward and backward program for one kind of call, of any number of rows and any length.

    XLA does not compile them: it would make a program for each shape, in a second or two, and never give it
    back, for a gain of nothing at 64 units and of 5 % at 256.
    """
    function = functools.partial(tf.function, autograph=False, reduce_retracing=True)

    def unpack(tensors: Tensors) -> tuple[Tensor, Tensors, Weights]:
        x, states, weights = tensors[0], tensors[1 : 1 + count], tensors[1 + count :]
        return x, states, dict(zip(names, weights, strict=True))

    @function
    def forward(*arguments: Tensor) -> tuple[Tensors, Tensors]:
        x, states, weights = unpack(arguments[: 1 + count + len(names)])
        matrices, vectors = cell.recurrent(weights)
        mask: Any = tf.transpose(arguments[-1])[..., None] if masked else None
        time, kernel, bias = tf.shape(x)[1], weights["kernel"], cell.input_bias(weights)
        z = tf.matmul(tf.reshape(tf.transpose(x, (1, 0, 2)), (-1, kernel.shape[0])), kernel)
        z = tf.reshape(z if bias is None else z + bias, (time, -1, kernel.shape[1]))
        z.set_shape((x.shape[1], x.shape[0], kernel.shape[1]))  # a reshape forgets what is known of them

        def step(t: Tensor, states: Tensors, stacks: Any) -> Any:
            new, saved = cell.step(OPS, z[t], states, matrices, vectors)
            if masked:
                new = tuple(tf.where(mask[t], n, s) for n, s in zip(new, states, strict=True))
            return (
                t + 1,
                tuple(new),
                tuple(a.write(t, v) for a, v in zip(stacks, (new[0], *saved), strict=True)),
            )

        states = tuple(states)
        stacks = tuple(tf.TensorArray(x.dtype, time) for _ in range(1 + cell.saves))
        _, states, stacks = tf.while_loop(
            lambda t, *_: t < time, step, (0, states, stacks), maximum_iterations=time
        )
        outputs, *saved = (a.stack() for a in stacks)
        wanted = tf.transpose(outputs, (1, 0, 2)) if sequences else tf.zeros((0,), x.dtype)
        return (*states, wanted), (outputs, *saved)

    @function
    def backward(tensors: Tensors, masks: Tensors, kept: Tensors, gradients: Tensors) -> Tensors:
        x, states, weights = unpack(tensors)
        outputs, *saved = kept
        d_states, d_outputs = gradients[:-1], gradients[-1]
        matrices, vectors = cell.recurrent(weights)
        matrices = list(map(tf.transpose, matrices))
        d_each: Any = tf.transpose(d_outputs, (1, 0, 2)) if sequences else None
        mask: Any = tf.transpose(masks[0])[..., None] if masked else None
        time = tf.shape(x)[1]

        def back(n: Tensor, d_states: Tensors, stacks: Any) -> Any:
            t = time - 1 - n
            if sequences:
                d_states = (d_states[0] + d_each[t], *d_states[1:])
            moved = d_states if mask is None else tuple(tf.where(mask[t], d, 0) for d in d_states)
            slopes, old = cell.back(OPS, moved, [s[t] for s in saved], matrices, vectors)
            if masked:
                old = tuple(
                    o + tf.where(mask[t], tf.zeros_like(d), d) for o, d in zip(old, d_states, strict=True)
                )
            return (
                n + 1,
                tuple(old),
                tuple(a.write(t, s) for a, s in zip(stacks, slopes, strict=True)),
            )

        d_states = tuple(d_states)
        stacks = tuple(tf.TensorArray(x.dtype, time) for _ in range(cell.slopes))
        _, d_states, stacks = tf.while_loop(
            lambda n, *_: n < time, back, (0, d_states, stacks), maximum_iterations=time
        )

        def rows(stacked: Tensor) -> Tensor:
            return tf.reshape(stacked, (-1, stacked.shape[-1]))

        slopes = tuple(rows(a.stack()) for a in stacks)
        before = tf.concat([states[0][None], outputs[:-1]], axis=0)
        every = cell.gradients(OPS, slopes, lambda n: rows(saved[n]), rows(before), weights)
        dz = cell.projected(OPS, slopes)
        d_x = tf.matmul(dz, weights["kernel"], transpose_b=True)
        features = weights["kernel"].shape[0]  # which x may leave open
        d_x = tf.transpose(tf.reshape(d_x, (time, -1, features)), (1, 0, 2))
        every["kernel"] = OPS.outer(tf.reshape(tf.transpose(x, (1, 0, 2)), (-1, features)), dz)
        return (d_x, *d_states, *(every[name] for name in names))

    return forward, backward


def serves(x: Tensor) -> bool:
    """Return whether a call can be run here: see :class:`kerasdl.layers.kernels.Kernel`.

    Programs and gradients of our own are foreign to other formats: an exported model takes Keras's loop.
    """
    return tf.executing_eagerly() or not exporting()


def traces() -> bool:
    """Return False: a loop is written as a loop."""
    return False


def has_cudnn(layer: Any, mask: Tensor | None) -> bool:
    """Return whether stock Keras would run this layer on cuDNN."""
    fits = type(layer.cell).__name__ == "LSTMCell" or getattr(layer.cell, "reset_after", False)
    return bool(tf.config.list_physical_devices("GPU")) and fits and layer.use_bias

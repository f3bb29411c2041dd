"""How does a recurrence run fast on PyTorch? Its fused LSTM where that serves; else one pass each way.

In go a cell's arithmetic, its inputs, states, weights and mask; out come outputs and states, differentiable.
The passes run outside the tape: autograd records one node for the whole recurrence, and the weight gradients
are one product over all steps.
"""

from collections.abc import Sequence
from typing import Any

import torch

from kerasdl.layers.cells.base import (
    NO_SECOND_GRADIENT,
    Arithmetic,
    Operations,
    Tensor,
    Tensors,
    Weights,
)


class TorchOperations(Operations):
    """The operations of a cell on states ``(batch, units)``."""

    sigmoid, tanh, relu = map(staticmethod, (torch.sigmoid, torch.tanh, torch.relu))
    stack = staticmethod(torch.stack)
    tanh_back = staticmethod(torch.ops.aten.tanh_backward)
    sigmoid_back = staticmethod(torch.ops.aten.sigmoid_backward)
    plus_product = staticmethod(torch.addcmul)
    plus_through = staticmethod(torch.addmm)
    through = staticmethod(torch.mm)

    def relu_back(self, d: Tensor, y: Tensor) -> Tensor:
        return d * (y > 0)

    def blend(self, u: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.lerp(b, a, u)

    def split(self, z: Tensor, n: int) -> Sequence[Tensor]:
        return z.chunk(n, dim=1)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(parts, dim=1)

    def total(self, rows: Tensor) -> Tensor:
        return rows.sum(dim=0)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a.T @ b

    def columns(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(parts, dim=1)

    def cut(self, rows: Tensor, n: int) -> Sequence[Tensor]:
        return rows.chunk(n, dim=1)


OPS = TorchOperations()


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
    fused = cell.fused == "lstm" and x.dtype == torch.float32 and x.device.type == "cpu" and "bias" in weights
    if fused and mask is None:
        outputs, last_states = _fused_lstm(x, states, weights)
        if torch.is_grad_enabled():  # copies, which the user may change: the way back needs the originals
            outputs, last_states = outputs.clone(), [state.clone() for state in last_states]
    else:
        arguments = (cell, mask, len(states), tuple(weights), x, *states, *weights.values())
        outputs, *last_states = _Recurrence.apply(*arguments)
    last = outputs[:, -1]
    if mask is not None:
        # Keras holds zeros until a row's first step that counts, whatever the initial state.
        started = mask.cummax(dim=1).values[..., None]
        outputs, last = outputs * started, last * started[:, -1]
    return last, outputs if sequences else last[:, None], list(last_states)


def _fused_lstm(x: Tensor, states: Tensors, weights: Weights) -> tuple[Tensor, Tensors]:
    h, c = states
    bias = weights["bias"]
    flat = [
        weights["kernel"].T.contiguous(),
        weights["recurrent_kernel"].T.contiguous(),
        bias,
        torch.zeros_like(bias),
    ]
    training = torch.is_grad_enabled()
    outputs, h, c = torch._VF.lstm(x, (h[None], c[None]), flat, True, 1, 0.0, training, False, True)
    return outputs, (h[0], c[0])


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        cell: Arithmetic,
        mask: Tensor | None,
        count: int,
        names: tuple[str, ...],
        x: Tensor,
        *arguments: Tensor,
    ) -> Any:
        states, weights = arguments[:count], dict(zip(names, arguments[count:], strict=True))
        matrices, vectors = cell.recurrent(weights)
        keep = any(context.needs_input_grad)
        rows, bias = x.transpose(0, 1).flatten(0, 1), cell.input_bias(weights)
        z = rows @ weights["kernel"] if bias is None else torch.addmm(bias, rows, weights["kernel"])
        # The state before the first step, then the states after each.
        outputs, saved = x.new_empty(x.shape[1] + 1, *states[0].shape), []
        outputs[0] = states[0]
        present: Tensors = states
        for t, z_t in enumerate(z.view(x.shape[1], x.shape[0], -1)):
            new, kept = cell.step(OPS, z_t, present, matrices, vectors)
            if mask is not None:
                m = mask[:, t, None]
                new = tuple(torch.where(m, n, s) for n, s in zip(new, present, strict=True))
            outputs[t + 1], present = new[0], new
            if keep:
                saved.append(kept)
        if keep:
            context.cell, context.mask, context.count, context.names = cell, mask, count, names
            context.saved = saved
            context.save_for_backward(x, outputs, *arguments)
        wanted = outputs[1:].transpose(0, 1)
        if keep:  # copies, which the user may change: the way back needs the originals
            wanted, present = (
                wanted.clone(memory_format=torch.contiguous_format),
                [p.clone() for p in present],
            )
        return wanted, *present

    @staticmethod
    def backward(context: Any, d_outputs: Tensor, *d_states: Tensor) -> Any:
        if torch.is_grad_enabled():  # a graph of this pass is asked for
            raise NotImplementedError(NO_SECOND_GRADIENT)
        x, outputs, *arguments = context.saved_tensors
        cell, mask, saved = context.cell, context.mask, context.saved
        weights = dict(zip(context.names, arguments[context.count :], strict=True))
        matrices, vectors = cell.recurrent(weights)
        matrices = [m.T.contiguous() for m in matrices]
        slopes: Any = []
        for t in reversed(range(len(saved))):
            d_states = (d_states[0] + d_outputs[:, t], *d_states[1:])
            moved = d_states
            if mask is not None:
                m = mask[:, t, None]
                moved = tuple(d * m for d in d_states)
            new, old = cell.back(OPS, moved, saved[t], matrices, vectors)
            slopes = slopes or [one.new_empty(len(saved), *one.shape) for one in new]
            for one, stack in zip(new, slopes, strict=True):
                stack[t] = one
            if mask is not None:
                old = tuple(o + d * ~m for o, d in zip(old, d_states, strict=True))
            d_states = old
        slopes = tuple(stack.flatten(0, 1) for stack in slopes)
        every = cell.gradients(
            OPS,
            slopes,
            lambda n: torch.cat([kept[n] for kept in saved]),
            outputs[:-1].flatten(0, 1),
            weights,
        )
        dz = cell.projected(OPS, slopes)
        d_x = None
        if context.needs_input_grad[4]:
            d_x = (dz @ weights["kernel"].T).view(x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1)
        every["kernel"] = OPS.outer(x.transpose(0, 1).flatten(0, 1), dz)
        return None, None, None, None, d_x, *d_states, *(every[name] for name in context.names)


def serves(x: Tensor) -> bool:
    """Return whether a call can be run here: see :class:`kerasdl.layers.kernels.Kernel`.

    A compiler or an exporter wants to see the operations; ``torch.func`` asks for rules that the pass here
    lacks; autocast would have it compute in two precisions at once.
    """
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch.is_autocast_enabled(x.device.type)
    )


def has_cudnn(layer: Any, mask: Tensor | None) -> bool:
    """Return whether stock Keras would run this layer on cuDNN."""
    fits = type(layer.cell).__name__ == "LSTMCell" or getattr(layer.cell, "reset_after", False)
    return torch.cuda.is_available() and fits and layer.use_bias and mask is None

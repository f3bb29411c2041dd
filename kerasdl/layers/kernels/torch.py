"""How does a recurrence run fast on PyTorch? By its fused cells where these serve; else one pass each way.

In go a cell's arithmetic, its inputs, states, weights and mask; out come outputs and states, differentiable.
Fused: on a GPU, by cuDNN, LSTM, GRU and SimpleRNN, with rows padded at their end packed; on a CPU the LSTM
without a mask. The passes run outside the tape: autograd records one node for the whole recurrence, and
the weight gradients are one product over all steps.
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
    lengths, keep = None, torch.is_grad_enabled()
    if keep and mask is not None:
        mask = mask.clone()  # which the user may change: the way back needs the original
    fused = _is_fused(cell, x, weights, mask, layer)
    if fused and mask is not None:
        lengths = _lengths(mask)
        fused = lengths is not None
    if fused:
        outputs, *last_states = _fused(str(cell.fused), x, states, weights, mask, lengths)
        if keep:  # copies, for the same reason
            outputs, last_states = outputs.clone(), [state.clone() for state in last_states]
    else:
        arguments = (cell, mask, keep, len(states), tuple(weights), x, *states, *weights.values())
        outputs, *last_states = _Recurrence.apply(*arguments)
    last = outputs[:, -1]
    if mask is not None:
        # Keras holds zeros until a row's first step that counts, whatever the initial state.
        started = mask.cummax(dim=1).values[..., None]
        outputs, last = outputs * started, last * started[:, -1]
    return last, outputs if sequences else last[:, None], list(last_states)


def _is_fused(cell: Arithmetic, x: Tensor, weights: Weights, mask: Tensor | None, layer: Any) -> bool:
    """Return whether PyTorch's fused cell is the quickest way."""
    if cell.fused is None or "bias" not in weights:
        return False
    if _is_gpu(x):
        return torch.backends.cudnn.enabled and getattr(layer, "use_cudnn", "auto") is not False
    return cell.fused == "lstm" and mask is None and x.device.type == "cpu" and x.dtype == torch.float32


def _is_gpu(x: Tensor) -> bool:
    return x.device.type == "cuda"


def _lengths(mask: Tensor) -> Tensor | None:
    """Return the length of each row on the CPU, if all are padded at their end alone.

    This waits for the device, once: packing asks for lengths that the host knows.
    """
    lengths = mask.sum(dim=1)
    steps = torch.arange(mask.shape[1], device=mask.device)
    padded_at_the_end = (mask == (steps < lengths[:, None])).all()
    *known, right = torch.cat([lengths, padded_at_the_end[None]]).tolist()
    return torch.tensor(known) if right else None


def _fused(
    kind: str, x: Tensor, states: Tensors, weights: Weights, mask: Tensor | None, lengths: Tensor | None
) -> list[Tensor]:
    """Return all outputs and the last states by PyTorch's fused cell.

    Rows with a length stay in their last state after it; one of length 0 stays in its first.
    """
    run, flat = getattr(torch._VF, kind), _laid(kind, weights)
    flat = _one_chunk(flat) if _is_gpu(x) else [part.contiguous() for part in flat]
    settings = (flat, True, 1, 0.0, torch.is_grad_enabled(), False)
    if lengths is None or mask is None:
        given = tuple(state[None] for state in states)
        outputs, *last = run(x, given if kind == "lstm" else given[0], *settings, True)
        return [outputs, *(state[0] for state in last)]
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths.clamp(min=1), True, enforce_sorted=False)
    given = tuple(state[None, packed.sorted_indices] for state in states)
    steps, *last = run(packed.data, packed.batch_sizes, given if kind == "lstm" else given[0], *settings)
    packed = torch.nn.utils.rnn.PackedSequence(
        steps, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
    )
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, True, total_length=x.shape[1])
    begun = mask[:, :1]
    last = [
        torch.where(begun, new[0, packed.unsorted_indices], old)
        for new, old in zip(last, states, strict=True)
    ]
    return [torch.where(mask[..., None], outputs, last[0][:, None]), *last]


def _laid(kind: str, weights: Weights) -> list[Tensor]:
    """Return Keras's weights as PyTorch's cells take them: its GRU has the gates r, z, h, Keras's z, r, h."""
    bias = weights["bias"]
    biases = [bias[0], bias[1]] if kind == "gru" else [bias, torch.zeros_like(bias)]
    parts = [weights["kernel"].T, weights["recurrent_kernel"].T, *biases]
    if kind == "gru":
        parts = [torch.cat([part.chunk(3)[gate] for gate in (1, 0, 2)]) for part in parts]
    return parts


def _one_chunk(parts: list[Tensor]) -> list[Tensor]:
    """Return the same side by side in one piece of memory: else cuDNN copies them at each call, and warns."""
    chunk = torch.cat([part.reshape(-1) for part in parts])
    pieces = chunk.split([part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        cell: Arithmetic,
        mask: Tensor | None,
        keep: bool,
        count: int,
        names: tuple[str, ...],
        x: Tensor,
        *arguments: Tensor,
    ) -> Any:
        states, weights = arguments[:count], dict(zip(names, arguments[count:], strict=True))
        matrices, vectors = cell.recurrent(weights)
        keep = keep and any(context.needs_input_grad)  # which is true of weights under no_grad as well
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
            wanted, present = wanted.clone(), [p.clone() for p in present]
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
        # Not flattened: batches of gradients, as of a vectorized Jacobian, have no rule for that.
        slopes = tuple(stack.reshape(-1, stack.shape[-1]) for stack in slopes)
        every = cell.gradients(
            OPS,
            slopes,
            lambda n: torch.cat([kept[n] for kept in saved]),
            outputs[:-1].flatten(0, 1),
            weights,
        )
        dz = cell.projected(OPS, slopes)
        d_x = None
        if context.needs_input_grad[5]:
            d_x = (dz @ weights["kernel"].T).view(x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1)
        every["kernel"] = OPS.outer(x.transpose(0, 1).flatten(0, 1), dz)
        return None, None, None, None, None, d_x, *d_states, *(every[name] for name in context.names)

    @staticmethod
    def jvp(context: Any, *tangents: Any) -> Any:  # of weights or states: those of x take Keras's loop
        raise NotImplementedError(NO_SECOND_GRADIENT)


def serves(x: Tensor) -> bool:
    """Return whether a call can be run here: see :class:`kerasdl.layers.kernels.Kernel`.

    A compiler or an exporter wants to see the operations; ``torch.func`` asks for rules that the pass here
    lacks, and so does forward mode; autocast would have it compute in two precisions at once.
    """
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch.autograd.forward_ad.unpack_dual(x).tangent is not None
        or torch._C._are_functorch_transforms_active()
        or torch.is_autocast_enabled(x.device.type)
    )


def traces() -> bool:
    """Return whether torch writes down the steps of this call: see :class:`kerasdl.layers.kernels.Kernel`."""
    return torch.jit.is_tracing()


def has_cudnn(layer: Any, mask: Tensor | None) -> bool:
    """Return whether to leave a layer to Keras for its cuDNN: never, for the loop here uses it, too."""
    return False

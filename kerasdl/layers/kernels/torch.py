"""How does a recurrence run fast on PyTorch? Its fused LSTM where that serves; else one pass each way.

The passes run outside the tape: autograd records one node for the whole recurrence, and the weight gradients
are one product over all steps.
"""

import torch

from kerasdl.layers.kernels.cells import LSTM, NO_SECOND_GRADIENT, Formulas, Weights


class _Ops(Formulas):
    """The operations of :mod:`kerasdl.layers.kernels.cells` on ``(batch, units)``."""

    sigmoid, tanh, relu = map(staticmethod, (torch.sigmoid, torch.tanh, torch.relu))
    stack = staticmethod(torch.stack)
    relu_back = staticmethod(lambda d, y: d * (y > 0))
    tanh_back = staticmethod(torch.ops.aten.tanh_backward)
    sigmoid_back = staticmethod(torch.ops.aten.sigmoid_backward)
    plus_product = staticmethod(torch.addcmul)
    plus_through = staticmethod(torch.addmm)
    blend = staticmethod(lambda u, a, b: torch.lerp(b, a, u))
    through = staticmethod(torch.mm)
    split = staticmethod(lambda z, n: z.chunk(n, dim=1))
    join = staticmethod(lambda parts: torch.cat(parts, dim=1))
    total = staticmethod(lambda rows: rows.sum(dim=0))
    outer = staticmethod(lambda a, b: a.T @ b)
    columns, cut = join, split


def recur(cell, x, states, weights: Weights, mask=None, sequences: bool = True):
    """Run a cell over time: see :func:`kerasdl.layers.kernels.jax.recur`."""
    if mask is not None:
        mask = mask.bool()
    fused = (
        cell == LSTM() and x.dtype == torch.float32 and x.device.type == "cpu" and weights.bias is not None
    )
    if fused and mask is None:
        outputs, states = _fused_lstm(x, states, weights)
    else:
        outputs, *states = _Recurrence.apply(cell, mask, len(states), x, *states, *weights)
    last = outputs[:, -1]
    if mask is not None:
        # Keras holds zeros until a row's first step that counts, whatever the initial state.
        started = mask.cummax(dim=1).values[..., None]
        outputs, last = outputs * started, last * started[:, -1]
    return last, outputs if sequences else last[:, None], list(states)


def _fused_lstm(x, states, weights):
    h, c = states
    bias = weights.bias
    flat = [
        weights.kernel.T.contiguous(),
        weights.recurrent_kernel.T.contiguous(),
        bias,
        torch.zeros_like(bias),
    ]
    training = torch.is_grad_enabled()
    outputs, h, c = torch._VF.lstm(x, (h[None], c[None]), flat, True, 1, 0.0, training, False, True)
    return outputs, (h[0], c[0])


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(context, cell, mask, count, x, *arguments):
        states, weights = arguments[:count], Weights(*arguments[count:])
        matrices, vectors = cell.recurrent(weights)
        keep = any(context.needs_input_grad)
        rows, bias = x.transpose(0, 1).flatten(0, 1), cell.input_bias(weights)
        z = rows @ weights.kernel if bias is None else torch.addmm(bias, rows, weights.kernel)
        # The state before the first step, then the states after each.
        outputs, saved = x.new_empty(x.shape[1] + 1, *states[0].shape), []
        outputs[0] = states[0]
        present = states
        for t, z_t in enumerate(z.view(x.shape[1], x.shape[0], -1)):
            new, kept = cell.step(_Ops, z_t, present, matrices, vectors)
            if mask is not None:
                m = mask[:, t, None]
                new = tuple(torch.where(m, n, s) for n, s in zip(new, present, strict=True))
            outputs[t + 1], present = new[0], new
            if keep:
                saved.append(kept)
        if keep:
            context.cell, context.mask, context.count, context.saved = cell, mask, count, saved
            context.save_for_backward(x, outputs, *arguments)
        return outputs[1:].transpose(0, 1), *present

    @staticmethod
    def backward(context, d_outputs, *d_states):
        if torch.is_grad_enabled():  # a graph of this pass is asked for
            raise NotImplementedError(NO_SECOND_GRADIENT)
        x, outputs, *arguments = context.saved_tensors
        cell, mask, saved = context.cell, context.mask, context.saved
        weights = Weights(*arguments[context.count :])
        matrices, vectors = cell.recurrent(weights)
        matrices = [m.T.contiguous() for m in matrices]
        slopes = []
        for t in reversed(range(len(saved))):
            d_states = (d_states[0] + d_outputs[:, t], *d_states[1:])
            moved = d_states
            if mask is not None:
                m = mask[:, t, None]
                moved = tuple(d * m for d in d_states)
            new, old = cell.back(_Ops, moved, saved[t], matrices, vectors)
            slopes = slopes or [one.new_empty(len(saved), *one.shape) for one in new]
            for one, stack in zip(new, slopes, strict=True):
                stack[t] = one
            if mask is not None:
                old = tuple(o + d * ~m for o, d in zip(old, d_states, strict=True))
            d_states = old
        slopes = tuple(stack.flatten(0, 1) for stack in slopes)
        recurrent, bias, peephole = cell.gradients(
            _Ops,
            slopes,
            lambda n: torch.cat([kept[n] for kept in saved]),
            outputs[:-1].flatten(0, 1),
            weights,
        )
        dz = cell.projected(_Ops, slopes)
        d_x = None
        if context.needs_input_grad[3]:
            d_x = (dz @ weights.kernel.T).view(x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1)
        kernel = _Ops.outer(x.transpose(0, 1).flatten(0, 1), dz)
        bias = None if weights.bias is None else bias
        return None, None, None, d_x, *d_states, kernel, recurrent, bias, peephole


def has_cudnn(layer, mask) -> bool:
    """Return whether stock Keras would run this layer on cuDNN."""
    fits = type(layer.cell).__name__ == "LSTMCell" or getattr(layer.cell, "reset_after", False)
    return torch.cuda.is_available() and fits and layer.use_bias and mask is None

"""How does a recurrent layer run its loop over time fast? By the backend's kernel, where there is one.

:class:`FastLoop` goes before a Keras recurrent layer among a class's bases. Arguments, weights, config,
masks, states and results stay that layer's; what differs is how the loop runs. The cell's arithmetic comes
from the list in :mod:`kerasdl.layers.cells.base`. Where the fast loop cannot do what is asked, Keras's own
runs.
"""

from typing import Any

import keras
from keras import ops

from kerasdl.layers import kernels
from kerasdl.layers.cells.base import Tensor, arithmetic_of
from kerasdl.layers.kernels.exports import exporting

# Found once, not at each call: a compiler that traces a layer's call does not follow an import.
KERNEL = kernels.load()


class FastLoop:
    """Runs the loop over time by the backend's kernel, where the layer's arguments allow it."""

    cell: Any
    unroll: bool
    go_backwards: bool
    stateful: bool
    return_sequences: bool
    zero_output_for_mask: bool

    def inner_loop(
        self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Run the cell over time: see :meth:`kerasdl.layers.kernels.Kernel.recur`.

        Raises:
            ValueError: features, states or their sizes that do not fit the layer, or a mask of other steps
                or rows; the message has both. Complex numbers. On PyTorch, a model of free length that is
                exported to ONNX.
        """
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        _refuse_what_is_no_mask(sequences, mask)
        if KERNEL is None or not KERNEL.serves(sequences):
            _refuse_a_step_for_any_length(self, sequences)
            unroll = self.unroll
            # See borrowed.ENTRIES["traced_length"]. The unrolled loop takes no mask there (keras 3.15).
            self.unroll = unroll or (mask is None and KERNEL is not None and KERNEL.traces())
            try:
                return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
            finally:
                self.unroll = unroll
        arithmetic = arithmetic_of(self.cell)
        # Left to Keras's loop: dropped states, a mask of its own for each gate, and a dropout of 1, which
        # some of its cells take for 0.
        its_own_dropout = (
            self.cell.recurrent_dropout
            or getattr(self.cell, "dropout_mask_count", None)
            or self.cell.dropout == 1
        )
        cudnn = getattr(self, "use_cudnn", False)
        if (
            arithmetic is None
            or (training and its_own_dropout)
            or self.unroll
            or cudnn is True
            or (cudnn and KERNEL.has_cudnn(self, mask))
            or not _usual(sequences, mask)
        ):
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        states = _fitting(self, sequences, initial_state)
        if mask is not None:
            mask = ops.cast(ops.squeeze(mask, -1) if len(mask.shape) == 3 else mask, "bool")
        dtype = self.cell.compute_dtype
        if training and self.cell.dropout:
            sequences = sequences * ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        if self.stateful:  # the variables are overwritten before the reverse pass reads them
            states = [ops.copy(s) for s in states]
        weights = {name: getattr(self.cell, name) for name in arithmetic.weights}
        last, outputs, last_states = KERNEL.recur(
            arithmetic,
            ops.cast(sequences, dtype),
            states,
            {n: ops.cast(ops.convert_to_tensor(w), dtype) for n, w in weights.items() if w is not None},
            mask,
            self.return_sequences,
            self,
        )
        if self.zero_output_for_mask and mask is not None:  # Bidirectional asks for it
            counts = ops.expand_dims(ops.cast(mask, "bool"), -1)
            last = ops.where(counts[:, -1], last, 0)
            outputs = ops.where(counts if self.return_sequences else counts[:, -1:], outputs, 0)
        return last, outputs, last_states


def _refuse_what_is_no_mask(sequences: Tensor, mask: Any) -> None:
    """Refuse a mask of other steps or rows: hardly a backend's loop can answer, and none in words.

    Raises:
        ValueError: it has, or is no array.
    """
    if mask is None:
        return
    wanted = tuple(sequences.shape[:2])
    if not hasattr(mask, "shape"):
        raise ValueError(f"mask={mask!r}: give an array of shape {wanted}")
    shape = tuple(mask.shape)
    fits = len(shape) > 1 and all(
        whole is None or size in (whole, None, *also)
        for whole, size, also in zip(wanted, shape, ((1,), ()), strict=False)
    )
    if fits:
        return
    raise ValueError(
        f"mask of shape {shape} does not fit sequences of shape {tuple(sequences.shape)}: give {wanted}"
    )


def _refuse_a_step_for_any_length(layer: Any, sequences: Tensor) -> None:
    """PyTorch writes a loop as the steps that it sees, and Keras shows it one step in place of a free length.

    The file would run, for every length, and answer wrong (keras 3.15).
    """
    if keras.backend.backend() != "torch" or sequences.shape[1] != 1:
        return
    free = (layer.get_build_config() or {}).get("input_shape", (None, 1))[1] is None
    if free and exporting():
        raise ValueError(
            "model.export on PyTorch fixes the length of what a recurrent layer reads: give "
            "input_signature=[keras.InputSpec('float32', (None, steps, features))]"
        )


def _usual(sequences: Tensor, mask: Tensor | None) -> bool:
    """Return whether there is a row, and a mask, if any, says for each step and row whether it counts.

    The rest is Keras's loop's to answer or to refuse: empty batches, and masks that hide single numbers of a
    state or are broadcast over rows.
    """
    batch, time = sequences.shape[:2]
    if batch == 0:
        return False
    if mask is None:
        return True
    shape = tuple(mask.shape)
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,)):
        return False
    return all(a is None or b is None or a == b for a, b in zip(shape, (batch, time), strict=False))


def _fitting(layer: Any, sequences: Tensor, states: Any) -> list[Tensor]:
    """Return the states, one row for each of the sequences, once all sizes fit the layer.

    No kernel checks a size, and one of them would read past the end of an array.

    Raises:
        ValueError: they do not fit.
    """
    states = keras.tree.flatten(states)
    if "complex" in str(sequences.dtype):
        raise ValueError(f"sequences of {sequences.dtype}: {layer.name!r} reads real numbers")
    features, built = sequences.shape[-1], layer.cell.kernel.shape[0]
    if features not in (None, built):
        raise ValueError(f"{layer.name!r} was built for {built} features, sequences have {features}")
    sizes = layer.state_size if isinstance(layer.state_size, (list, tuple)) else [layer.state_size]
    batch = sequences.shape[0]
    fits = len(states) == len(sizes) and all(
        len(state.shape) == 2
        and state.shape[1] == size
        and (state.shape[0] in (1, batch) or None in (state.shape[0], batch))
        for state, size in zip(states, sizes, strict=False)
    )
    if not fits:
        wanted = ", ".join(f"({'batch' if batch is None else batch}, {size})" for size in sizes)
        raise ValueError(
            f"initial_state of shapes {_shapes(*states)} does not fit {layer.name!r}: give {wanted}"
        )
    rows = ops.shape(sequences)[0]
    return [
        ops.broadcast_to(state, (rows, size)) if state.shape[0] == 1 and batch != 1 else state
        for state, size in zip(states, sizes, strict=True)
    ]


def _shapes(*tensors: Tensor) -> str:
    return ", ".join(str(tuple(tensor.shape)) for tensor in tensors)

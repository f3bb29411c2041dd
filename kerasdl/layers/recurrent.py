"""How does a recurrent layer run its loop over time fast? By the backend's kernel, where there is one.

:class:`FastLoop` goes before a Keras recurrent layer among a class's bases. Arguments, weights, config,
masks, states and results stay that layer's; what differs is how the loop runs. The cell's arithmetic comes
from the list in :mod:`kerasdl.layers.cells.base`. Where the fast loop cannot do what is asked, Keras's own
runs.
"""

from typing import Any

from keras import ops

from kerasdl.layers import kernels
from kerasdl.layers.cells.base import Tensor, arithmetic_of

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
        """Run the cell over time: see :meth:`kerasdl.layers.kernels.Kernel.recur`."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        arithmetic = arithmetic_of(self.cell)
        # Dropped states, and a mask of its own for each gate, are left to Keras's loop.
        several_masks = self.cell.recurrent_dropout or getattr(self.cell, "dropout_mask_count", None)
        cudnn = getattr(self, "use_cudnn", False)
        if (
            KERNEL is None
            or arithmetic is None
            or (training and several_masks)
            or self.unroll
            or cudnn is True
            or (cudnn and KERNEL.has_cudnn(self, mask))
        ):
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        dtype = self.cell.compute_dtype
        if training and self.cell.dropout:
            sequences = sequences * ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        states = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
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
        )
        if self.zero_output_for_mask and mask is not None:  # Bidirectional asks for it
            counts = ops.expand_dims(ops.cast(mask, "bool"), -1)
            last = ops.where(counts[:, -1], last, 0)
            outputs = ops.where(counts if self.return_sequences else counts[:, -1:], outputs, 0)
        return last, outputs, last_states

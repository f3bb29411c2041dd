"""How does each backend run a recurrence? One module for each backend, with the same functions.

:class:`Kernel` says what a module brings; :func:`load` returns that of the backend that runs. The cells
that they run are in :mod:`kerasdl.layers.cells`. Only here, in devices/ and in training/ does code differ
by backend.
"""

import importlib
import importlib.util
from typing import Any, Protocol, cast

import keras

from kerasdl.layers.cells.base import Arithmetic, Tensor, Tensors, Weights


class Kernel(Protocol):
    """What the module of a backend brings."""

    def recur(
        self,
        cell: Arithmetic,
        x: Tensor,
        states: Tensors,
        weights: Weights,
        mask: Tensor | None,
        sequences: bool,
        layer: Any,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Run a cell over time.

        Args:
            cell: the arithmetic.
            x: ``(batch, time, features)``.
            states: each ``(batch, units)``, in ``x``'s dtype, as are the weights.
            weights: by name.
            mask: boolean ``(batch, time)`` or None; where it is False, states stay.
            sequences: whether the outputs of all steps are wanted.
            layer: whose call it is; its own settings may decide how to run.

        Returns:
            The last output, ``(batch, units)``; all outputs, ``(batch, time, units)``, or the last with a
            time axis of 1; the last states.
        """

    def serves(self, x: Tensor) -> bool:
        """Return whether a call can be run here at this moment: no tracer or transformation forbids it."""

    def traces(self) -> bool:
        """Return whether the steps of a call are being written down, as for an ONNX file."""

    def has_cudnn(self, layer: Any, mask: Tensor | None) -> bool:
        """Return whether to leave the loop to stock Keras, which would run this layer on cuDNN."""


def load() -> Kernel | None:
    """Return the module of the backend that runs; None where it has none, as Keras's NumPy backend."""
    name = f"{__name__}.{keras.backend.backend()}"
    return cast(Kernel, importlib.import_module(name)) if importlib.util.find_spec(name) else None

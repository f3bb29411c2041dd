"""How is a model fed and watched? Batches in one order, guards, history as a table.

Training itself is Keras's own ``compile`` and ``fit``: this room supplies the
batches, turns silent failures into errors and lets a training that was killed
go on where it was.
"""

from kerasdl.training.batches import Batches
from kerasdl.training.fitting import fit, reports
from kerasdl.training.guards import ResetState, StopOnNaN, check_targets
from kerasdl.training.resume import Checkpoints
from kerasdl.training.snapshots import restore, snapshot

__all__ = [
    "Batches",
    "Checkpoints",
    "ResetState",
    "StopOnNaN",
    "check_targets",
    "fit",
    "reports",
    "restore",
    "snapshot",
]

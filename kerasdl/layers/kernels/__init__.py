"""How does each backend run a recurrence? Only here and in devices/ does code differ by backend.

:mod:`~kerasdl.layers.kernels.cells` has the arithmetic of the cells, once for all; the module named after a
backend runs it over time, forward and in reverse, and is loaded only there.
"""

import importlib

import keras

from kerasdl import backends


def load():
    """Return the module of the backend that runs, or None where there is none."""
    name = keras.backend.backend()
    return importlib.import_module(f"{__name__}.{name}") if name in backends.NAMES else None

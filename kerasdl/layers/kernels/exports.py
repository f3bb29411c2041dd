"""Is a layer called for ``model.export``? Nothing goes in; a yes or no comes out.

Other formats know Keras's operations and not a kernel's: where this says yes, Keras's own loop runs.
"""

import inspect


def exporting() -> bool:
    """Return whether Keras's exporter is among the callers at this moment."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("keras.src.export."):
            return True
        frame = frame.f_back
    return False

"""The deep-learning foundations course as software, on TensorFlow, JAX or PyTorch.

Importing ``kerasdl`` loads neither Keras nor a backend: it holds :func:`set_seed` and the version. The rest
is imported by the name of its room::

    import kerasdl.shift  # no backend needed
    from kerasdl import models  # Keras, on the backend that is configured
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["set_seed"]


def __getattr__(name: str) -> Any:
    # NumPy's import alone is most of the time that `kerasdl --help` may take.
    if name == "set_seed":
        from kerasdl.random import set_seed

        return set_seed
    raise AttributeError(f"module 'kerasdl' has no attribute {name!r}")

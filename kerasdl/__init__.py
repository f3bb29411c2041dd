"""The deep-learning foundations course as software, on TensorFlow, JAX or PyTorch.

Importing ``kerasdl`` loads neither Keras nor a backend. Ask for a room by its name::

    import kerasdl.shift  # no backend needed
    from kerasdl import models  # Keras, on the backend that is configured
"""

from kerasdl.random import set_seed

__all__ = ["set_seed"]
__version__ = "0.1.0"

"""In how many bits does a float32 product multiply? On a CPU in all 24; a GPU may round to the 11 of TF32.

A backend's name goes in. :func:`full` asks for float32 in full, so that a GPU finds a CPU's numbers (TF32 is
1e-4 off); :func:`full_with_keras` asks when Keras is loaded; :func:`is_full` says what is asked for now.
Chapters ask; the library leaves a backend as it is.
"""

import sys
from importlib.abc import MetaPathFinder


def full(backend: str) -> None:
    """Ask a backend for matrix products and convolutions in full float32; it is imported for that.

    Args:
        backend: one of :data:`kerasdl.backends.NAMES`.
    """
    if backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    elif backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
    elif backend == "torch":
        import torch

        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False  # convolutions and recurrent layers


def full_with_keras(backend: str) -> None:
    """Ask for full float32 as soon as Keras is imported, or now if it is: the backend is loaded then anyway.

    Args:
        backend: one of :data:`kerasdl.backends.NAMES`.
    """
    if "keras" in sys.modules:
        full(backend)
    else:
        sys.meta_path.insert(0, _BeforeKeras(backend))


class _BeforeKeras(MetaPathFinder):
    """Finds no module: it is there to be asked, once, where Keras is."""

    def __init__(self, backend: str):
        self._backend = backend

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Ask the backend where Keras is looked for."""
        if fullname == "keras" and self in sys.meta_path:
            sys.meta_path.remove(self)
            full(self._backend)


def is_full(backend: str) -> bool:
    """Return whether a backend is asked for full float32 at this moment.

    Args:
        backend: one of :data:`kerasdl.backends.NAMES`.
    """
    if backend == "jax":
        import jax

        return jax.config.jax_default_matmul_precision in ("highest", "float32")
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.experimental.tensor_float_32_execution_enabled()
    import torch

    return torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32

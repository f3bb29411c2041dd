"""A pytest plugin in which a tensor of PyTorch's does not turn into an array, as one on a GPU does not.

``pytest -p refusing``: what hands a tensor to NumPy fails, save Keras's own ``convert_to_numpy``, which
brings it to the host first. So tests, and code, that need a CPU are found without a GPU.
"""

import sys
from typing import Any

import torch

ALLOWED = ("keras.src.backend.torch", "torch")


def refusing(method: Any) -> Any:
    """Return a method of tensors that answers Keras and PyTorch alone."""

    def refuse(tensor: Any, *arguments: Any, **named: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if not caller.startswith(ALLOWED):
            raise TypeError(f"can't convert a device's tensor to NumPy in {caller}: use oracles.to_numpy")
        return method(tensor, *arguments, **named)

    return refuse


def pytest_configure() -> None:
    """Refuse from the first test on."""
    for name in ("__array__", "numpy"):
        setattr(torch.Tensor, name, refusing(getattr(torch.Tensor, name)))

"""Tests, and what they test, hold on a GPU: tensors reach NumPy by way of the host alone."""

import importlib.util
import os
import subprocess
import sys

import keras
import pytest
from places import CHECKOUT, TESTS

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's tensors can refuse")


def session(*files):
    """Run tests while tensors refuse, and return the exit code and what pytest said."""
    path = os.pathsep.join(map(str, (CHECKOUT, TESTS)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "refusing", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout[-3000:]


def test_a_tensor_that_is_handed_to_numpy_is_found():
    spec = importlib.util.spec_from_file_location("refusing", TESTS / "refusing.py")
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    tensor = keras.ops.ones(3)
    method = plugin.refusing(type(tensor).numpy)
    with pytest.raises(TypeError, match=r"use oracles\.to_numpy"):
        method(tensor)


ROOMS = ["layers", "models", "training", "estimators", "selection", "devices", "engines", "borrowed"]
FILES = ["test_initializers.py", "test_random.py", "test_examples.py"]


@pytest.mark.slow
@pytest.mark.parametrize("room", [*ROOMS, *FILES])
def test_a_room_never_hands_a_tensor_to_numpy(room):
    code, said = session(f"tests/{room}")
    assert code == 0, said

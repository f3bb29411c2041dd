"""A chapter asks for float32 in full, each backend by its own switch; the library does not."""

import json
import os
import subprocess
import sys

import keras
import pytest
from places import CHECKOUT

BACKEND = keras.backend.backend()

# What the backend is asked, seen by a spy in place of its switch; in a process each, for a switch stays.
SPIES = {
    "jax": """
import jax
jax.config.update = lambda name, value: seen.append([name, value])
""",
    "tensorflow": """
import tensorflow as tf
tf.config.experimental.enable_tensor_float_32_execution = lambda enabled: seen.append(["tf32", enabled])
""",
    "torch": """
import torch
torch.set_float32_matmul_precision = lambda precision: seen.append(["products", precision])
class Switch(type(torch.backends.cudnn)):
    def __setattr__(self, name, value):
        seen.append([name, value])
torch.backends.cudnn.__class__ = Switch
""",
}
ASKED = {
    "jax": [["jax_default_matmul_precision", "highest"]],
    "tensorflow": [["tf32", False]],
    "torch": [["products", "highest"], ["allow_tf32", False]],
}
CHAPTER = """
from kerasdl import course
course.Chapter("backprop", settings={"seed": 0})
import keras
"""
STATE = """
import json
from kerasdl.course import precision
found = []
import kerasdl.layers, kerasdl.models, kerasdl.training
found.append(precision.is_full(BACKEND))
{chapter}
found.append(precision.is_full(BACKEND))
print("ANSWER", json.dumps(found))
"""


def answer(code, folder):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "KERASDL_CACHE": str(folder)}
    code = f"BACKEND, seen = {BACKEND!r}, []\n{code}"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-1500:]
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("ANSWER ")]
    return json.loads(line.removeprefix("ANSWER "))


@pytest.mark.parametrize("way", ["spied", "read back"])
def test_a_chapter_asks_for_full_float32_and_the_library_does_not(way, tmp_path):
    if way == "spied":
        found = answer(f"{SPIES[BACKEND]}{CHAPTER}\nimport json\nprint('ANSWER', json.dumps(seen))", tmp_path)
        assert found == ASKED[BACKEND]
    else:
        assert answer(STATE.format(chapter=CHAPTER), tmp_path) == [False, True]


def test_a_chapter_loads_no_backend_before_its_own_imports_do(tmp_path):
    asked = "from kerasdl import course\nimport json, sys\ncourse.Chapter('backprop', settings={'seed': 0})\n"
    found = answer(f"{asked}print('ANSWER', json.dumps(BACKEND in sys.modules))", tmp_path)
    assert found is False

"""A backend without kernels, Keras's NumPy as the example: the layers run on Keras's own loop."""

import importlib.util
import os
import subprocess
import sys

import pytest
from places import CHECKOUT

SCRIPT = """
import keras, numpy as np
from oracles import BY_HAND, close, drawn
from kerasdl import models
from kerasdl.layers import kernels
from kerasdl.layers.cells.base import REGISTRY

assert keras.backend.backend() == "numpy" and kernels.load() is None
x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
mask = np.array([[1, 0, 1, 0], [1, 1, 0, 1]], bool)
for name, entry in REGISTRY.items():
    layer = entry.layer(5, return_sequences=True)
    layer.build(x.shape)
    weights = drawn(layer)
    layer.set_weights(weights)
    assert close(layer(x, mask=mask), BY_HAND[name](*weights).forward(x, mask), 1e-5), name
    both_ways = models.recurrent_stack(3, name, units=4, bidirectional=True, mask_value=0.0)
    assert both_ways.predict(x, verbose=0).shape == (2, 4, 8)
print("answered")
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="Keras's NumPy backend (3.15) imports jax")
def test_a_backend_without_kernels_runs_on_keras_loop():
    environment = {
        **os.environ,
        "KERAS_BACKEND": "numpy",
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT}/tests",
    }
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "answered\n", run.stderr[-2000:]

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kerasdl import backends


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Set what is installed and configured: machine(["jax"], variable=…, file=…)."""

    def arrange(installed, variable=None, file=None):
        monkeypatch.setattr(backends, "installed", lambda: installed)
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        if variable:
            monkeypatch.setenv("KERAS_BACKEND", variable)
        if file:
            (tmp_path / "keras.json").write_text(file)

    return arrange


def test_the_variable_comes_before_the_file(machine):
    machine(["jax", "torch"], variable="torch", file=json.dumps({"backend": "jax"}))
    assert backends.choose() == ("torch", "set by KERAS_BACKEND")


def test_the_file_counts_where_its_backend_is_installed(machine):
    machine(["tensorflow", "jax"], file=json.dumps({"backend": "jax"}))
    assert backends.choose() == ("jax", "set in keras.json")


@pytest.mark.parametrize("file", [None, "{ half a file", json.dumps({"backend": "tensorflow"})])
def test_the_only_backend_installed_is_used_and_named(machine, file):
    machine(["torch"], file=file)
    assert backends.choose() == ("torch", "the one installed")


def test_asking_by_name_comes_first(machine):
    machine(["jax", "torch"], variable="torch")
    assert backends.choose("jax").name == "jax"


@pytest.mark.parametrize("name", ["numpy", "openvino"])
def test_one_of_keras_s_other_backends_runs_but_does_not_train(machine, monkeypatch, name):
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: object())
    machine([], variable=name)
    assert backends.choose() == (name, "set by KERAS_BACKEND")
    with pytest.raises(ValueError, match=f"KERAS_BACKEND='{name}' runs models but cannot train them: use"):
        backends.choose(train=True)
    machine(["jax"], file=json.dumps({"backend": name}))
    assert backends.choose() == (name, "set in keras.json")
    assert backends.choose("jax", train=True) == ("jax", "as asked")


def test_openvino_that_is_missing_gives_its_command(machine, monkeypatch):
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    machine(["jax"], variable="openvino")
    with pytest.raises(ModuleNotFoundError, match="pip install openvino"):
        backends.choose()


FORWARD = """
import warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation")

import numpy as np

import keras
from kerasdl import layers, models, text

x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
x[1, 3:] = 0.0
for cell in models.recurrent.CELLS:
    for both in (False, True):
        stack = models.recurrent_stack(3, cell, 4, bidirectional=both, mask_value=0.0)
        assert stack(x).shape == (2, 5, 8 if both else 4)
stock = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, return_sequences=True)])
ours = layers.accelerate(stock)
assert type(ours.layers[0]) is layers.LSTM
np.testing.assert_array_equal(ours(x), stock(x))
vocabulary = text.Vocabulary.of("the time machine", reserved=["padding", "begin", "end"])
tokens = vocabulary.encode("time")[None]
reader = models.encoder_decoder(vocabulary, vocabulary, units=4)
assert reader([tokens, tokens]).shape == (1, 4, len(vocabulary))
assert len(models.translate(reader, ["time"], length=3)) == 1
assert len(models.generate(models.language_model(vocabulary, units=4), "the", length=5)) == 8
assert models.mlp(3, (4,), dropout=0.5).predict(x[:, 0], verbose=0).shape == (2, 10)
assert models.convnet((8, 8, 1))(np.ones((1, 8, 8, 1))).shape == (1, 10)
assert models.polynomial(3)(x[:, 0, :1]).shape == (2, 1)
assert models.many_to_one(3, units=4)(x).shape == (2, 1)
assert models.one_to_many(3, 4, units=4)(x[:, 0]).shape == (2, 4, 1)
forced = models.output_recurrent(3, 2, 4)
assert forced([x, x[..., :2]]).shape == models.free_running(forced)(x).shape == (2, 5, 2)
dropped = np.asarray(layers.Dropout(0.5, seed=1)(np.ones((4, 6), "float32"), training=True))
np.testing.assert_array_equal(dropped, MASK)
"""

REFUSED = """
import keras
import numpy as np

from kerasdl import estimators, models, selection, training
from kerasdl.selection.stack import program
from kerasdl.training import programs

x, y = np.ones((12, 2), "float32"), np.arange(12.0, dtype="float32")
model = models.linear(2)
model.compile("sgd", "mse")
regressor = estimators.KerasRegressor(models.linear, build__features=2, epochs=1)
rows = [np.zeros((1, 2), "int32")] * 2
for train in (
    lambda: training.fit(model, x, y[:, None], epochs=1),
    lambda: programs.steps(model, (x, y[:, None]), rows, 0, 1),
    lambda: program.ready(None),  # at the top, before it looks at the team
    lambda: regressor.fit(x, y),
    lambda: selection.cross_validate(regressor, x, y, cv=2),
):
    try:
        train()
    except ValueError as error:
        assert str(error) == "backend='numpy' runs models but cannot train them: use tensorflow, jax, torch"
    else:
        raise AssertionError("trained")
"""


def on_numpy(*command):
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="Keras's NumPy backend imports JAX")
def test_keras_s_numpy_backend_runs_every_model_forward():
    from kerasdl import layers

    mask = np.asarray(layers.Dropout(0.5, seed=1)(np.ones((4, 6), "float32"), training=True)).tolist()
    done = on_numpy("-c", f"MASK = {mask}\n{FORWARD}")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="Keras's NumPy backend imports JAX")
def test_a_training_on_keras_s_numpy_backend_is_refused_in_one_line():
    done = on_numpy("-c", REFUSED)
    assert done.returncode == 0, done.stderr


def test_without_kernels_the_doctor_says_so_and_a_run_is_refused(tmp_path):
    done = on_numpy("-m", "kerasdl", "doctor")
    assert done.returncode == 1, done.stderr  # it cannot run the course
    said = " ".join(
        cells[1].strip() for line in done.stdout.splitlines() if len(cells := line.split("│")) > 2
    )
    assert "numpy (set by KERAS_BACKEND): runs models forward, recurrent layers by Keras's own loops" in said
    refused = on_numpy("-m", "kerasdl", "run", "backprop", "--fast", "--out", str(tmp_path))
    assert refused.returncode == 2
    assert "'numpy' runs models but cannot train them" in refused.stderr


def test_no_backend_at_all_gives_the_command(machine):
    machine([])
    with pytest.raises(ModuleNotFoundError, match=r"pip install '.+\[jax\]'"):
        backends.choose()


def test_a_backend_that_is_missing_gives_its_command(machine):
    machine(["jax"], variable="torch")
    with pytest.raises(ModuleNotFoundError, match=r"KERAS_BACKEND='torch' .*\[torch\]"):
        backends.choose()


def test_a_misspelt_backend_gives_the_nearest(machine):
    machine(["jax"])
    with pytest.raises(ValueError, match="did you mean 'torch'"):
        backends.choose("torhc")


def test_a_running_keras_is_not_switched():
    import keras

    running = keras.backend.backend()
    assert backends.use() == (running, "already loaded")
    other = next(name for name in backends.NAMES if name != running)
    with pytest.raises(RuntimeError, match="start a new Python"):
        backends.use(other)
    assert "keras" in sys.modules

"""One model on two devices against the same model on one: two virtual ones, or two processes on PyTorch."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import devices_script
import keras
import numpy as np
import pytest
from oracles import gpus

from kerasdl import backends, devices, files, training
from kerasdl.course import cli, results, syllabus

BACKEND = keras.backend.backend()
SCRIPT = Path(devices_script.__file__)
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

needs_two = pytest.mark.skipif(
    gpus() == 1 or os.cpu_count() < 2, reason="two devices need two GPUs, or none and two cores"
)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What the script found on two devices."""
    out = tmp_path_factory.mktemp("two") / "found.npz"
    launcher = TORCHRUN if BACKEND == "torch" else []
    command = [sys.executable, *launcher, str(SCRIPT), "2", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(out)


@needs_two
@pytest.mark.parametrize("name", devices_script.names())
def test_two_devices_train_as_one_does(two, name):
    assert two["devices"] == 2
    for key, value in devices_script.train(name).items():
        np.testing.assert_allclose(two[key], value, rtol=1e-5, atol=1e-5, err_msg=key)


@needs_two
def test_folds_are_trained_in_turn_on_both_devices(two):
    assert two["folds reason"] == "each fold is trained on 2 devices"
    np.testing.assert_allclose(two["folds valid"], devices_script.folds()["folds valid"], rtol=1e-5)


CHAPTER = """\
# %% [markdown]
# # A small chapter
#
# It trains a line.

# %%
from kerasdl import course

chapter = course.Chapter("small", settings={"seed": 1})

import numpy as np

import kerasdl
from kerasdl import devices, models, training

kerasdl.set_seed(chapter.settings.seed)
model = models.linear(2)
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(11, 2))
history = training.fit(model, x, x[:, :1], epochs=2, batch_size=4)
chapter.trained("loss", history.loss.iloc[-1], (0, 10), tolerance=1e-5, source="us")
chapter.trained("devices", devices.count(), (1, 2), tolerance=1, source="us")
chapter.finish()
"""


@needs_two
def test_a_chapter_runs_on_two_devices_and_finds_the_same(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "tutorials"
    files.write(folder / "01_small.py", CHAPTER)
    monkeypatch.setattr(syllabus.files, "folder", {"tutorials": folder}.__getitem__)
    out = tmp_path / "out"
    assert cli.main(["run", "small", "--devices", "2", "--out", str(out)]) == 0
    assert capsys.readouterr().out.count(", 2 devices") == 1
    assert sorted(path.name for path in (out / BACKEND).iterdir()) == ["small"]
    loss, devices_used = results.load(out / BACKEND / "small" / results.FILE).checks
    assert devices_used.measured == 2
    monkeypatch.chdir(tmp_path)  # run so, a chapter leaves its results here
    here = runpy.run_path(str(folder / "01_small.py"))["history"]
    assert loss.measured == pytest.approx(here.loss.iloc[-1], rel=1e-5)


@needs_two
@pytest.mark.slow
@pytest.mark.parametrize("name", ["polynomial_fit", "convolution"])
def test_a_real_chapter_on_two_devices_stays_within_its_tolerances(name, tmp_path):
    found = {}
    for number in ("1", "2"):
        out = tmp_path / number
        assert cli.main(["run", name, "--fast", "--devices", number, "--out", str(out)]) == 0
        found[number] = results.load(out / "fast" / BACKEND / name / results.FILE)
    for one, two in zip(found["1"].checks, found["2"].checks, strict=True):
        assert one.name == two.name
        assert two.measured == pytest.approx(one.measured, rel=1e-4, abs=one.tolerance)


def test_more_devices_than_there_are_is_an_error_and_changes_nothing(monkeypatch):
    cores = os.cpu_count()
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, str(10 * cores))
    with pytest.raises(ValueError, match=rf"devices={10 * cores}, but there are \d+ .*ask for \d+ at most"):
        devices.use(10 * cores)
    assert devices.count() == 1


def test_bad_numbers_are_answered(monkeypatch, capsys):
    with pytest.raises(ValueError, match="devices=0"):
        devices.use(0)
    assert cli.main(["run", "--devices", "0"]) == 2
    assert "--devices: '0' is not a whole number" in capsys.readouterr().err
    monkeypatch.setattr(devices, "_count", 2)
    with pytest.raises(RuntimeError, match="devices=3, but 2 are in use here: start a new Python"):
        devices.use(3)


@pytest.mark.skipif(BACKEND != "torch", reason="torch's devices are processes")
def test_too_few_processes_give_the_command(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match="start it with torchrun --nproc-per-node 2"):
        devices.use(2)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX normalises over the whole batch")
def test_a_model_that_would_normalise_over_a_part_of_the_batch_is_refused(monkeypatch):
    model, shape = devices_script.model("normalised")
    monkeypatch.setattr(devices, "_count", 2)
    with pytest.raises(ValueError, match=r"devices=2: layer 'batch_normalization.* by themselves"):
        training.fit(model, np.zeros((4, *shape)), np.zeros((4, 1)), epochs=1)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX normalises over the whole batch")
def test_a_wrapped_normalisation_and_a_loss_that_is_no_mean_are_refused(monkeypatch):
    monkeypatch.setattr(devices, "_count", 2)
    inputs = keras.Input((3, 2))
    wrapped = keras.layers.TimeDistributed(keras.layers.BatchNormalization())(inputs)
    for outputs, loss, words in (
        (wrapped, "mse", "by themselves"),
        (keras.layers.Dense(2)(inputs), keras.losses.MeanSquaredError("sum"), "reduction='sum'"),
    ):
        model = keras.Model(inputs, outputs)
        model.compile("sgd", loss)
        with pytest.raises(ValueError, match=words):
            devices.spread(model)


def test_one_device_leaves_a_model_as_it_is():
    model, _ = devices_script.model("mlp")
    devices.spread(model)
    assert "train_step" not in vars(model)
    assert devices.first()
    assert backends.choose().name == BACKEND

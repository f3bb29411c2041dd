import json
import sys

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


def test_no_backend_at_all_gives_the_command(machine):
    machine([])
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kerasdl\[jax\]'"):
        backends.choose()


def test_a_backend_that_is_missing_gives_its_command(machine):
    machine(["jax"], variable="torch")
    with pytest.raises(ModuleNotFoundError, match=r"KERAS_BACKEND='torch' .*kerasdl\[torch\]"):
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

"""What every test shares: a hermetic data search, and the real data where it is found."""

import gc
import os
import tempfile
from pathlib import Path

import places
import pytest

from kerasdl import backends
from kerasdl.course import environment

if backends.installed():
    # Before a test imports Keras, whose own default may not be installed. A test's time is its compilations:
    # they are quick, as those of a fast course, and on JAX kept for the length of the run: many are equal.
    for variable, value in environment.of_chapter(backends.use().name, fast=True).items():
        os.environ.setdefault(variable, value)
COMPILED = tempfile.TemporaryDirectory()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", COMPILED.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Two tests run at a time, and PyTorch's threads, more of them than cores, wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without a backend, leave out the files that need one."""
    if collection_path.suffix != ".py" or backends.installed():
        return None
    always = collection_path.name in {"conftest.py", "test_examples.py"}
    return None if always or places.needs_no_backend(collection_path) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what tox tests once: ``core``, which needs no backend, and ``once``, which no backend changes."""
    for item in items:
        if places.needs_no_backend(item.path):
            item.add_marker("core")
        elif places.is_changed_by_no_backend(item.path):
            item.add_marker("once")


def pytest_collection_finish() -> None:
    """Let Python's collections, and Keras's, spare what the imports made, and be fewer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)  # a trace makes many objects, and lets few go


@pytest.fixture(autouse=True)
def hermetic(monkeypatch, tmp_path):
    """No test sees this user's data folder or cache unless it asks for it."""
    monkeypatch.delenv("KERASDL_DATA", raising=False)
    monkeypatch.setenv("KERASDL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def real_data(monkeypatch) -> Path:
    """The folder of the real data sets, set as ``KERASDL_DATA``; the test is skipped where there is none."""
    if not places.REAL_DATA.is_dir():
        pytest.skip("the real data sets are not here: set KERASDL_DATA to their folder")
    monkeypatch.setenv("KERASDL_DATA", str(places.REAL_DATA))
    return places.REAL_DATA

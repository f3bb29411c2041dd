"""What every test shares: a hermetic data search, and the real data where it is found."""

import os
import tempfile
from pathlib import Path

import pytest

from kerasdl import backends

if backends.installed():  # tests/core runs without any
    backends.use()  # before a test imports Keras, whose own default may not be installed

# On JAX a test's time is its compilations, many of them equal: kept for the length of the run.
COMPILED = tempfile.TemporaryDirectory()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", COMPILED.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

CHECKOUT = Path(__file__).resolve().parent.parent
REAL_DATA = Path(os.environ.get("KERASDL_DATA") or CHECKOUT.parent / "shared" / "data")


@pytest.fixture(autouse=True)
def hermetic(monkeypatch, tmp_path):
    """No test sees this user's data folder or cache unless it asks for it."""
    monkeypatch.delenv("KERASDL_DATA", raising=False)
    monkeypatch.setenv("KERASDL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def real_data(monkeypatch) -> Path:
    """The folder of the real data sets, set as ``KERASDL_DATA``; the test is skipped where there is none."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data sets are not here: set KERASDL_DATA to their folder")
    monkeypatch.setenv("KERASDL_DATA", str(REAL_DATA))
    return REAL_DATA

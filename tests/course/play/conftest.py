"""Our own course served, and a browser to look at it."""

import playing
import pytest
from browser import chromium

from kerasdl import files


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """The folder of our own course."""
    folder = tmp_path_factory.mktemp("tutorials")
    files.write(folder / "01_curve.py", playing.CURVE)
    files.write(folder / "02_other.py", playing.OTHER)
    return folder


@pytest.fixture(scope="module")
def served(course, tmp_path_factory):
    """Our own course, served."""
    pytest.importorskip("nicegui", reason="kerasdl[play] is not installed")
    server = playing.Served(course, tmp_path_factory.mktemp("served"), "curve")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window."""
    with chromium("--window-size=1280,1000") as found:
        yield found

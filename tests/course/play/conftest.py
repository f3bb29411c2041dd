"""Our own course served, and a browser to look at it."""

import shutil

import playing
import pytest

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
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no browser here: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()

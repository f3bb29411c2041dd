"""The page in Chromium: controls move, figures follow, errors stand beside them, nothing is asked outside."""

import contextlib
import io
import json
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlparse

import numpy as np
import pytest
from playing import Served

from kerasdl.course import results

pytestmark = pytest.mark.browser

SECONDS = 60


class Tab:
    """What a reader does with a page, and sees."""

    def __init__(self, browser):
        self.browser = browser
        self.handle = browser.current_window_handle

    def open(self, address, width=1280, height=1000):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.browser.get(address)
        self.ran()
        return self

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        self.until(lambda: self.all(selector), f"nothing is {selector}")
        return self.all(selector)[0]

    def until(self, condition, why):
        from selenium.common.exceptions import StaleElementReferenceException

        end = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(StaleElementReferenceException):  # it was just put anew
                if condition():
                    return
            assert time.monotonic() < end, why
            time.sleep(0.05)

    def said(self):
        found = self.all(".said")
        return found[0].text if found else ""

    def ran(self):
        self.until(lambda: self.said().startswith("ran in"), "no run ended")
        self.until(lambda: self.picture(), "no picture came")  # told of before, it may be on its way

    def changed(self, act):
        """Do something that runs the chapter anew, and wait until the picture is another."""
        before = self.picture()
        act()
        self.until(lambda: self.picture() not in (before, None), "the picture stayed")
        self.ran()

    def picture(self, place="now"):
        found = self.all(f".picture.{place} img")
        return found[0].get_attribute("src") if found and found[0].is_displayed() else None

    def pixels(self, place="now"):
        return pixels(urllib.request.urlopen(self.picture(place)).read())

    def field(self, setting):
        return self.one(f".control[data-setting={setting}] input")

    def value(self, setting):
        return self.field(setting).get_attribute("value")

    def type(self, setting, text):
        from selenium.webdriver.common.keys import Keys

        self.field(setting).send_keys(Keys.CONTROL, "a")
        self.field(setting).send_keys(text)

    def slider(self, setting):
        return self.one(f".control[data-setting={setting}] [role=slider]")

    def slide(self, setting, steps):
        from selenium.webdriver.common.keys import Keys

        for _ in range(abs(steps)):
            self.keys(
                self.slider(setting).find_element("css selector", "[tabindex]"),
                Keys.ARROW_RIGHT if steps > 0 else Keys.ARROW_LEFT,
            )

    def keys(self, element, *keys):
        self.browser.execute_script("arguments[0].focus()", element)
        self.browser.switch_to.active_element.send_keys(*keys)

    def wrong(self, setting):
        found = self.all(f".control[data-setting={setting}] .wrong")
        return found[0].text if found else ""

    def command(self):
        return self.one(".command").text

    def press(self, text):
        next(button for button in self.all("button") if text in button.text).click()


def pixels(png):
    import matplotlib.image

    return matplotlib.image.imread(io.BytesIO(png))


@pytest.fixture
def tab(browser, served):
    return Tab(browser).open(served.address)


def test_a_slider_moved_shows_the_figure_of_a_run_with_that_setting(tab, course, tmp_path):
    first = tab.pixels()
    tab.slide("slope", 6)
    # Six of twenty steps to ten times as much; on the way there, others are shown.
    tab.until(lambda: tab.value("slope") == "4.0", "the slider stayed")
    tab.until(lambda: "4" in tab.one(".numbers b").text, "the figure stayed")
    assert tab.command() == "kerasdl run curve --fast --set slope=4.0"
    script = course / "01_curve.py"
    words = [*tab.command().split()[3:], "--out", str(tmp_path)]
    subprocess.run([sys.executable, script, *words], check=True, capture_output=True)
    (figure,) = tmp_path.rglob("line.png")
    seen = tab.pixels()
    assert np.array_equal(seen, pixels(figure.read_bytes()))
    assert not np.array_equal(seen, first)
    assert tab.one(".control[data-setting=slope]").get_attribute("class").split()[-1] == "moved"


def test_a_hand_on_the_slider_sees_the_figure_move(tab):
    from selenium.webdriver import ActionChains

    thumb = tab.slider("slope").find_element("css selector", ".q-slider__thumb")
    hand = ActionChains(tab.browser, duration=50).click_and_hold(thumb)
    hand.perform()
    seen = set()
    for _ in range(40):
        ActionChains(tab.browser, duration=20).move_by_offset(2, 0).perform()
        seen.add(tab.picture())
        time.sleep(0.05)
    ActionChains(tab.browser).release().perform()
    assert len(seen) > 2  # more than where it began and where it ended
    tab.until(lambda: tab.command().endswith(f"slope={tab.value('slope')}"), "the command stayed")
    tab.ran()
    assert float(tab.value("slope")) > 2


def test_every_kind_of_control_counts(tab):
    tab.changed(lambda: tab.type("points", "1,2,4"))
    tab.changed(lambda: tab.keys(tab.one(".control[data-setting=shift] [role=switch]"), " "))
    tab.one(".control[data-setting=optimizer] .q-field__native").click()
    tab.one(".q-menu .q-item")
    tab.changed(lambda: next(item for item in tab.all(".q-menu .q-item") if item.text == "sgd").click())
    assert tab.command() == "kerasdl run curve --fast --set shift=True optimizer=sgd points=1,2,4"
    tab.changed(lambda: tab.press("Reset"))
    assert tab.command() == "kerasdl run curve --fast"
    assert tab.value("points") == "1,2"
    assert not tab.all(".control.moved")


def test_errors_stand_in_a_line_beside_their_control(tab):
    good = tab.picture()
    tab.type("slope", "steep")
    tab.until(lambda: tab.wrong("slope"), "no error")
    assert tab.wrong("slope") == "slope='steep' is not of the same kind as its default: slope=2.0"
    assert tab.one(".control[data-setting=slope] .q-field--error").is_displayed()  # and its field is red
    tab.type("slope", "-1")
    tab.until(lambda: "above" in tab.wrong("slope"), "no error")
    assert tab.wrong("slope") == "slope=-1.0: give a finite number above 0"
    tab.type("slope", "19")
    tab.until(lambda: "fit" in tab.wrong("slope"), "no error")
    assert tab.wrong("slope") == "slope=19.0: it does not fit into the picture"
    assert not tab.wrong("steps")
    assert tab.picture() == good  # what stands here is the last good run
    tab.changed(lambda: tab.type("slope", "3"))
    assert not tab.wrong("slope")


def test_a_new_change_cancels_a_long_run(tab):
    tab.type("strength", "50")
    tab.until(lambda: tab.said().startswith("steps"), "no progress")
    bar = tab.one(".bar")
    assert "idle" not in bar.get_attribute("class")
    started = time.monotonic()
    tab.changed(lambda: (tab.type("strength", "0"), tab.slide("slope", 1)))
    assert time.monotonic() - started < 30
    assert "idle" in bar.get_attribute("class")


def test_before_and_after_stand_side_by_side(tab):
    assert tab.picture("before") is None
    first = tab.pixels()
    tab.changed(lambda: tab.slide("slope", 5))
    tab.one(".status [role=switch]").click()
    tab.until(lambda: tab.picture("before"), "nothing before")
    assert np.array_equal(tab.pixels("before"), first)
    boxes = [tab.one(f".picture.{place} img").rect for place in ("before", "now")]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert "before" in tab.one(".numbers").text
    second = tab.pixels()
    tab.press("before")
    tab.changed(lambda: tab.slide("slope", 5))
    assert np.array_equal(tab.pixels("before"), second)


def test_the_lesson_stands_around_the_figure(tab):
    card = tab.one(".card")
    words = card.text
    assert words.index("What happened") < words.index("<b>not</b> bold") < words.index("It rises.")
    assert card.find_elements("css selector", "math msup")
    assert tab.one(".picture.now img").get_attribute("alt").startswith("A line that rises")
    assert "of the line" in tab.one(".control[data-setting=slope] .hint").text


def test_figure_and_table_can_be_downloaded(tab):
    tab.changed(lambda: tab.slide("slope", 6))
    links = {link.text: link.get_attribute("href") for link in tab.all("a[download]")}
    assert urllib.request.urlopen(links["points.csv"]).read() == b",slope\n0,4.0\n"
    assert urllib.request.urlopen(links["Download"]).read().startswith(b"\x89PNG")


def test_tabs_do_not_disturb_one_another(tab, served):
    browser = tab.browser
    here = tab.picture()
    browser.switch_to.new_window("tab")
    try:
        other = Tab(browser).open(served.address)
        other.changed(lambda: other.slide("slope", 3))
        there = other.value("slope")
        browser.close()
    finally:
        browser.switch_to.window(tab.handle)
    assert there != tab.value("slope") == "2.0"
    assert tab.picture() == here
    tab.changed(lambda: tab.slide("slope", 1))


def test_another_chapter_and_the_full_setting_are_a_choice_away(tab):
    tab.one(".chapters").click()
    tab.until(lambda: "Other" in tab.one(".q-menu").text, "the menu stayed closed")
    next(item for item in tab.all(".q-menu .q-item") if "Other" in item.text).click()
    tab.until(lambda: tab.one("h1").text == "Other", "the chapter stayed")
    tab.ran()
    assert urlparse(tab.browser.current_url).path.endswith("/other")
    assert tab.value("steps") == "2"
    tab.press("in full")
    tab.until(lambda: tab.value("steps") == "3", "the setting stayed")
    tab.ran()
    assert tab.command() == "kerasdl run other"


def test_everything_is_reached_with_the_tab_key(tab):
    from selenium.webdriver.common.keys import Keys

    tab.browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    wanted = {f"slider {name}" for name in ("slope", "steps", "strength", "seed")}
    wanted |= {
        f"value {name}" for name in ("slope", "steps", "strength", "shift", "optimizer", "points", "seed")
    }
    wanted |= {"button Reset", "summary", "a"}
    seen = set()
    for _ in range(60):
        tab.browser.switch_to.active_element.send_keys(Keys.TAB)
        seen.add(
            tab.browser.execute_script(
                """const at = document.activeElement, box = at.closest('.control');
                if (at.closest('[role=slider]')) return 'slider ' + box.dataset.setting;
                if (box) return 'value ' + box.dataset.setting;
                if (at.tagName === 'BUTTON') return 'button ' + at.innerText.trim();
                return at.tagName.toLowerCase();"""
            )
        )
    assert wanted <= seen, wanted - seen


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_at_any_width(browser, served, width):
    tab = Tab(browser).open(served.address, width, 740)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    out = """return [...document.querySelectorAll('.play *')].filter(e => e.getBoundingClientRect().right >
        innerWidth + 1 && !e.closest('.printed, .slider, math')).map(e => e.outerHTML.slice(0, 80))"""
    assert browser.execute_script(out) == []
    # On a telephone, too, the figure and the control that moves it are in sight together.
    browser.execute_script("document.querySelector('.picture.now').scrollIntoView()")
    time.sleep(0.3)
    figure, slider = tab.one(".picture.now img").rect, tab.slider("slope").rect
    top = browser.execute_script("return scrollY")
    for box in (figure, slider):
        assert top - 1 <= box["y"] < top + 740 - 40


def test_nothing_is_asked_of_the_outside_and_nothing_is_said_to_the_console(browser, served):
    for kind in ("performance", "browser"):
        browser.get_log(kind)  # of earlier pages
    Tab(browser).open(served.address)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    asked += [m["params"]["url"] for m in messages if m["method"] == "Network.webSocketCreated"]
    assert len(asked) > 5
    ours = urlparse(served.address).netloc
    assert {urlparse(url).netloc for url in asked if not url.startswith(("data:", "blob:"))} == {ours}
    assert browser.get_log("browser") == []


def test_a_chapter_of_the_course_moves_with_its_slider(browser, tmp_path):
    pytest.importorskip("nicegui", reason="kerasdl[play] is not installed")
    server = Served(None, tmp_path / "served", "weight_decay", "--set", "epochs=20")
    try:
        tab = Tab(browser).open(server.address)
        tab.until(lambda: tab.command().endswith("epochs=20"), "it did not open as asked")
        tab.ran()
        tab.changed(lambda: tab.slide("decay", 4))
        tab.until(lambda: float(tab.value("decay")) > 3, "decay stayed")
        tab.ran()
        words = tab.command().split()[1:]
        run = [sys.executable, "-m", "kerasdl", *words, "--out", str(tmp_path / "run")]
        subprocess.run(run, check=True, capture_output=True)
        (found,) = (tmp_path / "run").rglob(results.FILE)
        same = {check.name: check.measured for check in results.load(found).trained}
        for image in tab.all(".picture.now img"):
            name = image.get_attribute("data-figure")
            seen = urllib.request.urlopen(image.get_attribute("src")).read()
            assert np.array_equal(pixels(seen), pixels((found.parent / f"{name}.png").read_bytes())), name
        shown = tab.one(".numbers").text
        assert all(f"{same[name]:.4g}" in shown for name in same if "test loss" in name)
    finally:
        assert server.stop() == 0

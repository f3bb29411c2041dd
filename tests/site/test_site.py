"""Does the site keep what it promises to whoever opens it? Tried in Chromium, served from this machine.

``KERASDL_SITE`` names the built site; `tox -e site` builds it and sets it.
"""

import contextlib
import functools
import http.server
import json
import os
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from browser import chromium

SITE = Path(os.environ.get("KERASDL_SITE") or "no site")
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.glob("**/*.html"))
PHONE = (360, 740)
DESK = (1280, 900)

pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(not PAGES, reason="KERASDL_SITE names no built site: tox -e site"),
]


class Page(HTMLParser):
    """The addresses, names and pictures of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.names, self.pictures, self.fetched = [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        self.names |= {has[key] for key in ("id", "name") if has.get(key)}
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if tag == "img":
            self.pictures.append(has)
        if tag in ("img", "script", "iframe", "source") and has.get("src"):
            self.fetched.append(has["src"])
        # A page says what it is in <link>, too; only these are loaded.
        if tag == "link" and {"stylesheet", "icon", "preload"} & set((has.get("rel") or "").split()):
            self.fetched.append(has["href"])


@pytest.fixture(scope="module")
def pages():
    return {name: Page(SITE / name) for name in PAGES}


def test_every_link_ends_somewhere_and_nothing_is_loaded_from_elsewhere(pages):
    lost = []
    for name, page in pages.items():
        for address in page.links + page.fetched:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https", "mailto"):
                if address in page.fetched:
                    lost.append(f"{name} loads {address}")
                continue
            whole, fragment = urldefrag(urljoin(name, unquote(address)))
            target = whole.partition("?")[0] or name
            named = not fragment or target not in pages or fragment in pages[target].names
            if not named or not (SITE / target).exists():
                lost.append(f"{name}: {address}")
    assert not lost


def test_every_picture_says_what_it_shows(pages):
    pictures = [(name, picture) for name, page in pages.items() for picture in page.pictures]
    assert pictures
    assert not [(name, p.get("src")) for name, p in pictures if not p.get("alt", "").strip()]


def test_a_chapter_has_all_that_a_chapter_needs(pages):
    chapters = [name for name in PAGES if name.startswith("tutorials/")]
    assert chapters
    for name in chapters:
        text = (SITE / name).read_text(encoding="utf-8")
        stem = Path(name).stem
        for needed in (f"{stem}.py", f"{stem}.ipynb", "Run it yourself", "<details", "<math", "to-library"):
            assert needed in text, f"{name} lacks {needed}"
        assert "output" in text
        assert "Keras" in text


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of what was asked for."""


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with chromium("--hide-scrollbars") as chrome:
        yield chrome


@pytest.fixture
def visit(browser, address):
    """Open a page as a screen of some size and taste sees it."""

    def go(page, size=DESK, theme="light"):
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        taste = [{"name": "prefers-color-scheme", "value": theme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": taste})
        browser.get(address + page)
        return browser

    return go


def one_of_each():
    """A page of each kind."""
    kinds = {}
    for page in PAGES:
        kinds.setdefault((page.partition("/")[0], "genindex" in page), page)
    return list(kinds.values())


def test_no_page_asks_elsewhere_or_complains(visit, browser, address):
    for log in ("browser", "performance"):
        browser.get_log(log)
    for page in PAGES:
        visit(page)
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not complaints
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert len(asked) > len(PAGES)
    assert not {url for url in asked if not url.startswith((address, "data:", "blob:"))}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wider_than_a_phone(page, visit):
    browser = visit(page, PHONE)
    wide = browser.execute_script(
        """
        const scrolls = e => { for (; e; e = e.parentElement)
          if (/(auto|scroll|hidden)/.test(getComputedStyle(e).overflowX) && e !== document.body
              && e !== document.documentElement) return true; return false; };
        const wide = [...document.querySelectorAll('article *')].filter(e => {
          const b = e.getBoundingClientRect();
          return b.width > 0 && b.right > innerWidth + 1 && !scrolls(e); });
        return [document.documentElement.scrollWidth, wide.slice(0, 3).map(e => e.outerHTML.slice(0, 200))];
        """
    )
    assert wide == [PHONE[0], []]


def test_mathematics_is_drawn_in_its_font(visit):
    page = next(name for name in PAGES if "polynomial_fit" in name)
    browser = visit(page)
    time.sleep(0.5)
    sizes, errors, font = browser.execute_script(
        """
        const all = [...document.querySelectorAll('article math')];
        return [all.map(e => e.getBoundingClientRect().height), document.querySelectorAll('merror').length,
                document.fonts.check('16px "STIX Two Math"')];
        """
    )
    assert len(sizes) > 10
    assert min(sizes) > 5
    assert max(sizes) > 25  # a fraction stands taller than a line
    assert not errors
    assert font


def test_a_tab_shows_another_backend_and_all_tabs_follow(visit, browser):
    from selenium.webdriver.common.by import By

    visit(with_tabs(2))
    sets = browser.find_elements(By.CSS_SELECTOR, ".sd-tab-set")
    labels = [each.find_elements(By.CSS_SELECTOR, ":scope > label") for each in sets]
    last = labels[0][-1]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", last)
    last.click()
    chosen = browser.execute_script(
        "return [...document.querySelectorAll('.sd-tab-set')].map(s => "
        "[...s.querySelectorAll(':scope > input')].findIndex(i => i.checked))"
    )
    assert chosen == [len(each) - 1 for each in labels]
    shown = browser.execute_script(
        "return [...arguments[0].querySelectorAll(':scope > .sd-tab-content')].map(e => e.offsetHeight > 0)",
        sets[0],
    )
    assert shown == [False] * (len(labels[0]) - 1) + [True]


def with_tabs(least):
    """A chapter's page on which the backends' outputs differ so often."""
    pages = [name for name, text in texts().items() if text.count("sd-tab-set") >= least]
    if not pages:
        pytest.skip("the site has the runs of one backend: no tabs")
    return pages[0]


@functools.cache
def texts():
    return {n: (SITE / n).read_text(encoding="utf-8") for n in PAGES if n.startswith("tutorials/")}


@pytest.mark.parametrize("words", ["peephole", "effective sample size"])
def test_search_finds(words, visit, browser):
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By

    visit(f"search.html?q={words.replace(' ', '+')}")
    deadline, word, seen = time.monotonic() + 120, words.split()[0], ""
    # Results come one by one, each with a text that is fetched for it.
    while word not in seen:
        assert time.monotonic() < deadline, f"nothing found for {words!r}: {seen}"
        time.sleep(0.2)
        with contextlib.suppress(StaleElementReferenceException):
            links = browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
            seen = " ".join(f"{link.get_attribute('href')} {link.text}" for link in links).lower()


CONTRAST = """
const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
const ground = e => { const stack = []; for (; e; e = e.parentElement) {
  stack.push(parse(getComputedStyle(e).backgroundColor)); }
  return stack.reverse().reduce((below, c) => over(c, below), [255, 255, 255, 1]); };
const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255;
  return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return .2126 * r + .7152 * g + .0722 * b; };
const low = {};
for (const e of document.querySelectorAll('body *')) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  if (!box.width || style.visibility === 'hidden' || style.opacity === '0') continue;
  const behind = ground(e), [a, b] = [light(over(parse(style.color), behind)), light(behind)];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  const large = parseFloat(style.fontSize) >= 24
    || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5) - .01)
    low[`${e.tagName}.${e.className} ${style.color} on ${behind.slice(0, 3)}`] = ratio.toFixed(2);
}
return low;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", one_of_each())
def test_letters_stand_out_from_their_ground(page, theme, visit):
    browser = visit(page, theme=theme)
    time.sleep(0.5)
    assert browser.execute_script(CONTRAST) == {}


def test_the_keyboard_reaches_all_there_is_to_press(visit, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    visit(with_tabs(1))
    reach = """
        const seen = e => { const b = e.getBoundingClientRect();
          return b.width && b.height && getComputedStyle(e).visibility !== 'hidden'; };
        const kinds = 'article a[href], article summary, article input, article button';
        return [...document.querySelectorAll(kinds)]
          .filter(e => seen(e) && !e.closest('details:not([open]) > :not(summary)'));
    """
    wanted = browser.execute_script(reach)
    assert len(wanted) > 10
    # A group of radio buttons is one stop; the arrows choose within it.
    wanted = [e for e in wanted if e.get_attribute("type") != "radio" or e.is_selected()]
    browser.execute_script("document.activeElement.blur()")
    body, reached = browser.find_element(By.TAG_NAME, "body"), set()
    body.send_keys(Keys.TAB)
    for _ in range(4 * len(wanted) + 200):
        active = browser.switch_to.active_element
        if active.id in reached and active.tag_name == "body":
            break
        reached.add(active.id)
        active.send_keys(Keys.TAB)
    assert not [e.get_attribute("outerHTML")[:200] for e in wanted if e.id not in reached]

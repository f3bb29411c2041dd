"""The page in a notebook: one line shows it, and it ends with the kernel."""

import urllib.request

import pytest

from kerasdl import course
from kerasdl.course.play import notebook

pytest.importorskip("nicegui", reason="kerasdl[play] is not installed")
display = pytest.importorskip("IPython.display", reason="kerasdl[notebook] is not installed")


@pytest.fixture
def shown(monkeypatch):
    seen = []
    monkeypatch.setattr(display, "display", seen.append)
    yield seen
    while notebook._servers:
        server = notebook._servers.pop()
        server.stdin.close()  # as when the kernel is gone
        assert server.wait(30) == 0
        server.stdout.close()


def test_one_line_shows_the_page(shown):
    course.play("weight_decay", "decay=1")
    (frame,) = shown
    assert frame.src.startswith("http://127.0.0.1:")
    assert frame.src.endswith("/weight_decay")
    assert urllib.request.urlopen(frame.src).status == 200


@pytest.mark.parametrize(
    ("words", "said"), [(("wait_decay",), "is not known"), (("5", "decay=-1"), "decay=-1.0: give a finite")]
)
def test_what_cannot_be_shown_is_answered_in_a_line(shown, words, said):
    with pytest.raises(ValueError, match=said) as raised:
        course.play(*words)
    assert "\n" not in str(raised.value)
    assert not shown

"""Lessons: each figure of each chapter stands in prose, and its mathematics can be drawn."""

import re

import pytest

from kerasdl.course import cells, syllabus
from kerasdl.course.play import lessons

SCRIPT = """\
# %% [markdown]
# # Title
#
# Summary.

# %%
x = 1

# %% [markdown]
# ## First
#
# Long ago.
#
# ### Second
#
# Just above.

# %%
x = 2
draw()

# %% [markdown]
# Just below.
#
# ## Third
#
# Of something else.

# %%
draw()

# %%
draw()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "01_a.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "heading", "before", "after"),
    [
        (7, "Title", "Summary.", ""),
        (20, "Second", "Just above.", "Just below."),
        (30, "Third", "Of something else.", ""),
        (33, "Third", "Of something else.", ""),
    ],
)
def test_a_lesson_is_what_stands_around_the_cell(script, line, heading, before, after):
    assert lessons.at(script, line) == lessons.Lesson(heading, before, after)


@pytest.mark.parametrize("script", syllabus.scripts(), ids=lambda script: script.name)
def test_every_figure_of_a_chapter_has_a_heading_and_prose(script):
    text = script.path.read_text(encoding="utf-8")
    figures = [
        text.count("\n", 0, found.start()) + 1 for found in re.finditer(r"^chapter\.figure\(", text, re.M)
    ]
    assert figures
    for line in figures:
        lesson = lessons.at(script.path, line)
        assert lesson.heading
        assert lesson.before or lesson.after


@pytest.mark.parametrize("script", syllabus.scripts(), ids=lambda script: script.name)
def test_all_mathematics_becomes_mathml(script):
    pytest.importorskip("latex2mathml", reason="kerasdl[play] is not installed")
    pytest.importorskip("mdit_py_plugins", reason="kerasdl[play] is not installed")
    for cell in cells.read(script.path.read_text(encoding="utf-8")):
        if cell.prose:
            shown = lessons.html(cell.text)
            prose = re.sub(r"<code.*?</code>", "", shown, flags=re.S)
            assert not re.search(r"\$|\\[a-zA-Z]", prose), prose
            formulas = re.findall(
                r"\$\$.+?\$\$|\$[^$\n]+(?:\n[^$\n]+)?\$",
                re.sub(r"`[^`]*`|```.*?```", "", cell.text, flags=re.S),
                re.S,
            )
            assert shown.count("<math ") == len(formulas)


def test_tags_in_prose_are_text():
    pytest.importorskip("latex2mathml", reason="kerasdl[play] is not installed")
    pytest.importorskip("mdit_py_plugins", reason="kerasdl[play] is not installed")
    assert "<script>" not in lessons.html("a <script>alert(1)</script> b")

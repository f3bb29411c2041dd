import pytest
from places import CHECKOUT

from kerasdl.course import page, syllabus

OPENING = "# %% [markdown]\n# # A title\n#\n# What it does. And more.\n\n# %%\n"
SCRIPT = (
    OPENING
    + "chapter = course.Chapter('tiny', settings={'epochs': 3, 'sizes': (1, 2)}, fast={'epochs': 1})\n"
)


@pytest.fixture
def script(tmp_path):
    def write(text, name="01_tiny.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_script_tells_what_it_is_without_running(script):
    found = syllabus.read(script(SCRIPT + "raise SystemExit('never run')\n"))
    assert (found.number, found.name, found.title) == ("01", "tiny", "A title")
    assert found.summary == "What it does."
    assert (found.settings, found.fast) == ({"epochs": 3, "sizes": (1, 2)}, {"epochs": 1})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SCRIPT.replace("# # A title", "# A title"), "open with a markdown cell"),
        (SCRIPT.replace("'tiny'", "'other'"), "names must agree"),
        (OPENING, "once, not 0 times"),
        (SCRIPT + SCRIPT, "once, not 2 times"),
        (SCRIPT.replace("'epochs': 3", "'epochs': 3 * n"), "plain numbers"),
    ],
)
def test_a_script_that_breaks_the_form_is_refused(script, text, words):
    with pytest.raises(ValueError, match=words):
        syllabus.read(script(text))


@pytest.mark.parametrize("name", ["polynomial_fit", "04_polynomial_fit", "04", "4"])
def test_a_chapter_is_found_by_name_and_number(name):
    assert syllabus.find(name).path.name == "04_polynomial_fit.py"


def test_an_unknown_chapter_gives_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'polynomial_fit'"):
        syllabus.find("polynomal_fit")


def test_the_course_is_in_order():
    numbers = [script.number for script in syllabus.scripts()]
    assert numbers == sorted(set(numbers))


GOOD = (
    SCRIPT
    + "settings = chapter.settings\nprint(settings.epochs, settings.sizes)\n"
    + "chapter.exact('zero', 0, within=0)\nchapter.trained('error', 1, (0, 2), headline=True)\n"
    + "chapter.figure('one', f)\nchapter.finish()\n\n# %% [markdown]\n# ## What to try\n#\n"
    + "# - `--set epochs=5`:\n#   what then?\n# - More.\n"
)


def test_a_chapter_has_results_figures_and_exercises(script):
    found = syllabus.read(script(GOOD))
    assert found.exercises == ["`--set epochs=5`: what then?", "More."]
    assert syllabus.faults(found) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("chapter.exact('zero', 0, within=0)", "", "no result is exact"),
        (", headline=True", "", "no trained result is a headline"),
        ("chapter.finish()", "chapter.finish()\nx = 1", "not its last statement"),
        ("('one', f)", "('one', f)\nchapter.figure('one', g)", "two figures are called 'one'"),
        ("settings.sizes", "3", "its setting sizes is used nowhere"),
        ("What to try", "More", "nothing to try"),
    ],
)
def test_what_a_chapter_lacks_is_named(script, old, new, words):
    faults = syllabus.faults(syllabus.read(script(GOOD.replace(old, new))))
    assert len(faults) == 1
    assert words in faults[0]


def test_the_readme_shows_the_page_of_the_present_course():
    shown = (
        (CHECKOUT / "README.md").read_text(encoding="utf-8").split("and ends like this")[1].split("```")[1]
    )
    assert max(map(len, shown.splitlines())) <= 80
    for found in syllabus.scripts():
        assert page.titled(found.name) in shown

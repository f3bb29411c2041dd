"""Does what `kerasdl new` writes run as any chapter does, and is it held to its word?"""

import pytest

from kerasdl import backends
from kerasdl.course import cli, results, syllabus
from kerasdl.course.cli import new


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of one's own, in which the command line runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_chapter_runs_as_it_is_and_is_held_to_its_bands(here, capsys):
    assert cli.main(["new", "mine"]) == 0
    assert "kerasdl run mine.py" in capsys.readouterr().out
    script = here / "mine.py"
    assert syllabus.faults(syllabus.read_own(script)) == []
    # One that no run keeps, to see that a full run of it fails.
    strict = script.read_text().replace("(0.006, 0.016)", "(0, 0.001)").replace('"mine"', '"strict"')
    (here / "strict.py").write_text(strict)
    assert cli.main(["run", "mine.py", "strict.py", "--out", "out"]) == 1
    said = capsys.readouterr().out
    assert "failed: strict" in said
    assert "failed: mine" not in said
    found = {result.chapter: result for result in results.load_all(here / "out")}
    mine = found["mine"]
    assert (mine.backend, mine.held, mine.broken) == (backends.choose().name, True, [])
    assert {check.name: check.holds for check in mine.checks} == {
        "least squares: residual along the features": True,
        "test error": True,
    }
    assert list(mine.figures) == ["learning_curves"]


def test_its_settings_are_shown_and_it_can_be_a_notebook(here, capsys):
    new.write("mine", here)
    assert cli.main(["list", "mine.py"]) == 0
    assert "noise=0.1" in capsys.readouterr().out


def test_a_copy_is_run_under_a_name_of_its_own(here):
    text = syllabus.find("5").path.read_text(encoding="utf-8")
    for name in ("mine.py", "weight_decay.py", "dropout.py"):
        (here / name).write_text(text, encoding="utf-8")
    names = [syllabus.find(name).name for name in ("mine.py", "weight_decay.py", str(here / "dropout.py"))]
    assert names == ["mine", "weight_decay-copy", "dropout-copy"]
    # The course's own file, by its path, is the chapter itself.
    assert syllabus.find(str(syllabus.find("5").path)).name == "weight_decay"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["new", "my-chapter"], "letters, digits and underscores"),
        (["new", "class"], "letters, digits and underscores"),
        (["new", "dropout"], "is a chapter of the course"),
        (["run", "nowhere.py"], "nowhere.py is not there"),
        (["run", "empty.py"], "empty.py: declare course.Chapter"),
        (["run", "wrong.py"], "wrong.py, line 2"),
    ],
)
def test_what_cannot_be_is_answered_in_a_line(here, capsys, words, answer):
    (here / "empty.py").write_text("x = 1\n")
    (here / "wrong.py").write_text("x = 1\ny = = 2\n")
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert answer in said
    assert said.count("\n") == 1


def test_a_file_that_is_there_is_not_written_over(here, capsys):
    (here / "mine.py").write_text("precious\n")
    assert cli.main(["new", "mine"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (here / "mine.py").read_text() == "precious\n"

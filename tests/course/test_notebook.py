"""Chapters as notebooks: they run from top to bottom on the running backend, and their figures are seen."""

import base64
import json

import pytest

from kerasdl.course import cli, syllabus
from kerasdl.course.cli import notebook

nbclient = pytest.importorskip("nbclient", reason="kerasdl[notebook] is not installed")
pytest.importorskip("jupytext", reason="kerasdl[notebook] is not installed")

QUICK = ["05", "12"]


def execute(chapter, folder, monkeypatch, again=0):
    """Run a chapter's notebook at its fast settings, its last cells once more; return its outputs by cell."""
    from places import CHECKOUT

    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    node = notebook.of(syllabus.find(chapter), fast=True)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    node.cells += [type(cell)(cell, id=f"again-{n}") for n, cell in enumerate(code[-again:] if again else [])]
    nbclient.NotebookClient(node, timeout=600, resources={"metadata": {"path": folder}}).execute()
    return [cell["outputs"] for cell in node.cells if cell["cell_type"] == "code"]


def shows_its_figures(outputs, folder):
    """Every figure is seen as a picture, progress is told, and nothing stray lies about."""
    every = [output for cell in outputs for output in cell]
    pictures = [base64.b64decode(o["data"]["image/png"]) for o in every if "image/png" in o.get("data", {})]
    (path,) = folder.glob("kerasdl-results/**/*-notebook/results.json")
    found = json.loads(path.read_text())
    assert found["fast"]
    assert len(pictures) >= len(found["figures"]) > 0
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    stray = [o["data"]["text/plain"] for o in every if o["output_type"] == "execute_result"]
    assert not [text for text in stray if "Path(" in text or text.startswith(("<", "[<", "None"))]
    return found


@pytest.mark.parametrize("chapter", QUICK)
def test_a_notebook_runs_and_shows_its_figures(chapter, tmp_path, monkeypatch):
    # Its last cells run twice: a check recorded again takes its own place.
    outputs = execute(chapter, tmp_path, monkeypatch, again=3)
    found = shows_its_figures(outputs, tmp_path)
    assert ": done" in json.dumps(outputs)  # its progress was told
    names = [check["name"] for check in found["checks"]]
    assert len(names) == len(set(names)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("chapter", [script.number for script in syllabus.scripts()])
def test_every_notebook_runs_and_shows_its_figures(chapter, tmp_path, monkeypatch):
    outputs = execute(chapter, tmp_path, monkeypatch)
    shows_its_figures(outputs, tmp_path)
    if "chapter.track(" in syllabus.find(chapter).path.read_text(encoding="utf-8"):
        told = [o["data"]["text/plain"] for cell in outputs for o in cell if "data" in o]
        assert any(text.endswith(": done") for text in told)


def test_a_notebook_says_how_it_runs(tmp_path, capsys):
    words = ["notebook", "4", "5", "--to", str(tmp_path), "--fast", "--set", "noise=1.0", "decay=2"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out.split()
    assert said == [str(tmp_path / f"{stem}.ipynb") for stem in ("04_polynomial_fit", "05_weight_decay")]
    told = ("--fast --set noise=1.0", "--fast --set noise=1.0 --set decay=2")
    for path, words in zip(said, told, strict=True):
        with open(path, encoding="utf-8") as stream:
            cells = json.load(stream)["cells"]
        assert f"course.notebook({words!r})" in "".join(cells[1]["source"])
        assert cells[0]["cell_type"] == "markdown"
    assert cli.main(["notebook", "4", "--to", str(tmp_path), "--set", "noize=1.0"]) == 2
    assert "did you mean 'noise'" in capsys.readouterr().err


def test_a_notebook_is_the_same_file_each_time(tmp_path):
    (first,), (second,) = (notebook.write([syllabus.find("4")], tmp_path / name) for name in "ab")
    assert first.read_text() == second.read_text()


def test_without_jupytext_the_command_that_installs_it_is_given(monkeypatch, capsys, tmp_path):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(notebook.importlib, "import_module", missing)
    assert cli.main(["notebook", "4", "--to", str(tmp_path)]) == 1
    assert "jupytext is not installed: pip install '" in capsys.readouterr().err


def test_a_notebook_answers_what_it_does_not_understand_in_one_line(monkeypatch, tmp_path):
    from places import CHECKOUT

    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    node = notebook.of(syllabus.find("4"), settings=["noise=1.0"])
    node.cells = [cell for cell in node.cells if cell.cell_type == "code"][:1]
    node.cells[0].source = node.cells[0].source.replace("--set noise=1.0", "--devices -3")
    client = nbclient.NotebookClient(
        node, timeout=600, allow_errors=True, resources={"metadata": {"path": tmp_path}}
    )
    (output,) = client.execute().cells[0].outputs
    assert output.traceback == ["argument --devices: '-3' is not a whole number of at least 1"]

"""The command line over small chapters of our own, each in a real process of its backend."""

import json
import os
import re
import subprocess
import sys

import pytest
from courses import without_notes

from kerasdl import backends, files
from kerasdl.course import cli, report, results, syllabus


def test_list_shows_chapters_and_their_settings(tutorials, run):
    tutorials("good", "broken")
    code, said = run("list")
    assert code == 0
    assert [line[:15].strip() for line in said.splitlines()[::2]] == ["01  good", "02  broken"]
    said = run("list", "good")[1]
    assert "It does what its name says." in said
    assert "epochs=3    1\n" in said


def test_one_chapter_shows_what_it_printed(tutorials, run, tmp_path, backend):
    tutorials("good")
    code, said = run("run", "good", "--set", "value=0.25")
    assert code == 0
    assert "speaking from inside" in said
    assert "0.25" in said
    folder = tmp_path / "out" / "changed" / backend / "good"
    assert results.load(folder / "results.json").settings == {"value": 0.25, "epochs": 3}
    assert "speaking" in (folder / "output.txt").read_text()


@pytest.mark.parametrize("culprit", ["broken", "crash"])
def test_a_chapter_that_fails_does_not_stop_the_others(tutorials, run, tmp_path, backend, culprit):
    tutorials(culprit, "good")
    code, said = run("run", "--fast")
    assert code == 1
    assert f"failed: {culprit} on {backend}" in said
    assert {"broken": "the disk is full", "crash": "ended with code -9"}[culprit] in said
    good = results.load(tmp_path / "out" / "fast" / backend / "good" / "results.json")
    assert (good.fast, good.settings["epochs"]) == (True, 1)
    log = (tmp_path / "out" / "failed" / backend / culprit / "output.txt").read_text()
    assert {"broken": "OSError", "crash": "last words"}[culprit] in log
    assert len(list((tmp_path / "out").glob("**/results.json"))) == 1


def test_a_broken_exact_result_fails_any_run_in_one_line(tutorials, run):
    tutorials("good")
    for words in ([], ["--fast"]):
        code, said = run("run", "--set", "value=7", *words)
        assert code == 1
        assert "v = 7, expected 0.5 ± 0.5" in said
        assert "Traceback" not in said


def test_training_that_diverges_at_a_changed_setting_is_a_finding(tutorials, run, monkeypatch):
    folder = tutorials("diverging")
    code, said = run("run", "diverging", "--set", "value=7")
    assert code == 0
    assert "training stopped: loss is inf after epoch 2: lower the learning rate" in said
    assert "Traceback" not in said
    script = subprocess.run(
        [sys.executable, str(folder / "01_diverging.py"), "--out", str(folder / "out")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (script.returncode, without_notes(script.stderr)) == (0, [])
    assert "training stopped: loss is inf" in script.stdout


def test_among_several_a_chapter_that_diverges_is_neither_held_good_nor_passed_over(tutorials, run):
    tutorials("diverging", "good")
    code, said = run("run", "--set", "value=0.25")
    assert code == 0
    lines = said.splitlines()
    (at,) = (number for number, line in enumerate(lines) if re.match("– 01 diverging ", line))
    assert lines[at + 1].startswith("  training stopped: loss is inf after epoch 2")
    assert any(line.startswith("✓ 02 good ") for line in lines)


def test_a_setting_that_a_chapter_cannot_have_is_answered_in_one_line(tutorials, run):
    folder = tutorials("choosy")
    code, said = run("run", "choosy", "--set", "epochs=99")
    assert code == 1
    assert "choosy, epochs=99: the chapter cannot run like this: epochs=99: give at most 50" in said
    assert "Traceback" not in said
    # A copy may be wrong anywhere, and shows where.
    own = "def wrong(value):\n    return np_missing(value)\n\n\nwrong(1)\n"
    mine = files.write(folder.parent / "mine.py", (folder / "01_choosy.py").read_text() + own)
    words = [sys.executable, str(mine), "--set", "epochs=7", "--out", str(folder / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    last = len(mine.read_text().splitlines())
    place = f"mine.py, line {last} → {last - 3}: NameError: name 'np_missing' is not defined"
    assert (done.returncode, without_notes(done.stderr)) == (1, [place])


def test_training_that_diverges_at_the_chapters_own_settings_is_a_fault(tutorials, run):
    tutorials("diverging")
    for words in ([], ["--fast"]):
        code, said = run("run", "diverging", *words)
        assert code == 1
        assert "loss is inf after epoch 2" in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["goood"], "chapter 'goood' is not known; did you mean 'good'?"),
        (["--set", "epoch=3"], "setting='epoch' is not known; did you mean 'epochs'?"),
        (["--set", "epochs=x"], "epochs='x' is not of the same kind"),
        (["--set", "epochs=0"], "epochs=0: give a whole number of at least 1"),
    ],
)
def test_unknown_names_are_answered_before_anything_runs(tutorials, run, tmp_path, words, answer):
    tutorials("good")
    code, said = run("run", *words)
    assert code == 2
    assert answer in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_setting_goes_to_the_chapters_that_have_it(tutorials, run, tmp_path, backend):
    folder = tutorials("good", "broken")
    other = folder / "02_broken.py"
    other.write_text(other.read_text().replace('"value": 0.5, ', ""))
    _, said = run("run", "--set", "value=0.125")
    assert "value is no setting of 02: these run without it." in said
    assert "the disk is full" in said  # it started, without the setting that it does not have
    found = results.load(tmp_path / "out" / "changed" / backend / "good" / "results.json")
    assert found.settings["value"] == 0.125


def test_a_backend_that_is_not_installed_gives_its_command(tutorials, run):
    tutorials("good")
    missing = [name for name in backends.NAMES if name not in backends.installed()]
    if not missing:
        pytest.skip("every backend is installed here")
    code, said = run("run", "--backend", missing[0])
    assert code == 1
    assert f"[{missing[0]}]'" in said


@pytest.mark.parametrize("word", ["runn", "lst", "compar"])
def test_an_unknown_command_gives_the_nearest(word, capsys):
    assert cli.main([word]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_module_of_ones_own_in_the_working_folder_is_not_python_s(tutorials, run, tmp_path, monkeypatch):
    tutorials("good")
    monkeypatch.chdir(tmp_path)
    for name in ("random", "keras", "json"):
        (tmp_path / f"{name}.py").write_text("print('I am not yours'); raise SystemExit(3)\n")
    code, said = run("run")
    assert code == 0, said
    assert "I am not yours" not in said


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_screen_that_lacks_a_sign_shows_another(tutorials, tmp_path, encoding):
    folder = tutorials("good", "learned")
    code = (
        "import sys; from pathlib import Path; from kerasdl.course import cli, syllabus\n"
        f"syllabus.files.folder = lambda name: Path({str(folder)!r})\n"
        f"sys.exit(cli.main(['run', '--out', {str(tmp_path / 'out')!r}]))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert ended.returncode == 0, ended.stderr
    assert b"learned" in ended.stdout
    assert ended.stderr == b""
    script = [sys.executable, str(folder / "01_good.py"), "--out", str(tmp_path / "out")]
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    ended = subprocess.run(script, env=environment, capture_output=True)
    assert ended.returncode == 0, ended.stderr


def test_compare_reads_what_run_wrote(tutorials, run, tmp_path, capsys, backend):
    tutorials("good")
    run("run")
    out = tmp_path / "out"
    record = json.loads((out / backend / "good" / "results.json").read_text())
    other = next(name for name in backends.NAMES if name != backend)
    files.write(out / other / "good" / "results.json", json.dumps({**record, "backend": other}))
    assert run("compare", str(out))[0] == 0
    record["checks"][0]["measured"] = 1.25
    files.write(out / other / "good" / "results.json", json.dumps({**record, "backend": other}))
    assert run("compare", str(out))[0] == 1


def test_compare_without_results_says_how_to_make_some(run, tmp_path):
    code, said = run("compare", str(tmp_path / "nothing"))
    assert code == 1
    assert "kerasdl run" in said


def test_doctor_names_what_works_and_what_mends_the_rest(run, backend):
    code, said = run("doctor")
    assert code == 0
    assert backend in said
    for name in backends.NAMES:
        if name not in backends.installed():
            assert f"[{name}]'" in said
    assert "kerasdl data fetch house_prices" in " ".join(said.replace("│", " ").split())
    assert "chapters multiply in float32" in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize("chosen", ["numpy", "no-such-backend"])
def test_doctor_fails_where_the_chosen_backend_cannot_run_the_course(run, monkeypatch, chosen):
    monkeypatch.setenv("KERAS_BACKEND", chosen)
    assert run("doctor")[0] == 1


def test_data_lists_and_verifies(run, monkeypatch, tmp_path):
    code, said = run("data", "list")
    assert code == 0
    assert all(name in said for name in ("house_prices", "time_machine", "fashion_mnist"))
    assert run("data", "verify")[0] == 0
    monkeypatch.setenv("KERASDL_DATA", str(tmp_path))
    (tmp_path / "timemachine.txt").write_text("not the book")
    assert run("data", "verify", "time_machine")[0] == 1
    assert "did you mean 'house_prices'" in run("data", "list", "house_price")[1]


def test_every_number_of_a_report_has_a_legend(tutorials, run, tmp_path):
    tutorials("good", "learned")
    run("run", "--fast")
    _, said = run("results", "--out", str(tmp_path / "out"))
    for heading in ("within", "band", "reference", "in full"):
        assert f"{heading}:" in said


def test_a_report_is_as_wide_as_a_page_where_there_is_no_terminal():
    assert report.console().width == 80


def test_a_run_of_several_chapters_ends_on_a_page_of_80_columns(tutorials, run, tmp_path, backend):
    folder = tutorials("good", "learned")
    code, said = run("run", "--fast")
    assert code == 0
    assert max(map(len, said.splitlines())) <= max(80, len(str(tmp_path)) + 65)
    page = said[said.index("exact") :]
    for words in ("01 Chapter good", "02 Chapter learned", "1 of 1", "accuracy", "0.875", "in full"):
        assert words in page, words
    assert "kerasdl results" in page
    assert "✓ all that is promised holds" in page
    assert "first number" not in page  # the chapter chose another headline
    # What a full run reaches is recorded, and shown beside the next one.
    assert run("run", "learned", "--record")[0] == 0
    assert (
        json.loads((folder / "reached" / "learned.json").read_text())["runs"][0]["checks"]["accuracy"]
        == 0.875
    )
    _, said = run("run", "--set", "value=0.25")
    assert "0.625" in said
    assert "0.875" in said
    assert "speaking" not in said
    assert run("run", "--fast", "--record")[0] == 2


def test_results_show_all_numbers_of_one_chapter_or_of_all(tutorials, run, tmp_path):
    tutorials("good", "learned")
    run("run", "--fast")
    out = str(tmp_path / "out")
    _, said = run("results", "2", "--out", out)
    assert all(words in said for words in ("learned on", "fast setting", "accuracy", "first number", "0 … 1"))
    assert "good on" not in said
    _, said = run("results", "--out", out)
    assert said.index("good on") < said.index("learned on")
    assert run("results", "goood", "--out", out)[0] == 2


def test_a_full_run_is_held_to_its_bands_once_recorded(tutorials, run):
    folder = tutorials("learned")
    assert run("run", "--record")[0] == 0
    script = folder / "01_learned.py"
    script.write_text(script.read_text().replace("(0, 1)", "(0, 0.5)"))
    assert run("run")[0] == 0  # edited: shown, not held
    code, said = run("run", "--record")
    assert code == 1
    assert "accuracy = 0.875, its band is 0 … 0.5" in said


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_list_shows_titles_times_and_files_at_any_width(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(files.folder("tutorials").parent)
    _, said = run("list")
    assert max(map(len, said.splitlines())) <= columns
    for script in syllabus.scripts():
        assert f"tutorials/{script.path.name}" in said
        assert " ".join(script.title.split()) in " ".join(said.split())


def test_compare_goes_in_the_courses_order(tmp_path, run):
    for name in ("weight_decay", "backprop", "mine"):
        found = results.Result(name, "jax", True, {})
        found.checks = [results.Exact("v", 1, 1, 0, 0)]
        found.save(tmp_path / "jax" / name)
    _, said = run("compare", str(tmp_path))
    assert said.index("backprop") < said.index("weight_decay") < said.index("mine")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run", "NAME=VALUE"),
        ("run", "kerasdl list CHAPTER"),
        ("list", "what --fast makes of them"),
        ("answers", "the change to make in a copy"),
        ("notebook", "the same cells"),
        ("doctor", "the command that mends it"),
        ("compare", "how far they may"),
        ("data", "bring the real ones into the cache"),
        ("results", "what was learned"),
    ],
)
def test_help_explains(command, words, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert words in " ".join(capsys.readouterr().out.split())


def test_data_needs_no_action(run):
    assert run("data") == run("data", "list")
    assert run("data", "time_machine") == run("data", "list", "time_machine")
    code, said = run("data", "fetsh")
    assert code == 2
    assert "did you mean 'fetch'" in said

"""The command line over small chapters of our own, each in a real process of its backend."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from kerasdl import backends, files
from kerasdl.course import cli, report, results, syllabus
from kerasdl.course.cli import kept

OPENING = """\
# %% [markdown]
# # Chapter {name}
#
# It does what its name says.

# %%
import os
import time

from kerasdl import course

chapter = course.Chapter({name!r}, settings={{"value": 0.5, "epochs": 3}}, fast={{"epochs": 1}})
"""
BODIES = {
    "good": "print('speaking from inside')\nchapter.exact('v', chapter.settings.value, 0.5, "
    "within=0.5, source='us')\nchapter.finish()\n",
    "learned": "chapter.trained('first number', 1.0, (0, 1))\nchapter.trained('accuracy', 0.375 + "
    "chapter.settings.value, (0, 1), headline=True)\nchapter.finish()\n",
    "broken": "raise OSError('the disk is full')\n",
    "crash": "os.write(1, b'last words')\nos.kill(os.getpid(), 9)\n",
    "diverging": "raise FloatingPointError('loss is inf after epoch 2: lower the learning rate')\n",
    "choosy": "if chapter.settings.epochs > 50:\n    raise ValueError('epochs=99: give at most 50')\n"
    "chapter.exact('v', 0, within=0)\nchapter.finish()\n",
    "endless": "print('waiting', flush=True)\ntime.sleep(600)\n",
}

KEPT = ("output.txt", "results.json", "shown.json")  # of every run


@pytest.fixture
def tutorials(tmp_path, monkeypatch):
    """A course of our own: tutorials("good", "broken") writes 01_good.py and 02_broken.py."""

    def write(*names):
        folder = tmp_path / "tutorials"
        for number, name in enumerate(names, start=1):
            files.write(folder / f"{number:02}_{name}.py", OPENING.format(name=name) + BODIES[name])
        monkeypatch.setattr(syllabus.files, "folder", {"tutorials": folder}.__getitem__)
        return folder

    return write


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command line; return its exit code and all it said."""

    def command(*words):
        code = cli.main([*words, *(["--out", str(tmp_path / "out")] if words[0] == "run" else [])])
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


def without_notes(stderr):
    """The lines of an error stream but those in which TensorFlow tells of its build, at any log level."""
    return [
        line for line in stderr.splitlines() if not re.match(r"WARNING: All log messages|[IWE]\d{4} ", line)
    ]


@pytest.fixture
def backend():
    return backends.choose().name


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


@pytest.fixture
def start(tmp_path):
    """start(folder) runs a course in a process of its own, until its endless chapter alone is left."""

    def begin(folder):
        code = (
            "import signal, sys; from pathlib import Path; from kerasdl.course import cli, syllabus\n"
            # What is started in the background is told to ignore an interrupt, and so would this be.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"syllabus.files.folder = lambda name: Path({str(folder)!r})\n"
            f"sys.exit(cli.main(['run', '--out', {str(tmp_path / 'out')!r}]))"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        *others, last = (script.stem[3:] for script in sorted(folder.glob("[0-9]*.py")))
        out = tmp_path / "out"

        def alone():
            waits = any("waiting" in log.read_text() for log in out.glob(f".run-*/*/{last}/output.txt"))
            return waits and all(list(out.glob(f"*/{name}/results.json")) for name in others)

        while not alone():
            assert time.monotonic() < deadline, "the endless chapter never started"
            time.sleep(0.1)
        return process

    return begin


def left(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


signals = pytest.mark.skipif(os.name != "posix", reason="Ctrl-C and SIGTERM are signals on POSIX only")


def alive(word):
    """The processes whose command line holds this word."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if word in line]


@signals
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_half_written_file_and_no_process(
    tutorials, start, tmp_path, backend, number, code
):
    process = start(tutorials("good", "endless"))
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert "interrupted: 1 of 2" in said
    assert left(tmp_path / "out") == [f"{backend}/good/{name}" for name in KEPT]
    assert alive(str(tmp_path)) == []


@signals
def test_a_killed_run_takes_its_worker_with_it_and_the_next_one_sweeps(
    tutorials, start, run, tmp_path, backend
):
    process = start(tutorials("endless"))
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while alive(str(tmp_path)):
        assert time.monotonic() < deadline, alive(str(tmp_path))
        time.sleep(0.1)
    tutorials("good")
    run("run", "good")
    assert left(tmp_path / "out") == [f"{backend}/good/{name}" for name in KEPT]


@signals
def test_an_interrupted_rerun_leaves_the_earlier_result(tutorials, run, start, tmp_path, backend):
    folder = tutorials("good")
    run("run")
    good = tmp_path / "out" / backend / "good" / "results.json"
    before = good.read_bytes()
    script = folder / "01_good.py"
    script.write_text(script.read_text().replace("chapter.finish()", BODIES["endless"]))
    process = start(folder)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert good.read_bytes() == before


def test_a_chapter_that_fails_shows_no_numbers_and_keeps_the_earlier_ones(tutorials, run, tmp_path, backend):
    script = tutorials("good") / "01_good.py"
    run("run", "--set", "value=0.25")
    run("run")
    before = left(tmp_path / "out")
    script.write_text(script.read_text().replace("import os\n", "raise RuntimeError('before anything')\n"))
    code, said = run("run")
    assert code == 1
    assert "before anything" in said
    assert "0.5" not in said
    assert left(tmp_path / "out") == sorted([*before, f"failed/{backend}/good/output.txt"])
    # Nor is what the earlier run found taken for this one's.
    out = tmp_path / "out"
    code, said = run("compare", str(out))
    assert code == 1
    assert f"its last run on {backend} failed" in " ".join(said.split())
    assert "its last run failed" in run("results", "--out", str(out))[1]


def test_full_fast_and_changed_runs_do_not_replace_one_another(tutorials, run, tmp_path, backend):
    tutorials("good")
    for words in ([], ["--fast"], ["--set", "value=0.25"], ["--fast", "--set", "value=0.75"]):
        run("run", *words)
    places = {"": 0.5, "fast": 0.5, "changed": 0.75}
    for place, value in places.items():
        found = results.load(tmp_path / "out" / place / backend / "good" / "results.json")
        assert (found.fast, found.settings["value"]) == (place != "", value)
    assert run("results", "good", "--out", str(tmp_path / "out"))[1].count("good on") == 3


def test_resume_runs_what_an_interrupted_course_has_left(tutorials, run, backend):
    tutorials("good", "broken", "learned")
    run("run")
    ended = [line for line in run("run", "--resume")[1].splitlines() if line[:1] in "✓✗" and backend in line]
    assert [line.split()[2] for line in ended if "kept" not in line] == ["broken"]
    # Kept chapters stand on the page, and a single one is shown.
    assert "kerasdl results" in run("run", "--resume", "good", "learned")[1]
    assert "first number" in run("run", "--resume", "learned")[1]


def test_resume_keeps_what_a_run_now_would_find(tutorials, run, tmp_path, backend):
    script = tutorials("good") / "01_good.py"
    out = tmp_path / "out"

    def is_kept(*words, fast=False):
        return kept.kept(syllabus.find("good"), backend, fast, words, out) is not None

    run("run")
    assert is_kept()
    assert is_kept("value=0.5")  # as declared
    assert not is_kept(fast=True)
    assert not is_kept("value=0.25")
    run("run", "--fast", "--set", "value=0.25")
    assert is_kept("value=0.25", fast=True)
    assert not is_kept("value=0.125", fast=True)
    script.write_text(script.read_text() + "# a comment\n")
    assert is_kept()
    path = out / backend / "good" / "results.json"
    record = path.read_text()
    for other in ({"versions": {"kerasdl": "0.0.1"}}, {"data": {"Book": "folder"}}):
        files.write(path, json.dumps({**json.loads(record), **other}))
        assert not is_kept()
    files.write(path, record)
    assert is_kept()
    script.write_text(script.read_text().replace("us", "them"))
    assert not is_kept()


def test_two_runs_at_once_each_show_their_own_numbers(tutorials, tmp_path, backend):
    folder = tutorials("good")
    script = folder / "01_good.py"
    script.write_text(script.read_text().replace("print(", "time.sleep(0.5); print("))
    code = (
        "import sys; from pathlib import Path; from kerasdl.course import cli, syllabus\n"
        f"syllabus.files.folder = lambda name: Path({str(folder)!r})\n"
        f"sys.exit(cli.main(['run', '--out', {str(tmp_path / 'out')!r}, '--set', 'value=' + sys.argv[1]]))"
    )
    values = ["0.125", "0.375", "0.625"]
    running = [
        subprocess.Popen([sys.executable, "-c", code, value], stdout=subprocess.PIPE, text=True)
        for value in values
    ]
    for value, process in zip(values, running, strict=True):
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        assert f"value={value}" in said
        assert not any(f"value={other}" in said for other in values if other != value)
    assert left(tmp_path / "out") == [f"changed/{backend}/good/{name}" for name in KEPT]


def test_an_out_that_can_hold_nothing_is_answered_before_anything_starts(tutorials, run, tmp_path):
    folder = tutorials("good")
    (tmp_path / "out").write_text("a file")
    code, said = run("run")
    assert code == 1
    assert said.splitlines() == [f"kerasdl: --out {tmp_path / 'out'} is not a folder: give another"]
    script = [sys.executable, str(folder / "01_good.py"), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert (ended.returncode, len(without_notes(ended.stderr))) == (2, 1)
    assert "is not a folder: give another" in ended.stderr


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

"""What a run found is not lost and not mixed: interrupts, kills, failures, reruns, two runs at once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from courses import BODIES, without_notes

from kerasdl import files
from kerasdl.course import results, syllabus
from kerasdl.course.cli import kept

KEPT = ("output.txt", "results.json", "shown.json")  # of every run
signals = pytest.mark.skipif(os.name != "posix", reason="Ctrl-C and SIGTERM are signals on POSIX only")


def left(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


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

"""Chapters side by side: each runs once, whichever lane takes it, and a lane that dies leaves the rest."""

import threading
import time

import pytest

from kerasdl import backends, files
from kerasdl.course import syllabus, workplace
from kerasdl.course.cli import lanes

SCRIPT = """\
# %% [markdown]
# # Chapter {name}
#
# It does what its name says.

# %%
import os
import time

from kerasdl import course

chapter = course.Chapter({name!r}, settings={{"seed": 0}})
{body}
chapter.exact("v", 1, 1, within=0)
chapter.finish()
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """jobs(first="time.sleep(1)", second="") writes such chapters, and returns what runs them."""
    monkeypatch.setattr(syllabus.files, "folder", {"tutorials": tmp_path / "tutorials"}.__getitem__)

    def write(**bodies):
        for number, (name, body) in enumerate(bodies.items(), start=1):
            path = tmp_path / "tutorials" / f"{number:02}_{name}.py"
            files.write(path, SCRIPT.format(name=name, body=body))
        words = ("--out", str(tmp_path / "out"))
        return [lanes.Job(script, words, False, False) for script in syllabus.scripts()]

    return write


def side_by_side(jobs, number, place):
    backend = backends.choose().name
    return [lanes.Lane(jobs, backend, 1, False, place, number) for _ in range(number)]


def listened(jobs, number, place):
    return list(lanes.listen(side_by_side(jobs, number, place)))


def outcomes(events):
    return {event.script.name: (lane, event) for lane, event in events if isinstance(event, lanes.Outcome)}


def test_each_chapter_runs_once_and_a_long_one_holds_up_none(jobs, tmp_path):
    names = dict.fromkeys(["long"], "time.sleep(3)") | dict.fromkeys(["one", "two", "three"], "")
    with workplace.Workplace(tmp_path / "out") as place:
        found = outcomes(listened(jobs(**names), 2, place))
    assert list(found)[-1] == "long"
    assert set(found) == set(names)
    assert {name: done.error for name, (_, done) in found.items()} == dict.fromkeys(names, "")
    others = {found[name][0] for name in ("one", "two", "three")}
    assert others == {1 - found["long"][0]}


def test_lanes_share_the_cores_out(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasdl.course.environment.cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    asked = jobs(one="print('threads:', os.environ.get('OMP_NUM_THREADS'))")
    for number, threads in ((1, "None"), (2, "3")):
        with workplace.Workplace(tmp_path / "out") as place:
            done = outcomes(listened(asked, number, place))["one"][1]
        assert done.log.partition("threads: ")[2].split()[0] == threads


def test_a_process_that_dies_takes_one_chapter_with_it(jobs, tmp_path):
    names = {"one": "", "deadly": "os.kill(os.getpid(), 9)", "two": "", "fatal": "os._exit(3)", "three": ""}
    codes = {"deadly": -9, "fatal": 3}
    for number in (1, 3):
        with workplace.Workplace(tmp_path / f"out{number}") as place:
            found = outcomes(listened(jobs(**names), number, place))
        errors = {name: done.error for name, (_, done) in found.items() if done.error}
        assert set(found) == set(names)
        assert errors == {name: f"its process ended with code {code}" for name, code in codes.items()}


def test_a_process_that_cannot_begin_fails_every_chapter_and_ends(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasdl.course.cli.process.START", "raise SystemExit(7)")
    with workplace.Workplace(tmp_path / "out") as place:
        found = outcomes(listened(jobs(one="", two="", three=""), 2, place))
    assert {done.error for _, done in found.values()} == {"its process ended with code 7"}
    assert set(found) == {"one", "two", "three"}


def test_who_stops_listening_stops_the_processes(jobs, tmp_path):
    with workplace.Workplace(tmp_path / "out") as place:
        events = lanes.listen(side_by_side(jobs(one="time.sleep(600)", two="time.sleep(600)"), 2, place))
        begun = set()
        for lane, event in events:
            begun |= {lane} if event.label in ("one", "two") else set()
            if begun == {0, 1}:
                break
        before, start = threading.active_count(), time.monotonic()
        events.close()
        assert time.monotonic() - start < 10
        assert threading.active_count() == before - 2


def test_a_lane_that_cannot_start_says_why(jobs, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr("subprocess.Popen", refuse)
    with workplace.Workplace(tmp_path / "out") as place, pytest.raises(OSError, match="no more processes"):
        listened(jobs(one=""), 2, place)

"""Whole folders under final names: of which run, of which kind, and after a kill at any point."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from kerasdl import files
from kerasdl.course import workplace


def made(place, number, chapter="tiny", kind="full"):
    """A chapter that left three files which all hold one number."""
    folder = place.chapter("jax", chapter)
    for name in "abc":
        files.write(folder / name, str(number))
    return place.name(folder, kind, "jax", chapter)


def held(folder):
    """The one number that a folder's files hold; an error where they are not of one run."""
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b", "c"]
    (number,) = {path.read_text() for path in folder.iterdir()}
    return int(number)


def test_a_folder_takes_its_name_whole_and_the_earlier_one_stands_until_then(tmp_path):
    with workplace.Workplace(tmp_path) as place:
        final = made(place, 1)
        assert final == tmp_path / "jax" / "tiny"
        files.write(place.chapter("jax", "tiny") / "a", "half of the next run")
        assert held(final) == 1
        assert held(made(place, 2)) == 2
    assert sorted(os.listdir(tmp_path)) == ["jax"]


def test_each_kind_has_a_place_of_its_own(tmp_path):
    with workplace.Workplace(tmp_path) as place:
        for number, kind in enumerate((*workplace.KINDS, workplace.FAILED)):
            made(place, number, kind=kind)
    places = [tmp_path, tmp_path / "fast", tmp_path / "changed", tmp_path / "failed"]
    assert [held(place / "jax" / "tiny") for place in places] == [0, 1, 2, 3]
    assert workplace.failed(tmp_path) == [tmp_path / "failed" / "jax" / "tiny"]


def test_a_chapter_that_ends_well_is_failed_no_longer(tmp_path):
    with workplace.Workplace(tmp_path) as place:
        made(place, 0, kind="failed")
        made(place, 0, "other", kind="failed")
        made(place, 1)
    assert [path.name for path in workplace.failed(tmp_path)] == ["other"]


def test_many_runs_at_once_leave_one_of_them_whole(tmp_path):
    def work(first):
        with workplace.Workplace(tmp_path) as place:
            for number in range(first, first + 30):
                made(place, number)

    threads = [threading.Thread(target=work, args=(100 * one,)) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held(tmp_path / "jax" / "tiny") % 100 == 29
    assert sorted(os.listdir(tmp_path)) == ["jax"]


@pytest.mark.parametrize("blow", ["interrupt", "kill"])
def test_an_end_between_the_two_renames_loses_nothing(tmp_path, blow):
    code = f"""
import os, pathlib
from kerasdl.course import workplace
out, rename = pathlib.Path({str(tmp_path)!r}), os.rename
with workplace.Workplace(out) as place:
    folder = place.chapter("jax", "tiny")
    for name in "abc":
        (folder / name).write_text("2")
    def second(source, target):
        if source == folder and not target.exists():
            if {blow == "interrupt"}:
                raise KeyboardInterrupt
            os.kill(os.getpid(), {int(signal.SIGTERM)})
        rename(source, target)
    os.rename = second
    place.name(folder, "full", "jax", "tiny")
"""
    with workplace.Workplace(tmp_path) as place:
        final = made(place, 1)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode in (1, 130, -signal.SIGINT, -signal.SIGTERM), ended.stderr
    assert final.exists() == (blow == "interrupt")
    workplace.mend(tmp_path)
    assert held(final) == 1
    assert sorted(os.listdir(tmp_path)) == ["jax"]


def test_what_a_killed_run_left_is_swept_and_a_living_one_is_not(tmp_path):
    living = workplace.Workplace(tmp_path)
    killed = workplace.Workplace(tmp_path)
    os.close(killed._lock)  # as the system does at the end of a process
    with workplace.Workplace(tmp_path):
        assert living.folder.exists()
        assert not killed.folder.exists()
    living.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["a file", "under a file", "read-only"])
def test_a_folder_that_can_hold_nothing_is_said_at_once(tmp_path, kind, monkeypatch):
    out = tmp_path / "out"
    if kind == "read-only":
        out.mkdir()

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(workplace.tempfile, "mkdtemp", refuse)  # a superuser may write anywhere
    else:
        out.write_text("")
        out = out / "deeper" if kind == "under a file" else out
    with pytest.raises(
        OSError, match=r"--out .*out.* (is not a folder|can't be written \(Permission denied\)): give another"
    ):
        workplace.Workplace(out)

"""The player: a warm process runs the newest wish, obeys an interrupt, and never outlives its page."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from kerasdl import backends, files
from kerasdl.course import results
from kerasdl.course.play import player

CHAPTER = """\
# %% [markdown]
# # A chapter of our own
#
# It does what its settings say.

# %%
import os
import time
import json  # noqa: F401

from kerasdl import course

chapter = course.Chapter(
    "own", settings={"value": 0.5, "steps": 3, "strength": 0.0, "deaf": False, "way": ""}, fast={"steps": 2}
)
settings = chapter.settings

# %%
import pandas as pd


class Drawn:
    axes = ()

    def get_layout_engine(self):
        return None

    def savefig(self, stream, **how):
        stream.write(b"picture of " + str(settings.value).encode())


def keep():
    chapter.figure("curve", Drawn(), shows="a curve")


keep()
for step in chapter.track(range(settings.steps), "steps"):
    until = time.monotonic() + settings.strength
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except KeyboardInterrupt:
            if not settings.deaf:
                raise
if settings.way == "dies":
    os._exit(7)
if settings.way == "diverges":
    raise FloatingPointError("loss is nan in epoch 2: lower the learning rate")
if settings.value > 8:
    raise ValueError(f"value={settings.value}: give at most 8")
chapter.history("table", pd.DataFrame({"a": [settings.value]}))
chapter.exact("value", settings.value, 0.5, within=0.5)
chapter.exact("process", os.getpid(), os.getpid(), within=0)
chapter.finish()
"""


def ends(group):
    """Whether a process ends soon, and with it the one that draws for it."""
    until = time.monotonic() + 10
    while os.name == "posix" and time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return os.name != "posix"


class Listener:
    """Keeps what a player tells, and waits for an end."""

    def __init__(self):
        self.told = []

    def __call__(self, event):
        self.told.append({**event, "at": time.monotonic()})

    def of(self, job, kind):
        return [event for event in self.told if event["job"] == job and event["event"] == kind]

    async def end(self, job, seconds=60):
        until = time.monotonic() + seconds
        while not self.of(job, "end"):
            assert time.monotonic() < until, f"job {job} did not end: {self.told}"
            await asyncio.sleep(0.01)
        (end,) = self.of(job, "end")
        return end


@pytest.fixture
def play(tmp_path):
    """Run an async function with a player, what it told, and a way to ask for a run of our chapter."""
    script = tmp_path / "01_own.py"
    files.write(script, CHAPTER)

    def run(acts):
        async def inside():
            listener = Listener()
            own = player.Player(backends.installed()[0], listener)

            def ask(number, **values):
                words = ["--fast", *(f"--set={name}={value}" for name, value in values.items())]
                own.ask(player.Job(number, script, tuple(words), tmp_path / str(number)))

            try:
                await acts(own, listener, ask)
            finally:
                process = own.process
                await asyncio.wait_for(own.close(), 20)
                assert process is None or process.returncode is not None

        asyncio.run(inside())

    return run


def result(tmp_path, job):
    return results.load(tmp_path / str(job) / results.FILE)


def measured(tmp_path, job, name):
    return next(check.measured for check in result(tmp_path, job).checks if check.name == name)


@pytest.mark.parametrize(("bound", "stays"), [(0, False), (1e9, True)])
def test_another_chapter_gets_a_new_process_once_memory_has_grown(play, tmp_path, monkeypatch, bound, stays):
    pytest.importorskip("resource", reason="this system does not say how much memory a process takes")
    monkeypatch.setattr(player, "MOST_MEMORY", bound)
    other = tmp_path / "02_other.py"
    files.write(other, CHAPTER)

    async def acts(own, listener, ask):
        for number in (1, 2):
            ask(number)
            assert (await listener.end(number))["memory"] > 1
        own.ask(player.Job(3, other, ("--fast",), tmp_path / "3"))
        assert not (await listener.end(3))["error"]

    play(acts)
    one, again, changed = (measured(tmp_path, job, "process") for job in (1, 2, 3))
    assert one == again
    assert (changed == one) is stays


def test_runs_are_of_one_process_and_tell_what_they_keep(play, tmp_path):
    async def acts(own, listener, ask):
        ask(1)
        await listener.end(1)
        ask(2, value=0.25)
        end = await listener.end(2)
        assert (end["error"], end["cancelled"]) == ("", False)
        (figure,) = listener.of(2, "figure")
        line = CHAPTER[: CHAPTER.index("\nkeep()")].count("\n") + 2
        assert (figure["alt"], figure["line"]) == ("A curve.", line)
        with open(figure["path"], "rb") as stream:
            assert stream.read() == b"picture of 0.25"
        assert [event["share"] for event in listener.of(2, "progress")] == [0, 0.5, 1]

    play(acts)
    assert result(tmp_path, 2).settings["value"] == 0.25
    assert measured(tmp_path, 1, "process") == measured(tmp_path, 2, "process")


def test_a_new_wish_interrupts_the_old_one_and_skips_those_between(play, tmp_path):
    async def acts(own, listener, ask):
        ask(1, strength=60.0)
        while not listener.of(1, "progress"):
            await asyncio.sleep(0.01)
        ask(2, strength=60.0)
        ask(3, strength=60.0)
        ask(4, value=0.1)
        assert (await listener.end(1, 10))["cancelled"]
        assert (await listener.end(4, 10))["error"] == ""
        assert not [event for event in listener.told if event["job"] in (2, 3)]

    play(acts)
    assert not (tmp_path / "1" / results.FILE).exists()


def test_a_run_that_is_about_to_end_may(play, monkeypatch):
    monkeypatch.setattr(player, "PATIENCE", 30.0)  # however long a busy machine takes for the first run

    async def acts(own, listener, ask):
        ask(1, strength=0.5)
        await listener.end(1)
        ask(2, strength=0.5)
        while not listener.of(2, "progress"):
            await asyncio.sleep(0.01)
        ask(3)
        assert not (await listener.end(2))["cancelled"]
        await listener.end(3)

    play(acts)


def test_a_process_that_hears_no_interrupt_is_replaced(play, tmp_path, monkeypatch):
    monkeypatch.setattr(player, "STUBBORN", 1.0)

    async def acts(own, listener, ask):
        ask(1, strength=60.0, deaf=True)
        while not listener.of(1, "progress"):
            await asyncio.sleep(0.01)
        first = own.process.pid
        ask(2)
        assert (await listener.end(1, 20))["cancelled"]
        assert (await listener.end(2, 60))["error"] == ""
        assert own.process.pid != first
        assert ends(first)

    play(acts)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"value": 9.0}, "the chapter cannot run like this: value=9.0: give at most 8"),
        ({"way": "diverges"}, "training stopped: loss is nan in epoch 2: lower the learning rate"),
        ({"way": "dies"}, "its process ended with code 7"),
        ({"value": 3.0}, "does not hold: value = 3, expected 0.5 ± 0.5"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line_and_the_next_run_is_well(play, tmp_path, values, error):
    async def acts(own, listener, ask):
        ask(1, **values)
        end = await listener.end(1)
        assert end["error"].endswith(error)
        assert "\n" not in end["error"]
        ask(2)
        assert (await listener.end(2))["error"] == ""

    play(acts)


def test_an_error_after_an_interrupt_is_tried_again_in_a_fresh_process(play, tmp_path):
    async def acts(own, listener, ask):
        ask(1, strength=60.0)
        while not listener.of(1, "progress"):
            await asyncio.sleep(0.01)
        first = own.process.pid
        ask(2, value=9.0)
        assert "give at most 8" in (await listener.end(2, 60))["error"]
        assert own.process.pid != first
        second = own.process.pid
        ask(3, value=9.0)  # this process was never interrupted: what it says is so
        await listener.end(3)
        assert own.process.pid == second

    play(acts)


@pytest.mark.skipif(os.name != "posix", reason="looks a process up by its number")
def test_a_process_ends_when_its_server_is_killed(tmp_path):
    script = tmp_path / "01_own.py"
    files.write(script, CHAPTER)
    program = f"""
import asyncio, os
from pathlib import Path
from kerasdl.course.play import player

async def main():
    own = player.Player({backends.installed()[0]!r}, lambda event: None)
    await own.warm(Path({str(script)!r}), True)
    own.ask(player.Job(1, Path({str(script)!r}), ("--set=strength=60.0",), Path({str(tmp_path / "1")!r})))
    await asyncio.sleep(0.5)
    print(own.process.pid, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ends(int(done.stdout)), "the worker, or what it started, outlived its server"

"""Courses struck at random moments, and on full disks: what was lost, mixed or left unanswered is counted.

Each chapter draws a number and says it in all its files, so that a folder of two runs would show.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from kerasdl import backends, files
from kerasdl.course import results

CHAPTER = """\
# %% [markdown]
# # Chapter {name}
#
# It draws a number.

# %%
import time

from kerasdl import course

chapter = course.Chapter({name!r}, settings={{"value": 0.5}})
number = time.time_ns() % 2**50
print("number", number, flush=True)
time.sleep(0.1)
chapter.trained("number", number, (0, 2**50))
chapter.finish()
"""
NAMES = ("one", "two", "three")
CLEAN = {"lost": 0, "mixed": 0, "unanswered": 0}
KEPT = {"output.txt", "results.json", "shown.json"}  # the last but for a full disk: the site asks for it
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals and small disks are POSIX's"),
]


class Course:
    """A course of three chapters in one folder of results, and what has been counted of it."""

    def __init__(self, tmp_path, out):
        self.out, self.counts, self.seen = out, Counter(CLEAN), {}
        folder = tmp_path / "tutorials"
        for number, name in enumerate(NAMES, start=1):
            files.write(folder / f"{number:02}_{name}.py", CHAPTER.format(name=name))
        self.code = (
            "import sys; from pathlib import Path; from kerasdl.course import cli, syllabus\n"
            f"syllabus.files.folder = lambda name: Path({str(folder)!r})\n"
            f"sys.exit(cli.main(['run', '--resume', '--out', {str(out)!r}]))"
        )
        self.backend = backends.choose().name

    def start(self):
        return subprocess.Popen(
            [sys.executable, "-c", self.code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def look(self, said):
        """Count what is wrong in the folder of results, and in what a run said."""
        if "Traceback" in said:
            self.counts["unanswered"] += 1
            print(said)
        found = {}
        for name in NAMES:
            folder = self.out / self.backend / name
            if folder.is_dir():
                whole = {path.name for path in folder.iterdir()} | {"shown.json"} == KEPT
                found[name] = self.numbers(folder) if whole else None
                self.counts["mixed"] += found[name] is None
        # What was finished before is there still, and is the very same.
        self.counts["lost"] += sum(found.get(name) != number for name, number in self.seen.items())
        self.seen = found

    def numbers(self, folder):
        """The number that all files of a folder hold, or None."""
        (one,) = results.load(folder / results.FILE).checks
        said = [path.read_text() for path in folder.iterdir()]
        printed = {int(number) for text in said for number in re.findall(r"\bnumber (\d+)", text)}
        return int(one.measured) if printed == {one.measured} else None

    def wrong(self):
        return {name: self.counts[name] for name in CLEAN}


def test_a_course_killed_sixty_times_goes_on(tmp_path):
    course, chance = Course(tmp_path, tmp_path / "out"), random.Random(0)
    while course.counts["blows"] < 60:
        process = course.start()
        first = process.stdout.readline()  # Python itself answers what comes before
        time.sleep(chance.uniform(0, 1.5))
        blow = chance.choice(["parent", "all", "terminate", "interrupt"])
        if blow == "all":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            number = {"parent": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT}[blow]
            process.send_signal(number)
        said = first + process.communicate(timeout=120)[0]
        ended = process.returncode == 0
        course.counts["blows"] += not ended
        course.look(said)
        if len(course.seen) == len(NAMES):
            course.counts["finished"] += 1
            shutil.rmtree(course.out)
            course.seen = {}
    process = course.start()
    course.look(process.communicate(timeout=120)[0])
    print(dict(course.counts))
    assert course.wrong() == CLEAN
    assert (process.returncode, sorted(course.seen)) == (0, sorted(NAMES))
    assert sorted(os.listdir(course.out)) == [course.backend]


@pytest.fixture
def small_disk(tmp_path):
    """A folder of 64 KiB; only a superuser can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can't be made here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_answered_and_the_course_goes_on_where_there_is_room(tmp_path, small_disk):
    course, filler = Course(tmp_path, small_disk / "out"), small_disk / "filler"
    for left in range(2, 66, 4):  # KiB; a page of memory is 4
        filler.write_bytes(bytes(1024 * (64 - left)))
        process = course.start()
        said = process.communicate(timeout=120)[0]
        course.look(said)
        full = len(course.seen) < len(NAMES)
        course.counts["blows"] += full
        assert (process.returncode == 0) != full, said
        assert not full or "No space left on device" in said
        if not full:
            break
        filler.unlink()
    print(dict(course.counts))
    assert course.wrong() == CLEAN
    assert sorted(course.seen) == sorted(NAMES)
    assert course.counts["blows"] > 3

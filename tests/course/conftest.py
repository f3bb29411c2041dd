"""Small courses of our own, and the command line that runs them in real processes of their backend."""

import subprocess
import sys
import time

import pytest
from courses import BODIES, OPENING

from kerasdl import backends, files
from kerasdl.course import cli, syllabus


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


@pytest.fixture
def backend():
    return backends.choose().name


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

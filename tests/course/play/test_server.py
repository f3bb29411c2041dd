"""The server: this machine alone, by a token, and nothing is left when it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playing import Served

from kerasdl.course import cli

nicegui = pytest.importorskip("nicegui", reason="kerasdl[play] is not installed")


def get(address, **headers):
    """The answer's code and text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def children(number):
    """The processes that a process has started."""
    path = Path(f"/proc/{number}/task/{number}/children")
    return [int(word) for word in path.read_text().split()]


def alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_page_is_for_who_has_the_token(served):
    parts = urlparse(served.address)
    host, (token, name) = f"{parts.scheme}://{parts.netloc}", parts.path[1:].split("/")
    assert parts.hostname == "127.0.0.1"
    assert len(token) >= 20
    assert name == "curve"
    status, text = get(served.address)
    assert status == 200
    assert "curve" in text
    for path in (
        "",
        "curve",
        f"{token[:-1]}/curve",
        f"x{token[1:]}/curve",
        "file/serve.py",
        "docs",
        "openapi.json",
    ):
        assert get(f"{host}/{path}")[0] == 404, path


def test_files_of_runs_alone_are_given(served):
    parts = urlparse(served.address)
    base = f"{parts.scheme}://{parts.netloc}/{parts.path.split('/')[1]}/file"
    inside = served.folder / "serve.py"
    assert inside.exists()
    for path in ("../serve.py", "..%2fserve.py", "%2e%2e/serve.py", "//etc/passwd", str(inside), "", "."):
        status, text = get(f"{base}/{path}")
        assert status == 404, path
        assert "import cli" not in text


def test_another_host_s_name_is_refused(served):
    assert get(served.address, Host="evil.example")[0] == 400


def test_it_listens_on_loopback_alone(served):
    port = urlparse(served.address).port
    mine = [address[4][0] for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    for other in {address for address in mine if not address.startswith("127.0.0.1")} | {"127.0.0.2"}:
        with socket.socket() as knocking:
            knocking.settimeout(2)
            assert knocking.connect_ex((other, port)) != 0, other


def test_an_unknown_chapter_in_the_address_is_answered_on_the_page(served):
    status, text = get(served.address.replace("/curve", "/curv"))
    assert status == 200
    assert "nearest" in text or "did you mean" in text


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks processes up in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_it_ends(course, tmp_path, number, code):
    server = Served(course, tmp_path, "curve", "--set", "strength=60")
    until = time.monotonic() + 30
    while not (workers := children(server.process.pid)):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert list(tmp_path.glob("kerasdl-play-*"))
    assert server.stop(number) == code
    while any(map(alive, workers)):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not list(tmp_path.glob("kerasdl-play-*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["play", "curv"], "chapter 'curv' is not known"),
        (["play", "4", "--set", "noise=loud"], "noise='loud' is not of the same kind"),
        (["play", "4", "--set", "nois=1"], "setting='nois' is not known"),
        (["play", "4", "--backend", "jux"], "'jux' is not known"),
    ],
)
def test_what_is_not_understood_is_answered_in_a_line(words, said, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_named(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["play", "4", "--port", str(port), "--no-browser"]) == 1
    assert f"port={port} cannot be had" in capsys.readouterr().err


def test_without_the_library_the_command_that_installs_it_is_named(tmp_path):
    program = (
        "import sys; sys.modules['nicegui'] = None\n"
        "from kerasdl.course import cli\n"
        "sys.exit(cli.main(['play', '4', '--no-browser']))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "kerasdl: nicegui is not installed: pip install 'kerasdl[play]'\n"

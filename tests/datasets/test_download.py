"""A server on this machine stands in for the network; it can be slow, break off, or know nothing."""

import contextlib
import hashlib
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from kerasdl import datasets, files
from kerasdl.datasets import download, store

CONTENT = {
    "a.bin": random.Random(1).randbytes(60_000),
    "b.bin": random.Random(2).randbytes(90_000),
}
TOTAL = sum(map(len, CONTENT.values()))


class Handler(http.server.BaseHTTPRequestHandler):
    """/PLAN/FILE, where the plan says how it is answered.

    fine, slow, silent, gone, short (half of it), false (other bytes), endless (no length, no end), drip (a
    byte now and then), headers (which do not end) or odd (a length that is no number).
    """

    def do_GET(self):
        _, plan, name = self.path.split("/")
        self.server.asked.append((plan, name))
        if plan == "gone":
            return self.send_error(404)
        if plan == "silent":
            return time.sleep(0.5)
        content = CONTENT[name]
        if plan == "headers":
            return self.drip(b"HTTP/1.0 200 OK\r\nX: " + b"x" * 1000)
        self.send_response(200)
        if plan in ("endless", "drip", "odd"):
            if plan == "odd":
                self.send_header("Content-Length", "abc")
            self.end_headers()
            if plan == "drip":
                return self.drip(content)
            with contextlib.suppress(OSError):
                self.wfile.write(content)
                while plan == "endless":
                    self.wfile.write(bytes(2**16))
                    self.server.sent += 2**16
            return None
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if plan == "false":
            content = bytes(len(content))
        if plan == "short":
            content = content[: len(content) // 2]
        pieces = 20 if plan == "slow" else 1
        size = -(-len(content) // pieces)
        for start in range(0, len(content), size):
            try:
                self.wfile.write(content[start : start + size])
            except OSError:  # the client was killed
                return None
            time.sleep(0.02 * (plan == "slow"))
        return None

    def drip(self, content):
        with contextlib.suppress(OSError):
            for byte in content[:100]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.sent, running.daemon_threads = [], 0, True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def serve(server, monkeypatch, tmp_path):
    """serve("gone", "fine") puts a catalogue in place whose files have these two addresses."""
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(files, "folder", lambda name: tmp_path / name)
    files.write(tmp_path / "data" / "spare.txt", "spare\n")

    def install(*plans):
        base = f"http://127.0.0.1:{server.server_port}"
        entry = {
            "title": "Two files",
            "licence": "none",
            "page": "https://example.org",
            "files": [
                record(name, content, [f"{base}/{plan}/{name}" for plan in plans])
                for name, content in CONTENT.items()
            ],
            "embedded": {
                "about": "one line",
                "made": "by hand",
                "files": [record("spare.txt", b"spare\n", [])],
            },
        }
        files.write(tmp_path / "data" / "catalogue.json", json.dumps({"two_files": entry}))

    return install


def record(name, content, urls):
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "urls": urls}


def home():
    return files.cache() / "two_files"


def litter():
    return [path.name for path in home().iterdir() if path.name not in (*CONTENT, ".lock")]


def assert_whole(found):
    assert {name: path.read_bytes() for name, path in found.paths.items()} == CONTENT
    assert found.source == "cache"
    assert litter() == []


def test_a_download_lies_verified_in_the_cache_and_is_not_repeated(serve, server):
    serve("fine")
    assert_whole(datasets.fetch("two_files"))
    assert server.asked == [("fine", "a.bin"), ("fine", "b.bin")]
    assert_whole(datasets.fetch("two_files"))
    assert len(server.asked) == 2
    assert store.find("two_files").source == "cache"


def test_only_what_is_missing_or_damaged_is_fetched(serve, server):
    serve("fine")
    datasets.fetch("two_files")
    (home() / "b.bin").write_bytes(CONTENT["b.bin"][:-5])
    assert_whole(datasets.fetch("two_files"))
    assert server.asked[2:] == [("fine", "b.bin")]


def test_a_loader_downloads_when_asked_and_only_then(serve, server):
    serve("fine")
    assert store.find("two_files").source == "embedded"
    assert server.asked == []
    assert store.find("two_files", download=True).source == "cache"


def test_a_folder_that_has_the_files_saves_the_download(serve, server, tmp_path, monkeypatch):
    serve("fine")
    for name, content in CONTENT.items():
        files.write(tmp_path / "mine" / name, content)
    monkeypatch.setenv("KERASDL_DATA", str(tmp_path / "mine"))
    assert store.find("two_files", download=True).source == "folder"
    assert server.asked == []


@pytest.mark.parametrize("first", ["drip", "headers"])
def test_a_server_that_drips_is_given_up(serve, server, monkeypatch, first):
    serve(first, "fine")
    monkeypatch.setattr(download, "STALLED", 0.4)
    monkeypatch.setattr(download, "SLOWEST", 1e9)
    assert_whole(datasets.fetch("two_files"))
    assert (first, "a.bin") in server.asked


def test_no_more_is_taken_than_the_catalogue_says(serve, server):
    serve("endless")
    with pytest.raises(ConnectionError, match=r"a\.bin .*it gives more than 60000 bytes"):
        datasets.fetch("two_files")
    assert server.sent < 2**24
    assert litter() == []


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_files_may_be_read_by_whom_the_umask_lets(serve):
    serve("fine")
    for mask in (0o022, 0o077):
        before = os.umask(mask)
        try:
            for path in datasets.fetch("two_files").paths.values():
                assert path.stat().st_mode & 0o777 == 0o666 & ~mask
                path.unlink()
        finally:
            os.umask(before)


@pytest.mark.parametrize("first", ["gone", "short", "false", "odd"])
def test_the_second_address_answers_for_the_first(serve, server, first):
    serve(first, "fine")
    assert_whole(datasets.fetch("two_files"))
    assert (first, "a.bin") in server.asked


@pytest.mark.parametrize("plan", ["gone", "short", "false"])
def test_what_no_address_gives_is_no_file(serve, plan):
    serve(plan)
    with pytest.raises(ConnectionError, match=rf"a\.bin could not be fetched from http.*/{plan}/a\.bin"):
        datasets.fetch("two_files")
    assert not (home() / "a.bin").exists()
    assert litter() == []
    assert store.find("two_files").source == "embedded"


def test_a_broken_transfer_is_tried_again_at_the_same_address(serve, server, monkeypatch):
    serve("short")
    monkeypatch.setattr(download, "RETRIES", 2)
    monkeypatch.setattr(download, "WAIT", 0)
    with pytest.raises(ConnectionError):
        datasets.fetch("two_files")
    assert server.asked == [("short", "a.bin")] * 3


def test_without_a_network_every_address_is_named_and_the_stand_in_still_answers(serve, server, tmp_path):
    serve("fine", "slow")
    catalogue = tmp_path / "data" / "catalogue.json"
    # Port 1 of this machine refuses connections.
    catalogue.write_text(catalogue.read_text().replace(f":{server.server_port}/", ":1/"))
    with pytest.raises(ConnectionError) as error:
        datasets.fetch("two_files")
    message = str(error.value)
    assert "http://127.0.0.1:1/fine/a.bin" in message
    assert "http://127.0.0.1:1/slow/a.bin" in message
    assert "embedded stand-in of two_files" in message
    assert "\n" not in message
    assert store.find("two_files").source == "embedded"


def test_a_silent_server_is_given_up(serve, server, monkeypatch):
    serve("silent", "fine")
    monkeypatch.setattr(download, "STALLED", 0.2)
    assert_whole(datasets.fetch("two_files"))


def test_progress_rises_to_the_total(serve):
    serve("slow")
    seen = []
    datasets.fetch("two_files", progress=lambda done, total: seen.append((done, total)))
    done = [size for size, _ in seen]
    assert {total for _, total in seen} == {TOTAL}
    assert done == sorted(done)
    assert done[-1] == TOTAL
    assert any(0 < size < TOTAL for size in done)


@pytest.fixture
def fetchers(tmp_path):
    """fetchers(n) → (process ids, a function that waits for them and returns their exit codes).

    One process loads scikit-learn once and forks each of them.
    """
    code = f"""
import os, sys
from pathlib import Path
import sklearn.datasets
from kerasdl import datasets, files
files.folder = lambda name: Path({str(tmp_path)!r}) / name
for count in sys.stdin:
    children = []
    for _ in range(int(count)):
        child = os.fork()
        if child == 0:
            datasets.fetch("two_files")
            os._exit(0)
        children.append(child)
    print(*children, flush=True)
    print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as parent:

        def numbers():
            return [int(word) for word in parent.stdout.readline().split()]

        def start(count):
            parent.stdin.write(f"{count}\n")
            parent.stdin.flush()
            return numbers(), numbers

        yield start


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system neither forks nor kills outright")


@forks
def test_two_processes_take_turns(serve, server, fetchers):
    serve("slow")
    _, codes = fetchers(2)
    assert codes() == [0, 0]
    assert sorted(server.asked) == [("slow", "a.bin"), ("slow", "b.bin")]
    assert litter() == []


def kill_downloads(serve, fetchers, kills, seed):
    """Kill a download at random moments; after each, a final name is absent or verified."""
    chance, cut = random.Random(seed), 0
    for _ in range(kills):
        serve("slow")
        for path in home().glob("*.bin"):
            path.unlink()
        (child,), codes = fetchers(1)
        time.sleep(chance.uniform(0, 0.9))  # a whole download takes about 0.8 s
        with contextlib.suppress(ProcessLookupError):  # it may have come to its end
            os.kill(child, signal.SIGKILL)
        cut += codes() == [-signal.SIGKILL]
        for name, content in CONTENT.items():
            path = home() / name
            assert not path.exists() or path.read_bytes() == content
        assert store.find("two_files").source in ("embedded", "cache")
        serve("fine")
        assert_whole(datasets.fetch("two_files"))
    assert cut > kills // 2


@forks
def test_a_download_killed_at_random_moments_leaves_no_half_file(serve, fetchers):
    kill_downloads(serve, fetchers, kills=5, seed=0)


@forks
@pytest.mark.slow
def test_a_download_killed_thirty_times_leaves_no_half_file(serve, fetchers):
    kill_downloads(serve, fetchers, kills=30, seed=1)

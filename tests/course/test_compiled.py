"""What is kept from run to run: whole programs alone, so many bytes, and nothing where it is not wanted."""

import os
import subprocess
import sys

import pytest

from kerasdl import backends, files
from kerasdl.course import compiled
from kerasdl.course.cli import doctor

PROGRAM = """
import jax, jax.numpy as jnp
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: jnp.tanh(x) @ x)(jnp.ones((3, 3)))
print(sum("cache_hits" in name for name in hits), sum("cache_misses" in name for name in hits))
"""


def in_a_run(end_well=True):
    """Compile in a process of its own; return how many programs were found, and how many were not."""
    with compiled.Kept("jax") as kept:
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | kept.environment)
        assert done.returncode == 0, done.stderr
        if end_well:
            kept.keep()
    return tuple(map(int, done.stdout.split()))


@pytest.fixture(autouse=True)
def no_other_cache(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)


@pytest.mark.skipif("jax" not in backends.installed(), reason="JAX alone keeps programs")
def test_a_second_run_compiles_nothing_and_a_killed_one_adds_nothing():
    hits, misses = in_a_run(end_well=False)
    assert hits == 0 < misses
    assert compiled.size() == (0, 0)
    assert in_a_run()[1] == misses
    number, size = compiled.size()
    assert number >= misses
    assert size > 0
    assert in_a_run() == (misses, 0)
    assert [path.name for path in compiled.folder().glob("run-*")] == []


def test_two_runs_at_once_add_to_one_store():
    with compiled.Kept("jax") as one, compiled.Kept("jax") as other:
        for kept, names in ((one, "ab"), (other, "bc")):
            folder = kept.environment["JAX_COMPILATION_CACHE_DIR"]
            for name in names:
                files.write(f"{folder}/{name}", name)
            kept.keep()
    assert compiled.size() == (3, 3)
    with compiled.Kept("jax") as third:
        assert sorted(os.listdir(third.environment["JAX_COMPILATION_CACHE_DIR"])) == ["a", "b", "c"]


def test_the_oldest_go_when_the_limit_is_reached(monkeypatch):
    with compiled.Kept("jax") as kept:
        for age, name in enumerate("abc"):
            path = files.write(f"{kept.environment['JAX_COMPILATION_CACHE_DIR']}/{name}", 10 * name)
            os.utime(path, (1000 + age, 1000 + age))
        monkeypatch.setattr(compiled, "LIMIT", 25)
        kept.keep()
    assert sorted(path.name for path in compiled.folder().glob("jax-*/*")) == ["b", "c"]


def test_what_a_killed_run_left_is_taken_away_a_day_later():
    left = compiled.folder() / "run-killed"
    left.mkdir(parents=True)
    with compiled.Kept("jax"):
        assert left.exists()
    os.utime(left, (1000, 1000))
    with compiled.Kept("jax"):
        assert not left.exists()


def test_nothing_is_kept_where_it_is_not_wanted(monkeypatch, tmp_path):
    assert compiled.Kept("tensorflow").environment == {}
    blocked = files.write(tmp_path / "a file", "")
    monkeypatch.setenv("KERASDL_CACHE", str(blocked))
    assert compiled.Kept("jax").environment == {}
    monkeypatch.setenv("KERASDL_CACHE", str(tmp_path))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    assert compiled.Kept("jax").environment == {}
    assert compiled.size() == (0, 0)


def test_doctor_tells_what_is_kept():
    with compiled.Kept("jax") as kept:
        files.write(f"{kept.environment['JAX_COMPILATION_CACHE_DIR']}/a", "x" * 2**20)
        kept.keep()
    assert doctor._compiled() == (f"1 kept by JAX, 1 MiB in {compiled.folder()}", "")

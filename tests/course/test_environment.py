"""What a chapter's process is told: to compile quickly, and nothing that its libraries may not know."""

import pytest

from kerasdl import backends
from kerasdl.course import environment
from kerasdl.course.environment import LEVEL, QUICK

QUICKEST = LEVEL.format(0)


@pytest.mark.parametrize(
    ("backend", "version", "fast", "flags"),
    [
        ("jax", "0.10.2", True, f"{QUICKEST} {QUICK}"),
        ("jax", "0.7.0", False, QUICK),
        ("jax", "0.11.0rc1", True, QUICKEST),  # it may not know the other one
        ("jax", "0.11.0rc1", False, None),
        ("tensorflow", "0.10.2", True, QUICKEST),
        ("tensorflow", "0.10.2", False, None),
        ("torch", "0.10.2", True, None),
    ],
)
def test_chapters_ask_xla_for_nothing_that_it_may_not_know(backend, version, fast, flags, monkeypatch):
    monkeypatch.setattr(backends, "version", lambda _: version)
    assert environment.of_chapter(backend, fast).get("XLA_FLAGS") == flags


def test_what_runs_often_is_compiled_a_little_better():
    assert environment.of_chapter("tensorflow", fast=True, often=True)["XLA_FLAGS"] == LEVEL.format(1)
    assert "XLA_FLAGS" not in environment.of_chapter("tensorflow", fast=False, often=True)


def told(at_once):
    return environment.of_process("torch", environment.of_lane(at_once))


def test_processes_side_by_side_share_the_cores_out_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = {at_once: told(at_once).get("OMP_NUM_THREADS") for at_once in (1, 2, 9)}
    assert threads == {1: None, 2: "3", 9: "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert told(2)["OMP_NUM_THREADS"] == "4"

"""What a chapter's process is told: to compile quickly, and nothing that its libraries may not know."""

import pytest

from kerasdl.course import environment
from kerasdl.course.environment import QUICK, QUICKEST


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
    monkeypatch.setattr(environment, "version", lambda _: version)
    assert environment.of_chapter(backend, fast).get("XLA_FLAGS") == flags


def test_processes_side_by_side_share_the_cores_out_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in environment.of_process("torch", {})
    assert environment.of_process("torch", {}, at_once=2)["OMP_NUM_THREADS"] == "3"
    assert environment.of_process("torch", {}, at_once=9)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert environment.of_process("torch", {}, at_once=2)["OMP_NUM_THREADS"] == "4"

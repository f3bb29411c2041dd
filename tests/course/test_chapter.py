import json
import os
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdl import course, plots
from kerasdl.course import report, results

CHECK = {"band": (0, 1), "tolerance": 0.1, "source": "here"}


@pytest.fixture
def chapter(monkeypatch, tmp_path):
    """Start a chapter as its script would, with these words on its command line."""

    def start(*words, settings=None, fast=None):
        monkeypatch.setattr(sys, "argv", ["tutorials/01_tiny.py", "--out", str(tmp_path), *words])
        return course.Chapter("tiny", settings or {"epochs": 3, "rate": 0.5, "cell": "gru"}, fast)

    return start


def test_settings_are_full_fast_or_set(chapter):
    assert vars(chapter().settings) == {"epochs": 3, "rate": 0.5, "cell": "gru"}
    assert chapter("--fast", fast={"epochs": 1}).settings.epochs == 1
    started = chapter(
        "--fast", "--set", "epochs=9", "--set", "rate=2", "--set", "cell=lstm", fast={"epochs": 1}
    )
    assert vars(started.settings) == {"epochs": 9, "rate": 2.0, "cell": "lstm"}


def test_a_fast_run_compiles_quickly_unless_told_otherwise(chapter, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--one-of-mine")
    chapter("--fast")
    assert os.environ["XLA_FLAGS"] == "--one-of-mine"
    monkeypatch.delenv("XLA_FLAGS")
    chapter()
    assert "XLA_FLAGS" not in os.environ
    chapter("--fast")
    assert os.environ["XLA_FLAGS"] == "--xla_backend_optimization_level=0"


def test_in_another_program_the_words_are_not_ours(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    assert course.Chapter("tiny", {"epochs": 3}).settings.epochs == 3


@given(st.tuples(st.integers(), st.floats(allow_nan=False), st.booleans(), st.tuples(st.integers())))
def test_overrides_read_back_what_repr_wrote(values):
    names = ["whole", "real", "flag", "several"]
    defaults = dict(zip(names, (1, 1.0, True, (1,)), strict=True))
    words = [
        f"{name}={value!r}" for name, value in zip(names, values, strict=True) if "inf" not in repr(value)
    ]
    chosen = course.overrides(words, defaults)
    assert all(chosen[name] == value for name, value in zip(names, values, strict=True) if name in chosen)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("epochs", "write NAME=VALUE"),
        ("epoch=3", "did you mean 'epochs'"),
        ("epochs=many", "epochs='many' is not of the same kind as its default: epochs=3"),
        ("epochs=2.5", "epochs='2.5' is not of the same kind"),
        ("rate=__import__('os')", "rate="),
    ],
)
def test_a_setting_that_does_not_fit_is_answered(word, words):
    with pytest.raises(ValueError, match=words):
        course.overrides([word], {"epochs": 3, "rate": 0.5})


def test_fast_must_name_known_settings(chapter):
    with pytest.raises(ValueError, match="did you mean 'epochs'"):
        chapter(fast={"epoch": 1})


def test_a_run_leaves_results_figures_and_histories(chapter, capsys):
    run = chapter("--fast")
    run.check("error", 0.25, reference=0.2, **CHECK)
    run.history("losses", pd.DataFrame({"loss": [1.0, 0.5]}, index=pd.RangeIndex(1, 3, name="epoch")))
    run.figure("curve", plots.lines({"a": ([1, 2], [3, 4])}, "x", "y"))
    run.finish()
    found = results.load(run.folder / "results.json")
    assert found.checks == [results.Check("error", 0.25, (0, 1), 0.1, 0.2, "here")]
    assert (found.chapter, found.backend, found.fast) == ("tiny", run.backend, True)
    assert {"python", "kerasdl"} <= found.versions.keys() <= {"python", "kerasdl", "keras", run.backend}
    assert (run.folder / "losses.csv").read_text() == "epoch,loss\n1,1.0\n2,0.5\n"
    assert (run.folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("tiny on", "error", "0.25", "0.2", "0 … 1", "here", "✓"))


@pytest.mark.parametrize("measured", [2.0, -1.0, np.nan, np.inf])
def test_a_full_run_raises_outside_its_band_and_a_fast_one_does_not(chapter, measured):
    full, fast = chapter(), chapter("--fast")
    for run in (full, fast):
        run.check("error", measured, **CHECK)
    fast.finish()
    with pytest.raises(course.OutOfBand, match="error = "):
        full.finish()
    assert not results.load(full.folder / "results.json").checks[0].inside


def test_a_new_run_removes_what_the_last_one_found(chapter):
    run = chapter()
    run.check("error", 0.5, **CHECK)
    run.finish()
    assert (run.folder / "results.json").exists()
    assert not (chapter().folder / "results.json").exists()


def test_checks_refuse_what_cannot_be_meant(chapter):
    run = chapter()
    run.check("error", 0.5, **CHECK)
    with pytest.raises(ValueError, match="twice"):
        run.check("error", 0.6, **CHECK)
    with pytest.raises(ValueError, match="lowest, highest"):
        run.check("other", 0.6, **CHECK | {"band": (1, 0)})


def test_progress_reaches_a_listener(chapter, monkeypatch):
    heard = []
    monkeypatch.setattr(course.chapter, "on_progress", lambda label, share: heard.append((label, share)))
    assert list(chapter().track("ab", "letters")) == ["a", "b"]
    assert heard == [("letters", 0.0), ("letters", 0.5), ("letters", 1.0)]


def stored(folder, backend, measured, name="error", **changes):
    result = results.Result("tiny", backend, False, {"epochs": 3})
    result.checks = [results.Check(name, measured, (0, 1), 0.1, None, "here")]
    for aspect, value in changes.items():
        setattr(result, aspect, value)
    result.save(folder / backend / "tiny")


@pytest.mark.parametrize(("other", "kept"), [(0.55, True), (0.65, False), (float("nan"), False)])
def test_compare_holds_each_check_to_its_tolerance(tmp_path, other, kept):
    stored(tmp_path, "jax", 0.5)
    stored(tmp_path, "torch", other)
    assert report.compare(results.load_all(tmp_path)) is kept


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"epochs": 4}}, "settings"),
        ({"fast": True}, "fast"),
        ({"data": {"Images": "cache"}}, "data"),
        ({"name": "another"}, "–"),
    ],
)
def test_compare_refuses_unlike_runs(tmp_path, capsys, changes, words):
    stored(tmp_path, "jax", 0.5)
    stored(tmp_path, "torch", 0.5, **changes)
    assert not report.compare(results.load_all(tmp_path))
    assert words in capsys.readouterr().out


def test_one_backend_alone_compares_with_a_word(tmp_path, capsys):
    stored(tmp_path, "jax", 0.5)
    assert report.compare(results.load_all(tmp_path))
    assert "Only jax" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"checks": [{"name": "x"}]})])
def test_a_damaged_result_is_named(tmp_path, text):
    folder = tmp_path / "jax" / "tiny"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(text)
    with pytest.raises(ValueError, match=r"results\.json .* run the chapter again"):
        results.load_all(tmp_path)


def test_no_results_say_how_to_make_some(tmp_path):
    with pytest.raises(FileNotFoundError, match="kerasdl run"):
        results.load_all(tmp_path)

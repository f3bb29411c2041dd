import json
import os
import runpy
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdl import backends, course, files, plots
from kerasdl.course import compare, environment, reached, request, results

SETTINGS = {"epochs": 3, "rate": 0.5, "cell": "gru"}
START = """
from kerasdl import course

chapter = course.Chapter("tiny", {settings!r}, {fast!r})
"""


@pytest.fixture
def chapter(monkeypatch, tmp_path):
    """Start a chapter as a script of this name in this folder would, with these words on its command line."""

    def start(*words, settings=None, fast=None, name="01_tiny.py", folder="tutorials"):
        script = tmp_path / folder / name
        files.write(script, START.format(settings=settings or SETTINGS, fast=fast))
        monkeypatch.setattr(files, "folder", lambda _: tmp_path / "tutorials")
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
        monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
        monkeypatch.setattr(sys, "argv", [str(script), "--out", str(tmp_path / "out"), *words])
        return runpy.run_path(str(script), run_name="__main__")["chapter"]

    return start


@pytest.fixture
def held(chapter):
    """Start the full run of an unedited chapter."""

    def start(*words, **changes):
        recorded = chapter()
        recorded._result.held = True
        reached.record(files.folder("tutorials"), recorded._result)
        return chapter(*words, **changes)

    return start


def test_settings_are_full_fast_or_set(chapter):
    assert vars(chapter().settings) == {"epochs": 3, "rate": 0.5, "cell": "gru"}
    assert chapter("--fast", fast={"epochs": 1}).settings.epochs == 1
    started = chapter(
        "--fast", "--set", "epochs=9", "--set", "rate=2", "--set", "cell=lstm", fast={"epochs": 1}
    )
    assert vars(started.settings) == {"epochs": 9, "rate": 2.0, "cell": "lstm"}


def test_a_chapter_compiles_quickly_unless_told_otherwise(chapter, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--one-of-mine")
    chapter("--fast")
    assert os.environ["XLA_FLAGS"] == "--one-of-mine"
    for words in ([], ["--fast"]):
        monkeypatch.delenv("XLA_FLAGS", raising=False)
        chapter(*words)
        wanted = environment.of_chapter(backends.choose().name, fast=bool(words))
        assert os.environ.get("XLA_FLAGS") == wanted.get("XLA_FLAGS")


def test_a_warning_is_read_without_the_place_it_comes_from(chapter):
    chapter()
    said = warnings.formatwarning("many words " * 20, UserWarning, "/long/way/to/a/file.py", 3, "x = 1")
    assert said.startswith("UserWarning: many words")
    assert max(map(len, said.splitlines())) <= 80
    assert "file.py" not in said


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
        ("sizes=2,3.5", "sizes='2,3.5' is not of the same kind"),
    ],
)
def test_a_setting_that_does_not_fit_is_answered(word, words):
    with pytest.raises(ValueError, match=words):
        course.overrides([word], {"epochs": 3, "rate": 0.5, "sizes": (1, 2)})


def test_fast_must_name_known_settings(chapter):
    with pytest.raises(ValueError, match="did you mean 'epochs'"):
        chapter(fast={"epoch": 1})


def test_a_run_leaves_results_figures_and_histories(chapter, capsys):
    run = chapter("--fast")
    run.exact("sum", 1, 1, within=0)
    run.trained("error", 0.25, (0, 1), reference=0.2, source="here", tolerance=0.1)
    run.history("losses", pd.DataFrame({"loss": [1.0, 0.5]}, index=pd.RangeIndex(1, 3, name="epoch")))
    run.figure("curve", plots.lines({"a": ([1, 2], [3, 4])}, "x", "y"))
    run.finish()
    found = results.load(run.folder / "results.json")
    assert found.checks == [
        results.Exact("sum", 1.0, 1.0, 0.0, 0.0),
        results.Trained("error", 0.25, (0, 1), 0.1, 0.2, "here"),
    ]
    assert (found.chapter, found.backend, found.fast) == ("tiny", run.backend, True)
    assert {"python", "kerasdl"} <= found.versions.keys() <= {"python", "kerasdl", "keras", run.backend}
    assert (run.folder / "losses.csv").read_text() == "epoch,loss\n1,1.0\n2,0.5\n"
    assert (run.folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("tiny on", "sum", "error", "0.25", "0.2", "0 … 1", "here", "✓"))


@pytest.mark.parametrize("measured", [2.0, -1.0, np.nan, np.inf])
def test_only_a_full_run_is_held_to_its_bands(held, measured, tmp_path):
    full, others = held(), [held("--fast"), held("--set", "epochs=4"), held(name="mine.py", folder="desk")]
    for run in (full, *others):
        run.trained("error", measured, (0, 1))
    for run in others:
        run.finish()
    with pytest.raises(SystemExit, match=r"tiny: does not hold: error = .*, its band is 0 … 1"):
        full.finish()
    assert not results.load(full.folder / "results.json").checks[0].holds


@pytest.mark.parametrize("measured", [0.51, np.nan, np.inf])
@pytest.mark.parametrize("words", [(), ("--fast",), ("--set", "epochs=4")])
def test_an_exact_result_is_judged_in_every_run(chapter, words, measured):
    run = chapter(*words)
    run.exact("share", measured, 0.5, within=0.005)
    with pytest.raises(SystemExit, match=r"share = .*, expected 0.5 ± 0.005"):
        run.finish()


def test_a_band_turned_round_by_a_setting_is_no_error(chapter):
    run = chapter("--set", "epochs=4")
    run.trained("error", 0.3, (0.5, 0.1))
    run.finish()
    assert results.load(run.folder / "results.json").checks[0].tolerance == 0.4


def test_a_check_recorded_again_takes_its_place(chapter):
    run = chapter()
    for measured in (0.3, 0.2):
        run.trained("error", measured, (0, 1))
        run.exact("zero", measured - 0.2, within=0)
    run.finish()
    assert [(c.name, c.measured) for c in results.load(run.folder / "results.json").checks] == [
        ("error", 0.2),
        ("zero", 0.0),
    ]


def test_a_copy_obeys_its_words_and_has_its_own_results(chapter):
    original, renamed, elsewhere = (
        chapter("--fast", fast={"epochs": 1}, **place)
        for place in ({}, {"name": "mine.py", "folder": "desk"}, {"folder": "desk"})
    )
    assert original.settings.epochs == renamed.settings.epochs == elsewhere.settings.epochs == 1
    assert [run.folder.name for run in (original, renamed, elsewhere)] == ["tiny", "mine", "tiny-copy"]


def test_what_was_reached_on_real_data_is_shown_wherever_they_lie(tmp_path):
    found = results.Result("tiny", "jax", False, {}, held=True, data={"Book": "folder", "Images": "embedded"})
    found.checks = [results.Trained("error", 0.25, (0, 1), 0.1)]
    reached.record(tmp_path, found)
    recorded = reached.read(tmp_path, "tiny")
    assert reached.on({"Book": "cache", "Images": "embedded"}, recorded)["checks"] == {"error": 0.25}
    assert reached.on({"Book": "embedded", "Images": "embedded"}, recorded) == {}


def test_an_edited_chapter_is_not_held(held):
    assert held()._result.held
    assert not held(settings=SETTINGS | {"epochs": 5})._result.held


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--set", "epoch=3"), "01_tiny.py: setting='epoch' is not known; did you mean 'epochs'?"),
        (("--set", "epochs=x"), "01_tiny.py: epochs='x' is not of the same kind"),
        (("--devices", "-3"), "01_tiny.py: argument --devices: '-3' is not a whole number"),
        (("--backend", "trch"), "01_tiny.py: --backend 'trch' is not known; did you mean 'torch'?"),
        (("--fats",), "01_tiny.py: unrecognized arguments: --fats"),
    ],
)
def test_a_script_answers_what_it_does_not_understand_in_one_line(chapter, capsys, words, line):
    with pytest.raises(SystemExit) as end:
        chapter(*words)
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(line)


def test_a_notebook_is_told_in_the_same_words(chapter, monkeypatch, tmp_path):
    monkeypatch.setattr(request, "_in_notebook", "")
    course.notebook(f"--fast --set rate=2 --out {tmp_path}")
    run = course.Chapter("tiny", SETTINGS, {"epochs": 1})
    assert (run.settings.epochs, run.settings.rate) == (1, 2.0)
    run.finish()
    assert run.folder == tmp_path / "changed" / run.backend / "tiny-notebook"
    with pytest.raises(course.Refused, match="not a whole number"):
        course.notebook("--devices 0")
    course.notebook()
    assert course.Chapter("tiny", SETTINGS, {"epochs": 1}).settings.epochs == 3


def test_what_the_last_run_found_stands_until_the_next_one_ends(chapter):
    last = chapter()
    last.trained("error", 0.5, (0, 1))
    last.finish()
    run = chapter()
    files.write(run.folder / "half.csv", "")
    assert results.load(last.folder / "results.json").checks[0].measured == 0.5
    run._leave()  # as at the end of a program that has not come to chapter.finish()
    assert sorted(path.name for path in last.folder.iterdir()) == ["results.json"]
    failed = last.folder.parents[1] / "failed" / run.backend / "tiny"
    assert [path.name for path in failed.iterdir()] == ["half.csv"]
    run = chapter()
    run.finish()
    assert run.folder == last.folder
    assert results.load(run.folder / "results.json").checks == []
    assert not failed.exists()


def test_progress_reaches_a_listener(chapter, monkeypatch):
    heard = []
    host = course.chapter.Host(files.folder("tutorials"), lambda *told: heard.append(told))
    monkeypatch.setattr(course.chapter, "host", host)
    assert list(chapter().track("ab", "letters")) == ["a", "b"]
    assert heard == [("letters", 0.0), ("letters", 0.5), ("letters", 1.0)]


def stored(folder, backend, measured, name="error", **changes):
    result = results.Result("tiny", backend, False, {"epochs": 3})
    result.checks = [results.Trained(name, measured, (0, 1), 0.1)]
    for aspect, value in changes.items():
        setattr(result, aspect, value)
    result.save(folder / backend / "tiny")


@pytest.mark.parametrize(("other", "kept"), [(0.55, True), (0.65, False), (float("nan"), False)])
def test_compare_holds_each_check_to_its_tolerance(tmp_path, other, kept):
    stored(tmp_path, "jax", 0.5)
    stored(tmp_path, "torch", other)
    assert compare.compare(results.load_all(tmp_path)) is kept


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
    assert not compare.compare(results.load_all(tmp_path))
    assert words in capsys.readouterr().out


def test_one_backend_alone_compares_with_a_word(tmp_path, capsys):
    stored(tmp_path, "jax", 0.5)
    assert compare.compare(results.load_all(tmp_path))
    assert capsys.readouterr().out.startswith("Only jax")


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

"""A cross-validation or search that is stopped and called again finds what it would have found at once."""

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from blows import Killed, cut, turn, under_blows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kerasdl
from kerasdl import models, training
from kerasdl.estimators import KerasClassifier, KerasRegressor
from kerasdl.selection import cross_validate, grid_search, halving_search, random_search, resume

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(36, 3))
Y = X @ [1.0, -2.0, 0.5]
LABELS = np.array(["low", "middle", "high"], object)[np.digitize(Y, [-1, 1])]


def classifier(**changes):
    own = {"epochs": 3, "batch_size": 8, "random_state": 0, "learning_rate": 0.01}
    build = {"build__hidden": (4,), "build__dropout": 0.2}
    return make_pipeline(StandardScaler(), KerasClassifier(models.mlp, **(own | build | changes)))


def regressor(**changes):
    own = {"epochs": 2, "batch_size": 12, "random_state": 0, "build__hidden": (4,)}
    return KerasRegressor(models.mlp, **(own | changes))


def validated(folder=None, **changes):
    asked = {"estimator": classifier(), "X": X, "y": LABELS, "cv": 3, "vectorize": False}
    return cross_validate(**(asked | changes), resume=folder)


def searched(folder=None, **changes):
    # Two widths, so two stacks; one setting diverges.
    grid = [{"learning_rate": [0.01, 1e30]}, {"build__hidden": [(5,)]}]
    asked = {"estimator": regressor(optimizer="sgd"), "X": X, "y": Y, "grid": grid, "cv": 2}
    return grid_search(**(asked | changes), resume=folder)


@pytest.fixture
def kept(monkeypatch):
    """Counts the units that are kept, and kills after so many."""
    keep, counted = resume.Folder.keep, []

    def keep_and_die(self, outcomes):
        keep(self, outcomes)
        counted.append(list(outcomes))
        if len(counted) == kill["after"]:
            raise Killed

    kill = {"after": None}
    monkeypatch.setattr(resume.Folder, "keep", keep_and_die)

    def call(make, after=None):
        """What a call finds, or None where it is killed after so many units; and the units that it kept."""
        counted.clear()
        kill["after"] = after
        try:
            found = make()
        except Killed:
            found = None
        return found, list(counted)

    return call


def equal(found, expected):
    """Scores, answers and histories: bit by bit, but for the clock."""
    ours, theirs = (one.scores.drop(columns="seconds") for one in (found, expected))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert (found.engine, found.reason) == (expected.engine, expected.reason)
    if hasattr(found, "table"):
        pd.testing.assert_frame_equal(found.table, expected.table, check_exact=True)
        assert found.best_params == expected.best_params
        return
    assert found.predictions.dtype == expected.predictions.dtype
    assert found.predictions.tolist() == expected.predictions.tolist()
    assert (found.probabilities is None) == (expected.probabilities is None)
    if found.probabilities is not None:
        assert found.probabilities.tobytes() == expected.probabilities.tobytes()
    for ours, theirs in zip(found.answers, expected.answers, strict=True):
        assert ours.equals(theirs)
    for ours, theirs in zip(found.histories, expected.histories, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
        assert ours.attrs == theirs.attrs


@pytest.fixture(scope="module")
def whole():
    return validated()


def test_folds_in_turn_are_kept_one_by_one(tmp_path, kept, whole):
    assert kept(lambda: validated(tmp_path), after=1) == (None, [[(0, 0)]])
    assert kept(lambda: validated(tmp_path), after=1) == (None, [[(0, 1)]])
    found, units = kept(lambda: validated(tmp_path))
    assert units == [[(0, 2)]]
    equal(found, whole)
    # And once more: all is done, and the very seconds are those of the first calls.
    again, units = kept(lambda: validated(tmp_path))
    assert units == []
    assert again.scores.equals(found.scores)


def test_settings_trained_together_are_kept_by_the_stack(tmp_path, kept):
    expected = searched(vectorize=True)
    assert expected.table.valid.isna().tolist() == [False, True, False]
    found, units = kept(lambda: searched(tmp_path, vectorize=True), after=1)
    assert (found, [len(unit) for unit in units]) == (None, [4])
    found, units = kept(lambda: searched(tmp_path, vectorize=True))
    assert [len(unit) for unit in units] == [2]
    equal(found, expected)


def test_settings_in_turn_are_kept_by_fold_and_one_that_diverged_stays_so(tmp_path, kept):
    asked = {"grid": {"learning_rate": [1e30, 0.01]}, "vectorize": False}
    expected = searched(**asked)
    # The first setting diverges in its first fold.
    assert kept(lambda: searched(tmp_path, **asked), after=2) == (None, [[(0, 0)], [(1, 0)]])
    found, units = kept(lambda: searched(tmp_path, **asked))
    assert units == [[(1, 1)]]
    equal(found, expected)


def test_draws_and_races_go_on_too(tmp_path, kept):
    def drawn(folder=None):
        alphas = {"alpha": loguniform(1e-3, 1e-1)}
        return random_search(Ridge(), X, Y, alphas, cv=2, draws=2, random_state=1, resume=folder)

    def raced(folder=None):
        grid = {"alpha": [0.1, 1.0, 10.0]}
        asked = {"resource": "max_iter", "first": 5, "last": 15}
        return halving_search(Ridge(), X, Y, grid, cv=2, **asked, resume=folder)

    for make, first, units in ((drawn, 3, 4), (raced, 7, 8)):
        folder = tmp_path / make.__name__
        assert kept(lambda: make(folder), after=first)[0] is None  # noqa: B023
        found, left = kept(lambda: make(folder))  # noqa: B023
        assert len(left) == units - first
        equal(found, make())


def test_a_process_killed_outright_goes_on_in_the_next(tmp_path, whole):
    code = f"""
import os, sys
sys.path[:0] = {sys.path!r}
import test_resume
from kerasdl.selection import resume
keep = resume.Folder.keep
def keep_and_die(self, outcomes):
    keep(self, outcomes)
    os.kill(os.getpid(), 9)
resume.Folder.keep = keep_and_die
test_resume.validated({str(tmp_path / "run")!r})
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    assert [path.name for path in (tmp_path / "run").iterdir() if path.is_dir()] == ["setting-1-fold-1"]
    equal(validated(tmp_path / "run"), whole)


@pytest.fixture
def folder(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cross_validate(Ridge(), X, Y, cv=KFold(3), resume=tmp_path)
    return tmp_path


@pytest.mark.parametrize("harm", [cut, turn, Path.unlink, lambda path: path.write_text("{}")])
def test_a_damaged_fold_is_named_and_trained_again(folder, kept, harm):
    harm(next((folder / "setting-1-fold-2").glob("*.npz")))
    with pytest.warns(UserWarning, match=r"setting-1-fold-2: checkpoint-000000000\.json is damaged .*anew"):
        found, units = kept(lambda: cross_validate(Ridge(), X, Y, cv=KFold(3), resume=folder))
    assert units == [[(0, 1)]]
    equal(found, cross_validate(Ridge(), X, Y, cv=KFold(3)))


def test_a_fold_in_another_s_place_is_no_answer(folder, kept):
    first, second = (folder / f"setting-1-fold-{number}" for number in (1, 2))
    for path in first.iterdir():
        (second / path.name).write_bytes(path.read_bytes())
    with pytest.warns(UserWarning, match="setting-1-fold-2: it holds other folds: it is trained anew"):
        found, _ = kept(lambda: cross_validate(Ridge(), X, Y, cv=KFold(3), resume=folder))
    equal(found, cross_validate(Ridge(), X, Y, cv=KFold(3)))


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("data", {"y": Y + 1e-9}),
        ("data", {"X": pd.DataFrame(X)}),
        ("data", {"X": X[:, ::-1][:, ::-1].astype("float32")}),
        ("data", {"sample_weight": np.ones(36)}),
        ("folds", {"cv": KFold(3, shuffle=True, random_state=1)}),
        ("estimator", {"estimator": Ridge(alpha=1.5)}),
        ("scoring", {"scoring": "r2"}),
        ("vectorize or engine", {"vectorize": False}),
    ],
)
def test_another_call_in_that_folder_is_refused_in_a_line(folder, word, change):
    asked = {"estimator": Ridge(), "X": X, "y": Y, "cv": KFold(3), "resume": folder}
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    with pytest.raises(ValueError, match=rf"resume='.*' holds a call with other {word}: give") as told:
        cross_validate(**(asked | change))
    assert "\n" not in str(told.value)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_other_settings_and_chance_without_a_seed_are_refused(tmp_path):
    grid_search(Ridge(), X, Y, {"alpha": [1.0]}, cv=2, resume=tmp_path / "grid")
    with pytest.raises(ValueError, match=r"other settings: .*, or fix its random_state"):
        grid_search(Ridge(), X, Y, {"alpha": [1.0, 2.0]}, cv=2, resume=tmp_path / "grid")
    shuffled = KFold(3, shuffle=True)
    cross_validate(Ridge(), X, Y, cv=shuffled, resume=tmp_path / "folds")
    with pytest.raises(ValueError, match=r"other folds: .*, or fix its random_state"):
        cross_validate(Ridge(), X, Y, cv=shuffled, resume=tmp_path / "folds")


def test_what_has_no_safe_file_is_refused(tmp_path, folder):
    with pytest.raises(ValueError, match=r"return_estimators=True, resume='.*': .*leave one of the two out"):
        cross_validate(Ridge(), X, Y, return_estimators=True, resume=tmp_path)

    class Answers(Ridge):
        def predict(self, X):
            return np.array([{1} for _ in X], object)

    with pytest.raises(TypeError, match=r"resume='.*': an answer \(set can't be kept\): leave resume out"):
        cross_validate(Answers(), X, Y, scoring=lambda *_: 1.0, resume=tmp_path / "answers")


def test_a_folder_in_use_and_one_of_a_training_are_refused(tmp_path, folder):
    held = kerasdl.files.hold(folder)
    with pytest.raises(RuntimeError, match="in use by another run"):
        cross_validate(Ridge(), X, Y, cv=KFold(3), resume=folder)
    kerasdl.files.let_go(held)
    model = models.linear(3)
    model.compile("sgd", "mse")
    training.fit(model, X, Y[:, None], epochs=1, resume=tmp_path / "training")
    with pytest.raises(ValueError, match=r"holds a call with other .*: give another folder"):
        cross_validate(Ridge(), X, Y, cv=KFold(3), resume=tmp_path / "training")
    file = tmp_path / "a file"
    file.touch()
    with pytest.raises(NotADirectoryError, match=r"resume='.*a file' is a file: give a folder"):
        cross_validate(Ridge(), X, Y, cv=KFold(3), resume=file)
    with pytest.raises(NotADirectoryError, match=r"resume='.*a file' is a file: give a folder"):
        training.fit(model, X, Y[:, None], epochs=1, resume=file)


def test_tables_words_and_dates_come_back_as_they_were(tmp_path):
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}, index=[f"row {place}" for place in range(36)])
    for y in (LABELS, LABELS.astype(str), (LABELS == "low")):
        folder = tmp_path / y.dtype.name
        first = cross_validate(LogisticRegression(), table, y, cv=3, resume=folder)
        again = cross_validate(LogisticRegression(), table, y, cv=3, resume=folder)
        equal(again, first)
        assert again.decisions.tobytes() == first.decisions.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "full disk"])
def test_a_hundred_blows_lose_nothing(tmp_path, kind):
    def search(folder=None):
        return grid_search(Ridge(), X, Y, {"alpha": [0.1, 1.0, 10.0]}, cv=3, resume=folder)

    whole = search()
    for found, folder in under_blows(search, kind, 100, 30, tmp_path):
        equal(found, whole)
        assert not list(folder.rglob(".*"))


@pytest.mark.slow
@given(st.data())
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_thousand_damaged_units_are_whole_or_trained_again(folder, data):
    unit = folder / "setting-1-fold-2"
    before = {path: path.read_bytes() for path in sorted(unit.iterdir())}
    path = data.draw(st.sampled_from(list(before)))
    content = bytearray(before[path])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cross_validate(Ridge(), X, Y, cv=KFold(3), resume=folder)
    for path in before:
        path.write_bytes(before[path])
    equal(found, cross_validate(Ridge(), X, Y, cv=KFold(3)))


FACTOR = 1.0


def factor():
    return FACTOR


def times(estimator, X, y):
    return factor() * len(X)


def constant(estimator, X, y):
    return FACTOR


@pytest.mark.parametrize("scorer", [constant, times])
def test_a_scorer_that_reads_another_number_of_its_module_is_another(tmp_path, monkeypatch, scorer):
    def call():
        return cross_validate(Ridge(), X, Y, cv=2, scoring=scorer, resume=tmp_path)

    first = call()
    assert call().scores.equals(first.scores)
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    with pytest.raises(ValueError, match="other scoring"):
        call()


def test_a_scorer_whose_function_beside_it_is_another_is_another(tmp_path, monkeypatch):
    def call():
        return cross_validate(Ridge(), X, Y, cv=2, scoring=times, resume=tmp_path)

    call()
    monkeypatch.setitem(globals(), "factor", lambda: 3.0)
    with pytest.raises(ValueError, match="other scoring"):
        call()


def test_rows_that_differ_in_their_index_alone_are_others(tmp_path):
    table = pd.DataFrame(X)
    cross_validate(Ridge(), table, Y, cv=2, resume=tmp_path)
    cross_validate(Ridge(), table.copy(), Y, cv=2, resume=tmp_path)
    with pytest.raises(ValueError, match="other data"):
        cross_validate(Ridge(), table.set_index(table.index + 1), Y, cv=2, resume=tmp_path)


class Scorer:
    """A scorer that is an object, as one whose settings are searched for would be."""

    def __init__(self, by):
        self.by = by

    def __call__(self, estimator, X, y):
        return self.by * len(X)


def test_a_scorer_that_is_an_object_is_another_when_its_class_is_edited(tmp_path, monkeypatch):
    def call(by=1.0):
        return cross_validate(Ridge(), X, Y, cv=2, scoring=Scorer(by), resume=tmp_path)

    first = call()
    assert call().scores.equals(first.scores)
    with pytest.raises(ValueError, match="other scoring"):
        call(2.0)
    monkeypatch.setattr(Scorer, "__call__", lambda self, estimator, X, y: -len(X))
    with pytest.raises(ValueError, match="other scoring"):
        call()


SHIFT = 0.0


def test_an_estimator_s_own_class_counts_and_what_it_has_learned_does_not(tmp_path, monkeypatch):
    class Own(Ridge):
        def predict(self, X):
            return super().predict(X) + SHIFT

    first = cross_validate(Own(), X, Y, cv=2, resume=tmp_path)
    again = cross_validate(Own().fit(X, Y), X, Y, cv=2, resume=tmp_path)
    assert again.scores.equals(first.scores)
    monkeypatch.setitem(globals(), "SHIFT", 1.0)
    with pytest.raises(ValueError, match="other estimator"):
        cross_validate(Own(), X, Y, cv=2, resume=tmp_path)


def test_of_what_cannot_be_told_it_is_said_so(tmp_path):
    lock = threading.Lock()
    with pytest.raises(
        TypeError,
        match=r"^resume='.*': scoring holds a _thread.lock \(.*\), and whether .*: leave resume out$",
    ):
        cross_validate(Ridge(), X, Y, cv=2, scoring=lambda *_: float(lock.locked()), resume=tmp_path)
    assert not list(tmp_path.iterdir())

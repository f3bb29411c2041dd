"""Folds on the workers of joblib's engines against the same folds here, one after another."""

import importlib.util
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Future

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerasdl import engines, files, models
from kerasdl.engines import kinds, worker
from kerasdl.estimators import KerasClassifier, KerasRegressor
from kerasdl.selection import FoldsLost, cross_validate, grid_search, resume

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5] + GENERATOR.normal(size=40) / 10
WEIGHT = np.linspace(0.5, 1.5, 40)


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed", reason="needs pip install 'kerasdl[dask]'")
    import dask

    # One death is enough here: by itself a cluster gives such work to three more workers.
    settings = {"distributed.scheduler.allowed-failures": 0}
    quiet = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="needs pip install 'kerasdl[ray]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's start leaves sockets and files to the collector
        here = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}  # this module, too
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
        ray.init(num_cpus=2, runtime_env=here, **quiet)
        yield ray
        ray.shutdown()


# What no backend changes is tested once: how each engine is spoken to.
ENGINES = ["loky", pytest.param("dask", marks=pytest.mark.once), pytest.param("ray", marks=pytest.mark.slow)]


@pytest.fixture(params=ENGINES)
def engine(request):
    """The one line that changes: a context that names an engine."""
    if request.param != "loky":
        request.getfixturevalue(request.param)
    settings = {"n_jobs": 2} if request.param == "loky" else {}
    with parallel_config(request.param, **settings):
        yield request.param


@pytest.fixture(scope="module", autouse=True)
def no_worker_is_left_behind():
    yield
    engines.Loky.stop()


def regressor(**changes):
    # A lambda, as in a script or a notebook.
    build = lambda features, units: models.mlp(features, (4,), units, dropout=0.2)  # noqa: E731
    settings = {"epochs": 2, "batch_size": 8, "report_every": 2, "learning_rate": 0.01, "random_state": 0}
    return KerasRegressor(build, **(settings | changes))


@pytest.fixture
def killer():
    # Made here: a worker cannot import this file.

    def score(estimator, X, y):
        """A scorer that takes its process along where it sees the first row."""
        if y[0] == Y[0] and len(y) < 20 and "KERASDL_TEST" not in os.environ:
            os._exit(1)
        return estimator.score(X, y)

    return score


def test_every_score_prediction_and_history_is_that_of_the_folds_in_turn(engine, monkeypatch):
    pipeline = make_pipeline(StandardScaler(), regressor())
    found = cross_validate(pipeline, X, Y, cv=3, sample_weight=WEIGHT)
    assert (found.engine, found.reason) == (engine, "each fold is a piece of work, as parallel_config asks")
    with parallel_config(n_jobs=1):
        serial = cross_validate(pipeline, X, Y, cv=3, sample_weight=WEIGHT, vectorize=False)
    assert serial.engine == "in turn"
    columns = ["train", "valid", "train_rows", "valid_rows", "features"]
    pd.testing.assert_frame_equal(found.scores[columns], serial.scores[columns], rtol=1e-6)
    np.testing.assert_allclose(found.predictions, serial.predictions, rtol=1e-5)
    for ours, theirs in zip(found.histories, serial.histories, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)


def test_folds_that_workers_finished_before_a_kill_are_kept(engine, monkeypatch, tmp_path):
    keep, kept = resume.Folder.keep, []

    def keep_and_stop(self, outcomes):
        keep(self, outcomes)
        kept.extend(outcomes)
        if len(kept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume.Folder, "keep", keep_and_stop)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(Ridge(), X, Y, cv=4, resume=tmp_path)
    found = cross_validate(Ridge(), X, Y, cv=4, resume=tmp_path)
    assert sorted(kept) == [(0, number) for number in range(4)]
    assert found.engine == engine
    with parallel_config(n_jobs=1):
        serial = cross_validate(Ridge(), X, Y, cv=4)
        with pytest.raises(ValueError, match="holds a call with other vectorize or engine"):
            cross_validate(Ridge(), X, Y, cv=4, resume=tmp_path)
    pd.testing.assert_frame_equal(
        found.scores.drop(columns="seconds"), serial.scores.drop(columns="seconds"), check_exact=True
    )


def test_a_grid_is_searched_by_workers_and_a_setting_that_diverges_ranks_last(engine):
    labels = np.where(Y > 0, "high", "low")
    estimator = KerasClassifier(
        models.mlp, epochs=2, batch_size=8, optimizer="sgd", random_state=0, loss=None, build__hidden=()
    )
    grid = {"learning_rate": [0.1, 0.01], "build__l2": [0.0, 1e30]}
    found = grid_search(estimator, X, labels, grid, cv=2, scoring="neg_log_loss")
    assert found.engine == engine
    with parallel_config(n_jobs=1):
        serial = grid_search(estimator, X, labels, grid, cv=2, scoring="neg_log_loss", vectorize=False)
    pd.testing.assert_frame_equal(found.table, serial.table, rtol=1e-5)
    assert found.best_params == serial.best_params
    assert found.table.valid.isna().any()


def test_a_worker_that_dies_names_its_fold_and_the_others_are_kept(engine, killer, monkeypatch):
    with pytest.raises(FoldsLost, match=r"died with fold 1, twice: .*The other 3 of 4 folds") as lost:
        cross_validate(Ridge(), X, Y, cv=4, scoring=killer)
    monkeypatch.setenv("KERASDL_TEST", "here")
    with parallel_config(n_jobs=1):
        serial = cross_validate(Ridge(), X, Y, cv=4, scoring=killer)
    assert lost.value.scores.fold.tolist() == [2, 3, 4]
    np.testing.assert_allclose(lost.value.scores.valid, serial.scores.valid[1:])


def test_a_worker_has_the_backend_and_its_share_of_the_threads(engine):
    def build(features):
        told = [os.environ.get(name) for name in (worker.THREADS[0], *worker.KERAS_THREADS)]
        raise LookupError(f"{keras.backend.backend()}, {told}, {os.getpid()}")

    with pytest.raises(LookupError) as told:
        cross_validate(KerasRegressor(build), X, Y, cv=2)
    assert str(told.value).startswith(f"{keras.backend.backend()}, ['1', '1', '1', '1']")
    assert not str(told.value).endswith(f" {os.getpid()}")
    assert told.value.__notes__[0].startswith("in fold ")
    assert told.value.__notes__[0].endswith(f", on a worker of {engine}")


def test_what_cannot_be_sent_is_said_before_anything_runs():
    lock = threading.Lock()

    def build(features):
        with lock:
            return models.linear(features)

    with parallel_config("loky", n_jobs=2), pytest.raises(TypeError, match=r"cannot be sent.*lock"):
        cross_validate(KerasRegressor(build), X, Y, cv=2)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("multiprocessing", "hang in a fork: use parallel_config"), ("threading", "depend on their timing")],
)
def test_engines_that_would_hang_or_gamble_are_refused(name, reason):
    with parallel_config(name, n_jobs=2), pytest.raises(ValueError, match=f"{name}.*{reason}"):
        cross_validate(Ridge(), X, Y, cv=2)


def test_an_engine_of_somebody_else_and_one_model_for_all_folds_are_refused():
    class Other(joblib.parallel.ParallelBackendBase):
        def effective_n_jobs(self, n_jobs):
            return 2

    with parallel_config(Other()), pytest.raises(ValueError, match=r"'Other' is not known here: use 'loky'"):
        cross_validate(Ridge(), X, Y, cv=2)
    with (
        parallel_config("loky", n_jobs=2),
        pytest.raises(ValueError, match=r"vectorize=True trains.*loky's workers: leave one"),
    ):
        cross_validate(regressor(), X, Y, cv=2, vectorize=True)


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_an_engine_that_is_not_installed_gives_its_command(name, monkeypatch):
    monkeypatch.setattr(joblib.parallel, "BACKENDS", dict(joblib.parallel.BACKENDS))
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    kinds.register()
    with pytest.raises(ModuleNotFoundError, match=re.escape(files.pip_install(name))):
        parallel_config(name)


def test_without_a_context_or_with_one_job_or_inside_a_worker_nothing_changes():
    assert engines.active() is None
    with parallel_config("loky", n_jobs=1):
        assert engines.active() is None
    with parallel_config("loky", n_jobs=2):
        assert joblib.Parallel()([joblib.delayed(engines.active)()] * 2) == [None, None]
        assert engines.active().limit == 2
    with parallel_config("loky"):  # joblib itself would take one worker
        assert engines.active().limit == joblib.cpu_count()
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=3):
        assert engines.active().environment["NPROC"] == "3"


class Pretended(engines.Engine):
    """Workers that run here; one that is given a 13 is lost, and takes what others were given along."""

    name, limit, lost = "pretended", 2, (BrokenPipeError,)

    def __init__(self):
        self.sent, self.flying = [], []

    def share(self, content):
        return content

    def submit(self, function, *arguments):
        self.sent.append(arguments[-1])
        future = Future()
        self.flying.append((future, function, arguments))
        if len(self.flying) == 2 or arguments[-1] == 13 or len(self.sent) >= 5:
            lost = any(arguments[-1] == 13 for _, _, arguments in self.flying)
            for future, function, arguments in self.flying:
                if lost:
                    future.set_exception(BrokenPipeError("gone"))
                else:
                    future.set_result(function(*arguments))
            self.flying = []
        return self.flying[-1][0] if self.flying else future


def halver():
    return lambda number: number / 2


def test_what_was_lost_with_a_worker_runs_once_more_alone():
    engine = Pretended()
    calls = [(4,), (13,), (6,), (8,)]
    outcomes = engines.run(engine, (halver, ()), calls, "halves")
    found = {place: (result, type(error)) for place, result, error in outcomes}
    kept = {0: (2, type(None)), 2: (3, type(None)), 3: (4, type(None))}
    assert found == kept | {1: (None, engines.WorkerLost)}
    assert engine.sent == [4, 13, 6, 8, 4, 13]


def test_a_bar_counts_the_folds_that_have_finished(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the output for a terminal
    places = [place for place, _, _ in engines.run(Pretended(), (halver, ()), [(2,), (4,)], "folds")]
    assert places == [0, 1]
    said = capsys.readouterr().err
    assert "folds on pretended" in said
    assert "2/2" in said


def idling(folder):
    """Return a builder that tells its process by a file in the folder, and then keeps it busy for minutes."""

    def build(features):
        (folder / str(os.getpid())).touch()
        end = time.monotonic() + 120
        while time.monotonic() < end:
            pass

    return build


@pytest.mark.once
def test_an_interrupt_stops_the_folds_on_a_cluster_that_stays(dask, tmp_path, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest-xdist lets none through
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def strike():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    blow = threading.Thread(target=strike)
    blow.start()
    with parallel_config("dask"), pytest.raises(KeyboardInterrupt):
        cross_validate(KerasRegressor(idling(tmp_path)), X, Y, cv=4)
    blow.join()
    both = [dask.submit(os.getpid, workers=[one], pure=False) for one in dask.scheduler_info()["workers"]]
    assert sorted(dask.gather(both)) == sorted(int(path.name) for path in tmp_path.iterdir())


LONG = """
import contextlib, os, sys, time
import joblib
import numpy as np
from kerasdl import models, selection
from kerasdl.estimators import KerasRegressor

def build(features):
    open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
    end = time.monotonic() + 120
    while time.monotonic() < end:  # at full load, deaf to signals that Python would have to handle
        pass
    return models.linear(features)

if __name__ == "__main__":
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)
    X, engine = np.zeros((20, 2)), sys.argv[2]
    with contextlib.ExitStack() as stack:
        if engine == "dask":
            from distributed import Client, LocalCluster

            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
            stack.enter_context(cluster)
            stack.enter_context(Client(cluster))
        stack.enter_context(joblib.parallel_config(engine, **({"n_jobs": 2} if engine == "loky" else {})))
        selection.cross_validate(KerasRegressor(build, epochs=1), X, X[:, 0], vectorize=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("engine", ["loky", "dask"])
def test_workers_at_full_load_end_with_their_parent_and_leave_no_data(tmp_path, engine, number):
    if engine == "dask":
        pytest.importorskip("distributed", reason="needs pip install 'kerasdl[dask]'")
    script, pids, shared = tmp_path / "long.py", tmp_path / "pids", tmp_path / "tmp"
    script.write_text(LONG)
    shared.mkdir()
    environment = {**os.environ, "TMPDIR": str(shared), "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, str(script), str(pids), engine],
        env=environment,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    while not pids.exists() or len(set(pids.read_text().split())) < 2:
        assert parent.poll() is None
        time.sleep(0.1)
    assert bool(list(shared.glob("kerasdl-*"))) == (engine == "loky")  # Dask's workers hold it in memory
    parent.send_signal(getattr(signal, number))
    parent.wait(60)
    deadline = time.monotonic() + 30

    def there():
        running = [pid for pid in set(pids.read_text().split()) if os.path.isdir(f"/proc/{pid}")]
        return running or list(shared.glob("kerasdl-*"))

    while there():
        assert time.monotonic() < deadline, there()
        time.sleep(0.1)

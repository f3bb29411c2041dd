"""A fit with checkpoints, struck again and again: it always goes on, and ends as one that was not."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
from blows import under_blows

import kerasdl
from kerasdl import layers, training

pytestmark = pytest.mark.slow

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 6)).astype("float32")
Y = X[:, :1] ** 2
EPOCHS = 12


def fit(folder=None, epochs=EPOCHS):
    kerasdl.set_seed(3)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu"), layers.Dropout(0.3), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    kept = folder and training.Checkpoints(folder, epochs=1)
    history = training.fit(model, X, Y, epochs=epochs, batch_size=10, resume=kept)
    return [value.tobytes() for _, value in training.snapshot(model)], history


def same(found, expected):
    return found[0] == expected[0] and found[1].equals(expected[1])


@pytest.mark.parametrize("kind", ["kill", "full disk"])
def test_forty_blows_between_any_two_operations_on_files(tmp_path, kind):
    counts, whole = Counter(), fit()
    for found, folder in under_blows(fit, kind, 40, 20, tmp_path):
        counts["other"] += not same(found, whole)
        counts["litter"] += len(list(folder.glob(".*")))
    print(dict(counts))
    assert (counts["other"], counts["litter"]) == (0, 0)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_process_killed_at_random_moments(tmp_path):
    chance, counts, epochs = random.Random(1), Counter(), 400
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    code = (
        "import sys, test_campaign\nprint('ready', flush=True)\n"
        f"test_campaign.fit({str(tmp_path / 'run')!r}, {epochs})\nprint('ended')"
    )
    ended = False
    while not ended:
        process = subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning:kerasdl", "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        if counts["kills"] < 10:
            before = len(list(tmp_path.glob("run/*")))
            time.sleep(chance.uniform(0, 2) + 2 * (before == 0))
            process.kill()
        said, errors = process.communicate(timeout=300)
        counts["unanswered"] += "Traceback" in errors
        ended = "ended" in said
        counts["kills"] += not ended
    counts["other"] += not same(fit(tmp_path / "run", epochs), fit(epochs=epochs))
    print(dict(counts))
    assert (counts["unanswered"], counts["other"]) == (0, 0)

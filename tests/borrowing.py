"""What the tests of what is borrowed share: a small model, a feed, a Python of its own, a backend's mark."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()


def on(*backends):
    return pytest.mark.skipif(BACKEND not in backends, reason=f"concerns {' and '.join(backends)}")


def compiled(layer=None, **arguments):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, (layer or keras.layers.Dense(1))(inputs))
    model.compile("sgd", "mse", **arguments)
    return model


class Feed(keras.utils.PyDataset):
    """Two batches of ones."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.ones((2, 3)), np.ones((2, 1))


def in_a_new_python(script, **environment):
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()

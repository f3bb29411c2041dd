"""A builder and the model written out: equal, edited, or of another kind."""

import keras
import numpy as np
import pytest

from kerasdl import course, models

pytestmark = pytest.mark.usefixtures("capsys")


class Notes:
    def __init__(self):
        self.found = {}

    def exact(self, name, measured, *, within):
        self.found[name] = measured <= within


def written_out(units=8, activation="tanh"):
    return keras.Sequential(
        [
            keras.Input((None, 2)),
            keras.layers.SimpleRNN(units, activation=activation),
            keras.layers.Dense(1),
        ]
    )


@pytest.fixture(scope="module")
def builder():
    return models.many_to_one(2, cell="rnn", units=8)


x = np.random.default_rng(0).normal(size=(3, 5, 2))


def test_equal_models_agree_and_the_summary_is_shown(builder, capsys):
    notes = Notes()
    course.agree(notes, builder, written_out(), x)
    assert notes.found == {"many_to_one: builder against Keras's own layers": True}
    assert "SimpleRNN" in capsys.readouterr().out


def test_the_same_weights_in_another_function_do_not(builder):
    notes = Notes()
    course.agree(notes, builder, written_out(activation="relu"), x, name="edited")
    assert notes.found == {"edited: builder against Keras's own layers": False}


def test_a_network_of_other_weights_is_shown_and_not_compared(builder, capsys):
    notes = Notes()
    course.agree(notes, builder, written_out(units=4), x)
    assert not notes.found
    assert "not compared" in capsys.readouterr().out

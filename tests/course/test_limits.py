"""What settings may be: each setting of the course has limits; what lies beyond is answered in one line."""

import math

import pytest

from kerasdl import models
from kerasdl.course import limits, request, syllabus

SCRIPTS = {script.name: script for script in syllabus.scripts()}
SETTINGS = [(script.name, setting) for script in SCRIPTS.values() for setting in script.settings]
FREE = {("encoder_decoder", "pairs")}  # any file's name


@pytest.mark.parametrize(("chapter", "setting"), SETTINGS)
def test_a_chapters_own_values_lie_within_its_limits(chapter, setting):
    script = SCRIPTS[chapter]
    default = script.settings[setting]
    for value in (default, script.fast.get(setting, default)):
        assert limits.hold(chapter, setting, value, default) == value


@pytest.mark.parametrize(("chapter", "setting"), SETTINGS)
def test_every_number_and_every_word_can_be_wrong(chapter, setting):
    default = SCRIPTS[chapter].settings[setting]
    entry = default[0] if isinstance(default, tuple) else default
    wrong = "elman" if isinstance(entry, str) else math.inf if isinstance(entry, float) else -1
    if isinstance(entry, bool) or (chapter, setting) in FREE:
        return
    with pytest.raises(ValueError, match=rf"^{setting}=.*(known: |give )") as raised:
        limits.hold(chapter, setting, (wrong,) if isinstance(default, tuple) else wrong, default)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("chapter", "word", "answer"),
    [
        ("gated_cells", "cells=elman", "cells='elman' is not known; known: rnn, mgu, gru, lstm, peephole"),
        ("gated_cells", "cells=", "cells=(): give 1 or more, as in cells=rnn,mgu,gru,lstm,peephole; known: "),
        ("language_model", "cells=deep elman", "cells='deep elman' is not known; known: rnn, "),
        ("language_model", "optimizer=adamw", "optimizer='adamw' is not known; known: adam, sgd"),
        ("polynomial_fit", "sizes=()", "sizes=(): give 1 or more, as in sizes=2,3,4,5,6,8,10,20,50,100"),
        ("polynomial_fit", "sizes=0,3", "sizes=(0, 3): give each a whole number of at least 1"),
        ("polynomial_fit", "noise=-1", "noise=-1.0: give a finite number of at least 0"),
        ("polynomial_fit", "learning_rate=0", "learning_rate=0.0: give a finite number above 0"),
        ("polynomial_fit", "noise=1e999", "noise=inf: give a finite number of at least 0"),
        ("optimizers", "start=1", "start=(1.0,): give 2, as in start=-7.0,2.0"),
        ("model_selection", "candidates=7", "candidates=7: give a whole number from 1 to 6"),
        ("dropout", "mislabelled=1.5", "mislabelled=1.5: give a finite number from 0 to 1"),
    ],
)
def test_what_lies_beyond_is_answered_with_what_is_known(chapter, word, answer):
    settings = SCRIPTS[chapter].settings
    with pytest.raises(request.Refused) as raised:
        request.overrides([word], settings, chapter)
    assert str(raised.value).startswith(answer)
    # In a copy a reader may have added what the chapter does not know.
    assert request.overrides([word], settings)


def test_no_limit_is_left_over():
    names = {setting for _, setting in SETTINGS}
    assert limits.BY_NAME.keys() <= names
    assert limits.BY_CHAPTER.keys() <= set(SETTINGS)


def test_every_cell_is_known():
    assert set(limits.CELLS) == set(models.recurrent.CELLS)

"""Does the guide to recurrent layers run as it stands, and say what is so?"""

import re

import keras
from places import CHECKOUT

from kerasdl import layers

GUIDE = (CHECKOUT / "docs" / "recurrent.md").read_text(encoding="utf-8")


def test_the_guide_runs_and_its_models_are_what_it_says():
    ran: dict = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)):
        exec(compile(block, f"docs/recurrent.md, block {number}", "exec"), ran)
    assert ran["apart"] < 1e-6
    assert ran["same"] < 1e-6
    assert type(ran["fast"].layers[0]) is layers.GRU
    assert type(ran["plain"].layers[0]) is keras.layers.GRU
    assert ran["model"](ran["x"]).shape == (4, 1)


def test_every_name_that_the_guide_mentions_is_there():
    for name in re.findall(r"`(?:layers\.)?([A-Z][A-Za-z]+|accelerate|standard)`", GUIDE):
        assert hasattr(layers, name) or hasattr(keras.layers, name), name

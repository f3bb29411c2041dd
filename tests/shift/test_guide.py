"""Does the guide run as it stands, and say what is so?"""

import re

import matplotlib.pyplot as plt
import pytest
from places import CHECKOUT

GUIDE = (CHECKOUT / "docs" / "shift.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran():
    """The names that the guide's blocks leave behind, run one after another."""
    names: dict = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)):
        exec(compile(block, f"docs/shift.md, block {number}", "exec"), names)
    plt.close("all")
    return names


def test_the_guide_runs_and_finds_what_it_was_given(ran):
    assert ran["found"].is_shift
    assert {"size", "wall", "garage"} <= set(ran["found"].moved)
    assert "sold" not in ran["found"].moved
    assert 0 <= ran["tau"] <= 1
    assert ran["em"].interval_[0, 0] < 0.7 < ran["em"].interval_[0, 1]
    low, high = ran["prices"].interval_
    assert low < ran["y_now"].mean() < high
    assert ran["monitor"].history_["is_alarm"].tolist()[:3] == [False] * 3
    assert ran["state"].is_alarm


def test_every_name_that_the_guide_mentions_is_there():
    from kerasdl import shift

    for name in re.findall(r"`(?:shift\.)?([A-Z][A-Za-z]+)(?:\(|`)", GUIDE):
        assert hasattr(shift, name), name

"""Controls: one for each setting of each chapter, whose every value the command line takes."""

import re
from dataclasses import replace

import pytest

from kerasdl.course import Refused, request, syllabus
from kerasdl.course.play import controls

CHAPTERS = {script.name: script for script in syllabus.scripts()}
EVERY = [
    pytest.param(script, fast, id=f"{script.name}-{'fast' if fast else 'full'}")
    for script in CHAPTERS.values()
    for fast in (True, False)
]
KINDS = {bool: "switch", str: "text", tuple: "text", int: "slider", float: "slider"}


@pytest.mark.parametrize(("script", "fast"), EVERY)
def test_every_setting_has_a_control_at_its_value(script, fast):
    declared = {**script.settings, **(script.fast if fast else {})}
    assert {control.name: control.value for control in controls.of(script, fast)} == declared
    assert controls.words(script, fast, declared) == (["--fast"] if fast else [])


@pytest.mark.parametrize(("script", "fast"), EVERY)
def test_what_a_control_gives_is_what_the_command_line_reads(script, fast):
    for control in controls.of(script, fast):
        assert control.kind == ("choice" if control.choices else KINDS[type(control.value)])
        values = [control.value]
        if control.kind == "slider":
            values += [control.at(place) for place in range(control.stops + 1)]
        for value in values:
            assert type(value) is type(control.value)
            word = controls.word(control.name, value)
            assert request.overrides([word], script.settings) == {control.name: value}
            assert controls.read(script, control.name, word.partition("=")[2]) == value


@pytest.mark.parametrize(("script", "fast"), EVERY)
def test_a_slider_rises_from_end_to_end_and_comes_back_to_where_it_started(script, fast):
    for control in controls.of(script, fast):
        if control.kind != "slider":
            continue
        values = [control.at(place) for place in range(control.stops + 1)]
        assert values == sorted(values)
        assert len(set(values)) > min(4, control.stops)
        assert control.at(control.place(control.value)) == control.value
        assert control.low <= values[0] <= control.value <= values[-1] <= control.high
        if isinstance(control.value, int) and control.value > 0 and control.name != "seed":
            assert values[0] >= 1


def with_settings(exercises=(), **settings):
    """The controls of a chapter with settings of our own."""
    script = replace(CHAPTERS["polynomial_fit"], settings=settings, fast={}, exercises=list(exercises))
    return {control.name: control for control in controls.of(script)}


def test_ranges_have_the_size_of_the_value():
    found = with_settings(rate=0.02, epochs=100, layers=2, seed=0, strength=0.0, bias=-3.0, shuffle=True)
    assert [found["rate"].at(place) for place in (0, 20, 40)] == [0.002, 0.02, 0.2]
    assert [found["epochs"].at(place) for place in (0, 10, 20, 30, 40)] == [10, 32, 100, 320, 1000]
    assert [found["layers"].at(place) for place in range(found["layers"].stops + 1)] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
    ]
    assert (found["seed"].low, found["seed"].high, found["seed"].log) == (0, 99, False)
    assert [found["strength"].at(place) for place in (0, 20, 40)] == [0, 0.5, 1]
    assert (found["bias"].low, found["bias"].high) == (-30, 30)
    assert found["shuffle"].kind == "switch"


def test_ranges_keep_the_limits_and_reach_what_the_exercises_try():
    tries = ["`--set noise=1.0` and `--set degrees=30`: what then?", "`--set rate=0.0001`"]
    found = with_settings(
        tries, noise=0.01, degrees=12, rate=0.1, dropout=0.2, candidates=6, cell="gru", cells=("gru",)
    )
    assert (found["noise"].low, found["noise"].high, found["noise"].at(40)) == (0.001, 1.0, 1.0)
    assert (found["degrees"].low, found["degrees"].high) == (1, 30)
    assert (found["rate"].low, found["rate"].high) == (0.0001, 1.0)
    assert [found["dropout"].at(place) for place in (0, 20, 40)] == [0, 0.5, 1]
    assert (found["candidates"].low, found["candidates"].high) == (1, 6)
    assert (found["cell"].kind, found["cell"].choices) == (
        "choice",
        ("rnn", "mgu", "gru", "lstm", "peephole"),
    )
    assert (found["cells"].kind, found["cells"].hint) == (
        "text",
        "",
    )  # any words, in a chapter that has no limit


@pytest.mark.parametrize(("script", "fast"), EVERY)
def test_no_place_of_a_slider_is_beyond_the_limits_and_each_exercise_is_in_reach(script, fast):
    for control in controls.of(script, fast):
        if control.kind == "slider":
            for place in range(control.stops + 1):
                controls.read(script, control.name, str(control.at(place)))
            for word in re.findall(rf"--set {control.name}=([-+.e\d]+)", " ".join(script.exercises)):
                assert control.low <= float(word) <= control.high, (control.name, word)


def test_what_stands_beside_a_setting_is_its_hint():
    found = {control.name: control.hint for control in controls.of(CHAPTERS["weight_decay"])}
    assert found["noise"] == "standard deviation of the noise on y"
    assert found["epochs"] == ""


def test_the_command_names_what_was_changed_and_can_be_typed():
    script = CHAPTERS["optimizers"]
    values = {control.name: control.value for control in controls.of(script)}
    values |= {"start": (-1.0, 2.0), "hidden": (64, 32)}
    assert (
        controls.command(script, True, values)
        == "kerasdl run optimizers --fast --set start=-1.0,2.0 hidden=64,32"
    )


@pytest.mark.parametrize("text", ["", "many", "1.5", "(1, 2)", "1; 2", "--fast"])
def test_what_is_not_of_the_kind_is_refused_in_a_line(text):
    with pytest.raises(Refused, match=r"^epochs=.* is not of the same kind as its default: epochs=100$"):
        controls.read(CHAPTERS["polynomial_fit"], "epochs", text)

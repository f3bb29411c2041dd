"""The net under the recurrent cells: every cell on the list, on the backend that runs, against two oracles.

Keras's own loop over the same Keras cell, and the cell by hand in float64 (:mod:`kerasdl.scratch`):
outputs, final states and every gradient, with Keras's loop out of reach while ours runs. Two functions look
for faults, so that planted ones show that they are found.
"""

import itertools
import pkgutil

import keras
import numpy as np
import pytest
from oracles import BY_HAND, close, drawn, draws, recurrence

from kerasdl import layers
from kerasdl.layers import cells
from kerasdl.layers.cells.base import ACTIVATIONS, REGISTRY, Operations, register

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]],
}
FORMS = [
    pytest.param(
        name, dict(zip(entry.arithmetic.options, values, strict=True)), id=" ".join(map(str, (name, *values)))
    )
    for name, entry in REGISTRY.items()
    for values in itertools.product(*entry.arithmetic.options.values())
] + [pytest.param("rnn", {"activation": name}, id=f"rnn {name}") for name in ("relu", "linear")]


def faults(name, options, mask, use_bias=True, beside_keras=True):
    """Return what is wrong with a cell: each result and gradient that differs from an oracle's, by name."""
    entry = REGISTRY[name]
    arguments = {"return_sequences": True, "return_state": True}
    ours = entry.layer(UNITS, **options, use_bias=use_bias, **arguments)
    stock = keras.layers.RNN(entry.cell(UNITS, **options, use_bias=use_bias), **arguments)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    states = [rng.normal(size=(BATCH, UNITS)).astype("float32") for _ in stock.state_size]
    for layer in (ours, stock):
        layer.build(x.shape)
    weights = drawn(ours)
    given = ["x", *(f"state {n}" for n in range(len(states))), *(w.name for w in ours.weights)]
    names = ["outputs", *given[1 : 1 + len(states)], *(f"gradient of {g}" for g in given)]

    def different(found, expected, oracle):
        return [
            f"{one} differs from {oracle}"
            for one, a, b in zip(names, [*found[0], *found[1]], [*expected[0], *expected[1]], strict=True)
            if not close(a, b, 1e-5)
        ]

    wrong = []
    expected = recurrence(stock, x, states, MASKS[mask], weights) if beside_keras else None
    try:
        with keras_loop_refused():
            found = recurrence(ours, x, states, MASKS[mask], weights)
    except KerasLoopRan:
        return ["Keras's own loop ran"]
    if beside_keras:
        wrong += different(found, expected, "Keras's loop")
    if "activation" not in options:  # by hand there are tanh and sigmoid
        hand = by_hand(hand_cell(entry, options, weights, use_bias), x, states, MASKS[mask], use_bias)
        wrong += different(found, hand, "the cell by hand")
    return wrong


def hand_cell(entry, options, weights, use_bias):
    """Return the cell by hand with these weights; where they hold no bias, with one of zeros."""
    own = dict(zip((w for w in entry.arithmetic.weights if use_bias or w != "bias"), weights, strict=True))
    if not use_bias:
        biased = entry.layer(UNITS, **options)
        biased.build((BATCH, TIME, FEATURES))
        own["bias"] = np.zeros(next(w.shape for w in biased.weights if w.name == "bias"))
    return BY_HAND[entry.name](**own, **options)


def by_hand(cell, x, states, mask, use_bias):
    """What ``recurrence`` returns, from a layer of kerasdl.scratch."""
    mask = np.ones(x.shape[:2], bool) if mask is None else np.array(mask, bool)
    # Before a row's first step that counts, Keras's output is zero; by hand, and on JAX, the initial state.
    started = np.maximum.accumulate(mask, axis=1)[..., None] | (keras.backend.backend() == "jax")
    outputs = cell.forward(x, mask, tuple(states)) * started
    values = [outputs, *cell.final_state]
    to_outputs, *to_states = draws([v.shape for v in values])
    slopes = [cell.backward(to_outputs * started, tuple(to_states)), *cell.initial_gradient]
    return values, [
        *slopes,
        *(cell.gradients[name] for name in cell.parameters if use_bias or name != "bias"),
    ]


class KerasLoopRan(Exception):
    pass


def keras_loop_refused():
    """Return a context in which Keras's own loop over time raises."""
    patch = pytest.MonkeyPatch.context()
    context = patch.__enter__()

    def refuse(*_, **__):
        raise KerasLoopRan

    for kind in (keras.layers.RNN, keras.layers.GRU, keras.layers.LSTM):
        context.setattr(kind, "inner_loop", refuse)

    class Refused:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return patch.__exit__(*error)

    return Refused()


def unlisted():
    """Return what is shown and not on the list of cells, or the other way, and files of cells/ it lacks."""
    listed = {entry.layer for entry in REGISTRY.values()}
    own = listed | {entry.cell for entry in REGISTRY.values() if entry.cell.__module__.startswith("kerasdl")}
    shown = [one for name in layers.__all__ if isinstance(one := getattr(layers, name), type)]
    found = [kind.__name__ for kind in shown if issubclass(kind, keras.layers.RNN) and kind not in listed]
    found += sorted(kind.__name__ for kind in own - set(shown))
    homes = {kind.__module__.rpartition(".")[2] for kind in listed}
    files = {module.name for module in pkgutil.iter_modules(cells.__path__)} - {"base", "own"}
    return found + sorted(f"cells/{name}.py" for name in files - homes)


@pytest.mark.parametrize(
    ("mask", "use_bias"), [("none", True), ("left", True), ("holes", True), ("right", False)]
)
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_a_cell_computes_what_keras_and_the_cell_by_hand_do(name, options, mask, use_bias):
    assert faults(name, options, mask, use_bias) == []


def test_every_recurrent_layer_and_every_file_of_cells_is_on_the_list():
    assert unlisted() == []
    assert REGISTRY.keys() == BY_HAND.keys()


@pytest.mark.parametrize("name", ["MGU", "MGUCell", "PeepholeLSTMCell", "GRU"])
def test_a_cell_that_is_not_shown_is_found(name, monkeypatch):
    monkeypatch.setattr(layers, "__all__", [one for one in layers.__all__ if one != name])
    assert unlisted() == [name]


@pytest.mark.parametrize("form", [form.values for form in FORMS if "activation" in form.values[1]], ids=str)
def test_a_planted_wrong_gradient_of_an_activation_is_found(form, monkeypatch):
    name, options = form
    entry = REGISTRY[name]
    wrong = type("Wrong", (entry.arithmetic,), {})
    # On the arithmetic, not on the backend's operations: what those compiled is kept.
    wrong.act_back = lambda self, *arguments: 1.5 * entry.arithmetic.act_back(self, *arguments)
    monkeypatch.setitem(REGISTRY, name, entry._replace(arithmetic=wrong))
    assert "gradient of x differs from Keras's loop" in faults(name, options, "holes")


def test_every_activation_has_a_form():
    defaults = {"tanh", "sigmoid"}
    assert set(ACTIVATIONS) - defaults == {form.values[1].get("activation") for form in FORMS} - {None}


@pytest.mark.parametrize(("mask", "use_bias"), [("holes", True), ("right", False)])
@pytest.mark.parametrize("name", REGISTRY)
def test_a_planted_wrong_gradient_is_found(name, mask, use_bias, monkeypatch):
    entry = REGISTRY[name]
    wrong = type("Wrong", (entry.arithmetic,), {})

    def back(self, *arguments):
        slopes, old = entry.arithmetic.back(self, *arguments)
        return slopes, (1.01 * old[0], *old[1:])

    wrong.back = back
    monkeypatch.setitem(REGISTRY, name, entry._replace(arithmetic=wrong))
    options = {option: values[0] for option, values in wrong.options.items()}
    found = faults(name, options, mask, use_bias=use_bias, beside_keras=False)
    assert "gradient of x differs from the cell by hand" in found


@pytest.mark.parametrize("name", ["gru", "peephole"])
def test_a_planted_wrong_gradient_of_a_weight_is_found(name, monkeypatch):
    entry = REGISTRY[name]
    wrong = type("Wrong", (entry.arithmetic,), {})
    last = entry.arithmetic.weights[-1]

    def gradients(self, *arguments):
        found = entry.arithmetic.gradients(self, *arguments)
        return {**found, last: 1.01 * found[last]}

    wrong.gradients = gradients
    monkeypatch.setitem(REGISTRY, name, entry._replace(arithmetic=wrong))
    options = {option: values[0] for option, values in wrong.options.items()}
    assert faults(name, options, "holes") == [
        f"gradient of {last} differs from {oracle}" for oracle in ("Keras's loop", "the cell by hand")
    ]


@pytest.mark.parametrize("name", REGISTRY)
def test_a_removed_registration_is_found(name, monkeypatch):
    entry = REGISTRY[name]
    monkeypatch.delitem(REGISTRY, name)
    home = entry.layer.__module__.rpartition(".")[2]
    assert unlisted() == [entry.layer.__name__, f"cells/{home}.py"]
    monkeypatch.setitem(REGISTRY, name, entry._replace(cell=keras.layers.Layer))
    with pytest.raises(KerasLoopRan), keras_loop_refused():
        entry.layer(UNITS)(np.zeros((BATCH, TIME, FEATURES), "float32"))


def test_a_cell_is_listed_once():
    entry = REGISTRY["gru"]
    assert len({one.cell for one in REGISTRY.values()}) == len(REGISTRY)
    with pytest.raises(ValueError, match="registered already"):
        register("again", cell=entry.cell, arithmetic=entry.arithmetic, layer=entry.layer)


def test_a_backend_that_lacks_an_operation_is_told_which():
    class Half(Operations):
        def tanh(self, z):
            return z

    with pytest.raises(TypeError, match=r"abstract methods.*\bouter\b.*\bsigmoid\b"):
        Half()

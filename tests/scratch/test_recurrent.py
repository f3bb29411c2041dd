import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdl.scratch import (
    GRU,
    LSTM,
    MGU,
    RNN,
    SGD,
    Affine,
    LastStep,
    Layer,
    MeanSquaredError,
    Network,
    OutputRNN,
    PeepholeLSTM,
    gradient_check,
    numerical_gradient,
)

FEATURES, UNITS = 3, 4


def cells():
    """One layer of each kind, every weight random (so that no bias or peephole is zero)."""
    rng = np.random.default_rng(0)
    kinds = {
        "rnn": RNN.random(FEATURES, UNITS, rng),
        "output": OutputRNN.random(FEATURES, 5, UNITS, rng),
        "gru": GRU.random(FEATURES, UNITS, rng),
        "gru, reset before": GRU.random(FEATURES, UNITS, rng, reset_after=False),
        "mgu": MGU.random(FEATURES, UNITS, rng),
        "lstm": LSTM.random(FEATURES, UNITS, rng),
        "peephole": PeepholeLSTM.random(FEATURES, UNITS, rng),
        "peephole, full": PeepholeLSTM.random(FEATURES, UNITS, rng, form="full"),
    }
    for layer in kinds.values():
        for array in layer.parameters.values():
            array[...] = rng.normal(size=array.shape)
    return kinds


# Rows: padded nowhere, on the right, on the left, with holes, everywhere.
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=bool)


class WithStates(Layer):
    """A recurrent layer whose initial states are inputs and whose final states are outputs."""

    def __init__(self, layer, mask=None):
        self.layer, self.mask = layer, mask

    parameters = property(lambda self: self.layer.parameters)
    gradients = property(lambda self: self.layer.gradients)

    def forward(self, x, *states):
        y = self.layer.forward(x, self.mask, states)
        return np.concatenate([y, np.stack(self.layer.final_state, axis=1)], axis=1)

    def backward(self, gradient):
        steps = gradient.shape[1] - self.layer.states
        last = tuple(gradient[:, steps + i] for i in range(self.layer.states))
        to_x = self.layer.backward(gradient[:, :steps], last)
        return to_x, *self.layer.initial_gradient


@pytest.mark.parametrize("kind", cells())
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "masked"])
def test_every_cell_passes_the_gradient_check_states_and_masks_included(kind, mask):
    rng, layer = np.random.default_rng(1), cells()[kind]
    states = rng.normal(size=(layer.states, 5, UNITS))
    report = gradient_check(WithStates(layer, mask), rng.normal(size=(5, 4, FEATURES)), *states)
    assert len(report.errors) == len(layer.parameters) + 1 + layer.states
    assert report.passed, str(report)


@given(batch=st.integers(1, 3), time=st.integers(1, 5), features=st.integers(1, 3), units=st.integers(1, 3))
@settings(max_examples=6, deadline=None)
def test_every_cell_passes_the_gradient_check_at_any_shape(batch, time, features, units):
    x = np.random.default_rng(0).normal(size=(batch, time, features))
    for layer in (
        RNN.random(features, units, 0),
        OutputRNN.random(features, 2, units, 0),
        GRU.random(features, units, 0),
        GRU.random(features, units, 0, reset_after=False),
        MGU.random(features, units, 0),
        LSTM.random(features, units, 0),
        PeepholeLSTM.random(features, units, 0),
        PeepholeLSTM.random(features, units, 0, form="full"),
    ):
        report = gradient_check(layer, x)
        assert report.passed, str(report)


# Forward passes, written out unit by unit


def σ(a):
    return 1 / (1 + math.exp(-a))


def row(vector, matrix, column):
    return sum(float(v) * float(m) for v, m in zip(vector, matrix[:, column], strict=True))


def test_the_minimal_gated_unit_unit_by_unit():
    layer = cells()["mgu"]
    kernel, recurrent, bias = layer.parameters.values()
    x = np.random.default_rng(2).normal(size=(1, 4, FEATURES))
    h, expected = [0.0] * UNITS, []
    for t in range(4):
        f = [σ(row(x[0, t], kernel, u) + row(h, recurrent, u) + bias[u]) for u in range(UNITS)]
        seen = [gate * past for gate, past in zip(f, h, strict=True)]
        new = [
            math.tanh(row(x[0, t], kernel, u) + row(seen, recurrent, u) + bias[u])
            for u in range(UNITS, 2 * UNITS)
        ]
        h = [(1 - gate) * past + gate * n for gate, past, n in zip(f, h, new, strict=True)]
        expected.append(h)
    assert layer.forward(x)[0] == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize("form", ["per_unit", "full"])
def test_peephole_equations_unit_by_unit(form):
    layer = cells()["peephole" if form == "per_unit" else "peephole, full"]
    kernel, recurrent, bias, peephole = layer.parameters.values()
    x = np.random.default_rng(2).normal(size=(1, 4, FEATURES))
    h, c, expected = [0.0] * UNITS, [0.0] * UNITS, []
    for t in range(4):
        past, h_next, c_next = list(c), [], []
        for u in range(UNITS):
            i, f, g, o = (
                row(x[0, t], kernel, u + k * UNITS) + row(h, recurrent, u + k * UNITS) + bias[u + k * UNITS]
                for k in range(4)
            )
            if form == "per_unit":
                i, f = i + peephole[0, u] * past[u], f + peephole[1, u] * past[u]
            else:
                i, f, o = (a + row(past, peephole, u + k * UNITS) for k, a in enumerate((i, f, o)))
            new = σ(f) * past[u] + σ(i) * math.tanh(g)
            o = o + peephole[2, u] * new if form == "per_unit" else o
            c_next.append(new)
            h_next.append(σ(o) * math.tanh(new))
        h, c = h_next, c_next
        expected.append(h)
    assert layer.forward(x)[0] == pytest.approx(np.array(expected), rel=1e-12)
    assert layer.final_state[1][0] == pytest.approx(np.array(c), rel=1e-12)


@pytest.mark.parametrize("form", ["per_unit", "full"])
def test_closed_peepholes_leave_an_lstm(form):
    x = np.random.default_rng(0).normal(size=(2, 6, FEATURES))
    plain, peephole = LSTM.random(FEATURES, UNITS, 3), PeepholeLSTM.random(FEATURES, UNITS, 3, form)
    assert peephole.forward(x) == pytest.approx(plain.forward(x), rel=1e-12)


def test_output_recurrence_step_by_step():
    layer = cells()["output"]
    w, u, b, v, c = layer.parameters.values()
    x, y, expected = np.random.default_rng(0).normal(size=(2, 5, FEATURES)), np.zeros((2, UNITS)), []
    for t in range(5):
        y = np.tanh(x[:, t] @ w + y @ u + b) @ v + c
        expected.append(y)
    assert layer.forward(x) == pytest.approx(np.stack(expected, axis=1), rel=1e-12)


def test_a_gru_with_the_update_gate_negated_is_the_other_convention():
    rng, units = np.random.default_rng(0), UNITS
    layer = cells()["gru, reset before"]
    w, u, b = (array.copy() for array in layer.parameters.values())
    for array in layer.parameters.values():
        array[..., :units] *= -1
    x, h = rng.normal(size=(1, 5, FEATURES)), np.zeros((1, units))
    for t in range(5):
        a = x[:, t] @ w + b
        z, r = np.split(1 / (1 + np.exp(-(a[:, : 2 * units] + h @ u[:, : 2 * units]))), 2, axis=1)
        candidate = np.tanh(a[:, 2 * units :] + (r * h) @ u[:, 2 * units :])
        h = (1 - z) * h + z * candidate
    layer.forward(x)
    assert layer.final_state[0] == pytest.approx(h, rel=1e-12)


# Masks and states


@pytest.mark.parametrize("kind", cells())
def test_masked_steps_are_as_if_they_were_not_there(kind):
    layer, rng = cells()[kind], np.random.default_rng(0)
    x, keep = rng.normal(size=(1, 6, FEATURES)), np.array([0, 1, 0, 1, 1, 0], dtype=bool)
    short = layer.forward(x[:, keep])
    final = layer.final_state
    x[:, ~keep] = np.nan
    long = layer.forward(x, keep[None])
    assert (long[:, keep] == short).all()
    assert (long[:, 5] == long[:, 4]).all()
    assert all((a == b).all() for a, b in zip(final, layer.final_state, strict=True))
    gradient = layer.backward(np.ones_like(long))
    assert (gradient[:, ~keep] == 0).all()
    assert all(np.isfinite(array).all() for array in layer.gradients.values())


@pytest.mark.parametrize("kind", cells())
def test_a_sequence_in_two_halves_with_the_state_handed_on_is_the_whole(kind):
    layer, x = cells()[kind], np.random.default_rng(0).normal(size=(2, 6, FEATURES))
    whole = layer.forward(x)
    first = layer.forward(x[:, :2])
    second = layer.forward(x[:, 2:], initial_state=layer.final_state)
    assert (np.concatenate([first, second], axis=1) == whole).all()


# Truncation


@pytest.mark.parametrize("kind", cells())
@pytest.mark.parametrize("k", [1, 3, 9])
def test_truncated_bptt_is_the_numerical_gradient_with_the_handed_on_states_frozen(kind, k):
    layer, rng = cells()[kind], np.random.default_rng(0)
    x, r = rng.normal(size=(2, 7, FEATURES)), rng.normal(size=(2, 7, UNITS))
    starts = range(0, 7, k)
    states = []
    for start in starts:
        layer.forward(x[:, :start]) if start else None
        states.append(layer.final_state if start else None)

    def blockwise(_):
        return sum(
            float(np.sum(r[:, s : s + k] * layer.forward(x[:, s : s + k], initial_state=state)))
            for s, state in zip(starts, states, strict=True)
        )

    layer.forward(x)
    to_x = layer.backward(r, truncate=k)
    for name, gradient in {**layer.gradients}.items():
        numerical = numerical_gradient(blockwise, layer.parameters[name])
        assert np.linalg.norm(gradient - numerical) <= 1e-7 * np.linalg.norm(numerical)
    numerical = numerical_gradient(blockwise, x)
    assert np.linalg.norm(to_x - numerical) <= 1e-7 * np.linalg.norm(numerical)


def test_truncation_at_or_beyond_the_length_is_the_full_gradient_and_below_it_is_not():
    layer, x = cells()["lstm"], np.random.default_rng(0).normal(size=(2, 6, FEATURES))
    ones = np.ones_like(layer.forward(x))
    full = layer.backward(ones)
    assert (layer.backward(ones, truncate=6) == full).all()
    assert (layer.backward(ones, truncate=60) == full).all()
    assert not np.allclose(layer.backward(ones, truncate=3), full)


def test_the_gradient_through_time_is_the_product_of_the_jacobians():
    # Around h = 0, tanh is the identity: 30 steps of a weight 0.2 or 5 leave its 30th power.
    for weight in (0.2, 5.0):
        layer = RNN([[1.0]], [[weight]], [0.0])
        layer.forward(np.zeros((1, 31, 1)))
        last = np.zeros((1, 31, 1))
        last[0, -1] = 1
        assert layer.backward(last)[0, 0, 0] == pytest.approx(weight**30, rel=1e-12)


# Teacher forcing


def test_a_teacher_takes_the_place_of_the_outputs_before():
    layer, rng = cells()["output"], np.random.default_rng(0)
    w, u, b, v, c = layer.parameters.values()
    x, teacher, first = (
        rng.normal(size=(2, 5, FEATURES)),
        rng.normal(size=(2, 5, UNITS)),
        rng.normal(size=(2, UNITS)),
    )
    y = layer.forward(x, initial_state=first, teacher=teacher)
    for t in range(5):
        told = teacher[:, t - 1] if t else first
        assert y[:, t] == pytest.approx(np.tanh(x[:, t] @ w + told @ u + b) @ v + c, rel=1e-12)
    assert (layer.final_state[0] == y[:, -1]).all()


def test_a_teacher_who_tells_the_network_its_own_outputs_changes_nothing():
    layer, x = cells()["output"], np.random.default_rng(0).normal(size=(2, 5, FEATURES))
    free = layer.forward(x)
    assert layer.forward(x, teacher=free) == pytest.approx(free, rel=1e-12)


def test_teacher_forcing_passes_the_gradient_check():
    rng = np.random.default_rng(0)

    class Forced(Layer):
        def __init__(self, layer, teacher):
            self.layer, self.teacher = layer, teacher

        parameters = property(lambda self: self.layer.parameters)
        gradients = property(lambda self: self.layer.gradients)

        def forward(self, x, first):
            y = self.layer.forward(x, initial_state=first, teacher=self.teacher)
            return np.concatenate([y, self.layer.final_state[0][:, None]], axis=1)

        def backward(self, gradient):
            to_x = self.layer.backward(gradient[:, :-1], gradient[:, -1])
            return to_x, *self.layer.initial_gradient

    layer = Forced(cells()["output"], rng.normal(size=(2, 4, UNITS)))
    report = gradient_check(layer, rng.normal(size=(2, 4, FEATURES)), rng.normal(size=(2, UNITS)))
    assert report.passed, str(report)


# In a network


def test_a_recurrent_network_passes_the_gradient_check_and_learns_to_echo():
    rng = np.random.default_rng(0)
    network = Network([RNN.random(1, 8, rng), LSTM.random(8, 4, rng), Affine.random(4, 2, rng)])
    bits = rng.integers(0, 2, size=(16, 6))
    x, echo = bits[..., None] * 2.0 - 1, np.roll(bits, 1, axis=1)
    echo[:, 0] = 0
    assert gradient_check(network, x[:3], echo[:3]).passed
    sgd = SGD(1.0)
    for _ in range(200):
        sgd.update(network.parameters, network.gradient(x, echo))
    assert network.accuracy(x, echo) == 1


def test_the_last_step_makes_many_to_one():
    rng = np.random.default_rng(0)
    network = Network([GRU.random(2, 3, rng), LastStep(), Affine.random(3, 1, rng)], MeanSquaredError())
    assert network.forward(rng.normal(size=(4, 5, 2))).shape == (4, 1)
    assert gradient_check(network, rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 1))).passed


# Bad input and extremes


def test_saturated_gates_raise_no_floating_point_alarm():
    x = np.array([[[1e4, -1e4, 1e4], [-1e4, 1e4, 0]]])
    with np.errstate(all="raise", under="ignore"):
        for layer in cells().values():
            y = layer.forward(x)
            assert np.isfinite(y).all()
            assert np.isfinite(layer.backward(np.ones_like(y))).all()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: RNN.random(3, 4).forward(np.ones((2, 0, 3))), r"x \(2, 0, 3\) is empty"),
        (lambda: RNN.random(3, 4).forward(np.ones((0, 5, 3))), r"x \(0, 5, 3\) is empty"),
        (lambda: RNN.random(3, 4).forward(np.ones((2, 3))), r"x \(2, 3\) has 2 axes: give 3"),
        (lambda: RNN.random(3, 4).forward(np.ones((2, 5, 2))), r"\(2, 5, 2\) .* \(batch, time, 3\)"),
        (lambda: RNN.random(3, 4).forward(np.ones((2, 5, 3)), np.ones((5, 2), bool)), r"mask \(5, 2\)"),
        (lambda: RNN.random(3, 4).forward(np.ones((2, 5, 3)), np.ones((2, 5))), "mask .* float64"),
        (
            lambda: RNN.random(3, 4).forward(np.ones((2, 5, 3)), None, np.ones((2, 3))),
            r"\(2, 3\): give 1 of \(2, 4\)",
        ),
        (lambda: LSTM.random(3, 4).forward(np.ones((2, 5, 3)), None, np.ones((2, 4))), r"give 2 of \(2, 4\)"),
        (lambda: RNN(np.ones((3, 4)), np.ones((4, 5)), np.ones(4)), r"recurrent_kernel \(4, 5\) .* \(4, 4\)"),
        (lambda: LSTM(np.ones((3, 4)), np.ones((4, 16)), np.ones(16)), r"kernel \(3, 4\) .* \(3, 16\)"),
        (lambda: GRU(np.ones((3, 12)), np.ones((4, 12)), np.ones(12)), r"bias \(12,\) .* \(2, 12\)"),
        (lambda: PeepholeLSTM.random(3, 4, form="fulll"), "did you mean 'full'"),
        (
            lambda: PeepholeLSTM(np.ones((3, 16)), np.ones((4, 16)), np.ones(16), np.ones(4)),
            r"\(4,\) .* \(3, 4\)",
        ),
        (
            lambda: OutputRNN.random(3, 4, 2).forward(np.ones((2, 5, 3)), teacher=np.ones((2, 4, 2))),
            r"teacher \(2, 4, 2\) .* \(2, 5, 3\): give \(2, 5, 2\)",
        ),
        (
            lambda: OutputRNN.random(3, 4, 2).forward(
                np.ones((2, 5, 3)), np.ones((2, 5), bool), teacher=np.ones((2, 5, 2))
            ),
            "mask and teacher cannot go together",
        ),
    ],
)
def test_bad_input_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_backward_refuses_a_gradient_of_another_shape_also_when_forced():
    layer = OutputRNN.random(3, 4, 2)
    with pytest.raises(RuntimeError, match="needs a forward pass first"):
        layer.backward(np.ones((2, 5, 2)))
    for teacher in (None, np.ones((2, 5, 2))):
        layer.forward(np.ones((2, 5, 3)), teacher=teacher)
        with pytest.raises(ValueError, match=r"gradient \(5, 2, 2\) does not fit the output \(2, 5, 2\)"):
            layer.backward(np.ones((5, 2, 2)))


def test_truncate_is_a_whole_number_of_steps():
    layer = RNN.random(3, 4)
    y = layer.forward(np.ones((2, 5, 3)))
    with pytest.raises(ValueError, match="truncate=0"):
        layer.backward(y, truncate=0)

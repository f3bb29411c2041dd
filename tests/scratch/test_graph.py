import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdl import scratch
from kerasdl.scratch import (
    ELU,
    Add,
    Affine,
    Dropout,
    LeakyReLU,
    Maxout,
    MeanSquaredError,
    Multiply,
    Network,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    dropout,
    glorot_uniform,
    gradient_check,
    l2_penalty,
    numerical_gradient,
    orthogonal,
    sigmoid,
)

ACTIVATIONS = [Sigmoid(), Tanh(), ReLU(), LeakyReLU(), LeakyReLU(0.3), ELU(), ELU(0.5)]


def away_from_kinks(shape, seed=0):
    """Numbers of both signs, none nearer to 0 than 0.1."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 2, shape) * rng.choice([-1, 1], shape)


def test_scratch_loads_neither_keras_nor_a_backend():
    heavy = {"keras", "tensorflow", "jax", "torch", "sklearn", "pandas"}
    code = f"import sys, kerasdl.scratch; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert all(hasattr(scratch, name) for name in scratch.__all__)


# Values, worked out by hand


def test_the_shopping_graph_gives_prices_and_their_derivatives():
    # 2 apples at 100 and 3 oranges at 150, tax factor 1.1: 715, and each derivative is the other factors.
    apples, oranges, total, taxed = Multiply(), Multiply(), Add(), Multiply()
    price = taxed.forward(total.forward(apples.forward(100, 2), oranges.forward(150, 3)), 1.1)
    to_sum, to_tax = taxed.backward(1.0)
    to_apples, to_oranges = total.backward(to_sum)
    assert price == pytest.approx(715)
    assert apples.backward(to_apples) == pytest.approx((2.2, 110))
    assert oranges.backward(to_oranges) == pytest.approx((3.3, 165))
    assert to_tax == pytest.approx(650)


@pytest.mark.parametrize(
    ("layer", "x", "y", "slope"),
    [
        (Sigmoid(), np.log(3), 0.75, 0.1875),
        (Tanh(), np.log(2), 0.6, 0.64),
        (ReLU(), 2, 2, 1),
        (ReLU(), -2, 0, 0),
        (ReLU(), 0, 0, 0),
        (LeakyReLU(0.1), -2, -0.2, 0.1),
        (ELU(2.0), -np.log(2), -1, 1),
        (ELU(2.0), 3, 3, 1),
    ],
)
def test_activations_have_their_closed_forms(layer, x, y, slope):
    assert layer.forward([float(x)]) == pytest.approx([y])
    assert layer.backward([1.0]) == pytest.approx([slope])


def test_affine_is_x_w_plus_b_and_sums_its_gradient_over_the_batch():
    layer = Affine([[1, 2], [3, 4]], [10, 20])
    assert layer.forward([[1, 0], [0, 1]]).tolist() == [[11, 22], [13, 24]]
    assert layer.backward([[1, 0], [1, 1]]).tolist() == [[1, 3], [3, 7]]
    assert layer.gradients["kernel"].tolist() == [[1, 0], [1, 1]]
    assert layer.gradients["bias"].tolist() == [2, 1]


def test_maxout_takes_the_largest_piece():
    rng = np.random.default_rng(0)
    layer = Maxout(rng.normal(size=(3, 4, 5)), rng.normal(size=(4, 5)))
    x = rng.normal(size=(6, 3))
    for row, y in zip(x, layer.forward(x), strict=True):
        w, b = layer.parameters["kernel"], layer.parameters["bias"]
        for unit in range(4):
            assert y[unit] == pytest.approx(max(row @ w[:, unit, k] + b[unit, k] for k in range(5)))


def test_cross_entropy_of_equal_logits_is_the_log_of_the_classes():
    loss = SoftmaxCrossEntropy()
    assert loss.forward(np.zeros((3, 7)), [0, 3, 6]) == pytest.approx(np.log(7))
    assert loss.forward(np.zeros((2, 3, 7)), [[0, 3, 6], [1, 1, 1]]) == pytest.approx(np.log(7))


def test_labels_and_one_hot_rows_are_the_same_target():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 4)), np.array([0, 1, 2, 3, 3])
    a, b = SoftmaxCrossEntropy(), SoftmaxCrossEntropy()
    assert a.forward(logits, labels) == b.forward(logits, np.eye(4)[labels])
    assert (a.backward() == b.backward()).all()


# Extremes


@pytest.mark.parametrize("size", [1e2, 1e4, 1e300])
def test_large_numbers_raise_no_floating_point_alarm(size):
    x = np.array([[size, -size, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        for layer in [*ACTIVATIONS, Maxout(np.eye(3)[..., None], np.zeros((3, 1)))]:
            assert np.isfinite(layer.forward(x)).all()
            assert np.isfinite(layer.backward(np.ones_like(x))).all()
        loss = SoftmaxCrossEntropy()
        assert loss.forward(x, [0]) == pytest.approx(0, abs=1e-12)
        assert loss.forward(x, [1]) == 2 * size
        assert loss.backward() == pytest.approx(np.array([[1, -1, 0]]), abs=1e-12)


def test_sigmoid_keeps_its_relative_precision_in_the_tail():
    assert sigmoid(np.array([-700.0])) == pytest.approx(np.exp(-700.0), rel=1e-12)


def test_nan_goes_through_rather_than_away():
    for layer in ACTIVATIONS:
        assert np.isnan(layer.forward([np.nan])).all()


# Gradients


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 4)])
def test_activations_pass_the_gradient_check(layer, shape):
    assert_passes(layer, away_from_kinks(shape))


@settings(deadline=None, max_examples=30)
@given(
    batch=st.integers(1, 4),
    features=st.integers(1, 4),
    units=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_layers_with_weights_pass_the_gradient_check_at_any_shape(batch, features, units, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, features))
    assert_passes(Affine(rng.normal(size=(features, units)), rng.normal(size=units)), x)
    # Pieces that are parallel and well apart never tie, whatever was drawn.
    kernel = np.repeat(rng.normal(size=(features, units, 1)), 3, axis=2)
    assert_passes(Maxout(kernel, rng.permuted(np.tile([0.0, 1.0, 2.0], (units, 1)), axis=1)), x)


def test_the_other_nodes_pass_the_gradient_check():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 4))
    assert_passes(Add(), x, y)
    assert_passes(Multiply(), x, y)
    assert_passes(Affine(rng.normal(size=(4, 2)), rng.normal(size=2)), rng.normal(size=(2, 3, 4)))
    assert_passes(MeanSquaredError(), x, y)
    assert_passes(SoftmaxCrossEntropy(), x, np.array([0, 3, 1]))
    assert_passes(SoftmaxCrossEntropy(), x, np.full((3, 4), 0.25))
    assert_passes(Dropout(0.4, seed=1), x, True)


def test_a_network_passes_the_gradient_check_with_its_loss_and_with_dropout():
    rng = np.random.default_rng(3)
    layers = [
        Affine.random(5, 6, rng),
        Tanh(),
        Dropout(0.3, rng),
        Maxout.random(6, 4, 3, rng),
        Affine.random(4, 3, rng),
    ]
    network, x = Network(layers), rng.normal(size=(7, 5))
    assert_passes(network, x, np.array([0, 1, 2, 0, 1, 2, 0]))
    assert_passes(network, x)
    assert_passes(Network(layers, MeanSquaredError()), x, rng.normal(size=(7, 3)))


def assert_passes(layer, *inputs):
    report = gradient_check(layer, *inputs)
    assert report.passed, str(report)
    assert report.tolerance == 1e-7


# Dropout, penalty, starts


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_dropout_at_0_is_the_identity_and_at_1_is_zero(values, seed):
    assert (dropout(values, 0, seed) == values).all()
    assert (dropout(values, 1, seed) == 0).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_p_of_them_and_keeps_the_expectation(p):
    n = 200_000
    y = dropout(np.ones(n), p, seed=7)
    assert set(np.unique(y)) == {0, 1 / (1 - p)}
    assert np.mean(y == 0) == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / n))
    assert y.mean() == pytest.approx(1, abs=5 * np.sqrt(p / (1 - p) / n))


def test_the_dropout_layer_draws_anew_while_training_and_does_nothing_after():
    layer, x = Dropout(0.5, seed=0), np.ones(100)
    first, second = layer.forward(x, training=True), layer.forward(x, training=True)
    assert (first != second).any()
    assert (layer.backward(x) == second).all()
    assert (layer.forward(x) == x).all()
    assert (Dropout(0.5, seed=0).forward(x, training=True) == first).all()


def test_l2_penalty_is_half_lambda_norm_squared_with_gradient_lambda_w():
    w = np.array([[3.0, 0.0], [0.0, -4.0]])
    value, gradient = l2_penalty(w, 0.1)
    assert value == pytest.approx(0.1 / 2 * 25)
    assert gradient == pytest.approx(0.1 * w)
    assert l2_penalty(w, 0) == (0, pytest.approx(0 * w))
    assert numerical_gradient(lambda w: l2_penalty(w, 0.1)[0], w) == pytest.approx(
        gradient, rel=1e-8, abs=1e-12
    )


def test_glorot_fills_its_interval_and_orthogonal_is_orthogonal():
    w = glorot_uniform((200, 400), seed=0)
    assert np.abs(w).max() <= np.sqrt(6 / 600)
    assert w.std() == pytest.approx(np.sqrt(2 / 600), rel=0.01)
    assert np.abs(glorot_uniform((5, 5, 8, 8), seed=0)).max() <= np.sqrt(6 / (25 * 16))
    for shape in [(4, 4), (6, 3), (3, 6)]:
        q = orthogonal(shape, seed=1)
        q = q if shape[0] >= shape[1] else q.T
        assert q.T @ q == pytest.approx(np.eye(min(shape)), abs=1e-12)


def test_set_seed_fixes_what_no_seed_was_given_for():
    import kerasdl

    kerasdl.set_seed(5)
    a = Affine.random(3, 3).parameters["kernel"]
    kerasdl.set_seed(5)
    b, c = Affine.random(3, 3).parameters["kernel"], Affine.random(3, 3).parameters["kernel"]
    assert (a == b).all()
    assert (a != c).any()


# Network


def test_a_network_names_its_arrays_in_order_and_shares_them():
    network = Network([Affine.random(2, 3, seed=0), ReLU(), Affine.random(3, 2, seed=1)])
    assert list(network.parameters) == ["affine1.kernel", "affine1.bias", "affine2.kernel", "affine2.bias"]
    assert network.parameters["affine1.kernel"] is network.layers[0].parameters["kernel"]
    gradients = network.gradient(np.ones((4, 2)), [0, 1, 0, 1])
    assert list(gradients) == list(network.parameters)


def test_accuracy_counts_the_largest_outputs():
    network = Network([Affine(np.eye(3), np.zeros(3))])
    assert network.accuracy(np.eye(3)[[0, 1, 2, 2]], [0, 1, 2, 0]) == 0.75


# Bad input


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Add().forward(np.ones(3), np.ones((3, 1))), r"x \(3,\) and y \(3, 1\) differ"),
        (lambda: Multiply().forward(1.0, np.ones(2)), r"x \(\) and y \(2,\) differ"),
        (lambda: Affine(np.ones((2, 3)), np.ones(2)), r"bias \(2,\) does not fit the kernel \(2, 3\)"),
        (
            lambda: Affine.random(2, 3).forward(np.ones((4, 3))),
            r"x \(4, 3\) does not fit the kernel \(2, 3\)",
        ),
        (lambda: Affine([[np.nan]], [0]), "kernel has 1 NaN"),
        (
            lambda: Maxout.random(2, 3).forward(np.ones((4, 3))),
            r"x \(4, 3\) does not fit the kernel \(2, 3, 2\)",
        ),
        (lambda: Maxout(np.ones((2, 3, 2)), np.ones(3)), r"bias \(3,\) does not fit the kernel \(2, 3, 2\)"),
        (lambda: Affine.random(2, 3).forward(np.ones((0, 2))), r"x \(0, 2\) is empty"),
        (lambda: SoftmaxCrossEntropy().forward(np.ones((0, 2)), []), r"logits \(0, 2\) is empty"),
        (lambda: MeanSquaredError().forward([], []), r"prediction \(0,\) is empty"),
        (
            lambda: MeanSquaredError().forward(np.ones((4, 1)), np.ones(4)),
            r"\(4, 1\) and target \(4,\) differ",
        ),
        (lambda: SoftmaxCrossEntropy().forward(np.ones((2, 3)), [0, 3]), r"label 3, outside 0 … 2"),
        (lambda: SoftmaxCrossEntropy().forward(np.ones((2, 3)), [0, -1]), r"label -1, outside 0 … 2"),
        (lambda: SoftmaxCrossEntropy().forward(np.ones((2, 3)), [0.0, 1.0]), "labels are whole numbers"),
        (
            lambda: SoftmaxCrossEntropy().forward(np.ones((2, 3)), [[0], [1]]),
            r"target \(2, 1\) .* logits \(2, 3\)",
        ),
        (lambda: SoftmaxCrossEntropy().forward(np.ones((2, 3)), np.ones((2, 3))), "not probabilities"),
        (lambda: dropout(np.ones(3), 1.5), r"p=1.5 lies outside \[0, 1\]"),
        (lambda: Dropout(-0.1), r"p=-0.1 lies outside \[0, 1\]"),
        (lambda: l2_penalty(np.ones(3), -1), "strength=-1"),
        (lambda: LeakyReLU(-1), "negative_slope=-1"),
        (lambda: Network([]), "is empty"),
        (lambda: Network([tanh := Tanh(), tanh]), "one layer twice"),
        (
            lambda: Network([Tanh()]).accuracy(np.ones((3, 2)), [[0], [1], [0]]),
            r"labels \(3, 1\) .* outputs \(3,\)",
        ),
        (lambda: Network([Tanh()]).accuracy([[np.nan, 1.0]], [1]), "output has 1 NaN"),
    ],
)
def test_bad_input_is_refused_in_one_line(act, message):
    with pytest.raises(ValueError, match=message) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_backward_refuses_another_shape_and_comes_after_forward():
    layer = Tanh()
    with pytest.raises(RuntimeError, match=r"Tanh\.backward needs a forward pass first"):
        layer.backward(np.ones(3))
    layer.forward(np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"gradient \(3,\) does not fit the output \(3, 1\)"):
        layer.backward(np.ones(3))

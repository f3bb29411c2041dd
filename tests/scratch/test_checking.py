"""Does the gradient check find what is planted, and say where?"""

import numpy as np
import pytest

from kerasdl.scratch import Affine, Network, Tanh, gradient_check, numerical_gradient


class Faulty(Affine):
    """An affine layer whose way back is spoilt by ``spoil(layer, gradient to the input)``."""

    def __init__(self, spoil):
        super().__init__(np.arange(6.0).reshape(3, 2) - 2.2, [0.5, -0.5])
        self.spoil = spoil

    def backward(self, gradient):
        to_x = super().backward(gradient)
        spoilt = self.spoil(self, to_x)
        return to_x if spoilt is None else spoilt


def scale(name, factor):
    def spoil(layer, to_x):
        layer.gradients[name] = layer.gradients[name] * factor

    return spoil


def one_element(layer, to_x):
    layer.gradients["kernel"][2, 1] *= 1 + 1e-4


def one_row_only(layer, to_x):
    layer.gradients["bias"] = layer.gradients["bias"] / 4


def not_a_number(layer, to_x):
    layer.gradients["kernel"][0, 0] = np.nan


def zeros(layer, to_x):
    layer.gradients["bias"] = np.zeros(2)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (scale("kernel", -1), "kernel"),
        (scale("kernel", 2), "kernel"),
        (scale("kernel", 1 + 1e-6), "kernel"),
        (one_element, "kernel"),
        (one_row_only, "bias"),
        (zeros, "bias"),
        (not_a_number, "kernel"),
        (lambda layer, to_x: to_x[:, ::-1], "input"),
        (lambda layer, to_x: to_x + 1e-5, "input"),
        (lambda layer, to_x: np.zeros_like(to_x), "input"),
    ],
)
def test_a_planted_fault_fails_and_is_located(spoil, where):
    report = gradient_check(Faulty(spoil), np.random.default_rng(0).normal(size=(4, 3)))
    assert not report.passed
    assert report.worst.name == where
    assert [entry.name for entry in report.errors if not entry.error <= 1e-7] == [where]
    assert "FAILED" in str(report)
    assert where in str(report).splitlines()[-1]


def test_the_report_says_where_the_largest_error_sits_with_both_values():
    report = gradient_check(Faulty(one_element), np.random.default_rng(0).normal(size=(4, 3)))
    assert report.worst.index == (2, 1)
    assert report.worst.backward == pytest.approx(report.worst.numerical * (1 + 1e-4), rel=1e-6)
    line = str(report).splitlines()[0]
    assert "(2, 1)" in line
    assert f"{report.worst.backward: .9e}" in line
    assert f"{report.worst.numerical: .9e}" in line


def test_a_fault_inside_a_network_is_found_by_name():
    class BrokenTanh(Tanh):
        def backward(self, gradient):
            return gradient  # forgets the derivative

    network = Network([Affine.random(3, 4, seed=0), BrokenTanh(), Affine.random(4, 2, seed=1)])
    report = gradient_check(network, np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 0, 1, 1]))
    failed = {entry.name for entry in report.errors if entry.error > 1e-7}
    assert failed == {"affine1.kernel", "affine1.bias", "input"}


def test_a_gradient_left_out_or_misshapen_is_an_error():
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match="left out the gradients of bias"):
        gradient_check(Faulty(lambda layer, to_x: to_x * layer.gradients.pop("bias")[0]), x)
    with pytest.raises(ValueError, match=r"gradient of bias is \(1, 2\), but bias is \(2,\)"):
        gradient_check(Faulty(lambda layer, to_x: layer.gradients.update(bias=np.ones((1, 2)))), x)


def test_the_check_leaves_layer_and_inputs_as_they_were():
    layer, x = Affine.random(3, 2, seed=0), np.random.default_rng(0).normal(size=(4, 3))
    kernel, before = layer.parameters["kernel"].copy(), x.copy()
    gradient_check(layer, x)
    assert (layer.parameters["kernel"] == kernel).all()
    assert (x == before).all()
    assert layer.gradients == {}


def test_whole_numbers_are_not_differentiated():
    report = gradient_check(Affine.random(3, 2, seed=0), np.arange(12).reshape(4, 3))
    assert [entry.name for entry in report.errors] == ["kernel", "bias"]
    assert report.passed


def test_numerical_gradient_of_a_cubic_is_its_derivative():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    found = numerical_gradient(lambda x: float(np.sum(x**3)), x)
    assert found == pytest.approx(3 * x**2, rel=1e-8)

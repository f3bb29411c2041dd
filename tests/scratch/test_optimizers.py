import numpy as np
import pytest

from kerasdl.scratch import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSProp, clip_by_global_norm

ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam]


def path(optimizer, gradient, w=1.0, steps=5):
    """The weights after each step down a function of one number."""
    parameters, found = {"w": np.array([w])}, []
    for _ in range(steps):
        optimizer.update(parameters, {"w": gradient(parameters["w"])})
        found.append(float(parameters["w"][0]))
    return found


def test_sgd_on_a_parabola_is_a_geometric_sequence():
    assert path(SGD(0.1), lambda w: w) == pytest.approx([0.9**k for k in range(1, 6)])


def test_momentum_is_polyaks_heavy_ball():
    w, expected = [1.0, 1.0], []
    for _ in range(5):
        w = [w[1], w[1] - 0.1 * w[1] + 0.9 * (w[1] - w[0])]
        expected.append(w[1])
    assert path(Momentum(0.1, 0.9), lambda w: w) == pytest.approx(expected)


def test_nesterov_is_sutskevers_form_seen_from_the_point_ahead():
    theta, v, expected = 1.0, 0.0, []
    for _ in range(5):
        v = 0.9 * v - 0.1 * (theta + 0.9 * v)  # the gradient of w²/2 at the point ahead
        theta += v
        expected.append(theta + 0.9 * v)
    assert path(Nesterov(0.1, 0.9), lambda w: w) == pytest.approx(expected)


def test_momentum_of_zero_is_sgd():
    plain = path(SGD(0.1), lambda w: w)
    assert path(Momentum(0.1, 0), lambda w: w) == pytest.approx(plain)
    assert path(Nesterov(0.1, 0), lambda w: w) == pytest.approx(plain)


def test_adagrad_of_a_constant_gradient_falls_with_the_root_of_the_steps():
    optimizer = AdaGrad(0.1, initial_accumulator=0, epsilon=1e-30)
    expected = 1 - 0.1 * np.cumsum(1 / np.sqrt(np.arange(1, 6)))
    assert path(optimizer, lambda w: np.array([7.0])) == pytest.approx(expected)


def test_rmsprop_of_a_constant_gradient_divides_by_what_it_remembers():
    remembered = 1 - 0.9 ** np.arange(1, 6)
    expected = 1 - 0.1 * np.cumsum(1 / np.sqrt(remembered))
    assert path(RMSProp(0.1, rho=0.9, epsilon=1e-30), lambda w: np.array([7.0])) == pytest.approx(expected)


@pytest.mark.parametrize("gradient", [1e-3, -1.0, 1e6])
def test_adam_of_a_constant_gradient_steps_by_the_learning_rate(gradient):
    expected = 1 - np.sign(gradient) * 0.1 * np.arange(1, 6)
    assert path(Adam(0.1, epsilon=1e-30), lambda w: np.array([gradient])) == pytest.approx(expected)


def test_adam_is_kingmas_algorithm_1_with_epsilon_scaled():
    rng, eps = np.random.default_rng(0), 1e-2
    gradients, m, v, w, expected = rng.normal(size=6), 0.0, 0.0, 1.0, []
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        w -= 0.1 * m_hat / (np.sqrt(v_hat) + eps / np.sqrt(1 - 0.999**t))
        expected.append(w)
    rest = iter(gradients)
    assert path(Adam(0.1, epsilon=eps), lambda w: np.array([next(rest)]), steps=6) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ALL)
def test_each_parameter_has_its_own_memory_and_is_changed_in_place(kind):
    optimizer, a, b = kind(0.1), np.ones(2), np.ones((2, 2))
    for _ in range(3):
        optimizer.update({"a": a, "b": b}, {"a": np.ones(2), "b": np.zeros((2, 2))})
    assert (a < 1).all()
    assert (b == 1).all()


@pytest.mark.parametrize("kind", ALL)
def test_every_method_reaches_the_minimum_of_the_long_valley(kind):
    # f(x, y) = x²/20 + y² from (−7, 2)
    rate = {SGD: 0.5, Momentum: 0.1, Nesterov: 0.1, AdaGrad: 1.5, RMSProp: 0.02, Adam: 0.3}[kind]
    optimizer, p = kind(rate), {"p": np.array([-7.0, 2.0])}
    for _ in range(600):
        optimizer.update(p, {"p": p["p"] * [0.1, 2]})
    assert np.linalg.norm(p["p"]) < 0.05


def test_clipping_keeps_the_direction_and_leaves_short_gradients_alone():
    long = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    clipped = clip_by_global_norm(long, 1.0)
    assert clipped["a"] == pytest.approx([0.6, 0])
    assert clipped["b"] == pytest.approx(np.array([[0.8]]))
    assert (clip_by_global_norm(long, 5.0)["a"] == long["a"]).all()
    assert (clip_by_global_norm({"a": np.zeros(2)}, 5.0)["a"] == 0).all()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: SGD(-0.1), ValueError, "learning_rate=-0.1"),
        (lambda: Momentum(0.1, 1.1), ValueError, "momentum=1.1 lies outside"),
        (lambda: RMSProp(rho=-1), ValueError, "rho=-1 lies outside"),
        (lambda: Adam(beta_2=1.0), ValueError, r"beta_2=1.0 lies outside \[0, 1\)"),
        (lambda: Adam(epsilon=0), ValueError, "epsilon=0: give a finite number above 0"),
        (lambda: AdaGrad(initial_accumulator=-1), ValueError, "initial_accumulator=-1"),
        (lambda: SGD().update({"w": np.ones(2)}, {"v": np.ones(2)}), ValueError, "only one has v, w"),
        (
            lambda: SGD().update({"w": np.ones(2)}, {"w": np.ones((2, 1))}),
            ValueError,
            r"\(2, 1\) .* w \(2,\)",
        ),
        (lambda: SGD().update({"w": np.ones(2)}, {"w": [1, np.nan]}), ValueError, "gradient of w has 1 NaN"),
        (lambda: SGD().update({"w": np.array([1])}, {"w": [1.0]}), TypeError, "w is not an array of floats"),
        (lambda: SGD().update({"w": [1.0]}, {"w": [1.0]}), TypeError, "w is not an array of floats"),
        (lambda: clip_by_global_norm({}, 0), ValueError, "limit=0"),
        (
            lambda: clip_by_global_norm({"w": np.array([np.inf])}, 1),
            ValueError,
            "gradient of w has 1 NaN or inf",
        ),
    ],
)
def test_bad_input_is_refused(act, error, message):
    with pytest.raises(error, match=message):
        act()


def test_an_optimizer_with_memory_refuses_another_network():
    optimizer = Adam()
    optimizer.update({"a": np.ones(2)}, {"a": np.ones(2)})
    with pytest.raises(ValueError, match="make a new optimizer"):
        optimizer.update({"b": np.ones(2)}, {"b": np.ones(2)})
    with pytest.raises(ValueError, match="make a new optimizer"):
        optimizer.update({"a": np.ones((3, 2))}, {"a": np.ones((3, 2))})

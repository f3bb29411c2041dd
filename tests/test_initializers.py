"""Each initializer against NumPy by hand, bit for bit: equal to one oracle, so equal to one another."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import to_numpy

import kerasdl
from kerasdl import initializers

BY_HAND = {
    "GlorotUniform": lambda g, s: g.uniform(-np.sqrt(6 / sum(fans(s))), np.sqrt(6 / sum(fans(s))), s),
    "GlorotNormal": lambda g, s: g.normal(0, np.sqrt(2 / sum(fans(s))), s),
    "HeUniform": lambda g, s: g.uniform(-np.sqrt(6 / fans(s)[0]), np.sqrt(6 / fans(s)[0]), s),
    "HeNormal": lambda g, s: g.normal(0, np.sqrt(2 / fans(s)[0]), s),
    "LecunUniform": lambda g, s: g.uniform(-np.sqrt(3 / fans(s)[0]), np.sqrt(3 / fans(s)[0]), s),
    "LecunNormal": lambda g, s: g.normal(0, np.sqrt(1 / fans(s)[0]), s),
    "Normal": lambda g, s: g.normal(0, 0.01, s),
    "Uniform": lambda g, s: g.uniform(-0.05, 0.05, s),
}
SHAPES = [(7, 5), (3, 3, 4, 6), (1, 1)]


def fans(shape):
    window = int(np.prod(shape[:-2]))
    return window * shape[-2], window * shape[-1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BY_HAND)
def test_a_seeded_draw_is_numpys(name, shape):
    drawn = to_numpy(getattr(initializers, name)(seed=11)(shape))
    expected = BY_HAND[name](np.random.default_rng(11), shape)
    # Where the limit is computed in another order, it may differ in its last float64 bit; a float32 does not.
    np.testing.assert_allclose(drawn, expected.astype("float32"), rtol=2e-7, atol=0)
    assert drawn.dtype == np.float32


def test_a_layer_starts_from_the_stream_bit_for_bit():
    kerasdl.set_seed(4)
    layer = keras.layers.Dense(6, kernel_initializer=initializers.HeNormal())
    layer.build((None, 9))
    kerasdl.set_seed(4)
    expected = kerasdl.random.generator("weights").normal(0, np.sqrt(2 / 9), (9, 6)).astype("float32")
    assert np.array_equal(layer.get_weights()[0], expected)


def test_without_a_seed_every_variable_draws_anew():
    initializer = initializers.GlorotUniform()
    kerasdl.set_seed(0)
    first, second = to_numpy(initializer((4, 4))), to_numpy(initializer((4, 4)))
    assert not np.array_equal(first, second)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.5, 3))
def test_orthogonal_weights_are_orthonormal_times_the_gain(rows, columns, gain):
    w = to_numpy(initializers.Orthogonal(gain, seed=1)((rows, columns))).astype("float64")
    gram = w.T @ w if rows >= columns else w @ w.T
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-5)


def test_orthogonal_flattens_a_window_and_refuses_a_vector():
    w = to_numpy(initializers.Orthogonal(seed=0)((3, 3, 2, 5))).reshape(18, 5)
    np.testing.assert_allclose(w.T @ w, np.eye(5), atol=1e-6)
    with pytest.raises(ValueError, match="two axes"):
        initializers.Orthogonal()((5,))


def test_fans_of_a_vector_and_a_scalar():
    assert initializers.fans((5,)) == (5, 5)
    assert initializers.fans(()) == (1, 1)


@pytest.mark.parametrize("name", [*BY_HAND, "Orthogonal", "Zeros", "VarianceScaling"])
def test_configuration_makes_the_round_trip(name):
    arguments = {} if name == "Zeros" else {"seed": 3}
    initializer = getattr(initializers, name)(**arguments)
    record = keras.saving.serialize_keras_object(initializer)
    again = keras.saving.deserialize_keras_object(record)
    assert np.array_equal(to_numpy(again((3, 2))), to_numpy(initializer((3, 2))))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="did you mean 'fan_in'"):
        initializers.VarianceScaling(mode="fanin")
    with pytest.raises(ValueError, match="scale="):
        initializers.VarianceScaling(scale=-1)
    with pytest.raises(ValueError, match="swap"):
        initializers.Uniform(1, -1)
    with pytest.raises(ValueError, match="stddev="):
        initializers.Normal(stddev=-1)


@pytest.mark.parametrize(
    "start",
    [initializers.HeNormal(), initializers.Normal(), initializers.Uniform(), initializers.Orthogonal()],
)
def test_the_old_name_of_a_draw_s_argument_still_works(start):
    with pytest.warns(DeprecationWarning, match=r"write rng=…; kerasdl 0\.3 no longer takes generator"):
        old = start.draw(generator=np.random.default_rng(0), shape=(2, 3))
    np.testing.assert_array_equal(old, start.draw(np.random.default_rng(0), (2, 3)))

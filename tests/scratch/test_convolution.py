import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdl.scratch import (
    Affine,
    AveragePooling2D,
    Convolution2D,
    Flatten,
    MaxPooling2D,
    Network,
    Tanh,
    gradient_check,
)

GEOMETRIES = st.fixed_dictionaries(
    {
        "image": st.tuples(st.integers(3, 7), st.integers(3, 7)),
        "size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "padding": st.sampled_from(["valid", "same"]),
    }
)


def distinct(shape, seed=0):
    """Values that are all different by at least 1/size, so that no two maxima tie."""
    count = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(count).reshape(shape) / count


@settings(deadline=None, max_examples=20)
@given(GEOMETRIES)
def test_convolution_and_pooling_are_sums_maxima_and_means_over_the_image_in_each_window(geometry):
    (height, width), (down, right), same = (
        geometry["size"],
        geometry["strides"],
        geometry["padding"] == "same",
    )
    x = distinct((2, *geometry["image"], 2))
    options = {"strides": geometry["strides"], "padding": geometry["padding"]}
    convolution = Convolution2D.random((height, width), 2, 3, seed=0, **options)
    kernel, bias = convolution.parameters["kernel"], convolution.parameters["bias"]
    bias[:] = [1, 2, 3]
    y = convolution.forward(x)
    largest = MaxPooling2D((height, width), **options).forward(x)
    mean = AveragePooling2D((height, width), **options).forward(x)

    n, m = geometry["image"]
    rows, columns = (
        (-(-n // down), -(-m // right)) if same else ((n - height) // down + 1, (m - width) // right + 1)
    )
    top = max((rows - 1) * down + height - n, 0) // 2 if same else 0
    left = max((columns - 1) * right + width - m, 0) // 2 if same else 0
    assert y.shape == (2, rows, columns, 3)
    assert largest.shape == mean.shape == (2, rows, columns, 2)
    for b, r, c in np.ndindex(2, rows, columns):
        cells = [
            (i, j, x[b, r * down + i - top, c * right + j - left])
            for i, j in np.ndindex(height, width)
            if 0 <= r * down + i - top < n and 0 <= c * right + j - left < m
        ]
        assert y[b, r, c] == pytest.approx(sum(cell @ kernel[i, j] for i, j, cell in cells) + bias)
        assert largest[b, r, c] == pytest.approx(np.max([cell for *_, cell in cells], axis=0))
        assert mean[b, r, c] == pytest.approx(np.mean([cell for *_, cell in cells], axis=0))


@settings(deadline=None, max_examples=20)
@given(GEOMETRIES)
def test_convolution_and_pooling_pass_the_gradient_check(geometry):
    options = {"strides": geometry["strides"], "padding": geometry["padding"]}
    x = distinct((1, *geometry["image"], 2))
    for layer in (
        Convolution2D.random(geometry["size"], 2, 2, seed=1, **options),
        MaxPooling2D(geometry["size"], **options),
        AveragePooling2D(geometry["size"], **options),
    ):
        report = gradient_check(layer, x)
        assert report.passed, str(report)


def test_a_small_convolutional_network_passes_the_gradient_check():
    rng = np.random.default_rng(0)
    network = Network(
        [
            Convolution2D.random(3, 1, 2, rng, padding="same"),
            Tanh(),
            AveragePooling2D(2),
            Convolution2D.random(2, 2, 3, rng),
            Flatten(),
            Affine.random(3, 4, rng),
        ]
    )
    report = gradient_check(network, rng.normal(size=(3, 4, 4, 1)), np.array([0, 3, 1]))
    assert report.passed, str(report)


def test_pooling_by_hand():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    assert MaxPooling2D(2).forward(x).ravel().tolist() == [5, 7, 13, 15]
    assert AveragePooling2D(2).forward(x).ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    # One padded row and column, below and to the right; the mean leaves them out.
    padded = AveragePooling2D(2, strides=3, padding="same").forward(x)
    assert padded.ravel().tolist() == [2.5, 5, 12.5, 15]


def test_a_shifted_image_gives_a_shifted_convolution():
    rng = np.random.default_rng(0)
    layer, x = Convolution2D.random(3, 2, 4, seed=0), rng.normal(size=(1, 8, 8, 2))
    assert layer.forward(np.roll(x, 1, axis=2))[:, :, 1:] == pytest.approx(layer.forward(x)[:, :, :-1])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: Convolution2D.random(3, 2, 4).forward(np.ones((1, 5, 5, 1))),
            r"\(1, 5, 5, 1\) .* \(3, 3, 2, 4\)",
        ),
        (lambda: Convolution2D.random(3, 1, 1).forward(np.ones((1, 2, 5, 1))), r"\(1, 2, 5, 1\) .* \(3, 3\)"),
        (
            lambda: Convolution2D.random(3, 1, 1).forward(np.ones((5, 5, 1))),
            r"x \(5, 5, 1\) has 3 axes: give 4",
        ),
        (lambda: Convolution2D.random(3, 1, 1).forward(np.ones((0, 5, 5, 1))), r"\(0, 5, 5, 1\) is empty"),
        (lambda: Convolution2D(np.ones((3, 3, 1, 2)), np.ones(1)), r"\(1,\) .* \(3, 3, 1, 2\)"),
        (lambda: MaxPooling2D(padding="sane"), "padding='sane' is not known; did you mean 'same'"),
        (lambda: MaxPooling2D(0), "size=0: give a whole number of at least 1"),
        (lambda: MaxPooling2D((2, 2, 2)), r"size=\(2, 2, 2\): give one whole number or two"),
        (lambda: MaxPooling2D(3).forward(np.ones((1, 2, 2, 1))), r"\(1, 2, 2, 1\) .* \(3, 3\)"),
        (lambda: Flatten().forward(np.ones(3)), r"\(3,\) has no axis"),
    ],
)
def test_bad_input_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()

"""Which network looks at an image through a small window? A convolutional one.

The shape of an image and the number of outputs go in; out comes an uncompiled Keras model.
"""

from collections.abc import Sequence

import keras

from kerasdl import checks
from kerasdl.initializers import GlorotUniform, HeUniform


@checks.renamed("0.3", units="outputs")
def convnet(input_shape: Sequence[int], outputs: int = 10) -> keras.Model:
    """Return a small convolutional network from ``(batch, height, width, channels)`` to ``(batch, outputs)``.

    Twice a 3 × 3 convolution that keeps the image's size, ReLU and 2 × 2 maximum pooling, with 16 and then 32
    filters; then one affine layer. The output is linear: a classifier's logits (train it with
    ``from_logits=True``) or a regression's values. The convolutions start from
    :class:`kerasdl.initializers.HeUniform`, the output from :class:`kerasdl.initializers.GlorotUniform`.

    Args:
        input_shape: ``(height, width, channels)``, at least 4 × 4 × 1, so that both poolings find a window.
        outputs: how many outputs, at least 1.

    Raises:
        ValueError: a shape of other than three axes, an image below 4 × 4, a size below 1.

    Example:
        >>> convnet((28, 28, 1)).output_shape
        (None, 10)
    """
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ValueError(f"input_shape={shape!r}: give (height, width, channels); a grey image has 1 channel")
    for name, size in zip(("height", "width", "channels"), shape, strict=True):
        checks.positive_int(f"the {name} in input_shape", size)
    if min(shape[:2]) < 4:
        raise ValueError(f"input_shape={shape!r}: two poolings need an image of at least 4 × 4")
    outputs = checks.positive_int("outputs", outputs)
    inputs = tensor = keras.Input(shape, name="inputs")
    for number, filters in enumerate((16, 32), start=1):
        tensor = keras.layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer=HeUniform(),
            name=f"convolution_{number}",
        )(tensor)
        tensor = keras.layers.MaxPooling2D(name=f"pooling_{number}")(tensor)
    tensor = keras.layers.Flatten(name="flatten")(tensor)
    output = keras.layers.Dense(outputs, kernel_initializer=GlorotUniform(), name="output")
    return keras.Model(inputs, output(tensor), name="convnet")

"""Which network sees its inputs all at once? From a straight line to a multilayer perceptron.

Sizes go in; out come uncompiled Keras models of dense layers, their weights drawn in NumPy.
"""

from collections.abc import Sequence

import keras
import numpy as np

from kerasdl import checks, initializers, layers


@checks.renamed("0.3", units="outputs")
def linear(features: int, outputs: int = 1, l2: float = 0.0) -> keras.Model:
    """Return the linear model y = xW + b, from ``(batch, features)`` to ``(batch, outputs)``.

    Args:
        features: number of inputs, at least 1.
        outputs: how many outputs, at least 1.
        l2: λ of the penalty λ‖W‖² added to the loss, Keras's scaling with no ½; the bias is not penalised.

    Raises:
        ValueError: a size below 1 or a negative λ.

    Example:
        >>> linear(3).count_params()
        4
    """
    inputs = keras.Input((checks.positive_int("features", features),), name="inputs")
    outputs = checks.positive_int("outputs", outputs)
    return keras.Model(inputs, _dense(outputs, l2, name="output")(inputs), name="linear")


def polynomial(degree: int, l2: float = 0.0) -> keras.Model:
    """Return y = b + w₁x + … + w_d x^d, from x of shape ``(batch, 1)`` to ``(batch, 1)``.

    The weights are the coefficients: ``model.get_weights()`` is ``[w, b]``, with w of shape ``(degree, 1)``.

    Args:
        degree: highest power, at least 1.
        l2: λ of the penalty λ‖w‖² added to the loss; the bias is not penalised.

    Raises:
        ValueError: a degree below 1 or a negative λ.

    Example:
        >>> polynomial(3).count_params()
        4
    """
    inputs = keras.Input((1,), name="x")
    powers = layers.Powers(degree, name="powers")(inputs)
    return keras.Model(inputs, _dense(1, l2, name="output")(powers), name="polynomial")


@checks.renamed("0.3", units="outputs")
def mlp(
    features: int,
    hidden: Sequence[int] | int = (256, 256),
    outputs: int = 10,
    activation: str = "relu",
    l2: float = 0.0,
    dropout: float | Sequence[float] = 0.0,
    initializer: str | keras.initializers.Initializer = "glorot_uniform",
) -> keras.Model:
    """Return a multilayer perceptron from ``(batch, features)`` to ``(batch, outputs)``.

    The output is linear: a classifier's logits (train it with ``from_logits=True``) or a regression's values.

    Args:
        features: number of inputs, at least 1.
        hidden: width of each hidden layer, or of the one that there is; ``()`` gives the linear model.
        outputs: how many outputs, at least 1.
        activation: of the hidden layers, by Keras's name.
        l2: λ of the penalty λ‖W‖² on every kernel, added to the loss; biases are not penalised.
        dropout: share of each hidden layer's outputs that training drops: one number, or one for each layer.
        initializer: of every kernel: a name of :func:`kerasdl.initializers.get`, or an instance. Biases start
            at zero.

    Raises:
        ValueError: a size below 1, a negative λ, a dropout outside [0, 1] or not one for each layer, an
            unknown initializer.

    Example:
        >>> mlp(784, hidden=(256,), dropout=0.5).output_shape
        (None, 10)
    """
    hidden = tuple(np.atleast_1d(hidden).tolist())
    rates = [dropout] * len(hidden) if isinstance(dropout, (int, float)) else list(dropout)
    if len(rates) != len(hidden):
        raise ValueError(f"dropout={dropout!r} has {len(rates)} rates for {len(hidden)} hidden layers")
    outputs = checks.positive_int("outputs", outputs)
    inputs = tensor = keras.Input((checks.positive_int("features", features),), name="inputs")
    for number, (width, rate) in enumerate(zip(hidden, rates, strict=True), start=1):
        checks.positive_int("a width in hidden", width)
        tensor = _dense(width, l2, activation, initializer, name=f"hidden_{number}")(tensor)
        if checks.fraction("dropout", rate):
            tensor = layers.Dropout(rate, name=f"dropout_{number}")(tensor)
    tensor = _dense(outputs, l2, initializer=initializer, name="output")(tensor)
    return keras.Model(inputs, tensor, name="mlp")


def _dense(
    units: int,
    l2: float,
    activation: str | None = None,
    initializer: str | keras.initializers.Initializer = "glorot_uniform",
    *,
    name: str,
) -> keras.layers.Dense:
    return keras.layers.Dense(
        units,
        activation,
        kernel_initializer=initializers.get(initializer),
        kernel_regularizer=keras.regularizers.L2(l2) if checks.not_negative("l2", l2) else None,
        name=name,
    )

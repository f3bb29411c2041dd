"""What do a classifier's outputs mean: logits or probabilities? Read off the operations that made them.

In go a built model and a few rows; out comes ``"logits"``, ``"softmax"`` (probabilities that sum to 1) or
``"sigmoid"`` (a probability each), or an error that asks.
"""

import functools
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from kerasdl.borrowed import producer

Meaning: TypeAlias = Literal["logits", "softmax", "sigmoid"]

# What a last operation or activation of this name gives, whatever goes into it.
GIVES: dict[str, Meaning] = {
    "softmax": "softmax",
    "sparsemax": "softmax",
    "sigmoid": "sigmoid",
    "hardsigmoid": "sigmoid",
    "logsoftmax": "logits",  # softmax makes probabilities of it
    **dict.fromkeys(["linear", "relu", "relu6", "leakyrelu", "elu", "selu", "celu", "gelu", "glu"], "logits"),
    **dict.fromkeys(["silu", "swish", "mish", "softplus", "softsign", "tanh", "exponential"], "logits"),
}
# What leaves numbers as they are, or puts them in other places.
PASSES = {"Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise"}
PASSES |= {"Flatten", "Reshape", "Permute", "Transpose", "Squeeze", "ExpandDims", "Cast", "GetItem", "Ravel"}
# What keeps the meaning that all of its inputs share: a mean of probabilities is one, too.
AVERAGES = {"Average", "Mean", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"}
# What makes logits of logits, and of probabilities something that has no name.
MIXES = {"Add", "Subtract", "Multiply", "Concatenate", "Maximum", "Minimum", "Rescaling", "Negative"}
MIXES |= {"Divide", "TrueDivide", "Sum", "Max", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Stack"}
# Layers with weights and without an activation of their own.
PLAIN = {"BatchNormalization", "LayerNormalization", "GroupNormalization", "PReLU", "Embedding", "Maxout"}


class Answers:
    """What a built model answers to a few rows, asked only where its layers do not tell.

    Args:
        model: built.
        rows: as the model takes them.
    """

    def __init__(self, model: keras.Model, rows: Any):
        self.model, self.rows = model, rows

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of the answer to one row."""
        return self.model.output_shape[1:] if plain(self.model) else self.numbers.shape[1:]

    @functools.cached_property
    def numbers(self) -> np.ndarray:
        """The answers, ``(rows, …)``."""
        return keras.ops.convert_to_numpy(self.model(self.rows))


def plain(model: keras.Model) -> bool:
    """Return whether a model's operations are known: a subclass may do anything in its call."""
    return type(model).__name__ in ("Functional", "Sequential")


def meaning(answers: Answers, from_logits: bool | None) -> Meaning:
    """Return what the outputs of a model mean.

    Where its operations do not tell, rows that sum to 1 do, and so do numbers that are no probabilities.

    Args:
        answers: the model's.
        from_logits: what its user says, or None.

    Raises:
        ValueError: it can't be told, or what the user says is not so.
    """
    told = _of_model(answers.model) or _of_numbers(answers.numbers)
    if told is None and from_logits is None:
        raise ValueError(
            "from_logits=None, and whether the model's outputs are logits or probabilities can't be told "
            "from its last operations: say from_logits=True or False"
        )
    if from_logits is None or told is None:
        return told or ("logits" if from_logits else "sigmoid")
    if from_logits != (told == "logits"):
        raise ValueError(f"from_logits={from_logits}, but the model ends in {told}: leave from_logits out")
    return told


def _of_numbers(outputs: np.ndarray) -> Meaning | None:
    if not np.isfinite(outputs).all():
        return None
    if (outputs < 0).any() or (outputs > 1 + 1e-6).any():
        return "logits"
    sums_to_one = outputs.shape[1] > 1 and np.abs(outputs.sum(axis=1) - 1).max() < 1e-4
    return "softmax" if sums_to_one else None


def _of_model(model: keras.Model) -> Meaning | None:
    """Return what a model gives, as far as its operations tell."""
    return _of_tensor(model.outputs[0]) if plain(model) else None


def _of_tensor(tensor: Any) -> Meaning | None:
    operation, inputs = producer(tensor)
    name, ours = type(operation).__name__, type(operation).__module__.startswith(("keras.", "kerasdl."))
    if isinstance(operation, keras.Model):
        return _of_model(operation)
    if not ours or isinstance(operation, keras.layers.InputLayer):
        return None
    if name in ("Activation", "TimeDistributed") and getattr(operation, "layer", None) is not None:
        operation = operation.layer
    if name in PASSES or (name == "Activation" and operation.activation is keras.activations.linear):
        return _of_tensor(inputs[0])
    if name in AVERAGES | MIXES:
        found = {_of_tensor(one) for one in inputs}
        common = found.pop() if len(found) == 1 else None
        return common if name in AVERAGES or common == "logits" else None
    if isinstance(operation, keras.layers.Softmax):
        return "softmax" if operation.axis in (-1, len(tensor.shape) - 1) else None
    if hasattr(operation, "activation"):
        activation = operation.activation
        if not getattr(activation, "__module__", "").startswith("keras."):
            return None
        name = activation.__name__
    elif name in PLAIN:
        return "logits"
    elif name in ("Softmax", "LogSoftmax") and getattr(operation, "axis", -1) not in (
        -1,
        len(tensor.shape) - 1,
    ):
        return None
    return GIVES.get(name.replace("_", "").lower())

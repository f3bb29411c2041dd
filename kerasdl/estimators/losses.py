"""Which loss trains a classifier, and does it take classes by their place or one-hot?

In go the loss asked for and what the model's outputs mean; out comes the loss to compile with, or an error
where the two do not go together.
"""

import inspect
from typing import NamedTuple, TypeAlias

import keras

from kerasdl.estimators.meaning import Meaning

Loss: TypeAlias = str | keras.losses.Loss

BY_PLACE = {"sparsecategoricalcrossentropy", "categoricalgeneralizedcrossentropy"}
# What compares whole distributions over the classes: on one output it is always 0 or always the same.
OVER_CLASSES = {"categoricalcrossentropy", "categoricalfocalcrossentropy", "categoricalhinge", *BY_PLACE}
# What takes logarithms of probabilities, or their products.
OF_PROBABILITIES = {"binarycrossentropy", "binaryfocalcrossentropy", "kldivergence", "poisson", "dice"}
OF_PROBABILITIES |= {"tversky", *OVER_CLASSES} - {"categoricalhinge"}
NEVER = {"ctc", "circle"}  # of sequences, of embeddings


class Chosen(NamedTuple):
    """The loss to compile with, and whether it takes targets one-hot."""

    loss: Loss
    one_hot: bool


def choose(loss: Loss | None, meaning: Meaning, outputs: int, one_hot: bool | None = None) -> Chosen:
    """Return the loss to compile with for one label a row.

    Args:
        loss: the one asked for; None for the cross-entropy that suits the outputs.
        meaning: of the model's outputs.
        outputs: how many it has: 1 for two classes, or one a class.
        one_hot: what its user says of a loss that is not one of Keras's.

    Raises:
        ValueError: the loss takes other outputs than these, or it can't be told how it takes targets.
    """
    logits = meaning == "logits"
    if loss is None:
        if outputs == 1 or meaning == "sigmoid":
            return Chosen(keras.losses.BinaryCrossentropy(from_logits=logits), outputs > 1)
        return Chosen(keras.losses.SparseCategoricalCrossentropy(from_logits=logits), False)
    names = _names(loss)
    if not names:
        if outputs > 1 and one_hot is None:
            raise ValueError(
                f"one_hot=None, and loss={loss!r} is not one of Keras's: say one_hot=True if it takes "
                "targets one-hot, (batch, classes), or False if by their places, (batch, 1)"
            )
        return Chosen(loss, outputs > 1 and bool(one_hot))
    if names & NEVER:
        raise ValueError(f"loss={loss!r} does not judge one label a row: leave it out")
    if outputs == 1 and names & OVER_CLASSES:
        raise ValueError(f"loss={loss!r} takes one output a class, and the model has one output for two")
    check_outputs(loss, names, meaning)
    return Chosen(loss, outputs > 1 and not names & BY_PLACE)


def choose_for_several(loss: Loss | None, meaning: Meaning) -> Loss:
    """Return the loss to compile with for several labels a row, each yes or no.

    Raises:
        ValueError: the loss or the outputs take one label a row.
    """
    if meaning == "softmax":
        raise ValueError(
            "the model ends in softmax, which gives one label a row: end it in sigmoid or logits"
        )
    if loss is None:
        return keras.losses.BinaryCrossentropy(from_logits=meaning == "logits")
    names = _names(loss)
    if names & (OVER_CLASSES | NEVER):
        raise ValueError(f"loss={loss!r} takes one label a row and y has several: leave it out")
    check_outputs(loss, names, meaning)
    return loss


def check_outputs(loss: Loss, names: set[str], meaning: Meaning) -> None:
    """Refuse a loss that takes logits for probabilities, or probabilities for logits.

    Raises:
        ValueError: the loss does so.
    """
    logits = meaning == "logits"
    takes_logits = getattr(loss, "from_logits", False)
    if logits and not takes_logits and names & OF_PROBABILITIES:
        mend = "or end the model in softmax or sigmoid"
        if names & {name for name in OF_PROBABILITIES if "entropy" in name}:
            mend = "or give one made with from_logits=True"
        raise ValueError(
            f"loss={loss!r} takes probabilities and the model gives logits: leave the loss out, {mend}"
        )
    if takes_logits and not logits:
        raise ValueError(f"loss={loss!r} takes logits and the model gives probabilities: from_logits=False")


def _names(loss: Loss) -> set[str]:
    """Return what Keras calls a loss and the classes it is made from; nothing if it is the user's own."""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        kinds = [kind for kind in type(loss).__mro__ if kind.__module__.startswith("keras.")]
        names = {kind.__name__ for kind in kinds} - {"Loss", "KerasSaveable", "LossFunctionWrapper"}
    elif inspect.isfunction(loss) and loss.__module__.startswith("keras."):
        names = {loss.__name__}
    else:
        names = set()
    return {name.replace("_", "").lower() for name in names}

"""What must not pass in silence? A NaN loss, targets of the wrong shape, a state carried over by mistake.

Callbacks and checks that :func:`kerasdl.training.fit` uses and that serve any Keras training as well.
"""

import math
from typing import Any

import keras
import numpy as np

from kerasdl import borrowed


class StopOnNaN(keras.callbacks.Callback):
    """Raises when an epoch ends with a loss or metric that is NaN or infinite; stock Keras returns it.

    Args:
        passes: over the data between two calls, which count as that many epochs.

    Raises:
        FloatingPointError: at the end of such an epoch; the message names what is not finite, and the epoch.

    Example:
        >>> StopOnNaN().on_epoch_end(0, {"loss": 0.5, "mae": float("nan")})
        Traceback (most recent call last):
        FloatingPointError: mae is nan after epoch 1: lower the learning rate, or clip the gradient
    """

    def __init__(self, passes: int = 1):
        super().__init__()
        self.passes = passes

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        bad = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if bad:
            raise not_finite(*next(iter(bad.items())), f"after epoch {(epoch + 1) * self.passes}")


def not_finite(name: str, value: float, where: str) -> FloatingPointError:
    """Return the error for a loss or metric that is NaN or infinite."""
    return FloatingPointError(f"{name} is {value} {where}: lower the learning rate, or clip the gradient")


class ResetState(keras.callbacks.Callback):
    """Sets the states of :class:`kerasdl.layers.Carried` and of stateful layers to zeros before each pass.

    Those inside nested models and wrappers, too.

    Example:
        >>> from kerasdl import layers
        >>> inputs = keras.Input((5, 3), batch_size=2)
        >>> layer = layers.Carried(layers.GRU(4, return_sequences=True, return_state=True))
        >>> model = keras.Model(inputs, layer(inputs))
        >>> _ = model(np.ones((2, 5, 3), "float32"))
        >>> reset = ResetState()
        >>> reset.set_model(model)
        >>> reset.on_epoch_begin(0)
        >>> float(keras.ops.max(layer.states[0]))
        0.0
    """

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._reset()

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._reset()

    def on_predict_begin(self, logs: dict | None = None) -> None:
        self._reset()

    def _reset(self) -> None:
        for layer in borrowed.every_layer(self.model):
            # A Bidirectional that holds no state raises where it is asked to reset it.
            if hasattr(layer, "reset_state") and getattr(layer, "stateful", True):
                layer.reset_state()


def check_arrays(x: Any, y: Any) -> Any:
    """Return y, and refuse what yields its batches one by one.

    The guards and the seeded order need all rows at once.

    Raises:
        ValueError: x or y is a generator, an iterator or a data set, or y is missing; the message gives the
            mend.
    """
    several = {f"x[{place}]": one for place, one in enumerate(x)} if isinstance(x, list) else {"x": x}
    for name, value in (several | {"y": y}).items():
        if value is None:
            raise ValueError(f"{name}=None: training.fit takes arrays, the inputs and the targets")
        if not (isinstance(value, (list, tuple)) or hasattr(value, "shape")):
            raise ValueError(
                f"{name} is a {type(value).__name__}, not an array: give it to model.fit, with "
                "training.StopOnNaN() among the callbacks, or give training.fit all rows as arrays"
            )
    return y


def check_targets(model: keras.Model, y: np.ndarray, name: str = "y") -> None:
    """Refuse targets of other shapes than the outputs', such as ``(n,)`` or ``(n, 3)`` against ``(n, 1)``.

    A loss would broadcast these; others a backend refuses in words of its own.

    Args:
        model: built; of several outputs nothing is asked, and of a loss of one's own little.
        y: targets ``(n, …)``.
        name: theirs in the message.

    Raises:
        ValueError: the shapes are those; the message gives the mend.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> check_targets(model, np.zeros(8))
        Traceback (most recent call last):
        ValueError: y has shape (8,), the model's output (None, 1): give y[:, None]
    """
    output = getattr(model, "output_shape", None)
    if isinstance(output, tuple) and len(output) == 2 and output[1] == 1 and np.ndim(y) == 1:
        raise ValueError(f"{name} has shape {np.shape(y)}, the model's output {output}: give y[:, None]")
    if not isinstance(output, tuple) or np.ndim(y) != len(output) or not _by_element(model):
        return
    columns, outputs = np.shape(y)[-1], output[-1]
    if columns != outputs:
        why = ", for the loss would repeat the smaller one" if 1 in (columns, outputs) else ""
        raise ValueError(
            f"{name} has shape {np.shape(y)}, the model's output {output}: make the last numbers equal{why}"
        )


def _by_element(model: keras.Model) -> bool:
    """Return whether the loss is one of Keras's own that compares targets and outputs of equal shapes."""
    loss = getattr(model, "loss", None)
    if not (isinstance(loss, (str, keras.losses.Loss)) or callable(loss)):
        return False
    named = isinstance(loss, str)
    kind = loss if named else getattr(loss, "__name__", type(loss).__name__)
    module = "keras" if named else getattr(loss, "__module__", "") or ""  # of code that was executed: None
    return module.partition(".")[0] == "keras" and not kind.lower().startswith(("sparse", "ctc"))

"""How is a model fed and watched? Batches in one order, guards, history as a table.

Training itself is Keras's own ``compile`` and ``fit``: what is here feeds it and refuses to be silent.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd

from kerasdl import checks, devices, random

__all__ = ["Batches", "ResetState", "StopOnNaN", "check_targets", "fit", "reports", "restore", "snapshot"]


class Batches(keras.utils.PyDataset):
    """Mini-batches in an order that NumPy draws: the same on every backend, another in each epoch.

    The order of an epoch depends on the seed and the epoch's number alone, so a run can be resumed. Set
    :attr:`epoch`, then take the batches; :func:`fit` does so for Keras.

    Args:
        x: inputs, ``(samples, …)``; a list of arrays for a model with several inputs.
        y: targets, ``(samples, …)``.
        batch_size: rows a batch; the last batch of a pass holds what is left.
        sample_weight: optional ``(samples,)``.
        passes: passes over the data that make up one epoch, each in an order of its own. A backend spends
            up to a tenth of a second between epochs, which on few batches is more than it spends on them.

    Attributes:
        epoch: the present epoch, from 0.

    Raises:
        ValueError: lengths differ, a size below 1, no rows, NaN or infinite values.

    Example:
        >>> import numpy as np
        >>> [len(x) for x, y in Batches(np.zeros((5, 1)), np.zeros((5, 1)), batch_size=2)]
        [2, 2, 1]
    """

    def __init__(
        self,
        x: np.ndarray | list[np.ndarray],
        y: np.ndarray,
        batch_size: int,
        sample_weight: np.ndarray | None = None,
        passes: int = 1,
    ):
        super().__init__()
        self._inputs = len(x) if isinstance(x, list) else None
        several = {f"x[{place}]": one for place, one in enumerate(x)} if isinstance(x, list) else {"x": x}
        named = {**several, "y": y, "sample_weight": sample_weight}
        self.samples = checks.same_length(**named)
        if not self.samples:
            raise ValueError("x has no rows: nothing to train on")
        self.arrays = [_numbers(name, values) for name, values in named.items() if values is not None]
        self.batch_size = checks.positive_int("batch_size", batch_size)
        self.passes = checks.positive_int("passes", passes)
        self._seed = int(random.generator("batches").integers(2**32))
        self.epoch = 0

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        numbers = range(epoch * self.passes, (epoch + 1) * self.passes)
        self._orders = [np.random.default_rng([self._seed, n]).permutation(self.samples) for n in numbers]

    def __len__(self) -> int:
        return self.passes * -(-self.samples // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        if not 0 <= index < len(self):
            raise IndexError(f"index={index}: there are {len(self)} batches")
        number, place = divmod(index, len(self) // self.passes)
        rows = self._orders[number][place * self.batch_size : (place + 1) * self.batch_size]
        batch = [array[rows] for array in self.arrays]
        if self._inputs is None:
            return tuple(batch)
        return (tuple(batch[: self._inputs]), *batch[self._inputs :])


class _SetEpoch(keras.callbacks.Callback):
    """Tells the batches which epoch it is: the hooks of a data set fire more often than epochs begin."""

    def __init__(self, batches: Batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.batches.epoch = epoch


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Floats become Keras's float type once, here, so that each backend is fed the same numbers."""
    values = checks.finite(name, values)
    return values.astype(keras.config.floatx()) if np.issubdtype(values.dtype, np.floating) else values


def _validation(x: np.ndarray | list[np.ndarray], y: np.ndarray, weight: np.ndarray | None = None) -> tuple:
    """Return the data to validate on, checked as the data to train on is."""
    if isinstance(x, list):
        x = [_numbers(f"validation x[{place}]", one) for place, one in enumerate(x)]
    else:
        x = _numbers("validation x", x)
    y = _numbers("validation y", y)
    return (x, y) if weight is None else (x, y, _numbers("validation sample_weight", weight))


class StopOnNaN(keras.callbacks.Callback):
    """Raises when an epoch ends with a loss or metric that is NaN or infinite; stock Keras returns it."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        bad = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if bad:
            name, value = next(iter(bad.items()))
            raise FloatingPointError(
                f"{name} is {value} after epoch {epoch + 1}: lower the learning rate, or clip the gradient"
            )


class ResetState(keras.callbacks.Callback):
    """Sets the states that :class:`kerasdl.layers.Carried` holds to zeros before each pass over the data."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._reset()

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._reset()

    def on_predict_begin(self, logs: dict | None = None) -> None:
        self._reset()

    def _reset(self) -> None:
        for layer in self.model.layers:
            if hasattr(layer, "reset_state"):
                layer.reset_state()


def check_targets(model: keras.Model, y: np.ndarray) -> None:
    """Refuse targets ``(n,)`` against outputs ``(n, 1)``, which some losses broadcast to ``(n, n)``.

    Raises:
        ValueError: the shapes are those; the message gives the mend.
    """
    output = getattr(model, "output_shape", None)
    if isinstance(output, tuple) and len(output) == 2 and output[1] == 1 and np.ndim(y) == 1:
        raise ValueError(f"y has shape {np.shape(y)}, the model's output {output}: give y[:, None]")


def reports(epochs: int, report_every: int) -> int:
    """Return how many rows the history of a training has.

    Raises:
        ValueError: a number below 1, or ``report_every`` does not divide ``epochs``.
    """
    if checks.positive_int("epochs", epochs) % checks.positive_int("report_every", report_every):
        raise ValueError(f"report_every={report_every} does not divide epochs={epochs}: choose one that does")
    return epochs // report_every


def fit(
    model: keras.Model,
    x: np.ndarray | list[np.ndarray],
    y: np.ndarray,
    *,
    epochs: int,
    batch_size: int = 32,
    report_every: int = 1,
    sample_weight: np.ndarray | None = None,
    validation_data: tuple | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> pd.DataFrame:
    """Train a compiled model by Keras's own ``fit`` on :class:`Batches`, guarded, and return its history.

    After :func:`kerasdl.devices.use`, each batch is shared out among so many devices.

    Args:
        model: compiled; it is trained in place.
        x, y: inputs and targets, ``(samples, …)``; a model with one output takes y as ``(samples, 1)``, one
            with several inputs takes x as a list.
        epochs: passes over the data, at least 1.
        batch_size: rows a batch.
        report_every: epochs between two rows of the history; it must divide ``epochs``. The steps are the
            same; with few batches an epoch a larger number is several times quicker on TensorFlow.
        sample_weight: optional ``(samples,)``. Keras divides by the number of rows, not by their sum:
            scale them to mean 1 to keep the loss's scale.
        validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, like the above, evaluated each epoch.
        callbacks, verbose: as in Keras.

    Returns:
        One row for every ``report_every`` epochs (index ``epoch``, counted from 1), one column a loss or
        metric: training figures are means over those epochs, validation figures taken at their end.

    Raises:
        ValueError: NaN or infinite data, lengths that differ, ``(n,)`` targets for an ``(n, 1)`` output.
        FloatingPointError: the loss became NaN or infinite.

    Example:
        >>> import numpy as np, keras
        >>> from kerasdl import models
        >>> model = models.linear(1)
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> x = np.linspace(-1, 1, 20, dtype="float32")[:, None]
        >>> len(fit(model, x, 2 * x, epochs=3))
        3
    """
    check_targets(model, y)
    if validation_data is not None:
        validation_data = _validation(*validation_data)
        check_targets(model, validation_data[1])
    rows = reports(epochs, report_every)
    batches = Batches(x, y, batch_size, sample_weight, passes=report_every)
    devices.spread(model)
    if model.compiled and model.built and not model.optimizer.built:
        # Else TensorFlow finds new variables in its first trace of a step, and traces it all once more.
        model.optimizer.build(model.trainable_variables)
    try:
        history = model.fit(
            batches,
            epochs=rows,
            shuffle=False,  # the batches are in their order already
            validation_data=validation_data,
            callbacks=[_SetEpoch(batches), *devices.callbacks(), *callbacks, StopOnNaN()],
            verbose=verbose,
        ).history
    finally:
        batches.arrays = []  # TensorFlow keeps the batches for good: not the data as well
    table = pd.DataFrame(history)
    table.index = pd.RangeIndex(report_every, epochs + 1, report_every, name="epoch")[: len(table)]
    return table


def snapshot(model: keras.Model) -> list[tuple]:
    """Return every variable that training moves, each with its present value.

    That is the model's weights, its random layers' states and its optimizer's. A model compiled once and
    put back with :func:`restore` trains again without a new trace, and without the memory that a fresh
    model for each run would leave behind.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [(v, keras.ops.convert_to_numpy(v)) for v in [*model.variables, *model.optimizer.variables]]


def restore(state: list[tuple]) -> None:
    """Put each variable of a :func:`snapshot` back to its value."""
    for variable, value in state:
        variable.assign(value)

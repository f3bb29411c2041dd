"""In which order is a model fed? Mini-batches drawn by NumPy, the same on every backend.

In go arrays ``(samples, …)`` and the current seed; out come batches, epoch by epoch.
"""

from typing import Any

import keras
import numpy as np
from scipy.sparse import issparse

from kerasdl import checks, random


class Batches(keras.utils.PyDataset):
    """Mini-batches in an order that NumPy draws: the same on every backend, another in each epoch.

    The order of an epoch depends on the seed and the epoch's number alone, so a run can be resumed. Set
    ``epoch``, then take the batches; :func:`fit` does so for Keras.

    Args:
        x: inputs, ``(samples, …)``; a list of arrays for a model with several inputs; or sparse rows of
            SciPy's, of which each batch is made dense.
        y: targets, ``(samples, …)``.
        batch_size: rows a batch; the last batch of a pass holds what is left.
        sample_weight: optional ``(samples,)``.
        passes: passes over the data that make up one epoch, each in an order of its own. A backend spends
            up to a tenth of a second between epochs, which on few batches is more than it spends on them.
        shuffle: False leaves the rows in their order.

    Attributes:
        epoch: the present epoch, from 0.
        seed: of all orders.

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
        shuffle: bool = True,
    ):
        super().__init__()
        self._inputs = len(x) if isinstance(x, list) else None
        several = {f"x[{place}]": one for place, one in enumerate(x)} if isinstance(x, list) else {"x": x}
        named = several | {"y": y} | ({} if sample_weight is None else {"sample_weight": sample_weight})
        self.samples = checks.same_length(**named)
        if not self.samples:
            raise ValueError("x has no rows: nothing to train on")
        self.arrays: list[Any] = [numbers(name, values) for name, values in named.items()]
        self.batch_size = checks.positive_int("batch_size", batch_size)
        self.passes = checks.positive_int("passes", passes)
        self.shuffle = shuffle
        self.seed = int(random.generator("batches").integers(2**32))
        self.epoch = 0

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        numbers = range(epoch * self.passes, (epoch + 1) * self.passes)
        self._orders = [self._order(number) for number in numbers]

    def _order(self, number: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.samples)
        return np.random.default_rng([self.seed, number]).permutation(self.samples)

    def __len__(self) -> int:
        return self.passes * -(-self.samples // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        if not 0 <= index < len(self):
            raise IndexError(f"index={index}: there are {len(self)} batches")
        number, place = divmod(index, len(self) // self.passes)
        rows = self._orders[number][place * self.batch_size : (place + 1) * self.batch_size]
        return self._together([dense(array[rows]) for array in self.arrays])

    def _together(self, arrays: list[np.ndarray]) -> tuple:
        if self._inputs is None:
            return tuple(arrays)
        return (tuple(arrays[: self._inputs]), *arrays[self._inputs :])

    def data(self) -> tuple:
        """Return all rows, in the form of a batch."""
        return self._together(self.arrays)

    def steps(self) -> list[np.ndarray]:
        """Return the rows of the present epoch's batches, ``(steps, batch)``, for each run of one size.

        Example:
            >>> batches = Batches(np.zeros((5, 1)), np.zeros((5, 1)), batch_size=2, shuffle=False)
            >>> [part.tolist() for part in batches.steps()]
            [[[0, 1], [2, 3]], [[4]]]
        """
        orders = self._orders
        if self.samples % self.batch_size == 0:
            orders = [np.concatenate(orders)]
        return [part for order in orders for part in slices(order, self.batch_size)]


class SetEpoch(keras.callbacks.Callback):
    """Tells the batches which epoch it is: the hooks of a data set fire more often than epochs begin."""

    def __init__(self, batches: Batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.batches.epoch = epoch


def dense(values: Any) -> np.ndarray:
    """Return rows, sparse or not, as an array."""
    return values.toarray() if issparse(values) else values


def numbers(name: str, values: Any) -> Any:
    """Floats become Keras's float type once, here, so that each backend is fed the same numbers.

    Raises:
        ValueError: NaN, infinite or masked values; complex numbers, dates, text or objects.
    """
    checks.real(name, values)
    values = checks.finite(name, values)
    if values.dtype.kind in "cO":
        raise ValueError(f"{name} holds {values.dtype}: give numbers, such as an array of float32")
    return values.astype(keras.config.floatx()) if np.issubdtype(values.dtype, np.floating) else values


def slices(order: np.ndarray, batch: int) -> list[np.ndarray]:
    """Cut an order into whole batches, ``(steps, batch)``, and what is left, ``(1, rest)``; int32."""
    order = order.astype("int32")
    whole = len(order) // batch * batch
    parts = [order[:whole].reshape(-1, batch), order[whole:].reshape(1, -1)]
    return [part for part in parts if part.size]

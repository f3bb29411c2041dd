"""How does one member's training go? As Keras's callbacks see it, report by report, until it is through.

In go what each report says and the member's weights then; out come its history, the weights that it keeps and
the rate that it goes on with. The callbacks are Keras's own: each is shown a stand-in for a model, which has
what they ask a model for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from kerasdl.selection.stack.members import Arrays, Member


class Course:
    """One member's way through a training.

    Args:
        member: who is trained.
        reports: how many there are at most.

    Attributes:
        number: of reports so far.
        through: whether no more are wanted.
    """

    def __init__(self, member: Member, reports: int):
        self.reports, self.number, self.through = reports, 0, False
        self._shown = _Shown(member.optimizer[2], member.metrics)
        self._watching = keras.callbacks.CallbackList(
            list(member.callbacks), add_history=True, model=self._shown, verbose=0, epochs=reports
        )
        self._watching.on_train_begin()
        self._watching.on_epoch_begin(0)

    @property
    def rate(self) -> float | None:
        """The learning rate to go on with; None where a schedule gives it."""
        return self._shown.optimizer.learning_rate

    @property
    def arrays(self) -> Arrays:
        """The weights as the last report left them, or as a callback put them back."""
        return self._shown.arrays

    def report(self, rows: Sequence[Mapping[str, float]], arrays: Arrays) -> None:
        """Take note of one report or several, and of the present weights.

        Args:
            rows: what each report says, by the names in a history.
            arrays: the weights after the last of them.
        """
        self._shown.arrays = arrays
        for row in rows:
            finite = np.isfinite(list(row.values())).all()
            self._watching.on_epoch_end(self.number, dict(row))
            self.number += 1
            self.through = self._shown.stop_training or self.number == self.reports or not finite
            if self.through:
                self._watching.on_train_end()
                return
            self._watching.on_epoch_begin(self.number)

    def history(self, every: int) -> pd.DataFrame:
        """Return the table of the reports, which lie so many epochs apart."""
        history = pd.DataFrame(self._shown.history.history)
        history.index = pd.RangeIndex(every, every * len(history) + 1, every, name="epoch")
        return history


class _Shown:
    """What callbacks are shown in place of a model."""

    def __init__(self, rate: float | None, metrics: Sequence[keras.metrics.Metric]):
        self.optimizer = _Rate(rate)
        self.metrics = list(metrics)  # by which a stopper tells whether more is better
        self.stop_training = False
        self.arrays: Arrays = []
        self.history: Any = None  # Keras's History puts itself here

    def get_weights(self) -> list[np.ndarray]:
        return [array for layer in self.arrays for array in layer]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        given = iter(weights)
        self.arrays = [[next(given) for _ in layer] for layer in self.arrays]


class _Rate:
    """An optimizer of which nothing is known but its rate, held as Keras holds it, in float32."""

    def __init__(self, rate: float | None):
        self._rate = None if rate is None else np.float32(rate)

    @property
    def learning_rate(self) -> Any:
        return self._rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._rate = np.float32(rate)

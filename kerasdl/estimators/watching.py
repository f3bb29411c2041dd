"""Who watches a training? The stopper, the user's own callbacks in a fresh copy, and a bar.

In go an estimator's settings; out come callbacks for one training.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kerasdl import checks


class Stopping(NamedTuple):
    """When a training stops early.

    Attributes:
        patience: rows of the history without progress.
        monitor: the column of the history that is looked at.
        min_delta: what counts as progress.
        restore_best: whether to go back to the best weights.
        mode: ``"min"`` or ``"max"``: which direction is progress; ``"auto"`` leaves it to Keras.
    """

    patience: int
    monitor: str
    min_delta: float
    restore_best: bool
    mode: str

    def callback(self) -> keras.callbacks.Callback:
        """Return Keras's stopper."""
        return keras.callbacks.EarlyStopping(
            self.monitor,
            min_delta=self.min_delta,
            patience=self.patience,
            mode=self.mode,
            restore_best_weights=self.restore_best,
        )


def stopping(
    early_stopping: Any, monitor: str, min_delta: float, restore_best: bool, report_every: int
) -> Stopping | None:
    """Return when a training stops early, if it does.

    Raises:
        ValueError: a number of epochs at whose end nothing is looked at, or one below 1.
    """
    if early_stopping is None:
        return None
    if isinstance(early_stopping, bool):
        raise ValueError(f"early_stopping={early_stopping}: give a number of epochs, or None for never")
    epochs = checks.positive_int("early_stopping", early_stopping)
    if epochs % report_every:
        raise ValueError(
            f"early_stopping={epochs}, but the loss is looked at every report_every={report_every} epochs: "
            "give a multiple of it"
        )
    lower = monitor.removeprefix("val_") == "loss"
    delta = checks.not_negative("min_delta", min_delta)
    return Stopping(epochs // report_every, monitor, delta, bool(restore_best), "min" if lower else "auto")


def copies(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return callbacks that no other training has used.

    Args:
        callbacks: one, several, or functions that make one; None for none.

    Raises:
        TypeError: something else.
        ValueError: one that would go on where another training was stopped.
    """
    if callbacks is None:
        return []
    found = []
    for one in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        fresh = copy.deepcopy(one) if isinstance(one, keras.callbacks.Callback) else None
        if fresh is None and callable(one):
            fresh = one()
        if not isinstance(fresh, keras.callbacks.Callback):
            raise TypeError(f"callbacks={one!r}: give Keras callbacks, or functions that make one")
        if isinstance(fresh, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "callbacks holds BackupAndRestore: each fit would go on where the last one was stopped, even "
                "on other rows; give resume= to cross_validate, a search or training.fit"
            )
        found.append(fresh)
    return found


def parted(callbacks: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """Return copies of callbacks that have let go of the model they watched."""
    alone = [copy.copy(one) for one in callbacks]
    for one in alone:
        rejoined(one, None)
    return alone


def rejoined(callback: keras.callbacks.Callback, model: keras.Model | None) -> None:
    """Give a callback the model that it watched, without what it does when a training begins."""
    keras.callbacks.Callback.set_model(callback, model)


def bar(what: str, total: int) -> Progress:
    """Return a bar that shows how many of something are done, with one task, on a terminal or not."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, TextColumn("{task.fields[loss]}"), console=Console())
    progress.add_task(what, total=total, loss="")
    return progress


class Bar(keras.callbacks.Callback):
    """Shows one bar for a whole training."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._progress = bar("epochs", self.params["epochs"])
        self._progress.start()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self._progress is not None:
            said = ", ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
            self._progress.update(self._progress.task_ids[0], completed=epoch + 1, loss=said)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

"""How does a training go on where it was stopped? From a checkpoint of all that moves it, to the last bit.

A training and a folder go in; out come the epoch to go on from, with the model, the order of the batches and
the callbacks as they were then, and new checkpoints as the training goes on.
"""

import contextlib
import inspect
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasdl import borrowed, checks, devices, files
from kerasdl.training import checkpoints, contents, digests
from kerasdl.training.batches import Batches
from kerasdl.training.snapshots import restore, snapshot

SECONDS = 10.0  # between two checkpoints, unless told otherwise
SHARE = 1 / 25  # of the time at most goes into checkpoints
OURS = {"model", "_model", "params"}  # what Keras sets in a callback


@dataclass(frozen=True)
class Checkpoints:
    """Where checkpoints of a training lie, and how often one is written.

    Args:
        folder: of this training alone. Made if it is not there.
        epochs: write one after each so many epochs. Default: by the clock.
        seconds: write one at the end of the first epoch after so many seconds; default 10. By the clock, at
            most a twenty-fifth of the time goes into checkpoints.

    Raises:
        ValueError: not a positive number, or both of them.

    Example:
        >>> Checkpoints("run", epochs=5).epochs
        5
    """

    folder: str | Path
    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.seconds is not None:
            raise ValueError(f"epochs={self.epochs}, seconds={self.seconds}: give one of them")
        if self.epochs is not None:
            checks.positive_int("epochs", self.epochs)
        if self.seconds is not None:
            checks.positive("seconds", self.seconds)


class Session:
    """One training between its start here and its end here: what it goes on from, and what it leaves.

    Args:
        resume: a folder, or where and how often.
        model: compiled.
        batches: what it is fed.
        validation: what it is validated on.
        callbacks: the user's.
        asked: the settings of the training.

    Attributes:
        done: rows of the history that are done.
        finished: whether the training has ended, so that nothing is left to do.
        saver: the callback that writes; the last one of all, for it keeps the others' states.
        attrs: what the history said of how it was made.

    Raises:
        ValueError: the folder holds another training, or no checkpoint there is whole.
        RuntimeError: another training uses this folder now, or several devices train.
    """

    def __init__(
        self,
        resume: str | Path | Checkpoints,
        model: keras.Model,
        batches: Batches,
        validation: Sequence | None,
        callbacks: Sequence[keras.callbacks.Callback],
        asked: dict[str, Any],
    ):
        if devices.count() > 1:
            raise RuntimeError("resume= needs a single device: leave devices.use out")
        self.kept = resume if isinstance(resume, Checkpoints) else Checkpoints(resume)
        self.model, self.batches, self.callbacks = model, batches, list(callbacks)
        if not (model.built and model.optimizer.built):
            borrowed.build(model, batches[0])
        self.folder = checkpoints.place(self.kept.folder)
        self.done, self.finished = 0, False
        self.attrs: dict[str, Any] = {}
        self.history: dict[str, list[Any]] = {}
        self.saver = _Saver(self)
        self._states: list[dict[str, Any]] = []
        self._drawn: dict[str, Any] = {}
        self._fresh = [{name: _mark(value) for name, value in _state(one).items()} for one in self.callbacks]
        self._lock = files.hold(self.folder)
        try:
            self._is = _signature(model, batches, validation, self.callbacks, asked)
            if (found := checkpoints.read(self.folder)) is not None:
                self._go_on(*found)
        except BaseException:
            self.close()
            raise

    def _go_on(self, record: dict[str, Any], arrays: checkpoints.Arrays) -> None:
        """Put everything back to where a checkpoint has it."""
        was = record.get("is")
        other = [
            name for name, digest in self._is.items() if not isinstance(was, dict) or was.get(name) != digest
        ]
        if other:
            raise ValueError(
                f"resume={str(self.kept.folder)!r} holds a training with other {' and '.join(other)}: "
                "give another folder, or delete this one to begin anew"
            )
        state = checkpoints.unpacked(record["state"], arrays)
        now = snapshot(self.model)
        for (variable, present), value in zip(now, state["variables"], strict=True):
            if value.shape != present.shape or value.dtype.itemsize != present.dtype.itemsize:
                raise ValueError(f"{self.folder}: {variable.path} has another shape or type there")
        restore(
            [
                (variable, value.view(old.dtype))
                for (variable, old), value in zip(now, state["variables"], strict=True)
            ]
        )
        self.batches.seed = state["seed"]
        self.done, self.finished, self.attrs = state["done"], state["finished"], state["attrs"]
        self.history, self._states, self._drawn = state["history"], state["callbacks"], state["drawn"]

    def way(self, reason: str | None) -> str | None:
        """Go on as it began: the reason not to train as a program, now or at the beginning."""
        self.attrs = self.attrs or {"engine": "keras" if reason else "program", "reason": reason}
        return reason or (self.attrs["reason"] if self.attrs["engine"] == "keras" else None)

    def began(self) -> None:
        """Give the callbacks their states, which they have just set back to those of a beginning."""
        for callback, state in zip(self.callbacks, self._states, strict=False):
            vars(callback).update(state)
        if self._drawn:
            _draw_on(self._drawn)

    def add(self, logs: dict[str, Any]) -> None:
        """Keep a row of the history."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self.done += 1

    def save(self, finished: bool = False, attrs: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of this moment."""
        arrays: checkpoints.Arrays = {}
        state = {
            "variables": [value for _, value in snapshot(self.model)],
            "seed": self.batches.seed,
            "done": self.done,
            "finished": finished,
            "attrs": attrs or self.attrs,
            "history": self.history,
            "drawn": _drawn(),
            "callbacks": [
                {name: value for name, value in _state(callback).items() if fresh.get(name) != _mark(value)}
                for callback, fresh in zip(self.callbacks, self._fresh, strict=True)
            ],
        }
        record = {"is": self._is, "state": checkpoints.packed(state, arrays, "a")}
        checkpoints.write(self.folder, 2 * self.done + finished, record, arrays)

    def close(self) -> None:
        """Let others use the folder."""
        files.let_go(self._lock)
        self._lock = None


class _Saver(keras.callbacks.Callback):
    """Keeps the history, and writes a checkpoint at the end of an epoch when it is time for one."""

    def __init__(self, session: Session):
        super().__init__()
        self.session, self.saved, self.cost, self.last = session, 0, 0.0, time.monotonic()

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.session.began()
        self.saved, self.last = self.session.done, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        session = self.session
        session.add(logs or {})
        if not self.model.stop_training and self._due():
            before = time.monotonic()
            session.save()
            self.saved, self.last = session.done, time.monotonic()
            self.cost = self.last - before

    def _due(self) -> bool:
        kept = self.session.kept
        if kept.epochs is not None:
            return (self.session.done - self.saved) * self.session.batches.passes >= kept.epochs
        wait = max(SECONDS if kept.seconds is None else kept.seconds, self.cost / SHARE)
        return time.monotonic() - self.last >= wait


def _state(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """What of a callback can be kept: its numbers, words, arrays, and lists of these."""
    state = {}
    for name, value in vars(callback).items():
        with contextlib.suppress(TypeError):
            checkpoints.packed(value, {}, "")
            state[name] = value
    return {name: value for name, value in state.items() if name not in OURS}


def _drawn() -> dict[str, Any]:
    """How far the generators of the whole process have drawn: PyTorch's feeds Keras's own ``Dropout``."""
    drawn = {"python": random.getstate(), "numpy": np.random.get_state()}  # noqa: NPY002
    if keras.backend.backend() == "torch":
        import torch

        every = [torch.random.get_rng_state(), *torch.cuda.get_rng_state_all()]
        drawn["torch"] = list(map(keras.ops.convert_to_numpy, every))
    return drawn


def _draw_on(drawn: dict[str, Any]) -> None:
    random.setstate(drawn["python"])
    np.random.set_state(drawn["numpy"])  # noqa: NPY002
    if keras.backend.backend() == "torch":
        import torch

        first, *others = map(torch.from_numpy, drawn["torch"])
        torch.random.set_rng_state(first)
        torch.cuda.set_rng_state_all(others)


def _mark(value: Any) -> str:
    """A digest of what a callback keeps: only what has changed since it was made is its state."""
    arrays: checkpoints.Arrays = {}
    return digests.digest(checkpoints.packed(value, arrays, ""), *map(digests.array, arrays.values()))


def _signature(
    model: keras.Model,
    batches: Batches,
    validation: Sequence | None,
    callbacks: Sequence[keras.callbacks.Callback],
    asked: dict[str, Any],
) -> dict[str, str]:
    """Digests of what must be the same in the call that goes on: each by the word for it."""
    shapes = [[list(value.shape), value.dtype.str] for _, value in snapshot(model)]
    compiled = [model.optimizer, *keras.tree.flatten(model.loss), *model.metrics]
    held_out = keras.tree.flatten(validation) if validation is not None else []
    return {
        "backend": keras.backend.backend(),
        "versions": json.dumps(digests.versions()),
        "model": digests.digest(
            digests.config(model.get_config, [type(layer).__qualname__ for layer in model.layers]),
            contents.own_parts(model),
            shapes,
        ),
        "loss, optimizer or metrics": digests.digest(
            digests.config(model.get_compile_config, type(model.optimizer).__qualname__),
            [contents.own_parts(one) for one in compiled],
        ),
        "data": digests.digest(*map(digests.array, [*batches.arrays, *held_out])),
        "settings": digests.digest(asked),
        "callbacks": digests.digest(
            [[type(one).__qualname__, _settings(one), contents.own_parts(one)] for one in callbacks]
        ),
    }


def _settings(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """What a callback was made with, as far as it keeps that under the same names."""
    names = inspect.signature(type(callback).__init__).parameters
    kept = {name: vars(callback)[name] for name in names if name in vars(callback)}
    return {name: value for name, value in kept.items() if isinstance(value, (bool, int, float, str))}

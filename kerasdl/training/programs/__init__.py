"""How is an epoch one program? Keras's own training step, compiled into a loop that gathers its own rows.

In go a compiled model and :class:`kerasdl.training.Batches`; the model is trained as Keras's ``fit`` would
train it, in the same order, and the history comes back. Going from Python to the device and back for each
batch is nearly all of a small model's time; here it happens a few times a second.
"""

import importlib
import math
import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import keras
import numpy as np
from scipy.sparse import issparse

from kerasdl import backends, borrowed, devices
from kerasdl.training.batches import Batches, SetEpoch, slices
from kerasdl.training.guards import StopOnNaN, not_finite
from kerasdl.training.programs.contract import Program

__all__ = ["Program", "module", "obstacle", "steps", "train"]

SHARE = 0.25  # of the memory that is free, for the data
VALIDATION_BATCH = 32  # Keras's own
HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
# Callbacks that leave the model alone: between epochs, it need not have its variables for their sake.
UNSEEING = (SetEpoch, StopOnNaN, keras.callbacks.History, keras.callbacks.ProgbarLogger)
# What it is called on the model that it belongs to: with that it is collected.
KEPT = "training_program"


def obstacle(
    model: keras.Model,
    arrays: Sequence[np.ndarray] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> str | None:
    """Return why a training can't be one program, in words, or None where it can.

    Args:
        model: compiled.
        arrays: the data.
        callbacks: those of the training.
    """
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    if model.steps_per_execution != 1:
        return f"the model is compiled with steps_per_execution={model.steps_per_execution}"
    for name in ("fit", "train_step", "test_step", "make_train_function", "make_test_function"):
        own = name in vars(model) and not (name == "train_step" and devices.count() > 1)
        if own or getattr(type(model), name) is not getattr(keras.Model, name):
            return f"the model has a {name} of its own"
    if reason := module().obstacle(model):
        return reason
    for callback in callbacks:
        for hook in (*HOOKS, *TEST_HOOKS):
            if _looks_at_batches(callback, hook):
                return f"callback {type(callback).__name__} has {hook}: it looks at every batch"
    for array in arrays:
        if issparse(array):
            return too_large([array]) or "the data are sparse"
        if array.dtype.kind not in "biuf":
            return f"the data hold {array.dtype}"
    return too_large(arrays)


def too_large(arrays: Sequence[Any]) -> str | None:
    """Return in words that arrays, sparse ones made dense, leave too little memory, or None."""
    size, free = sum(np.prod(one.shape, dtype=float) * one.dtype.itemsize for one in arrays), free_memory()
    if size > SHARE * free:
        return f"the data take {size / 2**20:,.0f} MiB, more than {SHARE:.0%} of the {free / 2**20:,.0f} free"
    return None


def _looks_at_batches(callback: keras.callbacks.Callback, hook: str) -> bool:
    if isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_freq == "epoch":
        return False
    if isinstance(callback, keras.callbacks.ProgbarLogger):
        return False
    stock = getattr(keras.callbacks.Callback, hook)
    return hook in vars(callback) or getattr(type(callback), hook) is not stock


def free_memory() -> float:
    """Return how many bytes the device that trains has free, as far as it says."""
    if (free := module().free_memory()) is not None:
        return free
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * 2.0**30  # a system that does not say: as small as a computer is likely to be


def module() -> ModuleType:
    """Return what the present backend makes programs by."""
    return importlib.import_module(f"{__name__}.{keras.backend.backend()}")


def signature(model: keras.Model) -> tuple:
    """Return what a compiled program of a model holds for as long as these stay the same objects."""
    return (
        model.optimizer,
        devices.loss_tracker(model),
        vars(model).get("train_step"),
        tuple(map(id, model.trainable_variables)),
        model.jit_compile,
        module().Program.kind(model),
    )


def program(model: keras.Model) -> Program:
    """Return a model's program: the one it has, where nothing has changed since."""
    kept, now = vars(model).get(KEPT), signature(model)
    if kept is None or kept.signature != now:
        kept = module().Program(model, now)
        object.__setattr__(model, KEPT, kept)  # past Keras, which looks for layers and variables in it
    return kept


def train(
    model: keras.Model,
    batches: Batches,
    epochs: int,
    validation: tuple | None,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int | str,
    begin: int = 0,
) -> tuple[dict[str, list[float]], str | None]:
    """Train a model as Keras's ``fit`` would, without looking up between batches.

    Returns:
        The history, and why some steps were taken one by one after all, or None.

    Raises:
        FloatingPointError: the loss became NaN or infinite; the message names epoch and batches.
    """
    first = batches[0]
    borrowed.build(model, first)
    own = program(model)
    own.refusal = None
    data = own.put(batches.data())
    held_out = None
    if validation is not None:
        held_out = own.put(validation), slices(np.arange(len(validation[1])), VALIDATION_BATCH)
        for rows in held_out[1]:
            own.plan(rows, False, epochs)
    for rows in batches.steps():
        own.plan(rows, True, epochs)
    watching = keras.callbacks.CallbackList(
        list(callbacks),
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=len(batches),
    )
    bars = [one for one in watching.callbacks if isinstance(one, keras.callbacks.ProgbarLogger)]
    seen = any(type(one) not in UNSEEING for one in watching.callbacks)

    def show() -> None:
        if seen:
            own.end()

    model.stop_training = False
    logs: dict[str, float] = {}
    watching.on_train_begin()
    try:
        for epoch in range(begin, epochs):
            own.begin()
            own.reset()
            show()
            watching.on_epoch_begin(epoch)
            for bar in bars:
                bar.on_train_batch_begin(0)
            logs = _train(own, data, batches, bars)
            show()
            if held_out is not None:
                validated = _validate(own, *held_out, watching, show)
                logs |= {f"val_{name}": value for name, value in validated.items()}
            watching.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
    finally:
        own.end()  # whatever happened, the model has the steps of every whole chunk
    model.optimizer.finalize_variable_values(model.trainable_weights)
    watching.on_train_end(logs)
    return model.history.history, own.refusal


def steps(model: keras.Model, data: Any, rows: Sequence[np.ndarray], start: int, end: int) -> None:
    """Train a compiled model step by step on rows that are given: no epochs, no history.

    Args:
        model: compiled.
        data: arrays ``(samples, …)``, in the form of a batch, ``(x, y)`` or ``(x, y, sample_weight)``.
        rows: for each array of ``data`` in turn, which of its rows make each step's batch: int32 with the
            steps first. ``(steps, batch)`` gives batches ``(batch, …)``, ``(steps,)`` single rows.
        start, end: the first step to take and the one after the last.

    Raises:
        ValueError: the backend only runs models forward.
    """
    backends.use(train=True)
    given = _Given(data, rows, start, end)
    if obstacle(model, keras.tree.flatten(data)) is not None:
        model.fit(given, shuffle=False, verbose=0)
        given.data = ()  # TensorFlow keeps it for good: not the data as well
        return
    borrowed.build(model, given[0])
    own = program(model)
    own.plan(rows[0][start:end], True)
    placed = own.put(data)
    own.begin()
    own.reset()
    try:
        own.run(placed, rows, True, lambda first, stop, loss: None, start, end)
    finally:
        own.end()


class _Given(keras.utils.PyDataset):
    """Batches of given rows, for Keras's own loop: arguments as in :func:`steps`."""

    def __init__(self, data: Any, rows: Sequence[np.ndarray], start: int, end: int):
        super().__init__()
        self.data, self.rows, self.start, self.end = data, rows, start, end

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, index: int) -> Any:
        arrays = zip(keras.tree.flatten(self.data), self.rows, strict=True)
        return keras.tree.pack_sequence_as(self.data, [a[one[self.start + index]] for a, one in arrays])


def _train(own: Program, data: Any, batches: Batches, bars: list) -> dict[str, float]:
    """Take one epoch's training steps and return what the metrics say."""
    done, every = 0, len(batches) // batches.passes

    def place(step: int) -> tuple[int, int]:
        number, batch = divmod(step, every)
        return batches.epoch * batches.passes + number + 1, batch + 1

    def seen(start: int, stop: int, loss: float) -> None:
        if not math.isfinite(loss):
            (epoch, first), (last_epoch, last) = place(done + start), place(done + stop - 1)
            where = f"in epoch {epoch}, within batches {first} to {last}"
            if epoch != last_epoch:
                where = f"between batch {first} of epoch {epoch} and batch {last} of epoch {last_epoch}"
            raise not_finite("loss", loss, where)
        for bar in bars:
            bar.on_train_batch_end(done + stop - 1, {"loss": loss})

    found: dict[str, Any] = {}
    own.begin()
    for rows in batches.steps():
        found = own.run(data, _for_each(data, rows), True, seen)
        done += len(rows)
    return _plain(found)


def _for_each(data: Any, rows: np.ndarray) -> list[np.ndarray]:
    return [rows] * len(keras.tree.flatten(data))


def _validate(
    own: Program,
    data: Any,
    parts: list[np.ndarray],
    watching: keras.callbacks.CallbackList,
    show: Callable[[], None],
) -> dict[str, float]:
    found: dict[str, Any] = {}
    own.model.stop_evaluating = False
    watching.on_test_begin()
    own.begin()
    own.reset()
    for rows in parts:
        found = own.run(data, _for_each(data, rows), False, lambda start, stop, loss: None)
    show()
    logs = _plain(found)
    watching.on_test_end(logs)
    return logs


def _plain(results: dict[str, Any]) -> dict[str, float]:
    """Return what the metrics say as plain numbers; those of several outputs side by side."""
    found: dict[str, float] = {}
    for name, value in results.items():
        for own, number in value.items() if isinstance(value, dict) else [(name, value)]:
            found[own] = float(number) if np.ndim(number) == 0 else number
    return found

"""How is a compiled model trained? By Keras's own training step, fed in a seeded order and guarded.

In go a compiled model and arrays; the model is trained in place, and a pandas table comes back.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from kerasdl import backends, borrowed, checks, devices
from kerasdl.training import programs
from kerasdl.training.batches import Batches, SetEpoch, dense, numbers
from kerasdl.training.guards import StopOnNaN, check_arrays, check_targets
from kerasdl.training.programs import VALIDATION_BATCH
from kerasdl.training.resume import Checkpoints, Session


def fit(
    model: keras.Model,
    x: np.ndarray | list[np.ndarray],
    y: np.ndarray | None = None,
    *,
    epochs: int,
    batch_size: int = 32,
    report_every: int = 1,
    sample_weight: np.ndarray | None = None,
    validation_data: tuple | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = 0,
    shuffle: bool = True,
    engine: str = "auto",
    initial_epoch: int = 0,
    resume: str | Path | Checkpoints | None = None,
) -> pd.DataFrame:
    """Train a compiled model on :class:`Batches`, guarded, and return its history.

    Keras's own training step runs as one program on the device, many batches at a time: what it computes is
    what Keras's ``fit`` computes, without the way back to Python after each batch. What can't run so goes
    through ``fit`` itself, and the history says why: ``history.attrs["engine"]`` is "program", "keras",
    or "steps" where PyTorch took the same steps one by one; ``history.attrs["reason"]`` is the reason, in
    words, or None.

    After :func:`kerasdl.devices.use`, each batch is shared out among so many devices.

    Args:
        model: compiled; it is trained in place.
        x, y: inputs and targets, ``(samples, …)``; a model with one output takes y as ``(samples, 1)``, one
            with several inputs takes x as a list. x may be sparse rows of SciPy's: they are made dense all at
            once where that takes no more than a quarter of the free memory; else batch by batch, in Keras's
            ``fit``, which costs its way back to Python and a small conversion each batch (4,000 rows of
            2,000 numbers: the same processor time on JAX, twice as much on PyTorch).
        epochs: passes over the data, at least 1.
        batch_size: rows a batch.
        report_every: epochs between two rows of the history; it must divide ``epochs``. The steps are the
            same; with few batches an epoch a larger number is several times quicker on TensorFlow.
        sample_weight: optional ``(samples,)``. Keras divides by the number of rows, not by their sum:
            scale them to mean 1 to keep the loss's scale.
        validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, like the above, evaluated each epoch.
        callbacks, verbose: as in Keras. A callback that looks at every batch needs Keras's ``fit``.
        shuffle: False feeds the rows in their order, as a :class:`kerasdl.layers.Carried` state wants it.
        engine: "program", or an error that says why not; "keras" for Keras's ``fit``; "auto" chooses.
        initial_epoch: how many epochs are done already, as in Keras: the others are trained, each in the
            order that belongs to its number. All else is as the model has it; ``resume`` brings that back
            too. Keras's ``BackupAndRestore`` goes on in this way.
        resume: a folder of this training's own, or :class:`Checkpoints` with one. Checkpoints go there, one
            every ten seconds. After a kill the same call goes on from the last one and ends with the weights
            and history, bit by bit, that it would have had; after its end it returns these at once. It is the
            same call with the same data, settings, versions and code of one's own. Kept are
            weights, optimizer, order, dropout's counters, history, and of callbacks all numbers, words and
            arrays among their attributes.

    Returns:
        One row for every ``report_every`` epochs trained (index ``epoch``, counted from 1), one column a loss
        or metric: training figures are means over those epochs, validation figures taken at their end.

    Raises:
        ValueError: a generator or data set in place of arrays, no y, NaN or infinite data, lengths that
            differ, ``(n,)`` targets for an ``(n, 1)`` output, engine="program" where it can't be, a backend
            that only runs models forward; an ``initial_epoch`` that leaves nothing to do; ``resume`` holds
            another training, or nothing whole, or comes with ``initial_epoch`` or ``BackupAndRestore``.
        RuntimeError: ``resume`` is in use by another training, or several devices train.
        FloatingPointError: the loss became NaN or infinite; the message names the epoch and, from a program,
            the batches between which it happened. The model is left as it was then.

    Example:
        >>> import numpy as np, keras
        >>> from kerasdl import models
        >>> model = models.linear(1)
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> x = np.linspace(-1, 1, 20, dtype="float32")[:, None]
        >>> len(fit(model, x, 2 * x, epochs=3))
        3
    """
    backends.use(train=True)
    y = check_arrays(x, y)
    check_targets(model, y)
    if validation_data is not None:
        check_targets(model, validation_data[1], "validation y")
    rows = reports(epochs, report_every)
    begun = first = _done(initial_epoch, epochs, report_every, resume, callbacks)
    checks.one_of("engine", engine, ("auto", "program", "keras"))
    batches = Batches(x, y, batch_size, sample_weight, passes=report_every, shuffle=shuffle)
    if issparse(batches.arrays[0]) and programs.too_large([batches.arrays[0]]) is None:
        batches.arrays[0] = dense(batches.arrays[0])
    aside = None if validation_data is None else _validation(*validation_data)
    devices.spread(model)
    if model.compiled and model.built and not model.optimizer.built:
        # Else TensorFlow finds new variables in its first trace of a step, and traces it all once more.
        model.optimizer.build(model.trainable_variables)
    own = list(callbacks)
    callbacks = [SetEpoch(batches), *devices.callbacks(), *own, StopOnNaN(report_every)]
    held_out = aside.arrays if isinstance(aside, Batches) else []
    reason = (
        "as asked" if engine == "keras" else programs.obstacle(model, [*batches.arrays, *held_out], callbacks)
    )
    if reason and engine == "program":
        raise ValueError(f"engine='program': {reason}: leave it to engine='auto'")
    session = None
    if resume is not None:
        asked = {"epochs": epochs, "batch_size": batch_size, "report_every": report_every, "engine": engine}
        asked |= {"shuffle": shuffle}
        session = Session(resume, model, batches, held_out or aside, own, asked)
        callbacks.append(session.saver)
        first, reason = session.done, session.way(reason)
    try:
        if session is not None and session.finished:
            history, attrs = session.history, session.attrs
        else:
            history, attrs, begun = _train(model, batches, rows, first, aside, callbacks, verbose, reason)
        if session is not None and not session.finished:
            history, begun = session.history, 0
            session.save(finished=True, attrs=attrs)
    finally:
        if session is not None:
            session.close()
        batches.arrays = []  # TensorFlow keeps the batches for good: not the data as well
        if isinstance(aside, Batches):
            aside.arrays = []
    table = pd.DataFrame(history)
    every = pd.RangeIndex(report_every, epochs + 1, report_every, name="epoch")
    table.index = every[begun : begun + len(table)]
    table.attrs = attrs
    return table


def _train(
    model: keras.Model,
    batches: Batches,
    rows: int,
    first: int,
    aside: tuple | Batches | None,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int | str,
    reason: str | None,
) -> tuple[dict, dict, int]:
    """Train from the row ``first`` on, as a program or, for a reason, by Keras.

    Returns:
        History and attrs, and the row that it began with: a ``BackupAndRestore`` may have gone on further on.
    """
    if reason is None:
        history, refusal = programs.train(model, batches, rows, aside, callbacks, verbose, first)
        return history, {"engine": "steps" if refusal else "program", "reason": refusal}, first
    with borrowed.epochs_as_asked(model):
        kept = model.fit(
            batches,
            epochs=rows,
            initial_epoch=first,
            shuffle=False,  # the batches are in their order already
            validation_data=aside,
            callbacks=callbacks,
            verbose=verbose,
        )
    return kept.history, {"engine": "keras", "reason": reason}, kept.epoch[0] if kept.epoch else first


def _done(
    initial_epoch: int,
    epochs: int,
    report_every: int,
    resume: str | Path | Checkpoints | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> int:
    """Return how many rows of the history are done before a training begins.

    Raises:
        ValueError: all are, part of one is, or two would say where it goes on.
    """
    whole = isinstance(initial_epoch, (int, np.integer)) and not isinstance(initial_epoch, bool)
    if not whole or not 0 <= initial_epoch < epochs or initial_epoch % report_every:
        every = "" if report_every == 1 else f" that report_every={report_every} divides"
        raise ValueError(
            f"initial_epoch={initial_epoch!r}: give a whole number from 0 to {epochs - 1}{every}; after an "
            "interruption resume= finds it by itself"
        )
    backup = any(isinstance(one, keras.callbacks.BackupAndRestore) for one in callbacks)
    if resume is not None and (initial_epoch or backup):
        other = "callbacks holds BackupAndRestore" if backup else f"initial_epoch={initial_epoch}"
        raise ValueError(f"{other}, and resume= says too where to go on: leave one of them out")
    return int(initial_epoch) // report_every


def reports(epochs: int, report_every: int) -> int:
    """Return how many rows the history of a training has.

    Args:
        epochs, report_every: as in :func:`fit`.

    Raises:
        ValueError: a number below 1, or ``report_every`` does not divide ``epochs``.

    Example:
        >>> reports(epochs=100, report_every=20)
        5
    """
    if checks.positive_int("epochs", epochs) % checks.positive_int("report_every", report_every):
        raise ValueError(f"report_every={report_every} does not divide epochs={epochs}: choose one that does")
    return epochs // report_every


def _validation(
    x: np.ndarray | list[np.ndarray], y: np.ndarray, weight: np.ndarray | None = None
) -> tuple | Batches:
    """Return the data to validate on, checked as the data to train on is."""
    if issparse(x):
        if programs.too_large([x]) is not None:
            return Batches(x, y, VALIDATION_BATCH, weight, shuffle=False)
        x = numbers("validation x", dense(x))
    elif isinstance(x, list):
        x = [numbers(f"validation x[{place}]", one) for place, one in enumerate(x)]
    else:
        x = numbers("validation x", x)
    y = numbers("validation y", y)
    return (x, y) if weight is None else (x, y, numbers("validation sample_weight", weight))

"""How are many models trained in one program? Step by step side by side, each on batches of its own.

A member takes its own steps: its batches, its short last batch, its masks, its optimizer's state. The t-th
step of all members is one step of the stack, so their optimizers count alike; a member with fewer batches an
epoch is through sooner. Its weights are read then, and what becomes of its place in the stack after that
concerns nobody.
"""

import json
import threading
from collections import OrderedDict
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from kerasdl import checks, training
from kerasdl.estimators.base import Feed, KerasEstimator
from kerasdl.layers.dropout import threshold
from kerasdl.selection.stack import layers as stacked
from kerasdl.selection.stack import plan

PROGRAMS = 8  # compiled stacks kept: a new one costs seconds, and on every backend some memory for good
_programs: OrderedDict[tuple, "Program"] = OrderedDict()
_lock = threading.Lock()


class Member(NamedTuple):
    """One model to train.

    Attributes:
        estimator: its settings.
        loss: what it is compiled with.
        plan: its layers, their weights as it starts.
        feed: its rows, as wide as the widest member's.
        seed: of its batches' order.
        stream: what it shares rows and order by: members with equal ones are fed once.
        optimizer: its name, settings and rate, as :func:`plan.optimizer_settings` gives them.
    """

    estimator: KerasEstimator
    loss: str | keras.losses.Loss
    plan: plan.Plan
    feed: Feed
    seed: int
    stream: tuple
    optimizer: tuple[str, dict, float | None]


class Trained(NamedTuple):
    """What became of a member: its arrays, layer by layer, its history, and outputs for rows asked for."""

    arrays: list[list[np.ndarray]]
    history: pd.DataFrame
    outputs: list[np.ndarray]


class Program(NamedTuple):
    """A compiled stack and its optimizer's state before the first step."""

    model: stacked.Stack
    fresh: list[np.ndarray]


def check(member: Member) -> tuple:
    """Return what must be equal for members to be trained together.

    Raises:
        Unstackable: this one can't be.
        ValueError: epochs, batch_size or report_every can't be meant.
    """
    estimator = member.estimator
    _, loss = plan.rowwise(member.loss)
    name, settings, rate = member.optimizer
    reports = training.reports(estimator.epochs, estimator.report_every)
    early = None if estimator.early_stopping is None else estimator.patience()
    batch = checks.positive_int("batch_size", estimator.batch_size)
    sizes = (estimator.epochs, batch, reports, early)
    shapes = tuple(tuple(np.shape(a) for a in arrays) for arrays in member.plan.arrays)
    if rate is not None and name == "Ftrl":
        settings = settings | {"learning_rate": rate}  # its step is not in proportion to its rate
    described = json.dumps([name, settings], sort_keys=True, default=str)
    targets = member.feed.y.shape[1:]
    return member.plan.shared, shapes, sizes, described, loss, rate is None, targets


def train(members: list[Member], asked: list[list[np.ndarray]]) -> list[Trained]:
    """Train members whose :func:`check` is equal, and give each one's outputs for its arrays in ``asked``.

    A member whose loss became NaN or infinite has that in its history; the others are untouched by it.
    """
    with _lock:
        return _Run(members).trained(asked)


class _Run:
    """One training of one program."""

    def __init__(self, members: list[Member]):
        self.members = members
        keys = list(dict.fromkeys(member.stream for member in members))
        self.streams = tuple(keys.index(member.stream) for member in members)
        first = [self.streams.index(s) for s in range(len(keys))]
        self.feeds = [members[m].feed for m in first]
        self.seeds = [members[m].seed for m in first]
        estimator = members[0].estimator
        self.batch, self.every = estimator.batch_size, estimator.report_every
        self.epochs, self.reports = estimator.epochs, estimator.epochs // estimator.report_every
        self.patience = None if estimator.early_stopping is None else estimator.patience()
        self.an_epoch = [-(-len(feed.x) // self.batch) for feed in self.feeds]
        self.program = self._program()
        self.model = self.program.model
        self._start()

    def _program(self) -> Program:
        """Return the compiled stack that these members need, from those kept where there is one."""
        first, plans = self.members[0], [member.plan for member in self.members]
        penalised = tuple(map(tuple, np.any([p.penalties > 0 for p in plans], axis=0)))
        places = sorted(set().union(*(p.dropout for p in plans)))
        dropout = tuple((place, *map(len, self._dropout(place))) for place in places)
        name, settings, _ = first.optimizer
        rates = self._rates()
        varied = rates is not None and len(set(rates)) > 1
        shapes = [[a.shape for a in arrays] for arrays in first.plan.arrays]
        key = (check(first), penalised, dropout, self.streams, varied, first.feed.x.shape[1:])
        if key in _programs:
            _programs.move_to_end(key)
            return _programs[key]
        model = stacked.Stack(
            first.plan.shared,
            shapes,
            penalised,
            {place: numbers for place, *numbers in dropout},
            self.streams,
            plan.rowwise(first.loss)[0],
            features=int(np.prod(first.feed.x.shape[1:])),
            batch=self.batch,
            reports=self.reports,
        )
        optimizer = stacked.optimizer(name, settings, len(self.members), varied)
        model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
        optimizer.build(model.trainable_variables)
        fresh = [keras.ops.convert_to_numpy(v) for v in optimizer.variables]
        _programs[key] = Program(model, fresh)
        if len(_programs) > PROGRAMS:
            _programs.popitem(last=False)
        return _programs[key]

    def _dropout(self, place: int) -> tuple[list[int], list[float]]:
        """Return the keys and the rates before the layer of this number: one where all members agree."""
        own = [member.plan.dropout.get(place, (0.0, 0)) for member in self.members]
        keys = [key for rate, key in own if rate]
        rates = [rate for rate, _ in own]
        return keys[:1] if len(set(keys)) == 1 else [key for _, key in own], (
            rates[:1] if len(set(rates)) == 1 else rates
        )

    def _rates(self) -> list[float] | None:
        rates = [member.optimizer[2] for member in self.members]
        return None if rates[0] is None else rates

    def _start(self) -> None:
        """Put the members' own numbers into the stack."""
        model, plans = self.model, [member.plan for member in self.members]
        for number, layer in enumerate(model.stack):
            if not hasattr(layer, "arrays"):
                continue
            for place, variable in enumerate(layer.arrays):
                values = [p.arrays[number][place] for p in plans]
                variable.assign(np.stack(values).reshape(variable.shape))
            if isinstance(layer, stacked.Dense):
                layer.penalties.assign(np.stack([p.penalties[number] for p in plans], axis=1))
        for place, layer in model.dropouts.items():
            keys, rates = self._dropout(int(place))
            layer.keys.assign(np.reshape(np.array(keys, "int32"), (-1, 1, 1)))
            thresholds = [threshold(rate) for rate in rates]
            layer.thresholds.assign(np.reshape(np.array(thresholds, "int32"), (-1, 1, 1)))
            layer.scales.assign(np.reshape([1 / (1 - rate) for rate in rates], (-1, 1, 1)))
        model.step.assign(0)
        model.record.assign(np.zeros(model.record.shape))
        for variable, value in zip(model.optimizer.variables, self.program.fresh, strict=True):
            variable.assign(value)
        if (rates := self._rates()) is not None:
            model.optimizer.learning_rate = max(rates)
            model.optimizer.share.assign(np.reshape(rates, (-1, 1, 1)) / max(rates))

    def trained(self, asked: list[list[np.ndarray]]) -> list[Trained]:
        arrays = [None] * len(self.members)
        losses = [np.zeros(0)] * len(self.members)
        stop = {m: _Stop(self.patience) for m in range(len(self.members))} if self.patience else {}
        reports = range(1, self.reports + 1) if stop else [self.reports]
        ends = sorted({self.every * report * steps for report in reports for steps in self.an_epoch})
        done, at_work = 0, set(range(len(self.members)))
        for end in ends:
            steps = _Steps(self, done, end)
            self.model.fit(steps, shuffle=False, verbose=self.members[0].estimator.verbose)
            steps.run = None  # TensorFlow keeps the steps for good: not the members as well
            done = end
            here = {m for m in at_work if not end % (self.every * self.an_epoch[self.streams[m]])}
            present, record = self._read(), keras.ops.convert_to_numpy(self.model.record).astype(float)
            validation = self._validate(sorted(here)) if stop else {}
            for m in here:
                report = end // (self.every * self.an_epoch[self.streams[m]])
                losses[m] = record[m, :report]
                if stop:
                    stop[m].see(validation[m], present[m])
                if report == self.reports or (stop and stop[m].reached) or not np.isfinite(losses[m]).all():
                    arrays[m] = stop[m].best if stop else present[m]
                    at_work.remove(m)
            if not at_work:
                break
        outputs = self._outputs(arrays, asked)
        found = []
        for m in range(len(self.members)):
            history = pd.DataFrame({"loss": losses[m]})
            if stop:
                history["val_loss"] = stop[m].seen
            last = self.every * len(history)
            history.index = pd.RangeIndex(self.every, last + 1, self.every, name="epoch")
            found.append(Trained(arrays[m], history, outputs[m]))
        return found

    def _read(self) -> list[list[list[np.ndarray]]]:
        """Return the present arrays of each member, in the shapes of its own layers."""
        layers = [
            [keras.ops.convert_to_numpy(v) for v in layer.arrays] if hasattr(layer, "arrays") else []
            for layer in self.model.stack
        ]
        return [
            [
                [np.array(a[m]).reshape(own.shape) for a, own in zip(arrays, owns, strict=True)]
                for arrays, owns in zip(layers, member.plan.arrays, strict=True)
            ]
            for m, member in enumerate(self.members)
        ]

    def _validate(self, numbers: list[int]) -> dict[int, float]:
        """Return the validation loss of these members as they are."""
        outputs = self._predict([feed.validation[0] for feed in self.feeds])
        found = {}
        for m in numbers:
            _, y, *weight = self.feeds[self.streams[m]].validation
            losses = keras.ops.convert_to_numpy(
                self.model.rowwise(keras.ops.cast(y, "float32"), outputs[m][: len(y)])
            )
            penalty = 0.0
            for layer, used in zip(self.model.stack, self.model.penalised, strict=True):
                if any(used):
                    penalty += keras.ops.convert_to_numpy(layer.penalty(used))[m]
            found[m] = float(np.mean(losses * weight[0] if weight else losses) + penalty)
        return found

    def _outputs(self, arrays: list, asked: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        """Return each member's outputs, with these arrays, for the rows asked for."""
        for number, layer in enumerate(self.model.stack):
            for place, variable in enumerate(getattr(layer, "arrays", [])):
                values = [own[number][place] for own in arrays]
                variable.assign(np.stack(values).reshape(variable.shape))
        first = [self.streams.index(s) for s in range(len(self.feeds))]
        rows = [np.concatenate([x.reshape(len(x), -1) for x in asked[m]]) for m in first]
        outputs = self._predict(rows)
        found = []
        for m, stream in enumerate(self.streams):
            cuts = np.cumsum([len(x) for x in asked[first[stream]]])
            found.append(np.split(outputs[m][: cuts[-1]], cuts[:-1]))
        return found

    def _predict(self, streams: list[np.ndarray]) -> np.ndarray:
        """Return ``(members, rows, units)`` for rows of each stream, padded to the longest."""
        longest = max(map(len, streams))
        x = np.zeros((len(streams), longest, self.model.features), "float32")
        for padded, rows in zip(x, streams, strict=True):
            padded[: len(rows)] = rows.reshape(len(rows), -1)
        parts = np.array_split(x, -(-x.size // 2**24), axis=1)
        return np.concatenate([self.model.predict_on_batch((part, part[:, :, 0])) for part in parts], axis=1)


class _Stop:
    """Keras's ``EarlyStopping(restore_best_weights=True)`` for one member."""

    def __init__(self, patience: int):
        self.patience, self.wait, self.lowest = patience, 0, np.inf
        self.seen, self.best, self.reached = [], None, False

    def see(self, loss: float, arrays: list) -> None:
        self.seen.append(loss)
        self.best = arrays if self.best is None else self.best
        self.wait += 1
        if loss < self.lowest:
            self.lowest, self.best, self.wait = loss, arrays, 0
        else:
            self.reached = self.wait >= self.patience and len(self.seen) > 1


class _Steps(keras.utils.PyDataset):
    """The stack's batches from one step to another."""

    def __init__(self, run: _Run, start: int, end: int):
        super().__init__()
        self.run, self.start, self.end = run, start, end
        self._orders = {}

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, index: int) -> tuple:
        run = self.run
        streams, batch = len(run.feeds), run.batch
        x = np.zeros((streams, batch, run.model.features), "float32")
        y = np.zeros((streams, batch, *run.feeds[0].y.shape[1:]), "float32")
        counted, coefficients = np.zeros((2, streams, batch), "float32")
        shares = np.zeros((streams, run.reports), "float32")
        for s, feed in enumerate(run.feeds):
            epoch, place = divmod(self.start + index, run.an_epoch[s])
            if epoch >= run.epochs:
                continue
            rows = self._order(s, epoch)[place * batch : (place + 1) * batch]
            n = len(rows)
            x[s, :n] = feed.x[rows].reshape(n, -1)
            y[s, :n] = feed.y[rows]
            counted[s, :n] = 1
            coefficients[s, :n] = (1 if feed.weight is None else feed.weight[rows]) / n
            shares[s, epoch // run.every] = n / (len(feed.x) * run.every)
        return (x, counted, coefficients, shares), y

    def _order(self, stream: int, epoch: int) -> np.ndarray:
        known, order = self._orders.get(stream, (None, None))
        if known != epoch:
            order = np.random.default_rng([self.run.seeds[stream], epoch]).permutation(
                len(self.run.feeds[stream].x)
            )
            self._orders[stream] = (epoch, order)
        return order

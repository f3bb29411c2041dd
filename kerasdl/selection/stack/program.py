"""Which compiled stack does a team need? One made for it, or one that was kept.

In goes a team; out comes a compiled stack with the members' own numbers in it.
"""

from collections import OrderedDict
from typing import NamedTuple

import keras
import numpy as np

from kerasdl import backends
from kerasdl.layers.dropout import threshold
from kerasdl.selection.stack import layers as stacked
from kerasdl.selection.stack import plan
from kerasdl.selection.stack.members import Arrays, Team, kin

PROGRAMS = 8  # compiled stacks kept: a new one costs seconds, and on every backend some memory for good
_programs: OrderedDict[tuple, "Program"] = OrderedDict()


class Program(NamedTuple):
    """A compiled stack and its optimizer's state before the first step."""

    model: stacked.Stack
    fresh: list[np.ndarray]


def ready(team: Team) -> stacked.Stack:
    """Return a compiled stack with the members' own numbers in it, ready for its first step.

    Raises:
        ValueError: the backend only runs models forward.
    """
    backends.use(train=True)
    program = _program(team)
    model = program.model
    put(model, [own.arrays for own in team.plans])
    for number, layer in enumerate(model.stack):
        if isinstance(layer, stacked.Dense):
            layer.penalties.assign(np.stack([own.penalties[number] for own in team.plans], axis=1))
    for place, dropped in team.dropout().items():
        layer = model.dropouts[str(place)]
        layer.keys.assign(np.reshape(np.array(dropped.keys, "int32"), (-1, 1, 1)))
        thresholds = [threshold(rate) for rate in dropped.rates]
        layer.thresholds.assign(np.reshape(np.array(thresholds, "int32"), (-1, 1, 1)))
        layer.scales.assign(np.reshape([1 / (1 - rate) for rate in dropped.rates], (-1, 1, 1)))
    model.step.assign(0)
    model.record.assign(np.zeros(model.record.shape))
    for variable, value in zip(model.optimizer.variables, program.fresh, strict=True):
        variable.assign(value)
    if team.rates is not None:
        put_rates(model, team.rates)
    return model


def put_rates(model: stacked.Stack, rates: list[float]) -> None:
    """Put each member's learning rate into the stack."""
    most = max(rates) or 1.0
    model.optimizer.learning_rate = most
    model.optimizer.share.assign(np.reshape(rates, (-1, 1, 1)) / most)


def put(model: stacked.Stack, members: list[Arrays]) -> None:
    """Put each member's arrays into the stack."""
    for number, layer in enumerate(model.stack):
        for place, variable in enumerate(getattr(layer, "arrays", [])):
            values = [arrays[number][place] for arrays in members]
            variable.assign(np.stack(values).reshape(variable.shape))


def read(model: stacked.Stack, team: Team) -> list[Arrays]:
    """Return the present arrays of each member, in the shapes of its own layers."""
    layers = [
        [keras.ops.convert_to_numpy(variable) for variable in getattr(layer, "arrays", [])]
        for layer in model.stack
    ]

    def own(number: int, arrays: Arrays) -> Arrays:
        return [
            [np.array(a[number]).reshape(mine.shape) for a, mine in zip(stack, mines, strict=True)]
            for stack, mines in zip(layers, arrays, strict=True)
        ]

    return [own(number, one.arrays) for number, one in enumerate(team.plans)]


def _program(team: Team) -> Program:
    """Return the compiled stack that this team needs, from those kept where there is one."""
    first = team.first
    penalised, varied = team.penalised(), team.varied
    dropout = {place: (len(keys), len(rates)) for place, (keys, rates) in team.dropout().items()}
    key = (kin(first), penalised, tuple(dropout.items()), team.streams, varied, first.feed.x.shape[1:])
    if key in _programs:
        _programs.move_to_end(key)
        return _programs[key]
    model = stacked.Stack(
        first.plan.shared,
        [[array.shape for array in arrays] for arrays in first.plan.arrays],
        penalised,
        dropout,
        team.streams,
        plan.rowwise(first.loss)[0],
        [gauge.rowwise for gauge in team.gauges],
        features=int(np.prod(first.feed.x.shape[1:])),
        batch=first.length.batch_size,
        reports=first.length.epochs // first.length.report_every,
    )
    name, settings, _ = first.optimizer
    optimizer = stacked.optimizer(name, settings, len(team.members), varied)
    model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(model.trainable_variables)
    fresh = [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]
    _programs[key] = Program(model, fresh)
    if len(_programs) > PROGRAMS:
        _programs.popitem(last=False)
    return _programs[key]

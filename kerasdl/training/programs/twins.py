"""Which model is traced in place of others? A twin that nobody else has, one for all models of a kind.

Where a trace holds its model's own variables, as TensorFlow's do, models of one kind can't share it. A model
and what it is trained on go in; from the second of a kind on, a twin comes out, which is traced once. It is
lent a model's values for as long as they are trained or answer, and hands them back.
"""

import math
import threading
from collections.abc import Callable, Hashable
from typing import Any

import keras

from kerasdl import borrowed, random
from kerasdl.training.programs import kinds, recent

LARGEST = 2**22  # numbers a model may hold: a twin takes as much memory again
Maker = Callable[[keras.Model], Any]


class Twin:
    """A model that is traced for others of its kind, for one of them at a time.

    Args:
        model: the twin, compiled and built.
        traces: made of a model, whatever the backend traces.
    """

    def __init__(self, model: keras.Model, traces: Maker):
        self.traces = traces(model)
        self._variables = _variables(model)
        self._turn = threading.Lock()

    def take(self, model: keras.Model) -> bool:
        """Take a model's values, unless another model's are here; return whether they were taken."""
        if not self._turn.acquire(blocking=False):
            return False
        _assign(self._variables, _variables(model))
        return True

    def give(self, model: keras.Model) -> None:
        """Give the model, the one last taken, its values as they are now."""
        try:
            _assign(_variables(model), self._variables)
        finally:
            self._turn.release()


class Models:
    """What is known of the models of a kind: whether there is more than one, and the twin that they have."""

    several = False
    twin: Twin | None = None


def of(kind: Hashable | None, model: keras.Model, batch: Any, traces: Maker) -> Twin | None:
    """Return the twin for a model that is to be trained: None for the first of its kind.

    Args:
        kind: the model's, by :func:`kerasdl.training.programs.kinds.kind`.
        model: compiled and built.
        batch: a few rows of what it is trained on.
        traces: as :class:`Twin` takes it.
    """
    if kind is None or sum(math.prod(variable.shape) for variable in model.variables) > LARGEST:
        return None
    models = recent.SHARED.find(kind, Models)
    if models.several and models.twin is None:
        models.twin = _made(kind, model, batch, traces)
    models.several = True
    return models.twin


def known(kind: Hashable | None) -> Twin | None:
    """Return the twin of a kind where there is one."""
    models = recent.SHARED.known(kind)
    return models and models.twin


def _made(kind: Hashable, model: keras.Model, batch: Any, traces: Maker) -> Twin | None:
    """Return a twin, or None where none can be made of a model's configs, or none of its kind."""
    with random.seeded(0), borrowed.stock_draws(0):  # whatever it draws is nobody's loss
        try:
            twin = type(model).from_config(model.get_config())
            for own, stock in zip(twin.variables, model.variables, strict=True):
                own.trainable = stock.trainable
            twin.compile(**borrowed.compile_arguments(model))
            borrowed.build(twin, batch)
        except Exception:  # noqa: BLE001 - what its config can't bring back is traced itself
            return None
    twin.reset_metrics()
    return Twin(twin, traces) if kinds.kind(twin) == kind else None


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def _assign(to: list[Any], values: list[Any]) -> None:
    for variable, value in zip(to, values, strict=True):
        variable.assign(value.value)

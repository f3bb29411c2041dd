"""How are all folds of all settings fitted at once? As members of stacks, one for all of the same shapes.

In go Keras estimators and folds; out come groups, each of which is trained as one stack. Each
member has the initial weights, batches and masks that it would have alone.
"""

import time
from collections.abc import Hashable
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone

from kerasdl import borrowed, random, training
from kerasdl.estimators import inputs
from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.estimators.recipe import Recipe
from kerasdl.estimators.steps import Compiled, Steps
from kerasdl.estimators.watching import copies, rejoined
from kerasdl.selection.fitted import Fitted, Own, Shared, remembering
from kerasdl.selection.folds import Fold, Folds
from kerasdl.selection.identity import identity
from kerasdl.selection.prepared import Prepared, last, pad, preparation, prepare, widened
from kerasdl.selection.stack import plan
from kerasdl.selection.stack.members import Member, Trained, kin
from kerasdl.selection.stack.train import train


def grouped(estimators: list[BaseEstimator], folds: Folds) -> list["Group"]:
    """Return Keras estimators, each on every fold, in groups that are one model each, ready to be trained.

    Raises:
        Unstackable: one of them can't be part of a stack; the line says why.
    """
    started = time.perf_counter()
    rows, templates = _Rows(folds), _Templates()
    candidates = [
        _candidate(setting, estimator, fold, prepared, templates)
        for setting, estimator in enumerate(estimators)
        for fold, prepared in zip(folds, rows.of(estimator), strict=True)
    ]
    groups: dict[tuple, list[_Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(kin(candidate.member), []).append(candidate)
    seconds = (time.perf_counter() - started) / len(candidates)
    return [Group(group, seconds) for group in groups.values()]


class Group:
    """All settings and folds that share their layers' shapes.

    Args:
        candidates: they.
        seconds: that each took until now.

    Attributes:
        places: of each, the numbers of its setting and its fold.
    """

    def __init__(self, candidates: list["_Candidate"], seconds: float):
        self.places = [(one.setting, one.fold.number) for one in candidates]
        self._candidates, self._seconds = candidates, seconds

    def fitted(self) -> list[Fitted]:
        """Train them as one model, and return what scorers get to see of each."""
        started, own = time.perf_counter(), self._candidates
        found = train([one.member for one in own], [[one.prepared.train, one.prepared.valid] for one in own])
        seconds = self._seconds + (time.perf_counter() - started) / len(own)
        return [one.fitted(trained, seconds) for one, trained in zip(own, found, strict=True)]


class _Rows:
    """Each fold's rows, prepared once for all estimators that prepare them alike, all of one width."""

    def __init__(self, folds: Folds):
        self._folds = folds
        self._known: dict[Hashable, list[tuple[Hashable, Prepared]]] = {}

    def of(self, estimator: BaseEstimator) -> list[tuple[Hashable, Prepared]]:
        """Return each fold's rows, and what tells this preparation from others."""
        how = preparation(estimator)
        if how not in self._known:
            prepared = [prepare(estimator, fold) for fold in self._folds]
            if inputs.several(prepared[0].train):
                raise plan.Unstackable("X, as prepared, has several inputs")
            if any(issparse(one) for own in prepared for one in (own.train, own.valid)):
                raise plan.Unstackable("X is sparse, and dense it would fill the memory")
            wide = widened(prepared)
            self._known[how] = [(how, prepared) for prepared in wide]
        return self._known[how]


class _Template(NamedTuple):
    """A built model that shows one member's weights, the call that made it, its plan."""

    call: Recipe
    shared: Shared
    plan: plan.Plan


class _Templates:
    """Models built once for all members that start from equal weights."""

    def __init__(self) -> None:
        self._known: dict[tuple, _Template] = {}

    def of(self, steps: Steps, shape: tuple[int, ...], alike: tuple) -> _Template:
        """Return the model of these steps for rows of this shape; members ``alike`` start alike."""
        if (*alike, shape) not in self._known:
            call = steps.recipe(shape)
            with steps.chance():
                model = call.make()
            self._known[(*alike, shape)] = _Template(call, Shared(model), plan.read(model))
        return self._known[(*alike, shape)]


class _Candidate(NamedTuple):
    """One setting on one fold, ready to be trained."""

    setting: int
    estimator: KerasEstimator
    fold: Fold
    prepared: Prepared
    template: _Template
    compiled: Compiled
    optimizer: keras.optimizers.Optimizer
    member: Member
    watching: list[keras.callbacks.Callback]

    def fitted(self, trained: Trained, seconds: float) -> Fitted:
        """Return what scorers get to see of it."""
        features = self.prepared.train.shape[1]
        for callback in self.watching:
            rejoined(callback, self.compiled.model)
        self.estimator._take_over(
            self.compiled, trained.history, self.watching, 0, features, self.prepared.columns
        )
        sides = (self.fold.train.X, self.fold.valid.X)
        known = list(zip(sides, trained.outputs, strict=True))
        weights = [array for arrays in trained.arrays for array in arrays]
        own = Own(self.template.shared, weights, self.optimizer, self.compiled.head.loss)
        return remembering(self.prepared, self.estimator, seconds, known, own)


def _candidate(
    setting: int,
    estimator: BaseEstimator,
    fold: Fold,
    rows: tuple[Hashable, Prepared],
    templates: _Templates,
) -> _Candidate:
    """Return one setting on one fold, with the weights, order and masks that it would have alone."""
    how, prepared = rows
    model_estimator = clone(last(estimator))
    widest = prepared.train.shape[1:]
    steps = model_estimator._new_steps(prepared.y, prepared.columns)
    # Equal seeds draw equal weights: one model then shows those of all folds of this width.
    fixed = isinstance(model_estimator.random_state, (int, np.integer))
    alike: tuple[Any, ...] = (setting, steps.targets.outputs, *(() if fixed else (fold.number,)))
    wide = templates.of(steps, widest, alike)
    narrow = templates.of(steps, prepared.shape, alike)
    if prepared.shape != widest and not wide.plan.indifferent_to_padding():
        raise plan.Unstackable("folds differ in columns, and more than a dense layer looks at these")
    arrays = [
        [pad(ours, theirs.shape) for ours, theirs in zip(own, wider, strict=True)]
        for own, wider in zip(narrow.plan.arrays, wide.plan.arrays, strict=True)
    ]
    model = wide.shared.model
    head = steps.head(model, prepared.train)
    with steps.chance():
        groups = fold.train.told(model_estimator.validation_split)
        feed = steps.feed(head, model, prepared.train, prepared.y, fold.train.weight, groups=groups)
        training.check_targets(model, feed.y)
        order = int(random.generator("batches").integers(2**32))
    # Members that share rows are fed once: so all that is fed must be alike.
    fed = identity((feed.y, feed.weight, feed.validation))
    optimizer, length = steps.optimizer(), steps.length()
    watching = copies(model_estimator.callbacks)
    if model_estimator.metrics is not None and not model.compiled:
        # Keras then says which metrics are meant, by the shapes of targets and outputs.
        model.compile(optimizer, head.loss, metrics=steps.metrics_of(model_estimator.metrics))
        borrowed.build(model, (feed.x[:1], feed.y[:1]))
    member = Member(
        length,
        head.loss,
        wide.plan._replace(arrays=arrays),
        feed,
        order,
        (how, fold.number, order, fed),
        plan.settings(optimizer),
        model_estimator.verbose,
        watching if length.stopping is None else [*watching, length.stopping.callback()],
        model.metrics if model.compiled else (),
    )
    compiled = Compiled(model, wide.call, head)
    return _Candidate(setting, model_estimator, fold, prepared, wide, compiled, optimizer, member, watching)

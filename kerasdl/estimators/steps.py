"""What is a training made of? Its random numbers, its model, its optimizer, its feed; then it is run.

In go an estimator's settings and its targets. Each step returns what it makes and changes nothing else, so
that :mod:`kerasdl.estimators` takes them one after the other, and :mod:`kerasdl.selection` apart, to train
many models at once.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight

from kerasdl import borrowed, checks, random, training
from kerasdl.estimators import inputs
from kerasdl.estimators.aside import kept_aside
from kerasdl.estimators.inputs import Rows, Shape
from kerasdl.estimators.meaning import Answers
from kerasdl.estimators.recipe import Recipe, recipe
from kerasdl.estimators.targets import Asked, Head, Loss, Targets
from kerasdl.estimators.watching import Bar, Stopping, copies, stopping
from kerasdl.training.predicting import predict

SHORT = {"lr": "learning_rate"}  # other libraries' name for it
AT_ONCE = 2**26  # numbers of rows to predict for that are made dense together
WHOLE = 1024  # rows of a batch at most, when a model predicts
PROBED = 8  # rows that a new model is shown, to see what it answers


class Settings(Protocol):
    """An estimator's settings, as :class:`~kerasdl.estimators.KerasRegressor` describes them."""

    build: Callable[..., keras.Model] | keras.Model
    epochs: int
    batch_size: int
    report_every: int
    optimizer: str | keras.optimizers.Optimizer
    learning_rate: Any
    loss: Loss | None
    metrics: Any
    callbacks: Any
    early_stopping: int | None
    monitor: str
    min_delta: float
    restore_best: bool
    validation_fraction: float
    validation_split: Any
    random_state: int | np.random.RandomState | None
    verbose: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return these and the builder's arguments by name."""


class Compiled(NamedTuple):
    """A model ready to be trained, the call that made it, and how it is read."""

    model: keras.Model
    recipe: Recipe
    head: Head


class Validation(NamedTuple):
    """Rows to validate on, checked, with targets as the user gave them and weights or None."""

    X: Rows
    y: np.ndarray
    weight: Any


class Feed(NamedTuple):
    """What one training is fed: numbers, as the model takes them.

    Attributes:
        x: ``(rows, …)``, perhaps sparse, or a list of them for a model with several inputs.
        y: ``(rows, outputs)`` floats, or ``(rows, 1)`` places of classes.
        weight: ``(rows,)`` of mean 1, or None.
        validation: ``(x, y)`` or ``(x, y, weight)`` that decide when to stop, or None.
    """

    x: Any
    y: np.ndarray
    weight: np.ndarray | None
    validation: tuple[Any, ...] | None


class Length(NamedTuple):
    """How long a training is: epochs, rows a batch, epochs a row of the history, and when it stops early."""

    epochs: int
    batch_size: int
    report_every: int
    stopping: Stopping | None


class Steps:
    """The steps of one training.

    Args:
        estimator: its settings.
        targets: what the model learns.
        columns: names of X's columns, where it has any.
    """

    def __init__(self, estimator: Settings, targets: Targets, columns: Any = None):
        self.estimator, self.targets, self.columns = estimator, targets, columns
        self._seed = _seed(estimator.random_state)

    @contextlib.contextmanager
    def chance(self) -> Iterator[None]:
        """Return the context in which everything drawn obeys ``random_state``: the same each time."""
        with random.seeded(self._seed), borrowed.stock_draws(self._seed):
            yield

    def length(self) -> Length:
        """Return how long the training is.

        Raises:
            ValueError: a number below 1, or one that does not divide another that it must divide.
        """
        asked = self.estimator
        training.reports(asked.epochs, asked.report_every)
        epochs, every = int(asked.epochs), int(asked.report_every)
        batch_size = checks.positive_int("batch_size", asked.batch_size)
        stops = stopping(asked.early_stopping, asked.monitor, asked.min_delta, asked.restore_best, every)
        return Length(epochs, batch_size, every, stops)

    def recipe(self, shape: Shape) -> Recipe:
        """Return the call that makes the model for rows of this shape.

        Raises:
            TypeError, ValueError: a parameter that is not known.
        """
        own = BaseEstimator.get_params(self.estimator, deep=False)
        others = {name: value for name, value in self.estimator.get_params().items() if name not in own}
        for name, value in others.items():
            if not name.startswith(("build__", "optimizer__")):
                raise TypeError(f"{name}={value!r} is not known; {_meant(name)}")
        build = {name: value for name, value in others.items() if name.startswith("build__")}
        return recipe(self.estimator.build, build, shape, self.targets.outputs)

    def head(self, model: keras.Model, X: Rows) -> Head:
        """Return the model's loss and how it is read; a few rows show what its layers do not tell."""
        asked = Asked(
            self.estimator.loss,
            getattr(self.estimator, "from_logits", None),
            getattr(self.estimator, "one_hot", None),
        )
        few = inputs.fed(inputs.numbers(inputs.pick(X, slice(0, PROBED))), model, self.columns)
        return self.targets.head(Answers(model, few), asked)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer with the settings asked for.

        Raises:
            ValueError: a setting that the optimizer has not.
        """
        optimizer = borrowed.new_optimizer(self.estimator.optimizer)
        parameters = self.estimator.get_params().items()
        own = {
            name.removeprefix("optimizer__"): value.item() if isinstance(value, np.generic) else value
            for name, value in parameters
            if name.startswith("optimizer__")
        }
        if own:
            config = optimizer.get_config()
            for name in own:
                if name not in config:
                    near = checks.nearest(SHORT.get(name, name), config)
                    raise ValueError(f"optimizer__ name={name!r} is not known; {near}")
            optimizer = type(optimizer).from_config(config | own)
        rate = self.estimator.learning_rate
        if rate is not None:
            optimizer.learning_rate = float(rate) if isinstance(rate, np.generic) else rate
        return optimizer

    def compiled(self, X: Rows) -> Compiled:
        """Return a new model for these rows, compiled with an optimizer of its own."""
        optimizer = self.optimizer()
        call = self.recipe(inputs.shape(X))
        model = call.make()
        head = self.head(model, X)
        model.compile(optimizer, head.loss, metrics=self.metrics_of(self.estimator.metrics))
        return Compiled(model, call, head)

    @staticmethod
    def metrics_of(asked: Any) -> list | None:
        """Return the metrics of a new model, fresh ones where they are instances."""
        if asked is None:
            return None
        several = list(asked) if isinstance(asked, (list, tuple)) else [asked]
        return [type(one).from_config(one.get_config()) if _is_metric(one) else one for one in several]

    def feed(
        self,
        head: Head,
        model: keras.Model,
        X: Rows,
        y: np.ndarray,
        sample_weight: Any = None,
        validation: Validation | None = None,
        groups: Any = None,
        stopping: bool = True,
    ) -> Feed:
        """Return what the model is fed: targets as numbers, weights of mean 1, the validation part apart.

        Args:
            head, model: what is fed.
            X, y: checked rows and their targets as the user gave them.
            sample_weight: one a row, or None.
            validation: rows to validate on, if they are given.
            groups: of the rows, for a splitter, or None.
            stopping: whether rows are kept aside where none are given and the settings ask for some.
        """

        def rows(part: Rows) -> Any:
            return inputs.fed(inputs.trained(part), model, self.columns)

        weight = weights("sample_weight", sample_weight, len(y))
        class_weight = getattr(self.estimator, "class_weight", None)
        if class_weight is not None:
            balance = _class_weights(class_weight, y)
            weight = weights("class_weight", balance if weight is None else weight * balance, len(y))
        if validation is not None:
            own = weights("the validation sample_weight", validation.weight, len(validation.y))
            return Feed(rows(X), _encoded(head, y), weight, _fed(head, rows(validation.X), validation.y, own))
        split = self.estimator.validation_split
        if not stopping or (self.estimator.early_stopping is None and split is None):
            return Feed(rows(X), _encoded(head, y), weight, None)
        train, valid = kept_aside(
            split, self.estimator.validation_fraction, X, y, self.targets.strata(y), groups
        )
        own = None if weight is None else weight[valid]
        own = weights("sample_weight of the validation part", own, len(valid))
        if weight is not None:
            weight = weights("sample_weight of the training part", weight[train], len(train))
        aside = _fed(head, rows(inputs.pick(X, valid)), y[valid], own)
        return Feed(rows(inputs.pick(X, train)), _encoded(head, y[train]), weight, aside)

    def train(self, model: keras.Model, feed: Feed, callbacks: list | None = None) -> pd.DataFrame:
        """Train a compiled model and return its history.

        Args:
            model, feed: what is trained on what.
            callbacks: that watch beside the stopper; by default fresh copies of the user's own.
        """
        length = self.length()
        watching = copies(self.estimator.callbacks) if callbacks is None else list(callbacks)
        if length.stopping is not None:
            watching.append(length.stopping.callback())
        return self._fit(
            model,
            feed,
            watching,
            epochs=length.epochs,
            report_every=length.report_every,
            validation_data=feed.validation,
        )

    def one_pass(
        self, model: keras.Model, feed: Feed, before: int, callbacks: list[keras.callbacks.Callback]
    ) -> pd.DataFrame:
        """Train a compiled model for one pass, in an order of its own, and return its history.

        Args:
            model, feed: as in :meth:`train`.
            before: the number of passes before this one.
            callbacks: that watch.
        """
        random.skip("batches", before)
        return self._fit(model, feed, callbacks, epochs=1)

    def _fit(self, model: keras.Model, feed: Feed, callbacks: list, **arguments: Any) -> pd.DataFrame:
        verbose = int(self.estimator.verbose)
        bar = Bar()
        try:
            return training.fit(
                model,
                feed.x,
                feed.y,
                batch_size=checks.positive_int("batch_size", self.estimator.batch_size),
                sample_weight=feed.weight,
                callbacks=[*callbacks, bar] if verbose == 1 else callbacks,
                verbose=0 if verbose == 1 else verbose,
                **arguments,
            )
        finally:
            bar.close()


def outputs(model: keras.Model, X: Rows, batch_size: int, columns: Any = None) -> np.ndarray:
    """Return a model's outputs for checked rows, ``(samples, outputs)``."""
    rows, row = inputs.count(X), inputs.size(X)
    # A single row is made a whole batch, so the batch must not be a large one.
    batch_size = max(1, min(int(batch_size), WHOLE, AT_ONCE // max(1, row)))
    at_once = batch_size * max(1, min(1024, AT_ONCE // max(1, batch_size * row)))
    # Whole batches only: a row's output is then the same bits whatever stands beside it, and no backend
    # compiles for a shorter batch.
    places = np.minimum(np.arange(rows + -rows % batch_size), rows - 1)
    parts = []
    for part in np.split(places, range(at_once, len(places), at_once)):
        fed = inputs.fed(inputs.numbers(inputs.pick(X, part)), model, columns)
        parts.append(predict(model, fed, batch_size))
    return np.concatenate(parts)[:rows] if len(parts) > 1 else parts[0][:rows]


def weights(name: str, weight: Any, rows: int) -> np.ndarray | None:
    """Return the weights scaled to mean 1.

    Raises:
        ValueError: no numbers, not one weight a row, negative ones, or zero in every row.
    """
    if weight is None:
        return None
    checks.real(name, weight)
    weight = checks.finite(name, np.asarray(weight, float))
    if weight.shape != (rows,):
        raise ValueError(f"{name} has shape {weight.shape}: give one weight a row, ({rows},)")
    if (weight < 0).any() or not weight.any():
        raise ValueError(f"{name} has negative values or is zero in every row: give weights of at least 0")
    return weight / weight.mean()


def _class_weights(class_weight: Any, y: np.ndarray) -> np.ndarray:
    """Return the weight of each row's class, ``(rows,)``.

    Raises:
        ValueError: neither ``"balanced"`` nor a weight for labels that there are.
    """
    if isinstance(class_weight, str) and class_weight != "balanced":
        raise ValueError(f"class_weight={class_weight!r}: give 'balanced', or a dict of label and weight")
    if isinstance(class_weight, dict) and np.ndim(y) == 1:
        strange = [label for label in class_weight if label not in set(np.asarray(y).tolist())]
        if strange:
            raise ValueError(f"class_weight has the label {strange[0]!r}, which y has not")
    return compute_sample_weight(class_weight, y)


def _encoded(head: Head, y: np.ndarray) -> np.ndarray:
    return checks.finite("y", head.encode(y))


def _fed(head: Head, x: Any, y: np.ndarray, weight: np.ndarray | None) -> tuple[Any, ...]:
    """Return rows to validate on as Keras takes them."""
    return (x, _encoded(head, y)) if weight is None else (x, _encoded(head, y), weight)


def _meant(name: str) -> str:
    """Return how an argument that the estimator does not know is to be named."""
    if name in SHORT:
        return f"the estimator's own is named {SHORT[name]}"
    if name.startswith("optimizer_"):
        own = name.removeprefix("optimizer_")
        return f"an optimizer's setting is named optimizer__{SHORT.get(own, own)}"
    return "a builder's argument is named build__" + name.removeprefix("build_")


def _is_metric(one: Any) -> bool:
    return isinstance(one, keras.metrics.Metric)


def _seed(random_state: Any) -> int | None:
    """Return the seed that a ``random_state`` stands for; None for fresh entropy each time."""
    if random_state is None or isinstance(random_state, (int, np.integer)):
        return None if random_state is None else int(random_state)
    return int(check_random_state(random_state).randint(2**31))

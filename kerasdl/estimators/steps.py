"""What is a training made of? Its random numbers, its model, its optimizer, its feed; then it is run.

In go an estimator's settings and its targets. Each step returns what it makes and changes nothing else, so
that :mod:`kerasdl.estimators` takes them one after the other, and :mod:`kerasdl.selection` apart, to train
many models at once.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from kerasdl import borrowed, checks, random, training
from kerasdl.estimators.targets import Head, Loss, Targets


class Settings(Protocol):
    """An estimator's settings, as :class:`~kerasdl.estimators.KerasRegressor` describes them."""

    build: Callable[..., keras.Model]
    epochs: int
    batch_size: int
    report_every: int
    optimizer: str | keras.optimizers.Optimizer
    learning_rate: float | None
    loss: Loss | None
    early_stopping: int | None
    validation_fraction: float
    random_state: int | np.random.RandomState | None
    verbose: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return these and the builder's arguments by name."""


class Built(NamedTuple):
    """A model as its builder returned it, and the call that made it: the builder and its arguments."""

    model: keras.Model
    recipe: tuple[Any, dict[str, Any]]


class Compiled(NamedTuple):
    """A model ready to be trained, the call that made it, and how it is read."""

    model: keras.Model
    recipe: tuple[Any, dict[str, Any]]
    head: Head


class Validation(NamedTuple):
    """Rows to validate on, checked, with targets as the user gave them and weights or None."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None


class Feed(NamedTuple):
    """What one training is fed: numbers, as the model takes them.

    Attributes:
        x: ``(rows, …)``.
        y: ``(rows, outputs)`` floats, or ``(rows, 1)`` places of classes.
        weight: ``(rows,)`` of mean 1, or None.
        validation: ``(x, y)`` or ``(x, y, weight)`` that decide when to stop, or None.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    validation: tuple[np.ndarray, ...] | None


class Length(NamedTuple):
    """How long a training is: epochs, rows a batch, epochs a row of the history, rows without progress."""

    epochs: int
    batch_size: int
    report_every: int
    patience: int | None


class Steps:
    """The steps of one training.

    Args:
        estimator: its settings.
        targets: what the model learns.
    """

    def __init__(self, estimator: Settings, targets: Targets):
        self.estimator, self.targets = estimator, targets
        self._seed = _seed(estimator.random_state)

    def chance(self) -> AbstractContextManager[None]:
        """Return the context in which everything drawn obeys ``random_state``: the same each time."""
        return random.seeded(self._seed)

    def length(self) -> Length:
        """Return how long the training is.

        Raises:
            ValueError: a number below 1, or one that does not divide another that it must divide.
        """
        estimator = self.estimator
        training.reports(estimator.epochs, estimator.report_every)
        batch_size = checks.positive_int("batch_size", estimator.batch_size)
        return Length(estimator.epochs, batch_size, estimator.report_every, self._patience())

    def built(self, input_shape: tuple[int, ...]) -> Built:
        """Return the builder's model for rows of this shape, uncompiled.

        Raises:
            TypeError, ValueError: an argument that the builder has not, or what it returned is no
                uncompiled model.
        """
        build = self.estimator.build
        named = inspect.signature(build).parameters
        # In a recurrent builder ``units`` is the width of the state.
        size = "outputs" if "outputs" in named else "units"
        offered = {"features": input_shape[-1], "input_shape": input_shape, size: self.targets.outputs}
        arguments = {name: value for name, value in offered.items() if name in named}
        ours = BaseEstimator.get_params(self.estimator, deep=False)
        for name in self.estimator.get_params().keys() - ours.keys():
            value = getattr(self.estimator, name)
            if not name.startswith("build__"):
                raise TypeError(f"{name}={value!r} is not known; a builder's argument is named build__{name}")
            own = checks.current_name(build, name.removeprefix("build__"))
            checks.one_of("build__ name", own, named)
            arguments[own] = value
        model = build(**arguments)
        if not isinstance(model, keras.Model):
            raise TypeError(f"build={build!r} returned {model!r}: it must return a keras.Model")
        if model.compiled:
            raise ValueError(f"build={build!r} returned a compiled model: the estimator compiles it")
        return Built(model, (build, arguments))

    def head(self, model: keras.Model) -> Head:
        """Return the model's loss and how it is read."""
        return self.targets.head(model, self.estimator.loss)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer with the settings asked for."""
        optimizer = borrowed.new_optimizer(self.estimator.optimizer)
        if self.estimator.learning_rate is not None:
            optimizer.learning_rate = self.estimator.learning_rate
        return optimizer

    def compiled(self, input_shape: tuple[int, ...]) -> Compiled:
        """Return the builder's model, compiled with an optimizer of its own."""
        optimizer = self.optimizer()
        model, recipe = self.built(input_shape)
        head = self.head(model)
        model.compile(optimizer, head.loss)
        return Compiled(model, recipe, head)

    def feed(
        self,
        head: Head,
        X: np.ndarray,
        y: np.ndarray,
        sample_weight: Any = None,
        validation: Validation | None = None,
        stopping: bool = True,
    ) -> Feed:
        """Return what the model is fed: targets as numbers, weights of mean 1, the validation part apart.

        Args:
            head: of the model.
            X, y: checked rows and their targets as the user gave them.
            sample_weight: one a row, or None.
            validation: rows to validate on, if they are given.
            stopping: whether rows are kept aside where none are given and ``early_stopping`` asks for some.
        """
        weight = weights("sample_weight", sample_weight, len(y))
        if validation is not None:
            own = weights("the validation sample_weight", validation.weight, len(validation.y))
            return Feed(X, head.encode(y), weight, _fed(head, validation.X, validation.y, own))
        if not stopping or self.estimator.early_stopping is None:
            return Feed(X, head.encode(y), weight, None)
        rows, kept = train_test_split(
            np.arange(len(y)),
            test_size=self.estimator.validation_fraction,
            random_state=int(random.generator("validation").integers(2**31)),
            stratify=self.targets.strata(y),
        )
        own = None if weight is None else weight[kept]
        own = weights("sample_weight of the validation part", own, len(kept))
        if weight is not None:
            weight = weights("sample_weight of the training part", weight[rows], len(rows))
        return Feed(X[rows], head.encode(y[rows]), weight, _fed(head, X[kept], y[kept], own))

    def train(self, model: keras.Model, feed: Feed) -> pd.DataFrame:
        """Train a compiled model and return its history."""
        length = self.length()
        callbacks = []
        if length.patience is not None:
            callbacks = [
                keras.callbacks.EarlyStopping(
                    "val_loss", patience=length.patience, mode="min", restore_best_weights=True
                )
            ]
        return training.fit(
            model,
            feed.x,
            feed.y,
            epochs=length.epochs,
            batch_size=length.batch_size,
            report_every=length.report_every,
            sample_weight=feed.weight,
            validation_data=feed.validation,
            callbacks=callbacks,
            verbose=self.estimator.verbose,
        )

    def one_pass(self, model: keras.Model, feed: Feed, before: int) -> pd.DataFrame:
        """Train a compiled model for one pass, in an order of its own, and return its history.

        Args:
            model, feed: as in :meth:`train`.
            before: the number of passes before this one.
        """
        for _ in range(before):
            random.generator("batches")
        return training.fit(
            model,
            feed.x,
            feed.y,
            epochs=1,
            batch_size=self.estimator.batch_size,
            sample_weight=feed.weight,
            verbose=self.estimator.verbose,
        )

    def _patience(self) -> int | None:
        """Return ``early_stopping`` counted in rows of the history."""
        if self.estimator.early_stopping is None:
            return None
        epochs = checks.positive_int("early_stopping", self.estimator.early_stopping)
        if epochs % self.estimator.report_every:
            raise ValueError(
                f"early_stopping={epochs}, but the loss is looked at every "
                f"report_every={self.estimator.report_every} epochs: give a multiple of it"
            )
        return epochs // self.estimator.report_every


def outputs(model: keras.Model, X: np.ndarray, batch_size: int) -> np.ndarray:
    """Return a model's outputs for checked rows, ``(samples, outputs)``."""
    X = np.asarray(X).astype(keras.config.floatx())
    # Whole batches only: a row's output is then the same bits whatever stands beside it, and no backend
    # compiles for a shorter batch.
    missing = -len(X) % batch_size
    padded = np.concatenate([X, np.repeat(X[-1:], missing, axis=0)])
    return model.predict(padded, batch_size=batch_size, verbose=0)[: len(X)]


def weights(name: str, weight: Any, rows: int) -> np.ndarray | None:
    """Return the weights scaled to mean 1.

    Raises:
        ValueError: not one weight a row, negative ones, or zero in every row.
    """
    if weight is None:
        return None
    weight = checks.finite(name, np.asarray(weight, float))
    if weight.shape != (rows,):
        raise ValueError(f"{name} has shape {weight.shape}: give one weight a row, ({rows},)")
    if (weight < 0).any() or not weight.any():
        raise ValueError(f"{name} has negative values or is zero in every row: give weights of at least 0")
    return weight / weight.mean()


def _fed(head: Head, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return rows to validate on as Keras takes them."""
    return (X, head.encode(y)) if weight is None else (X, head.encode(y), weight)


def _seed(random_state: Any) -> int | None:
    """Return the seed that a ``random_state`` stands for; None for fresh entropy each time."""
    if random_state is None or isinstance(random_state, (int, np.integer)):
        return None if random_state is None else int(random_state)
    return int(check_random_state(random_state).randint(2**31))

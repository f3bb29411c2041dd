"""What do a classifier and a regressor share? Everything but their targets."""

import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasdl import checks, random, training


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
    validation: tuple | None


class KerasEstimator(BaseEstimator):
    """The common part of :class:`~kerasdl.estimators.KerasClassifier` and ``KerasRegressor``; see there."""

    def __init__(
        self,
        build: Callable[..., keras.Model],
        *,
        epochs: int = 10,
        batch_size: int = 32,
        report_every: int = 1,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float | None = None,
        loss: str | keras.losses.Loss | None = None,
        early_stopping: int | None = None,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **build_parameters,
    ):
        self.build = build
        self.epochs = epochs
        self.batch_size = batch_size
        self.report_every = report_every
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        for name, value in build_parameters.items():  # judged in fit, as scikit-learn wants it
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict:
        """Return every constructor argument by name, the builder's ``build__…`` among them."""
        named = super().get_params(deep=False)
        learned = {name for name in vars(self) if name.startswith("_") or name.endswith("_")}
        return named | {name: value for name, value in vars(self).items() if name not in learned}

    def set_params(self, **parameters) -> "KerasEstimator":
        """Set constructor arguments by name and return the estimator.

        Raises:
            ValueError: a name that the estimator has not and that does not start with ``build__``.
        """
        known = self.get_params()
        for name, value in parameters.items():
            if not name.startswith("build__"):
                checks.one_of("parameter", name, known)
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> "KerasEstimator":
        # scikit-learn would copy every argument in depth, and Keras 3.15's Huber loss comes out of that with
        # another delta. Nothing here changes its loss or optimizer, so clones share them.
        shared = (keras.losses.Loss, keras.optimizers.Optimizer)
        parameters = self.get_params().items()
        copy = type(self)(**{k: v if isinstance(v, shared) else clone(v, safe=False) for k, v in parameters})
        if hasattr(self, "_metadata_request"):  # what set_fit_request asked for
            copy._metadata_request = deepcopy(self._metadata_request)
        return copy

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X, y, sample_weight=None, validation_data=None) -> "KerasEstimator":
        """Build, compile and train a model; with ``warm_start``, train the present one on.

        Args:
            X: ``(samples, …)``, dense and numeric, of two axes or more.
            y: the targets, one a row.
            sample_weight: optional ``(samples,)``, scaled here to mean 1.
            validation_data: optional ``(X, y)`` or ``(X, y, sample_weight)``: its loss after each epoch goes
                into ``history_``, and decides when to stop where ``early_stopping`` is set.

        Raises:
            ValueError: NaN or infinite data, lengths that differ, weights that are negative or sum to 0; with
                ``warm_start``, rows or targets of another shape than before.
            FloatingPointError: the loss became NaN or infinite.
        """
        again = self.warm_start and hasattr(self, "model_")
        X, y = self._checked(X, y, reset=not again)
        targets = self.learn_targets(y, again)
        with self.chance():
            model = self.model_ if again else self.compiled(X.shape[1:], targets)
            history = self.train(model, self.feed(X, y, sample_weight, validation_data))
        return self.trained(model, history)

    def _pass(self, X, y, sample_weight, targets: Callable[[np.ndarray, bool], int]) -> "KerasEstimator":
        """Train for one pass on the present model, which the first call builds."""
        again = hasattr(self, "model_")
        X, y = self._checked(X, y, reset=not again)
        units = targets(y, again)
        with self.chance():
            model = self.model_ if again else self.compiled(X.shape[1:], units)
            for _ in range(self._passes if again else 0):
                random.generator("batches")  # each pass has an order of its own
            x, y, weight, _ = self.feed(X, y, sample_weight, stopping=False)
            history = training.fit(
                model, x, y, epochs=1, batch_size=self.batch_size, sample_weight=weight, verbose=self.verbose
            )
        self._passes = (self._passes if again else 0) + 1
        return self.trained(model, history)

    def __getstate__(self) -> dict:
        # Keras pickles a loss and an optimizer by their config, which for Huber has no delta; a model by an
        # archive that knows registered layers only. Here they are kept as numbers, and built as they were.
        state = dict(super().__getstate__())
        if isinstance(self.loss, keras.losses.Loss):
            state["loss"] = (type(self.loss), dict(vars(self.loss)))
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            state["optimizer"] = keras.optimizers.serialize(self.optimizer)
        if hasattr(self, "model_"):
            values = [value for _, value in training.snapshot(self.model_)]
            state["model_"] = (keras.optimizers.serialize(self.model_.optimizer), values)
        return state

    def __setstate__(self, state: dict) -> None:
        state = dict(state)
        kept = state.pop("model_", None)
        if isinstance(state["loss"], tuple):
            kind, values = state["loss"]
            state["loss"] = object.__new__(kind)
            vars(state["loss"]).update(values)
        if isinstance(state["optimizer"], dict):
            state["optimizer"] = keras.optimizers.deserialize(state["optimizer"])
        super().__setstate__(state)
        if kept is not None:
            optimizer, values = kept
            build, arguments = self._recipe
            with random.seeded(0):
                self.model_ = build(**arguments)
            self.model_.compile(keras.optimizers.deserialize(optimizer), self.loss_for(self.model_))
            variables = [variable for variable, _ in training.snapshot(self.model_)]
            training.restore(list(zip(variables, values, strict=True)))

    # The steps of ``fit``, for kerasdl.selection, which takes them apart to train many models at once.

    def chance(self):
        """Return the context in which everything drawn obeys ``random_state``."""
        seed = self.random_state
        if seed is not None and not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        return random.seeded(seed)

    def built(self, input_shape: tuple[int, ...], units: int) -> keras.Model:
        """Return the builder's model for rows of this shape, checked and uncompiled."""
        named = inspect.signature(self.build).parameters
        # In a recurrent builder ``units`` is the width of the state.
        size = "outputs" if "outputs" in named else "units"
        offered = {"features": input_shape[-1], "input_shape": input_shape, size: units}
        arguments = {name: value for name, value in offered.items() if name in named}
        for name in self.get_params().keys() - super().get_params(deep=False).keys():
            if not name.startswith("build__"):
                value = getattr(self, name)
                raise TypeError(f"{name}={value!r} is not known; a builder's argument is named build__{name}")
            own = checks.one_of("build__ name", name.removeprefix("build__"), named)
            arguments[own] = getattr(self, name)
        model = self.build(**arguments)
        if not isinstance(model, keras.Model):
            raise TypeError(f"build={self.build!r} returned {model!r}: it must return a keras.Model")
        if model.compiled:
            raise ValueError(f"build={self.build!r} returned a compiled model: the estimator compiles it")
        self._recipe = (self.build, arguments)
        return model

    def own_optimizer(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer with the settings asked for."""
        name = {"name": "optimizer"}  # the same for all: TensorFlow keeps 35 kB for each new one, for good
        if isinstance(self.optimizer, str):
            optimizer = keras.optimizers.get({"class_name": self.optimizer, "config": name})
        else:
            optimizer = keras.optimizers.get(self.optimizer)
            optimizer = optimizer.from_config(optimizer.get_config() | name)
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        return optimizer

    def compiled(self, input_shape: tuple[int, ...], units: int) -> keras.Model:
        """Return the builder's model, compiled with an optimizer of its own."""
        optimizer = self.own_optimizer()
        model = self.built(input_shape, units)
        model.compile(optimizer, self.loss_for(model))
        return model

    def feed(self, X, y, sample_weight=None, validation_data=None, stopping: bool = True) -> Feed:
        """Return what the model is fed: targets as numbers, weights of mean 1, the validation part apart."""
        weight = _weights("sample_weight", sample_weight, len(y))
        validation = None
        if validation_data is not None:
            names = ("X_valid", "y_valid", "weight_valid")
            given = dict(zip(names, validation_data, strict=False))
            X_valid, y_valid = self._checked(given["X_valid"], given["y_valid"], False, X.shape[1:])
            validation = (X_valid, self.encode(y_valid))
            if given.get("weight_valid") is not None:
                validation += (_weights("the validation sample_weight", given["weight_valid"], len(y_valid)),)
        elif stopping and self.early_stopping is not None:
            seed = int(random.generator("validation").integers(2**31))
            rows, kept = train_test_split(
                np.arange(len(y)),
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=self.strata(y),
            )
            validation = (X[kept], self.encode(y[kept]))
            if weight is not None:
                validation += (_weights("sample_weight of the validation part", weight[kept], len(kept)),)
                weight = _weights("sample_weight of the training part", weight[rows], len(rows))
            X, y = X[rows], y[rows]
        return Feed(X, self.encode(y), weight, validation)

    def train(self, model: keras.Model, feed: Feed) -> pd.DataFrame:
        """Train a compiled model and return its history."""
        callbacks = []
        if self.early_stopping is not None:
            callbacks = [
                keras.callbacks.EarlyStopping(
                    "val_loss", patience=self.patience(), mode="min", restore_best_weights=True
                )
            ]
        return training.fit(
            model,
            feed.x,
            feed.y,
            epochs=self.epochs,
            batch_size=self.batch_size,
            report_every=self.report_every,
            sample_weight=feed.weight,
            validation_data=feed.validation,
            callbacks=callbacks,
            verbose=self.verbose,
        )

    def patience(self) -> int:
        """Return ``early_stopping`` counted in rows of the history."""
        epochs = checks.positive_int("early_stopping", self.early_stopping)
        if epochs % self.report_every:
            raise ValueError(
                f"early_stopping={epochs}, but the loss is looked at every report_every={self.report_every} "
                "epochs: give a multiple of it"
            )
        return epochs // self.report_every

    def trained(self, model: keras.Model, history: pd.DataFrame) -> "KerasEstimator":
        """Take over a trained model and return the fitted estimator."""
        self.model_, self.history_ = model, history
        self.n_iter_ = int(history.index[-1])
        self._passes = getattr(self, "_passes", 0)
        return self

    def outputs(self, X) -> np.ndarray:
        """Return the model's outputs for rows of X, ``(samples, units)``."""
        check_is_fitted(self, "model_")
        X = validate_data(self, X, reset=False, allow_nd=True).astype(keras.config.floatx())
        # Whole batches only: a row's output is then the same bits whatever stands beside it, and no backend
        # compiles for a shorter batch.
        missing = -len(X) % self.batch_size
        padded = np.concatenate([X, np.repeat(X[-1:], missing, axis=0)])
        return self.model_.predict(padded, batch_size=self.batch_size, verbose=0)[: len(X)]

    def _checked(self, X, y, reset: bool, shape: tuple | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the data as arrays; rows must have the given shape, by default that of the present model."""
        X, y = validate_data(self, X, y, reset=reset, allow_nd=True, **self.target_checks)
        if shape is None and not reset and hasattr(self, "model_"):
            shape = self.model_.input_shape[1:]
        if shape is not None and X.shape[1:] != shape:
            raise ValueError(f"X has rows of shape {X.shape[1:]}, the model takes {shape}")
        return X, y


def _weights(name: str, weight, rows: int) -> np.ndarray | None:
    """Return the weights scaled to mean 1."""
    if weight is None:
        return None
    weight = checks.finite(name, np.asarray(weight, float))
    if weight.shape != (rows,):
        raise ValueError(f"{name} has shape {weight.shape}: give one weight a row, ({rows},)")
    if (weight < 0).any() or not weight.any():
        raise ValueError(f"{name} has negative values or is zero in every row: give weights of at least 0")
    return weight / weight.mean()

"""What do a classifier and a regressor share? Everything but their targets.

Here is scikit-learn's protocol: parameters, clones, ``fit``, pickles. What a training consists of is in
:mod:`kerasdl.estimators.steps`, what targets are in :mod:`kerasdl.estimators.targets`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasdl import borrowed, checks
from kerasdl.estimators.kept import KeptModel, back, kept
from kerasdl.estimators.steps import Compiled, Steps, Validation, outputs
from kerasdl.estimators.targets import Targets


class KerasEstimator(BaseEstimator):
    """The common part of :class:`~kerasdl.estimators.KerasClassifier` and ``KerasRegressor``; see there."""

    _head: Any  # how the present model is read: a Head of the class's own kind
    _target_checks: ClassVar[dict[str, bool]]  # what scikit-learn's validate_data is told of y

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
        **build_parameters: Any,
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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every constructor argument by name, the builder's ``build__…`` among them."""
        named = super().get_params(deep=False)
        learned = {name for name in vars(self) if name.startswith("_") or name.endswith("_")}
        return named | {name: value for name, value in vars(self).items() if name not in learned}

    def set_params(self, **parameters: Any) -> Self:
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

    def __sklearn_clone__(self) -> Self:
        copy = type(self)(**{name: borrowed.cloned(value) for name, value in self.get_params().items()})
        borrowed.copy_request(self, copy)
        return copy

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple | None = None) -> Self:
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
        steps = self._steps(y, again)
        with steps.chance():
            compiled = self._present() if again else steps.compiled(X.shape[1:])
            validation = self._validation(validation_data, X.shape[1:])
            feed = steps.feed(compiled.head, X, y, sample_weight, validation)
            history = steps.train(compiled.model, feed)
        return self._take_over(compiled, history)

    def _one_pass(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """Train for one pass on the present model, which the first call builds."""
        again = hasattr(self, "model_")
        X, y = self._checked(X, y, reset=not again)
        steps = self._steps(y if classes is None or again else np.asarray(classes), again)
        passes = self._passes if again else 0
        with steps.chance():
            compiled = self._present() if again else steps.compiled(X.shape[1:])
            feed = steps.feed(compiled.head, X, y, sample_weight, stopping=False)
            history = steps.one_pass(compiled.model, feed, passes)
        return self._take_over(compiled, history, passes + 1)

    def _steps(self, y: np.ndarray, again: bool) -> Steps:
        """Return the steps of a training on y; on the present model, if ``again``."""
        if again:
            self._head.encode(y)  # refuses targets that are new
            return Steps(self, self._head.targets)
        return self._new_steps(y)

    def _new_steps(self, y: np.ndarray) -> Steps:
        """Return the steps of a training of a new model on y."""
        return Steps(self, self._targets(y))

    @abstractmethod
    def _targets(self, y: np.ndarray) -> Targets:
        """Return what y holds."""

    def _present(self) -> Compiled:
        """Return the present model."""
        return Compiled(self.model_, self._recipe, self._head)

    def _take_over(
        self, compiled: Compiled, history: pd.DataFrame, passes: int = 0, features: int | None = None
    ) -> Self:
        """Take over a trained model and return the fitted estimator.

        Args:
            compiled, history: the model and its training.
            passes: of ``partial_fit`` so far.
            features: number of columns, where X was not seen by this estimator itself.
        """
        if features is not None:
            self.n_features_in_ = features
        self.model_, self._recipe, self._head = compiled
        self.history_ = history
        self.n_iter_ = int(history.index[-1])
        self._passes = passes
        return self

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the model's outputs for rows of X, ``(samples, outputs)``."""
        check_is_fitted(self, "model_")
        return outputs(self.model_, validate_data(self, X, reset=False, allow_nd=True), self.batch_size)

    def _validation(self, data: tuple | None, shape: tuple[int, ...]) -> Validation | None:
        """Return rows to validate on, of this shape, checked."""
        if data is None:
            return None
        X, y, *weight = data
        return Validation(*self._checked(X, y, False, shape), weight[0] if weight else None)

    def _checked(
        self, X: Any, y: Any, reset: bool, shape: tuple[int, ...] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the data as arrays; rows must have the given shape, by default that of the present model."""
        X, y = validate_data(self, X, y, reset=reset, allow_nd=True, **self._target_checks)
        if shape is None and not reset and hasattr(self, "model_"):
            shape = self.model_.input_shape[1:]
        if shape is not None and X.shape[1:] != shape:
            raise ValueError(f"X has rows of shape {X.shape[1:]}, the model takes {shape}")
        return X, y

    def __getstate__(self) -> dict[str, Any]:
        state = {name: kept(value) for name, value in super().__getstate__().items()}
        if hasattr(self, "model_"):
            state["_head"] = replace(self._head, loss=kept(self._head.loss))
            state["model_"] = KeptModel.of(self.model_, self._recipe)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {name: back(value) for name, value in state.items()}
        model = state.pop("model_", None)
        super().__setstate__(state)
        if model is not None:
            self._head = replace(self._head, loss=back(self._head.loss))
            self.model_ = model.back(self._head.loss)

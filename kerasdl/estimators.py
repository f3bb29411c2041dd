"""How do I use a Keras model from scikit-learn? Give its builder to an estimator."""

import inspect
from collections.abc import Callable

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasdl import checks, random, training

__all__ = ["KerasRegressor"]


class KerasRegressor(RegressorMixin, BaseEstimator):
    """A Keras model as a scikit-learn regressor.

    Args:
        build: any function that returns an uncompiled :class:`keras.Model`. It is handed those of
            ``features`` (int), ``input_shape`` (tuple) and ``units`` (int, the number of targets) that its
            signature names, so the builders of :mod:`kerasdl.models` work as they are.
        epochs: passes over the training rows.
        batch_size: rows a batch.
        report_every: epochs between two rows of ``history_``: see :func:`kerasdl.training.fit`.
        optimizer: Keras's name, or an instance whose settings are taken and which is left untouched.
        learning_rate: replaces the optimizer's own, where given.
        loss: Keras's name or a loss.
        random_state: int, RandomState or None. It fixes initial weights, batch order and kerasdl's dropout,
            alike on every backend.
        verbose: Keras's progress on the console: 0, 1 or 2.
        **build_parameters: the builder's other arguments, each named ``build__…``; they can be searched over.

    Attributes:
        model_: the trained :class:`keras.Model`.
        history_: its training history, a table with one row an epoch.
        n_features_in_: number of columns seen in ``fit``.

    Raises:
        ValueError: in ``fit``, on NaN or infinite data, an unknown ``build__`` name or optimizer; in
            ``predict``, on another number of columns.

    Example:
        >>> import numpy as np
        >>> from kerasdl import models
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> model = KerasRegressor(models.mlp, epochs=2, build__hidden=(8,), random_state=0)
        >>> model.fit(X, X[:, 0]).predict(X).shape
        (50,)
    """

    def __init__(
        self,
        build: Callable[..., keras.Model],
        *,
        epochs: int = 10,
        batch_size: int = 32,
        report_every: int = 1,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float | None = None,
        loss: str | keras.losses.Loss = "mse",
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
        self.random_state = random_state
        self.verbose = verbose
        for name, value in build_parameters.items():
            if not name.startswith("build__"):
                raise TypeError(f"{name}={value!r} is not known; a builder's argument is named build__{name}")
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict:
        """Return every constructor argument by name, the builder's ``build__…`` among them."""
        return {**super().get_params(deep=False), **self._build_parameters()}

    def set_params(self, **parameters) -> "KerasRegressor":
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

    def __sklearn_clone__(self) -> "KerasRegressor":
        # scikit-learn would copy every argument in depth, and Keras 3.15's Huber loss comes out of that with
        # another delta. Nothing here changes its loss or optimizer, so clones share them.
        shared = (keras.losses.Loss, keras.optimizers.Optimizer)
        parameters = self.get_params().items()
        return type(self)(**{k: v if isinstance(v, shared) else clone(v, safe=False) for k, v in parameters})

    def fit(self, X, y, sample_weight=None) -> "KerasRegressor":
        """Build, compile and train a new model.

        Args:
            X: ``(samples, …)``, dense and numeric.
            y: ``(samples,)`` or ``(samples, targets)``.
            sample_weight: optional ``(samples,)``, scaled here to mean 1.
        """
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True, y_numeric=True)
        with self.chance():
            model = self.compiled(X.shape[1:], targets=1 if y.ndim == 1 else y.shape[1])
            history = self.train(model, X, y, sample_weight)
        return self.trained(model, history, y.ndim)

    def predict(self, X) -> np.ndarray:
        """Return predictions of shape ``(samples,)``, or ``(samples, targets)`` where y had two axes."""
        check_is_fitted(self, "model_")
        X = validate_data(self, X, reset=False, allow_nd=True)
        predictions = self.model_.predict(X.astype(keras.config.floatx()), verbose=0)
        return predictions[:, 0] if self._one_target else predictions

    # The steps of ``fit``, for kerasdl.selection, which takes them apart to train folds on one model.

    def chance(self):
        """Return the context in which everything drawn obeys ``random_state``."""
        seed = self.random_state
        if seed is not None and not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        return random.seeded(seed)

    def built(self, input_shape: tuple[int, ...], targets: int) -> keras.Model:
        """Return the builder's model for rows of this shape, checked and uncompiled."""
        offered = {"features": input_shape[-1], "input_shape": input_shape, "units": targets}
        named = inspect.signature(self.build).parameters
        arguments = {name: value for name, value in offered.items() if name in named}
        for name, value in self._build_parameters().items():
            arguments[checks.one_of("build__ name", name.removeprefix("build__"), named)] = value
        model = self.build(**arguments)
        if not isinstance(model, keras.Model):
            raise TypeError(f"build={self.build!r} returned {model!r}: it must return a keras.Model")
        if model.compiled:
            raise ValueError(f"build={self.build!r} returned a compiled model: the estimator compiles it")
        return model

    def compiled(self, input_shape: tuple[int, ...], targets: int) -> keras.Model:
        """Return the builder's model, compiled with an optimizer of its own."""
        optimizer = keras.optimizers.get(self.optimizer)
        optimizer = optimizer.__class__.from_config(optimizer.get_config())
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        model = self.built(input_shape, targets)
        model.compile(optimizer, self.loss)
        return model

    def train(self, model: keras.Model, X: np.ndarray, y: np.ndarray, sample_weight=None) -> pd.DataFrame:
        """Train a compiled model and return its history."""
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight, float)
            if (sample_weight < 0).any() or not sample_weight.sum() > 0:
                raise ValueError("sample_weight has negative values or sums to 0: give weights of at least 0")
            sample_weight = sample_weight / sample_weight.mean()
        return training.fit(
            model,
            X,
            y.reshape(len(y), -1),
            epochs=self.epochs,
            batch_size=self.batch_size,
            report_every=self.report_every,
            sample_weight=sample_weight,
            verbose=self.verbose,
        )

    def trained(self, model: keras.Model, history: pd.DataFrame, target_axes: int) -> "KerasRegressor":
        """Take over a trained model and return the fitted estimator."""
        self.model_, self.history_ = model, history
        self.n_features_in_ = model.input_shape[1]
        self._one_target = target_axes == 1
        return self

    def _build_parameters(self) -> dict:
        return {name: value for name, value in vars(self).items() if name.startswith("build__")}

"""How does a Keras model predict numbers for scikit-learn?"""

from typing import ClassVar

import keras
import numpy as np
from sklearn.base import RegressorMixin

from kerasdl.estimators.base import KerasEstimator


class KerasRegressor(RegressorMixin, KerasEstimator):
    """A Keras model as a scikit-learn regressor.

    Args:
        build: any function that returns an uncompiled :class:`keras.Model`. It is handed those of
            ``features`` (int), ``input_shape`` (tuple) and ``outputs`` or else ``units`` (int, the number of
            targets) that its signature names, so the builders of :mod:`kerasdl.models` work as they are.
        epochs: passes over the training rows.
        batch_size: rows a batch.
        report_every: epochs between two rows of ``history_``: see :func:`kerasdl.training.fit`.
        optimizer: Keras's name, or an instance whose settings are taken and which is left untouched.
        learning_rate: replaces the optimizer's own, where given.
        loss: Keras's name or a loss; None is the mean squared error.
        early_stopping: stop after so many epochs without a lower validation loss and go back to the best
            weights; None trains all epochs.
        validation_fraction: share of the rows kept aside to stop by, where ``fit`` is given no others.
        warm_start: whether ``fit`` trains the present model on instead of a new one.
        random_state: int, RandomState or None. It fixes initial weights, batch order and kerasdl's dropout,
            alike on every backend.
        verbose: Keras's progress on the console: 0, 1 or 2.
        **build_parameters: the builder's other arguments, each named ``build__…``; they can be searched over.

    Attributes:
        model_: the trained :class:`keras.Model`.
        history_: the last training's history, a table with one row an epoch.
        n_iter_: epochs of the last training.
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

    target_checks: ClassVar[dict] = {"multi_output": True, "y_numeric": True}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def partial_fit(self, X, y, sample_weight=None) -> "KerasRegressor":
        """Train for one pass over these rows; the first call builds the model. Arguments as ``fit``'s."""
        return self._pass(X, y, sample_weight, self.learn_targets)

    def predict(self, X) -> np.ndarray:
        """Return predictions of shape ``(samples,)``, or ``(samples, targets)`` where y had two axes."""
        return self.decide(self.outputs(X))

    # The steps that differ from the classifier's.

    def learn_targets(self, y: np.ndarray, again: bool = False) -> int:
        """Take note of the targets' shape and return their number."""
        targets = 1 if y.ndim == 1 else y.shape[1]
        if again and (y.ndim == 1, targets) != (self._one_target, self.model_.output_shape[-1]):
            raise ValueError(f"y has shape {y.shape}, unlike in the training before: fit a new model")
        self._one_target = y.ndim == 1
        return targets

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the targets as the loss takes them, ``(samples, targets)``."""
        return np.asarray(y, float).reshape(len(y), -1)

    def strata(self, y: np.ndarray) -> None:
        """Return what a validation part is stratified by: nothing."""

    def loss_for(self, model: keras.Model) -> str | keras.losses.Loss:
        """Return the loss to compile with."""
        return "mse" if self.loss is None else self.loss

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions from the model's outputs, ``(samples, targets)``."""
        outputs = np.asarray(outputs, float)
        return outputs[:, 0] if self._one_target else outputs

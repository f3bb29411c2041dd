"""How does a Keras model predict numbers for scikit-learn?

One class, :class:`KerasRegressor`: a builder of models and settings go in, rows and numbers to fit; numbers
come out.
"""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.estimators.targets import Numbers


class KerasRegressor(RegressorMixin, KerasEstimator):
    """A Keras model as a scikit-learn regressor.

    Args:
        build: any function that returns an uncompiled :class:`keras.Model`. It is handed those of
            ``features`` (int), ``input_shape`` (tuple) and ``outputs`` or else ``units`` (int, the number of
            targets) that its signature names, so the builders of :mod:`kerasdl.models` work as they are.
        epochs: passes over the training rows.
        batch_size: rows a batch.
        report_every: epochs between two rows of ``history_``: see :func:`kerasdl.training.fit`.
        optimizer: Keras's name, or an instance: its settings are used, and it is left untouched.
        learning_rate: replaces the optimizer's own, if given.
        loss: Keras's name or a loss; None is the mean squared error.
        early_stopping: number of epochs without a lower validation loss after which training stops and goes
            back to the best weights; None trains all epochs.
        validation_fraction: share of the rows set aside for early stopping, where ``fit`` is given no others.
        warm_start: whether ``fit`` goes on training the present model instead of building a new one.
        random_state: int, RandomState or None. It fixes initial weights, batch order and kerasdl's dropout,
            in the same way on every backend.
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

    _target_checks: ClassVar[dict[str, bool]] = {"multi_output": True, "y_numeric": True}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one pass over these rows; the first call builds the model. Arguments as ``fit``'s."""
        return self._one_pass(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions of shape ``(samples,)``, or ``(samples, targets)`` where y had two axes."""
        outputs = self._outputs(X)
        return self._head.decide(outputs)

    def _targets(self, y: np.ndarray) -> Numbers:
        return Numbers.of(y)

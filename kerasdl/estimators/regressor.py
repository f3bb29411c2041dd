"""How does a Keras model predict numbers for scikit-learn?

One class, :class:`KerasRegressor`: a builder of models and settings go in, rows and numbers to fit; numbers
come out.
"""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from kerasdl import checks
from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.estimators.targets import Numbers


class KerasRegressor(RegressorMixin, KerasEstimator):
    """A Keras model as a scikit-learn regressor.

    Args:
        build: any function that returns an uncompiled :class:`keras.Model`. It is handed those of
            ``features`` (int), ``input_shape`` (tuple) and ``outputs`` or else ``units`` (int, the number of
            targets) that its signature names, so the builders of :mod:`kerasdl.models` work as they are; for
            several inputs the first two are dicts by the inputs' names. Or a model: each fit trains a copy
            of it, from the weights that it has.
        epochs: passes over the training rows.
        batch_size: rows a batch.
        report_every: epochs between two rows of ``history_``: see :func:`kerasdl.training.fit`.
        optimizer: Keras's name, or an instance whose settings are taken and which is left untouched.
        learning_rate: replaces the optimizer's own, where given: a number or a schedule of Keras's.
        loss: Keras's name or a loss; None is the mean squared error.
        metrics: Keras's names or metrics, for ``history_``: a list, or one alone.
        callbacks: Keras callbacks or functions that make one: a list, or one alone. Each fit watches with
            fresh copies.
        early_stopping: stop after so many epochs without progress on the validation part; None trains all
            epochs.
        monitor: the column of ``history_`` whose progress is meant.
        min_delta: what counts as progress: more than this.
        restore_best: whether to go back to the best weights when training ends.
        validation_fraction: share of the rows kept aside to validate on, where ``validation_split`` names no
            share and ``fit`` is given no rows for it.
        validation_split: which rows are kept aside: None, only where ``early_stopping`` needs some, drawn at
            random; a share of all, drawn at random; ``"last"``, the last ones, as in a time series; or a
            splitter of scikit-learn's, whose first split is taken and which is told ``fit``'s ``groups``.
        warm_start: whether ``fit`` trains the present model on instead of a new one.
        random_state: int, RandomState or None. It fixes initial weights, batch order and dropout whatever
            the builder is made of; those of kerasdl's builders alike on every backend.
        verbose: 0 for silence, 1 for one progress bar, 2 for Keras's line an epoch.
        **parameters: the builder's other arguments, each named ``build__…``, and the optimizer's settings,
            each named ``optimizer__…``, as in ``optimizer__momentum=0.9``; they can be searched over.

    Attributes:
        model_: the trained :class:`keras.Model`.
        history_: the last training's history, a table with one row an epoch.
        n_iter_: epochs of the last training.
        n_features_in_: number of columns seen in ``fit``.
        callbacks_: the copies of ``callbacks`` that watched the last training.

    Raises:
        ValueError: in ``fit``, on NaN or infinite data, an unknown ``build__`` name or optimizer, a model
            with other outputs than there are targets; in ``predict``, on another number of columns.

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

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² of the predictions for ``X``, as scikit-learn's regressors do.

        Raises:
            ValueError: ``y`` holds text, dates or durations; scikit-learn would take them for numbers.
        """
        checks.real("y", y)
        return RegressorMixin.score(self, X, y, sample_weight)  # of a stand-in too, as folds call it

    def _targets(self, y: np.ndarray) -> Numbers:
        return Numbers.of(y)

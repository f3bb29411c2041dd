"""How does a Keras model predict classes for scikit-learn?

One class, :class:`KerasClassifier`: a builder of models and settings go in, rows and labels to fit; labels
and probabilities come out.
"""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin

from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.estimators.targets import LabelHead, Labels


class KerasClassifier(ClassifierMixin, KerasEstimator):
    """A Keras model as a scikit-learn classifier.

    Args:
        build: any function that returns an uncompiled :class:`keras.Model`. It is handed those of
            ``features`` (int), ``input_shape`` (tuple) and ``outputs`` or else ``units`` (int, the number of
            classes) that its signature names, so the builders of :mod:`kerasdl.models` work as they are. The
            model's outputs are logits, one a class, unless its last layer is a softmax; for two classes one
            output will do, a logit or, after a sigmoid, the second class's probability.
        loss: Keras's name or a loss, given the classes' places ``(batch, 1)``; None is cross-entropy.
        epochs, batch_size, report_every, optimizer, learning_rate, early_stopping, validation_fraction,
            warm_start, random_state, verbose, **build_parameters: as in
            :class:`~kerasdl.estimators.KerasRegressor`; the validation part is stratified.

    Attributes:
        classes_: the labels, sorted, of whatever type y has.
        model_, history_, n_iter_, n_features_in_: as the regressor's.

    Raises:
        ValueError: in ``fit``, on one class alone, several labels a row, a model with another number of
            outputs, and where the regressor raises.

    Example:
        >>> import numpy as np
        >>> from kerasdl import models
        >>> X = np.array([[0.0], [0.1], [0.9], [1.0]])
        >>> model = KerasClassifier(models.mlp, epochs=2, build__hidden=(8,), random_state=0)
        >>> model.fit(X, ["low", "low", "high", "high"]).predict_proba(X).shape
        (4, 2)
    """

    _target_checks: ClassVar[dict[str, bool]] = {}
    _head: LabelHead

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one pass over these rows; the first call builds the model.

        Args:
            X, y, sample_weight: as in ``fit``.
            classes: every label that will ever come; needed in the first call.

        Raises:
            ValueError: as ``fit``; in the first call, no ``classes``.
        """
        if classes is None and not hasattr(self, "model_"):
            raise ValueError("classes=None: the first partial_fit needs every label that will come")
        return self._one_pass(X, y, sample_weight, classes)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each row, ``(samples,)``."""
        outputs = self._outputs(X)
        return self._head.decide(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return each class's probability, ``(samples, classes)``, in the order of ``classes_``."""
        outputs = self._outputs(X)
        return self._head.probabilities(outputs)

    @property
    def classes_(self) -> np.ndarray:
        """The labels, sorted."""
        return self._head.targets.classes

    def _targets(self, y: np.ndarray) -> Labels:
        return Labels.of(y)

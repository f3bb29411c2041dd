"""How does a Keras model predict classes for scikit-learn?

One class, :class:`KerasClassifier`: a builder of models and settings go in, rows and labels to fit; labels
and probabilities come out.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import keras
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d

from kerasdl.estimators.estimator import KerasEstimator, joined
from kerasdl.estimators.targets import LabelHead, Labels, LabelSetHead, LabelSets, classes_of


class KerasClassifier(ClassifierMixin, KerasEstimator):
    """A Keras model as a scikit-learn classifier.

    Args:
        build: any function that returns an uncompiled :class:`keras.Model`. It is handed those of
            ``features`` (int), ``input_shape`` (tuple) and ``outputs`` or else ``units`` (int, the number of
            classes) that its signature names, so the builders of :mod:`kerasdl.models` work as they are. The
            model has an output for each class, or for two classes one, that of the second. Whether these are
            logits, a softmax or sigmoids is read off its last operations, nested ones included. Or a model:
            each fit trains a copy of it, from the weights that it has.
        loss: Keras's name or a loss, which gets the classes one-hot if it takes them so, else by their places
            ``(batch, 1)``; None is the cross-entropy that suits the outputs.
        class_weight: a dict of label and weight, or ``"balanced"`` for weights inverse to the classes'
            frequencies; they multiply ``sample_weight``.
        from_logits: whether the outputs are logits; needed only where that can't be told from the model.
        one_hot: whether the loss takes the classes one-hot; needed only for a loss that is not of Keras's.
        epochs, batch_size, report_every, optimizer, learning_rate, metrics, callbacks, early_stopping,
            monitor, min_delta, restore_best, validation_fraction, validation_split, warm_start,
            random_state, verbose, **parameters: as in :class:`~kerasdl.estimators.KerasRegressor`; a part
            that is drawn at random to validate on is stratified.

    Attributes:
        classes_: the labels, sorted, of whatever type y has; for several labels a row their numbers.
        model_, history_, n_iter_, n_features_in_, callbacks_: as the regressor's.

    A y of shape ``(samples, labels)`` that holds 0 and 1 means several labels a row: ``predict`` and
    ``predict_proba`` then have its shape, and the loss is binary cross-entropy.

    Raises:
        ValueError: in ``fit``, on one class alone, a model with another number of outputs or one whose
            outputs' meaning can't be told, a loss that does not go with them, and where the regressor raises.

    Example:
        >>> import numpy as np
        >>> from kerasdl import models
        >>> X = np.array([[0.0], [0.1], [0.9], [1.0]])
        >>> model = KerasClassifier(models.mlp, epochs=2, build__hidden=(8,), random_state=0)
        >>> model.fit(X, ["low", "low", "high", "high"]).predict_proba(X).shape
        (4, 2)
    """

    _target_checks: ClassVar[dict[str, bool]] = {"multi_output": True}
    _head: LabelHead | LabelSetHead

    def __init__(
        self,
        build: Callable[..., keras.Model] | keras.Model,
        *,
        class_weight: dict | str | None = None,
        from_logits: bool | None = None,
        one_hot: bool | None = None,
        **parameters: Any,
    ):
        super().__init__(build, **parameters)
        self.class_weight = class_weight
        self.from_logits = from_logits
        self.one_hot = one_hot

    __init__.__signature__ = joined(__init__, KerasEstimator.__init__)  # type: ignore[attr-defined]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

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

    def _targets(self, y: np.ndarray) -> Labels | LabelSets:
        return classes_of(y)

    def _column(self, y: Any) -> np.ndarray:
        y = super()._column(y)
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

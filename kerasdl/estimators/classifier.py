"""How does a Keras model predict classes for scikit-learn?"""

from typing import ClassVar

import keras
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from kerasdl.estimators.base import KerasEstimator


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

    target_checks: ClassVar[dict] = {}

    def partial_fit(self, X, y, classes=None, sample_weight=None) -> "KerasClassifier":
        """Train for one pass over these rows; the first call builds the model.

        Args:
            X, y, sample_weight: as in ``fit``.
            classes: every label that will ever come; needed in the first call.
        """
        if classes is None and not hasattr(self, "model_"):
            raise ValueError("classes=None: the first partial_fit needs every label that will come")

        def learn(y: np.ndarray, again: bool) -> int:
            return self.learn_targets(y if again else np.asarray(classes), again)

        return self._pass(X, y, sample_weight, learn)

    def predict(self, X) -> np.ndarray:
        """Return the most probable label of each row, ``(samples,)``."""
        return self.decide(self.outputs(X))

    def predict_proba(self, X) -> np.ndarray:
        """Return each class's probability, ``(samples, classes)``, in the order of ``classes_``."""
        return self.probabilities(self.outputs(X))

    # The steps that differ from the regressor's.

    def learn_targets(self, y: np.ndarray, again: bool = False) -> int:
        """Take note of the labels and return their number."""
        y = _labels(y)
        if again:
            self.encode(y)  # refuses labels that are new
        else:
            classes = np.unique(y)
            if len(classes) < 2:
                raise ValueError(f"y has one class, {classes.tolist()[0]!r}: a classifier needs at least two")
            self.classes_ = classes
        return len(self.classes_)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the labels' places in ``classes_``, ``(samples, 1)``."""
        y = _labels(y)
        places = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        new = y[self.classes_[places] != y].tolist()
        if new:
            raise ValueError(
                f"y has the label {new[0]!r}, which is none of classes_: {self.classes_.tolist()}"
            )
        return places.astype("int32")[:, None]

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Return what a validation part is stratified by: the labels."""
        return _labels(y)

    def loss_for(self, model: keras.Model) -> str | keras.losses.Loss:
        """Return the loss to compile with, for the outputs that this model has."""
        units, classes = model.output_shape[-1], len(self.classes_)
        if units != classes and not (units == 1 and classes == 2):
            raise ValueError(
                f"build={self.build!r} returned a model with {units} outputs for {classes} classes: "
                "let it take units and use them"
            )
        self._from_logits = _activation(model) not in ("softmax", "sigmoid")
        if isinstance(self.loss, str) and "crossentropy" in self.loss and self._from_logits:
            raise ValueError(
                f"loss={self.loss!r} takes probabilities and the model gives logits: leave the loss out, "
                "or give one made with from_logits=True"
            )
        if self.loss is not None:
            return self.loss
        if units == 1:
            return keras.losses.BinaryCrossentropy(from_logits=self._from_logits)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=self._from_logits)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the classes' probabilities from the model's outputs."""
        outputs = np.asarray(outputs, float)
        if outputs.shape[1] == 1 and len(self.classes_) == 2:
            outputs = np.hstack(
                [np.zeros_like(outputs), outputs] if self._from_logits else [1 - outputs, outputs]
            )
        if self._from_logits:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return outputs / outputs.sum(axis=1, keepdims=True)

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Return labels from the model's outputs."""
        return self.classes_[self.probabilities(outputs).argmax(axis=1)]


def _labels(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    check_classification_targets(y)
    return y


def _activation(model: keras.Model) -> str:
    """The name of what the last layer does to its outputs."""
    last = model.layers[-1] if model.layers else model
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(last, "activation", None), "__name__", "linear")

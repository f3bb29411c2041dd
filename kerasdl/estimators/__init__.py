"""How do I use a Keras model from scikit-learn? Give its builder to an estimator."""

from kerasdl.estimators.classifier import KerasClassifier
from kerasdl.estimators.regressor import KerasRegressor

__all__ = ["KerasClassifier", "KerasRegressor"]

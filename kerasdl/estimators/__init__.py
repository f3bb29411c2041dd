"""How do I use a Keras model from scikit-learn? Give its builder to an estimator.

:class:`KerasClassifier` and :class:`KerasRegressor` show scikit-learn's protocol and nothing else. Inside,
``estimator`` is what both share of it, ``targets`` turns y into numbers and outputs into predictions,
``steps`` says what a training is made of, ``kept`` what goes into a pickle.
"""

from kerasdl.estimators.classifier import KerasClassifier
from kerasdl.estimators.regressor import KerasRegressor

__all__ = ["KerasClassifier", "KerasRegressor"]

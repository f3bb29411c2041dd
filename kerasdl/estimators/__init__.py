"""How do I use a Keras model from scikit-learn? Give its builder to an estimator.

:class:`KerasClassifier` and :class:`KerasRegressor` show scikit-learn's protocol and nothing else. Inside,
``estimator`` is what both share of it and ``steps`` what a training is made of. A training asks ``recipe``
for the model, ``inputs`` for rows and ``targets`` for numbers; ``targets`` asks ``meaning`` what a model's
outputs are and ``losses`` which loss suits them. ``aside`` says which rows validate, ``watching`` who looks
on, ``kept`` what goes into a pickle.
"""

from kerasdl.estimators.classifier import KerasClassifier
from kerasdl.estimators.regressor import KerasRegressor

__all__ = ["KerasClassifier", "KerasRegressor"]

"""What do tests of cross-validation work on? 47 rows, three folds, and estimators that train in a moment."""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(47, 4))
Y = np.exp(X[:, 0] + GENERATOR.normal(size=47) / 10)
LABELS = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.4, 0.4])]
CV = KFold(3)
SETTINGS = {"epochs": 4, "batch_size": 8, "learning_rate": 0.02, "random_state": 0}


def regressor(build=models.mlp, **changes):
    own = {"build__hidden": (5,), "build__dropout": 0.2} if build is models.mlp else {}
    return KerasRegressor(build, **(SETTINGS | own | changes))


def classifier(build=models.linear, **changes):
    return KerasClassifier(build, **(SETTINGS | changes))


def logged(model):
    return TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)

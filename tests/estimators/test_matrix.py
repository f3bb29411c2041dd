"""scikit-learn's own checks and tools over builders of every kind."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dict_unchanged,
    check_estimator,
    check_fit2d_1feature,
    check_n_features_in,
)

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor

REASON = "weight 2 equals a row taken twice up to float32's rounding, and the check asks for 1e-7"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


def stock(features, outputs):
    stack = [layers.Dense(16, "relu"), layers.Dense(outputs)]
    return keras.Sequential([keras.Input((features,)), *stack])


def nested(features, outputs):
    inputs = keras.Input((features,))
    head = keras.Sequential([keras.Input((16,)), layers.Dense(outputs)])
    return keras.Model(inputs, head(layers.Dense(16, "relu")(inputs)))


def nested_softmax(features, outputs):
    inputs = keras.Input((features,))
    head = keras.Sequential([keras.Input((16,)), layers.Dense(outputs, "softmax")])
    return keras.Model(inputs, head(layers.Dense(16, "relu")(inputs)))


def images(features, outputs):
    """The convolutional builder, a row's numbers as the channels of a small even picture."""
    shape = (4, 4, features)
    picture = [layers.RepeatVector(16), layers.Reshape(shape)]
    return keras.Sequential([keras.Input((features,)), *picture, models.convnet(shape, outputs)])


def series(features, outputs):
    """The recurrent builder, a row's numbers one after the other."""
    network = models.many_to_one(1, outputs, units=8)
    return keras.Sequential([keras.Input((features,)), layers.Reshape((features, 1)), network])


def narrow(features, outputs):
    return models.mlp(features, (16,), outputs)


class Own(keras.Model):
    """A model of one's own."""

    def __init__(self, outputs=1):
        super().__init__()
        self.hidden, self.last = layers.Dense(16, "relu"), layers.Dense(outputs)

    def call(self, x):
        return self.last(self.hidden(x))


def subclass(outputs):
    return Own(outputs)


BUILDERS = {
    "mlp": (narrow, {}),
    "linear": (models.linear, {}),
    "stock": (stock, {}),
    "nested": (nested, {}),
    "convnet": (images, {}),
    "many_to_one": (series, {}),
    "subclass": (subclass, {}),
}
TRAINED = {"epochs": 60, "report_every": 60, "batch_size": 256, "learning_rate": 0.05, "random_state": 0}
QUICK = {("stock", KerasRegressor)} if keras.backend.backend() == "torch" else set()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (name, kind) in QUICK else pytest.mark.slow)
        for name in BUILDERS
        for kind in (KerasRegressor, KerasClassifier)
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_finds_no_fault(name, kind):
    build, settings = BUILDERS[name]
    told = {"from_logits": True} if kind is KerasClassifier and name == "subclass" else {}
    failed = [
        result["check_name"]
        for result in check_estimator(kind(build, **TRAINED, **settings, **told), on_fail=None)
        if result["status"] == "failed" and result["check_name"] not in EXPECTED
    ]
    assert failed == []


@pytest.mark.parametrize("name", ["stock", "nested", "subclass"])
def test_scikit_learn_finds_no_fault_in_a_short_part(name):
    build, settings = BUILDERS[name]
    model = KerasRegressor(build, epochs=1, random_state=0, **settings)
    for check in (check_dict_unchanged, check_n_features_in, check_fit2d_1feature):
        check("KerasRegressor", clone(model))


GENERATOR = np.random.default_rng(0)
TABLE = pd.DataFrame(GENERATOR.normal(size=(60, 3)), columns=["length", "width", "noise"])
NAMES = np.array(["big", "medium", "small"])[np.digitize(TABLE.length, [-0.4, 0.4])]
SIZE = TABLE.length + 0.1 * TABLE.width
FAST = {"epochs": 15, "report_every": 15, "learning_rate": 0.1, "random_state": 0}


def classifier(build=nested_softmax):
    return make_pipeline(StandardScaler(), KerasClassifier(build, **FAST))


def test_grid_search_by_scikit_learn():
    grid = {"kerasclassifier__batch_size": np.array([8, 16]), "kerasclassifier__learning_rate": [0.05]}
    found = GridSearchCV(classifier(), grid, cv=2, error_score="raise").fit(TABLE, NAMES)
    assert found.best_score_ > 0.8
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert set(found.predict(TABLE)) <= set(NAMES)


def test_cross_val_predict_gives_probabilities():
    probability = cross_val_predict(classifier(), TABLE, NAMES, cv=2, method="predict_proba")
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert (np.unique(NAMES)[probability.argmax(axis=1)] == NAMES).mean() > 0.8


def test_stacking_and_calibration():
    stacked = StackingClassifier(
        [("net", classifier()), ("line", LogisticRegression())], LogisticRegression(), cv=2
    )
    assert stacked.fit(TABLE, NAMES).score(TABLE, NAMES) > 0.85
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(TABLE, NAMES)
    assert calibrated.predict_proba(TABLE).shape == (60, 3)
    net = make_pipeline(StandardScaler(), KerasRegressor(stock, **FAST))
    both = StackingRegressor([("net", net), ("line", Ridge())], Ridge(), cv=2).fit(TABLE, SIZE)
    assert both.score(TABLE, SIZE) > 0.9


def test_permutation_importance_finds_the_column_that_counts():
    model = classifier().fit(TABLE, NAMES)
    importance = permutation_importance(model, TABLE, NAMES, n_repeats=2, random_state=0).importances_mean
    assert importance.argmax() == 0
    assert importance[0] > 0.2

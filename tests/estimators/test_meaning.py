"""Logits or probabilities: whatever a model ends in, its own answer is what is predicted."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasdl import models
from kerasdl.estimators import KerasClassifier
from kerasdl.estimators.meaning import Answers, meaning

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 3))
TWO = (X[:, 0] > 0).astype(int)
THREE = np.digitize(X[:, 0], [-0.4, 0.4])


def functional(end):
    """A model of one hidden layer; ``end`` makes its outputs of that layer's."""
    inputs = keras.Input((3,))
    return keras.Model(inputs, end(layers.Dense(4, "tanh")(inputs)))


@keras.saving.register_keras_serializable("kerasdl-tests")
class Own(keras.Model):
    """A subclass: what its call does shows in its answers alone."""

    def __init__(self, outputs, activation=None):
        super().__init__()
        self.outputs_, self.activation = outputs, activation
        self.last = layers.Dense(outputs, activation)

    def call(self, x):
        return self.last(x)

    def get_config(self):
        return {"outputs": self.outputs_, "activation": self.activation}


@keras.saving.register_keras_serializable("kerasdl-tests")
def squashed(x):
    return ops.sigmoid(x)


ENDS = {
    "a dense layer": (lambda x: layers.Dense(3)(x), "logits"),
    "a softmax layer": (lambda x: layers.Softmax()(layers.Dense(3)(x)), "softmax"),
    "an activation": (lambda x: layers.Dense(3, "softmax")(x), "softmax"),
    "an operation": (lambda x: ops.sigmoid(layers.Dense(1)(x)), "sigmoid"),
    "a softmax operation": (lambda x: ops.softmax(layers.Dense(3)(x)), "softmax"),
    "a nested head": (
        lambda x: keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1, "sigmoid")])(x),
        "sigmoid",
    ),
    "a nested head of logits": (
        lambda x: keras.Sequential([keras.Input((4,)), keras.Sequential([layers.Dense(3)])])(x),
        "logits",
    ),
    "a cast": (
        lambda x: layers.Activation("linear", dtype="float32")(layers.Dense(1, "sigmoid")(x)),
        "sigmoid",
    ),
    "a reshape": (
        lambda x: layers.Flatten()(layers.Reshape((3, 1))(layers.Dense(3, "softmax")(x))),
        "softmax",
    ),
    "an average": (
        lambda x: layers.Average()([layers.Dense(3, "softmax")(x), layers.Dense(3, "softmax")(x)]),
        "softmax",
    ),
    "a sum of logits": (lambda x: layers.Add()([layers.Dense(3)(x), layers.Dense(3)(x)]), "logits"),
    "a batch norm": (lambda x: layers.BatchNormalization()(layers.Dense(3)(x)), "logits"),
    "a log-softmax": (lambda x: layers.Dense(3, "log_softmax")(x), "logits"),
    "a ReLU": (lambda x: layers.Dense(3, "relu")(x), "logits"),
    "dropout": (lambda x: layers.Dropout(0.1)(layers.Dense(3, "softmax")(x)), "softmax"),
    "a lambda of softmax": (lambda x: layers.Lambda(lambda t: ops.softmax(t))(layers.Dense(3)(x)), "softmax"),
    "a lambda of logits": (lambda x: layers.Lambda(lambda t: 5 * t)(layers.Dense(3)(x)), "logits"),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_last_operations_tell(name):
    end, expected = ENDS[name]
    keras.utils.set_random_seed(0)
    assert meaning(Answers(functional(end), X.astype("float32")), None) == expected


UNTOLD = {
    "a lambda of one sigmoid": lambda: functional(
        lambda x: layers.Lambda(lambda t: ops.sigmoid(t))(layers.Dense(1)(x))
    ),
    "a user's activation": lambda: functional(lambda x: layers.Dense(1, squashed)(x)),
    "a product of probabilities": lambda: functional(
        lambda x: layers.Multiply()([layers.Dense(1, "sigmoid")(x), layers.Dense(1, "sigmoid")(x)])
    ),
    "a subclass": lambda: Own(1, "sigmoid"),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_cannot_be_told_is_asked(name):
    def build():
        return UNTOLD[name]()

    with pytest.raises(ValueError, match="say from_logits=True or False"):
        KerasClassifier(build, epochs=1, random_state=0).fit(X, TWO)
    told = KerasClassifier(build, epochs=1, random_state=0, from_logits=False).fit(X, TWO)
    own = keras.ops.convert_to_numpy(told.model_(X.astype("float32")))
    np.testing.assert_allclose(told.predict_proba(X)[:, 1], own[:, 0], rtol=1e-5)


def test_a_subclass_is_told_by_its_answers():
    for activation, name in ((None, "logits"), ("softmax", "softmax")):
        model = KerasClassifier(lambda act=activation: Own(3, act), epochs=1, random_state=0).fit(X, THREE)
        assert model._head.means == name


def test_what_the_user_says_is_checked():
    with pytest.raises(ValueError, match="from_logits=True, but the model ends in softmax"):
        KerasClassifier(lambda: functional(ENDS["an activation"][0]), from_logits=True).fit(X, THREE)
    with pytest.raises(ValueError, match="softmax of one output"):
        KerasClassifier(lambda: functional(lambda x: layers.Dense(1, "softmax")(x))).fit(X, TWO)


@pytest.mark.parametrize(
    "name", ["a nested head", "an operation", "a cast", "an average", "a lambda of softmax"]
)
def test_a_classifier_predicts_what_its_model_says(name):
    y = TWO if ENDS[name][1] == "sigmoid" else THREE
    model = KerasClassifier(
        lambda: functional(ENDS[name][0]), epochs=30, report_every=30, learning_rate=0.1, random_state=0
    ).fit(X, y)
    own = model.model_.predict(X.astype("float32"), verbose=0)
    np.testing.assert_allclose(model.predict_proba(X)[:, -1], own[:, -1], rtol=1e-5)
    assert np.array_equal(
        model.predict(X), own.argmax(1) if own.shape[1] > 1 else (own[:, 0] > 0.5).astype(int)
    )
    assert model.score(X, y) > 0.9


def test_a_sigmoid_for_each_class_is_trained_one_against_the_rest():
    build = lambda features, outputs: keras.Sequential(  # noqa: E731
        [keras.Input((features,)), layers.Dense(outputs, "sigmoid")]
    )
    model = KerasClassifier(build, epochs=40, report_every=40, learning_rate=0.3, random_state=0).fit(
        X, THREE
    )
    own = model.model_.predict(X.astype("float32"), verbose=0)
    assert own.sum(axis=1).mean() == pytest.approx(1, abs=0.2)  # cross-entropy by place drives all three to 1
    assert model.score(X, THREE) > 0.7


def test_a_regressors_outputs_are_held_against_its_targets():
    from kerasdl.estimators import KerasRegressor

    y = X[:, 0]
    for outputs in (2, 10):
        with pytest.raises(ValueError, match=rf"outputs of shape \({outputs},\) for 1 target a row"):
            KerasRegressor(lambda features, n=outputs: models.mlp(features, outputs=n)).fit(X, y)
    with pytest.raises(ValueError, match=r"outputs of shape \(1,\) for 2 targets a row"):
        KerasRegressor(lambda features: models.linear(features)).fit(X, X[:, :2])
    with pytest.raises(ValueError, match=r"outputs of shape \(\d*None?,? ?.*\) for 1 target"):
        KerasRegressor(models.many_to_many, build__units=4).fit(np.zeros((6, 5, 2)), np.zeros(6))

"""A loss gets the targets that it takes, or is refused in words."""

import keras
import numpy as np
import pytest

from kerasdl import models
from kerasdl.estimators import KerasClassifier

GENERATOR = np.random.default_rng(0)
Y = np.arange(90) % 3
X = np.array([[3.0, 0], [0, 3], [-3, -3]])[Y] + GENERATOR.normal(size=(90, 2)) / 3


def softmax(features, outputs):
    return keras.Sequential([keras.Input((features,)), keras.layers.Dense(outputs, "softmax")])


def classifier(build=softmax, **changes):
    settings = {"epochs": 30, "report_every": 30, "learning_rate": 0.1, "random_state": 0}
    return KerasClassifier(build, **(settings | changes))


LOSSES = ["mse", "huber", "kl_divergence", "categorical_focal_crossentropy", "categorical_crossentropy"]
LOSSES += ["sparse_categorical_crossentropy", "categorical_hinge", "binary_crossentropy", "poisson"]
LOSSES += [keras.losses.categorical_crossentropy, keras.losses.CategoricalCrossentropy(label_smoothing=0.1)]


@pytest.mark.parametrize(
    "loss", LOSSES, ids=lambda loss: getattr(loss, "__name__", getattr(loss, "name", loss))
)
def test_every_loss_learns_what_the_default_learns(loss):
    assert classifier(loss=loss).fit(X, Y).score(X, Y) > 0.95


def test_label_smoothing_keeps_probabilities_from_1():
    sure = classifier(epochs=210).fit(X, Y).predict_proba(X).max(axis=1)
    smooth = classifier(epochs=210, loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.3)).fit(X, Y)
    assert sure.min() > 0.9
    # The best that cross-entropy with smoothing 0.3 over three classes can ask for is 0.7 + 0.1.
    assert smooth.predict_proba(X).max(axis=1).mean() == pytest.approx(0.8, abs=0.05)


def by_place(y, p):
    return keras.losses.sparse_categorical_crossentropy(y, p)


class Smoothed(keras.losses.CategoricalCrossentropy):
    """Of Keras's kind: what it takes is known."""


def test_a_loss_of_ones_own_says_what_it_takes():
    with pytest.raises(ValueError, match="say one_hot=True"):
        classifier(loss=by_place).fit(X, Y)
    assert classifier(loss=by_place, one_hot=False).fit(X, Y).score(X, Y) > 0.95
    own = lambda y, p: -keras.ops.sum(y * keras.ops.log(p + 1e-7), axis=-1)  # noqa: E731
    assert classifier(loss=own, one_hot=True).fit(X, Y).score(X, Y) > 0.95
    assert classifier(loss=Smoothed()).fit(X, Y).score(X, Y) > 0.95


def one(features):
    return models.linear(features)


@pytest.mark.parametrize(
    ("build", "loss", "words"),
    [
        (models.linear, "categorical_crossentropy", "from_logits=True"),
        (models.linear, "kl_divergence", "end the model in softmax"),
        (models.linear, keras.losses.CategoricalCrossentropy(), "from_logits=True"),
        (softmax, keras.losses.SparseCategoricalCrossentropy(from_logits=True), "gives probabilities"),
        (one, keras.losses.CategoricalCrossentropy(from_logits=True), "one output a class"),
        (softmax, "ctc", "does not judge one label a row"),
    ],
)
def test_what_does_not_go_together_is_refused(build, loss, words):
    y = Y % 2 if build is one else Y
    with pytest.raises(ValueError, match=words):
        classifier(build, loss=loss, epochs=1, report_every=1).fit(X, y)


def test_several_labels_a_row():
    y = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, X.sum(axis=1) > 0]).astype(int)
    model = classifier(models.linear, epochs=60, report_every=60).fit(X, y)
    assert model.predict(X).shape == model.predict_proba(X).shape == y.shape
    assert (model.predict(X) == y).mean() > 0.95
    sigmoid = lambda features, outputs: keras.Sequential(  # noqa: E731
        [keras.Input((features,)), keras.layers.Dense(outputs, "sigmoid")]
    )
    ended = classifier(sigmoid).fit(X, y)
    own = ended.model_.predict(X.astype("float32"), verbose=0)
    np.testing.assert_allclose(ended.predict_proba(X), own, rtol=1e-6)
    with pytest.raises(ValueError, match="ends in softmax, which gives one label"):
        classifier(softmax).fit(X, y)
    with pytest.raises(ValueError, match="one label a row and y has several"):
        classifier(sigmoid, loss="categorical_crossentropy").fit(X, y)

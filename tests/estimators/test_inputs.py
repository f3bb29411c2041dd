"""Rows of every form reach the model as the numbers that they are."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from kerasdl import models
from kerasdl.estimators import KerasClassifier, KerasRegressor

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 4)) * (GENERATOR.random((40, 4)) < 0.5)
Y = X[:, 0] + 1


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok"])
def test_sparse_rows_are_the_dense_ones(form):
    rows = sparse.csr_array(X).asformat(form)
    settings = {"epochs": 2, "validation_split": 0.2, "random_state": 0}
    ours, theirs = (KerasRegressor(models.linear, **settings).fit(one, Y) for one in (rows, X))
    np.testing.assert_array_equal(ours.predict(rows), theirs.predict(X))


def test_a_pipelines_encoder_may_stay_as_it_is():
    words = pd.DataFrame({"word": np.array(["a", "b", "c"])[np.arange(40) % 3]})
    model = KerasClassifier(models.linear, epochs=40, report_every=40, learning_rate=0.1, random_state=0)
    assert make_pipeline(OneHotEncoder(), model).fit(words, words.word).score(words, words.word) == 1


def two_inputs(input_shape, outputs):
    tensors = [keras.Input(shape, name=name) for name, shape in input_shape.items()]
    joined = layers.Concatenate()([layers.Flatten()(one) for one in tensors])
    return keras.Model(tensors, layers.Dense(outputs)(joined))


def test_a_dict_has_an_array_for_each_input():
    given = {"wide": X, "image": GENERATOR.normal(size=(40, 2, 2))}
    settings = {"epochs": 3, "validation_split": 0.2, "random_state": 0}
    model = KerasRegressor(two_inputs, **settings).fit(given, Y)
    assert model.predict(given).shape == (40,)
    turned = {"image": given["image"], "wide": given["wide"]}
    np.testing.assert_array_equal(model.predict(turned), model.predict(given))
    own = model.model_.predict([given["wide"], given["image"]], verbose=0)[:, 0]
    np.testing.assert_allclose(model.predict(given), own, rtol=1e-6)
    with pytest.raises(ValueError, match="the model takes"):
        model.predict({"wide": X})
    with pytest.raises(ValueError, match=r"rows differ: .*X\['wide'\]"):
        model.fit({"wide": X[:-1], "image": given["image"]}, Y)


def columns(features):
    area, rooms = (keras.Input((1,), name=name) for name in ("area", "rooms"))
    return keras.Model(
        [area, rooms], layers.Dense(1)(layers.Concatenate()([area, layers.Rescaling(10)(rooms)]))
    )


def test_a_table_has_a_column_for_each_input():
    table = pd.DataFrame({"rooms": X[:, 0], "unused": X[:, 1], "area": X[:, 2]})
    model = KerasRegressor(columns, epochs=1, random_state=0).fit(table, Y)
    own = model.model_.predict([X[:, [2]], X[:, [0]]], verbose=0)[:, 0]
    np.testing.assert_allclose(model.predict(table), own, rtol=1e-6)
    with pytest.raises(ValueError, match="give a dict of arrays"):
        KerasRegressor(columns, epochs=1).fit(X, Y)


def test_two_outputs_are_refused():
    def build(features):
        inputs = keras.Input((features,))
        return keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])

    with pytest.raises(ValueError, match="a model with 2 outputs"):
        KerasRegressor(build).fit(X, Y)

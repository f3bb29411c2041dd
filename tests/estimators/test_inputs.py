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
from kerasdl.estimators import KerasClassifier, KerasRegressor, steps
from kerasdl.selection import cross_validate
from kerasdl.training import programs

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 4)) * (GENERATOR.random((40, 4)) < 0.5)
Y = X[:, 0] + 1


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok"])
def test_sparse_rows_are_the_dense_ones(form):
    rows = sparse.csr_array(X).asformat(form)
    settings = {"epochs": 2, "validation_split": 0.2, "random_state": 0}
    ours, theirs = (KerasRegressor(models.linear, **settings).fit(one, Y) for one in (rows, X))
    np.testing.assert_array_equal(ours.predict(rows), theirs.predict(X))


@pytest.fixture
def little_memory(monkeypatch):
    """Leave room for no table; record the shapes of the sparse rows that are made dense."""
    made, dense = [], sparse.csr_array.toarray
    monkeypatch.setattr(programs, "SHARE", 0.0)
    monkeypatch.setattr(steps, "AT_ONCE", 32)
    monkeypatch.setattr(sparse.csr_array, "toarray", lambda rows: made.append(rows.shape[0]) or dense(rows))
    return made


def test_sparse_rows_that_are_too_large_are_made_dense_by_the_batch(little_memory):
    settings = {
        "epochs": 2,
        "batch_size": 8,
        "early_stopping": 2,
        "validation_fraction": 0.25,
        "random_state": 0,
    }
    theirs = KerasRegressor(models.mlp, build__hidden=(4,), **settings).fit(X, Y)
    ours = KerasRegressor(models.mlp, build__hidden=(4,), **settings).fit(sparse.csr_array(X), Y)
    assert ours.history_.attrs["engine"] == "keras"
    assert max(little_memory) <= 10  # of 30 rows to train on and 10 to validate on
    np.testing.assert_allclose(ours.history_, theirs.history_, rtol=1e-5)
    np.testing.assert_allclose(ours.predict(sparse.csr_array(X)), theirs.predict(X), rtol=1e-5, atol=1e-6)


def test_so_are_they_in_folds(little_memory):
    settings = {"epochs": 2, "batch_size": 4, "random_state": 0}
    theirs = cross_validate(KerasRegressor(models.linear, **settings), X, Y, cv=4)
    ours = cross_validate(KerasRegressor(models.linear, **settings), sparse.csr_array(X), Y, cv=4)
    assert (ours.engine, ours.reason) == ("in turn", "X is sparse, and dense it would fill the memory")
    assert max(little_memory) <= 8
    np.testing.assert_allclose(ours.scores.valid, theirs.scores.valid, rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_number_too_large_in_sparse_rows_is_named(monkeypatch, share):
    monkeypatch.setattr(programs, "SHARE", share)
    rows = X.copy()
    rows[17, 2], rows[30, 0] = 1e39, 1e39
    with pytest.raises(ValueError, match="X has 2 NaN or infinite values, the first in row 17"):
        KerasRegressor(models.linear).fit(sparse.csr_array(rows), Y)
    with pytest.raises(ValueError, match="in 1 rows, the first in row 30 of X"):
        cross_validate(KerasRegressor(models.linear), sparse.csr_array(rows), Y, cv=2)


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


WORDS = X.astype(str)
DAYS = np.arange(40).astype("M8[D]")
MIXED = np.array([*Y[:-1], "1.5"], object)


def linear(**changes):
    return KerasRegressor(models.linear, epochs=1, random_state=0, **changes)


def fitted():
    return linear().fit(X, Y)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: linear().fit(X, Y.astype(str)), "y holds text, '"),
        (lambda: linear().fit(X, Y.astype("S")), "y holds bytes, b'"),
        (lambda: linear().fit(X, DAYS), "y holds dates, "),
        (lambda: linear().fit(X, DAYS - DAYS[0]), "y holds durations, "),
        (lambda: linear().fit(X, MIXED), "y holds text, '1.5' in row 39"),
        (lambda: linear().fit(X, pd.Series(Y).astype("string")), "y holds text, '"),
        (lambda: linear().fit(X, np.c_[Y, Y].astype(str).tolist()), "y holds text, '"),
        (lambda: linear().fit(WORDS, Y), "X holds text, '"),
        (lambda: linear().fit(WORDS.astype(object), Y), "X holds text, '"),
        (
            lambda: linear().fit(np.c_[X[:, :1].astype(object), DAYS.tolist()], Y),
            "X holds dates, .* in row 0",
        ),
        (lambda: linear().fit(np.c_[DAYS, DAYS], Y), "X holds dates, "),
        (lambda: linear().fit(pd.DataFrame(X).assign(day=DAYS), Y), "X holds dates, Timestamp"),
        (lambda: linear().fit(pd.DataFrame(WORDS), Y), "X holds text, '"),
        (lambda: linear().fit({"input": WORDS}, Y), r"X\['input'\] holds text, '"),
        (lambda: linear().fit(X, Y, sample_weight=["1"] * 40), "sample_weight holds text, '1' in row 0"),
        (lambda: linear().fit(X, Y, X_val=WORDS, y_val=Y), "X holds text, '"),
        (lambda: linear().fit(X, Y, X_val=X, y_val=Y.astype(str)), "y_val holds text, '"),
        (lambda: linear().partial_fit(X, Y.astype(str)), "y holds text, '"),
        (lambda: fitted().partial_fit(X, Y.astype(str)), "y holds text, '"),
        (lambda: fitted().score(X, Y.astype(str)), "y holds text, '"),
        (lambda: fitted().score(X, DAYS), "y holds dates, "),
        (lambda: fitted().set_params(warm_start=True).fit(X, MIXED), "y holds text, '1.5' in row 39"),
        (lambda: fitted().predict(WORDS.astype(object)), "X holds text, '"),
        (lambda: KerasClassifier(models.linear).fit(WORDS.astype(object), Y > 1), "X holds text, '"),
        (lambda: KerasClassifier(models.linear).fit(np.c_[DAYS, DAYS], Y > 1), "X holds dates, "),
        (lambda: cross_validate(linear(), X, MIXED, cv=2), "y holds text, '"),
        (lambda: cross_validate(linear(), X, Y.astype(str), cv=2, vectorize=False), "y holds text, '"),
        (lambda: cross_validate(linear(), X, DAYS, cv=2), "y holds dates, "),
        (lambda: cross_validate(linear(), WORDS.astype(object), Y, cv=2), "X, as prepared, holds text, '"),
        (lambda: cross_validate(linear(), WORDS, Y, cv=2, vectorize=False), "X, as prepared, holds text, '"),
        (lambda: cross_validate(linear(), X, Y, cv=2, sample_weight=["1"] * 40), "sample_weight holds text"),
    ],
)
def test_text_bytes_and_dates_are_no_numbers(call, said):
    with pytest.raises(ValueError, match=f"^{said}.*: give numbers, such as an array of float32$"):
        call()


@pytest.mark.parametrize("labels", [DAYS[:2], np.array(["1", "2"])])
def test_labels_may_be_what_numbers_may_not(labels):
    y = labels[(Y > 1).astype(int)]
    found = KerasClassifier(models.linear, epochs=1).fit(X, y)
    assert found.classes_.tolist() == labels.tolist()
    assert set(found.predict(X).tolist()) <= set(labels.tolist())


def test_numbers_among_objects_stay_what_they_were():
    ours = linear().fit(X.astype(object), Y.astype(object)).predict(X.astype(object))
    np.testing.assert_array_equal(ours, fitted().predict(X))


def test_a_mask_in_one_of_several_inputs_is_seen():
    given = {"input": np.ma.masked_array(X, X[3, 0] == X)}
    with pytest.raises(ValueError, match=r"X\['input'\] has \d+ masked values"):
        linear().fit(given, Y)


def test_a_backup_that_folds_would_share_is_refused(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(
        ValueError, match=r"^callbacks holds BackupAndRestore: .*; give resume= to cross_validate"
    ):
        linear(callbacks=backup).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"^callbacks holds BackupAndRestore: .*; give resume= to cross_validate"
    ):
        cross_validate(linear(callbacks=[lambda: backup]), X, Y, cv=2)

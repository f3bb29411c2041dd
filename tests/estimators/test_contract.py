"""What scikit-learn asks of an estimator, what survives a pickle, and how training goes on or stops."""

import copy
import io
import pickle

import joblib
import keras
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from kerasdl import layers, models
from kerasdl.estimators import KerasClassifier, KerasRegressor
from kerasdl.estimators.steps import Steps
from kerasdl.estimators.targets import Labels

BACKEND = keras.backend.backend()
SLOW = pytest.mark.slow
LABELS = {
    "strings": np.array(["b", "a", "c"]),
    "integers": np.array([7, -1, 3]),
    "floats": np.array([0.0, 2.0, 1.0]),
    "booleans": np.array([True, False]),
}


@pytest.fixture
def blobs():
    generator = np.random.default_rng(0)
    places = np.arange(60) % 3
    return np.array([[3.0, 0], [0, 3], [-3, -3]])[places] + generator.normal(size=(60, 2)) / 3, places


def classifier(**changes):
    settings = {"epochs": 8, "batch_size": 16, "report_every": 4, "learning_rate": 0.1, "random_state": 0}
    return KerasClassifier(models.linear, **(settings | changes))


def with_dropout(features, units):
    inputs = keras.Input((features,))
    hidden = layers.Dropout(0.5)(keras.layers.Dense(8, "relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(units)(hidden))


# Sixty fits each: seconds on torch, minutes of compilation on the others.
@pytest.mark.parametrize(
    "estimator",
    [
        KerasRegressor(models.linear, epochs=40, report_every=40, batch_size=256, learning_rate=0.1),
        KerasClassifier(models.linear, epochs=40, report_every=40, batch_size=256, learning_rate=1.0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize(
    "run", ["quick" if BACKEND == "torch" else pytest.param("slow", marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.SkipTestWarning"
)  # array-API input, asked for nowhere
def test_scikit_learn_finds_no_fault(estimator, run):
    reason = "weight 2 equals a row taken twice up to float32's rounding, and the check asks for 1e-7"
    check_estimator(
        estimator.set_params(random_state=0),
        expected_failed_checks={
            "check_sample_weight_equivalence_on_dense_data": reason,
            "check_sample_weight_equivalence_on_sparse_data": reason,
        },
    )


def test_a_weight_of_two_is_a_row_taken_twice(blobs):
    # The check that scikit-learn's battery must let fail, at the precision of float32.
    X, y = blobs
    weight = np.arange(60) // 3 % 3
    often = np.repeat(np.arange(60), weight)
    weighted = classifier(batch_size=256).fit(X, y, sample_weight=weight)
    repeated = classifier(batch_size=256).fit(X[often], y[often])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_type_come_back(blobs, kind):
    X, places = blobs
    labels = LABELS[kind]
    y = labels[places % len(labels)]
    X = np.column_stack([X, places % len(labels) == 0])
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == sorted(labels)
    assert model.predict(X).dtype == y.dtype
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    assert np.array_equal(model.classes_[probability.argmax(axis=1)], model.predict(X))
    assert model.score(X, y) > (0.9 if len(labels) == 3 else 0.6)


def softmax_at_the_end(features, units):
    inputs = keras.Input((features,))
    return keras.Model(inputs, keras.layers.Dense(units, "softmax", kernel_initializer="zeros")(inputs))


def one_logit(features):
    return models.linear(features)


def one_probability(features):
    inputs = keras.Input((features,))
    return keras.Model(inputs, keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")(inputs))


@pytest.mark.parametrize("build", [softmax_at_the_end, one_logit, one_probability])
def test_outputs_are_read_as_what_they_are(blobs, build):
    X, y = blobs[0], (blobs[1] == 0).astype(int)
    model = classifier().set_params(build=build, epochs=24).fit(X, y)
    outputs = model.model_.predict(X, verbose=0)
    if build is one_logit:
        outputs = 1 / (1 + np.exp(-outputs.astype(float)))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], outputs[:, -1], rtol=1e-5)
    assert model.score(X, y) > 0.95


def test_images_of_four_axes_are_classified():
    X, y = np.zeros((12, 4, 4, 1)), np.array(["dark", "light"] * 6)
    X[1::2] = 1
    model = KerasClassifier(models.convnet, epochs=2, random_state=0).fit(X, y)
    assert model.predict(X).shape == (12,)
    assert model.model_.output_shape == (None, 2)


def test_a_recurrent_builder_keeps_its_width_and_gives_one_output_a_class():
    X, y = np.zeros((12, 5, 3)), np.array(["still", "rising"] * 6)
    X[1::2] = np.arange(5)[:, None]
    model = KerasClassifier(models.many_to_one, epochs=2, build__units=4, random_state=0).fit(X, y)
    assert model.model_.output_shape == (None, 2)
    assert model.model_.get_layer("output").kernel.shape == (4, 2)
    assert model.predict(X).shape == (12,)


def test_copies_predict_the_same_and_learn_on_alike(blobs):
    X, y = blobs
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = (
        classifier(loss=loss, optimizer=keras.optimizers.Adam(0.01)).set_params(build=with_dropout).fit(X, y)
    )
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), joblib.load(file)]
    expected = model.predict_proba(X)
    for other in copies:
        np.testing.assert_array_equal(other.predict_proba(X), expected)
        other.partial_fit(X, y)  # with the same optimizer state and the dropout's next masks
    expected = model.partial_fit(X, y).predict_proba(X)
    for other in copies:
        np.testing.assert_allclose(other.predict_proba(X), expected, rtol=1e-5)


def test_a_loss_keeps_its_settings_in_a_pickle():
    # Keras's own copy of a Huber loss forgets its delta.
    errors = np.zeros((3, 1), "float32"), np.full((3, 1), 2, "float32")
    model = pickle.loads(pickle.dumps(KerasRegressor(models.linear, loss=keras.losses.Huber(delta=0.2))))
    assert float(keras.ops.convert_to_numpy(model.loss(*errors))) == pytest.approx(0.2 * (2 - 0.1))


def test_a_pickle_does_not_depend_on_settings_changed_since(blobs):
    X, y = blobs
    model = KerasClassifier(models.mlp, epochs=1, build__hidden=(4,), random_state=0).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(build__hidden=(9, 9), optimizer="sgd")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)


def test_warm_start_goes_on_where_it_stopped(blobs):
    # Full batches and plain descent: twice four epochs are eight.
    X, y = blobs
    settings = {"batch_size": 60, "optimizer": "sgd", "report_every": 1}
    whole = classifier(**settings).fit(X, y)
    halves = classifier(**settings, epochs=4, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_allclose(halves.predict_proba(X), whole.predict_proba(X), rtol=1e-4)
    again = classifier(**settings, epochs=4).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(
        again.predict_proba(X), classifier(**settings, epochs=4).fit(X, y).predict_proba(X)
    )
    with pytest.raises(ValueError, match="label"):
        halves.fit(X, y + 1)


def test_partial_fit_is_one_pass_each(blobs):
    X, y = blobs
    settings = {"batch_size": 60, "optimizer": "sgd", "report_every": 1}
    whole = classifier(**settings, epochs=3).fit(X, y)
    parts = classifier(**settings)
    parts.partial_fit(X, y, classes=[0, 1, 2])
    parts.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-4)
    late = classifier().partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert late.predict_proba(X).shape == (60, 3)
    with pytest.raises(ValueError, match="classes=None"):
        classifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="label 9"):
        late.partial_fit(X, np.full(60, 9))
    line = KerasRegressor(models.linear, learning_rate=0.1, random_state=0).partial_fit(X, X[:, 0])
    assert line.partial_fit(X, X[:, 0]).n_iter_ == 1
    with pytest.raises(ValueError, match="unlike in the training before"):
        line.partial_fit(X, X)


def test_training_stops_when_validation_gets_no_better(blobs):
    # Validation labels that contradict the training's: each epoch makes them worse.
    X, y = blobs
    model = classifier(epochs=20, report_every=1, early_stopping=3)
    model.fit(X, y, X_val=X, y_val=(y + 1) % 3)
    worst = model.history_.val_loss
    assert model.n_iter_ < 20
    assert model.n_iter_ == worst.argmin() + 1 + 3
    kept = -np.log(model.predict_proba(X)[np.arange(60), (y + 1) % 3]).mean()
    assert kept == pytest.approx(worst.min(), rel=1e-4)


def test_a_second_fit_may_be_on_other_columns(blobs):
    X, y = blobs
    model = classifier().fit(X, y, X_val=X, y_val=y)
    wider = np.hstack([X, X])
    assert model.fit(wider, y, X_val=wider, y_val=y).n_features_in_ == 2 * X.shape[1]
    images = np.zeros((len(y), 4, 3)), np.zeros((len(y), 4, 5))
    with pytest.raises(ValueError, match=r"X has rows of shape \(4, 5\), the model takes \(4, 3\)"):
        classifier().fit(images[0], y, X_val=images[1], y_val=y)


def test_rows_kept_aside_are_stratified_and_weighted(blobs):
    X, y = blobs
    model = classifier(early_stopping=4, validation_fraction=0.2)
    steps = Steps(model, Labels.of(y))
    with steps.chance():
        compiled = steps.compiled(X)
        feed = steps.feed(compiled.head, compiled.model, X, y, np.linspace(1, 2, 60))
    assert np.bincount(feed.validation[1][:, 0]).tolist() == [4, 4, 4]
    assert len(feed.x) == 48
    assert feed.weight.mean() == pytest.approx(1)
    assert feed.validation[2].mean() == pytest.approx(1)
    with pytest.raises(ValueError, match="multiple of it"):
        classifier(early_stopping=3).fit(X, y)


def test_weights_are_routed_through_a_pipeline_and_a_search(blobs):
    X, y = blobs
    weight = np.where(y == 0, 0.0, 1.0)  # the class of weight 0 is never learned
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model).fit(X, y, sample_weight=weight)
        assert set(pipeline.predict(X)) == {1, 2}
        search = GridSearchCV(clone(model), {"learning_rate": [0.1], "build__l2": [0.0]}, cv=2)
        search.fit(X, y, sample_weight=weight)
        assert set(search.predict(X)) == {1, 2}


def test_stock_tools_train_all_epochs(blobs):
    # Keras's own wrapper forgets its epochs in clone, and trains one.
    X, y = blobs
    assert cross_val_score(classifier(epochs=40, report_every=40), X, y, cv=2).min() > 0.9


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"y": np.zeros(60)}, ValueError, "one class, .*0.0"),
        ({"y": np.arange(120).reshape(60, 2)}, ValueError, "one label a row"),
        ({"y": np.linspace(0, 1, 60)}, ValueError, "continuous"),
        ({"y": np.r_[np.nan, np.arange(59) % 2]}, ValueError, "NaN"),
        ({"build": one_logit}, ValueError, "1 outputs for 3 classes"),
        ({"build": lambda features: None}, TypeError, "must return a keras.Model"),
        ({"loss": "sparse_categorical_crossentropy"}, ValueError, "from_logits=True"),
        ({"sample_weight": np.ones(3)}, ValueError, "one weight a row"),
        ({"sample_weight": np.full(60, np.nan)}, ValueError, "NaN"),
        ({"hidden": (3,)}, TypeError, "build__hidden"),
        ({"build_units": 3}, TypeError, "build_units=3 is not known; .* is named build__units$"),
        ({"optimizer_lr": 0.1}, TypeError, "optimizer's setting is named optimizer__learning_rate$"),
        ({"optimizer_momentum": 0.1}, TypeError, "optimizer's setting is named optimizer__momentum$"),
        ({"optimizer__lr": 0.1}, ValueError, "'lr' is not known; did you mean 'learning_rate'"),
        ({"lr": 0.1}, TypeError, "named learning_rate$"),
    ],
)
def test_misuse_is_answered(blobs, change, error, words):
    X, y = blobs
    weight = change.pop("sample_weight", None)
    y = change.pop("y", y)
    with pytest.raises(error, match=words):
        KerasClassifier(**{"build": models.linear, **change}).fit(X, y, sample_weight=weight)


def test_rows_to_validate_on_under_keras_s_name_are_answered_without_the_rows(blobs):
    X, y = blobs
    with pytest.raises(TypeError) as refused:
        KerasClassifier(models.linear).fit(X, y, validation_data=(X, y))
    assert str(refused.value) == "fit(validation_data=…): give X_val=… and y_val=…"

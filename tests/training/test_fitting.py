import gc
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasdl
from kerasdl import models, training

RATE = 0.05


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(23, 3)).astype("float32")
    return x, (x @ [[1.0], [-2.0], [0.5]] + 3).astype("float32")


def compiled(features=3, optimizer=None):
    kerasdl.set_seed(7)
    model = models.linear(features)
    model.compile(optimizer or keras.optimizers.SGD(RATE), "mse")
    return model


def test_a_model_without_weights_has_nothing_to_go_back_to():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(RATE), "mse")
    with pytest.raises(ValueError, match=r"has no weights yet: begin it with keras\.Input"):
        training.snapshot(model)


def by_hand(x, y, batches, weights, epochs, sample_weight=None):
    """Mini-batch gradient descent on the mean squared error, in float64."""
    w, b = (v.astype("float64") for v in weights)
    for epoch in range(epochs):
        batches.epoch = epoch
        for xb, yb, *sb in batches:
            error = (xb @ w + b - yb) * (sb[0][:, None] if sb else 1)
            w, b = w - RATE * 2 * xb.T @ error / len(xb), b - RATE * 2 * error.sum(0) / len(xb)
    return w, b


@pytest.mark.parametrize("report_every", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_takes_the_batches_in_their_order(data, report_every, weighted):
    # The end of a short-batch descent depends on the order of its batches, so equality proves the order.
    x, y = data
    sample_weight = np.linspace(0.5, 1.5, len(x)) if weighted else None
    model = compiled()
    start = model.get_weights()
    expected = by_hand(x, y, training.Batches(x, y, 5, sample_weight), start, epochs=6)
    model = compiled()
    history = training.fit(
        model, x, y, epochs=6, batch_size=5, report_every=report_every, sample_weight=sample_weight
    )
    for got, want in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)
    assert list(history.index) == list(range(report_every, 7, report_every))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 3))
def test_every_pass_holds_every_row_once(rows, batch_size, passes):
    x = np.arange(rows)[:, None]
    batches = training.Batches(x, x, batch_size, passes=passes)
    batches.epoch = 2
    got = [xb[:, 0] for xb, _ in batches]
    assert len(got) == len(batches) == passes * -(-rows // batch_size)
    each = np.concatenate(got).reshape(passes, rows)
    assert all(sorted(one) == list(range(rows)) for one in each)


def test_the_order_depends_on_seed_and_epoch_alone():
    x = np.arange(50)[:, None]

    def order(seed, epoch, passes=1):
        kerasdl.set_seed(seed)
        batches = training.Batches(x, x, 50, passes=passes)
        batches.epoch = epoch
        return [xb[:, 0].tolist() for xb, _ in batches]

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)
    assert order(0, 1, passes=2) == order(0, 2) + order(0, 3)


def test_validation_is_reported_and_checked(data):
    x, y = data
    model = compiled()
    history = training.fit(model, x, y, epochs=2, validation_data=(x[:4], y[:4]))
    w, b = model.get_weights()
    assert history["val_loss"].iloc[-1] == pytest.approx(np.mean((x[:4] @ w + b - y[:4]) ** 2), rel=1e-5)
    with pytest.raises(ValueError, match=r"y\[:, None\]"):
        training.fit(model, x, y, epochs=1, validation_data=(x, y[:, 0]))
    with pytest.raises(ValueError, match="validation x has 1 NaN"):
        training.fit(model, x, y, epochs=1, validation_data=(np.where(x == x[0, 0], np.nan, x), y))


def test_a_loss_that_blows_up_stops_with_the_mend(data):
    x, y = data
    model = compiled(optimizer=keras.optimizers.SGD(1e6))
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"loss is (nan|inf) (after|in) epoch .*learning rate"),
    ):
        training.fit(model, x, y, epochs=50)


def test_bad_data_is_refused_in_one_line(data):
    x, y = data
    model = compiled()
    for fault, words in (
        ({"y": y[:, 0]}, r"y has shape \(23,\), the model's output \(None, 1\): give y\[:, None\]"),
        ({"y": np.repeat(y, 3, 1)}, r"y has shape \(23, 3\), the model's output \(None, 1\): make the last"),
        ({"validation_data": (x, np.repeat(y, 3, 1))}, r"validation y has shape \(23, 3\), the model's"),
        ({"x": np.ma.masked_array(x, x == x[4, 0])}, "x has 1 masked values, the first in row 4: impute"),
        (
            {"sample_weight": np.ma.masked_array(np.ones(23), y[:, 0] == y[2, 0])},
            "sample_weight has 1 masked",
        ),
        ({"x": x.astype(complex)}, "x holds complex128: give numbers"),
        ({"x": x.astype("datetime64[s]")}, "x holds dates, .* in row 0: give numbers"),
        ({"x": x.astype(str)}, "x holds text, .* in row 0: give numbers"),
        ({"y": y.astype(str)}, "y holds text, .* in row 0: give numbers"),
        ({"y": y.astype("S")}, "y holds bytes, .* in row 0: give numbers"),
        ({"y": y.astype(int).astype("M8[D]")}, "y holds dates, .* in row 0: give numbers"),
        ({"x": x.astype(np.dtypes.StringDType())}, "x holds text, .* in row 0: give numbers"),
        ({"y": y.astype(object)}, "y holds object: give numbers"),
        ({"sample_weight": ["1"] * 23}, "sample_weight holds text, '1' in row 0: give numbers"),
        ({"validation_data": (x, y.astype(str))}, "validation y holds text, .* in row 0"),
        ({"validation_data": (x.astype(str), y)}, "validation x holds text, .* in row 0"),
        ({"x": pd.DataFrame(x).astype("Float64")}, "x holds object: give numbers"),
        ({"validation_data": (x, None)}, "validation y holds object: give numbers"),
        ({"y": y[:-1]}, "rows differ: x has 23, y has 22"),
        ({"x": np.full_like(x, np.inf)}, "x has 69 NaN or infinite values, the first in row 0"),
        ({"sample_weight": np.full(23, np.nan)}, "sample_weight has 23 NaN"),
        ({"sample_weight": np.ones(5)}, "sample_weight has 5"),
        ({"x": x[:0], "y": y[:0]}, "no rows"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"epochs": 4, "report_every": 3}, "report_every=3 does not divide epochs=4"),
    ):
        with pytest.raises(ValueError, match=words):
            training.fit(model, **{"x": x, "y": y, "epochs": 1} | fault)


def test_targets_are_compared_with_outputs_by_the_loss_that_there_is(data):
    x, y = data
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    own = lambda y, outputs: keras.ops.mean((outputs - y) ** 2, axis=-1)  # noqa: E731
    labels = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for loss, targets in (("mse", None), (keras.losses.MeanAbsoluteError(), None), (labels, y * 0), (own, y)):
        model.compile("sgd", loss)
        if targets is not None:  # labels are one a row, and a loss of one's own may compare what it likes
            training.fit(model, x, targets, epochs=1)
            continue
        with pytest.raises(ValueError, match=r"y has shape \(23, 1\), the model's output \(None, 4\)"):
            training.fit(model, x, y, epochs=1)
        with pytest.raises(ValueError, match=r"shape \(23, 5\), .* \(None, 4\): make the last .* equal$"):
            training.fit(model, x, np.repeat(y, 5, 1), epochs=1)


def test_what_yields_batches_is_refused_with_the_mend(data):
    x, y = data
    model = compiled()
    arguments = {"epochs": 1}
    with pytest.raises(ValueError, match=r"x is a generator, not an array: give it to model\.fit, with"):
        training.fit(model, ((one, y) for one in x), **arguments)
    with pytest.raises(ValueError, match="x is a list_iterator, not an array"):  # it has no length
        training.fit(model, iter([x]), y, **arguments)
    with pytest.raises(ValueError, match="x is a Batches, not an array"):
        training.fit(model, training.Batches(x, y, 5), **arguments)
    with pytest.raises(ValueError, match="y is a zip, not an array"):
        training.fit(model, x, zip(y, y, strict=True), **arguments)
    with pytest.raises(ValueError, match=r"y=None: training\.fit takes arrays"):
        training.fit(model, x, **arguments)
    history = model.fit(training.Batches(x, y, 5), callbacks=[training.StopOnNaN()], verbose=0)  # the mend
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_restored_model_trains_as_if_new(data, name):
    x, y = data
    model = compiled(optimizer=keras.optimizers.get(name))
    start = training.snapshot(model)
    runs = []
    for _ in range(2):
        training.restore(start)
        kerasdl.set_seed(1)
        training.fit(model, x, y, epochs=3, batch_size=5)
        runs.append(model.get_weights())
    for first, second in zip(*runs, strict=True):
        assert np.array_equal(first, second)


def test_the_same_seed_gives_the_same_bits(data):
    runs = []
    for _ in range(2):
        model = compiled()
        history = training.fit(model, *data, epochs=3, batch_size=5)
        runs.append((history, *model.get_weights()))
    assert runs[0][0].equals(runs[1][0])
    assert all(np.array_equal(a, b) for a, b in zip(runs[0][1:], runs[1][1:], strict=True))


def test_a_model_with_several_inputs_takes_them_as_a_list(data):
    x, y = data
    batches = training.Batches([x, y], 2 * y, batch_size=5, sample_weight=y[:, 0] ** 2)
    for (one, other), target, weight in batches:
        assert len(one) == len(other)
        np.testing.assert_array_equal(target, 2 * other)
        np.testing.assert_array_equal(weight, other[:, 0] ** 2)
        np.testing.assert_allclose(one @ [[1.0], [-2.0], [0.5]] + 3, other, atol=1e-5)
    left, right = keras.Input((3,)), keras.Input((1,))
    model = keras.Model([left, right], keras.layers.Dense(1)(keras.layers.Concatenate()([left, right])))
    model.compile(keras.optimizers.SGD(RATE), "mse")
    history = training.fit(model, [x, y], 2 * y, epochs=30, batch_size=5)
    assert history.loss.iloc[-1] < 0.1 * history.loss.iloc[0]


def test_validation_takes_several_inputs_too_and_no_weights(data):
    x, y = data
    left, right = keras.Input((3,)), keras.Input((2,))
    model = keras.Model([left, right], keras.layers.Dense(1)(keras.layers.Concatenate()([left, right])))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    inputs = [x, x[:, :2].copy()]
    history = training.fit(model, inputs, y, epochs=1, batch_size=23, validation_data=(inputs, y, None))
    assert history.val_loss.iloc[0] == pytest.approx(history.loss.iloc[0], rel=1e-6)


def test_inputs_of_unequal_length_are_named(data):
    x, y = data
    with pytest.raises(ValueError, match=r"x\[0\] has 23, x\[1\] has 22"):
        training.Batches([x, y[1:]], y, batch_size=5)


def test_no_copy_of_the_data_outlives_a_fit(data, monkeypatch):
    copies = []

    class Watched(training.Batches):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            copies.extend(map(weakref.ref, self.arrays))

    monkeypatch.setattr("kerasdl.training.fitting.Batches", Watched)
    model = compiled()
    training.fit(model, *data, epochs=2)
    gc.collect()
    assert len(copies) == 2
    assert not any(copy() is not None for copy in copies)


class Told(keras.callbacks.Callback):
    """Keeps the numbers of the epochs that a callback is told, and stops short of one as a kill would."""

    def __init__(self, before=None):
        super().__init__()
        self.epochs, self.before = [], before

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.before:
            raise KeyboardInterrupt
        self.epochs.append(epoch)


def trained(data, engine="auto", seed=7, model=None, **arguments):
    model = model or compiled(optimizer=keras.optimizers.Adam(RATE))
    kerasdl.set_seed(seed)
    history = training.fit(model, *data, epochs=10, batch_size=5, engine=engine, **arguments)
    return model, history


def equal(one, other):
    for ours, theirs in zip(training.snapshot(one), training.snapshot(other), strict=True):
        assert ours[1].tobytes() == theirs[1].tobytes()


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_epochs_after_the_initial_one_have_their_numbers_and_orders(data, engine, every, capsys):
    whole, history = trained(data, engine, report_every=every)
    model = compiled(optimizer=keras.optimizers.Adam(RATE))
    kerasdl.set_seed(7)
    training.fit(model, *data, epochs=6, batch_size=5, engine=engine, report_every=every)
    told = Told()
    capsys.readouterr()
    _, rest = trained(
        data, engine, model=model, initial_epoch=6, report_every=every, callbacks=[told], verbose=2
    )
    assert rest.index.tolist() == list(range(6 + every, 11, every))
    assert rest.equals(history.loc[7:])
    assert told.epochs == list(range(6 // every, 10 // every))
    assert f"Epoch {6 // every + 1}/{10 // every}" in capsys.readouterr().out
    equal(model, whole)


def test_a_backup_of_keras_s_goes_on_with_its_own_epochs(data, tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)

    whole, history = trained(data)
    with pytest.raises(KeyboardInterrupt):
        trained(data, callbacks=[backup(), Told(before=6)])
    told = Told()
    model, rest = trained(data, callbacks=[backup(), told])
    assert (rest.index.tolist(), told.epochs) == ([7, 8, 9, 10], [6, 7, 8, 9])
    pd.testing.assert_frame_equal(rest, history.loc[7:], rtol=1e-5)
    for ours, theirs in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    # It has ended: nothing is left to do, and nothing is made up.
    model, rest = trained(data, callbacks=[backup()])
    assert len(rest) == 0
    # And what that model is trained on next is trained from its beginning.
    for engine in ("auto", "keras"):
        assert len(training.fit(model, *data, epochs=2, engine=engine)) == 2


def test_two_that_say_where_to_go_on_and_nothing_to_do_are_refused(data, tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    for arguments, words in (
        (
            {"callbacks": [backup], "resume": tmp_path},
            "callbacks holds BackupAndRestore, and resume= says too",
        ),
        ({"initial_epoch": 4, "resume": tmp_path}, "initial_epoch=4, and resume= says too where to go on"),
        ({"initial_epoch": 10}, "initial_epoch=10: give a whole number from 0 to 9; .* resume= finds it"),
        ({"initial_epoch": -1}, "initial_epoch=-1: give"),
        ({"initial_epoch": 2.0}, r"initial_epoch=2\.0: give"),
        (
            {"initial_epoch": 3, "report_every": 2},
            "initial_epoch=3: give .* from 0 to 9 that report_every=2 divides",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{words}"):
            trained(data, **arguments)
    assert not list(tmp_path.iterdir())

"""Callbacks are the user's own, fresh for each training; stopping looks where it is told to."""

import keras
import numpy as np
import pytest

from kerasdl import models
from kerasdl.estimators import KerasRegressor

X = np.random.default_rng(0).normal(size=(40, 2))
Y = X[:, 0]


class Counting(keras.callbacks.Callback):
    """Counts the epochs that it has seen in its life."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1


def regressor(**changes):
    settings = {"epochs": 6, "learning_rate": 0.05, "optimizer": "sgd", "random_state": 0}
    return KerasRegressor(models.linear, **(settings | changes))


@pytest.mark.parametrize(
    "callbacks",
    [[Counting()], Counting(), [Counting], (Counting(),)],
    ids=["list", "one", "class", "tuple"],
)
def test_callbacks_are_fresh_copies(callbacks):
    model = regressor(callbacks=callbacks)
    assert [model.fit(X, Y).callbacks_[0].epochs for _ in range(2)] == [6, 6]
    given = callbacks if isinstance(callbacks, keras.callbacks.Callback) else callbacks[0]
    assert getattr(given, "epochs", 0) == 0


def test_kerass_own_callbacks_do_their_work(tmp_path):
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=1e9)
    best = keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), "val_loss", save_best_only=True)
    model = regressor(callbacks=[plateau, best], validation_split=0.2).fit(X, Y)
    assert float(model.model_.optimizer.learning_rate) < 0.05
    assert (tmp_path / "best.keras").exists()
    with pytest.raises(TypeError, match="callbacks='plateau'"):
        regressor(callbacks="plateau").fit(X, Y)


def test_stopping_monitors_what_it_is_told():
    model = regressor(epochs=40, early_stopping=2, monitor="loss", min_delta=1e9, validation_split=0.2)
    assert model.fit(X, Y).n_iter_ == 3  # the first is progress, the next two are not
    model.set_params(monitor="val_mae", metrics=["mae"], min_delta=0.0, epochs=4)
    assert "val_mae" in model.fit(X, Y).history_


def test_without_going_back_the_last_weights_stay():
    opposite = {"X_val": X, "y_val": -Y}
    back, stay = (
        regressor(early_stopping=2, restore_best=restore, epochs=6).fit(X, Y, **opposite)
        for restore in (True, False)
    )
    losses = stay.history_.val_loss
    np.testing.assert_array_equal(losses, back.history_.val_loss)
    assert losses.iloc[-1] > losses.min()
    for model, expected in ((back, losses.min()), (stay, losses.iloc[-1])):
        assert np.mean((model.predict(X) + Y) ** 2) == pytest.approx(expected, rel=1e-4)

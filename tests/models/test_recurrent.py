"""The recurrent builders beside stock Keras, the layers by hand, and themselves saved and loaded."""

import keras
import numpy as np
import pytest
from oracles import BY_HAND, by_hand, shaken, to_numpy

import kerasdl
from kerasdl import initializers, layers, models, random, scratch, text, training
from kerasdl.text import Vocabulary

LETTERS = Vocabulary("abc", reserved=["padding", "begin", "end"])


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


BUILT = {
    "recurrent_stack": (lambda: models.recurrent_stack(3, "rnn", 4, dropout=0.5), [(5, 6, 3)], (5, 6, 4)),
    "one_to_many": (lambda: models.one_to_many(3, 6, 2, units=4, every_step=False), [(5, 3)], (5, 6, 2)),
    "many_to_one": (
        lambda: models.many_to_one(3, 2, "gru", units=4, bidirectional=True, mask_value=0.0),
        [(5, 6, 3)],
        (5, 2),
    ),
    "many_to_many": (lambda: models.many_to_many(3, 2, "peephole", units=4), [(5, 6, 3)], (5, 6, 2)),
    "output_recurrent": (lambda: models.output_recurrent(3, 2, units=4), [(5, 6, 3), (5, 6, 2)], (5, 6, 2)),
    "language_model": (lambda: models.language_model(LETTERS, "rnn", units=4), [(5, 6)], (5, 6, 6)),
    "language_model, carried": (
        lambda: models.language_model(6, "lstm", units=4, layers=1, batch_size=5),
        [(5, 6)],
        (5, 6, 6),
    ),
    "encoder_decoder": (
        lambda: models.encoder_decoder(LETTERS, LETTERS, units=4, attention=True, embedding=3),
        [(5, 6), (5, 4)],
        (5, 4, 6),
    ),
}


@pytest.mark.parametrize("name", BUILT)
def test_each_builder_trains_and_comes_back_from_a_file(name, tmp_path):
    build, shapes, expected = BUILT[name]
    kerasdl.set_seed(0)
    model = build()
    x = [numbers(*s) if len(s) == 3 or name == "one_to_many" else np.full(s, 1, "int32") for s in shapes]
    if "int32" in str(x[0].dtype):
        x = [np.random.default_rng(n).integers(1, 6, part.shape) for n, part in enumerate(x)]
    x = x if len(x) > 1 else x[0]
    model.compile(keras.optimizers.Adam(0.05), "mse")
    y = 0.3 * numbers(*expected, seed=3)
    fed = {"batch_size": 5, "shuffle": False, "verbose": 0}
    losses = model.fit(x, y, epochs=4, **fed).history["loss"]
    assert losses[-1] < losses[0]
    assert np.isfinite(model.evaluate(x, y, batch_size=5, verbose=0))
    for layer in model.layers:
        if isinstance(layer, layers.Carried):
            layer.reset_state()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    answers = model.predict(x, batch_size=5, verbose=0)
    assert answers.shape == expected
    np.testing.assert_array_equal(again.predict(x, batch_size=5, verbose=0), answers)


@pytest.mark.parametrize(
    "build", [models.recurrent_stack, models.language_model, models.encoder_decoder], ids=lambda b: b.__name__
)
def test_every_cell_is_named_where_a_builder_takes_one(build):
    for cell in models.recurrent.CELLS:
        assert f'``"{cell}"``' in build.__doc__


@pytest.mark.parametrize("cell", BY_HAND)
def test_a_stack_is_its_layers_by_hand(cell):
    kerasdl.set_seed(0)
    model = shaken(models.recurrent_stack(3, cell, units=4, layers=2))
    x, weights = numbers(5, 7, 3), model.get_weights()
    first, weights = by_hand(cell, weights)
    second, weights = by_hand(cell, weights)
    assert not weights
    np.testing.assert_allclose(to_numpy(model(x)), second.forward(first.forward(x)), atol=1e-5)


def test_both_ways_equals_stock_layers_with_equal_weights():
    ours = shaken(models.recurrent_stack(3, "gru", 4, 2, bidirectional=True, return_sequences=False))
    stock = keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.GRU(4)),
        ]
    )
    stock.set_weights(ours.get_weights())
    x = numbers(5, 7, 3)
    np.testing.assert_allclose(to_numpy(ours(x)), to_numpy(stock(x)), atol=1e-6)


def test_the_start_is_drawn_in_numpy():
    kerasdl.set_seed(3)
    weights = models.many_to_one(5, 2, "gru", units=4).get_weights()
    kerasdl.set_seed(3)
    for place, start in ((0, "glorot_uniform"), (1, "orthogonal"), (3, "glorot_uniform")):
        drawn = initializers.get(start).draw(random.generator("weights"), weights[place].shape)
        np.testing.assert_array_equal(weights[place], drawn.astype("float32"))
    assert not weights[2].any()
    assert not weights[4].any()


def test_dropout_lies_between_the_layers_alone():
    model = models.recurrent_stack(3, units=4, layers=3, dropout=0.5)
    names = [layer.name for layer in model.layers[2:]]
    assert names == ["lstm_1", "dropout_1", "lstm_2", "dropout_2", "lstm_3"]
    assert all(type(model.get_layer(name)) is layers.Dropout for name in names[1::2])


@pytest.mark.parametrize("every_step", [True, False])
def test_one_to_many_shows_its_input_always_or_once(every_step):
    model = shaken(models.one_to_many(3, 6, 2, units=4, every_step=every_step))
    x, weights = numbers(5, 3), model.get_weights()
    shown = np.repeat(x[:, None], 6, axis=1)
    if not every_step:
        shown[:, 1:] = 0
    h = scratch.LSTM(*weights[:3]).forward(shown)
    np.testing.assert_allclose(to_numpy(model(x)), h @ weights[3] + weights[4], atol=1e-5)


@pytest.mark.parametrize(("cell", "bidirectional"), [*((cell, False) for cell in BY_HAND), ("gru", True)])
def test_padding_changes_no_answer_and_a_row_of_padding_gets_the_zero_state(cell, bidirectional):
    model = shaken(models.many_to_one(3, 2, cell, 4, bidirectional=bidirectional, mask_value=-1.0))
    forwards, weights = by_hand(cell, model.get_weights())
    backwards, weights = by_hand(cell, weights) if bidirectional else (None, weights)
    kernel, bias = weights
    x, expected = numbers(3, 6, 3), []
    for row, length in zip(x, (6, 4, 0), strict=True):
        row[length:] = -1
        ways = [(forwards, 1), (backwards, -1)] if bidirectional else [(forwards, 1)]
        last = [
            hand.forward(row[None, :length][:, ::way])[0, -1] if length else np.zeros(4) for hand, way in ways
        ]
        expected.append(np.concatenate(last) @ kernel + bias)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_the_loss_leaves_padding_out():
    model = shaken(models.many_to_many(3, 2, units=4, mask_value=0.0))
    x, y = numbers(4, 6, 3), numbers(4, 6, 2, seed=1)
    counts = np.arange(6) < np.array([6, 3, 1, 0])[:, None]
    x[~counts] = 0
    model.compile("sgd", "mse")
    errors = ((model.predict(x, verbose=0) - y) ** 2).mean(axis=-1)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(errors[counts].mean(), rel=1e-5)


def test_output_recurrence_equals_the_layer_by_hand_forced_and_free():
    model = shaken(models.output_recurrent(3, 2, units=4))
    x, teacher = numbers(5, 7, 3), numbers(5, 7, 2, seed=1)
    hand = scratch.OutputRNN(*model.get_weights())
    np.testing.assert_allclose(to_numpy(model([x, teacher])), hand.forward(x, teacher=teacher), atol=1e-5)
    free = models.free_running(model)
    np.testing.assert_allclose(to_numpy(free(x)), hand.forward(x), atol=1e-5)


def test_taught_its_own_outputs_a_model_does_what_it_does_freely():
    model = shaken(models.output_recurrent(3, 2, units=4))
    x = numbers(5, 7, 3)
    own = to_numpy(models.free_running(model)(x))
    np.testing.assert_allclose(to_numpy(model([x, own])), own, atol=1e-5)


def test_a_free_running_model_shares_its_weights():
    model = models.output_recurrent(3, 2, units=4)
    free = models.free_running(model)
    free.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    free.fit(numbers(5, 7, 3), numbers(5, 7, 2), verbose=0)
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True))


def test_a_language_model_is_its_parts_by_hand():
    model = shaken(models.language_model(LETTERS, "gru", units=4))
    tokens = np.random.default_rng(0).integers(1, 6, (5, 7))
    first, weights = by_hand("gru", model.get_weights())
    second, (kernel, bias) = by_hand("gru", weights)
    h = second.forward(first.forward(text.one_hot(tokens, 6)))
    np.testing.assert_allclose(to_numpy(model(tokens)), h @ kernel + bias, atol=1e-5)


@pytest.fixture
def reader():
    """A model that carries its state, one that does not, with equal weights, and three batches to read."""
    kerasdl.set_seed(0)
    carried = shaken(models.language_model(5, "lstm", units=4, batch_size=2))
    fresh = models.language_model(5, "lstm", units=4)
    states = {id(state) for layer in carried.layers[2:4] for state in layer.states}
    fresh.set_weights([to_numpy(w) for w in carried.weights if id(w) not in states])
    for layer in carried.layers[2:4]:
        layer.reset_state()
    x, y = text.sequential_windows(np.random.default_rng(0).integers(0, 5, 25), steps=4, batch_size=2)
    return carried, fresh, x, y


def long_rows(windows):
    """Batch after batch of sequential windows as the two long rows that they are."""
    return windows.reshape(3, 2, 4).swapaxes(0, 1).reshape(2, 12)


def test_a_carried_state_reads_on_where_the_batch_before_ended(reader):
    carried, fresh, x, _ = reader
    answers = carried.predict(x, batch_size=2, verbose=0)
    rows = answers.reshape(3, 2, 4, 5).swapaxes(0, 1).reshape(2, 12, 5)
    np.testing.assert_allclose(rows, to_numpy(fresh(long_rows(x))), atol=1e-5)


def test_training_carries_the_state_and_starts_each_pass_from_zeros(reader):
    carried, fresh, x, y = reader
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    carried.compile(keras.optimizers.SGD(0.0), loss)
    fed = {"batch_size": 2, "shuffle": False, "verbose": 0}
    losses = carried.fit(x, y, epochs=3, callbacks=[training.ResetState()], **fed).history["loss"]
    expected = float(to_numpy(loss(long_rows(y), fresh.predict(long_rows(x), verbose=0))))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    tested = carried.evaluate(x, y, batch_size=2, callbacks=[training.ResetState()], verbose=0)
    assert tested == pytest.approx(expected, rel=1e-5)


def test_states_inside_nested_models_and_wrappers_start_a_pass_from_zeros():
    steps = keras.Input((None, 3), batch_size=2)
    hidden = keras.layers.Bidirectional(layers.GRU(2, return_sequences=True))(steps)  # has none to reset
    hidden = layers.Carried(layers.GRU(4, return_sequences=True, return_state=True))(hidden)
    model = keras.Sequential([keras.Model(steps, hidden), keras.layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    first, later = (model.predict(x, verbose=0) for _ in range(2))
    assert np.abs(later - first).max() > 1e-3
    again = model.predict(x, verbose=0, callbacks=[training.ResetState()])
    np.testing.assert_allclose(again, first, atol=1e-6)


def test_the_gradient_ends_where_the_batch_does(reader):
    carried, fresh, x, y = reader
    carried.predict(x[:2], batch_size=2, verbose=0)
    hands, weights = [], fresh.get_weights()
    for _ in range(2):
        layer, weights = by_hand("lstm", weights)
        hands.append(layer)
    signal = text.one_hot(long_rows(x)[:, :8], 5)
    for layer in hands:
        signal = layer.forward(signal)
    logits = signal @ weights[0] + weights[1]
    odds = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    flowing = (odds - text.one_hot(long_rows(y)[:, :8], 5)) / 8
    flowing[:, :4] = 0
    flowing = hands[1].backward(flowing @ weights[0].T, truncate=4)
    hands[0].backward(flowing, truncate=4)

    carried.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [to_numpy(w) for w in carried.trainable_weights]
    carried.train_on_batch(x[2:4], y[2:4])
    steps = [b - to_numpy(w) for b, w in zip(before, carried.trainable_weights, strict=True)]
    by_hand_steps = [hand.gradients[name] for hand in hands for name in hand.parameters]
    for step, expected in zip(steps, by_hand_steps, strict=False):
        np.testing.assert_allclose(step, expected, atol=1e-5)


ZEROS = {
    "stack": lambda: (models.recurrent_stack(3, units=4), np.zeros((2, 0, 3), "float32")),
    "masked": lambda: (models.many_to_one(3, mask_value=0.0, units=4), np.zeros((2, 0, 3), "float32")),
    "tokens": lambda: (models.language_model(5, units=4), np.zeros((2, 0), "int32")),
}


@pytest.mark.parametrize("name", ZEROS)
def test_sequences_of_length_0_are_refused(name):
    model, x = ZEROS[name]()
    with pytest.raises(ValueError, match="have length 0: give at least one step"):
        model(x)
    with pytest.raises(ValueError, match="have length 0: give at least one step"):
        model.predict(x, verbose=0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: models.recurrent_stack(0), "features=0"),
        (lambda: models.recurrent_stack(3, "ltsm"), "did you mean 'lstm'"),
        (lambda: models.recurrent_stack(3, units=0), "units=0"),
        (lambda: models.recurrent_stack(3, layers=0), "layers=0"),
        (lambda: models.recurrent_stack(3, dropout=1.5), "dropout=1.5"),
        (lambda: models.many_to_one(3, outputs=0, units=4), "outputs=0"),
        (lambda: models.one_to_many(3, steps=0), "steps=0"),
        (lambda: models.output_recurrent(3, outputs=0), "outputs=0"),
        (lambda: models.free_running(models.linear(3)), "models.output_recurrent made"),
        (lambda: models.language_model(0), "vocabulary=0"),
        (lambda: models.language_model(5, batch_size=0), "batch_size=0"),
        (lambda: models.encoder_decoder(Vocabulary("ab"), LETTERS), "source reserves no 'padding'"),
        (
            lambda: models.encoder_decoder(LETTERS, Vocabulary("ab", reserved=["padding", "begin"])),
            "target reserves no 'end'",
        ),
        (lambda: models.translate(models.linear(3), ["a"], 3), "models.encoder_decoder made"),
        (lambda: layers.Carried(layers.LSTM(3)), "return_sequences=True"),
    ],
)
def test_what_cannot_be_built_is_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_what_is_no_vocabulary_is_refused():
    with pytest.raises(TypeError, match="vocabulary='abc': give a"):
        models.language_model("abc")
    with pytest.raises(TypeError, match="source=5"):
        models.encoder_decoder(5, LETTERS)

"""The portable dropout: its masks against an oracle in NumPy's uint32, and what a mask must be to be one."""

import shutil

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import kerasdl
from kerasdl import layers, models, training
from kerasdl.layers.dropout import keep_mask


def oracle(shape, rate, key, step):
    """The same hash in wrapping uint32, with logical shifts and an unsigned comparison."""
    with np.errstate(over="ignore"):
        key, step = np.uint32(key), np.uint32(step)
        first = key + step * np.uint32(0x85EBCA6B)
        second = key * np.uint32(0xC2B2AE35) + step * np.uint32(0x27D4EB2F)
        x = np.arange(np.prod(shape), dtype=np.uint32) * np.uint32(0x9E3779B9) + first
        x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D) + second
        x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    # A signed comparison with t − 2³¹ is an unsigned one with t after the highest bit is flipped.
    threshold = min(round(rate * 2**32), 2**32 - 1)
    return ((x ^ np.uint32(2**31)) >= threshold).reshape(shape)


def dropped(layer, shape=(64, 32), calls=1):
    """Masks of the next training calls, ``(calls, *shape)``, True where a unit was kept."""
    ones = np.ones(shape, "float32")
    return np.stack([ops.convert_to_numpy(layer(ones, training=True)) != 0 for _ in range(calls)])


def key_of(layer):
    return int(ops.convert_to_numpy(layer.seed_generator.state)[0])


def z_scores(masks, rate):
    """Kept shares of units as standard normal scores; ``masks`` is ``(draws, units)``."""
    return (masks.mean(0) - (1 - rate)) / np.sqrt(rate * (1 - rate) / len(masks))


@given(
    shape=st.sampled_from([(1,), (7,), (5, 3), (64, 33), (4, 3, 2, 5)]),
    rate=st.floats(0, 1, exclude_max=True),
    key=st.integers(0, 2**31 - 1),
    step=st.integers(0, 2**31 - 1),
)
@settings(max_examples=20, deadline=None)
def test_a_mask_is_the_oracles_bit_for_bit(shape, rate, key, step):
    mask = ops.convert_to_numpy(keep_mask(shape, rate, *_int32(key, step)))
    np.testing.assert_array_equal(mask, oracle(shape, rate, key, step))


def _int32(*values):
    return [ops.convert_to_tensor(value, dtype="int32") for value in values]


def test_masks_of_many_keys_are_those_each_gives_alone():
    keys = ops.reshape(ops.arange(5, dtype="int32"), (5, 1, 1))
    together = ops.convert_to_numpy(keep_mask((6, 4), 0.3, keys, *_int32(2)))
    np.testing.assert_array_equal(together, [oracle((6, 4), 0.3, key, 2) for key in range(5)])


def test_each_training_call_takes_the_next_steps_mask():
    layer = layers.Dropout(0.4, seed=5)
    wanted = [oracle((64, 32), 0.4, key_of(layer), step) for step in range(4)]
    np.testing.assert_array_equal(dropped(layer, calls=4), wanted)


MODES = ["eager", "graph", "compiled"]
if keras.backend.backend() == "torch":
    # torch's compiler takes minutes here, needs g++, and sets off torch's own warnings.
    has_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="torch compiles with g++: install it")
    marks = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), has_compiler]
    MODES[2] = pytest.param("compiled", marks=marks)


@pytest.mark.parametrize("mode", MODES)
def test_fit_drops_what_numpy_says(mode):
    """Three epochs of gradient descent in float64, masks from the oracle, against Keras's own ``fit``."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(20, 6)), generator.normal(size=(20, 2))
    kerasdl.set_seed(3)
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(2, use_bias=False)(layers.Dropout(0.5)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.1), "mse", run_eagerly=mode == "eager", jit_compile=mode == "compiled"
    )
    w = model.get_weights()[0].astype(float)
    key, step = key_of(model.layers[1]), 0
    history = training.fit(model, x, y, epochs=3, batch_size=8, validation_data=(x, y))

    kerasdl.set_seed(3)
    batches = training.Batches(x, y, 8)
    for epoch in range(3):
        batches.epoch = epoch
        for x_batch, y_batch in batches:
            inputs = x_batch.astype(float) * oracle(x_batch.shape, 0.5, key, step) * 2
            w = w - 0.1 * inputs.T @ (inputs @ w - y_batch) * 2 / y_batch.size
            step += 1
    np.testing.assert_allclose(model.get_weights()[0], w, atol=1e-6)
    # Validation after each epoch dropped nothing and took no step.
    assert history.val_loss.iloc[-1] == pytest.approx(np.mean((x @ w - y) ** 2), rel=1e-5)
    assert int(ops.convert_to_numpy(model.layers[1].seed_generator.state)[1]) == step == 9


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_kept_share_is_one_minus_the_rate(rate):
    masks = dropped(layers.Dropout(rate, seed=1), (128, 128), calls=10)
    assert abs(masks.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / masks.size)


def test_units_rows_and_columns_are_all_dropped_alike():
    masks = dropped(layers.Dropout(0.5, seed=2), (64, 64), calls=100)
    for axes in [(0,), (0, 1), (0, 2)]:
        share = masks.mean(axes).ravel()
        draws = masks.size // share.size
        scores = (share - 0.5) * 2 * np.sqrt(draws)
        assert abs(scores).max() < 5
        assert abs(scores.std() - 1) < 5 / np.sqrt(2 * scores.size)


def _correlation(a, b):
    """Of two masks at rate ½, times √n: a standard normal where they are independent."""
    return np.mean((2.0 * a - 1) * (2.0 * b - 1)) * np.sqrt(a.size)


def test_neighbours_steps_layers_and_seeds_are_independent():
    first, second = layers.Dropout(0.5, seed=0), layers.Dropout(0.5, seed=1)
    kerasdl.set_seed(0)
    third, fourth = layers.Dropout(0.5), layers.Dropout(0.5)
    a, b, c, d = (dropped(layer, (256, 256), calls=3) for layer in (first, second, third, fourth))
    flat = a[0].ravel()
    scores = [_correlation(flat[lag:], flat[:-lag]) for lag in (1, 2, 3, 16, 255, 256, 257, 4096)]
    scores += [_correlation(x[i], x[j]) for x in (a, b, c, d) for i, j in [(0, 1), (0, 2), (1, 2)]]
    scores += [_correlation(x[0], y[0]) for x, y in [(a, b), (a, c), (b, d), (c, d)]]
    # Key + 1 and step + 1 must not meet either: keys are sums of products with the step.
    scores += [_correlation(oracle((256, 256), 0.5, 7, 1), oracle((256, 256), 0.5, 8, 0))]
    assert np.abs(scores).max() < 4


def test_one_unit_through_the_steps_is_a_fair_coin():
    key = key_of(layers.Dropout(0.5, seed=3))
    series = np.stack([oracle((32,), 0.5, key, step) for step in range(4000)])
    assert np.abs(z_scores(series, 0.5)).max() < 4
    together = np.corrcoef(series.T)[np.triu_indices(32, 1)] * np.sqrt(4000)
    assert np.abs(together).max() < 4.5
    assert abs(together.std() - 1) < 0.2
    following = np.mean((2.0 * series[1:] - 1) * (2.0 * series[:-1] - 1), axis=0) * np.sqrt(3999)
    assert np.abs(following).max() < 4


def test_the_expectation_is_the_input():
    x = np.random.default_rng(0).normal(size=(8, 50)).astype("float32")
    layer = layers.Dropout(0.3, seed=4)
    mean = np.mean([ops.convert_to_numpy(layer(x, training=True)) for _ in range(400)], axis=0)
    deviation = np.abs(x) * np.sqrt(0.3 / 0.7 / 400)
    assert (np.abs(mean - x) < 5 * deviation).all()


def test_what_is_kept_is_scaled_and_what_is_dropped_is_zero():
    x = np.linspace(1, 2, 60, dtype="float32").reshape(6, 10)
    layer = layers.Dropout(0.25, seed=6)
    kept = oracle(x.shape, 0.25, key_of(layer), 0)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x, training=True)), np.where(kept, x / 0.75, 0), rtol=1e-6
    )


def test_rate_zero_keeps_everything_and_rate_one_nothing():
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layers.Dropout(0)(x, training=True)), x)
    np.testing.assert_array_equal(ops.convert_to_numpy(layers.Dropout(1)(x, training=True)), np.zeros((4, 5)))
    # The rate nearest below 1 is still a rate.
    assert np.isfinite(ops.convert_to_numpy(layers.Dropout(1 - 2**-40)(x, training=True))).all()


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_nothing_is_dropped_at_inference(rate):
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    layer = layers.Dropout(rate, seed=0)
    for call in (layer(x), layer(x, training=False)):
        np.testing.assert_array_equal(ops.convert_to_numpy(call), x)
    if 0 < rate < 1:
        assert int(ops.convert_to_numpy(layer.seed_generator.state)[1]) == 0


@pytest.mark.parametrize("noise_shape", [(None, 1, None), (4, 1, 6), (1, None, 6), [None, 3, 1]])
def test_a_noise_shape_is_broadcast(noise_shape):
    x = np.ones((4, 3, 6), "float32")
    layer = layers.Dropout(0.5, noise_shape=noise_shape, seed=8)
    shape = [
        length if wanted is None else wanted for wanted, length in zip(noise_shape, x.shape, strict=True)
    ]
    wanted = np.broadcast_to(oracle(shape, 0.5, key_of(layer), 0), x.shape)
    np.testing.assert_array_equal(dropped(layer, x.shape)[0], wanted)


@pytest.mark.parametrize("noise_shape", [(2,), (4, 2, 6), (4, 3, 6, 1)])
def test_a_noise_shape_that_does_not_fit_is_refused(noise_shape):
    with pytest.raises(ValueError, match="does not fit inputs of shape"):
        layers.Dropout(0.5, noise_shape=noise_shape)(np.ones((4, 3, 6), "float32"), training=True)


def test_batches_of_any_length_pass_through_one_model():
    model = models.mlp(5, hidden=(8,), outputs=2, dropout=0.5)
    model.compile("sgd", "mse")
    for rows in (3, 4, 5):
        model.train_on_batch(np.ones((rows, 5), "float32"), np.ones((rows, 2), "float32"))
    assert int(ops.convert_to_numpy(model.get_layer("dropout_1").seed_generator.state)[1]) == 3


def test_set_seed_fixes_the_masks_and_gives_each_layer_its_own():
    def keys():
        kerasdl.set_seed(11)
        return [key_of(layers.Dropout(0.5)) for _ in range(3)]

    assert keys() == keys()
    assert len(set(keys())) == 3


def test_an_explicit_seed_fixes_the_mask_whatever_the_streams_say():
    kerasdl.set_seed(1)
    first = key_of(layers.Dropout(0.5, seed=7))
    kerasdl.set_seed(2)
    assert key_of(layers.Dropout(0.5, seed=np.int64(7))) == first
    assert len({key_of(layers.Dropout(0.5, seed=seed)) for seed in (7, -7, 2**40, 2**31, 0)}) == 5


def test_it_has_no_weights_and_its_state_is_restored():
    kerasdl.set_seed(0)
    model = models.mlp(4, hidden=(16,), outputs=1, dropout=0.5)
    assert [w.shape for w in model.get_weights()] == [(4, 16), (16,), (16, 1), (1,)]
    assert model.count_params() == 4 * 16 + 16 + 16 + 1
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.random.default_rng(0).normal(size=(32, 4))
    start = training.snapshot(model)

    def run():
        kerasdl.set_seed(1)  # the order of the batches
        training.restore(start)
        return training.fit(model, x, x[:, :1], epochs=2, batch_size=8).loss.tolist()

    assert run() == run()


def test_saved_weights_carry_the_step(tmp_path):
    kerasdl.set_seed(0)
    layer = layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((6,)), layer])
    dropped(layer, calls=3)
    model.save_weights(tmp_path / "at_3.weights.h5")
    after = dropped(layer, calls=2)
    other = layers.Dropout(0.5)
    resumed = keras.Sequential([keras.Input((6,)), other])
    assert not np.array_equal(dropped(other, calls=2), after)
    resumed.load_weights(tmp_path / "at_3.weights.h5")
    np.testing.assert_array_equal(dropped(other, calls=2), after)


def test_weights_saved_beside_a_stock_layer_can_be_loaded(tmp_path):
    stock = keras.Sequential([keras.Input((6,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    stock.save_weights(tmp_path / "stock.weights.h5")
    ours = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5), keras.layers.Dense(2)])
    ours.load_weights(tmp_path / "stock.weights.h5")
    np.testing.assert_array_equal(ours.get_weights()[0], stock.get_weights()[0])


def test_a_saved_model_comes_back_with_its_settings_and_masks(tmp_path):
    layer = layers.Dropout(0.3, noise_shape=(None, 1), seed=4, name="drop")
    model = keras.Sequential([keras.Input((6,)), layer])
    dropped(layer, (8, 6))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").get_layer("drop")
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(dropped(loaded, (8, 6)), dropped(layer, (8, 6)))


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_masks_do_not_depend_on_precision(precision):
    layer = layers.Dropout(0.25, seed=9, dtype=precision)
    outputs = layer(np.ones((16, 16), "float32"), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    outputs = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    np.testing.assert_array_equal(outputs != 0, oracle((16, 16), 0.25, key_of(layer), 0))
    np.testing.assert_allclose(outputs[outputs != 0], 1 / 0.75, rtol=0.01)


def test_a_mask_for_padded_steps_passes_through():
    model = keras.Sequential(
        [keras.layers.Embedding(5, 4, mask_zero=True), layers.Dropout(0.5, seed=0), keras.layers.LSTM(3)]
    )
    padded, short = np.array([[1, 2, 0, 0]]), np.array([[1, 2]])
    np.testing.assert_allclose(
        model.predict(padded, verbose=0), model.predict(short, verbose=0), rtol=1e-5, atol=1e-7
    )


def test_the_builder_uses_it():
    model = models.mlp(4, hidden=(8, 8), dropout=(0.2, 0.5))
    assert [type(layer) for layer in model.layers if "dropout" in layer.name] == [layers.Dropout] * 2
    assert [layer.rate for layer in model.layers if "dropout" in layer.name] == [0.2, 0.5]


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match=r"rate=.* lies outside \[0, 1\]"):
        layers.Dropout(rate)


@pytest.mark.parametrize("noise_shape", [(0,), (-1, 2), ("a",), (1.5,)])
def test_a_noise_shape_that_is_none_is_refused(noise_shape):
    with pytest.raises(ValueError, match="noise_shape="):
        layers.Dropout(0.5, noise_shape=noise_shape)


@pytest.mark.parametrize("seed", [1.5, "a", True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(TypeError, match="seed="):
        layers.Dropout(0.5, seed=seed)

"""PyTorch's fused cells, as our layers take them on a GPU: proved on the CPU, where they compute the same.

The CPU is taken for a GPU here, so that all cells go the fused way with their weights in one chunk; stock
Keras with equal weights is the oracle. What this leaves open is the speed.
"""

import keras
import numpy as np
import pytest
from oracles import close, drawn, recurrence, to_numpy

from kerasdl import layers

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="concerns torch")
ROWS, STEPS, FEATURES, UNITS = 4, 5, 3, 6
RIGHT = np.arange(STEPS) < np.array([5, 2, 0, 3])[:, None]
HOLES = RIGHT.copy()
HOLES[0, 2] = False
CELLS = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "rnn_tanh": ("SimpleRNN", {}),
    "rnn_relu": ("SimpleRNN", {"activation": "relu"}),
}


@pytest.fixture
def called(monkeypatch):
    """Take the CPU for a GPU, and list the calls of each fused cell."""
    import torch

    from kerasdl.layers.kernels import torch as kernel

    found = []

    def spied(kind):
        run = getattr(torch._VF, kind)
        return lambda *arguments: found.append((kind, arguments)) or run(*arguments)

    for kind in CELLS:
        monkeypatch.setattr(torch._VF, kind, spied(kind))
    monkeypatch.setattr(kernel, "_is_gpu", lambda x: True)
    return found


def pair(kind, **more):
    name, settings = CELLS[kind]
    settings = {"return_sequences": True, "return_state": True, **settings, **more}
    both = [getattr(home, name)(UNITS, **settings) for home in (layers, keras.layers)]
    for layer in both:
        layer.build((ROWS, STEPS, FEATURES))
    return both


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(
    ("mask", "fused"),
    [(None, True), (RIGHT, True), (np.ones_like(RIGHT), True), (RIGHT[:, ::-1], False), (HOLES, False)],
    ids=["none", "right", "full", "left", "holes"],
)
def test_outputs_states_and_gradients_are_stock_s(kind, mask, fused, called):
    ours, stock = pair(kind)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
    states = [rng.normal(size=(ROWS, UNITS)).astype("float32") for _ in range(1 + (kind == "lstm"))]
    found = recurrence(ours, x, states, mask, drawn(ours))
    assert [name for name, _ in called] == ([kind] if fused else [])
    expected = recurrence(stock, x, states, mask, drawn(stock))
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        assert close(one, other, 1e-5)


@pytest.mark.parametrize("more", [{"go_backwards": True}, {"return_sequences": False}])
def test_in_reverse_and_for_the_last_output_alone(more, called):
    ours, stock = pair("gru", **more)
    for layer in (ours, stock):
        layer.set_weights(drawn(layer))
    x = np.random.default_rng(0).normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
    for mask in (None, RIGHT):
        given = {} if mask is None else {"mask": keras.ops.convert_to_tensor(mask)}
        for one, other in zip(ours(x, **given), stock(x, **given), strict=True):
            assert close(to_numpy(one), to_numpy(other), 1e-5)
    assert called


@pytest.mark.parametrize("kind", CELLS)
def test_weights_are_one_chunk(kind, called):
    ours, _ = pair(kind)
    ours(np.zeros((ROWS, STEPS, FEATURES), "float32"))
    flat = next(argument for argument in called[0][1] if isinstance(argument, list))
    place = flat[0].data_ptr()
    for part in flat:
        assert part.is_contiguous()
        assert part.data_ptr() == place
        place += part.numel() * part.element_size()
    assert place - flat[0].data_ptr() == flat[0].untyped_storage().nbytes()


def test_a_layer_that_asks_for_no_cudnn_gets_none(called):
    x = np.zeros((ROWS, STEPS, FEATURES), "float32")
    layers.LSTM(UNITS, use_cudnn=False)(x)
    assert called == []
    layers.LSTM(UNITS)(x)
    assert len(called) == 1

"""The encoder-decoder beside the layers by hand, and its decoding beside the slow way."""

import keras
import numpy as np
import pytest
from oracles import by_hand, shaken, to_numpy

import kerasdl
from kerasdl import models, text
from kerasdl.text import Vocabulary

LETTERS = Vocabulary("abc", reserved=["padding", "begin", "end"])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_decoder_starts_where_the_encoder_ended(cell):
    kerasdl.set_seed(0)
    model = shaken(models.encoder_decoder(LETTERS, LETTERS, cell, units=4, layers=2))
    read = LETTERS.encode_all(["abca", "b", ""])
    told = LETTERS.encode_all(["ab", "bcacb", "c"], begin=True)
    weights = {}
    for layer in model.layers:
        weights[layer.name] = layer.get_weights()
    signal, mask = text.one_hot(read, 6), read != 0
    states = []
    for number in (1, 2):
        hand, _ = by_hand(cell, weights[f"encoder_{number}"])
        signal = hand.forward(signal, mask=mask)
        states.append(hand.final_state)
    signal = text.one_hot(told, 6)
    for number in (1, 2):
        hand, _ = by_hand(cell, weights[f"decoder_{number}"])
        signal = hand.forward(signal, mask=told != 0, initial_state=states[number - 1])
    kernel, bias = weights["output"]
    answers = to_numpy(model([read, told]))
    np.testing.assert_allclose(answers[told != 0], (signal @ kernel + bias)[told != 0], atol=1e-5)


def test_attention_is_the_softmax_of_dot_products_over_what_was_read():
    model = shaken(models.encoder_decoder(LETTERS, LETTERS, "gru", units=4, attention=True))
    read, told = LETTERS.encode_all(["abca", "b"]), LETTERS.encode_all(["ab", "b"], begin=True)
    by_name = {layer.name: layer.get_weights() for layer in model.layers}
    encoder, _ = by_hand("gru", by_name["encoder_1"])
    decoder, _ = by_hand("gru", by_name["decoder_1"])
    memory = encoder.forward(text.one_hot(read, 6), mask=read != 0)
    h = decoder.forward(text.one_hot(told, 6), mask=told != 0, initial_state=encoder.final_state)
    scores = np.where((read != 0)[:, None], np.exp(h @ memory.swapaxes(1, 2)), 0)
    seen = scores / scores.sum(axis=-1, keepdims=True) @ memory
    mixed = np.tanh(np.concatenate([h, seen], axis=-1) @ by_name["mix"][0] + by_name["mix"][1])
    expected = mixed @ by_name["output"][0] + by_name["output"][1]
    answers = to_numpy(model([read, told]))
    np.testing.assert_allclose(answers[told != 0], expected[told != 0], atol=1e-5)


def rerun(model, questions, length):
    """Greedy decoding the slow way: the whole prefix again for each token, here as long rows of padding."""
    read = LETTERS.encode_all(questions)
    told = np.zeros((len(questions), length + 1), "int32")
    told[:, 0] = LETTERS.begin
    for t in range(length):
        logits = model.predict([read, told], verbose=0)[:, t]
        logits[:, [LETTERS.padding, LETTERS.begin]] = -np.inf
        ended = np.isin(told[:, t], [LETTERS.end, LETTERS.padding])
        told[:, t + 1] = np.where(ended, LETTERS.padding, logits.argmax(axis=-1))
    return LETTERS.decode_all(told)


@pytest.mark.parametrize(("cell", "attention"), [("lstm", False), ("gru", True)])
def test_translating_equals_running_the_prefix_again(cell, attention):
    kerasdl.set_seed(0)
    model = shaken(
        models.encoder_decoder(LETTERS, LETTERS, cell, 8, 1 + (not attention), attention, embedding=5), seed=4
    )
    questions = ["abca", "b", "ccab", "aa", "cb"]
    for weights in (3, 4):  # with other weights the same program must answer otherwise
        shaken(model, seed=weights)
        answers = models.translate(model, questions, length=7)
        assert answers == rerun(model, questions, 7)
    assert models.translate(model, [], length=2) == []


def test_an_answer_that_does_not_end_is_cut_off():
    model = models.encoder_decoder(LETTERS, LETTERS, "rnn", units=4)
    *weights, _ = model.get_weights()
    model.set_weights([*weights, np.array([0, 0, 0, 50, 0, 0])])
    assert models.translate(model, ["ab", "c", "bb"], length=3, batch_size=2) == ["aaa"] * 3


def test_a_short_lesson_is_learned_whole():
    kerasdl.set_seed(0)
    questions = ["abc"[i] * n for i in range(3) for n in (1, 2, 3)]
    answers = [question[0] * (4 - len(question)) for question in questions]
    model = models.encoder_decoder(LETTERS, LETTERS, "rnn", units=24)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, weighted_metrics=["accuracy"])
    x = LETTERS.encode_all(questions), LETTERS.encode_all(answers, begin=True)
    y = LETTERS.encode_all(answers, end=True)
    fed = {"sample_weight": (y != LETTERS.padding).astype("float32"), "batch_size": 9}
    history = model.fit(x, y, epochs=60, verbose=0, **fed).history
    assert history["accuracy"][-1] == 1
    assert models.translate(model, questions, length=5) == answers


@pytest.mark.parametrize(
    ("texts", "length", "words"),
    [(["az"], 3, "character 'z'"), (["a"], 0, "length=0"), (["", ""], 3, "are all empty")],
)
def test_what_cannot_be_translated_is_refused(texts, length, words):
    model = models.encoder_decoder(LETTERS, LETTERS, "rnn", units=4)
    with pytest.raises(ValueError, match=words):
        models.translate(model, texts, length)


def test_one_text_is_answered_as_among_others(tmp_path):
    model = shaken(models.encoder_decoder(LETTERS, LETTERS, "gru", units=4, attention=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for questions in (["ab", "c"], ["ab", "abc", "c"]):
        model([LETTERS.encode_all(questions), LETTERS.encode_all(questions, begin=True)])
    assert models.translate(loaded, ["ab"], 5) == models.translate(model, ["ab", "c"], 5)[:1]


def test_only_empty_texts_are_refused_and_the_model_lives_on():
    model = models.encoder_decoder(LETTERS, LETTERS, "gru", units=4)
    before = models.translate(model, ["ab", ""], 4)
    with pytest.raises(ValueError, match=r"texts=\['', ''\] are all empty: give one"):
        models.translate(model, ["", ""], 4)
    assert models.translate(model, ["ab", ""], 4) == before


def test_scores_that_are_no_numbers_are_refused():
    model = models.encoder_decoder(LETTERS, LETTERS, "gru", units=4)
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    with pytest.raises(ValueError, match="gives scores that are not numbers"):
        models.translate(model, ["ab", "c"], 4)

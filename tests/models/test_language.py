"""A language model that writes: the same text as by running the prefix again, on every backend."""

import gc
import weakref

import keras
import numpy as np
import pytest
from oracles import shaken, to_numpy

import kerasdl
from kerasdl import layers, models, scratch, text
from kerasdl.models import language
from kerasdl.text import Vocabulary

LETTERS = Vocabulary("abcde ")


def writer(cell="gru", vocabulary=LETTERS, seed=0, **settings):
    """A model of large random weights, so that it has something to say."""
    kerasdl.set_seed(seed)
    model = models.language_model(vocabulary, cell, **{"units": 8, "layers": 2, **settings})
    model.set_weights([3 * w for w in model.get_weights()])
    return model


def rerun(model, prompt, length, noise):
    """Write the slow way: the whole text again for each token; what stands behind it is not yet written."""
    known = len(prompt)
    tokens = np.zeros((1, known + length), "int32")
    tokens[0, :known] = LETTERS.encode(prompt)
    for step, place in enumerate(range(known, known + length)):
        logits = model.predict(tokens, verbose=0)[0, place - 1]
        tokens[0, place] = (logits + noise[step]).argmax()
    return LETTERS.decode(tokens[0])


@pytest.mark.parametrize("cell", ["rnn", "gru", "peephole"])
def test_it_writes_what_running_the_prefix_again_would_write(cell):
    model = writer(cell)
    written = models.generate(model, "bad cab", 24)
    # Taught its own text, the model's likeliest next tokens are that text: one pass checks all of it.
    taught = model.predict(LETTERS.encode(written)[None, :-1], verbose=0)[0].argmax(axis=-1)
    assert LETTERS.decode(taught[6:]) == written[7:]
    assert len(set(written[7:])) > 1


def test_the_cells_by_hand_write_the_same_text():
    # In float64, NumPy alone: what each backend must write, whatever it computes with.
    model = writer("lstm", layers=1)
    kernel, recurrent, bias, output, output_bias = model.get_weights()
    hand = scratch.LSTM(kernel, recurrent, bias)
    tokens = LETTERS.encode("bead").tolist()
    for _ in range(40):
        h = hand.forward(text.one_hot(np.array([tokens]), 6))[0, -1]
        tokens.append(int((h @ output + output_bias).argmax()))
    assert models.generate(model, "bead", 40) == LETTERS.decode(tokens)


def test_a_drawn_text_is_the_gumbel_draw_of_numpy():
    model, length, temperature = writer(), 12, 0.7
    noise = temperature * np.random.default_rng(5).gumbel(size=(length, 6)).astype("float32")
    assert models.generate(model, "bad", length, temperature, seed=5) == rerun(model, "bad", length, noise)


def test_draws_follow_the_softmax():
    model, temperature = writer(layers=1), 2.0
    length = 3 * language.CHUNK + 17
    drawn = LETTERS.encode(models.generate(model, "a", length, temperature, seed=0))
    odds = np.exp(model.predict(drawn[None, :-1], verbose=0)[0] / temperature)
    share = odds / odds.sum(axis=-1, keepdims=True)
    counts, expected = np.bincount(drawn[1:], minlength=6), share.sum(axis=0)
    deviation = np.sqrt((share * (1 - share)).sum(axis=0))
    assert np.all(np.abs(counts - expected) < 4 * deviation)


def test_a_seed_fixes_the_text_and_so_does_the_global_one():
    model = writer()
    one = models.generate(model, "a", 30, 1.0, seed=1)
    assert one == models.generate(model, "a", 30, 1.0, seed=1)
    assert one != models.generate(model, "a", 30, 1.0, seed=2)
    texts = []
    for _ in range(2):
        kerasdl.set_seed(7)
        texts += [models.generate(model, "a", 30, 1.0) for _ in range(2)]
    assert texts[:2] == texts[2:]
    assert texts[0] != texts[1]


def test_long_texts_pass_the_programs_edges(monkeypatch):
    model = writer()
    prompt = "abcde bad cab " * 3
    whole = models.generate(model, prompt, 40)
    monkeypatch.setattr(language, "CHUNK", 16)
    assert models.generate(writer(), prompt, 40) == whole


def test_one_program_serves_every_prompt_and_length():
    model = writer()
    models.generate(model, "a", 3)
    _, program = language._writer(model)
    traced, call = [], program.call
    program.call = lambda inputs: traced.append(1) or call(inputs)
    models.generate(model, "bad cab", 300, 1.0, seed=0)
    steps = 2 if keras.backend.backend() == "torch" else 0  # eager: each program's call is a call
    assert len(traced) == steps


def test_a_writer_dies_with_its_model():
    model = writer(layers=1)
    _, program = language._writer(model)
    alive = weakref.ref(program)
    del model, program
    gc.collect()  # the model, and with it the writer's entry
    gc.collect()  # the writer, a ring of layers
    assert alive() is None


def test_the_present_weights_write():
    model = writer()
    before = models.generate(model, "bad", 20)
    other = writer(seed=1)
    expected = models.generate(other, "bad", 20)
    assert before != expected
    model.set_weights(other.get_weights())
    assert models.generate(model, "bad", 20) == expected


def test_a_model_that_carries_its_state_writes_from_zeros_and_keeps_it():
    carried = writer(batch_size=2)
    fresh = writer()
    carried.predict(np.array([[1, 2], [3, 4]]), batch_size=2, verbose=0)
    states = [to_numpy(state) for state in carried.layers[2].states]
    assert models.generate(carried, "bad", 20) == models.generate(fresh, "bad", 20)
    for before, after in zip(states, carried.layers[2].states, strict=True):
        np.testing.assert_array_equal(before, to_numpy(after))


def test_a_loaded_model_writes_the_same_with_its_own_vocabulary(tmp_path):
    model = writer()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[1].vocabulary == LETTERS
    assert models.generate(again, "bad", 20) == models.generate(model, "bad", 20)


def test_reserved_tokens_are_read_past_and_never_written():
    vocabulary = Vocabulary(["to", "be", "or"], unit="word", reserved=["padding", "unknown"])
    model = writer(vocabulary=vocabulary)
    *rest, bias = model.get_weights()
    bias[:2] = 100
    model.set_weights([*rest, bias])
    words = models.generate(model, "to be whom", 30, 1.0, seed=0).split(" ")
    assert words[:3] == ["to", "be", "<unknown>"]
    assert len(words) == 33
    assert set(words[3:]) <= {"to", "be", "or"}


def test_however_hot_reserved_tokens_are_not_written():
    vocabulary = Vocabulary("ab", reserved=["padding"])
    model = writer(vocabulary=vocabulary, layers=1)
    for temperature in (1e12, 1e300):
        written = models.generate(model, "a", 40, temperature, seed=0)
        assert set(written) == {"a", "b"}


def test_a_layer_that_is_passed_twice_writes_twice():
    once = writer(layers=1, units=6)
    _, one_hot, layer, output = once.layers
    tokens = keras.Input((None,), dtype="int32")
    model = keras.Model(tokens, output(layer(layer(one_hot(tokens)))))
    written = models.generate(model, "bad cab", 12)
    taught = model.predict(LETTERS.encode(written)[None, :-1], verbose=0)[0].argmax(axis=-1)
    assert LETTERS.decode(taught[6:]) == written[7:]
    assert written != models.generate(once, "bad cab", 12)


def test_a_vocabulary_may_be_given():
    model = writer(vocabulary=6)
    with pytest.raises(ValueError, match="knows only its length"):
        models.generate(model, "a", 3)
    assert models.generate(model, "bad", 5, vocabulary=LETTERS) == models.generate(writer(), "bad", 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "bäd"}, r"the character 'ä' \(character 2\)"),
        ({"prompt": ""}, "is empty: give at least one token"),
        ({"length": 0}, "length=0"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"vocabulary": Vocabulary("abc")}, "has 3 tokens, the model 6"),
        ({"model": models.linear(3)}, "models.language_model made"),
        ({"model": models.many_to_many(3, units=4, bidirectional=True)}, "models.language_model made"),
    ],
)
def test_what_cannot_be_written_is_refused(arguments, words):
    given = {"model": writer(layers=1), "prompt": "bad", "length": 3, **arguments}
    with pytest.raises(ValueError, match=words):
        models.generate(**given)


def chain(recurrent, output=None, width=None, vocabulary=LETTERS):
    tokens = keras.Input((None,), dtype="int32")
    outputs = recurrent(layers.Tokens(vocabulary, width)(tokens))
    output = keras.layers.Dense(len(vocabulary)) if output is None else output
    return shaken(keras.Model(tokens, output(outputs)))


def test_a_model_with_padding_writes_the_same_from_a_file(tmp_path):
    padded = text.Vocabulary("abc", reserved=["padding"])
    model = chain(layers.GRU(4, return_sequences=True), vocabulary=padded)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert models.generate(loaded, "ab", 9) == models.generate(model, "ab", 9)


def test_learned_vectors_are_read_as_the_model_reads_them():
    model = chain(layers.GRU(6, return_sequences=True), width=3)
    written = models.generate(model, "bad cab", 24)
    taught = model.predict(LETTERS.encode(written)[None, :-1], verbose=0)[0].argmax(axis=-1)
    assert LETTERS.decode(taught[6:]) == written[7:]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value, temperature):
    model = models.language_model(text.Vocabulary("ab", reserved=["padding"]), "gru", units=3)
    model.set_weights([np.full_like(w, value) for w in model.get_weights()])
    with pytest.raises(ValueError, match="gives scores that are not numbers: its training diverged"):
        models.generate(model, "ab", 3, temperature)


def test_what_would_not_write_as_the_model_reads_is_refused():
    backwards = chain(layers.GRU(4, return_sequences=True, go_backwards=True))
    narrow = chain(layers.GRU(4, return_sequences=True), keras.layers.Dense(4))
    for model in (backwards, narrow):
        with pytest.raises(ValueError, match=r"give one that models\.language_model made"):
            models.generate(model, "ab", 3)
    odds = chain(layers.GRU(4, return_sequences=True), keras.layers.Dense(6, "softmax"))
    assert len(models.generate(odds, "ab", 3)) == 5
    with pytest.raises(ValueError, match=r"temperature=1\.0 divides logits, and 'dense.*' has an activation"):
        models.generate(odds, "ab", 3, 1.0)

"""Text and numbers: exact inverses, windows that read on, perplexity and BLEU by hand."""

import json
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdl import text
from kerasdl.text import Vocabulary

RESERVED = st.lists(st.sampled_from(text.RESERVED), unique=True)


@given(st.text(min_size=1), RESERVED)
def test_characters_come_back_as_they_were(original, reserved):
    vocabulary = Vocabulary.of(original, reserved=reserved)
    numbers = vocabulary.encode(original)
    assert len(numbers) == len(original)
    assert vocabulary.decode(numbers) == original
    np.testing.assert_array_equal(vocabulary.encode(vocabulary.decode(numbers)), numbers)
    assert len(vocabulary) == len(set(original)) + len(reserved)
    assert numbers.min() >= len(reserved)


@given(st.text(alphabet="ab \n.", min_size=1), RESERVED)
def test_words_come_back_with_every_space_between_them(original, reserved):
    vocabulary = Vocabulary.of(original, unit="word", reserved=reserved)
    assert vocabulary.decode(vocabulary.encode(original)) == original


@given(st.text(min_size=1), RESERVED, st.sampled_from(["character", "word"]))
def test_a_vocabulary_survives_json(original, reserved, unit):
    vocabulary = Vocabulary.of(original, unit, reserved)
    again = Vocabulary(**json.loads(json.dumps(vocabulary.get_config())))
    assert again == vocabulary
    assert hash(again) == hash(vocabulary)
    np.testing.assert_array_equal(again.encode(original), vocabulary.encode(original))


def test_the_most_frequent_comes_first_and_equals_are_sorted():
    assert Vocabulary.of("banana b").tokens == ("a", "b", "n", " ")
    assert Vocabulary.of(["to be", "or not to be"], unit="word").tokens == ("be", "to", "not", "or")
    assert Vocabulary.of("banana", minimum_count=2).tokens == ("a", "n")


def test_reserved_tokens_stand_first_in_one_order():
    vocabulary = Vocabulary("ab", reserved=["unknown", "end", "padding"])
    assert (vocabulary.padding, vocabulary.begin, vocabulary.end, vocabulary.unknown) == (0, None, 1, 2)
    assert vocabulary.encode("azb").tolist() == [3, 2, 4]
    assert vocabulary.decode([3, 2, 4, 1]) == "a<unknown>b<end>"


def test_a_text_cannot_speak_a_reserved_token():
    vocabulary = Vocabulary.of("<end> of it", unit="word", reserved=["end"])
    assert vocabulary.end not in vocabulary.encode("<end> of it")


def test_rows_are_padded_behind_and_decoded_up_to_the_end():
    vocabulary = Vocabulary("ab", reserved=text.RESERVED)
    rows = vocabulary.encode_all(["ab", "", "baa"], begin=True, end=True)
    assert rows.tolist() == [[1, 4, 5, 2, 0], [1, 2, 0, 0, 0], [1, 5, 4, 4, 2]]
    assert vocabulary.decode_all(rows) == ["ab", "", "baa"]
    assert vocabulary.encode_all([]).shape == (0, 0)


def test_an_unknown_character_is_named():
    with pytest.raises(ValueError, match=r"the character 'é' \(character 4\)"):
        Vocabulary("acf").encode("cafés")
    with pytest.raises(ValueError, match=r"the word 'dog' \(word 2\)"):
        Vocabulary(["the", "cat"], unit="word").encode("the dog")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Vocabulary(""), "tokens is empty"),
        (lambda: Vocabulary.of(""), "tokens is empty"),
        (lambda: Vocabulary("aba"), "'a' twice"),
        (lambda: Vocabulary(["ab"]), "'ab', which is not one character"),
        (lambda: Vocabulary(["a b"], unit="word"), "'a b', which is not one word"),
        (lambda: Vocabulary("ab", unit="words"), "did you mean 'word'"),
        (lambda: Vocabulary("ab", reserved=["pad"]), "did you mean 'padding'"),
        (lambda: Vocabulary("ab").encode("a", end=True), "reserves no 'end'"),
        (lambda: Vocabulary("ab").encode_all(["a", "ab"]), "reserve 'padding'"),
        (lambda: Vocabulary("ab").decode([2]), "holds 2: the vocabulary ends at 1"),
        (lambda: Vocabulary("ab").decode([-1]), "holds -1"),
        (lambda: Vocabulary("ab").decode([0.5]), "float64: give whole numbers"),
        (lambda: text.windows(np.arange(3), 3), "need 4"),
        (lambda: text.windows(np.arange(9), 0), "steps=0"),
        (lambda: text.windows(np.arange(9), 2, offset=-1), "offset=-1"),
        (lambda: text.windows(np.arange(9), 2, stride=0), "stride=0"),
        (lambda: text.windows(np.zeros((2, 3)), 2), r"give \(length,\)"),
        (lambda: text.random_windows(np.arange(3), 3), "need 4"),
        (lambda: text.sequential_windows(np.arange(5), 2, 3), "batch_size=3"),
        (lambda: text.one_hot([3], 3), "from 0 to 2"),
        (lambda: text.one_hot([-1], 3), "from 0 to 2"),
        (lambda: text.one_hot([0.0], 3), "from 0 to 2"),
        (lambda: text.perplexity(-0.1), "loss=-0.1"),
        (lambda: text.perplexity(float("nan")), "loss=nan"),
        (lambda: text.bleu("a", ""), "is empty"),
        (lambda: text.bleu("a", "a", k=0), "k=0"),
        (lambda: text.bleu("a", "a", weights="half"), "did you mean 'halving'"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_one_text_and_several_are_told_apart():
    with pytest.raises(TypeError, match="encode_all takes several"):
        Vocabulary("ab").encode(["a"])
    with pytest.raises(TypeError, match="encode takes one"):
        Vocabulary("ab").encode_all("ab")


LENGTHS = st.tuples(st.integers(2, 200), st.integers(1, 20)).filter(lambda pair: pair[0] > pair[1])


@given(LENGTHS, st.data())
def test_every_window_predicts_its_next_token(lengths, data):
    length, steps = lengths
    offset = data.draw(st.integers(0, length - steps - 1))
    stride = data.draw(st.integers(1, 20))
    x, y = text.windows(np.arange(length), steps, stride, offset)
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(x[:, 0], np.arange(offset, length - steps, stride))
    np.testing.assert_array_equal(np.diff(x, axis=1), 1)


@given(LENGTHS, st.integers(0, 2**32))
def test_random_windows_read_each_token_once_and_miss_only_the_edges(lengths, seed):
    length, steps = lengths
    x, y = text.random_windows(np.arange(length), steps, seed)
    np.testing.assert_array_equal(y, x + 1)
    read = np.sort(x.ravel())
    np.testing.assert_array_equal(np.diff(read), 1)
    assert read[0] < steps
    assert length - 1 - read[-1] <= steps
    np.testing.assert_array_equal(x, text.random_windows(np.arange(length), steps, seed)[0])


@given(LENGTHS, st.integers(1, 8))
def test_sequential_batches_continue_each_other_row_by_row(lengths, batch_size):
    length, steps = lengths
    if (length - 1) // steps < batch_size:
        return
    x, y = text.sequential_windows(np.arange(length), steps, batch_size)
    batches = (length - 1) // steps // batch_size
    assert x.shape == (batches * batch_size, steps)
    np.testing.assert_array_equal(y, x + 1)
    rows = x.reshape(batches, batch_size, steps)
    np.testing.assert_array_equal(rows[1:, :, 0], rows[:-1, :, -1] + 1)
    np.testing.assert_array_equal(np.sort(x.ravel()), np.arange(x.size))


@given(st.lists(st.integers(0, 6)))
def test_one_hot_has_its_one_in_its_place(tokens):
    vectors = text.one_hot(np.array(tokens, "int32"), 7)
    assert vectors.shape == (len(tokens), 7)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors.argmax(axis=-1), tokens)
    np.testing.assert_array_equal(vectors.sum(axis=-1), 1)


def test_one_hot_keeps_the_axes_before():
    assert text.one_hot(np.zeros((2, 3), int), 4).shape == (2, 3, 4)


def test_perplexity_of_certainty_and_of_guessing():
    assert text.perplexity(0) == 1
    assert text.perplexity(1e6) == math.inf
    assert text.perplexity(math.log(27)) == pytest.approx(27)


def test_bleu_of_the_same_sentence_is_one():
    for sentence in ("go", "he is calm .", "a b c d e f"):
        for weights in ("uniform", "halving"):
            assert text.bleu(sentence, sentence, weights=weights) == pytest.approx(1)


def test_bleu_by_hand():
    # A B B C D against A B C D E F: p1 = 4/5, p2 = 3/4, p3 = 1/3, p4 = 0, with 5 tokens said for 6.
    said, meant = list("ABBCD"), list("ABCDEF")
    brevity = math.exp(1 - 6 / 5)
    assert text.bleu(said, meant, k=1) == pytest.approx(brevity * 4 / 5)
    assert text.bleu(said, meant, k=2) == pytest.approx(brevity * math.sqrt(4 / 5 * 3 / 4))
    assert text.bleu(said, meant, k=3) == pytest.approx(brevity * (4 / 5 * 3 / 4 / 3) ** (1 / 3))
    assert text.bleu(said, meant) == 0
    halving = brevity * (4 / 5) ** (1 / 2) * (3 / 4) ** (1 / 4) * (1 / 3) ** (1 / 8)
    assert text.bleu(said, meant, k=3, weights="halving") == pytest.approx(halving)


def test_bleu_counts_a_repeated_word_as_often_as_it_was_meant():
    # Papineni et al. 2002, example 2: modified unigram precision 2/7.
    said, meant = "the the the the the the the", "the cat is on the mat"
    assert text.bleu(said, meant, k=1) == pytest.approx(2 / 7)


def test_bleu_reaches_the_published_figure_of_a_pair():
    # Zhang et al., d2l 0.17: "il est riche ." for "il est calme ." gives 0.658 with k = 2.
    assert text.bleu("il est riche .", "il est calme .", k=2, weights="halving") == pytest.approx(
        0.658, abs=5e-4
    )


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc"), min_size=1))
def test_bleu_lies_between_0_and_1_and_k_1_is_clipped_precision(said, meant):
    score = text.bleu(said, meant)
    assert 0 <= score <= 1
    if said:
        clipped = sum(min(count, Counter(meant)[token]) for token, count in Counter(said).items())
        brevity = min(1.0, math.exp(1 - len(meant) / len(said)))
        assert text.bleu(said, meant, k=1) == pytest.approx(brevity * clipped / len(said))
    else:
        assert score == 0


def test_text_needs_no_keras():
    code = "import sys, kerasdl.text; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

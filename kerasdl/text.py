"""How does text become numbers? A vocabulary numbers its tokens, and windows of them train a language model.

Text goes in and NumPy arrays come out. Here too are the two figures by which text models are judged,
perplexity and BLEU. Nothing needs Keras.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from kerasdl import checks

__all__ = [
    "RESERVED",
    "Vocabulary",
    "bleu",
    "one_hot",
    "perplexity",
    "random_windows",
    "sequential_windows",
    "windows",
]

RESERVED = ("padding", "begin", "end", "unknown")


class Vocabulary:
    """Turns the characters or the words of a text into numbers, and back.

    ``decode(encode(text)) == text`` for every text whose tokens the vocabulary holds. That is true of words
    too, since a word is whatever stands between two single spaces.

    Args:
        tokens: the characters or words, each once, in the order of their numbers.
        unit: ``"character"`` or ``"word"``.
        reserved: which of ``"padding"``, ``"begin"``, ``"end"`` and ``"unknown"`` have a number of their
            own. They come first, in this order, so padding is 0 where there is one. They are not part of a
            text: nothing in a text, not even ``"<end>"``, is encoded to one.

    Attributes:
        padding, begin, end, unknown: the number of each, or None where it is not reserved.

    Raises:
        ValueError: a token given twice, a character longer than one, a word with a space, no token at all,
            an unknown unit or reserved name.

    Example:
        >>> vocabulary = Vocabulary("abc ", reserved=["padding", "end"])
        >>> vocabulary.encode("a cab", end=True).tolist()
        [2, 5, 4, 2, 3, 1]
        >>> vocabulary.decode([2, 5, 4, 2, 3])
        'a cab'
    """

    def __init__(self, tokens: Iterable[str], unit: str = "character", reserved: Sequence[str] = ()):
        self.tokens, self.unit = tuple(tokens), checks.one_of("unit", unit, ["character", "word"])
        if not self.tokens:
            raise ValueError("tokens is empty: give at least one character or word")
        for token in self.tokens:
            if not isinstance(token, str) or (len(token) != 1 if unit == "character" else " " in token):
                raise ValueError(f"tokens holds {token!r}, which is not one {unit}")
        twice = [token for token, count in Counter(self.tokens).items() if count > 1]
        if twice:
            raise ValueError(f"tokens holds {twice[0]!r} twice: give each once")
        for name in reserved:
            checks.one_of("reserved", name, RESERVED)
        self.reserved = tuple(name for name in RESERVED if name in reserved)
        self.padding, self.begin, self.end, self.unknown = (
            self.reserved.index(name) if name in self.reserved else None for name in RESERVED
        )
        self._numbers = {token: number for number, token in enumerate(self.tokens, len(self.reserved))}

    @classmethod
    def of(
        cls,
        text: str | Iterable[str],
        unit: str = "character",
        reserved: Sequence[str] = (),
        minimum_count: int = 1,
    ) -> "Vocabulary":
        """Number what a text, or several, hold: the most frequent token first, equals in sorted order.

        Args:
            text: one text or several.
            unit, reserved: as for the class.
            minimum_count: rarer tokens are left out; reserve ``"unknown"`` for them.

        Example:
            >>> Vocabulary.of("hello").tokens
            ('l', 'e', 'h', 'o')
        """
        checks.one_of("unit", unit, ["character", "word"])
        checks.positive_int("minimum_count", minimum_count)
        counts: Counter[str] = Counter()
        for one in [text] if isinstance(text, str) else text:
            counts.update(_split(one, unit))
        kept = [token for token, count in counts.items() if count >= minimum_count]
        return cls(sorted(kept, key=lambda token: (-counts[token], token)), unit, reserved)

    def __len__(self) -> int:
        """Count the tokens and the reserved ones: the width of a one-hot vector."""
        return len(self.reserved) + len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.tokens, self.unit, self.reserved))

    def __repr__(self) -> str:
        reserved = f", reserved: {', '.join(self.reserved)}" if self.reserved else ""
        return f"<Vocabulary of {len(self.tokens)} {self.unit}s{reserved}>"

    def encode(self, text: str, begin: bool = False, end: bool = False) -> np.ndarray:
        """Return the numbers of a text's tokens, ``(length,)`` of int32.

        Args:
            text: any text; the empty one has length 0.
            begin, end: put the reserved number before or behind.

        Raises:
            ValueError: a token that the vocabulary does not hold, where ``"unknown"`` is not reserved; the
                message names it. Or ``begin`` or ``end`` is asked for and not reserved.
        """
        if not isinstance(text, str):
            raise TypeError(f"text={text!r}: give one str; encode_all takes several")
        for name, asked in (("begin", begin), ("end", end)):
            if asked and name not in self.reserved:
                raise ValueError(f"{name}=True: this vocabulary reserves no {name!r} token")
        split = _split(text, self.unit)
        numbers = list(map(self._numbers.get, split))
        if None in numbers and self.unknown is None:
            place = numbers.index(None)
            raise ValueError(
                f"text holds the {self.unit} {split[place]!r} ({self.unit} {place + 1}), which the "
                "vocabulary does not know: leave it out, or reserve 'unknown'"
            )
        numbers = [self.unknown if number is None else number for number in numbers]
        return np.array([self.begin] * begin + numbers + [self.end] * end, "int32")

    def encode_all(self, texts: Iterable[str], begin: bool = False, end: bool = False) -> np.ndarray:
        """Encode texts of unequal length, padded behind to the longest: ``(texts, longest)`` of int32.

        Raises:
            ValueError: as :meth:`encode`; or the lengths differ and no ``"padding"`` is reserved.
        """
        if isinstance(texts, str):
            raise TypeError(f"texts={texts!r}: give several; encode takes one")
        rows = [self.encode(text, begin, end) for text in texts]
        longest = max(map(len, rows), default=0)
        if self.padding is None and any(len(row) < longest for row in rows):
            raise ValueError("texts differ in length: reserve 'padding' in the vocabulary")
        padded = np.full((len(rows), longest), self.padding or 0, "int32")
        for row, numbers in zip(padded, rows, strict=True):
            row[: len(numbers)] = numbers
        return padded

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of these numbers; reserved ones are written as ``<padding>``, ``<end>`` and so on.

        Args:
            numbers: ``(length,)`` of whole numbers.

        Raises:
            ValueError: a number outside the vocabulary.
        """
        names = [f"<{name}>" for name in self.reserved] + list(self.tokens)
        numbers = np.asarray(numbers)
        if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
            raise ValueError(f"numbers {numbers.shape} of {numbers.dtype}: give whole numbers, (length,)")
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if outside.size:
            raise ValueError(f"numbers holds {outside[0]}: the vocabulary ends at {len(self) - 1}")
        return (" " if self.unit == "word" else "").join(names[number] for number in numbers)

    def decode_all(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Return the text of each row up to its first ``"end"`` or ``"padding"``, without ``"begin"``."""
        texts = []
        for row in rows:
            row = np.asarray(row)
            stops = np.flatnonzero(np.isin(row, [n for n in (self.end, self.padding) if n is not None]))
            row = row[: stops[0]] if stops.size else row
            texts.append(self.decode(row[1:] if row.size and row[0] == self.begin else row))
        return texts

    def get_config(self) -> dict:
        """Return what JSON can hold; ``Vocabulary(**config)`` is this vocabulary again."""
        return {"tokens": list(self.tokens), "unit": self.unit, "reserved": list(self.reserved)}


def _split(text: str, unit: str) -> list[str]:
    if unit == "character":
        return list(text)
    return text.split(" ") if text else []


def windows(
    tokens: np.ndarray, steps: int, stride: int | None = None, offset: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into windows, and the same windows one token further on, which a language model predicts.

    Args:
        tokens: the numbers of a text, ``(length,)``.
        steps: tokens in a window.
        stride: from the start of one window to the next; default ``steps``, which lets none overlap.
        offset: where the first window starts.

    Returns:
        x and y, each ``(windows, steps)`` with ``y[:, t]`` the token behind ``x[:, t]``; what does not fill
        a window at the end is left out.

    Raises:
        ValueError: a size below 1, a negative offset, or fewer than ``offset + steps + 1`` tokens.

    Example:
        >>> x, y = windows(np.arange(8), steps=3)
        >>> x.tolist(), y.tolist()
        ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """
    tokens, stride = np.asarray(tokens), steps if stride is None else stride
    if tokens.ndim != 1:
        raise ValueError(f"tokens {tokens.shape}: give (length,)")
    checks.positive_int("steps", steps)
    checks.positive_int("stride", stride)
    if offset != checks.not_negative("offset", offset) // 1 or len(tokens) < offset + steps + 1:
        raise ValueError(
            f"tokens has {len(tokens)}: offset={offset!r} and steps={steps} need {offset + steps + 1:g}"
        )
    both = np.lib.stride_tricks.sliding_window_view(tokens, steps + 1)[int(offset) :: stride]
    return both[:, :-1].copy(), both[:, 1:].copy()


def random_windows(
    tokens: np.ndarray, steps: int, seed: int | np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows that do not overlap, from a random start below ``steps``, and shuffle them.

    Windows that follow one another in a batch do not continue each other, so each starts from a state of
    zeros. A new draw for each epoch cuts the text in other places.

    Args:
        tokens, steps: as in :func:`windows`.
        seed: int or a NumPy generator; None draws anew at each call.

    Returns:
        x and y, as :func:`windows` returns them.

    Raises:
        ValueError: as in :func:`windows`.

    Example:
        >>> x, y = random_windows(np.arange(20), steps=4, seed=0)
        >>> bool((y == x + 1).all())
        True
    """
    rng = np.random.default_rng(seed)
    spare = len(tokens) - steps - 1
    offset = int(rng.integers(0, min(steps, spare + 1))) if spare > 0 else 0
    x, y = windows(tokens, steps, offset=offset)
    order = rng.permutation(len(x))
    return x[order], y[order]


def sequential_windows(
    tokens: np.ndarray, steps: int, batch_size: int, offset: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into ``batch_size`` long rows, and these into batches that continue each other row by row.

    In batches of ``batch_size``, taken in order, row r of a batch goes on where row r of the batch before it
    ended. A stateful model can then carry its state over.

    Args:
        tokens, steps, offset: as in :func:`windows`.
        batch_size: rows read side by side.

    Returns:
        x and y, each ``(batches · batch_size, steps)``; what does not fill a batch is left out.

    Raises:
        ValueError: as in :func:`windows`; the tokens must fill one batch.

    Example:
        >>> x, y = sequential_windows(np.arange(13), steps=2, batch_size=2)
        >>> x.reshape(3, 2, 2).tolist()
        [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]
    """
    checks.positive_int("batch_size", batch_size)
    x, y = windows(tokens, steps, offset=offset)
    batches = len(x) // batch_size
    if not batches:
        raise ValueError(f"tokens holds {len(x)} windows: batch_size={batch_size} needs as many")
    by_row = (batch_size, batches, steps)
    x, y = (side[: batches * batch_size].reshape(by_row).swapaxes(0, 1) for side in (x, y))
    return x.reshape(-1, steps), y.reshape(-1, steps)


def one_hot(tokens: np.ndarray, size: int) -> np.ndarray:
    """Return ``(…, size)`` of float32, 1 at each token's number and 0 elsewhere.

    Args:
        tokens: whole numbers of any shape ``(…)``, from 0 to ``size`` − 1.
        size: how many there are.

    Raises:
        ValueError: a number outside [0, size).

    Example:
        >>> one_hot([2, 0], 3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    tokens, size = np.asarray(tokens), checks.positive_int("size", size)
    whole = np.issubdtype(tokens.dtype, np.integer)
    if not whole or (tokens.size and not 0 <= tokens.min() <= tokens.max() < size):
        raise ValueError(f"tokens must be whole numbers from 0 to {size - 1}")
    return np.eye(size, dtype="float32")[tokens]


def perplexity(loss: float) -> float:
    """Return exp(loss), the number of equally likely tokens that a guess is as hard as.

    Args:
        loss: mean cross-entropy in nats a token, as Keras reports it: 0 for a model that is always sure and
            right, log n for one that guesses among n.

    Returns:
        A number of at least 1; infinity where it is beyond floats, from a loss of 710 on.

    Raises:
        ValueError: a loss that is negative or not finite.

    Example:
        >>> round(perplexity(math.log(28)), 9)
        28.0
    """
    loss = checks.not_negative("loss", loss)
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def bleu(
    prediction: str | Sequence[str],
    reference: str | Sequence[str],
    k: int = 4,
    weights: str = "uniform",
) -> float:
    """Return how much of a prediction's wording the reference shares, from 0 to 1.

    exp(min(0, 1 − r/c)) · Π p_n^{w_n} over n = 1 … k, with c and r the lengths of prediction and reference,
    and p_n the share of the prediction's n-grams that the reference holds too, each counted at most as often
    as it stands there (Papineni et al. 2002, section 2.3). A prediction of fewer than k tokens is judged
    by the n-grams that it has. This is the score of one sentence, unsmoothed: one p_n of 0 makes it 0.

    Args:
        prediction, reference: tokens, or a text whose tokens whitespace separates.
        k: longest n-gram, at least 1.
        weights: ``"uniform"``, w_n = 1/k as published, or ``"halving"``, w_n = 1/2ⁿ, which gives short
            n-grams more weight (Zhang et al. 2021, Dive into Deep Learning, section 9.7).

    Raises:
        ValueError: k below 1, unknown weights, an empty reference.

    Example:
        >>> bleu("he is calm", "he is calm .", k=2)  # doctest: +ELLIPSIS
        0.716...
    """
    checks.positive_int("k", k)
    checks.one_of("weights", weights, ["uniform", "halving"])
    said, meant = (side.split() if isinstance(side, str) else list(side) for side in (prediction, reference))
    if not meant:
        raise ValueError(f"reference={reference!r} is empty: there is nothing to compare with")
    if not said:
        return 0.0
    longest, score = min(k, len(said)), math.exp(min(0.0, 1 - len(meant) / len(said)))
    for n in range(1, longest + 1):
        ours, theirs = (
            Counter(tuple(side[i : i + n]) for i in range(len(side) - n + 1)) for side in (said, meant)
        )
        precision = (ours & theirs).total() / ours.total()
        score *= precision ** (1 / longest if weights == "uniform" else 0.5**n)
    return score

"""What may a setting be? What is known, or how low and how high, by its name.

A chapter's name, a setting and a value go in; out comes the value, or one line that says what may be given.
Only what is asked of the course's own chapters is held to it: a copy may know more words than these.
"""

import math
from dataclasses import dataclass
from typing import Any

CELLS = ("rnn", "mgu", "gru", "lstm", "peephole")


@dataclass(frozen=True)
class Limit:
    """What each number of a setting may be, or which words are known; without words, any will do.

    Attributes:
        low, high: the least and the greatest number.
        above: whether the least itself is left out.
        words: those known; empty where any will do.
        least: how many entries a list must have.
        most: how many it may have.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    words: tuple[str, ...] = ()
    least: int = 1
    most: float = math.inf

    def allows(self, entry: Any) -> bool:
        """Whether a number or a word may be given."""
        if isinstance(entry, bool):
            return True
        if isinstance(entry, str):
            return not self.words or entry in self.words
        return (
            math.isfinite(entry) and self.low <= entry <= self.high and not (self.above and entry == self.low)
        )

    def said(self, whole: bool) -> str:
        """What a number may be, in words."""
        kind = "a whole number" if whole else "a finite number"
        if math.isfinite(self.high):
            return f"{kind} from {self.low:g} to {self.high:g}"
        if math.isfinite(self.low):
            return f"{kind} {'above' if self.above else 'of at least'} {self.low:g}"
        return kind


WHOLE, SHARE = Limit(1), Limit(0, 1)
POSITIVE, NOT_NEGATIVE = Limit(0, above=True), Limit(0)
# What is not said here follows from the default: whole numbers begin at 1, others lie above 0.
BY_NAME = {
    "activation": Limit(words=("relu", "leaky_relu", "elu", "tanh", "sigmoid")),
    "bias": Limit(),
    "candidates": Limit(1, 6),
    "cell": Limit(words=CELLS),
    "decay": NOT_NEGATIVE,
    "dropout": SHARE,
    "folds": Limit(2),
    "hidden": Limit(1, least=0),
    "keeps": Limit(-1, 1),
    "length": Limit(4),
    "few_length": Limit(4),
    "mislabelled": SHARE,
    "noise": NOT_NEGATIVE,
    "observed": Limit(60),
    "optimizer": Limit(words=("adam", "sgd")),
    "parameters": Limit(1000),
    "ratio": Limit(words=("auto", "linear", "logged", "additive", "kernel", "trees")),
    "samplings": Limit(words=("sequential", "random")),
    "seed": NOT_NEGATIVE,
    "shifts": NOT_NEGATIVE,
    "start": Limit(least=2, most=2),
    "strength": NOT_NEGATIVE,
    "trained": Limit(words=("tanh", "relu")),
}
# Names that mean something else in one chapter.
BY_CHAPTER = {
    ("deep_and_bidirectional", "steps"): Limit(2),
    ("dropout", "rates"): Limit(0, 1, least=0),
    ("gated_cells", "cells"): Limit(words=CELLS),
    ("language_model", "cells"): Limit(words=(*CELLS, *(f"deep {cell}" for cell in CELLS))),
}


def of(chapter: str, setting: str, default: Any) -> Limit:
    """Return what a chapter's setting may be.

    Example:
        >>> of("polynomial_fit", "epochs", 100).low, of("polynomial_fit", "noise", 0.01).low
        (1, 0)
    """
    entry = default[0] if isinstance(default, tuple) and default else default
    usual = Limit() if isinstance(entry, (str, bool)) else POSITIVE if isinstance(entry, float) else WHOLE
    return BY_CHAPTER.get((chapter, setting)) or BY_NAME.get(setting) or usual


def hold(chapter: str, setting: str, value: Any, default: Any) -> Any:
    """Return the value of a setting, if the chapter can be run with it.

    Raises:
        ValueError: it cannot; the message names the setting, the value and what is known or may be given.

    Example:
        >>> hold("polynomial_fit", "sizes", (2, 3), (10, 20))
        (2, 3)
    """
    limit, several = of(chapter, setting, default), isinstance(default, tuple)
    entries = value if several else (value,)
    if several and not limit.least <= len(entries) <= limit.most:
        many = f"{limit.least}" if limit.least == limit.most else f"{limit.least} or more"
        example = f"{setting}={','.join(map(str, default))}"
        raise ValueError(f"{setting}={value!r}: give {many}, as in {example}{_known(limit)}")
    for entry in entries:
        if not limit.allows(entry):
            if limit.words:
                raise ValueError(f"{setting}={entry!r} is not known{_known(limit)}")
            each = "each " if several else ""
            raise ValueError(f"{setting}={value!r}: give {each}{limit.said(isinstance(entry, int))}")
    return value


def _known(limit: Limit) -> str:
    return f"; known: {', '.join(limit.words)}" if limit.words else ""

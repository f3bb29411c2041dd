"""How does a table of any columns become numbers? One encoding for the tests, the ratios and the reports.

In go two tables, a reference and a sample; out comes an :class:`Encoding`, which turns either, or rows that
come later, into a float array. It looks at both tables alike, so a permutation test on its output is exact.

| kind | features |
|---|---|
| number, boolean, date (days) | the value, gaps filled by the median; whether it is missing, if it ever is |
| category | one a value (the 30 most frequent, seen twice or more), one for all others, one for gaps |
| text | length, words, share of digits; whether it holds each of the 20 most frequent words; gaps |
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasdl.shift.inputs import geometry
from kerasdl.shift.inputs.tables import Column, Table, common_kind

MOST_VALUES = 30
MOST_WORDS = 20
WORD_SHARE = 0.02  # a word in fewer of the texts is no feature
WORD = re.compile(r"\w+")


@dataclass
class Code:
    """How one column is encoded.

    Attributes:
        name, kind: of the column.
        fill: what stands for a gap among numbers.
        gaps: whether a gap is a feature.
        levels: values of a category, or words of a text, that are features.
        rest: whether "any other value" is a feature.
    """

    name: str
    kind: str
    fill: float = 0.0
    gaps: bool = False
    levels: list[str] = field(default_factory=list)
    rest: bool = False

    def features(self) -> list[str]:
        """Return the names of the features, in order."""
        names = {
            "category": [f"{self.name} = {level}" for level in self.levels],
            "text": [f"{self.name}: {what}" for what in ("length", "words", "digits")]
            + [f"{self.name}: {word!r}" for word in self.levels],
            "empty": [],
        }.get(self.kind, [self.name])
        return names + [f"{self.name} = other"] * self.rest + [f"{self.name}: missing"] * self.gaps

    def encode(self, column: Column) -> np.ndarray:
        """Return the features ``(rows, features)`` of a column of this kind, or of gaps alone."""
        if self.kind == "empty":
            return np.empty((len(column.values), 0))
        if self.kind in ("category", "text"):
            return self._encode_strings(column)
        missing = np.isnan(column.values)
        parts = [np.where(missing, self.fill, column.values)]
        return np.stack(parts + [missing.astype(float)] * self.gaps, axis=1)

    def _encode_strings(self, column: Column) -> np.ndarray:
        values = column.values if column.kind == "category" else np.full(len(column.values), None)
        missing = np.array([not isinstance(value, str) for value in values])
        if self.kind == "text":
            said = [_words(value) for value in values]
            parts = [_text_features(value) for value in values]
            words = [[word in one for word in self.levels] for one in said]
            out = np.column_stack([np.array(parts), np.array(words, dtype=float).reshape(len(values), -1)])
        else:
            place = {level: k for k, level in enumerate(self.levels)}
            out = np.zeros((len(values), len(self.levels) + self.rest))
            at = np.array([place.get(value, len(self.levels)) for value in values])
            inside = ~missing & (at < out.shape[1])
            out[np.flatnonzero(inside), at[inside]] = 1
        return np.column_stack([out, missing]) if self.gaps else out


def _words(value: Any) -> set[str]:
    return set(WORD.findall(value.lower())) if isinstance(value, str) else set()


def _text_features(value: Any) -> tuple[float, float, float]:
    if not isinstance(value, str):
        return 0.0, 0.0, 0.0
    digits = sum(c.isdigit() for c in value) / max(len(value), 1)
    return float(len(value)), float(len(WORD.findall(value))), digits


class Encoding:
    """The features of two tables.

    Attributes:
        codes: one :class:`Code` a column.
        features: feature names.
        owner: for each feature the number of its column ``(features,)``.
        is_dummy: for each feature whether it is 0 or 1 by making ``(features,)``.
    """

    def __init__(self, reference: Table, sample: Table):
        a, b = reference.numbers(), sample.numbers()
        self.identity = a is not None and b is not None
        self.codes = [
            _code(reference, sample, k) if a is None or b is None else Code(name, "number", _middle(a, b, k))
            for k, name in enumerate(reference.names)
        ]
        lists = [code.features() for code in self.codes]
        self.features = [name for names in lists for name in names]
        self.owner = np.repeat(np.arange(len(lists)), [len(names) for names in lists])
        self.is_dummy = np.concatenate(
            [
                np.full(len(names), code.kind == "category")
                | np.array([name.endswith((": missing", "'")) for name in names], dtype=bool)
                for code, names in zip(self.codes, lists, strict=True)
            ]
            + [np.empty(0, dtype=bool)]
        )
        if self.identity:
            self.is_dummy[:] = False

    def encode(self, table: Table) -> np.ndarray:
        """Return the features of a table ``(rows, features)``; an array of floats is returned as it is."""
        if self.identity and (numbers := table.numbers()) is not None:
            return numbers
        parts = []
        for k, code in enumerate(self.codes):
            column = table.column(k)
            fitted = Column("category" if code.kind == "text" else code.kind, column.values[:0])
            common_kind(fitted, column, code.name, ("fit", table.argument))
            parts.append(code.encode(column))
        return np.concatenate(parts, axis=1)

    def scales(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and scale of each feature: the deviation, for dummies that of their column as a whole.

        A rare value has a tiny deviation; divided by it, the few rows that hold it would lie far from all.
        """
        mean, scale = geometry.standardizer(X)
        variance = np.where(self.is_dummy, scale, 0.0) ** 2
        constant = np.ptp(X, axis=0) == 0 if len(X) else np.ones(X.shape[1], dtype=bool)
        variance[constant] = 0
        total = np.bincount(self.owner, variance, minlength=len(self.codes))
        return mean, np.where(self.is_dummy & (total[self.owner] > 0), np.sqrt(total[self.owner]), scale)


def _code(reference: Table, sample: Table, k: int) -> Code:
    name = reference.names[k]
    a, b = reference.column(k), sample.column(k)
    kind = common_kind(a, b, name, (reference.argument, sample.argument))
    if kind == "empty":
        return Code(name, kind)
    if kind in ("number", "boolean", "date"):
        pooled = np.concatenate([a.values, b.values]).astype(np.float64)
        return Code(name, kind, fill=float(np.nanmedian(pooled)), gaps=bool(np.isnan(pooled).any()))
    strings = [value for value in (*a.values, *b.values) if isinstance(value, str)]
    gaps = len(strings) < len(reference) + len(sample)
    if kind == "text":
        counts = Counter(word for value in strings for word in _words(value))
        least = max(2, WORD_SHARE * len(strings))
        frequent = [word for word, n in sorted(counts.items(), key=_by_count) if n >= least]
        return Code(name, kind, gaps=gaps, levels=frequent[:MOST_WORDS])
    counts = Counter(strings)
    levels = [value for value, n in sorted(counts.items(), key=_by_count) if n >= 2][:MOST_VALUES]
    return Code(name, kind, gaps=gaps, levels=levels, rest=len(levels) < len(counts))


def _middle(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Return the median of a column, for a gap that may come later; some thousand rows tell it."""
    return float(np.median(np.concatenate([a[:5000, k], b[:5000, k]])))


def _by_count(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]

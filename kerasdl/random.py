"""What is chance here? NumPy draws it all, by name, so that every backend sees the same bits.

A run is decided by its initial weights, its batch order and its dropout masks. Backends draw these
differently from equal seeds; kerasdl draws them in NumPy, from streams that one seed fixes.
"""

import contextlib
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np


class _Chance:
    """One seed and how often each of its streams was asked for."""

    def __init__(self, seed: int | None):
        self.seed = np.random.SeedSequence(seed).entropy
        self.calls: Counter[str] = Counter()


_chance = _Chance(None)


def set_seed(seed: int) -> None:
    """Fix what kerasdl's builders, batches and ``Dropout`` draw, alike on every backend.

    If Keras is loaded, its own generators (and Python's and NumPy's) are seeded as well, so that stock
    layers repeat themselves on one backend; from backend to backend they still differ.

    Args:
        seed: int in [0, 2³²).

    Raises:
        ValueError: the seed is out of range or no whole number.

    Example:
        >>> set_seed(7)
        >>> first = generator("weights").normal()
        >>> set_seed(7)
        >>> generator("weights").normal() == first
        True
    """
    global _chance
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed!r}: give a whole number from 0 to 4294967295")
    _chance = _Chance(int(seed))
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(int(seed))


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from ``seed`` inside the block and leave the streams outside it as they were.

    ``None`` draws fresh entropy. Estimators use it to obey their ``random_state``.
    """
    global _chance
    before, _chance = _chance, _Chance(seed)
    try:
        yield
    finally:
        _chance = before


def agree(exchange: Callable[[np.ndarray], Iterable[int]]) -> None:
    """Let several processes draw alike, by the seed of one of them.

    Args:
        exchange: takes this process's seed as four numbers of 32 bits, ``(4,)`` int64, and returns the
            chosen one's.
    """
    words = np.array([(_chance.seed >> shift) & 0xFFFFFFFF for shift in range(0, 128, 32)])
    _chance.seed = sum(int(word) << (32 * place) for place, word in enumerate(exchange(words)))


def stream(name: str, *key: int) -> np.random.Generator:
    """Return the generator that the current seed, ``name`` and ``key`` fix: the same one at each call."""
    return np.random.default_rng([*_words(_chance.seed), zlib.crc32(name.encode()), *key])


def generator(name: str) -> np.random.Generator:
    """Return a new generator at each call: the n-th one of this name under the current seed.

    Example:
        >>> set_seed(0)
        >>> a, b = generator("weights"), generator("weights")
        >>> a.normal() == b.normal()
        False
    """
    count = _chance.calls[name]
    _chance.calls[name] += 1
    return stream(name, count)


def _words(entropy: int) -> list[int]:
    """Split a large integer into 32-bit words, the form that seeds a generator on every platform alike."""
    return [(entropy >> shift) & 0xFFFFFFFF for shift in range(0, max(entropy.bit_length(), 1), 32)]

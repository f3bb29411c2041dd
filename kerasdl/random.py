"""Where do random numbers come from? From named streams of NumPy's, which one seed fixes on every backend.

A seed goes in; out come :class:`numpy.random.Generator` objects, one for each purpose (weights, batches,
dropout, text). They decide a run: its initial weights, its batch order and its dropout masks. The backends'
own generators would draw these differently from equal seeds.
"""

import contextlib
import contextvars
import secrets
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np


class _Streams:
    """One seed, and how often each of its streams was asked for."""

    def __init__(self, seed: int | None) -> None:
        if seed is not None and seed < 0:
            raise ValueError(f"seed={seed!r}: give a whole number of at least 0")
        self.seed = secrets.randbits(128) if seed is None else int(seed)
        self.calls: Counter[str] = Counter()


_streams = _Streams(None)
# Inside :func:`seeded`: of this thread, or task, alone.
_own: contextvars.ContextVar[_Streams | None] = contextvars.ContextVar("streams", default=None)


def _current() -> _Streams:
    return _own.get() or _streams


def set_seed(seed: int) -> None:
    """Fix what kerasdl's builders, batches and ``Dropout`` draw, to the same on every backend.

    If Keras is loaded, its own generators (and Python's and NumPy's) are seeded as well. Stock layers then
    repeat themselves on one backend; from backend to backend they still differ.

    Args:
        seed: int in [0, 2³²).

    Raises:
        ValueError: the seed is out of range or not a whole number.

    Example:
        >>> set_seed(7)
        >>> first = generator("weights").normal()
        >>> set_seed(7)
        >>> generator("weights").normal() == first
        True
    """
    global _streams
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed!r}: give a whole number from 0 to 4294967295")
    if _own.get() is None:
        _streams = _Streams(int(seed))
    else:
        _own.set(_Streams(int(seed)))
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(int(seed))


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from ``seed`` inside the block, and leave the streams outside it as they were.

    Estimators obey their ``random_state`` by it. Other threads go on as they were: what is drawn in a block
    depends on nothing but its seed.

    Args:
        seed: at least 0; None takes a new one from the operating system.

    Raises:
        ValueError: a negative seed.
    """
    token = _own.set(_Streams(seed))
    try:
        yield
    finally:
        _own.reset(token)


def agree(exchange: Callable[[np.ndarray], Iterable[int]]) -> None:
    """Let several processes draw the same numbers, by the seed of one of them.

    Args:
        exchange: takes this process's seed as four numbers of 32 bits, ``(4,)`` of int64, and returns those
            of the process that was chosen.
    """
    words = np.array([(_current().seed >> shift) & 0xFFFFFFFF for shift in range(0, 128, 32)])
    _current().seed = sum(int(word) << (32 * place) for place, word in enumerate(exchange(words)))


def stream(name: str, *key: int) -> np.random.Generator:
    """Return the generator that the current seed, ``name`` and ``key`` fix; equal calls return equal ones."""
    return np.random.default_rng([*_words(_current().seed), zlib.crc32(name.encode()), *key])


def generator(name: str) -> np.random.Generator:
    """Return the next generator of this name under the current seed: each call's draws other numbers.

    Example:
        >>> set_seed(0)
        >>> a, b = generator("weights"), generator("weights")
        >>> a.normal() == b.normal()
        False
    """
    streams = _current()
    count = streams.calls[name]
    streams.calls[name] += 1
    return stream(name, count)


def skip(name: str, count: int) -> None:
    """Leave out the next ``count`` generators of this name, as if they had been drawn.

    Example:
        >>> set_seed(0)
        >>> third = [generator("batches") for _ in range(3)][2].normal()
        >>> set_seed(0)
        >>> skip("batches", 2)
        >>> generator("batches").normal() == third
        True
    """
    _current().calls[name] += count


def _words(entropy: int) -> list[int]:
    """Split a large integer into 32-bit words, which seed a generator in the same way on every platform."""
    return [(entropy >> shift) & 0xFFFFFFFF for shift in range(0, max(entropy.bit_length(), 1), 32)]

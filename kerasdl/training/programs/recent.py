"""Which traces are kept? Those that were used last, a bounded number of them.

A key goes in; out comes what was made for it, or something new. What models of one kind share is in
:data:`SHARED`: traces on JAX, twins on TensorFlow, nothing on PyTorch.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Recent:
    """What was made for the keys that were asked for last.

    Args:
        most: how many are kept.

    Example:
        >>> kept = Recent(2)
        >>> [kept.find(key, lambda: key.upper()) for key in "abac"]
        ['A', 'B', 'A', 'C']
        >>> kept.known("b") is None
        True
    """

    def __init__(self, most: int):
        self.most = most
        self._things: OrderedDict[Hashable, Any] = OrderedDict()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._things)

    def find(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what is kept for a key, else what ``make`` returns, while other threads wait."""
        with self._turn:
            if key not in self._things:
                self._things[key] = make()
            self._things.move_to_end(key)
            if len(self._things) > self.most:
                self._things.popitem(last=False)
            return self._things[key]

    def known(self, key: Hashable) -> Any:
        """Return what is kept for a key, or None."""
        return self._things.get(key)

    def clear(self) -> None:
        """Let go of everything."""
        with self._turn:
            self._things.clear()


SHARED = Recent(16)

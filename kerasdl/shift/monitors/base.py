"""What does every monitor of a stream owe? The contract, and the checks that they share.

In go the numbers of a stream, one at a time; out comes True at the number where a change is found.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from math import isfinite

from sklearn.base import BaseEstimator


class Monitor(BaseEstimator, ABC):
    """Base of the monitors.

    A monitor keeps a bounded state, whatever the length of the stream. Its settings are checked when it is
    made and at ``reset``. ``update`` refuses what is not a number and answers True once for a change; it then
    forgets what came before the change. A constant stream never alarms. Equal streams give equal alarms.

    Attributes:
        n_updates: numbers that the present state rests on: those since the last change.
    """

    n_updates: int

    def __init__(self) -> None:
        self.reset()

    @abstractmethod
    def reset(self) -> None:
        """Check the settings and forget the stream.

        Raises:
            ValueError: a setting is not fit to use.
        """

    @abstractmethod
    def update(self, x: float) -> bool:
        """Read one number; return True if it shows that the stream has changed.

        Raises:
            ValueError: ``x`` is not a number that this monitor reads.
        """

    def update_many(self, values: Iterable[float]) -> list[int]:
        """Feed an iterable of numbers and return the positions (from 0) at which a change was found."""
        return [position for position, x in enumerate(values) if self.update(x)]


SIDES = ("rise", "fall", "both")


def confidence(argument: str, value: float) -> float:
    """Return ``value`` if it is a probability above 0 and below 1.

    Raises:
        ValueError: it is not.
    """
    if not 0 < value < 1:
        raise ValueError(f"{argument}={value!r}: give a probability above 0 and below 1")
    return value


def finite(x: float) -> float:
    """Return ``x`` if it is finite.

    Raises:
        ValueError: it is not.
    """
    if not isfinite(x):
        raise ValueError(f"x={x!r}: give a finite number")
    return x


def unit(x: float) -> float:
    """Return ``x`` if it is an error between 0 and 1.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= x <= 1:  # NaN, too
        raise ValueError(f"x={x!r}: give an error in [0, 1], such as 0 for right and 1 for wrong")
    return x

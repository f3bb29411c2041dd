"""What does a program do? It repeats Keras's own training step on the device, over rows it gathers there.

:class:`Program` is what the module of each backend fills in; :class:`Pace` cuts an epoch into chunks short
enough that an interrupt, the guard against NaN and a progress bar answer within about a second.
"""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras
import numpy as np

from kerasdl.training.programs import kinds

SECONDS = 0.3  # a chunk's length


class Program(ABC):
    """Keras's own training step and test step of one compiled model, repeated on the device.

    Between :meth:`begin` and :meth:`end` the program holds the model's variables; outside, the model does.
    Both may be called twice in a row. Handing over costs as much as many steps of a small model.

    Args:
        model: compiled and built.
        signature: what :func:`kerasdl.training.programs.signature` says of it.

    Attributes:
        signature: as given; where the model's is another, the program is out of date.
        pace: how long a step takes, in training and in testing.
        planned: (training, shape of a step's rows) → steps taken and to be taken since the program was made.
        refusal: why training steps are taken one by one, in words, or None.
        holds: the program holds the variables, not the model.
    """

    refusal: str | None = None
    holds = False

    def __init__(self, model: keras.Model, signature: tuple):
        self.model, self.signature = model, signature
        self.pace = {True: Pace(), False: Pace()}
        self.planned: Counter[tuple[bool, tuple[int, ...]]] = Counter()
        model.reset_metrics()  # what they begin with is read now

    @staticmethod
    def kind(model: keras.Model) -> Hashable | None:
        """Return what models have in common that share what is traced, or None where they share nothing."""
        return kinds.kind(model)

    @abstractmethod
    def put(self, data: Any) -> Any:
        """Return arrays ``(samples, …)``, in the form of a batch, on the device."""

    def put_rows(self, rows: np.ndarray) -> Any:
        """Return the rows of each step where the steps will look for them."""
        return self.put(rows)

    @abstractmethod
    def take(self) -> None:
        """Take the model's variables as they are."""

    @abstractmethod
    def give(self) -> None:
        """Give the model its variables as the last whole chunk left them."""

    @abstractmethod
    def reset(self) -> None:
        """Let the metrics begin anew; the program holds the variables."""

    @abstractmethod
    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> dict[str, Any]:
        """Take the steps from ``start`` up to ``stop`` and return what the metrics say then, as NumPy.

        Args:
            data: as :meth:`put` returned it.
            rows: of each array in ``data``, as :meth:`put_rows` returned them.
            start, stop: a chunk of the steps.
            training: training steps; else test steps.
        """

    def begin(self) -> None:
        """Take the model's variables, unless they are here already."""
        if not self.holds:
            self.take()
            self.holds = True

    def end(self) -> None:
        """Give the model its variables, unless it has them already."""
        if self.holds:
            self.give()
            self.holds = False

    def run(
        self,
        data: Any,
        rows: Sequence[np.ndarray],
        training: bool,
        seen: Callable[[int, int, float], None],
        start: int = 0,
        end: int | None = None,
    ) -> dict[str, Any]:
        """Take these steps, chunk by chunk.

        Args:
            data: as :meth:`put` returned it.
            rows: for each array in ``data``, which of its rows make each step's batch: int32, ``(steps,
                batch)`` or what else a batch is to look like, with the steps first.
            training: training steps; else test steps.
            seen: called after each chunk with its first step, the step after its last, and the mean loss.
            start, end: the first step and the one after the last; default: all. One trace serves every part.

        Returns:
            What the metrics say at the end.
        """
        end, pace = len(rows[0]) if end is None else end, self.pace[training]
        there = {id(one): self.put_rows(one) for one in rows}  # most arrays share one
        placed = [there[id(one)] for one in rows]
        shapes = (training, *(one.shape for one in rows))
        found: dict[str, Any] = {}
        while start < end:
            stop = start + pace.steps(end - start)
            before = time.perf_counter()
            found = self.steps(data, placed, start, stop, training)
            pace.took(stop - start, time.perf_counter() - before, shapes)
            seen(start, stop, float(found["loss"]))
            start = stop
        return found

    def plan(self, rows: np.ndarray, training: bool, times: int = 1) -> None:
        """Say beforehand that steps on these rows will be taken so many times."""
        self.planned[training, rows.shape[1:]] += len(rows) * times


class Pace:
    """How many steps make a chunk, from how long those before it took.

    Example:
        >>> pace = Pace()
        >>> pace.steps(1000)
        1
        >>> pace.took(1, 9.0, "a")  # it compiled
        >>> pace.took(1, 0.001, "a")
        >>> pace.steps(1000)
        8
    """

    def __init__(self) -> None:
        self.known: set = set()
        self.last, self.each = 0, 0.0

    def steps(self, left: int) -> int:
        """Return how many of the steps that are left make the next chunk."""
        if not self.last:
            return 1
        return max(1, min(left, 8 * self.last, int(SECONDS / self.each)))

    def took(self, steps: int, seconds: float, shapes: Any) -> None:
        """Learn from a chunk; the first one of its shapes may have been compiled, and says nothing."""
        if shapes not in self.known:
            self.known.add(shapes)
            return
        self.each = max(seconds / steps, 1e-7)
        self.last = max(steps, self.last) if self.each * steps < SECONDS else steps

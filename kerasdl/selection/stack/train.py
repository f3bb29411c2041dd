"""How are many models trained in one program? Step by step side by side, each on batches of its own.

In go members; out comes what each would have become alone. A member takes its own steps: its batches, its
short last batch, its masks, its optimizer's state. The t-th step of all members is one step of the stack, so
their optimizers count together; a member with fewer batches an epoch is done sooner. Its weights are read
then, and what happens to its place in the stack after that does not matter.
"""

import threading
from collections.abc import Iterator

import keras
import numpy as np
import pandas as pd

from kerasdl.estimators.watching import Stopping, bar
from kerasdl.selection.stack import layers as stacked
from kerasdl.selection.stack import program
from kerasdl.selection.stack.members import Arrays, Member, Team, Trained
from kerasdl.training import programs

_lock = threading.Lock()


def train(members: list[Member], asked: list[list[np.ndarray]]) -> list[Trained]:
    """Train members whose :func:`kin` is equal, and give each one's outputs for its arrays in ``asked``.

    A member whose loss became NaN or infinite has that in its history; the others are untouched by it.
    """
    with _lock:
        team = Team(members)
        return _Run(team, program.ready(team)).trained(asked)


class _Course:
    """One member's way through the training: what its reports said, and when it was through.

    Args:
        reports: how many there are at most.
        stopping: when it stops before, as Keras's ``EarlyStopping`` would, or None.
    """

    def __init__(self, reports: int, stopping: Stopping | None):
        self.reports, self.stopping = reports, stopping
        self.losses = np.zeros(0)
        self.validation: list[float] = []
        self.best, self.wait = np.inf, 0
        self.arrays: Arrays | None = None
        self.through = False

    def report(self, losses: np.ndarray, arrays: Arrays, validation: float | None) -> None:
        """Take note of a report: the losses so far, the present arrays and the validation loss."""
        self.losses = losses
        if validation is not None:
            self.validation.append(validation)
        stopped = False
        if self.stopping is None:
            self.arrays = arrays
        else:
            value = self.validation[-1] if self.stopping.monitor == "val_loss" else losses[-1]
            stopped = self._see(float(value), arrays, self.stopping)
        self.through = stopped or len(losses) == self.reports or not np.isfinite(losses).all()

    def history(self, every: int) -> pd.DataFrame:
        """Return the table of the reports, which lie so many epochs apart."""
        history = pd.DataFrame({"loss": self.losses})
        if self.validation:
            history["val_loss"] = self.validation
        history.index = pd.RangeIndex(every, every * len(history) + 1, every, name="epoch")
        return history

    def _see(self, value: float, arrays: Arrays, stopping: Stopping) -> bool:
        """Take note of what is monitored, and return whether it was one too many."""
        better = value + stopping.min_delta < self.best
        if better or self.arrays is None or not stopping.restore_best:
            self.arrays = arrays
        if better:
            self.best, self.wait = value, 0
            return False
        self.wait += 1
        return self.wait >= stopping.patience and len(self.losses) > 1


class _Run:
    """One training of one team on its compiled stack."""

    def __init__(self, team: Team, model: stacked.Stack):
        self.team, self.model = team, model
        self.length = team.first.length
        self.batches = [-(-len(feed.x) // self.length.batch_size) for feed in team.feeds]  # an epoch

    def trained(self, asked: list[list[np.ndarray]]) -> list[Trained]:
        """Train the members; return what became of the members, and their outputs for the rows asked for."""
        courses = self._courses()
        arrays = [course.arrays for course in courses if course.arrays is not None]
        program.put(self.model, arrays)
        rows = [
            np.concatenate([x.reshape(len(x), -1) for x in asked[number]]) for number in self.team.leaders
        ]
        outputs = self._predict(rows)
        found = []
        for number, course in enumerate(courses):
            cuts = np.cumsum([len(x) for x in asked[number]])
            own = np.split(outputs[number][: cuts[-1]], cuts[:-1])
            found.append(Trained(arrays[number], course.history(self.length.report_every), own))
        return found

    def _courses(self) -> list[_Course]:
        """Train until every member is through, and return how each fared."""
        validates = self.team.first.feed.validation is not None
        reports = self.length.epochs // self.length.report_every
        courses = [_Course(reports, self.length.stopping) for _ in self.team.members]
        every = [self.length.report_every * batches for batches in self.batches]  # steps a report
        looks = range(1, reports + 1) if validates or self.length.stopping else [reports]
        feed = _Feed(self.team, self.model, self.batches)
        done = 0
        for end in self._shown(sorted({report * steps for report in looks for steps in every})):
            programs.steps(self.model, feed.data, feed.rows, done, end)
            done = end
            due = [
                number
                for number, stream in enumerate(self.team.streams)
                if not courses[number].through and not end % every[stream]
            ]
            present = program.read(self.model, self.team)
            losses = keras.ops.convert_to_numpy(self.model.record).astype(float)
            validation = self._validation(due) if validates else {}
            for number in due:
                seen = losses[number, : end // every[self.team.streams[number]]]
                courses[number].report(seen, present[number], validation.get(number))
            if all(course.through for course in courses):
                break
        return courses

    def _shown(self, ends: list[int]) -> Iterator[int]:
        """Yield the steps at whose end something is looked at, and show a bar of them where it is wanted."""
        if not self.team.first.verbose:
            yield from ends
            return
        with bar(f"steps of {len(self.team.members)} models", ends[-1]) as progress:
            for end in ends:
                yield end
                progress.update(progress.task_ids[0], completed=end)

    def _validation(self, numbers: list[int]) -> dict[int, float]:
        """Return the validation loss of these members as they are."""
        held = [feed.validation for feed in self.team.feeds if feed.validation is not None]
        outputs = self._predict([x for x, *_ in held])
        penalties = [keras.ops.convert_to_numpy(penalty) for penalty in self.model.penalties()]
        found = {}
        for number in numbers:
            _, y, *weight = held[self.team.streams[number]]
            losses = keras.ops.convert_to_numpy(
                self.model.rowwise(keras.ops.cast(y, "float32"), outputs[number][: len(y)])
            )
            penalty = sum(own[number] for own in penalties)
            found[number] = float(np.mean(losses * weight[0] if weight else losses) + penalty)
        return found

    def _predict(self, streams: list[np.ndarray]) -> np.ndarray:
        """Return ``(members, rows, outputs)`` for rows of each stream, padded to the longest."""
        longest = max(map(len, streams))
        x = np.zeros((len(streams), longest, self.model.features), "float32")
        for padded, rows in zip(x, streams, strict=True):
            padded[: len(rows)] = rows.reshape(len(rows), -1)
        parts = np.array_split(x, -(-x.size // 2**24), axis=1)
        return np.concatenate([self.model.predict_on_batch((part, part[:, :, 0])) for part in parts], axis=1)


class _Feed:
    """What the stack is fed: every stream's rows, one after the other, and which of them make each step.

    Args:
        team, model: who is fed.
        batches: an epoch, of each stream.

    Attributes:
        data: ``((x, counted, coefficients, shares), y)``: of each row ``x``, ``y`` and whether it counts,
            with a row of zeros at the end that does not; of each step ``coefficients`` and ``shares``.
        rows: for each of these arrays, which of its rows make each step.
    """

    def __init__(self, team: Team, model: stacked.Stack, batches: list[int]):
        feeds, length = team.feeds, team.first.length
        streams, size, every = len(feeds), length.batch_size, length.report_every
        steps = max(batches) * length.epochs
        starts = np.cumsum([0, *(len(feed.x) for feed in feeds)])
        empty = int(starts[-1])
        drawn = np.full((steps, streams, size), empty, "int32")
        coefficients = np.zeros((steps, streams, size), "float32")
        shares = np.zeros((steps, streams, length.epochs // every), "float32")
        for stream, feed in enumerate(feeds):
            rows, weight = len(feed.x), feed.weight
            for epoch in range(length.epochs):
                order = np.random.default_rng([team.seeds[stream], epoch]).permutation(rows)
                for place in range(batches[stream]):
                    own = order[place * size : (place + 1) * size]
                    step, n = epoch * batches[stream] + place, len(own)
                    drawn[step, stream, :n] = starts[stream] + own
                    coefficients[step, stream, :n] = (1 if weight is None else weight[own]) / n
                    shares[step, stream, epoch // every] = n / (rows * every)
        x = np.zeros((empty + 1, model.features), "float32")
        y = np.zeros((empty + 1, *feeds[0].y.shape[1:]), "float32")
        for start, feed in zip(starts, feeds, strict=False):
            x[start : start + len(feed.x)] = feed.x.reshape(len(feed.x), -1)
            y[start : start + len(feed.x)] = feed.y
        counted = np.ones(empty + 1, "float32")
        counted[empty] = 0
        self.data = (x, counted, coefficients, shares), y
        each = np.arange(steps, dtype="int32")
        self.rows = [drawn, drawn, each, each, drawn]

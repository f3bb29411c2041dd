"""How are many models trained in one program? Step by step side by side, each on batches of its own.

In go members; out comes what each would have become alone. A member takes its own steps: its batches, its
short last batch, its masks, its optimizer's state. The t-th step of all members is one step of the stack, so
their optimizers count together; a member with fewer batches an epoch is done sooner. Its weights are read
then, and what happens to its place in the stack after that does not matter.
"""

import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasdl.estimators.watching import bar
from kerasdl.selection.stack import layers as stacked
from kerasdl.selection.stack import plan, program
from kerasdl.selection.stack.course import Course
from kerasdl.selection.stack.members import Member, Team, Trained
from kerasdl.training import programs

_lock = threading.Lock()


def train(members: list[Member], asked: list[list[np.ndarray]]) -> list[Trained]:
    """Train members whose :func:`kin` is equal, and give each one's outputs for its arrays in ``asked``.

    A member whose loss became NaN or infinite has that in its history; the others are untouched by it.
    """
    with _lock:
        team = Team(members)
        return _Run(team, program.ready(team)).trained(asked)


class _Run:
    """One training of one team on its compiled stack."""

    def __init__(self, team: Team, model: stacked.Stack):
        self.team, self.model = team, model
        self.length = team.first.length
        self.batches = [-(-len(feed.x) // self.length.batch_size) for feed in team.feeds]  # an epoch

    def trained(self, asked: list[list[np.ndarray]]) -> list[Trained]:
        """Train the members; return what became of the members, and their outputs for the rows asked for."""
        courses = self._courses()
        program.put(self.model, [course.arrays for course in courses])
        rows = [
            np.concatenate([x.reshape(len(x), -1) for x in asked[number]]) for number in self.team.leaders
        ]
        outputs = self._predict(rows)
        found = []
        for number, course in enumerate(courses):
            cuts = np.cumsum([len(x) for x in asked[number]])
            own = np.split(outputs[number][: cuts[-1]], cuts[:-1])
            found.append(Trained(course.arrays, course.history(self.length.report_every), own))
        return found

    def _courses(self) -> list[Course]:
        """Train until every member is through, and return how each fared."""
        first = self.team.first
        reports = self.length.epochs // self.length.report_every
        courses = [Course(member, reports) for member in self.team.members]
        every = [self.length.report_every * batches for batches in self.batches]  # steps a report
        validates = first.feed.validation is not None
        watched = validates or any(member.callbacks for member in self.team.members)
        looks = range(1, reports + 1) if watched else [reports]
        feed = _Feed(self.team, self.model, self.batches)
        done = 0
        for end in self._shown(sorted({report * steps for report in looks for steps in every})):
            if first.moves:
                program.put_rates(self.model, [course.rate for course in courses if course.rate is not None])
            programs.steps(self.model, feed.data, feed.rows, done, end)
            done = end
            due = [
                number
                for number, stream in enumerate(self.team.streams)
                if not courses[number].through and not end % every[stream]
            ]
            present, record = program.read(self.model, self.team), self._record()
            validation = self._validation(due) if validates else {}
            for number in due:
                course, now = courses[number], end // every[self.team.streams[number]]
                rows = [
                    {name: values[number, report] for name, values in record.items()}
                    | validation.get(number, {})
                    for report in range(course.number, now)
                ]
                course.report(rows, present[number])
            if all(course.through for course in courses):
                break
        return courses

    def _record(self) -> dict[str, np.ndarray]:
        """Return the training figures so far by name, ``(members, reports)``."""
        loss, *gauged = keras.ops.convert_to_numpy(self.model.record).astype(float)
        named = zip(self.team.gauges, gauged, strict=True)
        return {"loss": loss} | {gauge.name: _figure(gauge, values) for gauge, values in named}

    def _shown(self, ends: list[int]) -> Iterator[int]:
        """Yield the steps at whose end something is looked at, and show a bar of them where it is wanted."""
        if not self.team.first.verbose:
            yield from ends
            return
        with bar(f"steps of {len(self.team.members)} models", ends[-1]) as progress:
            for end in ends:
                yield end
                progress.update(progress.task_ids[0], completed=end)

    def _validation(self, numbers: list[int]) -> dict[int, dict[str, float]]:
        """Return the validation figures of these members as they are, by name."""
        held = [feed.validation for feed in self.team.feeds if feed.validation is not None]
        outputs = self._predict([x for x, *_ in held])
        penalties = [keras.ops.convert_to_numpy(penalty) for penalty in self.model.penalties()]
        found = {}
        for number in numbers:
            _, y, *weight = held[self.team.streams[number]]
            target, answers = keras.ops.cast(y, "float32"), outputs[number][: len(y)]
            losses = keras.ops.convert_to_numpy(self.model.rowwise(target, answers))
            penalty = sum(own[number] for own in penalties)
            found[number] = {"val_loss": float(np.mean(losses * weight[0] if weight else losses) + penalty)}
            for gauge in self.team.gauges:
                each = keras.ops.convert_to_numpy(gauge.rowwise(target, answers))
                found[number][f"val_{gauge.name}"] = float(_figure(gauge, np.mean(each, dtype=float)))
        return found

    def _predict(self, streams: list[np.ndarray]) -> np.ndarray:
        """Return ``(members, rows, outputs)`` for rows of each stream, padded to the longest."""
        longest = max(map(len, streams))
        x = np.zeros((len(streams), longest, self.model.features), "float32")
        for padded, rows in zip(x, streams, strict=True):
            padded[: len(rows)] = rows.reshape(len(rows), -1)
        parts = np.array_split(x, -(-x.size // 2**24), axis=1)
        return np.concatenate([self.model.predict_on_batch((part, part[:, :, 0])) for part in parts], axis=1)


def _figure(gauge: plan.Gauge, mean: Any) -> Any:
    """Return a metric's figure from its mean over rows."""
    return np.sqrt(mean) if gauge.root else mean


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

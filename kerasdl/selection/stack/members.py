"""Who is trained in a stack? Members: each a plan, a feed, an order of its rows, an optimizer.

In go a member's parts; out come what members of one stack must have in common, and which of them share rows.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import keras
import numpy as np
import pandas as pd

from kerasdl.estimators.losses import Loss
from kerasdl.estimators.steps import Feed, Length
from kerasdl.selection.identity import identity
from kerasdl.selection.stack import plan
from kerasdl.selection.stack.plan import MOVES, Gauge, gauge

Arrays: TypeAlias = list[list[np.ndarray]]  # one member's weights, layer by layer


class Member(NamedTuple):
    """One model to train.

    Attributes:
        length: how long it is trained.
        loss: what it is compiled with.
        plan: its layers, their weights as it starts.
        feed: its rows, as wide as the widest member's.
        seed: of its batches' order.
        stream: what it shares rows and order by: members with equal ones are fed once.
        optimizer: its name, settings and rate, as :func:`plan.settings` gives them.
        verbose: Keras's progress on the console.
        callbacks: that watch it.
        metrics: what a model compiled with its metrics says that they are.
    """

    length: Length
    loss: Loss
    plan: plan.Plan
    feed: Feed
    seed: int
    stream: tuple
    optimizer: tuple[str, dict, float | None]
    verbose: int
    callbacks: Sequence[keras.callbacks.Callback] = ()
    metrics: Sequence[keras.metrics.Metric] = ()

    @property
    def gauges(self) -> list[Gauge]:
        """The metrics as means over rows.

        Raises:
            Unstackable: one of them is something else.
        """
        return [gauge(one) for own in self.metrics for one in getattr(own, "metrics", ())]

    @property
    def moves(self) -> bool:
        """Whether a callback changes its rate on the way."""
        return any(isinstance(one, MOVES) for one in self.callbacks)


class Trained(NamedTuple):
    """What became of a member: its arrays, its history, and its outputs for the rows asked for."""

    arrays: Arrays
    history: pd.DataFrame
    outputs: list[np.ndarray]


class Dropped(NamedTuple):
    """Keys and rates of the dropout at one place: one of each where all members agree."""

    keys: list[int]
    rates: list[float]


class Team:
    """Members of equal :func:`kin`, trained together.

    Attributes:
        members: in their order.
        streams: each member's number among the streams.
        feeds, seeds: of each stream.
        leaders: of each stream, the first member that it feeds.
        gauges: all members' metrics.
    """

    def __init__(self, members: list[Member]):
        self.members = members
        keys = list(dict.fromkeys(member.stream for member in members))
        self.streams = tuple(keys.index(member.stream) for member in members)
        self.leaders = [self.streams.index(stream) for stream in range(len(keys))]
        self.feeds = [members[number].feed for number in self.leaders]
        self.seeds = [members[number].seed for number in self.leaders]
        self.gauges = members[0].gauges

    @property
    def first(self) -> Member:
        """Any member, for what all have in common."""
        return self.members[0]

    @property
    def plans(self) -> list[plan.Plan]:
        return [member.plan for member in self.members]

    @property
    def rates(self) -> list[float] | None:
        """The members' learning rates; None where a schedule gives them."""
        rates = [rate for *_, rate in (member.optimizer for member in self.members) if rate is not None]
        return rates or None

    @property
    def varied(self) -> bool:
        """Whether some member's rate is ever another than some other's."""
        return self.rates is not None and (len(set(self.rates)) > 1 or self.first.moves)

    def penalised(self) -> tuple[tuple[bool, ...], ...]:
        """Return, of each layer, which of its four kinds of penalty any member uses."""
        used = np.any([own.penalties > 0 for own in self.plans], axis=0)
        return tuple(tuple(map(bool, layer)) for layer in used)

    def dropout(self) -> dict[int, Dropped]:
        """Return the dropout by its place among the layers."""
        found = {}
        for place in sorted(set().union(*(own.dropout for own in self.plans))):
            own = [one.dropout.get(place, (0.0, 0)) for one in self.plans]
            keys, rates = [key for rate, key in own if rate], [rate for rate, _ in own]
            found[place] = Dropped(
                keys[:1] if len(set(keys)) == 1 else [key for _, key in own],
                rates[:1] if len(set(rates)) == 1 else rates,
            )
        return found


def kin(member: Member) -> tuple:
    """Return what must be equal for members to be trained together.

    Raises:
        Unstackable: this one can't be.
    """
    _, loss = plan.rowwise(member.loss)
    name, settings, rate = member.optimizer
    shapes = tuple(tuple(np.shape(array) for array in arrays) for arrays in member.plan.arrays)
    if rate is not None and name == "Ftrl":
        settings = settings | {"learning_rate": rate}  # its step is not in proportion to its rate
    plan.watched(member.callbacks, member.optimizer)
    length, validates = member.length, member.feed.validation is not None
    return (
        member.plan.shared,
        shapes,
        (length.epochs, length.batch_size, length.report_every),
        identity([name, sorted(settings.items())]),
        loss,
        rate is None,
        member.moves,
        tuple((own.name, own.key) for own in member.gauges),
        member.feed.y.shape[1:],
        validates,
    )

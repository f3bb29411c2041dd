"""Which way are the folds trained? Together, in turn, or on an engine's workers.

In go estimators, folds and a judge; out come, for each estimator, its judged folds, and the way they went.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from kerasdl import devices, engines
from kerasdl.estimators import inputs
from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.selection.folds import Folds
from kerasdl.selection.in_turn import Way, way
from kerasdl.selection.prepared import last
from kerasdl.selection.resume import Ledger, Outcome, Place, raising
from kerasdl.selection.scoring import Judge, Judged
from kerasdl.selection.stack.plan import Unstackable
from kerasdl.selection.together import Group, grouped
from kerasdl.selection.workers import sent


class Verdict(NamedTuple):
    """What came of all.

    Attributes:
        judged: for each estimator its folds in order, in turn each trained when it is asked for; one whose
            loss became NaN or infinite then raises ``FloatingPointError``.
        engine: ``"together"``, ``"in turn"``, or whose workers trained them.
        reason: why not together, or "".
    """

    judged: list[Iterator[Judged]]
    engine: str
    reason: str


def judged(
    estimators: list[BaseEstimator],
    folds: Folds,
    judge: Judge,
    vectorize: bool | str,
    ledger: Ledger,
    settings: Sequence[dict[str, Any]] = ({},),
) -> Verdict:
    """Fit and score each estimator on each fold, save for what the ledger has of an earlier call.

    Args:
        estimators, folds, judge: what to fit, on what, and who judges.
        vectorize: True, False or ``"auto"``.
        ledger: what is done already.
        settings: what tells the estimators apart, for messages.

    Raises:
        ValueError: an unknown ``vectorize``; or it is True and the estimators can't be stacked.
        FoldsLost: workers died with some folds; it holds the others' scores.
    """
    if vectorize not in (True, False, "auto"):
        raise ValueError(f"vectorize={vectorize!r}: give True, False or 'auto'")
    engine = engines.active()
    if engine is not None:
        if vectorize is True:
            raise ValueError(
                "vectorize=True trains all folds as one model here, and parallel_config asks for "
                f"{engine.name}'s workers: leave one of the two out"
            )
        reason = "each fold is a piece of work, as parallel_config asks"
        return Verdict(sent(engine, estimators, folds, judge, ledger, settings), engine.name, reason)
    reason = _hindrance(estimators, folds, vectorize)
    if not reason:
        try:
            groups = grouped(estimators, folds)
        except Unstackable as why:
            reason = str(why)
        else:
            return Verdict(_together(groups, len(estimators), folds, judge, ledger), "together", "")
    if vectorize is True:
        raise ValueError(f"vectorize=True, but {reason}: use 'auto' to train fold by fold")
    each = [raising(_in_turn(place, one, folds, judge, ledger)) for place, one in enumerate(estimators)]
    return Verdict(each, "in turn", reason)


def _hindrance(estimators: list[BaseEstimator], folds: Folds, vectorize: bool | str) -> str:
    """Return why the folds can't be trained together, as far as that shows before any is looked at."""
    ends = [last(estimator) for estimator in estimators]
    if not all(isinstance(end, KerasEstimator) for end in ends):
        return f"{type(ends[0]).__name__} is not a Keras estimator"
    if not vectorize:
        return "vectorize=False"
    if devices.count() > 1:
        return f"each fold is trained on {devices.count()} devices"
    if inputs.several(folds.X):
        return "X has several inputs"
    return ""


def _together(
    groups: list[Group], estimators: int, folds: Folds, judge: Judge, ledger: Ledger
) -> list[Iterator[Judged]]:
    """Train one group after the other, each as one model, and judge its members."""
    found: dict[Place, Outcome] = {}
    while groups:
        group = groups.pop(0)  # its rows and models may go once it is judged
        outcomes = ledger.find(group.places)
        if outcomes is None:
            outcomes = {}
            for place, fitted in zip(group.places, group.fitted(), strict=True):
                with _diverging(outcomes, place):
                    outcomes[place] = judge.judge(fitted, folds.folds[place[1]])
            ledger.keep(outcomes)
        found |= outcomes
    return [raising([found[setting, fold.number] for fold in folds]) for setting in range(estimators)]


def _in_turn(
    setting: int, estimator: BaseEstimator, folds: Folds, judge: Judge, ledger: Ledger
) -> Iterator[Outcome]:
    """Fit and judge an estimator on one fold after the other."""
    present: Way | None = None
    for fold in folds:
        place = setting, fold.number
        outcomes = ledger.find([place])
        if outcomes is None:
            present, outcomes = present or way(estimator, folds), {}
            with _diverging(outcomes, place):
                outcomes[place] = judge.judge(present.fit(fold), fold)
            ledger.keep(outcomes)
        yield outcomes[place]


@contextlib.contextmanager
def _diverging(outcomes: dict[Place, Outcome], place: Place) -> Iterator[None]:
    """Let a loss that becomes NaN or infinite be the outcome."""
    try:
        yield
    except FloatingPointError as error:
        outcomes[place] = error.with_traceback(None)  # which would keep the model

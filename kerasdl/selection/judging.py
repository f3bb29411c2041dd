"""Which way are the folds trained? Together, in turn, or on an engine's workers.

In go estimators, folds and a judge; out come, for each estimator, its judged folds, and the way they went.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from kerasdl import devices, engines
from kerasdl.estimators import inputs
from kerasdl.estimators.estimator import KerasEstimator
from kerasdl.selection.fitted import Fitted
from kerasdl.selection.folds import Folds
from kerasdl.selection.in_turn import way
from kerasdl.selection.prepared import last
from kerasdl.selection.scoring import Judge, Judged
from kerasdl.selection.stack.plan import Unstackable
from kerasdl.selection.together import fit_together
from kerasdl.selection.workers import sent


class Verdict(NamedTuple):
    """What came of all.

    Attributes:
        judged: for each estimator its folds in order, each judged when it is asked for; one whose loss
            became NaN or infinite then raises ``FloatingPointError``.
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
    settings: Sequence[dict[str, Any]] = ({},),
) -> Verdict:
    """Fit and score each estimator on each fold.

    Args:
        estimators, folds, judge: what to fit, on what, and who judges.
        vectorize: True, False or ``"auto"``.
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
        return Verdict(sent(engine, estimators, folds, judge, settings), engine.name, reason)
    reason = _hindrance(estimators, folds, vectorize)
    if not reason:
        try:
            fitted = fit_together(estimators, folds)
        except Unstackable as why:
            reason = str(why)
        else:
            return Verdict([_scored(fits, folds, judge) for fits in fitted], "together", "")
    if vectorize is True:
        raise ValueError(f"vectorize=True, but {reason}: use 'auto' to train fold by fold")
    return Verdict([_scored(_fits(one, folds), folds, judge) for one in estimators], "in turn", reason)


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


def _fits(estimator: BaseEstimator, folds: Folds) -> Iterator[Fitted]:
    """Fit an estimator on one fold after the other."""
    present = way(estimator, folds)
    for fold in folds:
        yield present.fit(fold)


def _scored(fits: Iterable[Fitted], folds: Folds, judge: Judge) -> Iterator[Judged]:
    for fold, fitted in zip(folds, fits, strict=True):
        yield judge.judge(fitted, fold)

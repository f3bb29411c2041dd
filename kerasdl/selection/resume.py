"""What of this call is done already? Each finished fold or stack of folds, kept in a folder.

A call and a folder go in; out come the units that an earlier, interrupted one finished there, and files of
those that this one finishes. A unit is what is trained at a time: a setting on a fold or, of folds that are
trained together, all members of their stack. Its files are those of :mod:`kerasdl.training.checkpoints`.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

import keras
import pandas as pd
from sklearn.base import BaseEstimator, clone

from kerasdl import engines, files
from kerasdl.selection.folds import Folds
from kerasdl.selection.scoring import Judged
from kerasdl.training import checkpoints, contents, digests

Place: TypeAlias = tuple[int, int]  # the number of a setting, and of a fold
Outcome: TypeAlias = Judged | FloatingPointError  # a loss that became NaN is a finding too
Outcomes: TypeAlias = Mapping[Place, Outcome]


class Ledger:
    """Keeps nothing, as in a call without ``resume``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def find(self, unit: Iterable[Place]) -> Outcomes | None:
        """Return what became of a unit, if that is kept."""
        return None

    def keep(self, outcomes: Outcomes) -> None:
        """Keep what became of a unit."""


class Folder(Ledger):
    """Keeps what a call finishes in a folder of its own, until the call is made again.

    Args:
        folder: of this call alone. Made if it is not there.
        call: digests of what must be the same in the call that goes on, each by the word for it.

    Raises:
        ValueError: the folder holds another call, or nothing whole.
        RuntimeError: another call uses it now.
        NotADirectoryError: it is a file.
    """

    def __init__(self, folder: str | Path, call: dict[str, str]):
        self.folder = checkpoints.place(folder)
        self._lock = files.hold(self.folder)
        try:
            found = checkpoints.read(self.folder)
            if found is None:
                checkpoints.write(self.folder, 0, {"is": call}, {})
                return
            was = found[0].get("is")
            other = [name for name, one in call.items() if not isinstance(was, dict) or was.get(name) != one]
            if other:
                mend = ", or fix its random_state" if set(other) & {"folds", "settings"} else ""
                raise ValueError(
                    f"resume={str(folder)!r} holds a call with other {' and '.join(other)}: give another "
                    f"folder, or delete this one to begin anew{mend}"
                )
        except BaseException:
            files.let_go(self._lock)
            raise

    def __exit__(self, *_: object) -> None:
        files.let_go(self._lock)

    def find(self, unit: Iterable[Place]) -> Outcomes | None:
        unit = list(unit)
        folder = self._folder(unit)
        if not checkpoints.numbers(folder):
            return None
        try:
            record, arrays = checkpoints.pair(folder, 0)
            if record["places"] != [list(place) for place in unit]:
                raise ValueError("it holds other folds")
            outcomes = [_unpacked(one, arrays) for one in record["outcomes"]]
        except (ValueError, KeyError, TypeError) as damage:
            warnings.warn(f"{folder}: {damage}: it is trained anew", stacklevel=2)
            return None
        return dict(zip(unit, outcomes, strict=True))

    def keep(self, outcomes: Outcomes) -> None:
        arrays: checkpoints.Arrays = {}
        try:
            kept = [_packed(one, arrays) for one in outcomes.values()]
        except TypeError as error:
            raise TypeError(f"resume={str(self.folder)!r}: an answer ({error}): leave resume out") from error
        record = {"places": [list(place) for place in outcomes], "outcomes": kept}
        checkpoints.write(self._folder(outcomes), 0, record, arrays)

    def _folder(self, unit: Iterable[Place]) -> Path:
        setting, fold = next(iter(unit))
        return self.folder / f"setting-{setting + 1}-fold-{fold + 1}"


def ledger(
    resume: str | Path | None,
    estimator: BaseEstimator,
    folds: Folds,
    scoring: Any,
    vectorize: bool | str,
    settings: Sequence[Mapping[str, Any]] = (),
) -> Ledger:
    """Return what keeps a call: nothing, or its folder.

    Args:
        resume: the folder, or None.
        estimator, folds, scoring, vectorize, settings: all that decides what the call finds. It is the same
            call where :func:`kerasdl.training.contents.described` finds the same in all of them.

    Raises:
        ValueError, RuntimeError: as :class:`Folder`.
        TypeError: something of which can't be told whether it is the same.
    """
    if resume is None:
        return Ledger()
    engine = engines.active()
    rows = [[digests.array(side.rows) for side in (fold.train, fold.valid)] for fold in folds]
    others = {name: digests.version(name) for name in ("numpy", "scikit-learn")}
    call = {
        "backend": keras.backend.backend(),
        "versions": json.dumps(digests.versions() | others),
    }
    held = {
        "data": [folds.X, folds.y, folds.weight, folds.groups],
        "folds": rows,
        "estimator": clone(estimator, safe=False),  # without what it has learned, which counts for nothing
        "settings": list(settings),
        "scoring": scoring,
        "vectorize or engine": [vectorize, engine and engine.name],
    }
    for name, one in held.items():
        try:
            call[name] = digests.digest(contents.described(one))
        except TypeError as error:
            raise TypeError(
                f"resume={str(resume)!r}: {name} holds {error}, and whether that is the same next time "
                "can't be told: leave resume out"
            ) from error
    return Folder(resume, call)


def _packed(outcome: Outcome, arrays: checkpoints.Arrays) -> Any:
    """Return an outcome as JSON and arrays.

    Raises:
        TypeError: a prediction or a score is no number, word or array of these.
    """
    if isinstance(outcome, FloatingPointError):
        return {"error": f"{outcome}"}
    history = outcome.history
    told = None
    if history is not None:
        index = history.index
        told = {
            "columns": {name: history[name].to_numpy() for name in history.columns},
            "epochs": (index.start, index.stop, index.step),
            "attrs": history.attrs,
        }
    value = (outcome.row, told, outcome.predictions, outcome.probabilities, outcome.decisions)
    return {"judged": checkpoints.packed(value, arrays, "a")}


def _unpacked(kept: Any, arrays: checkpoints.Arrays) -> Outcome:
    """Return what :func:`_packed` was given.

    Raises:
        ValueError, KeyError, TypeError: it did not make this.
    """
    if "error" in kept:
        return FloatingPointError(kept["error"])
    row, told, predictions, probabilities, decisions = checkpoints.unpacked(kept["judged"], arrays)
    history = None
    if told is not None:
        history = pd.DataFrame(told["columns"], index=pd.RangeIndex(*told["epochs"], name="epoch"))
        history.attrs = told["attrs"]
    return Judged(row, history, predictions, probabilities, decisions, None)


def raising(outcomes: Iterable[Outcome]) -> Iterator[Judged]:
    """Yield outcomes until one is an error, and raise that."""
    for outcome in outcomes:
        if isinstance(outcome, FloatingPointError):
            raise outcome
        yield outcome

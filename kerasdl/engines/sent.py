"""How is work done by an engine's workers? Call by call, and what was lost with a worker once more.

An engine, the work and its calls go in; each call's place, result and error come out as it finishes.
"""

import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

import cloudpickle
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kerasdl import backends
from kerasdl.engines.kinds import Engine
from kerasdl.engines.worker import perform


class WorkerLost(RuntimeError):
    """A worker died while it did this piece of work, and so did a second one that did it alone."""


def run(engine: Engine, work: tuple, calls: Sequence[tuple], label: str) -> Iterator[tuple]:
    """Yield each call's place and result as it finishes, and show how many have finished.

    Args:
        engine: from :func:`active`.
        work: ``(make, arguments)``: each worker calls ``make`` once, and then what that returns.
        calls: the arguments of each call.
        label: stands before the progress bar, which is shown on a terminal.

    Yields:
        ``(place, result, error)``; the error is None, what the call raised, or :class:`WorkerLost`.

    Raises:
        TypeError: the work cannot be pickled.
    """
    try:
        content = cloudpickle.dumps(work)
    except Exception as error:  # an object's own methods may raise anything as it is pickled
        raise TypeError(
            f"the estimator cannot be sent to workers ({error}): its builder must not use an open file, a "
            "lock or a model that was made outside it"
        ) from error
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    try:
        with shown as progress:
            bar = progress.add_task(f"{label} on {engine.name}", total=len(calls))
            for outcome in _gathered(engine, content, calls):
                progress.advance(bar)
                yield outcome
    finally:
        engine.close()


def _gathered(engine: Engine, content: bytes, calls: Sequence[tuple]) -> Iterator[tuple]:
    """Give the calls to the engine and yield results as they come.

    A worker that dies may take others' work with it. All that was lost runs once more, one at a time, so that
    the piece that is lost again is the one to blame.
    """
    waiting, suspects = deque(range(len(calls))), deque[int]()
    flying: dict[Future, int] = {}
    limit = engine.limit or len(calls)
    backend, token, shared = backends.use().name, uuid.uuid4().hex, engine.share(content)
    try:
        while waiting or suspects or flying:
            alone = not (waiting or flying)
            if alone:
                shared = engine.share(content)  # on Dask it may have died with the worker
            for _ in range(1 if alone else min(limit - len(flying), len(waiting))):
                place = (suspects if alone else waiting).popleft()
                flying[engine.submit(perform, backend, token, shared, *calls[place])] = place
            for future in sorted(wait(flying, return_when=FIRST_COMPLETED).done, key=flying.__getitem__):
                place = flying.pop(future)
                try:
                    yield place, *future.result()
                except engine.lost as loss:
                    if alone:
                        yield place, None, WorkerLost(f"{type(loss).__name__}: {loss}")
                    else:
                        suspects.append(place)
    finally:
        if flying:
            engine.give_up(flying, token)

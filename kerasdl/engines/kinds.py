"""Where does much work run? On the workers of the engine that joblib's ``parallel_config`` names.

A function and a list of calls go in; each call's result or error comes out as it finishes. The engines queue,
place and move the work themselves: loky on this machine, Dask and Ray on any number of machines. Here is what
they share: what is sent, how a worker makes itself ready, and what happens to work whose worker died. Keras
is not imported here, so that a worker can choose its backend first.
"""

import importlib.util
import os
import signal
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from pathlib import Path
from typing import Any, ClassVar

import cloudpickle
import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool
from joblib.parallel import get_active_backend, register_parallel_backend
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kerasdl import backends, files

PACKAGES = {"dask": "distributed", "ray": "ray"}
# What limits a process's threads: BLAS and OpenMP (torch) by the first three, then TensorFlow, then JAX.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KERAS_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")
IDLE_SECONDS = 300  # a loky worker waits so long for more work before it ends


class WorkerLost(RuntimeError):
    """A worker died while it did this piece of work, and so did a second one that did it alone."""


def active() -> "Engine | None":
    """Return the engine that a surrounding ``joblib.parallel_config`` asks for, or None.

    Raises:
        ValueError: an engine on which Keras would hang, or give results that depend on timing; the message
            says which, and what to use.
    """
    backend, jobs = get_active_backend()
    # joblib makes a new backend at each call unless a context holds one.
    named = backend is get_active_backend()[0]
    if (not named and jobs is None) or jobs == 1 or backend.nesting_level:
        return None
    kind = type(backend).__name__
    if kind == "SequentialBackend":
        return None
    if kind == "MultiprocessingBackend":
        raise ValueError(
            "joblib backend 'multiprocessing' forks this process, and TensorFlow and JAX hang in a fork: "
            "use parallel_config('loky')"
        )
    if kind == "ThreadingBackend":
        raise ValueError(
            "joblib backend 'threading' shares one Keras and its random numbers between threads, so that "
            "scores would depend on their timing: use parallel_config('loky')"
        )
    engines = {"LokyBackend": Loky, "DaskDistributedBackend": Dask, "RayBackend": Ray}
    if kind not in engines:
        raise ValueError(f"joblib backend {kind!r} is not known here: use 'loky', 'dask' or 'ray'")
    return engines[kind](backend, jobs)


class Engine:
    """The workers of one engine; a subclass for each says how it is spoken to.

    Attributes:
        name: as joblib names it.
        limit: how many pieces of work it is given at once; None: all.
        lost: the errors by which it says that a worker died.
    """

    name: str
    limit: int | None = None
    lost: tuple[type[BaseException], ...]

    def share(self, content: bytes) -> Any:
        """Bring content to all workers, and return what stands for it among the arguments of a call."""
        raise NotImplementedError

    def submit(self, function: Callable, *arguments: Any) -> Future:
        """Call a function on a worker."""
        raise NotImplementedError

    def cancel(self, future: Future) -> None:
        """Give up a piece of work, if it has not begun."""
        future.cancel()

    def give_up(self, futures: Iterable[Future]) -> None:
        """Give up all work that is left, what has begun too where that is possible."""
        for future in futures:
            self.cancel(future)

    def close(self) -> None:
        """Remove what was shared."""


class Loky(Engine):
    """Processes on this machine, which wait for more work for a while.

    joblib keeps processes too, and complains of those that it has not started itself: these are separate.
    They end with this process, however it ends, and take what it has shared along.
    """

    name, lost = "loky", (BrokenProcessPool,)
    waiting: ClassVar[dict[tuple, ProcessPoolExecutor]] = {}

    def __init__(self, backend: Any, jobs: int | None) -> None:
        self.limit = joblib.cpu_count() if jobs is None else backend.effective_n_jobs(jobs)
        threads = backend.inner_max_num_threads or max(1, joblib.cpu_count() // self.limit)
        if backend.inner_max_num_threads is None:
            threads = os.environ.get("OMP_NUM_THREADS", threads)
        self.environment = dict.fromkeys((*THREADS, *KERAS_THREADS), str(threads))
        self.file: Path | None = None

    def share(self, content: bytes) -> Path:
        if self.file is None:
            handle, name = tempfile.mkstemp(prefix=_shared_by(os.getpid()))
            self.file = Path(name)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
        return self.file

    def submit(self, function: Callable, *arguments: Any) -> Future:
        kind = (self.limit, *self.environment.items())
        if kind in self.waiting:
            try:
                return self.waiting[kind].submit(function, *arguments)
            except BrokenProcessPool:  # a worker has died, and the others with it
                pass
        self.stop()
        pool = ProcessPoolExecutor(
            self.limit,
            timeout=IDLE_SECONDS,
            env=self.environment,
            initializer=end_with,
            initargs=(os.getpid(),),
        )
        self.waiting[kind] = pool
        return pool.submit(function, *arguments)

    def give_up(self, futures: Iterable[Future]) -> None:
        self.stop()  # what has begun can't be cancelled, and would keep this process from ending

    def close(self) -> None:
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    @classmethod
    def stop(cls) -> None:
        """End the workers that wait."""
        while cls.waiting:
            cls.waiting.popitem()[1].shutdown(kill_workers=True)


class Dask(Engine):
    """The workers of the Dask cluster that this process is a client of."""

    name = "dask"

    def __init__(self, backend: Any, jobs: int | None) -> None:
        from distributed.scheduler import KilledWorker

        # Where only the dead worker held the content, calls that wait for it are cancelled.
        self.client, self.lost = backend.client, (KilledWorker, CancelledError)
        self.executor = self.client.get_executor(pure=False)

    def share(self, content: bytes) -> Any:
        return self.client.scatter(content, broadcast=True, hash=False)

    def submit(self, function: Callable, *arguments: Any) -> Future:
        return self.executor.submit(function, *arguments)


class Ray(Engine):
    """The Ray cluster that this process is connected to; else that at RAY_ADDRESS; else one started here.

    Without ``n_jobs`` the cluster decides how much runs at once; joblib's own Ray backend would then run
    everything in this process.
    """

    name = "ray"

    def __init__(self, backend: Any, jobs: int | None) -> None:
        import ray

        if not ray.is_initialized():
            ray.init()
        # A lost piece of work must come back here, where it is run once more, alone.
        self.ray, self.options = ray, {"max_retries": 0, **(backend.ray_remote_args or {})}
        self.references: dict[Future, Any] = {}
        self.limit = jobs if jobs is not None and jobs > 0 else None
        failures = ray.exceptions
        self.lost = (failures.WorkerCrashedError, failures.NodeDiedError, failures.OutOfMemoryError)

    def share(self, content: bytes) -> Any:
        return self.ray.put(content)

    def submit(self, function: Callable, *arguments: Any) -> Future:
        reference = self.ray.remote(function).options(**self.options).remote(*arguments)
        future = reference.future()
        self.references[future] = reference
        future.add_done_callback(lambda done: self.references.pop(done, None))
        return future

    def cancel(self, future: Future) -> None:
        if (reference := self.references.get(future)) is not None:
            self.ray.cancel(reference)


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
            engine.give_up(flying)


def _shared_by(process: int) -> str:
    """What the name of a file begins with that this process shares with its workers."""
    return f"kerasdl-{process}-"


# On a worker.


def end_with(parent: int) -> None:
    """Let this process end when its parent has, killed outright even, and with it what the parent shared."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        for path in Path(tempfile.gettempdir()).glob(f"{_shared_by(parent)}*"):
            path.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)

    if os.name == "posix":  # elsewhere a process does not learn of its parent's end
        threading.Thread(target=watch, daemon=True).start()


_turn = threading.Lock()
_made: tuple[str, Any] = ("", None)


def perform(backend: str, token: str, shared: bytes | Path, *call: Any) -> tuple[Any, Exception | None]:
    """Do one call of the work on a worker, and return its result and None, or None and its error.

    Errors are returned, not raised, since each engine would wrap them in a way of its own.
    """
    global _made
    with _turn:  # a Dask worker may have several threads; Keras and the streams are one a process
        try:
            if _made[0] != token:
                threads = os.environ.get("OMP_NUM_THREADS", "1")  # each engine has set it to a worker's share
                for name in KERAS_THREADS:
                    os.environ.setdefault(name, threads)
                backends.use(backend)
                _made = (token, _make(shared.read_bytes() if isinstance(shared, Path) else shared))
            return _made[1](*call), None
        except Exception as error:  # noqa: BLE001  judged where the work was asked for
            return None, error


def _make(content: bytes) -> Any:
    try:
        make, arguments = cloudpickle.loads(content)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"a worker cannot read the work ({error}): install the module that defines the builder there"
        ) from error
    return make(*arguments)


def _register() -> None:
    """Make ``parallel_config("ray")`` work, and make a missing engine say how to install it."""

    def missing(name: str) -> Callable:
        def refuse(**_: Any) -> None:
            command = files.pip_install(name)
            raise ModuleNotFoundError(f"joblib backend {name!r} is not installed: {command}")

        return refuse

    def ray(**settings: Any) -> Any:
        from ray.util.joblib.ray_backend import RayBackend

        return RayBackend(**settings)

    for name, package in PACKAGES.items():
        if importlib.util.find_spec(package) is None:
            register_parallel_backend(name, missing(name))
        elif name == "ray":
            register_parallel_backend(name, ray)


_register()

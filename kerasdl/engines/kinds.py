"""Which engines are there? loky, Dask and Ray, and how each is spoken to.

The engine that a surrounding ``joblib.parallel_config`` asks for comes out of :func:`active`.
"""

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, ClassVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool
from joblib.parallel import get_active_backend, register_parallel_backend

from kerasdl import files
from kerasdl.engines.worker import KERAS_THREADS, THREADS, end_with, shared_by, stop

PACKAGES = {"dask": "distributed", "ray": "ray"}
IDLE_SECONDS = 300  # a loky worker waits so long for more work before it ends


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

    def give_up(self, futures: Iterable[Future], token: str) -> None:
        """Give up all that is left of the work of this token, what has begun too."""
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
            handle, name = tempfile.mkstemp(prefix=shared_by(os.getpid()))
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

    def give_up(self, futures: Iterable[Future], token: str) -> None:
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

    def give_up(self, futures: Iterable[Future], token: str) -> None:
        super().give_up(futures, token)
        with contextlib.suppress(OSError, TimeoutError):  # the cluster has gone, and what ran there too
            self.client.run(stop, token, on_error="ignore")  # Dask itself lets run what has begun


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


def register() -> None:
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


register()

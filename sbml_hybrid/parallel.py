"""One ordered map over joblib that outlives its workers, with progress: the only doorway to joblib."""

from __future__ import annotations

import logging
import pickle
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

log = logging.getLogger("sbml_hybrid")

_TOGETHER, _ALONE = 2, 3  # deaths beside others before an item is run alone, and alone before it is given up
_PATIENCE = 30  # seconds without a result until somebody asks whether there are workers
_IDLE = 60  # seconds until a worker process without work ends, or one whose parent was killed
# Two engines' pools of threads would crowd the cores, and a sum over two threads rounds otherwise.
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
_Entry = tuple[int, tuple[Any, ...]]


def ordered_map(
    function: Callable[..., Any],
    items: Iterable[tuple[Any, ...]],
    total: int,
    jobs: int | None = 1,
    label: str = "",
    lost: Callable[..., Any] | None = None,
) -> Iterator[Any]:
    """Yield ``function(*item)`` for every item, in order, as the results arrive.

    Items are taken when a worker is free for them. Where a worker process dies (killed, or out of memory), its item is
    computed again in a new one, together with what was under way beside it; an item that kills its worker whenever it
    is alone is given up after three times.

    Parameters
    ----------
    function
        A function that can be pickled, which is done once: a ``functools.partial`` holds what is the same for all
        items, and a worker process unpacks it for the first of them.
    items
        The arguments of each call; may be a generator.
    total
        How many there are.
    jobs
        How many processes; 1 stays in this one. None takes what
        ``joblib.parallel_config`` says, so ``with joblib.parallel_config("dask"):`` runs on a cluster.
    label
        What the progress bar says; without one there is no bar.
    lost
        Called with an item that is given up, in this process; what it returns takes the place of the result.
        Without it the worker's death is raised.

    Raises
    ------
    ValueError
        `jobs` is 0 or not a whole number.
    """
    if not uses_processes(jobs, total):
        return progress((function(*item) for item in items), total, label)
    workers = _workers(jobs)
    return progress(_in_order(_outliving(workers.sent(function), enumerate(items), workers, lost)), total, label)


def uses_processes(jobs: int | None, total: int) -> bool:
    """Return whether `ordered_map` would go beyond this process and thread; ValueError as there."""
    if jobs is not None and (int(jobs) != jobs or jobs == 0):
        raise ValueError(f"jobs must be a whole number: 1 or more, or -1 for all cores; got {jobs!r}.")
    return _configured() or (jobs != 1 and total > 1)


def processes(jobs: int | None, total: int) -> int:
    """Return how many processes `ordered_map` would keep at work with `total` items; ValueError as there."""
    return min(_workers(jobs).count(), total) if uses_processes(jobs, total) else 1


def _in_order(arriving: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    waiting: dict[int, Any] = {}
    following = 0
    for number, result in arriving:
        waiting[number] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _outliving(
    function: Callable[..., Any], items: Iterator[_Entry], workers: _Workers, lost: Callable[..., Any] | None
) -> Iterator[tuple[int, Any]]:
    """Yield (number, result) as they come, and go on after workers died."""
    again: deque[_Entry] = deque()
    deaths: Counter[int] = Counter()
    held: dict[Future, _Entry] = {}
    try:
        while True:
            while len(held) < workers.room() and (entry := again.popleft() if again else next(items, None)):
                held[workers.submit(function, entry)] = entry
            if not held:
                return
            fallen = []
            for future in _done(held, workers):
                number, item = held.pop(future)
                if not _is_loss(error := future.exception()):
                    yield number, future.result()
                elif _tried_by_cluster(error) or deaths[number] + 1 >= _TOGETHER:
                    yield number, _alone(function, (number, item), workers, lost)
                else:
                    fallen.append((number, item))
            if fallen:
                deaths.update(number for number, _ in fallen)
                again.extend(fallen)
                log.warning("a worker process died; what it was doing is done again")
    finally:
        workers.stop(held)


def _done(held: Iterable[Future], workers: _Workers) -> Iterable[Future]:
    """Wait for some that are done, and say so where nobody is there to do them."""
    told = False
    while not (done := wait(held, _PATIENCE, return_when=FIRST_COMPLETED).done):
        if not told and not workers.count():
            log.warning(
                "the cluster has no worker now; this waits until it has one (cluster.adapt(minimum=2), for example, "
                "starts them anew where they died)"
            )
            told = True
    return done


def _alone(function: Callable[..., Any], entry: _Entry, workers: _Workers, lost: Callable[..., Any] | None) -> Any:
    for _ in range(_ALONE):
        (future,) = _done([workers.submit(function, entry)], workers)
        if not _is_loss(error := future.exception()):
            return future.result()
        if _tried_by_cluster(error):
            break
    if lost is None:
        raise error
    log.warning(
        "a piece of work kills its worker process whenever it is tried, and is given up (%s)", type(error).__name__
    )
    return lost(*entry[1])


@dataclass(frozen=True, eq=False)
class _Workers:
    """Who does the work: processes on this machine, threads of this process, or a dask cluster.

    Parameters
    ----------
    pool
        Returns the executor; a new one where the last one broke.
    count
        Returns how many workers there are; a cluster grows and shrinks.
    end
        Ends those that are still at work.
    elsewhere
        Whether they are other processes.
    """

    pool: Callable[[], Executor]
    count: Callable[[], int]
    end: Callable[[], None]
    elsewhere: bool = True

    def sent(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What stands for a function on its way to them: a model of 200 species takes 50 ms to pack or unpack."""
        if not self.elsewhere:
            return function
        import cloudpickle

        return partial(_called, cloudpickle.dumps(function))

    def room(self) -> int:
        """How many items to hand out: what is being done, and as many waiting."""
        return 2 * max(self.count(), 1)

    def submit(self, function: Callable[..., Any], entry: _Entry) -> Future:
        try:
            return self.pool().submit(function, *entry[1])
        except BrokenProcessPool:  # it broke since the last look
            return self.pool().submit(function, *entry[1])

    def stop(self, held: Iterable[Future]) -> None:
        """Take back what is not done."""
        left = [future for future in held if not future.done()]
        for future in left:
            future.cancel()
        if left:
            self.end()


def _workers(jobs: int | None) -> _Workers:
    import joblib
    from joblib.executor import get_memmapping_executor
    from joblib.parallel import get_active_backend

    backend, asked = get_active_backend()
    kind = type(backend).__name__
    if kind == "DaskDistributedBackend":
        # Not joblib's own dask backend: it waits for ever for a task that the cluster has given up.
        cluster = backend.client.get_executor(pure=False)
        return _Workers(lambda: cluster, lambda: sum(backend.client.ncores().values()), lambda: None)
    count = joblib.effective_n_jobs(asked if jobs is None else jobs)
    if kind == "ThreadingBackend":
        threads = ThreadPoolExecutor(count)
        return _Workers(lambda: threads, lambda: count, lambda: threads.shutdown(cancel_futures=True), elsewhere=False)
    if kind not in {"LokyBackend", "SequentialBackend"}:
        raise ValueError(f"joblib's backend {kind} is none that this runs on. Choose loky, dask or threading.")

    def pool() -> Executor:  # the one that joblib itself takes up again, in scikit-learn for instance
        return get_memmapping_executor(count, timeout=_IDLE, env=_ONE_THREAD, max_nbytes=None)

    return _Workers(pool, lambda: count, lambda: pool().shutdown(wait=False, kill_workers=True))


def _called(packed: bytes, *item: Any) -> Any:
    return _unpacked(packed)(*item)


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> Callable[..., Any]:
    return pickle.loads(packed)  # from this run's own parent


def _tried_by_cluster(error: BaseException | None) -> bool:
    """Whether a cluster says that one worker after another died of a task."""
    return type(error).__name__ == "KilledWorker"  # of distributed, which only those who use it import


def _is_loss(error: BaseException | None) -> bool:
    # Not every broken pool: an argument that a worker cannot unpickle breaks it too, and is the caller's to mend.
    return type(error).__name__ == "TerminatedWorkerError" or _tried_by_cluster(error)


def _configured() -> bool:
    """Whether the user chose a backend around the call; it then wins over `jobs`."""
    if "joblib" not in sys.modules:
        return False
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    return type(backend).__name__ not in {"LokyBackend", "SequentialBackend"}


def progress(items: Iterable[Any], total: int, label: str) -> Iterator[Any]:
    """Yield `items` with a progress bar, where somebody is looking."""
    if not label or total < 2 or not watched():
        return iter(items)
    from tqdm.auto import tqdm

    return iter(tqdm(items, total=total, desc=label, leave=False, mininterval=0.5))


def watched() -> bool:
    """Return whether somebody is looking, in a terminal or in Jupyter; a log does not want progress bars."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def one_blas_thread() -> Any:
    """Return a context in which linear algebra uses one thread.

    Sums over two threads round otherwise than over one, and a result must not depend on the number of
    cores; the matrices here are too small to gain from more.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")

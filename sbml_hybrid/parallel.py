"""One ordered map over joblib, with progress, and how many threads serve it: the only doorway to joblib."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any


def ordered_map(
    function: Callable[..., Any], items: Sequence[tuple[Any, ...]], jobs: int | None = 1, label: str = ""
) -> Iterator[Any]:
    """Yield ``function(*item)`` for every item, in order, as the results arrive.

    Parameters
    ----------
    function
        A function that can be pickled.
    items
        The arguments of each call.
    jobs
        How many processes; 1 stays in this one. None takes what
        ``joblib.parallel_config`` says, so ``with joblib.parallel_config("dask"):`` runs on a cluster.
    label
        What the progress bar says; without one there is no bar.

    Raises
    ------
    ValueError
        `jobs` is 0 or not a whole number.
    """
    if jobs is not None and (int(jobs) != jobs or jobs == 0):
        raise ValueError(f"jobs must be a whole number: 1 or more, or -1 for all cores; got {jobs!r}.")
    return progress(_results(function, items, jobs), len(items), label)


def _results(function: Callable[..., Any], items: Sequence[tuple[Any, ...]], jobs: int | None) -> Iterator[Any]:
    if (jobs == 1 and not _configured()) or len(items) < 2:
        return (function(*item) for item in items)
    import joblib

    # loky workers cap their own thread pools; two engines' pools would crowd the cores otherwise.
    parallel = joblib.Parallel(n_jobs=None if _configured() else jobs, return_as="generator")
    return parallel(joblib.delayed(function)(*item) for item in items)


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

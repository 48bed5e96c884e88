"""What one worker does: some rows of a run, one trajectory after another."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from sbml_hybrid.data import shards
from sbml_hybrid.data.places import Place
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.parallel import one_blas_thread
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.engine import plain_arrays
from sbml_hybrid.simulation.rest import Rest, Starts
from sbml_hybrid.simulation.rows import Rows
from sbml_hybrid.simulation.runs import Run
from sbml_hybrid.simulation.solver import STATUSES, WORKER_LOST, solver_of
from sbml_hybrid.simulation.switches import switch_times

log = logging.getLogger("sbml_hybrid")


@dataclass(frozen=True, eq=False)
class Task:
    """What is the same for all rows of a run.

    Parameters
    ----------
    model
        The model as the run prepared it.
    selections
        libroadrunner's names of what is recorded.
    run
        The kind of run.
    codes
        What the run says of each trajectory beside its status: name -> integer -> meaning.
    dtype
        Of the trajectories kept.
    store
        Where the rows go, if not back to the caller.
    """

    model: Model
    selections: tuple[str, ...]
    run: Run
    codes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    dtype: str = "float64"
    store: Place | None = None


@dataclass(frozen=True)
class Note:
    """What there is to say of some rows beside their trajectories.

    Parameters
    ----------
    start, rows
        Position of the first row, and how many there are.
    status, rung
        How many trajectories there are of each, by its name.
    failures
        (label, status, reason) of each trajectory that failed; none where the store's manifest keeps them.
    seconds
        Wall time.
    """

    start: int
    rows: int
    status: Counter[str]
    rung: Counter[str]
    failures: tuple[tuple[int, int, str], ...]
    seconds: float


def simulate_rows(task: Task, start: int, rows: Rows) -> tuple[Note, dict[str, np.ndarray]]:
    """Simulate some rows in this process.

    Returns
    -------
    Note, dict
        The note, and ``truth`` (row, time, quantity), ``status``, ``rung`` and the run's codes (row,), and what the
        rows record of themselves; nothing where they went to the store.
    """
    began = time.perf_counter()
    arrays, failures = _trajectories(task, rows)
    seconds = time.perf_counter() - began
    log.debug("%s: %d trajectories in %.2f s", task.model.source, len(rows), seconds)
    return _handed_in(task, start, rows, arrays, failures, seconds)


def give_up_rows(task: Task, start: int, rows: Rows) -> tuple[Note, dict[str, np.ndarray]]:
    """Mark rows that no worker survives, as `simulate_rows` would have returned them."""
    n, reason = len(rows), "the worker process that computed it died each time it was tried"
    arrays = {
        "truth": np.full((n, rows.times.shape[-1], len(task.selections)), np.nan, task.dtype),
        "status": np.full(n, WORKER_LOST, np.int8),
        "rung": np.full(n, len(task.run.rungs) - 1, np.int8),
        **{name: np.zeros(n, np.int8) for name in task.codes},
    }
    return _handed_in(task, start, rows, arrays, [(int(label), WORKER_LOST, reason) for label in rows.labels], 0.0)


def fingerprint(rows: Rows) -> str:
    """Return what identifies some rows: their labels, values, times and all else that tells them apart."""
    digest = hashlib.blake2b(digest_size=12)
    for one in fields(rows):
        if one.name == "recorded":  # follows from the others
            continue
        value = getattr(rows, one.name)
        plain = isinstance(value, np.ndarray) and value.dtype.kind not in "OT"
        digest.update(f"{one.name} {np.shape(value)} ".encode())
        digest.update(np.ascontiguousarray(value).tobytes() if plain else repr(np.asarray(value).tolist()).encode())
    return digest.hexdigest()


def _handed_in(
    task: Task, start: int, rows: Rows, arrays: dict[str, np.ndarray], failures: list, seconds: float
) -> tuple[Note, dict[str, np.ndarray]]:
    arrays = {**arrays, **rows.recorded}
    status = Counter(STATUSES[code] for code in arrays["status"].tolist())
    rung = Counter(task.run.rungs[number] for number in arrays["rung"].tolist())
    if task.store is None:
        return Note(start, len(rows), status, rung, tuple(failures), seconds), arrays
    named = [(label, STATUSES[code], reason) for label, code, reason in failures]
    entry = {
        "status": status,
        "rung": rung,
        "failures": named,
        "seconds": round(seconds, 6),
        "draws": fingerprint(rows),
    }
    shards.write_shard(task.store, start, arrays, entry)
    return Note(start, len(rows), status, rung, (), seconds), {}


def _trajectories(task: Task, rows: Rows) -> tuple[dict[str, np.ndarray], list[tuple[int, int, str]]]:
    model, n = task.model, len(rows)
    given = task.run.given(model, rows.given)
    begin = Starts(model, given, n)
    rest = None if rows.before is None else Rest(model, task.run, rows)
    switches = _switches(model, given, rows)
    truth = np.full((n, rows.times.shape[-1], len(task.selections)), np.nan, task.dtype)
    codes = np.zeros((2 + len(task.codes), n), np.int8)
    failures: list[tuple[int, int, str]] = []
    selections, solver = list(task.selections), solver_of(model)
    grid = times = None
    # Steady states are linear algebra, whose rounding must not depend on the number of cores.
    with quiet(), plain_arrays(), one_blas_thread() if rest or task.codes else nullcontext():
        for i in range(n):
            if grid is None or rows.times.ndim == 2:
                times = rows.times_of(i)
                grid, skipped = _grid(times)
            start, lost = begin[i], None
            if rest is not None:
                start, lost = rest.start(solver, i, start)
            label = int(rows.labels[i])
            outcome = lost or task.run.trajectory(solver, start, grid, switches[i], selections, label)
            codes[:, i] = (outcome.status, outcome.rung, *(outcome.codes or (0,) * len(task.codes)))
            if outcome.values is None:
                failures.append((label, outcome.status, outcome.reason))
            else:
                truth[i, : len(times)] = outcome.values[skipped : skipped + len(times)]
    return {"truth": truth, **dict(zip(("status", "rung", *task.codes), codes, strict=True))}, failures


def _grid(times: np.ndarray) -> tuple[np.ndarray, int]:
    """Output times that start at 0, where the initial state belongs, and how many come before those asked for."""
    skipped = int(times[0] != 0)
    grid = np.concatenate([[0.0], times]) if skipped else times
    return (grid if len(grid) > 1 else np.array([0.0, 1.0])), skipped


def _switches(model: Model, given: Any, rows: Rows) -> list[tuple[float, ...]]:
    if rows.times.ndim == 1:
        return switch_times(model, given, len(rows), float(_grid(rows.times)[0][-1]))
    found = []
    for i in range(len(rows)):  # a root is rounded by where the search ends: each row has an end of its own
        own = {name: np.asarray(column)[i : i + 1] for name, column in given.items()}
        found += switch_times(model, own, 1, float(_grid(rows.times_of(i))[0][-1]))
    return found

"""What one worker does: some rows of a run, one trajectory after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sbml_hybrid.data import shards
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.parallel import one_blas_thread
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.rest import Rest, Starts
from sbml_hybrid.simulation.rows import Rows
from sbml_hybrid.simulation.runs import Run
from sbml_hybrid.simulation.solver import solver_of
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
    store: str | None = None


@dataclass(frozen=True)
class Note:
    """What there is to say of some rows beside their trajectories.

    Parameters
    ----------
    start, rows
        Position of the first row, and how many there are.
    failures
        (label, status, reason) of each trajectory that failed.
    seconds
        Wall time.
    """

    start: int
    rows: int
    failures: tuple[tuple[int, int, str], ...]
    seconds: float


def simulate_rows(task: Task, start: int, rows: Rows) -> tuple[Note, dict[str, np.ndarray]]:
    """Simulate some rows in this process.

    Returns
    -------
    Note, dict
        The note, and ``truth`` (row, time, quantity), ``status``, ``rung`` and the run's codes (row,);
        nothing where they went to the store.
    """
    began = time.perf_counter()
    arrays, failures = _trajectories(task, rows)
    if task.store is not None:
        shards.write_rows(task.store, start, arrays)
        arrays = {}
    seconds = time.perf_counter() - began
    log.debug("%s: %d trajectories in %.2f s", task.model.source, len(rows), seconds)
    return Note(start, len(rows), tuple(failures), seconds), arrays


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
    with quiet(), one_blas_thread() if rest or task.codes else nullcontext():
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

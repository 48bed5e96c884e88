"""How long a run will take and how big it will be, from a few of its trajectories."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.data import shards
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.parallel import processes
from sbml_hybrid.simulation.conditions import Condition
from sbml_hybrid.simulation.ensemble import prepare
from sbml_hybrid.simulation.rows import Rows
from sbml_hybrid.simulation.runs import Deterministic, Run
from sbml_hybrid.simulation.work import simulate_rows
from sbml_hybrid.wording import counted, duration, size

_TRIAL = 12  # trajectories tried, spread over the run
_PATIENCE = 5.0  # seconds after which no further one is tried


@dataclass(frozen=True)
class Estimate:
    """What a run will cost.

    Parameters
    ----------
    trajectories, tried, failed
        How many there will be, how many of them were tried, and how many of these failed.
    each
        Seconds a trajectory takes in one process.
    compiling
        Seconds that each process needs to compile the model first.
    jobs
        Processes that have something to do: a piece of the run, a shard, is the work of one.
    size
        Bytes of the dataset, before compression.
    """

    trajectories: int
    tried: int
    failed: int
    each: float
    compiling: float
    jobs: int
    size: int

    @property
    def seconds(self) -> float:
        """Wall time of the run, in seconds."""
        return self.compiling + self.each * self.trajectories / self.jobs

    def __str__(self) -> str:
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        said = f"{counted(self.trajectories)}: about {duration(self.seconds)} on {jobs}, {size(self.size)}"
        return f"{said}; {self.failed} of {self.tried} tried failed" if self.failed else said


def estimate(
    model: Model,
    draws: Any = None,
    *,
    times: Sequence[float] | np.ndarray,
    conditions: Iterable[Condition] | None = None,
    run: Run = Deterministic(),  # noqa: B008 (frozen)
    jobs: int = 1,
    quantities: Iterable[str] | None = None,
    dtype: str = "float64",
) -> Estimate:
    """Say what `simulate` will cost, from a few of its own trajectories.

    Parameters
    ----------
    model, draws, times, conditions, run, jobs, quantities, dtype
        As for `sbml_hybrid.simulate`, which raises the same errors.

    Returns
    -------
    Estimate
        Prints as ``1 000 000 trajectories: about 25 min on 2 jobs, 2 GB``. The time is that of up to 12 trajectories,
        evenly spread over the run; other work on the machine, and stiff corners that these have missed, take longer.

    Examples
    --------
    >>> import sbml_hybrid as sh
    >>> model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    >>> draws = sh.sample(sh.around(model, fold=2), 1000, seed=0)
    >>> print(sh.estimate(model, draws, times=[0, 1, 2]))  # doctest: +SKIP
    1000 trajectories: about 1 s on 1 job, 38 kB
    """
    source, recorded, task = prepare(model, draws, times, conditions, run, quantities, dtype)
    n = len(source)
    tried = np.unique(np.linspace(0, n - 1, min(n, _TRIAL)).astype(int))
    pieces = [source.part(int(at), int(at) + 1) for at in tried]
    began = time.perf_counter()
    simulate_rows(task, 0, pieces[0])
    first = time.perf_counter() - began
    spent, count, failed, size = 0.0, 0, 0, 1
    while count < len(pieces) and spent <= _PATIENCE:
        note, _ = simulate_rows(task, 0, _together(pieces[count : count + size]))
        spent, count, failed = spent + note.seconds, count + note.rows, failed + len(note.failures)
        size = max(1, int(_PATIENCE / 4 * count / spent))  # a call costs as much as a short trajectory: several in one
    each = spent / count
    values = source.times.shape[-1] * (len(recorded) * np.dtype(dtype).itemsize + 8 * source.inputs)
    return Estimate(
        trajectories=n,
        tried=count,
        failed=failed,
        each=each,
        compiling=max(0.0, first - each),
        jobs=processes(jobs, -(-n // shards.rows_a_shard(n, 8 * source.times.shape[-1] * len(recorded)))),
        size=int(n * (values + 8 * (len(source.parameters) + 2) + 2)),
    )


def _together(parts: Sequence[Rows]) -> Rows:
    """Rows from here and there as those of one piece."""
    first = parts[0]

    def joined(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
        return None if values[0] is None else np.concatenate(values)

    return Rows(
        joined([part.labels for part in parts]),
        joined([part.draws for part in parts]),
        first.names,
        joined([part.values for part in parts]),
        first.times if first.times.ndim == 1 else joined([part.times for part in parts]),
        joined([part.before for part in parts]),
        {name: joined([part.recorded[name] for part in parts]) for name in first.recorded},
    )

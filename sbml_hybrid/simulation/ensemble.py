"""Many draws -> a dataset of trajectories."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid import __version__
from sbml_hybrid.data import shards
from sbml_hybrid.data import store as stores
from sbml_hybrid.data.assembly import Described, assembled, variable
from sbml_hybrid.data.overview import failures_attribute
from sbml_hybrid.data.places import Place, place_of
from sbml_hybrid.data.units import units_attribute
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.parallel import ordered_map, uses_processes
from sbml_hybrid.simulation.conditions import Condition
from sbml_hybrid.simulation.rest import require_rest
from sbml_hybrid.simulation.rows import Source, source_of
from sbml_hybrid.simulation.runs import Deterministic, Run, to_dict
from sbml_hybrid.simulation.settings import selection_of
from sbml_hybrid.simulation.solver import (
    LADDER,
    OK,
    PENDING,
    STATUSES,
    Outcome,
    failure,
    strictness,
)
from sbml_hybrid.simulation.work import Note, Task, fingerprint, give_up_rows, simulate_rows

log = logging.getLogger("sbml_hybrid")
_version = cache(version)  # it searches every folder of sys.path


def simulate(
    model: Model,
    draws: pd.DataFrame | None = None,
    *,
    times: Sequence[float] | np.ndarray,
    conditions: Iterable[Condition] | None = None,
    run: Run = Deterministic(),  # noqa: B008 (frozen)
    jobs: int = 1,
    store: str | os.PathLike | None = None,
    quantities: Iterable[str] | None = None,
    dtype: str = "float64",
) -> xr.Dataset:
    """Simulate a model for every draw, with CVODE through libroadrunner.

    Every trajectory starts at the model's time 0 and is what the SBML rewritten with the draw's
    values would give, bit for bit, whatever was simulated before and in however many processes.

    Parameters
    ----------
    model
        The model.
    draws
        One row per trajectory, one column per varied quantity (`sample`), or a `Design` that makes its
        rows as they are needed; None for the one nominal trajectory.
    times
        Output times, increasing, 0 or later, in the model's time unit: one list (time,) for all, or one
        for each trajectory (trajectory, sample), with NaN behind the last of a shorter one.
    conditions
        What is done to the system: every draw goes through each `Condition`. A value in them may be the name of a
        column of the draws.
    run
        The kind of run.
    jobs
        How many processes; -1 for all cores. ``with joblib.parallel_config("dask"):`` overrides it.
    store
        A Zarr folder or its URL (``s3://bucket/run.zarr``), which the workers write shard by shard; the
        same call goes on where an interrupted one stopped. The dataset is then opened lazily.
    dtype
        ``"float64"``, or ``"float32"`` for half the size; the solver computes in float64.
    quantities
        What to record, by id, in the meaning that formulas give it: a concentration for species
        unless the model says amount; ``[S]`` for the concentration and ``amount(S)`` for the amount
        of any; a reaction's id for its rate. By default every state: species, and parameters and
        compartments that rate rules or events of the model change.

    Returns
    -------
    Dataset
        ``truth`` (trajectory, time, species), ``parameters`` (trajectory, parameter), ``status`` and
        ``rung`` (trajectory): a trajectory that failed is NaN, and its status says why. With conditions, a draw
        has a trajectory for each, in their order, with the coordinates ``draw`` and ``condition``, and
        ``controls`` (trajectory, time, control) has the inputs.

    Raises
    ------
    ValueError
        Times that do not increase, draws with NaN, a varied quantity that a rule determines, a condition that
        cannot be.
    UnknownName
        A column of `draws` or a quantity that the model does not have, with the closest names.
    ModelError
        libroadrunner cannot simulate the model, or a condition cannot begin at a steady state: the rates depend on
        time, or molecules react at random.
    SolverError
        The one nominal trajectory could not be computed.
    DataError, StorageError
        The store holds another run's dataset, or cannot be written.
    """
    source, recorded, task = prepare(model, draws, times, conditions, run, quantities, dtype)
    return dataset(model, source, recorded, task, jobs, store, single=draws is None and len(source) == 1)


def dataset(
    model: Model,
    source: Source,
    recorded: dict[str, tuple[str, str]],
    task: Task,
    jobs: int,
    store: str | os.PathLike | None,
    single: bool = False,
) -> xr.Dataset:
    """Return the dataset of a run that is prepared; a single trajectory that fails raises."""
    task.run.given(task.model, source.part(0, 1).given)  # what cannot be is refused before there is a store
    template = _template(model, source, recorded, task)
    rows = shards.rows_a_shard(len(source), 8 * source.times.shape[-1] * len(recorded))
    if store is None:
        result, said = _in_memory(task, source, template, rows, jobs)
    else:
        result, said = _in_store(task, source, template, rows, jobs, place_of(store))
    if single and said.failures:
        code = int(result["status"][0])
        raise failure(model, Outcome(None, code, len(task.run.rungs) - 1, said.failures[0][2]))
    _say(model, said)
    return result


def prepare(
    model: Model,
    draws: Any,
    times: Any,
    conditions: Iterable[Condition] | None,
    run: Run,
    quantities: Iterable[str] | None,
    dtype: str,
) -> tuple[Source, dict[str, tuple[str, str]], Task]:
    """Return what `simulate` was asked for, checked: its rows, what is recorded, and what every worker must know."""
    model.require_simulable()
    from sbml_hybrid.simulation.steady import SteadyState

    if isinstance(run, type) or not hasattr(run, "trajectory"):
        raise ValueError(f"run must be a kind of run, such as sh.Gillespie(volume=10), got {run!r}.")
    if isinstance(run, SteadyState):
        raise ValueError("A steady state has no times. Try: sh.steady_state(model, draws, conditions=...).")
    source = source_of(model, draws, times, conditions)
    recorded, task = asked(source, run, quantities, dtype, {})
    return source, recorded, task


def asked(
    source: Source,
    run: Run,
    quantities: Iterable[str] | None,
    dtype: str,
    codes: Mapping[str, Mapping[int, str]],
) -> tuple[dict[str, tuple[str, str]], Task]:
    """Return what is recorded, and what every worker must know."""
    recorded = _recorded(source.original, source.states if quantities is None else quantities)
    task = Task(run.prepared(source.model), tuple(s for s, _ in recorded.values()), run, codes, _checked_dtype(dtype))
    if source.rests is not None:
        require_rest(task.model, run, source.rests)
    return recorded, task


# -- what was asked --------------------------------------------------------------------------------


def _checked_dtype(dtype: str) -> str:
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype must be 'float64' or 'float32', got {dtype!r}.")
    return dtype


def _recorded(model: Model, quantities: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Quantity -> (libroadrunner's selection, what it is)."""
    names = list(dict.fromkeys([quantities] if isinstance(quantities, str) else quantities))
    if not names:
        raise ModelError(f"{model.source} has nothing that changes in time; name what to record with quantities=.")
    return {name: selection_of(model, name) for name in names}


def _template(model: Model, source: Source, recorded: dict[str, tuple[str, str]], task: Task) -> xr.Dataset:
    n, labels = len(source), source.labels
    axis = "time" if source.times.ndim == 1 else "sample"
    nothing = np.broadcast_to(np.array(np.nan, task.dtype), (n, source.times.shape[-1], len(recorded)))
    kinds = json.dumps({name: kind for name, (_, kind) in recorded.items()})
    units = units_attribute({name: str(model.unit(name)) for name in recorded})
    rungs = dict(enumerate(task.run.rungs))
    every = ("trajectory",)
    variables: dict[str, Described] = {
        "truth": ((*every, axis, "species"), nothing, {"quantity": kinds, "units": units}),
        "status": (every, np.broadcast_to(np.int8(PENDING), n), _flags(STATUSES)),
        **{
            name: (every, np.broadcast_to(np.int8(0), n), _flags(meanings))
            for name, meanings in {"rung": rungs, **task.codes}.items()
        },
    }
    draw = labels if len(source.draws) == n else np.repeat(source.draw_labels, n // len(source.draws))
    own_times = (axis,) if axis == "time" else (*every, axis)
    coords: dict[str, Described] = {
        "trajectory": (every, labels, {}),
        "draw": (every, draw, {}),
        "time": (own_times, source.times, {"units": model.time_unit} if model.time_unit else {}),
        "species": (("species",), np.array(list(recorded)), {}),
    }
    if source.parameters:
        variables["parameters"] = ((*every, "parameter"), _unknown(n, len(source.parameters)), {})
        coords["parameter"] = (("parameter",), np.array(source.parameters), {})
    if source.protocol is not None:
        coords["condition"] = (every, source.conditions, {})
    if source.inputs:
        inputs = source.protocol.control_units()
        shape = (n, source.times.shape[-1], len(inputs))
        variables["controls"] = ((*every, axis, "control"), _unknown(*shape), {"units": units_attribute(inputs)})
        coords["control"] = (("control",), np.array(list(inputs)), {})
    return assembled(variables, coords, _attrs(model, source, task))


def _unknown(*shape: int) -> np.ndarray:
    """What workers will fill in: a shape without its memory."""
    return np.broadcast_to(np.array(np.nan), shape)


def _flags(meanings: Mapping[int, str]) -> dict[str, Any]:
    """CF attributes of integer codes."""
    return {"flag_values": np.array(list(meanings), np.int8), "flag_meanings": " ".join(meanings.values())}


def _tolerances(model: Model, run: Run) -> dict[str, Any]:
    if run.integrator != "cvode":
        return {}  # exact
    first = run.ladder[0] if isinstance(run, Deterministic) else LADDER[0]
    factor = strictness(model)
    return {
        "relative": first.relative * factor,
        "absolute": first.absolute * factor,
        "scaled_to_each_state": True,
    }


def _attrs(model: Model, source: Source, task: Task) -> dict[str, str]:
    versions = {"sbml_hybrid": __version__, "libroadrunner": _version("libroadrunner")}
    return {
        "model_id": model.id,
        "model_hash": model.hash,
        "sbml": model.sbml,
        "time_unit": model.time_unit,
        "design": json.dumps(source.said),
        "run": json.dumps(to_dict(task.run)),
        "tolerances": json.dumps(_tolerances(task.model, task.run)),
        "versions": json.dumps(versions),
    } | ({} if source.protocol is None else {"conditions": source.protocol.said})


# -- the work --------------------------------------------------------------------------------------


@dataclass
class _Said:
    """What a run comes to: how many of each status, and (label, status, reason) of each failure."""

    status: Counter[str]
    failures: list[tuple[int, int, str]]

    @property
    def attrs(self) -> dict[str, str]:
        return {"failures": failures_attribute(self.failures)}


def _in_memory(task: Task, source: Source, template: xr.Dataset, rows: int, jobs: int) -> tuple[xr.Dataset, _Said]:
    pieces = _tapering(len(source), rows) if uses_processes(jobs, len(source)) else _whole(len(source), rows)
    done = list(_simulated(task, source, pieces, jobs))
    found = {
        name: variable(v.dims, np.concatenate([part[name] for _, part in done]), v.attrs)
        for name, v in template.data_vars.items()
    }
    notes = [note for note, _ in done]
    status = sum((note.status for note in notes), Counter())
    said = _Said(status, [failed for note in notes for failed in note.failures])
    return template.assign(found).assign_attrs(said.attrs), said


def _in_store(
    task: Task, source: Source, template: xr.Dataset, rows: int, jobs: int, place: Place
) -> tuple[xr.Dataset, _Said]:
    place.require_shared(uses_processes(jobs, len(source)))
    began = shards.prepare(template, place, rows)
    rows = began.run["rows"]
    left = shards.unfinished(began, lambda start, stop: fingerprint(source.part(start, stop)))
    task = replace(task, store=place)
    whole = _whole(len(source), rows)
    for _ in _simulated(task, source, [whole[number] for number in left], jobs):
        pass
    ended = shards.manifest(place)
    shards.require_own(ended, {number: fingerprint(source.part(*began.bounds(number))) for number in left})
    codes = {name: code for code, name in STATUSES.items()}
    said = _Said(ended.status, [(label, codes[status], reason) for label, status, reason in ended.failures])
    shards.finish(ended, said.attrs)
    return stores.open_lazily(place), said


def _whole(n: int, rows: int) -> list[tuple[int, int]]:
    """First row, and the one after the last, of each shard."""
    return [(start, min(start + rows, n)) for start in range(0, n, rows)]


def _tapering(n: int, rows: int) -> list[tuple[int, int]]:
    """Pieces of at most `rows` that get smaller to the end, so that no worker waits long for the last of another."""
    edges = [0]
    while left := n - edges[-1]:
        edges.append(edges[-1] + min(left, rows, max(left // 6, 4)))
    return list(pairwise(edges))


def _simulated(
    task: Task, source: Source, pieces: Sequence[tuple[int, int]], jobs: int
) -> Iterator[tuple[Note, dict[str, np.ndarray]]]:
    items = ((start, source.part(start, stop)) for start, stop in pieces)
    work, lost = partial(simulate_rows, task), partial(give_up_rows, task)
    return ordered_map(work, items, len(pieces), jobs=jobs, label="simulating", lost=lost)


def _say(model: Model, said: _Said) -> None:
    failed = {kind: count for kind, count in said.status.items() if kind != STATUSES[OK]}
    if failed:
        log.warning(
            "%s: %d of %d trajectories failed (%s). First reason: %s",
            model.source,
            sum(failed.values()),
            said.status.total(),
            ", ".join(f"{count} {kind}" for kind, count in sorted(failed.items())),
            said.failures[0][2],
        )

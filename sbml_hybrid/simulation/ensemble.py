"""Many draws -> a dataset of trajectories."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid import __version__
from sbml_hybrid.data import shards
from sbml_hybrid.data import store as stores
from sbml_hybrid.data.units import units_attribute
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import as_column
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import check_names
from sbml_hybrid.parallel import ordered_map
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.solver import (
    LADDER,
    OK,
    PENDING,
    STATUSES,
    Outcome,
    failure,
    selection_of,
    solver_of,
    start_settings,
    strictness,
)
from sbml_hybrid.simulation.switches import switch_times

log = logging.getLogger("sbml_hybrid")
SHARD_BYTES, SHARD_ROWS = 2**23, 64


def simulate(
    model: Model,
    draws: pd.DataFrame | None = None,
    *,
    times: Sequence[float],
    jobs: int = 1,
    store: str | os.PathLike | None = None,
    quantities: Iterable[str] | None = None,
) -> xr.Dataset:
    """Simulate a model for every draw, with CVODE through libroadrunner.

    Every trajectory starts at the model's time 0 and is what the SBML rewritten with the draw's
    values would give, bit for bit, whatever was simulated before and in however many processes.

    Parameters
    ----------
    model
        The model.
    draws
        One row per trajectory, one column per varied quantity (`sample`); None for the one nominal
        trajectory.
    times
        Output times, increasing, 0 or later, in the model's time unit.
    jobs
        How many processes; -1 for all cores. ``with joblib.parallel_config("dask"):`` overrides it.
    store
        A Zarr folder to write to, shard by shard; the same call goes on where an interrupted one
        stopped.
    quantities
        What to record, by id, in the meaning that formulas give it: a concentration for species
        unless the model says amount; ``[S]`` for the concentration and ``amount(S)`` for the amount
        of any; a reaction's id for its rate. By default every state: species, and parameters and
        compartments that rate rules or events change.

    Returns
    -------
    Dataset
        ``truth`` (trajectory, time, species), ``parameters`` (trajectory, parameter), ``status`` and
        ``rung`` (trajectory): a trajectory that failed is NaN, and its status says why.

    Raises
    ------
    ValueError
        Times that do not increase, draws with NaN, a varied quantity that a rule determines.
    UnknownName
        A column of `draws` or a quantity that the model does not have, with the closest names.
    ModelError
        libroadrunner cannot simulate the model.
    SolverError
        The one nominal trajectory could not be computed.
    """
    model.require_simulable()
    output_times = _checked_times(times)
    draws_given = draws is not None
    frame = draws if draws_given else pd.DataFrame(index=pd.RangeIndex(1, name="draw"))
    _check_draws(model, frame)
    recorded = _recorded(model, quantities)
    template = _template(model, frame, output_times, recorded)
    rows = int(max(1, min(SHARD_ROWS, SHARD_BYTES // (8 * len(output_times) * len(recorded)))))
    if store is None:
        parts = list(_shards(model, frame, output_times, recorded, range(0, len(frame), rows), rows, jobs))
        result = template.assign(
            {
                name: template[name].copy(data=np.concatenate([p[name] for p in parts]))
                for name in ("truth", "status", "rung")
            }
        )
        reasons = [reason for part in parts for reason in part["reason"]]
    else:
        pending = shards.prepare(template, store, rows)
        starts = [start for start in range(0, len(frame), rows) if pending[start : start + rows].any()]
        reasons = []
        for start, part in zip(starts, _shards(model, frame, output_times, recorded, starts, rows, jobs), strict=True):
            reasons += part.pop("reason")
            shards.write_rows(store, start, part)
        result = stores.open(store)
    if not draws_given and int(result["status"][0]) != OK:
        raise failure(model, Outcome(None, int(result["status"][0]), len(LADDER) - 1, reasons[0] if reasons else ""))
    _say(model, result, reasons)
    return result


# -- what was asked --------------------------------------------------------------------------------


def _checked_times(times: Sequence[float]) -> np.ndarray:
    values = np.asarray(times, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"times must be a list of one or more numbers, got shape {values.shape}.")
    if not np.isfinite(values).all() or values[0] < 0:
        raise ValueError(f"times must be finite and 0 or later (the model starts at 0), got {values[:5].tolist()}...")
    falling = np.flatnonzero(np.diff(values) <= 0)
    if len(falling):
        at = falling[0]
        raise ValueError(f"times must increase: time {values[at + 1]:g} follows {values[at]:g} at position {at + 1}.")
    return values


def _check_draws(model: Model, frame: pd.DataFrame) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"draws must be a DataFrame with a column per varied quantity, got {type(frame).__name__}.")
    if len(frame) == 0:
        raise ValueError("draws has no rows; sample at least one draw.")
    if not frame.index.is_unique or not pd.api.types.is_integer_dtype(frame.index):
        raise ValueError("draws must have whole-number labels, each once. Try: draws.reset_index(drop=True).")
    check_names(model, frame.columns)
    for name in frame.columns:
        column = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            label, value = frame.index[bad[0]], frame[name].iloc[bad[0]]
            raise ValueError(f"draw {label} has {value!r} for {name!r}; every draw needs a finite number.")


def _recorded(model: Model, quantities: Iterable[str] | None) -> dict[str, tuple[str, str]]:
    """Quantity -> (libroadrunner's selection, what it is)."""
    asked = [quantities] if isinstance(quantities, str) else quantities
    names = list(dict.fromkeys(asked if asked is not None else model.states))
    if not names:
        raise ModelError(f"{model.source} has nothing that changes in time; name what to record with quantities=.")
    return {name: selection_of(model, name) for name in names}


def _template(model: Model, frame: pd.DataFrame, times: np.ndarray, recorded: dict[str, tuple[str, str]]) -> xr.Dataset:
    n = len(frame)
    labels = frame.index.to_numpy(np.int64)
    shape = (n, len(times), len(recorded))
    nothing = np.broadcast_to(np.float64(np.nan), shape)
    kinds = json.dumps({name: kind for name, (_, kind) in recorded.items()})
    units = units_attribute({name: str(model.unit(name)) for name in recorded})
    flags = {"flag_values": np.array(list(STATUSES), np.int8), "flag_meanings": " ".join(STATUSES.values())}
    rungs = {"flag_values": np.arange(len(LADDER), dtype=np.int8), "flag_meanings": " ".join(r.name for r in LADDER)}
    variables: dict[str, Any] = {
        "truth": (("trajectory", "time", "species"), nothing, {"quantity": kinds, "units": units}),
        "status": ("trajectory", np.full(n, PENDING, np.int8), flags),
        "rung": ("trajectory", np.zeros(n, np.int8), rungs),
    }
    coords: dict[str, Any] = {
        "trajectory": labels,
        "draw": ("trajectory", labels),
        "time": ("time", times, {"units": model.time_unit} if model.time_unit else {}),
        "species": list(recorded),
    }
    if len(frame.columns):
        variables["parameters"] = (("trajectory", "parameter"), frame.to_numpy(np.float64))
        coords["parameter"] = [str(c) for c in frame.columns]
    return xr.Dataset(variables, coords, _attrs(model, frame))


def _attrs(model: Model, frame: pd.DataFrame) -> dict[str, str]:
    first, factor = LADDER[0], strictness(model)
    tolerances = {
        "relative": first.relative * factor,
        "absolute": first.absolute * factor,
        "scaled_to_each_state": True,
    }
    versions = {"sbml_hybrid": __version__, "libroadrunner": version("libroadrunner")}
    return {
        "model_id": model.id,
        "model_hash": model.hash,
        "sbml": model.sbml,
        "time_unit": model.time_unit,
        "design": json.dumps(frame.attrs.get("design", {"design": "given", "n": len(frame)})),
        "tolerances": json.dumps(tolerances),
        "versions": json.dumps(versions),
    }


# -- the work --------------------------------------------------------------------------------------


def _shards(
    model: Model,
    frame: pd.DataFrame,
    times: np.ndarray,
    recorded: dict[str, tuple[str, str]],
    starts: Sequence[int],
    rows: int,
    jobs: int,
) -> Iterable[dict[str, Any]]:
    selections = [selection for selection, _ in recorded.values()]
    values = frame.to_numpy(np.float64)
    names = [str(c) for c in frame.columns]
    items = [(model, names, values[start : start + rows], times, selections) for start in starts]
    return ordered_map(_simulate_shard, items, jobs=jobs, label="simulating")


def _simulate_shard(
    model: Model, names: list[str], values: np.ndarray, times: np.ndarray, selections: list[str]
) -> dict[str, Any]:
    """Simulate some draws, one after another, in this process.

    `values` is (draw, quantity); the result has ``truth`` (draw, time, species), ``status`` and
    ``rung`` (draw,), and the reasons of failures.
    """
    began, n = time.perf_counter(), len(values)
    grid = times if times[0] == 0 else np.concatenate([[0.0], times])  # the initial state belongs to time 0
    grid = grid if len(grid) > 1 else np.array([0.0, 1.0])
    skipped = len(grid) - len(times) if times[0] != 0 else 0
    given = {name: values[:, i] for i, name in enumerate(names)}
    varied, dependent = ([(id, as_column(v, n).tolist()) for id, v in s] for s in start_settings(model, given))
    switches = switch_times(model, given, n, float(grid[-1]))
    truth = np.full((n, len(times), len(selections)), np.nan)
    status, rung = np.zeros(n, np.int8), np.zeros(n, np.int8)
    reasons = []
    solver = solver_of(model)
    with quiet():
        for i in range(n):
            outcome = solver.run(
                [(id, v[i]) for id, v in varied], [(id, v[i]) for id, v in dependent], grid, switches[i], selections
            )
            status[i], rung[i] = outcome.status, outcome.rung
            if outcome.values is None:
                reasons.append(outcome.reason)
            else:
                truth[i] = outcome.values[skipped : skipped + len(times)]
    log.debug("%s: %d trajectories in %.2f s", model.source, n, time.perf_counter() - began)
    return {"truth": truth, "status": status, "rung": rung, "reason": reasons}


def _say(model: Model, result: xr.Dataset, reasons: list[str]) -> None:
    codes = Counter(result["status"].values.tolist())
    failed = sum(count for code, count in codes.items() if code != OK)
    if failed:
        kinds = ", ".join(f"{count} {STATUSES[code]}" for code, count in sorted(codes.items()) if code != OK)
        log.warning(
            "%s: %d of %d trajectories failed (%s). First reason: %s",
            model.source,
            failed,
            result.sizes["trajectory"],
            kinds,
            reasons[0] if reasons else "see the log of the earlier run",
        )

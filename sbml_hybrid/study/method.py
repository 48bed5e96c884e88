"""How a study was made, in words for its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.benchmarking.fingerprints import environment, fingerprint
from sbml_hybrid.study.plan import Plan
from sbml_hybrid.study.sections import Benchmark, Simulation, Split


def how(plan: Plan, data: xr.Dataset) -> dict[str, str]:
    """Return what was done, a line for each part of the study."""
    study, recipe, model = plan.study, plan.recipe, plan.recipe.model
    asked, observed = study.simulate, json.loads(data.attrs["observables"])
    formulas = [name if name == formula else f"{name} = {formula}" for name, formula in observed.items()]
    made = {"Model": f"{model.source}, content hash {model.hash}"}
    if plan.mechanism is not None:
        made["Wrong mechanism"] = f"{plan.mechanism.source}, content hash {plan.mechanism.hash}"
    made |= {
        "Draws": f"{len(recipe.draws)}, {asked.design} design, seed {asked.seed}: {len(recipe.draws.columns)} "
        f"quantities vary, log-uniformly within {asked.fold:g}-fold of the model's values unless the study says "
        "otherwise",
        "Held fixed": "; ".join(f"{name}: {reason}" for name, reason in recipe.left_out.items()),
        **({"Conditions": ", ".join(asked.conditions)} if asked.conditions else {}),
        "Times": _times(asked, recipe.times, model.time_unit),
        "Solver": _solver(data),
        "Measured": f"{'; '.join(formulas)}; {_assay(data)}",
        **settings_of(study.benchmark, study.split),
        "Dataset": f"data.zarr, fingerprint {fingerprint(data)}",
    }
    return made | versions()


def _times(asked: Simulation, times: np.ndarray, unit: str) -> str:
    if times.ndim == 2 and not np.any(asked.jitter):
        counts = np.unique(np.isfinite(times).sum(axis=1))
        points = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
        drawn = "at random" if asked.irregular else "as listed"
        first, last = (0.0, asked.end) if asked.irregular else (np.nanmin(times), np.nanmax(times))
        return f"{points} points of each trajectory's own, {drawn}, within {first:g} to {last:g} {unit}".rstrip()
    plan = np.linspace(0.0, asked.end, asked.points) if asked.times is None else asked.times
    said = f"{len(plan)} points, {plan[0]:g} to {plan[-1]:g} {unit}".rstrip()
    if not np.any(asked.jitter):
        return said
    return f"{said}, each within about {', '.join(f'{sd:g}' for sd in np.atleast_1d(asked.jitter))} of its plan"


def _solver(data: xr.Dataset) -> str:
    run, tolerances = json.loads(data.attrs["run"]), json.loads(data.attrs["tolerances"])
    said = "" if run["kind"] == "Deterministic" else f"{_listed(run)}; "  # its tolerance is said below
    if not tolerances:
        return f"{said}exact, through libroadrunner"
    return (
        f"{said}CVODE through libroadrunner, tolerances {tolerances['relative']:g} relative and "
        f"{tolerances['absolute']:g} absolute, scaled to each state"
    )


def _assay(data: xr.Dataset) -> str:
    record = json.loads(data.attrs["measurement"])
    said = [f"noise {_listed(json.loads(data.attrs['noise']))}", f"{record.pop('keep'):.0%} of the points kept"]
    for name, value in record.items():
        for one in value if isinstance(value, list) and name != "schedule" else [value]:
            if one is not None:
                said.append(f"{name} {_listed(one) if isinstance(one, dict) else one}")
    return ", ".join(said)


def _listed(record: Mapping[str, Any]) -> str:
    """A record as the call that makes it."""
    inside = [f"{k}={_listed(v) if isinstance(v, dict) else v}" for k, v in record.items() if k != "kind"]
    return f"{record.get('kind', '')}({', '.join(inside)})"


def settings_of(asked: Benchmark, held_out: Split) -> dict[str, str]:
    """Return the settings of a benchmark in words."""
    known = f", known: {', '.join(asked.known)}" if asked.known else ""
    return {
        "Held out": f"{held_out.test:.0%} of the {held_out.by}s, whole, seed {held_out.seed}",
        "Benchmark": f"{asked.lookback} points seen, {asked.horizon} forecast, from every {asked.horizon}-th point on, "
        f"seed {asked.seed}{known}",
    }


def versions() -> dict[str, str]:
    """Return the versions of what computed it."""
    return {"Versions": ", ".join(f"{name} {version}" for name, version in environment().items())}

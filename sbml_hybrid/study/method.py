"""How a study was made, in words for its report."""

from __future__ import annotations

import json

import xarray as xr

from sbml_hybrid.benchmarking.fingerprints import environment, fingerprint
from sbml_hybrid.study.plan import Plan
from sbml_hybrid.study.sections import Benchmark, Split


def how(plan: Plan, data: xr.Dataset) -> dict[str, str]:
    """Return what was done, a line for each part of the study."""
    study, recipe, model = plan.study, plan.recipe, plan.recipe.model
    asked, observed = study.simulate, json.loads(data.attrs["observables"])
    tolerances = json.loads(data.attrs["tolerances"])
    formulas = [name if name == formula else f"{name} = {formula}" for name, formula in observed.items()]
    made = {"Model": f"{model.source}, content hash {model.hash}"}
    if plan.mechanism is not None:
        made["Wrong mechanism"] = f"{plan.mechanism.source}, content hash {plan.mechanism.hash}"
    made |= {
        "Draws": f"{asked.draws}, {asked.design} design, seed {asked.seed}: {len(recipe.draws.columns)} quantities "
        f"vary, log-uniformly within {asked.fold:g}-fold of the model's values unless the study says otherwise",
        "Held fixed": "; ".join(f"{name}: {reason}" for name, reason in recipe.left_out.items()),
        "Times": f"{len(recipe.times)} points, {recipe.times[0]:g} to {recipe.times[-1]:g} {model.time_unit}".rstrip(),
        "Solver": f"CVODE through libroadrunner, tolerances {tolerances['relative']:g} relative and "
        f"{tolerances['absolute']:g} absolute, scaled to each state",
        "Measured": f"{'; '.join(formulas)}; noise {study.measure.noise}, {study.measure.keep:.0%} of the points kept, "
        f"seed {study.measure.seed}",
        **settings_of(study.benchmark, study.split),
        "Dataset": f"data.zarr, fingerprint {fingerprint(data)}",
    }
    return made | versions()


def settings_of(asked: Benchmark, held_out: Split) -> dict[str, str]:
    """Return the settings of a benchmark in words."""
    known = f", known: {', '.join(asked.known)}" if asked.known else ""
    return {
        "Held out": f"{held_out.test:.0%} of the draws, whole, seed {held_out.seed}",
        "Benchmark": f"{asked.lookback} points seen, {asked.horizon} forecast, from every {asked.horizon}-th point on, "
        f"seed {asked.seed}{known}",
    }


def versions() -> dict[str, str]:
    """Return the versions of what computed it."""
    return {"Versions": ", ".join(f"{name} {version}" for name, version in environment().items())}

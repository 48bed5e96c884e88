"""How a study's data is made: its model, draws, conditions, times and assay, tried on a few trajectories first."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.errors import SbmlHybridError, StudyError, unknown_name
from sbml_hybrid.measurement.assay import measure
from sbml_hybrid.mechanism.reader import load
from sbml_hybrid.simulation.conditions import condition_from_dict
from sbml_hybrid.simulation.designs import Design
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.estimate import Estimate, estimate
from sbml_hybrid.simulation.priors import around, names_of, of, prior_from_dict
from sbml_hybrid.simulation.runs import Deterministic, run_from_dict
from sbml_hybrid.simulation.steady import SteadyState, steady_state
from sbml_hybrid.simulation.times import irregular, jittered
from sbml_hybrid.study.assays import assay_of
from sbml_hybrid.study.file import Study
from sbml_hybrid.study.sections import Simulation

_TRIAL = 6  # draws that are simulated and measured to see that the rest will work


@dataclass(frozen=True, eq=False)
class Recipe:
    """The data of a study to be.

    Parameters
    ----------
    study, model
        The study, and its model.
    draws
        Its draws, made when they are needed.
    left_out
        Quantity -> why it does not vary.
    settings
        What `simulate` is told beside draws and times: conditions, kind of run, quantities, dtype.
    times
        Planned times (time,), or those of each trajectory (trajectory, sample) where they differ; None for a steady
        state.
    assay
        The arguments of `measure`.
    cost
        What the simulations will take, where it can be guessed; not of steady states.
    trial
        A few draws, simulated.
    """

    study: Study
    model: Any
    draws: Design
    left_out: Mapping[str, str]
    settings: Mapping[str, Any]
    times: np.ndarray | None
    assay: Mapping[str, Any]
    cost: Estimate | None
    trial: xr.Dataset

    @property
    def points(self) -> int:
        """How many time points are measured."""
        planned = 1 if self.times is None else self.times.shape[-1]
        return planned if self.study.measure.schedule is None else len(self.study.measure.schedule)

    def simulate(self, store: str | os.PathLike) -> xr.Dataset:
        """Simulate all draws, or go on where an interrupted run stopped."""
        return _simulated(self.model, self.draws, self.times, self.settings, jobs=self.study.jobs, store=store)

    def measure(self, truth: xr.Dataset, store: str | os.PathLike | None = None) -> xr.Dataset:
        """Measure the trajectories as the study says; into a store, by as many processes as it says."""
        return measure(truth, **self.assay, store=store, jobs=1 if store is None else self.study.jobs)


def make_recipe(study: Study) -> Recipe:
    """Load, configure and try what a study says of its data.

    Raises
    ------
    SbmlHybridError, ValueError
        For whatever could not work.
    """
    model, asked, assay = load(study.model), study.simulate, assay_of(study.measure, str(study.path))
    settings = _settings(study)
    draws, left_out = _draws(model, study, settings.get("conditions", ()))
    rows = len(draws) * max(1, len(settings.get("conditions", ())))
    times = None if asked.steady_state else _times(asked, rows, f"[simulate] of {study.path}")
    some = draws.rows(0, _TRIAL)
    few = times if times is None or times.ndim == 1 else times[: len(some) * rows // len(draws)]
    trial = _simulated(model, some, few, settings)
    cost = None if times is None else estimate(model, draws, times=times, jobs=study.jobs, **settings)
    recipe = Recipe(study, model, draws, left_out, settings, times, assay, cost, trial)
    recipe.measure(trial)
    return recipe


def _simulated(model: Any, draws: Any, times: np.ndarray | None, settings: Mapping[str, Any], **how: Any) -> xr.Dataset:
    if times is None:
        return steady_state(model, draws, **settings, **how)
    return simulate(model, draws, times=times, **settings, **how)


def _settings(study: Study) -> dict[str, Any]:
    asked, place = study.simulate, f"[simulate] of {study.path}"
    settings: dict[str, Any] = {"quantities": asked.quantities, "dtype": "float32" if asked.float32 else "float64"}
    if asked.steady_state:
        settings["before"] = asked.before
        for name in ("run", "times", "end", "jitter", "irregular"):
            if getattr(asked, name):
                raise StudyError(f"{name} has no meaning with steady_state = true ({place}). Take one of them away.")
    try:
        if not asked.steady_state:
            settings["run"] = Deterministic() if asked.run is None else run_from_dict(asked.run)
            if isinstance(settings["run"], SteadyState):
                raise ValueError("A steady state has no times. Try: steady_state = true, in place of run.")
        if asked.conditions:
            tables = asked.conditions.items()
            settings["conditions"] = [condition_from_dict({"name": name, **said}) for name, said in tables]
    except (SbmlHybridError, ValueError) as error:
        raise StudyError(f"{error} ({place})") from error
    return settings


def _draws(model: Any, study: Study, conditions: Any) -> tuple[Design, dict[str, str]]:
    """The draws of a study, and why the other quantities do not vary."""
    asked, place = study.simulate, f"priors in [simulate] of {study.path}"
    rates = around(model, asked.fold, asked.of, asked.initial)
    try:
        own = {name: prior_from_dict(said, study.path.parent) for name, said in asked.priors.items()}
    except (SbmlHybridError, ValueError, TypeError) as error:
        raise StudyError(f"{error} ({place})") from error
    before = [value for value in (asked.before or {}).values() if isinstance(value, str)]
    asked_for = dict.fromkeys([*(name for condition in conditions for name in condition.columns), *before])
    given = {label: names_of(label, law) for label, law in own.items()}
    for name in asked_for:
        if not any(name in names for names in given.values()) and name not in rates:
            raise unknown_name("prior", name, own, f"{place}, which a condition takes its values from")
    doses = {label: own[label] for label, names in given.items() if set(names) <= asked_for.keys()}
    quantities = of(model, {**rates, **{label: law for label, law in own.items() if label not in doses}})
    laws = {**quantities, **doses}
    if not laws and not conditions and asked.run is None:
        raise StudyError(f"Nothing varies in {model.source}, so all experiments would be one. Name quantities with of.")
    draws = Design(laws, asked.draws, asked.seed, asked.design)
    left_out = {**rates.left_out, **quantities.left_out}
    return draws, {name: why for name, why in left_out.items() if name not in draws.columns}


def _times(asked: Simulation, rows: int, place: str) -> np.ndarray:
    try:
        if asked.irregular:
            return irregular(rows, asked.points, asked.end, seed=asked.seed)
        planned = np.linspace(0.0, asked.end, asked.points) if asked.times is None else asked.times
        if isinstance(planned[0], tuple):
            return _own_times(planned, rows)
        planned = np.array(planned)
        return jittered(planned, rows, sd=asked.jitter, seed=asked.seed) if np.any(asked.jitter) else planned
    except ValueError as error:
        raise StudyError(f"{error} ({place})") from error


def _own_times(times: Sequence[Sequence[float]], rows: int) -> np.ndarray:
    """A list for each trajectory (trajectory, sample), with NaN behind the last of a shorter one."""
    if len(times) != rows:
        raise ValueError(f"times has {len(times)} lists, one per trajectory, and there are {rows} trajectories.")
    found = np.full((rows, max(map(len, times))), np.nan)
    for row, own in zip(found, times, strict=True):
        row[: len(own)] = own
    return found

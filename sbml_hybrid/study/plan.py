"""What a study will do, worked out and tried on a few draws before anything long begins."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.benchmarking.cells import Cell
from sbml_hybrid.benchmarking.runner import cells_of
from sbml_hybrid.data.dataset import split
from sbml_hybrid.errors import StudyError, unknown_name
from sbml_hybrid.measurement.assay import measure, readout
from sbml_hybrid.measurement.noise import kind_of
from sbml_hybrid.mechanism.reader import load
from sbml_hybrid.simulation.designs import sample
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.priors import around, prior_from_dict
from sbml_hybrid.study.file import Study
from sbml_hybrid.study.rivals import rivals_from_tables

_TRIAL = 6  # draws that are simulated to see how long the rest will take


@dataclass(frozen=True)
class Plan:
    """A study with its models loaded, its draws made and its forecasters configured.

    `left_out` says why parameters do not vary; `cells` are the rows of the ranking to be; `seconds_to_simulate` is a
    guess from a few draws.
    """

    study: Study
    model: Any
    mechanism: Any
    times: np.ndarray
    draws: pd.DataFrame
    left_out: Mapping[str, str]
    noise: Any
    rivals: Mapping[str, Any]
    cells: list[Cell]
    seconds_to_simulate: float

    @property
    def points(self) -> int:
        """How many time points are measured."""
        return len(self.times if self.study.measure.schedule is None else self.study.measure.schedule)

    def simulate(self, store) -> xr.Dataset:
        """Simulate all draws, or go on where an interrupted run stopped."""
        return simulate(self.model, self.draws, times=self.times, jobs=self.study.jobs, store=store)

    def measure(self, truth: xr.Dataset) -> xr.Dataset:
        """Measure the trajectories as the study says."""
        asked = self.study.measure
        return measure(truth, asked.observables, self.noise, asked.keep, asked.schedule, seed=asked.seed)


def make_plan(study: Study) -> Plan:
    """Load, configure and try everything that a study names.

    Raises
    ------
    SbmlHybridError, ValueError
        For whatever could not work, before time is spent on what comes before it.
    """
    model = load(study.model)
    mechanism = load(study.mechanism) if study.mechanism else None
    asked = study.simulate
    times = np.linspace(0.0, asked.end, asked.points) if asked.times is None else np.array(asked.times)
    priors = around(model, asked.fold, asked.of, asked.initial)
    own = {name: prior_from_dict(said) for name, said in asked.priors.items()}
    draws = sample({**priors, **own}, asked.draws, seed=asked.seed, design=asked.design)
    if not len(draws.columns):
        raise StudyError(f"Nothing varies in {model.source}, so all experiments would be one. Name quantities with of.")
    for name in study.benchmark.known:
        if name not in draws.columns:
            raise unknown_name("varied quantity", name, draws.columns, f"{study.path}, known")
    place = f"[benchmark.rivals] of {study.path}"
    rivals = rivals_from_tables(study.benchmark.rivals, model, place, study.jobs)
    cells = cells_of(rivals, model.hash, mechanism, study.benchmark.seed)
    noise = noise_from_text(study.measure.noise)
    seconds, trial = _timed(model, draws, times)
    left_out = {name: reason for name, reason in priors.left_out.items() if name not in own}
    plan = Plan(study, model, mechanism, times, draws, left_out, noise, rivals, cells, seconds)
    _try(plan, trial)
    return plan


def noise_from_text(text: str) -> Any:
    """Return the noise model that ``"lognormal:0.1"`` or ``"normal:0.05"`` says: its kind and its size."""
    kind, _, size = text.partition(":")
    try:
        return kind_of(kind.strip())(float(size))
    except (TypeError, ValueError) as error:
        hint = "Write a kind and a size, such as lognormal:0.1 (10 %) or normal:0.05"
        raise StudyError(f"The noise {text!r} cannot be read. {hint}.") from error


def _timed(model: Any, draws: pd.DataFrame, times: np.ndarray) -> tuple[float, xr.Dataset]:
    """Seconds that all draws will take on one core, and a few of them."""
    began = time.perf_counter()
    simulate(model, draws.iloc[:1], times=times)  # compiles the model
    compiled = time.perf_counter()
    trial = simulate(model, draws.iloc[:_TRIAL], times=times)
    each = (time.perf_counter() - compiled) / len(draws.iloc[:_TRIAL])
    return compiled - began + each * len(draws), trial


def _try(plan: Plan, trial: xr.Dataset) -> None:
    study = plan.study
    plan.measure(trial)
    points, asked = plan.points, study.benchmark
    if asked.lookback + asked.horizon > points:
        raise StudyError(
            f"lookback {asked.lookback} + horizon {asked.horizon} = {asked.lookback + asked.horizon} time points, but "
            f"{study.path} measures at {points}. Shorten one, or simulate longer."
        )
    labels = plan.draws.index.values
    many = trial.isel(trajectory=np.zeros(len(labels), int), time=[0])
    many = many.assign_coords(trajectory=labels, draw=("trajectory", labels))
    split(many, study.split.test, seed=study.split.seed)  # whether a side would be empty
    if plan.mechanism is not None:
        path = simulate(plan.mechanism, times=plan.times)
        readout(path, study.measure.observables or list(trial["species"].values))

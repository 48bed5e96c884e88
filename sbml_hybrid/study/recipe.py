"""How a study's data is made: its model, draws, times and measurements, tried on a few trajectories first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.errors import StudyError
from sbml_hybrid.measurement.assay import measure
from sbml_hybrid.measurement.noise import kind_of
from sbml_hybrid.mechanism.reader import load
from sbml_hybrid.simulation.designs import sample
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.estimate import Estimate, estimate
from sbml_hybrid.simulation.priors import around, of, prior_from_dict
from sbml_hybrid.study.file import Study

_TRIAL = 6  # draws that are simulated and measured to see that the rest will work


@dataclass(frozen=True)
class Recipe:
    """The data of a study to be: its model loaded, its draws made, its noise configured.

    `left_out` says why parameters do not vary; `cost` is a guess from a few draws; `trial` holds these, simulated.
    """

    study: Study
    model: Any
    times: np.ndarray
    draws: pd.DataFrame
    left_out: Mapping[str, str]
    noise: Any
    cost: Estimate
    trial: xr.Dataset

    @property
    def points(self) -> int:
        """How many time points are measured."""
        return len(self.times if self.study.measure.schedule is None else self.study.measure.schedule)

    def simulate(self, store: str | os.PathLike) -> xr.Dataset:
        """Simulate all draws, or go on where an interrupted run stopped."""
        return simulate(self.model, self.draws, times=self.times, jobs=self.study.jobs, store=store)

    def measure(self, truth: xr.Dataset) -> xr.Dataset:
        """Measure the trajectories as the study says."""
        asked = self.study.measure
        return measure(truth, asked.observables, self.noise, asked.keep, asked.schedule, seed=asked.seed)


def make_recipe(study: Study) -> Recipe:
    """Load, configure and try what a study says of its data.

    Raises
    ------
    SbmlHybridError, ValueError
        For whatever could not work.
    """
    model, asked = load(study.model), study.simulate
    times = np.linspace(0.0, asked.end, asked.points) if asked.times is None else np.array(asked.times)
    rates = around(model, asked.fold, asked.of, asked.initial)
    own = {name: prior_from_dict(said, study.path.parent) for name, said in asked.priors.items()}
    priors = of(model, {**rates, **own})
    draws = sample(priors, asked.draws, seed=asked.seed, design=asked.design)
    if not len(draws.columns):
        raise StudyError(f"Nothing varies in {model.source}, so all experiments would be one. Name quantities with of.")
    noise = noise_from_text(study.measure.noise)
    cost = estimate(model, draws, times=times, jobs=study.jobs)
    trial = simulate(model, draws.iloc[:_TRIAL], times=times)
    left_out = {k: why for k, why in {**rates.left_out, **priors.left_out}.items() if k not in draws.columns}
    recipe = Recipe(study, model, times, draws, left_out, noise, cost, trial)
    recipe.measure(trial)
    return recipe


def noise_from_text(text: str) -> Any:
    """Return the noise model that ``"lognormal:0.1"`` or ``"linear:0.1,0.05"`` says: its kind and its numbers."""
    kind, _, numbers = text.partition(":")
    try:
        return kind_of(kind.strip())(*(float(number) for number in numbers.split(",")))
    except (TypeError, ValueError) as error:
        hint = "Write a kind and its numbers, such as lognormal:0.1 (10 %), normal:0.05 or linear:0.1,0.05"
        raise StudyError(f"The noise {text!r} cannot be read. {hint}.") from error

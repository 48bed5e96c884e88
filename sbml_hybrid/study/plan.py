"""What a study will do, worked out and tried on a few draws before anything long begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.benchmarking.cells import Cell
from sbml_hybrid.benchmarking.runner import cells_of
from sbml_hybrid.data.dataset import split, time_dimension
from sbml_hybrid.errors import StudyError, unknown_name
from sbml_hybrid.measurement.observables import readout
from sbml_hybrid.mechanism.reader import load
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.study.file import Study
from sbml_hybrid.study.recipe import Recipe, make_recipe
from sbml_hybrid.study.rivals import rivals_from_tables


@dataclass(frozen=True)
class Plan:
    """A study with the recipe of its data and its forecasters; `cells` are the rows of the ranking to be."""

    study: Study
    recipe: Recipe
    mechanism: Any
    rivals: Mapping[str, Any]
    cells: list[Cell]


def make_plan(study: Study) -> Plan:
    """Load, configure and try everything that a study names.

    Raises
    ------
    SbmlHybridError, ValueError
        For whatever could not work, before time is spent on what comes before it.
    """
    if study.benchmark is None:
        raise StudyError(
            f"{study.path} has no [benchmark], so there is nobody to rank. Add one, or make the data alone: "
            f"sbml-hybrid generate {study.path}"
        )
    if study.simulate.steady_state:
        raise StudyError(
            f"{study.path} makes steady states, and there is nothing to forecast. Use: sbml-hybrid generate"
        )
    recipe = make_recipe(study)
    mechanism = load(study.mechanism) if study.mechanism else None
    for name in study.benchmark.known:
        if name not in recipe.draws.columns:
            raise unknown_name("varied quantity", name, recipe.draws.columns, f"{study.path}, known")
    place = f"[benchmark.rivals] of {study.path}"
    rivals = rivals_from_tables(study.benchmark.rivals, recipe.model, place, study.jobs)
    cells = cells_of(rivals, recipe.model.hash, mechanism, study.benchmark.seed)
    plan = Plan(study, recipe, mechanism, rivals, cells)
    _try(plan)
    return plan


def _try_split(study: Study, recipe: Recipe) -> None:
    """See whether a side would be empty."""
    by, conditions = study.split.by, [condition.name for condition in recipe.settings.get("conditions", ())]
    if by == "condition" and not conditions:
        raise StudyError(f'by = "condition" in [split] of {study.path} needs [simulate.conditions].')
    labels = np.arange(len(recipe.draws)) if by == "draw" else np.array(conditions)
    rows = np.arange(len(labels))
    many = recipe.trial.isel({"trajectory": np.zeros(len(rows), int), time_dimension(recipe.trial): [0]})
    split(many.assign_coords({"trajectory": rows, by: ("trajectory", labels)}), study.split.test, study.split.seed, by)


def _try(plan: Plan) -> None:
    study, recipe = plan.study, plan.recipe
    points, asked = recipe.points, study.benchmark
    if asked.lookback + asked.horizon > points:
        raise StudyError(
            f"lookback {asked.lookback} + horizon {asked.horizon} = {asked.lookback + asked.horizon} time points, but "
            f"{study.path} measures at {points}. Shorten one, or simulate longer."
        )
    _try_split(study, recipe)
    if plan.mechanism is not None:
        path = simulate(plan.mechanism, times=recipe.times if recipe.times.ndim == 1 else recipe.times[:1])
        readout(path, study.measure.observables or list(recipe.trial["species"].values))

"""The loop that a careful user of libroadrunner writes: `simulate`'s draws, hygiene, tolerances and outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sbml_hybrid.simulation.solver import LADDER, roadrunner


@lru_cache(maxsize=32)
def engine_of(sbml: str) -> Any:
    """Return this process's compiled model."""
    engine = roadrunner.RoadRunner(sbml)
    engine.integrator.relative_tolerance = LADDER[0].relative
    return engine


def bare(
    sbml: str,
    computed: Collection[str],
    selections: Sequence[str],
    names: Sequence[str],
    values: np.ndarray,
    times: np.ndarray,
) -> np.ndarray:
    """Simulate every draw, with nothing around libroadrunner but what makes each right.

    It serves models without rate rules, events, time in formulas, and initial values that depend on what varies.

    Parameters
    ----------
    sbml
        The model's text.
    computed
        Species that assignment rules give.
    selections
        libroadrunner's names of the outputs.
    names, values
        Ids of the varied parameters, and their values (draw, parameter).
    times
        Output times, the first of them 0.

    Returns
    -------
    np.ndarray
        (draw, time, output).
    """
    engine, grid = engine_of(sbml), times.tolist()
    model, integrator = engine.model, engine.integrator
    engine.timeCourseSelections = list(selections)
    states = [i for i, id in enumerate(model.getFloatingSpeciesIds()) if id not in computed]
    out = np.empty((len(values), len(grid), len(selections)))
    for i, row in enumerate(values.tolist()):
        model.reset(roadrunner.SelectionRecord.ALL)
        for name, value in zip(names, row, strict=True):
            model[name] = value
        model.reset()
        integrator.setValue("absolute_tolerance", scaled(model.getFloatingSpeciesAmounts()[states]))
        integrator.restart(0.0)
        out[i] = engine.simulate(times=grid)
    return out


def scaled(start: np.ndarray) -> list[float]:
    """Absolute tolerances in proportion to where the states start, as the first rung of the ladder has them."""
    largest = start.max(initial=0.0)
    size = np.where(start > 0, np.maximum(start, 1e-9 * largest), largest)
    return (LADDER[0].absolute * np.minimum(1.0, size)).tolist()

"""How accurate a simulation layer is, measured against libroadrunner; and with which steps it gets there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.errors import SolverError
from sbml_hybrid.hybrid.integration import Course, Tolerance, find
from sbml_hybrid.hybrid.plan import Plan
from sbml_hybrid.hybrid.steps import DormandPrince, Method, Rosenbrock, System
from sbml_hybrid.hybrid.stops import stops_of
from sbml_hybrid.hybrid.varied import Varied
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.field import Field
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.simulation.designs import sample
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.priors import around
from sbml_hybrid.simulation.priors.bulk import Priors
from sbml_hybrid.simulation.priors.quantities import own_value
from sbml_hybrid.simulation.runs import Deterministic

log = logging.getLogger("sbml_hybrid")

DRAWS, POINTS = 16, 101
MOST_STEPS = 20_000
_FINEST = 1e-10
_REFERENCE = 1e-12  # libroadrunner's relative tolerance: a state of small range is less accurate by default
_NEGATIVE = 1e-6  # of its range: what is less below zero is an error of the solver
# An attempt of the explicit method costs that much of an implicit one (docs/performance.md).
_EXPLICIT_COST = 0.6
_ROOM = 1.5  # for trajectories that need more steps than those that were looked at


@dataclass(frozen=True)
class Accuracy:
    """What was measured before the first training step.

    Parameters
    ----------
    tolerance
        The largest error that was asked for, in units of each state's range.
    error, typical
        The largest error of all draws, and the median over draws of their largest.
    draws
        How many draws were compared.
    local
        The tolerance of one step that gives it.
    method
        ``"ROS34PW2"`` (implicit) or ``"Dormand-Prince"`` (explicit).
    steps
        How many steps a trajectory may take: half as many again as the draws needed.
    ranges
        The range of each state over all draws (state,).
    signed
        States that are negative in some draw.
    """

    tolerance: float
    error: float
    typical: float
    draws: int
    local: float
    method: str
    steps: int
    ranges: tuple[float, ...]
    signed: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"largest error {self.error:.1e} of the range (median {self.typical:.1e}) over {self.draws} draws, against "
            f"libroadrunner; asked for {self.tolerance:.1e}. {self.method}, up to {self.steps} steps."
        )


@dataclass(frozen=True, eq=False)
class Reference:
    """What libroadrunner says: the varied quantities' values (draw, quantity), and states (draw, time, state)."""

    varied: np.ndarray
    times: np.ndarray
    states: np.ndarray


def reference(plan: Plan, prior: Mapping[str, Any] | None, draws: int = DRAWS, seed: int = 0) -> Reference:
    """Simulate draws from the prior with libroadrunner.

    Parameters
    ----------
    plan
        What is simulated.
    prior
        Laws of what varies, by name; what has none keeps the model's own value. By default positive values vary
        1.5-fold.
    draws, seed
        How many draws, and from where chance starts.

    Raises
    ------
    SolverError
        libroadrunner could not simulate a single one.
    """
    own = InitialValues(plan.model)
    values = {name: float(own_value(plan.model, own, name)) for name in plan.varied}
    if prior is None:
        prior = around(plan.model, 1.5, of=[n for n, v in values.items() if v > 0]) if values else {}
    prior = Priors({n: law for n, law in dict(prior).items() if n in values}, {})
    drawn = sample(prior, draws, seed=seed) if len(prior) else pd.DataFrame(index=range(1))
    frame = pd.DataFrame({n: drawn[n] if n in drawn else np.full(len(drawn), v) for n, v in values.items()})
    times = np.linspace(0.0, plan.end, POINTS)
    variables = zip(plan.odes.states, plan.odes.variables, strict=True)
    quantities = [variable if variable.startswith("amount(") else state for state, variable in variables]
    run = Deterministic(_REFERENCE)
    truth = simulate(plan.model, frame if len(frame.columns) else None, times=times, quantities=quantities, run=run)
    good = truth["status"].values == 0
    if not good.any():
        raise SolverError(
            f"libroadrunner could not simulate {plan.model.source} up to {plan.end:g} for any of {len(good)} draws. "
            "Try: a shorter end=, or a narrower prior=."
        )
    exact = good & np.array([rung.scaled for rung in run.ladder])[truth["rung"].values]
    good = exact if exact.any() else good  # the other rungs are coarse for a state of small range
    varied = frame.to_numpy(float) if len(frame.columns) else np.zeros((1, 0))
    return Reference(varied[good], times, truth["truth"].values[good])


def measured(plan: Plan, exact: Reference, tolerance: float, steps: int | None, least: float = _FINEST) -> Accuracy:
    """Find the steps that keep the error under `tolerance`, and the cheaper method.

    Parameters
    ----------
    plan
        What is simulated; its networks are left out.
    exact
        What libroadrunner says.
    tolerance
        The largest error that is allowed, in units of each state's range.
    steps
        How many steps a trajectory may take; by default what the draws need, and half as many again.
    least
        The finest tolerance of one step that the numbers' precision allows.
    """
    plan = replace(plan, sites=(), columns=())
    states, variables = exact.states, plan.odes.variables
    ranges = ranges_of_states(states, [v.startswith("amount(") for v in variables])
    signed = tuple(
        v for v, low, r in zip(variables, states.min(axis=(0, 1)), ranges, strict=True) if low < -_NEGATIVE * r
    )
    field = plan.field(signed)

    def search(method: Method, most: int) -> _Trial:
        """The coarsest steps that are fine enough, or the best there are."""
        local, trials = tolerance / 10, []
        while True:
            trials.append(_Trial(plan, field, method, exact, ranges, local, most))
            error = trials[-1].error
            # Where a hundredfold finer step does not halve the error, it is not the steps'.
            stalls = len(trials) > 2 and error > 0.5 * trials[-3].error
            if error <= tolerance or not np.isfinite(error) or local <= least or stalls:
                return min(trials, key=lambda trial: trial.error)
            local = max(local / 10, least)

    implicit = search(Rosenbrock(field), MOST_STEPS)
    good = implicit.error <= tolerance
    explicit = search(DormandPrince(), int(implicit.needed / _EXPLICIT_COST) if good else MOST_STEPS)
    chosen = explicit if explicit.error <= tolerance or explicit.error < implicit.error and not good else implicit
    wanted = steps or int(np.ceil((_ROOM * chosen.needed + 10) / 10) * 10)
    found = Accuracy(
        tolerance=tolerance,
        error=chosen.error,
        typical=chosen.typical,
        draws=len(states),
        local=chosen.local,
        method=chosen.method.name,
        steps=wanted,
        ranges=tuple(ranges.tolist()),
        signed=signed,
    )
    if chosen.error > tolerance:
        log.warning("%s: %s Try: a shorter end=, a larger tolerance=, or a narrower prior=.", plan.model.source, found)
    return found


def ranges_of_states(states: np.ndarray, amounts: Sequence[bool]) -> np.ndarray:
    """The range of each state, and no less than rounding: of its own size, and of what the others are like."""
    extent = np.ptp(states, axis=1).max(axis=0)
    least = np.maximum(1e-12 * np.abs(states).max(axis=(0, 1)), 1e-9 * np.median(extent))
    # What flows between amounts is rounded as the largest of them, and where most are 0 that is all they have.
    least = np.maximum(least, np.where(amounts, 1e-15 * (extent * amounts).max(), 0.0))
    ranges = np.maximum(extent, least)
    return np.where(ranges > 0, ranges, 1.0)


class _Trial:
    """One method at one tolerance, in NumPy: nothing has to be compiled to look."""

    def __init__(
        self,
        plan: Plan,
        field: Field,
        method: Method,
        exact: Reference,
        ranges: np.ndarray,
        local: float,
        most: int,
    ) -> None:
        self.method, self.local = method, local
        course = simulated(plan, field, method, exact, ranges, local, most)
        errors = np.abs(course.states - exact.states) / ranges
        errors[course.reached < len(exact.times)] = np.inf
        each = np.where(np.isnan(errors), np.inf, errors).max(axis=(1, 2))
        self.error, self.typical = float(each.max()), float(np.median(each))
        self.needed = int(course.taken.max())


def simulated(
    plan: Plan, field: Field, method: Method, exact: Reference, ranges: np.ndarray, local: float, steps: int
) -> Course:
    """Simulate the reference's draws in NumPy; the states are those at the reference's times."""
    xp = Arrays(np)
    count = len(exact.varied)
    with np.errstate(all="ignore"):
        varied = Varied(plan.varied, exact.varied.T)
        start, held = plan.start(varied, np.zeros(count), xp)
        system = System(field, xp, field.context(held, xp))
        controls = np.array([plan.odes.held_values[c] for c in plan.controls])
        controls = np.tile(controls, (count, len(exact.times), 1)) if len(controls) else None
        stops = stops_of(plan, varied, np.tile(exact.times, (count, 1)), controls, None, xp)
        tolerance = Tolerance(ranges[:, None] * (method.floor * local), local)
        course = find(system, method, start, stops.schedule, tolerance, steps)
    reached = np.sum(stops.reached(course.reached, len(exact.times), xp), axis=1)
    return replace(course, states=stops.pick(course.states, xp), reached=reached)

"""What a history says of a mechanism: parameters, and the state that the simulation of a window starts in.

A network answers with numbers, one for each unknown, all 0 at first. Here they become parameters and states: 0 is the
model's own value, and no number leads out of bounds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.errors import DataError, SolverError
from sbml_hybrid.hybrid.accuracy import DRAWS, Reference
from sbml_hybrid.hybrid.plan import Plan
from sbml_hybrid.hybrid.varied import Varied
from sbml_hybrid.mechanism.initial import InitialValues, depends_on
from sbml_hybrid.mechanism.kinetics import mentions_time
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.odes import species_of
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.priors.quantities import own_value

log = logging.getLogger("sbml_hybrid")

_EARLY = 0.5  # of a usual history: so near to the experiment's start, the model's own start says more than a network
_LEAST = 1e-3  # of its largest amount: what a species can grow from that is not there in the model's own course
_NEGATIVE = 1e-6  # of its largest size: what is less below zero is an error of the solver
_SWEEPS = 4  # over all moieties; one is enough where no species is in two of them
_KEPT = 1e-4  # of a total: what is a moiety to a solver
_POINTS, _MOST_TIMES = (25, 101), 4001  # of a piece, at least and at most; of a course


@dataclass(frozen=True, eq=False)
class Assimilation:
    """How numbers become parameters and initial states.

    Parameters
    ----------
    plan
        What is simulated from the experiment's start: the model with all parameters that are estimated or known.
    own
        The model's own values of what is estimated, by name.
    known
        Known inputs that are quantities of the model, with their positions among all.
    most
        The largest logarithm of a fold change.
    restarts
        Whether the simulation of a window starts at its history; otherwise all start at time 0.
    early
        Histories that begin no later than this start at time 0, in the model's own initial state.
    low, high
        The least amount that a fold change starts from, and the largest (state,), in the model's units.
    signed
        States that may be negative (state,).
    typical
        A state to start from where the model's own cannot be simulated (state,).
    totals
        Coefficients of the conserved moieties (moiety, state).
    """

    plan: Plan
    own: Mapping[str, float]
    known: Mapping[str, int]
    most: float
    restarts: bool
    early: float
    low: np.ndarray
    high: np.ndarray
    signed: np.ndarray
    typical: np.ndarray
    totals: np.ndarray

    @property
    def count(self) -> int:
        """How many numbers a network answers with."""
        return len(self.own) + (len(self.low) if self.restarts else 0)

    @property
    def parameters(self) -> tuple[str, ...]:
        """What a simulation is given as parameters."""
        return tuple(n for n in self.plan.parameters if not (self.restarts and n.startswith("init(")))

    @property
    def initial(self) -> tuple[str, ...]:
        """The states whose initial values a simulation is given."""
        return tuple(species_of(v) for v in self.plan.odes.variables) if self.restarts else ()

    def informed(self, library: Library, moving_ports: Sequence[str]) -> Assimilation:
        """Return it with what is usual of states.

        Parameters
        ----------
        library
            Draws simulated from time 0.
        moving_ports
            Derivatives that a graft changes: no moiety of theirs is left.
        """
        states = library.states
        most = np.abs(states).max(axis=(0, 1))
        most = np.where(most > 0, most, np.median(most[most > 0]) if (most > 0).any() else 1.0)
        return replace(
            self,
            low=_LEAST * most,
            high=np.exp(self.most) * most,
            signed=states.min(axis=(0, 1)) < -_NEGATIVE * most,
            typical=np.median(states, axis=(0, 1)),
            totals=_totals(self.plan.model, self.plan.odes.variables, states, moving_ports),
        )

    # -- before the simulation, in NumPy -----------------------------------------------------------

    def begins(self, past: Windows) -> np.ndarray:
        """Return the time at which the simulation of each window starts (window,)."""
        first = past.times[:, 0]
        if first.min(initial=0.0) < 0:
            raise DataError(f"A mechanism starts at time 0, and the data begins at {first.min():g}. Shift the times.")
        return np.where(first <= self.early, 0.0, first) if self.restarts else np.zeros(len(past))

    def inputs(self, past: Windows) -> dict[str, np.ndarray]:
        """Return what a simulation of windows needs beside the numbers.

        Returns
        -------
        dict
            ``times`` (window, lookback + horizon) since its start; ``known`` (window, known); and where it starts at
            the history ``base`` (window, state), the model's own state there, and ``early`` (window, 1), 1 where it
            starts at time 0 all the same.
        """
        begins = self.begins(past)
        times = np.concatenate([past.times, past.query_times], axis=1) - begins[:, None]
        known = past.static[:, list(self.known.values())]
        inputs = {"times": times, "known": known}
        if self.restarts:
            inputs |= {"base": self._course(begins, known), "early": (begins == 0).astype(float)[:, None]}
        return inputs

    def _course(self, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        """The model's own state at a time of each window (window, state)."""
        grid = np.unique(np.append(times, 0.0))
        given, which = np.unique(known, axis=0, return_inverse=True)
        draws = pd.DataFrame(given, columns=list(self.known)) if self.known else None
        courses = states_of(self.plan, draws, grid)
        failed = ~np.isfinite(courses).all(axis=(1, 2))
        courses[failed] = self.typical
        rows = which.ravel() if self.known else np.zeros(len(times), int)
        return courses[rows, np.searchsorted(grid, times)]

    # -- in the network ----------------------------------------------------------------------------

    def given(self, numbers: Any, inputs: Mapping[str, Any], xp: Any) -> dict[str, Any]:
        """Return the inputs ``parameters`` and ``initial`` of a simulation.

        Parameters
        ----------
        numbers
            The network's answer (window, number).
        inputs
            What `inputs` gave, as arrays of `xp`.
        xp
            ``keras.ops``.
        """
        count = len(self.own)
        own = xp.convert_to_tensor(np.array(list(self.own.values()))[:, None], dtype=numbers.dtype)
        parts = [own * xp.exp(self.most * xp.tanh(xp.transpose(numbers[:, :count]) / self.most))]
        if self.known:
            parts.append(xp.transpose(inputs["known"]))
        values = Varied((*self.own, *self.known), xp.concatenate(parts, axis=0))
        found = {"parameters": xp.transpose(values.together(self.parameters, xp))} if self.parameters else {}
        if not self.restarts:
            return found
        start, _ = self.plan.start(values, inputs["times"][:, 0], xp)
        later = self._later(xp.transpose(numbers[:, len(self.own) :]), xp.transpose(inputs["base"]), xp)
        later = self._with_totals(later, start, xp)
        early = xp.transpose(inputs["early"]) > 0.5
        return found | {"initial": xp.transpose(xp.where(early, start, later))}

    def _later(self, g: Any, base: Any, xp: Any) -> Any:
        """The states (state, window): the model's own ones, changed by bounded factors, or differences if signed."""
        low, high = (xp.convert_to_tensor(x[:, None], dtype=g.dtype) for x in (self.low, self.high))
        least = xp.maximum(base, low)
        up, down = xp.log(xp.maximum(high / least, 2.0)), xp.log(xp.maximum(least / low, 2.0))
        factor = xp.exp(xp.where(g > 0, up * xp.tanh(g / up), down * xp.tanh(g / down)))
        grown = xp.maximum(base + least * (factor - 1.0), 0.0)
        if not self.signed.any():
            return grown
        signed = xp.convert_to_tensor(self.signed[:, None])
        return xp.where(signed, base + high * xp.tanh(g), grown)

    def _with_totals(self, state: Any, start: Any, xp: Any) -> Any:
        """The state with the moieties' totals of the start: each is scaled to its total, in turn."""
        for row in self.totals.tolist() * _SWEEPS:
            count = xp.convert_to_tensor(np.array(row)[:, None], dtype=state.dtype)
            wanted, there = (xp.sum(count * x, axis=0, keepdims=True) for x in (start, state))
            factor = (wanted + self._tiny) / (there + self._tiny)
            state = state * factor ** (count / max(row))
        return state

    @property
    def _tiny(self) -> float:
        return 1e-6 * float(self.low.min()) if len(self.low) else 0.0


def reason_to_start_at_zero(plan: Plan, ports: Sequence[str], reads_time: bool) -> str:
    """Return in words why a simulation cannot start at a window's history; nothing if it can.

    Parameters
    ----------
    plan
        What is simulated.
    ports
        The ports of all grafts.
    reads_time
        Whether a graft does.
    """
    odes = plan.odes
    if plan.happenings:
        return "it has events or switches"
    trees = (*odes.derivatives, *(tree for _, tree in odes.definitions), *plan.trees.values())
    if reads_time or any(map(mentions_time, trees)):
        return "its formulas mention time"
    if any(port.startswith("init(") for port in ports):
        return "a graft sets an initial amount"
    states = set(odes.states)
    for name in odes.held:
        if depends_on(plan.model, species_of(name), states):
            return f"{species_of(name)} is computed from initial amounts"
    return "" if odes.states else "nothing in it changes"


def assimilation_of(
    plan: Plan, own: Sequence[str], known: Mapping[str, int], fold: float, past: Windows, restarts: bool
) -> Assimilation:
    """Return how numbers become parameters, for windows to learn from; of states it knows nothing yet.

    Parameters
    ----------
    plan
        What is simulated from time 0.
    own
        What is estimated.
    known
        Known inputs that are quantities of the model, with their positions.
    fold
        How far parameters are from the model's own values, usually; they stay within its square.
    past
        The windows.
    restarts
        Whether simulations start at histories.
    """
    values = InitialValues(plan.model)
    nothing = np.zeros(0)
    return Assimilation(
        plan=plan,
        own={name: float(own_value(plan.model, values, name)) for name in own},
        known=dict(known),
        most=2 * float(np.log(fold)),
        restarts=restarts,
        early=_EARLY * float(np.median(past.times[:, -1] - past.times[:, 0])),
        low=nothing, high=nothing, signed=nothing.astype(bool), typical=nothing, totals=np.zeros((0, 0)),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Library:
    """Draws that libroadrunner simulated from time 0, at evenly spaced times.

    Parameters
    ----------
    draws
        What was drawn.
    times, states
        Times (time,), and states (draw, time, state).
    points
        How many of the times a piece has.
    """

    draws: pd.DataFrame
    times: np.ndarray
    states: np.ndarray
    points: int

    def pieces(self, plan: Plan) -> Reference:
        """Return a piece of each course as long as `plan`, as what a simulation that starts there must give.

        The pieces start evenly between the start and the end of the whole.
        """
        count, all_points = self.states.shape[:2]
        first = np.linspace(0, all_points - self.points, count).round().astype(int)
        own = InitialValues(plan.model)
        states = np.stack([course[at : at + self.points] for course, at in zip(self.states, first, strict=True)])
        start = dict(zip((f"init({species_of(v)})" for v in plan.odes.variables), states[:, 0].T, strict=True))
        columns = [
            self.draws[n].to_numpy(float) if n in self.draws
            else start[n] if n in start and n in plan.given_initial
            else np.full(count, float(own_value(plan.model, own, n)))
            for n in plan.varied
        ]  # fmt: skip
        varied = np.stack(columns, axis=1) if columns else np.zeros((count, 0))
        return Reference(varied, self.times[: self.points], states)


def library_of(plan: Plan, draws: pd.DataFrame, span: float, points: int) -> Library:
    """Simulate draws up to the end of `plan`, with so many points in a span.

    Raises
    ------
    SolverError
        None of them could be simulated.
    """
    points = int(np.clip(points, *_POINTS))
    times = span / (points - 1) * np.arange(np.clip(np.ceil(points * plan.end / span), points, _MOST_TIMES))
    if not len(draws.columns):
        draws = draws.iloc[:1]
    states = states_of(plan, draws if len(draws.columns) else None, times)
    good = np.isfinite(states).all(axis=(1, 2))
    if not good.any():
        raise SolverError(
            f"libroadrunner could not simulate {plan.model.source} up to {times[-1]:g} for any of {len(draws)} draws. "
            "Try: a smaller fold=."
        )
    if not len(draws.columns):
        states, good = np.repeat(states, DRAWS, axis=0), np.ones(DRAWS, bool)
        draws = pd.DataFrame(index=range(DRAWS))
    return Library(draws[good].reset_index(drop=True), times, states[good], points)


def states_of(plan: Plan, draws: pd.DataFrame | None, times: np.ndarray) -> np.ndarray:
    """Return the states of draws from time 0 on (draw, time, state), NaN for a draw that fails."""
    odes = plan.odes
    pairs = zip(odes.states, odes.variables, strict=True)
    names = [variable if variable.startswith("amount(") else state for state, variable in pairs]
    return simulate(plan.model, draws, times=times, quantities=names)["truth"].values.astype(float).copy()


def _totals(model: Model, variables: Sequence[str], states: np.ndarray, moving_ports: Sequence[str]) -> np.ndarray:
    """The moieties (moiety, state) that hold in all draws, and whose coefficients are positive."""
    names = [species_of(v) for v in variables]
    changed = {port.removesuffix("'") for port in moving_ports}
    rows = []
    for moiety in model.moieties():
        row = np.array([moiety.coefficients.get(name, 0.0) for name in names])
        inside = set(moiety.coefficients) <= set(names) and not changed & set(moiety.coefficients)
        total = states @ row
        held = np.abs(total - total[:, :1]).max() <= _KEPT * max(np.abs(total).max(), 1e-300)
        if inside and (row >= 0).all() and row.any() and held and not moiety.broken_by:
            rows.append(row)
    return np.array(rows).reshape(len(rows), len(names))

"""Where the trajectory of a draw comes to rest: integrated until a steady state is near, then solved for exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.odes import species_of
from sbml_hybrid.simulation.balance import STABLE, UNDETERMINED, Balance, Rates, Root
from sbml_hybrid.simulation.runs import Start
from sbml_hybrid.simulation.solver import DIVERGED, FAILED, LADDER, NOT_STEADY, OK, Rung, Solver
from sbml_hybrid.simulation.switches import switch_times

LONGEST = 1e9  # how far a trajectory is followed, in the model's time unit
LOOKS = tuple(10.0**k for k in range(1, 10))  # when it is looked at
NEAR = 1e-4  # how close to its steady state a trajectory must have come, relative to the state
RECURRING = 1000  # events between two looks that are taken for a rhythm
GROWN = 1e6  # growth after the first look that is taken for growth without end


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The end of one trajectory.

    Parameters
    ----------
    state
        Id -> amount of a species, or value of another quantity, of all that integration or events change;
        empty where the trajectory comes to no rest.
    status, rung, stability
        Codes of `STATUSES`, `LADDER` and `STABILITIES`.
    reason
        In words, why there is no steady state.
    """

    state: Mapping[str, float]
    status: int
    rung: int
    stability: int = UNDETERMINED
    reason: str = ""


def equilibrium(solver: Solver, start: Start) -> Equilibrium:
    """Return the steady state that the trajectory from a start reaches, and leave `solver` in it.

    The trajectory is integrated over spans that grow tenfold. After each, Newton's method goes on from
    its end, within the totals that the reactions conserve; a root counts if the trajectory has come
    near it and it is stable, so that a switch is found in the state into which it falls. What has no
    isolated steady state (a product that is made in two ways) counts once it stands still.

    Parameters
    ----------
    solver
        The compiled model.
    start
        What the draw sets.
    """
    balance, reason = balance_of(solver.model), ""
    for number, rung in enumerate(LADDER):
        path = _Path(solver, balance, start, rung)
        try:
            root = path.followed()
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            if path.has_grown():
                return Equilibrium({}, DIVERGED, number, reason=f"{path.fastest()} grows without end: {reason}")
            if "CV_TOO_MUCH_WORK" in reason or "mxstep" in reason:
                steps = f"{rung.budget} solver steps after time {path.time:g}"
                return Equilibrium({}, NOT_STEADY, number, reason=f"still moving {steps}")
            continue
        if root is not None:
            return Equilibrium(path.brought_to(root), OK, number, root.stability)
        if path.has_grown():
            return Equilibrium({}, DIVERGED, number, reason=f"{path.fastest()} grows without end")
        return Equilibrium({}, NOT_STEADY, number, reason=path.restless())
    return Equilibrium({}, FAILED, len(LADDER) - 1, reason=reason)


_balances: dict[str, Balance] = {}


def balance_of(model: Model) -> Balance:
    """Return the equations of a model at rest, made once.

    Raises
    ------
    ModelError
        The model's rates depend on time itself.
    """
    balance = _balances.get(model.hash)
    if balance is None:
        balance = Balance(model)
        for oldest in list(_balances)[:-7]:
            _balances.pop(oldest, None)
        _balances[model.hash] = balance
    return balance


@dataclass(eq=False)
class _Path:
    """One trajectory on its way, by one rung of the ladder."""

    solver: Solver
    balance: Balance
    start: Start
    rung: Rung
    time: float = 0.0
    events: int = 0
    early: float = 0.0  # the largest state at the first look

    def __post_init__(self) -> None:
        name, odes = self.solver._name, self.balance.odes
        self.engine = self.solver.executable
        self.ids = [name(id) for id in odes.states]
        by_id = odes.model.by_id
        self.held_ids = {held: name(species_of(held)) for held in odes.held if species_of(held) in by_id}
        species = [by_id[id] for id in odes.states if isinstance(by_id.get(id), Species)]
        self.compartments = [name(s.compartment) for s in species]
        fixed = not {s.compartment for s in species} & odes.model.assignment_rules.keys()
        self.fast = fixed and self.ids == self.engine.getFloatingSpeciesIds() and not odes.model.rate_rules
        self.peak = np.zeros(len(self.ids))

    def _begin(self) -> None:
        name = self.solver._name
        varied, dependent = ([(name(id), value) for id, value in s] for s in (self.start.varied, self.start.dependent))
        self.solver.begin(varied, dependent)
        self.solver.configure(self.rung, np.array([0.0, LOOKS[0]]))
        self.solver.integrator.restart(0.0)
        self.state = self.begun = self.read()
        self.peak = np.abs(self.state)
        self.resolved = self._resolved()

    def read(self) -> np.ndarray:
        """The state as the engine has it, (state,)."""
        return np.array([self.engine[id] for id in self.ids])

    def followed(self) -> Root | None:
        """Where the trajectory comes to rest; None if it does not."""
        self._begin()
        model = self.balance.odes.model
        given = {id: np.array([value]) for id, value in self.start.varied}
        switches = switch_times(model, given, 1, LONGEST)[0] if model.events else ()
        looks = sorted({*LOOKS, *switches[-1:]})
        confirmed: Root | None = None
        for look in looks:
            before, self.events = self.state, 0
            self._integrate([*(s for s in switches if self.time < s < look), look])
            if self.events > RECURRING:
                return None
            if look < max(switches, default=0.0):
                continue
            rates = self.rates()
            root = self._root_nearby(rates)
            if root is not None and root.stability == STABLE:
                if not model.events or confirmed is not None:  # a late event may end a rest
                    return root
                confirmed = root
                self._write(self.state)
                continue
            confirmed = None
            still = (np.abs(self.state - before) <= self.near()).all()
            drift = np.abs(rates(self.state)) * LONGEST
            if still and (look == LONGEST or (drift <= self.near()).all()):
                return root or self._at_rest(rates)
            self._write(self.state)
        return confirmed

    def _integrate(self, stops: Sequence[float]) -> None:
        """Follow the trajectory to the last of `stops`, and start again at each."""
        with _Counted(self.engine, self):
            for stop in stops:
                span = stop - self.time
                caps = [self.rung.steps * span] if self.rung.steps else []
                caps += [span / 1000] if self.solver.jumps else []
                self.solver.tell("maximum_time_step", min(caps, default=0.0))
                # An event at the stop would be lost if rounding kept the stop from being reached.
                reached = self.time + (stop - self.time) == stop
                self.solver.engine.simulate(times=[self.time, *([] if reached else [self.time + span / 2]), stop])
                self.time = stop
        self.state = self.read()
        if not np.isfinite(self.state).all():
            raise RuntimeError(f"not finite at time {self.time:g}")
        self.peak = np.maximum(self.peak, np.abs(self.state))
        self.early = self.early or self.peak.max(initial=0.0)

    def _root_nearby(self, rates: Rates) -> Root | None:
        start = None if self.balance.odes.model.events else self.begun
        return self.balance.root(self._without_noise(), rates, self.size(), self.near(), start)

    def _at_rest(self, rates: Rates) -> Root:
        state = self._without_noise()
        return Root(state, self.balance.stability(state, rates, self.size()))

    def _without_noise(self) -> np.ndarray:
        noise = self.balance.is_species & (self.state < 0) & (self.state > -1e3 * self.resolved)
        return np.where(noise, 0.0, self.state)

    def _write(self, state: np.ndarray) -> None:
        for id, value in zip(self.ids, state.tolist(), strict=True):
            self.engine[id] = value

    def rates(self) -> Rates:
        """The derivatives of states, with all else as the trajectory has it.

        libroadrunner gives them a hundred times faster than the trees of `Odes`, but not those of rate rules.
        """
        if not self.fast:
            held = {name: self.engine[id] for name, id in self.held_ids.items()}

            def by_trees(states: np.ndarray) -> np.ndarray:
                with np.errstate(all="ignore"):
                    return np.asarray(self.balance.odes.rates(states, 0.0, held), dtype=float)

            return by_trees
        engine = self.engine
        volumes = np.array([engine[id] for id in self.compartments])

        def by_engine(states: np.ndarray) -> np.ndarray:
            rows = []
            for state in states.reshape(-1, len(self.ids)):
                engine.setFloatingSpeciesAmounts(state)
                rows.append(engine.getFloatingSpeciesConcentrationRates() * volumes)
            return np.array(rows).reshape(states.shape)

        return by_engine

    def size(self) -> np.ndarray:
        """How large each state is, for differences (state,)."""
        size = np.maximum(np.abs(self.state), 1e-4 * self.peak)
        return np.maximum(size, np.where(self.resolved > 0, self.resolved, np.finfo(float).tiny))

    def near(self) -> np.ndarray:
        """How close to its steady state each state must have come (state,)."""
        return NEAR * np.maximum(np.abs(self.state), 1e-4 * self.peak) + 100 * self.resolved

    def _resolved(self) -> np.ndarray:
        """The absolute tolerance of each state (state,)."""
        tolerance = self.solver.told["absolute_tolerance"]
        places = {id: i for i, id in enumerate(self.solver.state_ids)}
        every = np.broadcast_to(tolerance, (len(places),))
        return np.array([every[places[id]] if id in places else every.min() for id in self.ids])

    def brought_to(self, root: Root) -> dict[str, float]:
        """Set the engine to a root, compartments and parameters first, and return all that may have changed."""
        model = self.balance.odes.model
        moved = {id for id in model.event_targets if id in model.by_id and id not in self.balance.odes.states}
        found = {id: float(self.engine[self.solver._name(id)]) for id in sorted(moved)}
        found |= dict(zip(self.balance.odes.states, root.state.tolist(), strict=True))
        found = dict(sorted(found.items(), key=lambda item: isinstance(model.by_id.get(item[0]), Species)))
        for id, value in found.items():
            self.engine[self.solver._name(id)] = value
        return found

    def has_grown(self) -> bool:
        """Whether the largest state has left all bounds."""
        state = np.abs(self.read())
        return not np.isfinite(state).all() or state.max(initial=0.0) > GROWN * (
            self.early or self.peak.max(initial=0.0)
        )

    def fastest(self) -> str:
        """The id of the largest state."""
        return self.balance.odes.states[int(np.nan_to_num(np.abs(self.read()), nan=np.inf).argmax())]

    def restless(self) -> str:
        """In words, what does not come to rest."""
        if self.events > RECURRING:
            return f"events fire again and again ({self.events} of them up to time {self.time:g})"
        rates = np.abs(self.rates()(self.state)) / self.size()
        return f"{self.balance.odes.states[int(rates.argmax())]} still moves at time {self.time:g}"


class _Counted:
    """Count the events that fire, while a trajectory is followed."""

    def __init__(self, engine: object, path: _Path) -> None:
        self.listeners = [engine.getEvent(id) for id in engine.getEventIds()]
        self.path = path

    def __enter__(self) -> None:
        for listener in self.listeners:
            listener.setOnTrigger(self._count)

    def __exit__(self, *_: object) -> None:
        for listener in self.listeners:
            listener.setOnTrigger(None)

    def _count(self, *_: object) -> None:
        self.path.events += 1

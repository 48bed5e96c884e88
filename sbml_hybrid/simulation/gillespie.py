"""Exact stochastic simulation: every reaction of every molecule, by Gillespie's direct method in libroadrunner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sbml_hybrid.errors import ModelError, is_number
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Call, Name, Tree, evaluate, fold
from sbml_hybrid.mechanism.model import Event, Model, Parameter
from sbml_hybrid.mechanism.molecules import counted_species, in_molecules
from sbml_hybrid.mechanism.quantities import quantity_id
from sbml_hybrid.simulation.runs import Start
from sbml_hybrid.simulation.settings import selection_of
from sbml_hybrid.simulation.solver import BUDGET, FAILED, NOT_FINITE, OK, Outcome, Solver
from sbml_hybrid.simulation.streams import require_seed

_AFTER = 1e-11  # just after a switch, in shares of its time and of the whole, a comparison has its new value
_NEARLY = 1e-6  # a count this near to a whole number is one, and was rounded on the way


@dataclass(frozen=True)
class Gillespie:
    """Exact stochastic simulation: molecules react one at a time, at random.

    Reach for it where few molecules take part, so that chance is seen: gene expression in one cell, a rare
    receptor. The direct method (Gillespie 1977) samples the chemical master equation without any approximation; with a
    growing `volume` it comes to the differential equations.

    Parameters
    ----------
    volume
        Molecules per unit of the model's amount: molecules = amount x volume, where amount = concentration x
        size of the compartment. A model in nM whose compartment has size 1 and stands for v litres has
        ``volume = 6.022e23 * 1e-9 * v``: 602.2 for a picolitre. 1 for a model that counts molecules.
    seed
        Of all trajectories; a trajectory depends on it, on its label, its draw and its output times alone.
    budget
        Reactions that may happen in one trajectory, so that one that explodes ends, with a status.

    Notes
    -----
    The rate of every reaction is its law times `volume`. A reversible law is split into its two directions,
    which must both never be negative. In a reaction of two or more molecules of one species, the power of that
    species in a mass-action law becomes ``A*(A - one molecule)``: a molecule does not meet itself. Other laws are
    taken as they are, and are 0 where there are too few molecules for the reaction.

    What has no exact meaning among whole molecules is refused by name: a count that is not whole, a law that
    can be negative or that changes smoothly in time, rate rules, events that the state triggers. The values
    recorded are in the model's own units.

    libroadrunner draws its random numbers from 2^32 streams, one for each label.

    References
    ----------
    Gillespie, Journal of Physical Chemistry 81 (1977) 2340, doi:10.1021/j100540a008.

    Examples
    --------
    >>> import sbml_hybrid as sh
    >>> gene = sh.load("-> P; k; P -> ; d*P; P = 0; k = 10; d = 1")
    >>> run = sh.Gillespie(volume=1, seed=0)
    >>> sh.simulate(gene, times=[0, 1, 2, 3], run=run)["truth"].sel(species="P").values[0]
    array([ 0.,  6.,  9., 10.])
    """

    volume: float = 1.0
    seed: int = 0
    budget: int = 10_000_000

    integrator: ClassVar[str] = "gillespie"
    rungs: ClassVar[tuple[str, ...]] = ("exact",)

    def __post_init__(self) -> None:
        if not (is_number(self.volume) and self.volume > 0):
            raise ValueError(f"volume must be a positive number of molecules per unit of amount, got {self.volume!r}.")
        require_seed(self.seed)
        if not is_number(self.budget) or self.budget < 1 or self.budget % 1:
            raise ValueError(f"budget must be a whole number of reactions, 1 or more, got {self.budget!r}.")

    def prepared(self, model: Model) -> Model:
        """Return the model in molecules, every reaction in one direction.

        Raises
        ------
        ModelError
            Something in the model has no exact meaning among whole molecules; the message says what.
        """
        return in_molecules(model, float(self.volume), int(self.budget))

    def given(self, model: Model, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the drawn values (row,), initial values in molecules.

        Raises
        ------
        ModelError
            A draw starts with a fraction of a molecule, has a negative value in a law or a compartment of size 0.
        """
        counted = set(counted_species(model))
        molecules = {n: c * self.volume if quantity_id(n) in counted else c for n, c in given.items()}
        below = [n for n, column in given.items() if np.min(column) < 0 and isinstance(model.by_id.get(n), Parameter)]
        for name in sorted(_signed(model) & set(below)) if below else ():
            raise ModelError(
                f"A draw has {name} = {np.min(given[name]):g}, and a law must not be negative. Try: Truncated."
            )
        self._check_start(model, molecules)
        return molecules

    def _check_start(self, model: Model, given: Mapping[str, np.ndarray]) -> None:
        start = InitialValues(model, given)
        for id in counted_species(model):
            place = model.by_id[id].compartment
            if np.min(start[place]) <= 0:
                raise ModelError(f"Compartment {place!r} of {model.source} has the size {np.min(start[place]):g}.")
            counts = np.atleast_1d(start.amount(id))
            bad = counts[~_is_count(counts)]
            if len(bad):
                raise ModelError(
                    f"{model.source} starts with {bad[0]:.6g} molecules of {id!r} (amount x volume {self.volume:g}), "
                    f"and molecules come whole. Try: another volume, or round init({id}) to whole molecules."
                )

    def trajectory(
        self,
        solver: Solver,
        start: Start,
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        label: int,
    ) -> Outcome:
        """Simulate one trajectory; its random numbers are a function of the seed and `label`."""
        model, counted = solver.model, counted_species(solver.model)
        engine = solver.with_integrator("gillespie", variable_step_size=False)
        solver.begin(start.varied, start.dependent)
        for id in counted:
            engine.model[id] = round(engine.model[id])
        engine.integrator.seed = stream(self.seed, label)
        events = _Events(solver, counted, _AFTER * float(grid[-1])) if model.events else None
        try:
            values = solver.follow(grid, switches, selections, events)
        except RuntimeError as error:
            return Outcome(None, FAILED, 0, " ".join(str(error).split())[:300])
        rates = engine.model.getReactionRates()
        if not np.isfinite(rates).all():
            return self._stopped(solver, rates)
        return Outcome(values / [self.volume if s.strip("[]") in counted else 1.0 for s in selections], OK, 0)

    def _stopped(self, solver: Solver, rates: np.ndarray) -> Outcome:
        counter = solver.model.species[-1].id
        if solver.executable[counter] >= self.budget:
            return Outcome(None, BUDGET, 0, f"{self.budget} reactions happened before the end (budget)")
        lost = [r.id for r, rate in zip(solver.model.reactions, rates, strict=True) if not np.isfinite(rate)]
        return Outcome(None, NOT_FINITE, 0, f"the rate of {lost[0]} is infinite or not a number")


def stream(seed: int, label: int) -> int:
    """Return which of libroadrunner's 2^32 random streams a trajectory has: another one for each label."""
    first, last = _keys(seed)
    x = (int(label) + first) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):  # MurmurHash3's finaliser, one to one
        x = ((x ^ (x >> shift)) * factor) % 2**32
    return (x ^ (x >> 16)) ^ last


@lru_cache
def _keys(seed: int) -> tuple[int, int]:
    first, last = np.random.SeedSequence(seed).generate_state(2).tolist()
    return first, last


def _is_count(amounts: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (np.abs(amounts - np.rint(amounts)) <= _NEARLY) & (np.rint(amounts) >= 0)


def _signed(model: Model) -> set[str]:
    """What is a factor or a term of some law or rule, and not only an exponent; or of what an event makes of such."""

    def signed(node: Tree, parts: list[frozenset[str]]) -> frozenset[str]:
        match node:
            case Name(id=id):
                return frozenset({id})
            case Call(operator="power"):
                return parts[0]
            case Call(operator="exp"):
                return frozenset()
        return frozenset().union(*parts)

    trees = [r.law.formula for r in model.reactions if r.law is not None] + [r.formula for r in model.rules]
    given = [pair for event in model.events for pair in event.assignments if pair[0] not in model.reacting]
    found: set[str] = set()
    while trees:
        found |= frozenset().union(*(fold(model.written_out(tree), signed) for tree in trees))
        trees = [tree for target, tree in given if target in found]
        given = [pair for pair in given if pair[0] not in found]
    return found


class _Events:
    """The events of a model whose times are known beforehand, taken where a piece begins."""

    def __init__(self, solver: Solver, counted: Sequence[str], soon: float) -> None:
        self.solver, self.counted, self.soon = solver, set(counted), soon
        self.on = {i: event.initial_value for i, event in enumerate(solver.model.events)}

    def __call__(self, time: float) -> None:
        self.solver.executable.setTime(time)
        if time == 0:
            self._take(0.0)
        self._take(time * (1.0 + _AFTER) + self.soon)

    def _take(self, time: float) -> None:
        due = list(self._due(time))
        ranks = {i: float(evaluate(e.priority, self._value, time)) if e.priority else -math.inf for i, e in due}
        for i, event in due:
            if ranks[i] == math.inf:  # a switch: what events compute may look at it
                self._execute(event, self._values(event, time), time)
        planned = {i: self._values(event, time) for i, event in due if event.from_trigger}
        for i, event in sorted(due, key=lambda each: -ranks[each[0]]):
            self._execute(event, planned.get(i) or self._values(event, time), time)

    def _due(self, time: float) -> Iterator[tuple[int, Event]]:
        for i, event in enumerate(self.solver.model.events):
            before, self.on[i] = self.on[i], bool(evaluate(event.trigger, self._value, time))
            if self.on[i] and not before:
                yield i, event

    def _values(self, event: Event, time: float) -> list[tuple[str, float]]:
        return [(target, float(evaluate(tree, self._value, time))) for target, tree in event.assignments]

    def _value(self, id: str) -> float:
        return self.solver.executable[selection_of(self.solver.model, id)[0]]

    def _execute(self, event: Event, values: Sequence[tuple[str, float]], time: float) -> None:
        for target, value in values:
            self._set(event, target, value, time)

    def _set(self, event: Event, target: str, value: float, time: float) -> None:
        if target in self.counted:
            if not _is_count(np.array(value)):
                raise ModelError(
                    f"Event {event.id!r} of {self.solver.model.source} leaves {value:.6g} molecules of {target!r} at "
                    f"time {time:g}, and molecules come whole. Try: another volume or another dose."
                )
            value = round(value)
        self.solver.executable[selection_of(self.solver.model, target)[0]] = value

"""Process noise: every reaction runs a little faster or slower than its law says, and this drifts in time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbml_hybrid.errors import ModelError, is_number, unknown_name
from sbml_hybrid.mechanism.factors import factor_of, with_factors
from sbml_hybrid.mechanism.model import Model, Reaction
from sbml_hybrid.simulation.runs import Start
from sbml_hybrid.simulation.solver import LADDER, Outcome, Solver
from sbml_hybrid.simulation.streams import require_seed

_STREAM = 1001  # apart from those of measurement noise, gaps and sampling times, whose keys begin alike


@dataclass(frozen=True)
class ProcessNoise:
    """Each kinetic law times a factor that fluctuates around 1: an Ornstein-Uhlenbeck process in its logarithm.

    Reach for it where a process is not as regular as its equations (temperature, metabolic state, what the
    model leaves out), in a culture or tissue with very many molecules. A rate keeps its sign, amounts stay
    positive, and, as what a reaction uses and makes changes by the same factor, conserved moieties stay what they are.

    Parameters
    ----------
    sd
        Standard deviation of the factor, whose mean is 1 (0.2 is 20 %): one number for all, or a mapping
        from reactions or species to numbers. A species stands for all reactions that make it or use it up; a
        reaction that is named itself takes its own.
    correlation_time
        After which the correlation of the factor's logarithm is 1/e, in the model's time unit.
    grid
        How often the factor changes, in the model's time unit; it is constant in between. A few per
        correlation time serve.
    reactions
        Which reactions are disturbed, by their ids or those of species; None for all of them.
    seed
        Of all trajectories. The path of a factor depends on it, on the trajectory's label and on the reaction's
        place in the model alone: not on the output times, nor on where the simulation ends.

    Notes
    -----
    The logarithm is stationary and normal, with the variance s^2 = log(1 + sd^2) and the mean -s^2/2; from one grid
    point to the next it follows the exact law of the process (Gillespie 1996), so `grid` changes how long a value is
    held and nothing else. Rate rules are not disturbed.

    References
    ----------
    Gillespie, Physical Review E 54 (1996) 2084, doi:10.1103/PhysRevE.54.2084.

    Examples
    --------
    >>> import sbml_hybrid as sh
    >>> decay = sh.load("R: S -> ; k*S; S = 10; k = 0.3")
    >>> run = sh.ProcessNoise(sd=0.5, correlation_time=2.0, grid=0.5, seed=0)
    >>> sh.simulate(decay, times=[0, 2, 4, 6], run=run)["truth"].sel(species="S").values[0].round(2)
    array([10.  ,  7.01,  4.31,  2.13])
    """

    sd: float | Mapping[str, float]
    correlation_time: float
    grid: float
    reactions: Sequence[str] | None = None
    seed: int = 0

    integrator: ClassVar[str] = "cvode"
    rungs: ClassVar[tuple[str, ...]] = tuple(rung.name for rung in LADDER)

    def __post_init__(self) -> None:
        for sd in self.sd.values() if isinstance(self.sd, Mapping) else (self.sd,):
            if not (is_number(sd) and sd >= 0):
                raise ValueError(f"sd must be zero or more (0.2 is 20 %), got {sd!r}.")
        for name in ("correlation_time", "grid"):
            value = getattr(self, name)
            if not (is_number(value) and value > 0):
                raise ValueError(f"{name} must be a positive time, got {value!r}.")
        if isinstance(self.reactions, str):
            raise ValueError(
                f"reactions must be a list of ids, got the text {self.reactions!r}. Try: [{self.reactions!r}]."
            )
        require_seed(self.seed)

    def prepared(self, model: Model) -> Model:
        """Return the model with a factor on each disturbed law; the model itself where nothing is disturbed.

        Raises
        ------
        UnknownName
            There is no such reaction or species.
        ModelError
            No law is there to disturb, or an event has a delay.
        """
        spreads = self.spreads(model)
        if not spreads:
            return model
        if any(event.delay is not None for event in model.events):
            name = next(event.id for event in model.events if event.delay is not None)
            raise ModelError(
                f"Process noise in {model.source} is not possible: event {name!r} has a delay, and one that waits "
                "may be taken twice where a factor changes. Try: put the delay into the trigger's time."
            )
        return with_factors(model, spreads)

    def given(self, model: Model, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the drawn values as they are."""
        return given

    def spreads(self, model: Model) -> dict[str, float]:
        """Return reaction -> standard deviation of its factor, of the reactions that are disturbed.

        Raises
        ------
        UnknownName
            There is no such reaction or species.
        ModelError
            No reaction with a kinetic law is chosen.
        """
        by_name = self.sd if isinstance(self.sd, Mapping) else None
        chosen = self.reactions if self.reactions is not None else by_name
        disturbed = [r for r in model.reactions if r.law is not None]
        if chosen is not None:
            touched = _touched(model, chosen)
            disturbed = [r for r in disturbed if r.id in touched]
        if not disturbed:
            raise ModelError(f"{model.source} has no kinetic law that process noise could disturb here.")
        if by_name is None:
            spreads = {r.id: float(self.sd) for r in disturbed}
        else:
            _touched(model, by_name)
            spreads = {r.id: _spread_of(model, r, by_name) for r in disturbed}
        return {id: sd for id, sd in spreads.items() if sd > 0}

    def factors(self, model: Model, label: int, end: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the factors of one trajectory.

        Parameters
        ----------
        model
            The model that is simulated.
        label
            The trajectory's.
        end
            The last time.

        Returns
        -------
        times, factors
            The times from which on each value holds (time,), up to `end`; reaction -> its factor (time,).
        """
        return self._paths(model, self.spreads(model), label, end)

    def _paths(
        self, model: Model, spreads: Mapping[str, float], label: int, end: float
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        times = np.arange(max(1, math.ceil(end / self.grid))) * self.grid
        place = {reaction.id: i for i, reaction in enumerate(model.reactions)}
        keep = math.exp(-self.grid / self.correlation_time)
        fresh = math.sqrt(-math.expm1(-2 * self.grid / self.correlation_time))
        steps = np.empty((len(times), len(spreads)))
        for column, id in enumerate(spreads):
            sequence = np.random.SeedSequence(self.seed, spawn_key=(label, _STREAM, place[id]))
            steps[:, column] = np.random.default_rng(sequence).standard_normal(len(times))
        steps[1:] *= fresh
        for i in range(1, len(steps)):
            steps[i] += keep * steps[i - 1]
        sigma = np.sqrt(np.log1p(np.square(list(spreads.values()))))
        values = np.exp(sigma * steps - sigma**2 / 2)
        return times, {id: values[:, column] for column, id in enumerate(spreads)}

    def trajectory(
        self,
        solver: Solver,
        start: Start,
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        label: int,
    ) -> Outcome:
        """Solve by CVODE, from one grid point of the factors to the next."""
        spreads = self.spreads(solver.model)
        if not spreads:
            return solver.run(start.varied, start.dependent, grid, switches, selections)
        times, paths = self._paths(solver.model, spreads, label, float(grid[-1]))
        settings = [(factor_of(solver.model, id), values.tolist()) for id, values in paths.items()]
        engine = solver.executable

        def change(time: float) -> None:
            now = int(np.searchsorted(times, time * (1 + 1e-12), side="right")) - 1
            for id, values in settings:
                engine[id] = values[now]

        stops = sorted({*switches, *times[1:].tolist()})
        return solver.run(start.varied, start.dependent, grid, stops, selections, change)


def _touched(model: Model, names: Iterable[str]) -> set[str]:
    """The reactions that some ids name: their own, or those of species that they make or use."""
    found: set[str] = set()
    for name in names:
        if isinstance(model.by_id.get(name), Reaction):
            found.add(name)
        elif name in model.reacting:
            found |= {r.id for r in model.reactions if name in {p.species for p in (*r.reactants, *r.products)}}
        else:
            raise unknown_name("reaction or reacting species", name, _nameable(model), model.source)
    return found


def _nameable(model: Model) -> list[str]:
    return [*(r.id for r in model.reactions), *sorted(model.reacting)]


def _spread_of(model: Model, reaction: Reaction, by_name: Mapping[str, float]) -> float:
    """Its own spread, or the largest of those of its species; none where nothing names it."""
    if reaction.id in by_name:
        return float(by_name[reaction.id])
    own = {p.species for p in (*reaction.reactants, *reaction.products)}
    return max((float(by_name[id]) for id in own & by_name.keys()), default=0.0)

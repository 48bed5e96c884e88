"""One trajectory at a time with CVODE, by libroadrunner."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.errors import SolverError
from sbml_hybrid.mechanism.guarding import guarded
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.sbml import renamed
from sbml_hybrid.simulation.engine import aliases_of, compiled, roadrunner, sentence, with_properties
from sbml_hybrid.simulation.switches import has_hidden_jumps, has_jumps

_libc = ctypes.CDLL(None)

OK, FAILED, BUDGET, NOT_FINITE, PENDING = 0, 1, 2, 3, -1
WORKER_LOST, NOT_STEADY, DIVERGED, NOT_EQUILIBRATED = 9, 10, 11, 12
STATUSES = {
    OK: "ok",
    FAILED: "solver_failed",
    BUDGET: "step_budget_spent",
    NOT_FINITE: "not_finite",
    NOT_STEADY: "not_steady",
    DIVERGED: "diverged",
    NOT_EQUILIBRATED: "not_equilibrated",
    PENDING: "pending",
    WORKER_LOST: "worker_lost",
}


@dataclass(frozen=True)
class Rung:
    """One way to run CVODE; the next one serves where it fails.

    Parameters
    ----------
    name
        What it is called in the dataset.
    relative, absolute
        Tolerances; the absolute one is for a state that starts at 1 or more, and is scaled down for
        smaller ones when `scaled`.
    steps
        Largest share of the span that one solver step may take; 0 for no limit.
    budget
        Solver steps allowed between two outputs.
    """

    name: str
    relative: float
    absolute: float
    scaled: bool = False
    steps: float = 0.0
    budget: int = 20_000


LADDER = (
    Rung("default", 1e-8, 1e-12, scaled=True),
    Rung("plain_absolute_tolerance", 1e-8, 1e-12),
    Rung("short_steps", 1e-9, 1e-12, steps=1e-3),
    Rung("relative_1e-6", 1e-6, 1e-10),
    Rung("relative_1e-4", 1e-4, 1e-8),
)


def to_roadrunner(model: Model) -> Any:
    """Return a fresh ``roadrunner.RoadRunner`` of the model, with this package's tolerances.

    It shares nothing with the model or with `simulate`; change it, plot with it, and `load` takes it
    back. For tellurium's own kind, ask tellurium: ``te.loadSBMLModel(model.to_sbml())``.

    Raises
    ------
    ModelError
        The model has something that libroadrunner cannot simulate.
    """
    model.require_simulable()
    engine, factor = compiled(model.sbml, model.source), strictness(model)
    engine.integrator.relative_tolerance = LADDER[0].relative * factor
    engine.integrator.absolute_tolerance = LADDER[0].absolute * factor
    return with_properties(engine)


def strictness(model: Model) -> float:
    """Return the factor on every rung's tolerances.

    Where rates jump in the state, the differences that CVODE takes for its Jacobian hide the jump
    from the error test at 1e-8, but not at 1e-10 (case 00028 of the SBML Test Suite).
    """
    return 0.01 if has_hidden_jumps(model) else 1.0


# -- a compiled model ------------------------------------------------------------------------------

_compiled: OrderedDict[tuple[int, int, str], Solver] = OrderedDict()
_compiled_lock = threading.Lock()


def solver_of(model: Model) -> Solver:
    """Return the compiled model of this process and thread (one instance serves one thread alone)."""
    key = (os.getpid(), threading.get_ident(), model.hash)
    with _compiled_lock:
        if key in _compiled:
            _compiled.move_to_end(key)
            return _compiled[key]
    solver = Solver(model)
    with _compiled_lock:
        _compiled[key] = solver
        while len(_compiled) > 8:
            _compiled.popitem(last=False)
    return solver


@dataclass(frozen=True)
class Outcome:
    """One trajectory: values (time, quantity), the status, the rung, the last failure's words, and other codes."""

    values: np.ndarray | None
    status: int
    rung: int
    reason: str = ""
    codes: tuple[int, ...] = ()


class Solver:
    """A compiled model that runs one draw after another, each as if it were the first."""

    def __init__(self, model: Model) -> None:
        self.model = model
        model.require_simulable()
        self.aliases = aliases_of(model)
        sbml = guarded(model.sbml)
        self.engine = compiled(renamed(sbml, self.aliases) if self.aliases else sbml, model.source)
        self.executable, self.integrator = self.engine.model, self.engine.integrator
        self.jumps, self.strictness = has_jumps(model), strictness(model)
        self.told: dict[str, Any] = {}
        self._scaled: tuple[Any, Any] = None, None
        self._selections: list[str] = []
        self._options = roadrunner.SimulateOptions()
        self._parameters = {id: i for i, id in enumerate(self.executable.getGlobalParameterIds())}
        floating, self._ruled = self.executable.getFloatingSpeciesIds(), list(self.executable.getRateRuleSymbols())
        computed = {*self._ruled, *(self._name(id) for id in model.assignment_rules)}
        self._integrated = np.array([i for i, id in enumerate(floating) if id not in computed], dtype=int)
        self.state_ids = [*self._ruled, *(floating[i] for i in self._integrated)]

    # -- settings --------------------------------------------------------------------------------

    def tell(self, name: str, value: Any) -> None:
        """Change one of CVODE's settings, unless it is what it was told last."""
        if self.told.get(name) != value:
            self.integrator.setValue(name, value)
            self.told[name] = value

    def configure(self, rung: Rung, grid: np.ndarray) -> None:
        """Tell CVODE the settings of a rung, for the draw that has begun and its output times.

        The absolute tolerance depends on the draw alone, so that a draw equals the SBML rewritten with its values.
        """
        caps = [rung.steps * (grid[-1] - grid[0])] if rung.steps else []
        if self.jumps:  # short pulses and state events are stepped over otherwise
            span = grid[-1] - grid[0]
            caps += [span / 1000, span / (len(grid) - 1) / 2]
        self.tell("relative_tolerance", rung.relative * self.strictness)
        self.tell("maximum_time_step", min(caps, default=0.0))
        self.tell("maximum_num_steps", rung.budget)
        absolute = rung.absolute * self.strictness
        if rung.scaled:
            start = self._state()
            if (asked := (absolute, start.tobytes())) != self._scaled[0]:  # draws mostly start alike
                self._scaled = asked, _scaled_to(start, absolute)
            absolute = self._scaled[1]
        self.tell("absolute_tolerance", absolute)

    def _state(self) -> np.ndarray:
        """The state vector, in the order of `state_ids`, as amounts: the species all at once."""
        species = self.executable.getFloatingSpeciesAmounts()[self._integrated]
        return np.concatenate([[self.executable[id] for id in self._ruled], species]) if self._ruled else species

    # -- one trajectory ----------------------------------------------------------------------------

    def run(
        self,
        varied: Sequence[tuple[str, float]],
        dependent: Sequence[tuple[str, float]],
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        before: Callable[[float], None] | None = None,
        ladder: Sequence[Rung] = LADDER,
    ) -> Outcome:
        """Simulate one draw from time 0, by the first rung of the ladder that serves.

        Parameters
        ----------
        varied
            (id, value) of the parameters and compartments of the draw.
        dependent
            (selection, value) of what depends on them at the start, and of the initial values drawn.
        grid
            The output times, the first of them 0.
        switches
            Times in between at which the integration starts again.
        selections
            libroadrunner's names of the outputs.
        before
            What is done at time 0 and at every switch, with the time.
        ladder
            The ways to run CVODE that are tried in turn.
        """
        status, reason = FAILED, ""
        if self.aliases:
            varied, dependent = ([(self._name(id), value) for id, value in pairs] for pairs in (varied, dependent))
            selections = [self._name(selection) for selection in selections]
        for number, rung in enumerate(ladder):
            try:
                self.begin(varied, dependent)
                self.configure(rung, grid)
                self.integrator.restart(0.0)
                values = self.follow(grid, switches, selections, before)
            except RuntimeError as error:
                reason = sentence(error)
                status = BUDGET if "CV_TOO_MUCH_WORK" in reason or "mxstep" in reason else FAILED
                continue
            if np.isfinite(values).all() or not (lost := self._lost_state()):
                return Outcome(values, OK, number)
            status, reason = NOT_FINITE, f"{lost} becomes infinite or is not a number"
        return Outcome(None, status, len(ladder) - 1, reason)

    def _name(self, selection: str) -> str:
        """The engine's name of an id or of a concentration ``[id]``."""
        id = selection.strip("[]")
        return selection.replace(id, self.aliases[id]) if id in self.aliases else selection

    def begin(self, varied: Sequence[tuple[str, float]], dependent: Sequence[tuple[str, float]]) -> None:
        """Bring the model to the start of a draw, with no trace of the one before.

        ``RoadRunner.reset`` would fire the events of time 0 with the old values; the model's own
        reset does not; restarting the integrator afterwards fires them. What it takes for the start is the
        last switch of the draw before, and it would fire what had happened by then.
        """
        model = self.executable
        model.setIntegrationStartTime(0.0)
        self.integrator.setIntegrationStartTime(0.0)
        if len(self.model.events) > 1:  # libroadrunner orders events of one moment at random
            _libc.srand(1)  # version 2.10, by C's generator
            model.setRandomSeed(1)  # later ones, by the model's own
        model.reset(roadrunner.SelectionRecord.ALL)
        self._set(varied)
        model.reset()
        for selection, value in dependent:
            model[selection] = value

    def _set(self, varied: Sequence[tuple[str, float]]) -> None:
        """Set parameters all at once, in a sixth of the time; one by one where compartments are among them."""
        model, places = self.executable, [self._parameters.get(id) for id, _ in varied]
        if places and None not in places:
            model.setGlobalParameterValues(places, [value for _, value in varied])
            return
        for id, value in varied:
            model[id] = value

    def _lost_state(self) -> str:
        """The first state that ended as no finite number; a constant may be infinite, and a rule divide by zero."""
        return next((id for id in self.state_ids if not np.isfinite(self.executable[id])), "")

    def with_integrator(self, name: str, **settings: Any) -> Any:
        """Return the engine with another integrator than CVODE, for a model that is never solved by CVODE."""
        if self.integrator.getName() != name:
            self.engine.setIntegrator(name)
            self.integrator = self.engine.integrator
            for setting, value in settings.items():
                self.integrator.setValue(setting, value)
        return self.engine

    def follow(
        self,
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        before: Callable[[float], None] | None = None,
    ) -> np.ndarray:
        """Integrate from where `begin` left the model, stop at every switch, and return (time, quantity)."""
        if selections != self._selections:
            self.engine.timeCourseSelections = self._selections = selections
        if not switches and before is None:
            return self._simulate(grid)
        values = np.empty((len(grid), len(selections)))
        grid, edges = _pieces(grid, switches)
        for start, end in zip(edges, edges[1:], strict=False):
            if before is not None:
                before(start)
            inside = np.flatnonzero((grid >= start) & (grid <= end))
            times = _reaching(np.unique(np.concatenate([[start], grid[inside], [end]])))
            piece = self._simulate(times)
            values[inside] = piece[np.searchsorted(times, grid[inside])]
        return values

    def _simulate(self, times: np.ndarray) -> np.ndarray:
        """What ``engine.simulate(times=times)`` returns, without the 10 to 15 us of its own bookkeeping."""
        self.engine._setSimulateOptionsTimes(self._options, times.tolist())
        return self.engine._simulate(self._options)


def _scaled_to(start: np.ndarray, absolute: float) -> float | list[float]:
    """An absolute tolerance for each state, in proportion where it starts below 1.

    One that starts at zero is taken for as large as the largest.
    """
    size = np.abs(start)
    largest = size.max(initial=0.0)
    if not 0 < largest < np.inf:
        return absolute
    size = np.where(size > 0, np.maximum(size, 1e-9 * largest), largest)
    return (absolute * np.minimum(1.0, size)).tolist()


def _reaching(times: np.ndarray) -> np.ndarray:
    """Return the times of a piece, with one more where rounding would keep the last from being reached.

    libroadrunner goes from t to t + (end - t), which may lie before the end by one rounding. An event at the end
    would be lost: not yet at the end of this piece, and no longer new at the start of the next.
    """
    before, end = times[-2:]
    return times if before + (end - before) == end else np.insert(times, -1, (before + end) / 2)


def _pieces(grid: np.ndarray, switches: Sequence[float]) -> tuple[np.ndarray, list[float]]:
    """The output times and the times at which to start again; CVODE cannot go between all but equal times."""
    end = float(grid[-1])
    edges, near = [0.0], 1e-13 * end
    for switch in switches:
        if edges[-1] + near < switch < end - near:
            edges.append(switch)
    edges.append(end)
    closest = np.asarray(edges)[np.abs(np.subtract.outer(grid, edges)).argmin(axis=1)]
    return np.where(np.abs(grid - closest) <= near, closest, grid), edges


def failure(model: Model, outcome: Outcome) -> SolverError:
    """Return the error for a single trajectory that no rung of the ladder could compute."""
    infinite = [p.id for p in model.parameters if p.value is not None and np.isinf(p.value)]
    cause = f" Parameter {infinite[0]!r} is infinite." if infinite else ""
    tried = f", {outcome.rung + 1} settings tried" if outcome.rung else ""
    return SolverError(
        f"{model.source} could not be simulated ({STATUSES[outcome.status]}{tried}): "
        f"{outcome.reason}.{cause} Try: a shorter time span, or check the model's values with describe()."
    )

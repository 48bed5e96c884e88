"""Steady states: many draws -> a dataset of the states in which the model comes to rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.errors import SolverError, is_number
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import check_names, quantity_id
from sbml_hybrid.simulation.balance import STABILITIES
from sbml_hybrid.simulation.conditions import Condition, TimeCourse
from sbml_hybrid.simulation.ensemble import asked, dataset
from sbml_hybrid.simulation.equilibrium import LONGEST, balance_of, equilibrium
from sbml_hybrid.simulation.rows import Rows, Source, source_of
from sbml_hybrid.simulation.runs import Start
from sbml_hybrid.simulation.solver import LADDER, OK, STATUSES, Outcome, Solver


@dataclass(frozen=True)
class SteadyState:
    """The kind of run that gives, in place of a trajectory, the state in which it ends.

    Parameters
    ----------
    before
        (name, value) of what is otherwise during a steady state before it; under conditions, a value may be the name of
        a column of the draws.
    """

    integrator: ClassVar[str] = "cvode"
    rungs: ClassVar[tuple[str, ...]] = tuple(rung.name for rung in LADDER)

    before: tuple[tuple[str, float | str], ...] | None = None

    def __post_init__(self) -> None:
        if self.before is not None:
            pairs = self.before.items() if isinstance(self.before, Mapping) else self.before
            plain = ((str(name), value if isinstance(value, str) else float(value)) for name, value in pairs)
            object.__setattr__(self, "before", tuple(plain))

    def prepared(self, model: Model) -> Model:
        """Return the model as it is.

        Raises
        ------
        ModelError
            The model's rates depend on time itself.
        """
        balance_of(model)
        return model

    def given(self, model: Model, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the drawn values as they are."""
        return given

    def trajectory(
        self,
        solver: Solver,
        start: Start,
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        label: int,
    ) -> Outcome:
        """Return the steady state as the only row of the values."""
        found = equilibrium(solver, start)
        if found.status != OK:
            return Outcome(None, found.status, found.rung, found.reason, (found.stability,))
        values = [solver.engine.getValue(solver._name(selection)) for selection in selections]
        return Outcome(np.array([values]), OK, found.rung, codes=(found.stability,))


def steady_state(
    model: Model,
    draws: pd.DataFrame | None = None,
    *,
    conditions: Iterable[Condition] | None = None,
    before: Mapping[str, float | str] | None = None,
    jobs: int = 1,
    store: str | os.PathLike | None = None,
    quantities: Iterable[str] | None = None,
    dtype: str = "float64",
) -> xr.Dataset:
    """Find the steady state that the trajectory of every draw reaches.

    The trajectory is integrated over ever longer spans until it is within 1e-4 of a stable state of rest,
    which Newton's method then finds to rounding; the totals that reactions conserve stay those of the start. A
    bistable model is found in the state into which it falls from its start. What has no isolated
    state of rest (an epidemic that has burnt out) counts once it stands still.

    Parameters
    ----------
    model
        The model. Events may happen on the way; rates that depend on time itself are refused.
    draws
        One row per steady state, as `simulate` takes it; None for the nominal one.
    conditions
        As `simulate` takes them. Doses are events on the way, and of `Steps` the last values stay; a `TimeCourse` is
        refused. A condition that has a `before` begins at the steady state of that.
    before
        Name of a quantity -> its value during a first steady state, in which the second one begins: a
        perturbed steady state. ``{"stimulus": 0.0}`` is the rest before a stimulus. It is that of every
        condition that has none of its own; with conditions, a value may be the name of a column of the draws.
    jobs, store, quantities, dtype
        As `simulate` takes them.

    Returns
    -------
    Dataset
        As `simulate` gives it, with one time, which is 0 (the state that an experiment would begin
        in; ``attrs["run"]`` has the kind ``SteadyState``), and ``stability`` (trajectory): 1 stable, -1 unstable
        (the start was exactly on it), 0 undetermined (an eigenvalue of the Jacobian is zero: the state
        depends on the start). A draw whose trajectory comes to no rest is a row of NaN with the status
        ``not_steady`` (it oscillates, or still moves after 1e9 time units) or ``diverged`` (it grows without end).

    Raises
    ------
    ModelError
        The model's rates depend on time, or libroadrunner cannot simulate it.
    ValueError, UnknownName
        As `simulate`; or a condition follows a `TimeCourse`.
    SolverError
        The one nominal trajectory comes to no rest.

    References
    ----------
    Reder, Journal of Theoretical Biology 135 (1988) 175, doi:10.1016/S0022-5193(88)80073-0, for the
    Jacobian within conserved totals.

    Examples
    --------
    >>> from sbml_hybrid import load
    >>> found = steady_state(load("A -> B; k1*A - k2*B; A = 10; B = 0; k1 = 3; k2 = 1"))
    >>> found["truth"].values[0, 0].round(6).tolist(), found["stability"].values.tolist()
    ([2.5, 7.5], [1])
    """
    model.require_simulable()
    source = _source(model, draws, conditions, before)
    run = SteadyState(before)
    recorded, task = asked(source, run, quantities, dtype, {"stability": STABILITIES})
    found = dataset(model, source, recorded, task, jobs, store)
    if draws is None and len(source) == 1 and (code := int(found["status"][0])) != OK:
        reason = json.loads(found.attrs["failures"])[0]["reason"]
        raise SolverError(
            f"{model.source} reaches no steady state ({STATUSES[code]}): {reason}. Try: simulate, to see where it goes."
        )
    return found


@dataclass(frozen=True, eq=False)
class _Perturbed(Source):
    """Rows whose steady state begins in another one, where `before` (name, value) holds."""

    before: tuple[tuple[str, float], ...] = ()

    def part(self, start: int, stop: int) -> Rows:
        rows = super().part(start, stop)
        before = rows.values.copy()
        for name, value in self.before:
            before[:, rows.names.index(name)] = value
        return replace(rows, before=before)


@dataclass(frozen=True, eq=False)
class _Treated(Source):
    """Rows under conditions, whose inputs are recorded as they are at the end of the way."""

    def _input_times(self, first: int, last: int) -> np.ndarray:
        return np.array([LONGEST])


def _treated(model: Model, draws: Any, conditions: Iterable[Condition], before: Mapping[str, float] | None) -> Source:
    conditions = (conditions,) if isinstance(conditions, Condition) else tuple(conditions)
    for condition in conditions:
        for one in condition.inputs if isinstance(condition, Condition) else ():
            if isinstance(one, TimeCourse):
                raise ValueError(
                    f"Condition {condition.name!r} follows a time course of {one.quantity!r}, and at rest nothing "
                    "moves. Try: Steps, whose last value stays, or simulate."
                )
    if before is not None:
        rests = [isinstance(c, Condition) and c.before is None for c in conditions]
        conditions = [replace(c, before=before) if rest else c for c, rest in zip(conditions, rests, strict=True)]
    source = source_of(model, draws, [0.0], conditions, end=LONGEST)
    return _Treated(*(getattr(source, part.name) for part in fields(source)))


def _source(
    model: Model, draws: Any, conditions: Iterable[Condition] | None, before: Mapping[str, float] | None
) -> Source:
    """The rows; what `before` names and the draws do not stands in them with the model's own value."""
    if conditions is not None:
        return _treated(model, draws, conditions, before)
    source = source_of(model, draws, [0.0])
    if before is None:
        return source
    check_names(model, before)
    bad = [name for name, value in before.items() if not is_number(value)]
    if bad:
        raise ValueError(f"before has {before[bad[0]]!r} for {bad[0]!r}; it needs a finite number.")
    missing = [name for name in before if name not in source.part(0, 1).names]
    if missing:
        rows = source.part(0, len(source))
        frame = pd.DataFrame(dict(rows.given), index=rows.labels).assign(**{n: _nominal(model, n) for n in missing})
        frame.attrs["design"] = source.said
        source = source_of(model, frame, [0.0])
    known = [getattr(source, part.name) for part in fields(source)]
    return _Perturbed(*known, tuple((name, float(value)) for name, value in before.items()))


def _nominal(model: Model, name: str) -> float:
    start, id = InitialValues(model), quantity_id(name)
    if name == f"init([{id}])":
        return float(start.concentration(id))
    is_amount = name == f"init({id})" and id in {s.id for s in model.species}
    return float(start.amount(id) if is_amount else start[id])

"""What a simulation layer computes: the model's equations with what is given, what is set and what is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError, unknown_name
from sbml_hybrid.hybrid.timetable import Happening, timetable, with_event_targets
from sbml_hybrid.hybrid.varied import Varied
from sbml_hybrid.mechanism.field import Field, Site, own
from sbml_hybrid.mechanism.initial import InitialValues, depends_on, determined_by
from sbml_hybrid.mechanism.kinetics import Name, Number, Tree, names
from sbml_hybrid.mechanism.model import Compartment, Model, Parameter, Species
from sbml_hybrid.mechanism.odes import Odes, amount_of, right_hand_side, species_of
from sbml_hybrid.mechanism.reader import parse_formula

_INITIAL = re.compile(r"init\(\[?(?P<id>[^\[\]]+)\]?\)")


@dataclass(frozen=True, eq=False)
class Plan:
    """A model, and the roles that its quantities have in a simulation layer.

    Parameters
    ----------
    model
        The model.
    end
        The last time that is simulated, in the model's time unit.
    parameters
        Quantities given for each trajectory, named as the columns of draws: ``k1``, ``init(S1)``.
    initial
        Species whose initial amounts are given, or rate-rule parameters whose initial values are.
    controls
        Parameters and boundary species that are held, from each time to the next, at given values, in the meaning that
        formulas give them.
    doses
        Species of which amounts are added at given times.
    observables
        Name -> formula of what is asked for.
    sites
        Where networks compute.
    columns
        Names of the dataset columns that networks read.
    """

    model: Model
    end: float
    parameters: tuple[str, ...]
    initial: tuple[str, ...]
    controls: tuple[str, ...]
    doses: tuple[str, ...]
    observables: Mapping[str, str]
    sites: tuple[Site, ...] = ()
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.parameters, *self.given_initial):
            _require_free(self.model, name)
        for name in self.controls:
            _require_control(self.model, name, self.parameters)
        for name in self.doses:
            if amount_of(name) not in self.odes.variables:
                raise unknown_name("species that changes", name, self.species, self.model.source)
        self.trees  # noqa: B018 (an observable that is not there is told of at once)

    @cached_property
    def given_initial(self) -> tuple[str, ...]:
        """The initial values that are given, named as the columns of draws."""
        return tuple(f"init({name})" for name in self.initial)

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """Everything that differs from trajectory to trajectory, named as the columns of draws."""
        return (*self.parameters, *self.given_initial)

    @cached_property
    def happenings(self) -> tuple[Happening, ...]:
        """What happens at known times."""
        return timetable(self.model, self.end, {*self.varied, *self.controls})

    @property
    def last(self) -> float:
        """The last time that can be asked for: what events do is known up to the end."""
        return self.end * (1 + 1e-8) if self.happenings or self.model.events else np.inf

    @cached_property
    def odes(self) -> Odes:
        """The equations; what events set is among the states, and a control is what its id means in formulas."""
        odes = with_event_targets(right_hand_side(self.model), self.happenings)
        held = tuple(species_of(v) if species_of(v) in self.controls else v for v in odes.held)
        definitions = tuple((id, tree) for id, tree in odes.definitions if id not in self.controls)
        return replace(odes, held=held, definitions=definitions)

    @property
    def species(self) -> tuple[str, ...]:
        """The species among the states."""
        return tuple(species_of(v) for v in self.odes.variables if v.startswith("amount("))

    @cached_property
    def held(self) -> tuple[str, ...]:
        """Names in the equations that stand still but differ from trajectory to trajectory."""
        ids = {name if name in self.model.by_id else _id(name) for name in self.varied}
        moved = [v for v in self.odes.held if v not in self.controls]
        names = {v: species_of(v) for v in moved}
        start = {v for v in moved if any(depends_on(self.model, names[v], {id}) for id in ids)}
        return tuple(v for v in moved if v in start)

    @cached_property
    def given(self) -> tuple[str, ...]:
        """The rows that a field is given with each trajectory."""
        return (*self.held, *(column_of(c) for c in self.columns))

    @cached_property
    def trees(self) -> dict[str, Tree]:
        """Observable -> its formula, functions written out."""
        ids = list(self.model.by_id)
        functions = [f.id for f in self.model.functions]
        found = {}
        for name, formula in self.observables.items():
            tree = Name(formula) if formula in ids else self.model.written_out(parse_formula(formula, ids, functions))
            for unknown in sorted(names(tree) - set(ids)):
                raise unknown_name("quantity to observe", unknown, ids, self.model.source)
            found[name] = tree
        return found

    def field(self, signed: Sequence[str]) -> Field:
        """Return the right-hand side to integrate."""
        sites = [site for site in self.sites if not any(port.startswith("observable(") for port in site.ports)]
        return Field(self.odes, self.given, self.controls, sites, signed)

    def readout(self, signed: Sequence[str]) -> Field:
        """Return the field that computes what is asked for: its rows ``observable(name)``, and the sites' ports."""
        definitions = (*self.odes.definitions, *((observable_of(n), tree) for n, tree in self.trees.items()))
        ports = {p for site in self.sites for p in site.ports}
        states = zip(self.odes.states, self.odes.derivatives, strict=True)
        derivatives = tuple(tree if f"{state}'" in ports else Number(0.0) for state, tree in states)
        odes = replace(self._with(definitions), derivatives=derivatives)
        wanted = {observable_of(name) for name in self.trees} | ports | {own(port) for port in ports}
        return Field(odes, self.given, self.controls, self.sites, signed, wanted)

    def _with(self, definitions: tuple[tuple[str, Tree], ...]) -> Odes:
        """The equations with these definitions, to be looked at and not integrated."""
        return replace(self.odes, definitions=definitions, derivatives=(Number(0.0),) * len(self.odes.states))

    @cached_property
    def events(self) -> tuple[Happening, ...]:
        """The happenings that set something."""
        return tuple(h for h in self.happenings if h.assignments)

    def assignments(self) -> tuple[Field, np.ndarray] | None:
        """Return the field that computes what events set, and for each event the row of every state (event, state).

        The first event of the table, number 0, is none. None for a model without events.
        """
        if not self.events:
            return None
        trees = {f"event({i},{v})": tree for i, h in enumerate(self.events) for v, tree in h.assignments}
        odes = self._with((*self.odes.definitions, *trees.items()))
        sites = [site for site in self.sites if not any(port.startswith("observable(") for port in site.ports)]
        field = Field(odes, self.given, self.controls, sites, self.odes.variables, set(trees))
        table = np.tile([field.row_of[v] for v in self.odes.variables], (len(self.events) + 1, 1))
        for i, happening in enumerate(self.events):
            for variable, _ in happening.assignments:
                table[i + 1, self.odes.variables.index(variable)] = field.row_of[f"event({i},{variable})"]
        return field, table

    def start(self, varied: Varied, like: Any, xp: Any) -> tuple[Any, Any]:
        """Return where trajectories start.

        Parameters
        ----------
        varied
            Name as in `Plan.varied` -> values (trajectory,).
        like
            Some array (trajectory,).
        xp
            The arrays.

        Returns
        -------
        state, held
            Amounts and values (state, trajectory), and the rows of `held` (held, trajectory).
        """
        usual, values = InitialValues(self.model), InitialValues(self.model, varied, xp)
        zero = xp.zeros_like(like)
        ids = {name if name in self.model.by_id else _id(name) for name in varied}

        def value(variable: str, values: InitialValues) -> Any:
            id = species_of(variable)
            return values.amount(id) if variable.startswith("amount(") else values[id]

        def rows(variables: Sequence[str]) -> Any:
            """Numbers alone are computed in NumPy: a tensor of one is rounded to float32 on TensorFlow."""
            taken, fixed, computed = {}, {}, {}
            for variable in variables:
                id = species_of(variable)
                names = [name for name in (id, f"init({id})") if name in varied]
                if names:
                    taken[variable] = names[0]
                elif depends_on(self.model, id, ids):
                    computed[variable] = xp.convert_to_tensor(value(variable, values), dtype=zero.dtype) + zero
                else:
                    fixed[variable] = float(value(variable, usual))
            parts = [varied.together(list(taken.values()), xp)] if taken else []
            if fixed:
                parts.append(xp.convert_to_tensor(np.array(list(fixed.values()))[:, None], dtype=zero.dtype) + zero)
            if computed:
                parts.append(xp.stack(list(computed.values()), axis=0))
            if not parts:
                return zero[None][:0]
            there = [*taken, *fixed, *computed]
            order = np.array([there.index(variable) for variable in variables], dtype=int)
            return xp.take(xp.concatenate(parts, axis=0), order, axis=0)

        return rows(self.odes.variables), rows(self.held)


def observable_of(name: str) -> str:
    """Return what a field calls an observable."""
    return f"observable({name})"


def column_of(name: str) -> str:
    """Return what a field calls a column of the dataset."""
    return f"column({name})"


def _id(name: str) -> str:
    found = _INITIAL.fullmatch(name)
    return found["id"] if found else name


def _require_free(model: Model, name: str) -> None:
    """Refuse a quantity that is not there or that something else determines."""
    id = _id(name)
    part = model.by_id.get(id)
    if not isinstance(part, Parameter | Compartment | Species) or (isinstance(part, Species) and id == name):
        known = [*(p.id for p in model.parameters), *(c.id for c in model.compartments)]
        raise unknown_name("parameter", name, [*known, *(f"init({s.id})" for s in model.species)], model.source)
    if id == name and (id in model.rate_rules or id in model.event_targets):
        raise ModelError(f"{id} of {model.source} changes in time, so it is no parameter. Try: init({id}).")
    reason = determined_by(model, id)
    if reason and not (id in model.starts and name != id):
        raise ModelError(f"{name} cannot be given: {reason}.")


def _require_control(model: Model, name: str, parameters: Sequence[str]) -> None:
    part = model.by_id.get(name)
    fixed = [p.id for p in model.parameters] + [s.id for s in model.species if s.boundary]
    moved = {*model.rate_rules, *model.assignment_rules, *model.event_targets}
    possible = [id for id in fixed if id not in moved]
    if part is None or name not in possible:
        raise unknown_name("parameter or boundary species to control", name, possible, model.source)
    if name in parameters:
        raise ModelError(f"{name} is both a parameter and a control. Take it out of one of them.")

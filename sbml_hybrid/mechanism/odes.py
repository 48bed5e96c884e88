"""The right-hand side of a model: what it integrates, and how fast each of it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Call, Name, Tree, evaluate, names
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.rates import Rates, formulas_of_references, references
from sbml_hybrid.mechanism.support import BEYOND_LIBROADRUNNER


@dataclass(frozen=True, eq=False)
class Odes:
    """The ordinary differential equations of a model, as SBML means them.

    The state is what is integrated: the *amount* of each species (called ``amount(S)``), and the value
    of every parameter, compartment and species reference that has a rate rule. From the state follow,
    in the order of `definitions`, what the ids mean in formulas: concentrations, the targets of
    assignment rules, and the rates of the reactions. The `derivatives` are trees over all of these.

    Parameters
    ----------
    model
        The model.
    states
        The ids of what is integrated, in the order of the state vector: species, parameters and
        compartments as the model lists them, then species references.
    variables
        Their names in the trees: ``amount(S)`` for a species, otherwise the id.
    held
        Names in the trees of what stands still from one event to the next.
    definitions
        (id, tree) in an order in which each depends only on earlier ones, the state, `held` and time.
    derivatives
        One tree for each state: amount per time, or value per time.

    Examples
    --------
    >>> from sbml_hybrid import load
    >>> odes = right_hand_side(load("compartment C = 2; species S in C; v: S -> ; k*S; S = 10; k = 0.3"))
    >>> odes.variables
    ('amount(S)',)
    >>> odes.rates(odes.start)
    array([-3.])
    """

    model: Model
    states: tuple[str, ...]
    variables: tuple[str, ...]
    held: tuple[str, ...]
    definitions: tuple[tuple[str, Tree], ...]
    derivatives: tuple[Tree, ...]

    @cached_property
    def start(self) -> np.ndarray:
        """The state at time 0 with the model's own values, (state,)."""
        return np.array([self._starts(name) for name in self.variables], dtype=float)

    @cached_property
    def held_values(self) -> dict[str, float]:
        """Name -> value at time 0 of everything in `held`."""
        return {name: float(self._starts(name)) for name in self.held}

    @cached_property
    def _initial(self) -> InitialValues:
        return InitialValues(self.model)

    def _starts(self, name: str) -> float:
        return self._initial.amount(species_of(name)) if name.startswith("amount(") else self._initial[name]

    def rates(self, state: Any, time: Any = 0.0, held: Mapping[str, Any] | None = None, xp: Any = np) -> Any:
        """Return the derivative of each state.

        Parameters
        ----------
        state
            Amounts and values in the order of `states`, an array (..., state).
        time
            The time, in the model's time unit: a number, or an array (...).
        held
            Values, numbers or arrays (...), that replace those of `held_values`.
        xp
            The array namespace of `state`: NumPy or ``keras.ops``.

        Returns
        -------
        array (..., state)
            Amount per time for species, value per time for the others.
        """
        values = self.values(state, time, held, xp)
        still = xp.zeros_like(state[..., 0]) if self.states else 0.0
        changes = [still + evaluate(tree, values, time, xp) for tree in self.derivatives]
        return xp.stack(changes, axis=-1) if changes else xp.zeros_like(state)

    def values(
        self, state: Any, time: Any = 0.0, held: Mapping[str, Any] | None = None, xp: Any = np
    ) -> dict[str, Any]:
        """Return what every name in the trees is worth at a state; the arguments are those of `rates`.

        Returns
        -------
        dict
            Name -> number or array (...). Ids have the meaning they have in formulas; a reaction's id is its rate.
        """
        values: dict[str, Any] = {**self.held_values, **(held or {})}
        for i, name in enumerate(self.variables):
            values[name] = state[..., i]
        for id, tree in self.definitions:
            values[id] = evaluate(tree, values, time, xp)
        return values


def amount_of(species: str) -> str:
    """Return what the trees call the amount of a species: ``amount(S)``."""
    return f"amount({species})"


def species_of(name: str) -> str:
    """Return the species whose amount is called `name`."""
    return name.removeprefix("amount(").removesuffix(")")


def right_hand_side(model: Model) -> Odes:
    """Return the differential equations of a model.

    Parameters
    ----------
    model
        The model.

    Raises
    ------
    ModelError
        The model has algebraic rules, delays or fast reactions, or defines something by itself.
    """
    if any(obstacle.kind != BEYOND_LIBROADRUNNER for obstacle in model.obstacles):
        model.require_simulable()
    rates = Rates(model)
    states, held = _split(model)
    variables = tuple(_variable(id, model) for id in states)
    return Odes(
        model=model,
        states=states,
        variables=variables,
        held=tuple(_variable(id, model) for id in held),
        definitions=_ordered(_meanings(model, rates), model),
        derivatives=tuple(
            rates.of_amount(id) if isinstance(model.by_id.get(id), Species) else rates.of(id) for id in states
        ),
    )


def _split(model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is integrated, and what stands still; what an assignment rule computes is neither."""
    states, held = [], []
    computed = model.assignment_rules.keys() | formulas_of_references(model).keys()
    quantities = [p.id for p in (*model.species, *model.parameters, *model.compartments)]
    for id in dict.fromkeys((*quantities, *references(model))):
        part = model.by_id.get(id)
        floating = isinstance(part, Species) and not part.boundary and not part.constant
        if id not in computed:
            (states if floating or id in model.rate_rules else held).append(id)
    return tuple(states), tuple(held)


def _variable(id: str, model: Model) -> str:
    return amount_of(id) if isinstance(model.by_id.get(id), Species) else id


def _meanings(model: Model, rates: Rates) -> dict[str, Tree]:
    """What follows from the state: what species mean in formulas, assignment rules, reactions' rates."""
    found: dict[str, Tree] = {}
    for species in model.species:
        amount, size = Name(amount_of(species.id)), Name(species.compartment)
        found[species.id] = amount if species.amount_in_formulas else Call("divide", (amount, size))
    for formulas in (model.assignment_rules, formulas_of_references(model), model.laws):
        found |= {id: rates.written_out(tree) for id, tree in formulas.items()}
    return found


def _ordered(meanings: dict[str, Tree], model: Model) -> tuple[tuple[str, Tree], ...]:
    """Sort definitions so that each stands after those it needs."""
    needs = {id: [name for name in names(tree) if name in meanings] for id, tree in meanings.items()}
    done: dict[str, Tree] = {}
    for first in meanings:
        path, todo = [], [(first, iter(needs[first]))]
        while todo:
            id, rest = todo[-1]
            if id in done:
                todo.pop()
                continue
            following = next((name for name in rest if name not in done), None)
            path = [at for at, _ in todo]
            if following is None:
                done[id] = meanings[id]
                todo.pop()
            elif following in path:
                circle = " -> ".join([*path[path.index(following) :], following])
                raise ModelError(f"{model.source} defines {following!r} by itself: {circle}.")
            else:
                todo.append((following, iter(needs[following])))
    return tuple(done.items())

"""The values of a model at its start, vectorised over draws.

libroadrunner re-evaluates initial assignments only in part after a parameter was changed, so the
values that depend on what varies are computed here, in dependency order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.kinetics import Tree, evaluate, names, to_text
from sbml_hybrid.mechanism.model import Compartment, Model, Parameter, Reaction, Species
from sbml_hybrid.mechanism.rates import Rates


class InitialValues:
    """Look up what an id is worth at time zero, as formulas mean it.

    Parameters
    ----------
    model
        The model.
    given
        Values that replace the model's own: numbers or arrays of one shape (draw,), by id
        (parameters, compartments) or by ``init(S)`` (amount; or a rate-rule parameter's value) and
        ``init([S])`` (concentration).
    xp
        The array namespace of `given`: NumPy or ``keras.ops``.

    Notes
    -----
    Species mean concentrations, or amounts where the model says so (``hasOnlySubstanceUnits``).
    """

    def __init__(self, model: Model, given: Mapping[str, Any] | None = None, xp: Any = np) -> None:
        self.model, self.xp = model, xp
        self.given = {} if given is None else given
        self._rates = Rates(model)
        self._found: dict[str, Any] = {}
        self._asked: list[str] = []

    def __getitem__(self, id: str) -> Any:
        """Return the value of `id`: a number, or an array (draw,) where it depends on what was given."""
        if id not in self._found:
            if id in self._asked:
                cycle = " -> ".join([*self._asked[self._asked.index(id) :], id])
                raise ModelError(f"{self.model.source} defines {id!r} by itself: {cycle}.")
            self._asked.append(id)
            self._found[id] = self._compute(id)
            self._asked.pop()
        return self._found[id]

    def amount(self, species: str) -> Any:
        """Return the amount of a species, in the model's substance unit."""
        part = self.model.by_id[species]
        return self[species] if part.amount_in_formulas else self[species] * self[part.compartment]

    def concentration(self, species: str) -> Any:
        """Return the concentration of a species, in substance unit per compartment unit."""
        part = self.model.by_id[species]
        return self[species] / self[part.compartment] if part.amount_in_formulas else self[species]

    def _formula(self, tree: Tree) -> Any:
        return evaluate(self._rates.written_out(tree), self.__getitem__, time=0.0, xp=self.xp)

    def _compute(self, id: str) -> Any:
        model = self.model
        for name in (id, f"init({id})", f"init([{id}])"):
            if name in self.given:
                return self._converted(id, name)
        for formulas in (model.assignment_rules, model.starts):
            if id in formulas:
                return self._formula(formulas[id])
        match model.by_id.get(id):
            case Species() as species:
                return self._species(species)
            case Parameter(value=value) | Compartment(size=value) if value is not None:
                return float(value)
            case Compartment():
                return 1.0  # libroadrunner's; a model in which the size matters is refused
            case Reaction() if id in model.laws:
                return self._formula(model.laws[id])
            case None:
                return self._stoichiometry(id)
        return float("nan")

    def _converted(self, id: str, name: str) -> Any:
        """A given amount or concentration, as formulas mean the species."""
        value = self.given[name]
        part = self.model.by_id.get(id)
        if not isinstance(part, Species) or name == id:
            return value
        is_amount = name == f"init({id})"
        if is_amount == part.amount_in_formulas:
            return value
        size = self[part.compartment]
        return value / size if is_amount else value * size

    def _species(self, species: Species) -> Any:
        if species.initial is None:
            return float("nan")
        if (species.initial_is == "amount") == species.amount_in_formulas:
            return float(species.initial)
        size = self[species.compartment]
        return species.initial / size if species.initial_is == "amount" else species.initial * size

    def _stoichiometry(self, id: str) -> Any:
        for reaction in self.model.reactions:
            for participant in (*reaction.reactants, *reaction.products):
                if participant.id == id and participant.stoichiometry is not None:
                    return float(participant.stoichiometry)
        raise ModelError(f"A formula of {self.model.source} uses {id!r}, which the model does not have.")


def depends_on(model: Model, id: str, varied: set[str]) -> bool:
    """Return whether the start value of `id` changes with one of the ids in `varied`."""
    seen: set[str] = set()
    todo = [id]
    while todo:
        at = todo.pop()
        if at in varied:
            return True
        if at in seen:
            continue
        seen.add(at)
        todo.extend(_direct(model, at))
    return False


def _direct(model: Model, id: str) -> list[str]:
    formula = model.assignment_rules.get(id) or model.starts.get(id) or model.laws.get(id)
    part = model.by_id.get(id)
    own = list(names(formula)) if formula is not None else []
    return [*own, part.compartment] if isinstance(part, Species) else own


def determined_by(model: Model, id: str) -> str | None:
    """Return in words what determines `id`, or None when it is free to vary."""
    for what, formulas in (("assignment rule", model.assignment_rules), ("initial assignment", model.starts)):
        if id in formulas:
            mentioned = sorted(n for n in names(formulas[id]) if n in model.by_id)
            instead = f"; vary {' or '.join(mentioned)} instead" if mentioned else ""
            return f"{id} is set by the {what} {to_text(formulas[id])}{instead}"
    return None


def as_column(value: Any, n: int) -> np.ndarray:
    """Return `value` as a float64 array (n,)."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (n,))

"""What a draw sets and what is recorded, in libroadrunner's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sbml_hybrid.mechanism.initial import InitialValues, depends_on
from sbml_hybrid.mechanism.model import Compartment, Model, Parameter, Species
from sbml_hybrid.mechanism.quantities import quantity_id


def selection_of(model: Model, quantity: str) -> tuple[str, str]:
    """Return libroadrunner's selection for a quantity, and what it is, as `Model.meaning` says.

    Raises
    ------
    UnknownName
        The model has no such quantity.
    """
    id, kind = model.meaning(quantity)
    return (f"[{id}]" if kind == "concentration" else id), kind


def start_settings(
    model: Model, given: Mapping[str, np.ndarray]
) -> tuple[list[tuple[str, np.ndarray]], list[tuple[str, Any]]]:
    """Return what a draw sets before the second reset, and what it sets after.

    Parameters
    ----------
    model
        The model.
    given
        Name of a varied quantity -> its values (draw,).

    Returns
    -------
    varied, dependent
        (libroadrunner's name, values (draw,) or number). `dependent` holds the drawn initial values,
        everything with an initial assignment that depends on what varies, and species whose
        compartment varies, computed in dependency order.
    """
    start = InitialValues(model, given)
    changed = {quantity_id(name) for name in given}
    varied = [(name, column) for name, column in given.items() if quantity_id(name) == name]
    dependent: list[tuple[str, Any]] = []
    for part in (*model.compartments, *model.parameters, *model.species):
        if part.id in model.assignment_rules or not depends_on(model, part.id, changed):
            continue
        if isinstance(part, Parameter | Compartment):
            if part.id in model.starts or f"init({part.id})" in given:
                dependent.append((part.id, start[part.id]))
        else:
            dependent.append(_species_setting(part, start, given))
    return varied, dependent


def _species_setting(species: Species, start: InitialValues, given: Mapping[str, np.ndarray]) -> tuple[str, Any]:
    """Set what was given as it was given, so that no rounding comes between."""
    id = species.id
    by_amount = f"init({id})" in given or (
        f"init([{id}])" not in given
        and (species.amount_in_formulas if id in start.model.starts else species.initial_is == "amount")
    )
    return (id, start.amount(id)) if by_amount else (f"[{id}]", start.concentration(id))

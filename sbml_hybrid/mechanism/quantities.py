"""The names of quantities that can be given a value: ``k1``, ``R1_k``, ``C``, ``init(S1)``, ``init([S1])``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.mechanism.initial import determined_by
from sbml_hybrid.mechanism.model import Model


def quantity_id(name: str) -> str:
    """Return the id in the name of a varied quantity: ``S1`` for ``init([S1])``."""
    if name.startswith("init([") and name.endswith("])"):
        return name[6:-2]
    if name.startswith("init(") and name.endswith(")"):
        return name[5:-1]
    return name


def check_names(model: Model, varied: Iterable[str]) -> None:
    """Refuse quantities that the model does not have, or that a rule or initial assignment determines.

    Raises
    ------
    UnknownName
        With the closest names.
    ValueError
        With what determines the quantity, and what to vary instead.
    """
    varied = list(varied)
    species, reactions = {s.id for s in model.species}, {r.id for r in model.reactions}
    for name in varied:
        id = quantity_id(name)
        if id not in model.by_id or id in reactions:
            raise unknown_name("quantity", id, [*_variable(model), *(s.id for s in model.species)], model.source)
        if id in species and name == id:
            raise ValueError(f"{id!r} is a species; vary its initial value as 'init({id})' or 'init([{id}])'.")
        if id not in species and name.startswith("init(["):
            raise ValueError(f"{name!r} asks for a concentration, but {id!r} is not a species of {model.source}.")
        determined = determined_by(model, id)
        if determined:
            raise ValueError(f"{name!r} cannot vary: {determined}.")
        if name == id and id in model.rate_rules:
            raise ValueError(f"{id!r} cannot vary: a rate rule changes it; vary its initial value 'init({id})'.")
    doubled = {id for id, times in Counter(map(quantity_id, varied)).items() if times > 1}
    if doubled:
        raise ValueError(f"{sorted(doubled)[0]!r} varies twice: {[v for v in varied if quantity_id(v) in doubled]}.")


def _variable(model: Model) -> list[str]:
    return [p.id for p in (*model.parameters, *model.compartments)]

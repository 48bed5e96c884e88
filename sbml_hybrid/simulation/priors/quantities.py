"""Which of a model's quantities can vary, which of them a pattern means, and which must stay positive."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.mechanism.initial import InitialValues, determined_by
from sbml_hybrid.mechanism.kinetics import Call, Name, Tree
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.operators import LOGICAL, RELATIONS
from sbml_hybrid.mechanism.quantities import quantity_id


def is_pattern(name: str) -> bool:
    """Return whether `name` has a wildcard: ``*`` for any text, ``?`` for one character."""
    return "*" in name or "?" in name


def expanded(model: Model, pattern: str) -> tuple[list[str], dict[str, str]]:
    """Return the quantities that match `pattern` and can vary, and why others that match cannot.

    Upper and lower case differ, and brackets mean themselves. Where both the amount and the concentration of a
    species match, the one that the model gives is meant.

    Raises
    ------
    UnknownName
        Nothing matches; the message has the closest names.
    """
    written = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    matches = re.compile(written, re.DOTALL).fullmatch
    free: list[str] = []
    left_out: dict[str, str] = {}
    known: list[str] = []
    for id, names, otherwise in _quantities(model):
        known += names or [id]
        found = [name for name in names if matches(name)]
        if not found and not matches(id):
            continue
        determined = determined_by(model, id)
        if determined or not found:
            left_out[found[0] if found else id] = determined or otherwise
        else:
            free.append(found[0])
    if not free and not left_out:
        raise unknown_name("quantity matching", pattern, known, model.source)
    return free, left_out


def _quantities(model: Model) -> Iterator[tuple[str, list[str], str]]:
    """Each id, the names under which it varies, the model's own first, and what to say where only the id matches."""
    for part in (*model.parameters, *model.compartments):
        moved = part.id in model.rate_rules
        yield part.id, [f"init({part.id})" if moved else part.id], f"a rate rule changes it; vary init({part.id})"
    for species in model.species:
        names = [f"init({species.id})", f"init([{species.id}])"]
        names = names if species.initial_is == "amount" else names[::-1]
        yield species.id, names, f"a species; vary {names[0]}"


def own_value(model: Model, values: InitialValues, name: str) -> float:
    """Return what the model gives a quantity, in its own unit; NaN where it gives nothing."""
    id = quantity_id(name)
    model.part(id)
    if name.startswith("init(["):
        return float(values.concentration(id))
    if name.startswith("init(") and id in {s.id for s in model.species}:
        return float(values.amount(id))
    return float(values[id])


def never_negative(model: Model) -> frozenset[str]:
    """Return the names of what cannot be below zero: initial values of species, compartments, rate constants."""
    species = [name for s in model.species for name in (f"init({s.id})", f"init([{s.id}])")]
    roles = roles_of(model)
    constants = [p.id for p in model.parameters if not why_not(model, p.id, p.value, roles.get(p.id, set()))]
    return frozenset([*species, *(c.id for c in model.compartments), *constants])


def why_not(model: Model, id: str, value: float | None, roles: set[str]) -> str | None:
    """Why a parameter does not vary by default; None when it does."""
    if determined_by(model, id):
        return determined_by(model, id)
    if id in model.rate_rules:
        return "a rate rule changes it"
    if id in model.event_targets:
        return "an event changes it"
    if value is None or not value > 0:
        return "it has no value" if value is None else f"its value {value:g} is not positive"
    if "exponent" in roles:
        return "an exponent"
    if "rate" not in roles:
        return "only in triggers or conditions" if roles else "acts on no kinetic law or rate rule"
    return None


def roles_of(model: Model) -> dict[str, set[str]]:
    """Id -> its roles ("rate", "exponent", "condition") in the formulas that act on the rates."""
    roles: dict[str, set[str]] = {}
    laws = [model.written_out(r.law.formula) for r in model.reactions if r.law is not None]
    todo: list[tuple[Tree, str]] = [(tree, "rate") for tree in (*laws, *model.rate_rules.values())]
    todo += [(model.written_out(e.trigger), "condition") for e in model.events if e.trigger is not None]
    seen: set[tuple[str, str]] = set()
    while todo:
        tree, role = todo.pop()
        for id, own in _occurrences(tree, role):
            roles.setdefault(id, set()).add(own)
            if id in model.assignment_rules and (id, own) not in seen:
                seen.add((id, own))
                todo.append((model.assignment_rules[id], own))
    return roles


def _occurrences(tree: Tree, role: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, Name):
        yield tree.id, role
    elif isinstance(tree, Call):
        for i, argument in enumerate(tree.arguments):
            yield from _occurrences(argument, _role_of(tree, i, role))


def _role_of(call: Call, position: int, role: str) -> str:
    if call.operator in RELATIONS or call.operator in LOGICAL:
        return "condition"
    if (call.operator, position) in {("power", 1), ("root", 0)}:
        return "exponent"
    return role

"""Edits of a model, through libSBML on its text: what comes out has been read and checked like any model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError, UnknownName, unknown_name
from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Apply, Tree, names, walk
from sbml_hybrid.mechanism.mathml import ast_from_text, tree_from_ast
from sbml_hybrid.mechanism.model import Model, Reaction, Species
from sbml_hybrid.mechanism.quantities import check_names, quantity_id
from sbml_hybrid.mechanism.rewriting import with_values
from sbml_hybrid.mechanism.sbml import model_from_sbml

_TERM = re.compile(r"(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*\*?\s*)?([A-Za-z_]\w*)")


def opened(model: Model) -> libsbml.SBMLDocument:
    """Return the model's text as a document of libSBML, to be edited and then `closed`."""
    return libsbml.readSBMLFromString(model.sbml)


def closed(document: libsbml.SBMLDocument, model: Model, words: str, owners: Mapping[str, str] | None = None) -> Model:
    """Return the model of an edited document: `words` say what was done, `owners` has new parameters' reactions."""
    return _read_again(written(document, model.sbml), model, words, owners)


def _read_again(sbml: str, model: Model, words: str, owners: Mapping[str, str] | None = None) -> Model:
    known = {p: r.id for r in model.reactions if r.law for p in r.law.parameters}
    edited = model_from_sbml(sbml, f"{model.source}, {words}", model.id, promoted=known | dict(owners or {}))
    return replace(edited, packages=model.packages)  # the text of a composed model no longer has them all


def _finite(name: str, value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name!r} must be a finite number, got {value!r}.")
    return number


# -- values ----------------------------------------------------------------------------------------


def set_values(model: Model, values: Mapping[str, float]) -> Model:
    """Return the model with other numbers; see `Model.set`."""
    check_names(model, values)
    numbers = {name: _finite(name, value) for name, value in values.items()}
    start, written_as = InitialValues(model, numbers), dict[str, float]()
    amounts_only = opened(model).getLevel() == 1
    for name, number in numbers.items():
        if name.startswith("init(["):
            species = model.by_id[quantity_id(name)]
            _require_volume(model, species)
            if amounts_only:
                name, number = f"init({species.id})", float(start.amount(species.id))
        written_as[name] = number
    sbml = with_values(model.sbml, written_as, model.source)
    said = [f"{name} = {number:g}" for name, number in numbers.items()]
    return _read_again(sbml, model, ", ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else ""))


def _require_volume(model: Model, species: Species) -> None:
    if model.by_id[species.compartment].dimensions == 0:
        raise ValueError(
            f"{species.id!r} has no concentration: its compartment {species.compartment!r} in {model.source} has no "
            f"dimensions. Try: 'init({species.id})', its amount."
        )


# -- reactions and their laws ----------------------------------------------------------------------


def set_law(model: Model, id: str, law: str, parameters: Mapping[str, float]) -> Model:
    """Return the model with another kinetic law for a reaction; see `Model.set_law`."""
    reaction = _part(model, id, Reaction, "reaction")
    document = opened(model)
    m = document.getModel()
    _write_law(model, m, m.getReaction(id), law, parameters)
    _drop_own_parameters(model, m, reaction, keep=names(tree_from_ast(m.getReaction(id).getKineticLaw().getMath())))
    return closed(document, model, f"law of {id} = {law}", dict.fromkeys(parameters, id))


def add_reaction(model: Model, id: str, equation: str, law: str, parameters: Mapping[str, float]) -> Model:
    """Return the model with one more reaction; see `Model.add_reaction`."""
    require_new(model, id)
    reactants, reversible, products = _sides(model, id, equation)
    document = opened(model)
    m = document.getModel()
    reaction = m.createReaction()
    reaction.setId(id)
    reaction.setReversible(reversible)
    if document.getLevel() == 3 and document.getVersion() == 1:
        reaction.setFast(False)
    for create, side in ((reaction.createReactant, reactants), (reaction.createProduct, products)):
        for species, count in side.items():
            reference = create()
            reference.setSpecies(species)
            if document.getLevel() == 1:
                reference.setStoichiometry(count.numerator)
                reference.setDenominator(count.denominator)
            else:
                reference.setStoichiometry(float(count))
            if document.getLevel() > 2:
                reference.setConstant(True)
    _write_law(model, m, reaction, law, parameters)
    return closed(document, model, f"with {id}: {equation}", dict.fromkeys(parameters, id))


def _write_law(model: Model, m: Any, reaction: Any, text: str, parameters: Mapping[str, float]) -> None:
    """Give the reaction its law, new parameters, and as modifiers the other species that the law mentions."""
    try:
        ast = ast_from_text(text, m)
    except ValueError as error:
        raise ModelError(str(error)) from None
    tree = tree_from_ast(ast)
    _check_formula(model, tree, parameters)
    for name, value in parameters.items():
        parameter = m.createParameter()
        parameter.setId(name)
        parameter.setValue(_finite(name, value))
        parameter.setConstant(True)
    law = reaction.getKineticLaw() or reaction.createKineticLaw()
    before = names(tree_from_ast(law.getMath())) if law.isSetMath() else frozenset()
    law.setMath(ast)
    if m.getLevel() == 1:
        return  # which has no modifiers
    sides = [*reaction.getListOfReactants(), *reaction.getListOfProducts()]
    modifiers = {p.getSpecies() for p in reaction.getListOfModifiers()}
    for id in sorted(modifiers & before - names(tree)):
        reaction.removeModifier(id)
    wanted = names(tree) & {s.id for s in model.species}
    for id in sorted(wanted - modifiers - {p.getSpecies() for p in sides}):
        reaction.createModifier().setSpecies(id)


def _check_formula(model: Model, tree: Tree, parameters: Mapping[str, float]) -> None:
    for name in parameters:
        if name in model.by_id:
            raise ValueError(
                f"{name!r} is in {model.source} already. Leave it out to use it as it is, or set({{{name!r}: ...}})."
            )
        require_new(model, name)
        if name not in names(tree):
            raise ValueError(f"The parameter {name!r} is given a value, but the law does not mention it.")
    for name in sorted(names(tree) - parameters.keys() - set(_numbers(model))):
        known = unknown_name("quantity", name, _numbers(model), model.source)
        raise UnknownName(f"{known} A new parameter is given with its value: {name}=1.0.")
    functions = [f.id for f in model.functions]
    for node in walk(tree):
        if isinstance(node, Apply) and node.function not in functions:
            raise unknown_name("function", node.function, functions, model.source)


def _numbers(model: Model) -> list[str]:
    """The ids that a formula may mention."""
    return [*model.by_id, *model.stoichiometry_ids]


def _sides(model: Model, id: str, equation: str) -> tuple[dict[str, Fraction], bool, dict[str, Fraction]]:
    """The reactants, whether it is reversible, and the products of an equation, with their counts."""
    found = re.fullmatch(r"([^<>=-]*)(<?->)([^<>=-]*)", equation)
    if found is None:
        raise ModelError(
            f"{equation!r} is not the equation of a reaction. Try: add_reaction({id!r}, 'A + 2 B -> C', ...), with <-> "
            "where it goes both ways; a side may be empty."
        )
    left, arrow, right = found.groups()
    return _counts(model, equation, left), arrow == "<->", _counts(model, equation, right)


def _counts(model: Model, equation: str, side: str) -> dict[str, Fraction]:
    species = [s.id for s in model.species]
    counts: dict[str, Fraction] = {}
    for term in side.split("+") if side.strip() else ():
        found = _TERM.fullmatch(term.strip())
        if found is None:
            raise ModelError(f"{term.strip()!r} in {equation!r} is not a species with its count, such as '2 B'.")
        count, id = Fraction(found[1] or 1), found[2]
        if id not in species:
            known = unknown_name("species", id, species, model.source)
            raise UnknownName(f"{known} A new one is added before: add_species({id!r}).")
        if count <= 0:
            raise ModelError(
                f"{id!r} stands {found[1]} times in {equation!r}; leave it out, or give it a count above 0."
            )
        counts[id] = counts.get(id, Fraction(0)) + count
    return counts


# -- species ---------------------------------------------------------------------------------------


def add_species(model: Model, id: str, initial: float, compartment: str | None, boundary: bool) -> Model:
    """Return the model with one more species; see `Model.add_species`."""
    require_new(model, id)
    there = [c.id for c in model.compartments]
    if compartment is None and len(there) != 1:
        several = (
            f"has {len(there)} compartments: {', '.join(there)}. Say compartment=" if there else "has no compartment"
        )
        raise ModelError(f"{id!r} needs a compartment, and {model.source} {several}.")
    compartment = there[0] if compartment is None else compartment
    if compartment not in there:
        raise unknown_name("compartment", compartment, there, model.source)
    document = opened(model)
    species = document.getModel().createSpecies()
    species.setId(id)
    species.setCompartment(compartment)
    species.setBoundaryCondition(boundary)
    value, has_volume = _finite("initial", initial), model.by_id[compartment].dimensions > 0
    if document.getLevel() == 1:
        species.setInitialAmount(value * float(InitialValues(model)[compartment]))
    else:
        species.setHasOnlySubstanceUnits(not has_volume)
        species.setConstant(False)
        (species.setInitialConcentration if has_volume else species.setInitialAmount)(value)
    return closed(document, model, f"with {id}")


def with_states(model: Model, id: str, count: int) -> Model:
    """Return the model with states that nothing moves; see `Model.with_states`."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"count must be a whole number, 1 or more, got {count!r}.")
    document = opened(model)
    m, new = document.getModel(), [f"{id}{i}" for i in range(count)]
    for name in new:
        require_new(model, name)
        parameter, rule = m.createParameter(), m.createRateRule()
        parameter.setId(name)
        parameter.setConstant(False)
        parameter.setValue(0.0)
        rule.setVariable(name)
        rule.setMath(ast_from_text("0"))
    return closed(document, model, f"with {', '.join(new)}")


def set_boundary(model: Model, id: str, boundary: bool) -> Model:
    """Return the model with a species fixed or free; see `Model.make_boundary` and `Model.make_floating`."""
    _part(model, id, Species, "species")
    for kind, targets in (("an assignment rule", model.assignment_rules), ("a rate rule", model.rate_rules)):
        if not boundary and id in targets:
            raise ModelError(f"{id!r} in {model.source} stays a boundary species: {kind} already determines it.")
    document = opened(model)
    species = document.getModel().getSpecies(id)
    species.setBoundaryCondition(boundary)
    if not boundary and document.getLevel() > 1:
        species.setConstant(False)
    return closed(document, model, f"{id} {'fixed' if boundary else 'free'}")


# -- taking away -----------------------------------------------------------------------------------


def remove(model: Model, id: str) -> Model:
    """Return the model without a part; see `Model.remove`."""
    part = model.part(id)
    own = [p.id for p in (*part.reactants, *part.products) if p.id] if isinstance(part, Reaction) else []
    used = [place for each in (id, *own) for place in _uses(model, each) if place != f"the law of {id}"]
    if used:
        places = ", ".join(used[:6]) + (f" and {len(used) - 6} more places" if len(used) > 6 else "")
        raise ModelError(f"{id!r} cannot be removed from {model.source}: it is used in {places}. Change these first.")
    document = opened(model)
    m = document.getModel()
    if isinstance(part, Reaction):
        _drop_own_parameters(model, m, part)
    getattr(m, f"remove{type(part).__name__}")(id)
    return closed(document, model, f"without {id}")


def knock_out(model: Model, id: str) -> Model:
    """Return the model with a reaction or species that does nothing; see `Model.knock_out`."""
    part = model.part(id)
    document = opened(model)
    m = document.getModel()
    match part:
        case Reaction(law=None):
            raise ModelError(f"Reaction {id!r} in {model.source} has no kinetic law that could be knocked out.")
        case Reaction():
            m.getReaction(id).getKineticLaw().setMath(ast_from_text("0"))
        case Species():
            _require_undriven(model, id)
            m.removeInitialAssignment(id)
            species = m.getSpecies(id)
            species.setBoundaryCondition(True)
            (species.setInitialConcentration if species.isSetInitialConcentration() else species.setInitialAmount)(0.0)
        case _:
            raise ModelError(f"{id!r} is no reaction or species of {model.source}. Try: set({{{id!r}: 0}}).")
    return closed(document, model, f"{id} knocked out")


def _require_undriven(model: Model, id: str) -> None:
    drivers = {
        "an assignment rule": model.assignment_rules,
        "a rate rule": model.rate_rules,
        "an event": model.event_targets,
    }
    for driver, targets in drivers.items():
        if id in targets:
            raise ModelError(
                f"{id!r} in {model.source} cannot be knocked out: {driver} sets it. Try: knock out what that needs."
            )


def _drop_own_parameters(model: Model, m: Any, reaction: Reaction, keep: Iterable[str] = ()) -> None:
    """Remove the parameters that came with the reaction's law and that nothing else uses."""
    for id in reaction.law.parameters if reaction.law else ():
        if id not in keep and set(_uses(model, id)) <= {f"the law of {reaction.id}"}:
            m.removeParameter(id)


def _uses(model: Model, id: str) -> list[str]:
    """In words, every place of the model that depends on there being an `id`."""
    places = [f"species {s.id}" for s in model.species if id in (s.compartment, s.conversion_factor)]
    for r in model.reactions:
        if id in {p.species for p in (*r.reactants, *r.products)}:
            places.append(f"reaction {r.id} ({r.equation})")
        elif id in r.modifiers:
            places.append(f"reaction {r.id} (as a modifier)")
        if any(p.formula is not None and id in names(p.formula) for p in (*r.reactants, *r.products)):
            places.append(f"a stoichiometry of {r.id}")
        if r.law is not None and id in names(r.law.formula):
            places.append(f"the law of {r.id}")
    for rule in model.rules:
        if id == rule.target or id in names(rule.formula):
            places.append(f"the {rule.kind} rule for {rule.target or 0}")
    for start in model.initial_assignments:
        if id == start.target or id in names(start.formula):
            places.append(f"the initial assignment of {start.target}")
    for number, event in enumerate(model.events, 1):
        trees = [t for t in (event.trigger, event.delay, event.priority, *(f for _, f in event.assignments)) if t]
        if id in {target for target, _ in event.assignments} or any(id in names(tree) for tree in trees):
            places.append(f"event {event.id or number}")
    return places


# -- what was asked --------------------------------------------------------------------------------


def _part(model: Model, id: str, kind: type, word: str) -> Any:
    part = model.by_id.get(id)
    if not isinstance(part, kind):
        raise unknown_name(word, id, [p.id for p in model.by_id.values() if isinstance(p, kind)], model.source)
    return part


def require_new(model: Model, id: str) -> None:
    """Raise a `ValueError` where an id is none, or is in the model already."""
    if not libsbml.SyntaxChecker.isValidSBMLSId(id):
        raise ValueError(f"{id!r} cannot be an id: one is made of letters, digits and _, and starts with no digit.")
    if id in {*_numbers(model), *(f.id for f in model.functions), *(e.id for e in model.events), model.id}:
        raise ValueError(f"{id!r} is in {model.source} already; choose another id.")

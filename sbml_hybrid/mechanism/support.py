"""What libroadrunner cannot simulate in a model, by the element and with the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import depends_on
from sbml_hybrid.mechanism.kinetics import Apply, Tree, mentions_time, names, to_text, uses, walk
from sbml_hybrid.mechanism.model import Compartment, Model, Parameter, Species

BEYOND_LIBROADRUNNER = "rate rule in a computed compartment"  # well defined, and our own trees compute it


@dataclass(frozen=True)
class Obstacle:
    """Why a model cannot be simulated.

    Parameters
    ----------
    kind
        "algebraic rule", "fast reaction", "delay", "no kinetic law", "undefined", "missing value",
        "rate rule in a computed compartment" or "formula" (too large when its functions are written out).
    element
        The id of the element, or of what it belongs to; empty for an algebraic rule without id.
    text
        What is there, and what to try.
    """

    kind: str
    element: str
    text: str


def obstacles(model: Model) -> tuple[Obstacle, ...]:
    """Return all that keeps libroadrunner from simulating `model`; nothing for a model that runs."""
    try:
        undefined = tuple(_undefined(model))
        found = (*_algebraic(model), *_fast(model), *_delays(model), *_lawless(model), *_resized(model), *undefined)
        return found if undefined else (*found, *_missing(model))  # values are looked up through the formulas
    except ModelError as error:  # a formula that is too large when its functions are written out
        return (Obstacle("formula", "", str(error)),)


def require_simulable(model: Model) -> None:
    """Refuse a model that libroadrunner cannot simulate.

    Raises
    ------
    ModelError
        With the first obstacle.
    """
    if model.obstacles:
        raise ModelError(f"{model.source} cannot be simulated: {model.obstacles[0].text}")


def _algebraic(model: Model) -> Iterator[Obstacle]:
    for rule in model.rules:
        if rule.kind == "algebraic":
            yield Obstacle(
                "algebraic rule",
                rule.target,
                f"it has the algebraic rule 0 = {to_text(rule.formula)}, and libroadrunner solves none. "
                "Try: solve it for one quantity and make that an assignment rule.",
            )


def _fast(model: Model) -> Iterator[Obstacle]:
    for reaction in model.reactions:
        if reaction.fast:
            yield Obstacle(
                "fast reaction",
                reaction.id,
                f"reaction {reaction.id!r} is declared fast, and libroadrunner has no fast reactions. "
                "Try: give it a kinetic law with a large rate constant.",
            )


def _delays(model: Model) -> Iterator[Obstacle]:
    for where, element, tree in _formulas(model):
        if uses(tree if _undefined_functions(model, tree) else model.written_out(tree), "delay"):
            yield Obstacle(
                "delay",
                element,
                f"{where} uses delay(), and libroadrunner has no delay differential equations. "
                "Try: a chain of intermediate species instead.",
            )


def _lawless(model: Model) -> Iterator[Obstacle]:
    lawless = [r.id for r in model.reactions if r.law is None]
    package = next((p for p in ("fbc", "qual") if p in model.packages), "")
    if package and len(lawless) == len(model.reactions) and not model.rate_rules:
        means = "flux bounds and an objective" if package == "fbc" else "logical transitions"
        yield Obstacle(
            "no kinetic law",
            lawless[0] if lawless else "",
            f"it is a model of the SBML package {package}: {means}, and no kinetic laws, so nothing says how it "
            f"changes in time. Try: {'COBRApy for flux balance' if package == 'fbc' else 'a logical modelling tool'}.",
        )
    elif lawless:
        yield Obstacle(
            "no kinetic law",
            lawless[0],
            f"reaction {lawless[0]!r} has no kinetic law ({len(lawless)} of {len(model.reactions)} have none). "
            "Try: give it one, or remove it.",
        )


def _resized(model: Model) -> Iterator[Obstacle]:
    """A concentration that a rate rule moves in a compartment that a rule computes: libroadrunner forgets the size."""
    for species in model.species:
        if species.id in model.rate_rules and not species.amount_in_formulas:
            rule = model.assignment_rules.get(species.compartment)
            if rule and (mentions_time(rule) or depends_on(model, species.compartment, set(model.states))):
                yield Obstacle(
                    BEYOND_LIBROADRUNNER,
                    species.id,
                    f"a rate rule moves the concentration of {species.id!r} while an assignment rule resizes its "
                    f"compartment {species.compartment!r}, and libroadrunner computes that wrongly. "
                    f"Try: a rate rule for {species.compartment!r}, or hasOnlySubstanceUnits for {species.id!r}.",
                )


def _undefined(model: Model) -> Iterator[Obstacle]:
    known = model.by_id.keys() | model.stoichiometry_ids
    for where, element, tree in _formulas(model):
        calls, unknown = _undefined_functions(model, tree), sorted(names(tree) - known)
        if calls or unknown:
            said = f"calls {calls[0]!r}, which the model does not define" if calls else f"uses {unknown[0]!r}"
            said += "" if calls else ", which the model does not have"
            yield Obstacle("undefined", element, f"{where} {said}. Try: correct {_shortened(to_text(tree))}.")


def _missing(model: Model) -> Iterator[Obstacle]:
    determined = model.assignment_rules.keys() | model.starts.keys()
    readers: dict[str, str] = {}
    for where, _, tree in _formulas(model):
        for id in names(model.written_out(tree)):
            readers.setdefault(id, where)
    changed = model.reacting | model.rate_rules.keys()
    for part in (*model.parameters, *model.compartments, *model.species):
        if part.id in determined:
            continue
        value, word, needed = _value_of(part, model, part.id in readers or part.id in changed)
        if needed and (value is None or math.isnan(value) or (math.isinf(value) and part.id in model.states)):
            why = f", and {readers[part.id]} reads it" if part.id in readers else ""
            has = f"no {word}" if value is None else f"the {word} {value}"
            name = f"init({part.id})" if isinstance(part, Species) or part.id in model.rate_rules else part.id
            yield Obstacle("missing value", part.id, f"{part.id!r} has {has}{why}. Try: model.set({{{name!r}: 1.0}}).")


def _value_of(part: Parameter | Compartment | Species, model: Model, used: bool) -> tuple[float | None, str, bool]:
    """The part's value, what it is called, and whether a simulation needs it."""
    match part:
        case Parameter(value=value):
            return value, "value", used or value is None  # libroadrunner refuses any parameter without one
        case Compartment(size=size, dimensions=dimensions):
            inside = (s for s in model.species if s.compartment == part.id)
            converted = any(
                (s.initial_is == "amount") != s.amount_in_formulas or s.id in model.reacting for s in inside
            )
            return size, "size", (used or converted) and dimensions != 0
        case Species(initial=initial):
            return initial, f"initial {part.initial_is}", used


def _formulas(model: Model) -> Iterator[tuple[str, str, Tree]]:
    """Every formula of the model: where it is, in words; the element's id; the formula."""
    for reaction in model.reactions:
        if reaction.law is not None:
            yield f"the kinetic law of {reaction.id!r}", reaction.id, reaction.law.formula
        for participant in (*reaction.reactants, *reaction.products):
            if participant.formula is not None:
                yield (
                    f"the stoichiometry of {participant.species!r} in {reaction.id!r}",
                    reaction.id,
                    participant.formula,
                )
    for rule in model.rules:
        where = f"the {rule.kind} rule of {rule.target!r}" if rule.target else "an algebraic rule"
        yield where, rule.target, rule.formula
    for start in model.initial_assignments:
        yield f"the initial assignment of {start.target!r}", start.target, start.formula
    for event in model.events:
        parts = {"trigger": event.trigger, "delay": event.delay, "priority": event.priority}
        for word, tree in (*parts.items(), *(("assignment", formula) for _, formula in event.assignments)):
            if tree is not None:
                yield f"the {word} of {f'event {event.id!r}' if event.id else 'an event'}", event.id, tree


def _undefined_functions(model: Model, tree: Tree) -> list[str]:
    """The functions that the formula calls, however deeply, and that the model does not define."""
    bodies = {f.id: f.body for f in model.functions}
    called: dict[str, None] = {}
    todo = [tree]
    while todo:
        new = {node.function: None for node in walk(todo.pop()) if isinstance(node, Apply)}.keys() - called.keys()
        called.update(dict.fromkeys(sorted(new)))
        todo.extend(bodies[f] for f in new if f in bodies)
    return [f for f in called if f not in bodies]


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."

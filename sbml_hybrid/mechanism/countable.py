"""Which models an exact stochastic simulation can have, and the formulas that tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time, Tree, fold, names, to_text, uses, walk
from sbml_hybrid.mechanism.model import Event, Model, Participant, Reaction
from sbml_hybrid.mechanism.operators import RELATIONS

ASKED = "an exact stochastic simulation"


def require_countable(model: Model) -> None:
    """Raise a `ModelError` that names the first thing in the model that an exact stochastic simulation cannot have."""
    for problem in _problems(model):
        raise ModelError(f"{ASKED.capitalize()} of {model.source} is not possible: {problem}")


def _problems(model: Model) -> Iterator[str]:
    if libsbml.readSBMLFromString(model.sbml).getLevel() == 1:
        yield "it is SBML level 1, where no species is an amount. Try: write it as level 3."
    yield from (f"{id!r} is also the word for time. Try: rename it." for id in model.by_id if id.lower() == "time")
    for target in model.rate_rules:
        yield f"a rate rule moves {target!r} smoothly. Try: write it as reactions, or ProcessNoise."
    for species in model.species:
        if species.id in model.reacting and species.conversion_factor:
            yield f"{species.id!r} has a conversion factor. Try: put it into the stoichiometries."
    for reaction in model.reactions:
        yield from _counts(model, reaction)
        if reaction.law is not None:
            yield from _unfit_law(model, reaction)
    for number, event in enumerate(model.events, 1):
        yield from _unfit_event(model, event.id or str(number), event)


def _counts(model: Model, reaction: Reaction) -> Iterator[str]:
    for participant in (*reaction.reactants, *reaction.products):
        if participant.species in model.reacting and not _is_whole(participant, model):
            said = "a formula" if participant.stoichiometry is None else f"{participant.stoichiometry:g}"
            yield (
                f"reaction {reaction.id!r} has {said} of {participant.species!r}, and molecules come whole. "
                "Try: multiply its stoichiometries, and divide its law."
            )


def _is_whole(participant: Participant, model: Model) -> bool:
    count = participant.stoichiometry
    return count is not None and count % 1 == 0 and participant.id not in {*model.starts, *model.event_targets}


def _unfit_law(model: Model, reaction: Reaction) -> Iterator[str]:
    tree = with_rules(model, model.laws[reaction.id])
    where = f"the law of reaction {reaction.id!r}, {reaction.law.text[:80]},"
    if uses(tree, "delay", "rateOf"):
        yield f"{where} looks at the past or at a rate of change. Try: ProcessNoise."
    if any(isinstance(node, Time) for node in walk(_outside_comparisons(tree))):
        yield (
            f"{where} changes smoothly in time, and is exact only where it is constant between reactions. "
            "Try: steps in time (piecewise), or ProcessNoise."
        )
    for node in walk(tree):
        if isinstance(node, Call) and node.operator in RELATIONS and timed(node) and moving(model) & names(node):
            yield f"{where} compares the time with what changes, in {to_text(node)[:80]}. Try: ProcessNoise."


def _unfit_event(model: Model, name: str, event: Event) -> Iterator[str]:
    trigger = with_rules(model, model.written_out(event.trigger))
    seen = sorted(moving(model) & names(trigger))
    if seen:
        yield (
            f"the trigger of event {name!r} looks at {seen[0]!r}, which changes; only events at times that are known "
            "beforehand are exact. Try: ProcessNoise."
        )
    if event.delay is not None:
        yield f"event {name!r} has a delay. Try: put the delay into the trigger's time."
    for target, _ in event.assignments:
        if target in {c.id for c in model.compartments} or target in model.stoichiometry_ids:
            yield f"event {name!r} sets {target!r}, a size or a stoichiometry. Try: set a species or a parameter."


def timed(tree: Tree) -> bool:
    """Return whether the formula mentions the time."""
    return any(isinstance(node, Time) for node in walk(tree))


def moving(model: Model) -> set[str]:
    """Return the ids of what reactions or events change, and of rates."""
    return (set(model.states) - model.assignment_rules.keys()) | {r.id for r in model.reactions}


def with_rules(model: Model, tree: Tree) -> Tree:
    """Return the formula with assignment rules and laws in the place of their targets."""
    known = model.assignment_rules | model.laws
    while inside := names(tree) & known.keys():  # a model that defines something by itself is not simulable
        tree = substituted(tree, {id: known[id] for id in inside})
    return tree


def _outside_comparisons(tree: Tree) -> Tree:
    """The formula with every comparison taken for a number."""

    def one(node: Tree, parts: list[Tree]) -> Tree:
        if isinstance(node, Call) and node.operator in RELATIONS:
            return Number(1.0)
        return again(node, parts)

    return fold(tree, one)


def again(node: Tree, parts: list[Tree]) -> Tree:
    """Return the node with these arguments."""
    if not parts:
        return node
    return Apply(node.function, tuple(parts)) if isinstance(node, Apply) else Call(node.operator, tuple(parts))


def substituted(tree: Tree, new: Mapping[str, Tree]) -> Tree:
    """Return the formula with formulas in the place of ids."""

    def one(node: Tree, parts: list[Tree]) -> Tree:
        return new.get(node.id, node) if isinstance(node, Name) else again(node, parts)

    return fold(tree, one)

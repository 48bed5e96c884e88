"""A model in whole molecules, every reaction in one direction: what exact stochastic simulation needs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.countable import ASKED, again, moving, require_countable, substituted, timed, with_rules
from sbml_hybrid.mechanism.derivative import simplify
from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree, fold, names, to_text, walk
from sbml_hybrid.mechanism.mathml import ast_from_text
from sbml_hybrid.mechanism.model import Event, Model, Reaction, Species
from sbml_hybrid.mechanism.operators import RELATIONS
from sbml_hybrid.mechanism.sbml import model_from_sbml
from sbml_hybrid.mechanism.splitting import consumed, split, vanishes, without_repetition

_LARGE = 1e300  # a rate beyond it is none
_LEAVE_FINITE = frozenset({"plus", "minus", "times", "min", "max", "piecewise"})


def in_molecules(model: Model, volume: float, budget: int) -> Model:
    """Return the model that libroadrunner's Gillespie simulates as `model` in a finite volume.

    Species that reactions change are amounts in molecules; laws are in molecules per time; a reaction
    of two directions is two reactions, and its id is a parameter that computes the law in the model's
    own unit. The last species counts the reactions that have happened; the last reaction stops the
    simulation, by a rate that is no number, after `budget` of them; an infinite rate is no number
    either. Events stay in the records, in molecules, and leave the text: they are for the caller, between two
    pieces. So are comparisons with time: a parameter of 0 or 1 takes the place of each, and an event of
    infinite priority switches it.

    Parameters
    ----------
    model
        A model that libroadrunner can simulate.
    volume
        Molecules per unit of amount.
    budget
        Reactions that may happen.

    Raises
    ------
    ModelError
        Something in the model does not make sense among whole molecules, or is not exact there.
    """
    require_countable(model)
    counted = [s for s in model.species if s.id in model.reacting and not s.constant]
    scale = {s.id: _molecules(s, volume) for s in counted}
    single = frozenset(id for id, factor in scale.items() if factor == Number(1.0) or _is_one(model, factor))
    rates = {r.id: _directions(model, r, scale, single) for r in model.reactions if r.law is not None}
    if not any(rate is not None for both in rates.values() for rate in both):
        raise ModelError(f"{model.source} has no reaction with a kinetic law, so {ASKED} has nothing to do.")
    document = libsbml.readSBMLFromString(model.sbml)
    m = document.getModel()
    text = _Text(m, model, scale)
    _write_species(m, counted, volume)
    _write_formulas(text)
    for id, both in rates.items():
        _write_reaction(text, id, [None if rate is None else _times(Number(volume), rate) for rate in both])
    _write_stop(text, budget)
    m.getListOfEvents().clear()
    owners = {p: r.id for r in model.reactions if r.law for p in r.law.parameters}
    made = model_from_sbml(written(document, model.sbml), model.source, model.id, promoted=owners)
    events = (*text.switching(), *(_event(model, event, scale) for event in model.events))
    # The events are no part of the text, and its trajectories are not CVODE's: no other model has this hash.
    return replace(made, events=events, hash=hashlib.sha256(f"molecules {made.sbml} {events}".encode()).hexdigest())


def counted_species(model: Model) -> tuple[str, ...]:
    """Return the species of a model `in_molecules` that are whole numbers of molecules."""
    return tuple(s.id for s in model.species[:-1] if s.id in model.reacting)


def _molecules(species: Species, volume: float) -> Tree:
    """What turns the species' value in formulas into molecules."""
    return Number(volume) if species.amount_in_formulas else _times(Number(volume), Name(species.compartment))


def _is_one(model: Model, factor: Tree) -> bool:
    """Return whether the factor is 1 throughout: a volume of 1 and a compartment that stays 1."""
    part = model.by_id.get(factor.id) if isinstance(factor, Name) else None
    return part is not None and part.size == 1 and part.constant and part.id not in model.starts


# -- the rates -------------------------------------------------------------------------------------


def _directions(model: Model, reaction: Reaction, scale: Mapping[str, Tree], single: frozenset[str]) -> list:
    """The forward and backward rate, in the model's own unit and species."""
    forward, backward = split(model, reaction, single)
    return [
        None if rate is None else _among_few(model, rate, used, made, scale)
        for rate, used, made in (
            (forward, reaction.reactants, reaction.products),
            (backward, reaction.products, reaction.reactants),
        )
    ]


def _among_few(model: Model, rate: Tree, used, made, scale: Mapping[str, Tree]) -> Tree:
    """A rate that ends where a reactant has run out, and in which no molecule meets itself."""
    pairs: set[str] = set()
    for species, count in consumed(model, used, ()).items():
        molecule = simplify(Call("divide", (Number(1.0), scale[species])))
        new = without_repetition(rate, species, int(count), molecule) if count > 1 else None
        if new is not None:
            rate = new
            pairs.add(species)
    for species, count in consumed(model, used, made).items():
        if count > 0 and species not in pairs and (count > 1 or not vanishes(model, rate, species)):
            enough = Call("geq", (Name(species), _over(Number(count), scale[species])))
            rate = Call("piecewise", (rate, enough, Number(0.0)))
    if _may_be_infinite(with_rules(model, rate)):  # libroadrunner would wait for ever; no number ends the trajectory
        rate = Call("piecewise", (rate, Call("lt", (rate, Number(_LARGE))), Number(math.nan)))
    return rate


def _times(factor: Tree, tree: Tree) -> Tree:
    return simplify(Call("times", (factor, tree)))


def _over(tree: Tree, factor: Tree) -> Tree:
    return tree if factor == Number(1.0) else Call("divide", (tree, factor))


def _counted(tree: Tree, scale: Mapping[str, Tree]) -> Tree:
    """The formula with molecules in it, and the value that it had."""
    return substituted(tree, {id: _over(Name(id), factor) for id, factor in scale.items()})


def _event(model: Model, event: Event, scale: Mapping[str, Tree]) -> Event:
    def new(target: str, tree: Tree) -> Tree:
        tree = _counted(tree, scale)
        return _times(scale[target], tree) if target in scale else tree

    priority = None if event.priority is None else _counted(event.priority, scale)
    assignments = tuple((target, new(target, model.written_out(tree))) for target, tree in event.assignments)
    trigger = with_rules(model, model.written_out(event.trigger))
    return replace(event, trigger=trigger, priority=priority, assignments=assignments)


# -- the text --------------------------------------------------------------------------------------


class _Text:
    """The SBML that is being rewritten, and what stands for comparisons with time in it.

    libroadrunner 2.10 integrates rates that depend on time, approximately, and may not return.
    """

    def __init__(self, m: Any, model: Model, scale: Mapping[str, Tree]) -> None:
        self.m, self.model, self.scale = m, model, scale
        self.taken = {*model.by_id, *model.stoichiometry_ids, *(f.id for f in model.functions)}
        self.switches: dict[Tree, str] = {}
        self._moving = moving(model)

    def free(self, id: str) -> str:
        """An id that nothing has: `id`, with underscores where it is taken."""
        while id in self.taken:
            id += "_"
        self.taken.add(id)
        return id

    def set(self, element: Any, tree: Tree) -> None:
        """Write a formula, in molecules."""
        tree = fold(self.model.written_out(tree), self._switched)
        element.setMath(ast_from_text(to_text(_counted(tree, self.scale)), self.m))

    def _switched(self, node: Tree, parts: list[Tree]) -> Tree:
        node = again(node, parts)
        if not (isinstance(node, Call) and node.operator in RELATIONS):
            return node
        whole = with_rules(self.model, node)
        if not timed(whole) or names(whole) & self._moving:
            return node
        if whole not in self.switches:
            self.switches[whole] = self.free(f"switch_{len(self.switches) + 1}")
            parameter = self.m.createParameter()
            parameter.setId(self.switches[whole])
            parameter.setValue(0.0)
            parameter.setConstant(False)
        return Call("gt", (Name(self.switches[whole]), Number(0.5)))

    def switching(self) -> Iterator[Event]:
        """Yield the events that set the parameters which stand for comparisons with time."""
        for comparison, id in self.switches.items():
            for trigger, value in ((comparison, 1.0), (Call("not", (comparison,)), 0.0)):
                assignments = ((id, Number(value)),)
                yield Event("", "", trigger, None, Number(math.inf), assignments, True, False)


def _write_species(m: Any, counted: list[Species], volume: float) -> None:
    for record in counted:
        species = m.getSpecies(record.id)
        species.setHasOnlySubstanceUnits(True)
        if species.isSetInitialAmount():
            species.setInitialAmount(species.getInitialAmount() * volume)
        elif species.isSetInitialConcentration():
            species.setInitialConcentration(species.getInitialConcentration() * volume)


def _write_formulas(text: _Text) -> None:
    rules = [r for r in text.m.getListOfRules() if r.isSetMath()]
    for element, record in zip(rules, text.model.rules, strict=True):
        text.set(element, record.formula)
    for record in text.model.initial_assignments:
        tree = _counted(record.formula, text.scale)
        molecules = _times(text.scale.get(record.target, Number(1.0)), tree)
        text.m.getInitialAssignment(record.target).setMath(ast_from_text(to_text(molecules), text.m))


def _write_reaction(text: _Text, id: str, rates: list[Tree | None]) -> None:
    """Put one reaction for each direction in the place of `id`, and a parameter of that name for the net rate."""
    pattern = text.m.removeReaction(id)
    for rate, word in zip(rates, ("forward", "backward"), strict=True):
        if rate is None:
            continue
        reaction = pattern.clone()
        reaction.setId(text.free(f"{id}_{word}"))
        reaction.setReversible(False)
        if word == "backward":
            _turn(reaction)
        _name_modifiers(reaction, names(rate) & {s.id for s in text.model.species})
        text.m.addReaction(reaction)
        text.set(text.m.getReaction(reaction.getId()).getKineticLaw(), rate)
    parameter, rule = text.m.createParameter(), text.m.createAssignmentRule()
    parameter.setId(id)
    parameter.setConstant(False)
    rule.setVariable(id)
    text.set(rule, text.model.by_id[id].law.formula)


def _turn(reaction: Any) -> None:
    """Exchange the sides; the ids within belong to the forward reaction."""
    for element in (reaction, *reaction.getListOfAllElements()):
        element.unsetAnnotation()
        element.unsetMetaId()
    for reference in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
        reference.unsetId()
    sides = [[p.clone() for p in side] for side in (reaction.getListOfReactants(), reaction.getListOfProducts())]
    reaction.getListOfReactants().clear()
    reaction.getListOfProducts().clear()
    for participant in sides[1]:
        reaction.addReactant(participant)
    for participant in sides[0]:
        reaction.addProduct(participant)


def _name_modifiers(reaction: Any, mentioned: frozenset[str]) -> None:
    reaction.getListOfModifiers().clear()
    sides = {p.getSpecies() for p in (*reaction.getListOfReactants(), *reaction.getListOfProducts())}
    for species in sorted(mentioned - sides):
        reaction.createModifier().setSpecies(species)


def _write_stop(text: _Text, budget: int) -> None:
    """Count reactions, and let one reaction's rate be no number when there are too many.

    libroadrunner 2.10 reads its own limit of steps as the wrong type.
    """
    m, counter = text.m, text.m.createSpecies()
    counter.setId(text.free("reactions_so_far"))
    counter.setCompartment(m.getCompartment(0).getId())
    counter.setHasOnlySubstanceUnits(True)
    counter.setInitialAmount(0.0)
    counter.setBoundaryCondition(False)
    counter.setConstant(False)
    for reaction in m.getListOfReactions():
        _add_product(m, reaction, counter.getId())
    stop = m.createReaction()
    stop.setId(text.free("stop"))
    stop.setReversible(False)
    if m.getLevel() == 3 and m.getVersion() == 1:
        stop.setFast(False)
    _add_product(m, stop, counter.getId())
    over = Call("geq", (Name(counter.getId()), Number(float(budget))))
    stop.createKineticLaw()
    text.set(stop.getKineticLaw(), Call("piecewise", (Number(math.nan), over, Number(0.0))))


def _add_product(m: Any, reaction: Any, species: str) -> None:
    product = reaction.createProduct()
    product.setSpecies(species)
    product.setStoichiometry(1.0)
    if m.getLevel() > 2:
        product.setConstant(True)


def _may_be_infinite(rate: Tree) -> bool:
    """Return whether the rate is more than sums, products and whole powers: of whole molecules these are finite."""

    def is_fine(node: Tree) -> bool:
        if not isinstance(node, Call) or node.operator in _LEAVE_FINITE or node.operator in RELATIONS:
            return True
        match node:
            case Call(operator="power", arguments=(_, Number(value=value))):
                return value >= 0
            case Call(operator="divide", arguments=(_, Number(value=value))):
                return value != 0
        return False

    return not all(is_fine(node) for node in walk(rate))

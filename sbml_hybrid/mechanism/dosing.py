"""A model with places for doses, inputs and knock-outs: one text that serves all conditions of an experiment.

What is given, how much and when, are parameters of the new model, so that conditions differ in numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError, unknown_name
from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.kinetics import Number, mentions_time, to_text
from sbml_hybrid.mechanism.mathml import ast_from_text, tree_from_ast
from sbml_hybrid.mechanism.model import Compartment, Model, Parameter, Reaction, Species
from sbml_hybrid.mechanism.sbml import model_from_sbml

NEVER = float("inf")


@dataclass(frozen=True)
class Places:
    """How many places there are in a model for what is done to it.

    Parameters
    ----------
    doses
        Species -> how many doses of it a trajectory may get.
    steps
        Quantity -> how many times its value may be set.
    courses
        Quantity -> how many times its value and its slope may be set.
    knock_outs
        Reactions and species.
    """

    doses: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    courses: Mapping[str, int] = field(default_factory=dict)
    knock_outs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.doses, self.steps, self.courses, self.knock_outs))


@dataclass(frozen=True)
class Prepared:
    """A model with places, and the parameters that fill them.

    Parameters
    ----------
    model
        The model; as it is, nothing is given at any time, and it is what it was before.
    doses, steps
        Species or quantity -> the (amount or value, time) of each place, by the ids of their parameters.
    courses
        Quantity -> the (value, slope, time) of each place, likewise.
    active
        Reaction or species -> the parameter that is 1, or 0 where it is knocked out.
    """

    model: Model
    doses: Mapping[str, tuple[tuple[str, str], ...]]
    steps: Mapping[str, tuple[tuple[str, str], ...]]
    courses: Mapping[str, tuple[tuple[str, str, str], ...]]
    active: Mapping[str, str]


def prepared(model: Model, places: Places) -> Prepared:
    """Return the model with places for doses, inputs and knock-outs.

    A dose is an event that adds to an amount; a step is an event that sets a value; a time course is a rate rule whose
    slope events set; a reaction is knocked out by a factor of its law, and a species by its conversion
    factor. All take place at level 3, as only its events can happen at time 0.

    Raises
    ------
    UnknownName
        The model has no such species, quantity or reaction.
    ModelError
        Something else determines the quantity, the text cannot be written at level 3, or the size of a compartment
        that gets a dose is not known.
    """
    _check(model, places)
    document = at_level_three(model)
    rig = _Rig(model, document.getModel())
    doses = {id: tuple(rig.dose(id, n) for n in range(1, count + 1)) for id, count in places.doses.items()}
    steps = {id: tuple(rig.step(id, n) for n in range(1, count + 1)) for id, count in places.steps.items()}
    courses = {id: rig.course(id, count) for id, count in places.courses.items()}
    active = {id: rig.switch(id) for id in places.knock_outs}
    owners = {p: r.id for r in model.reactions if r.law for p in r.law.parameters}
    new = model_from_sbml(written(document, model.sbml), model.source, model.id, promoted=owners)
    new = replace(new, packages=model.packages)
    new.require_simulable()  # a dose of a concentration needs the size of its compartment
    return Prepared(new, doses, steps, courses, active)


def at_level_three(model: Model) -> libsbml.SBMLDocument:
    """Return the model's document at SBML level 3, which it may have already; notes and annotations may be lost.

    Raises
    ------
    ModelError
        libSBML cannot convert it.
    """
    document = libsbml.readSBMLFromString(model.sbml)
    if document.getLevel() == 3:
        return document
    before = document.getLevel(), document.getVersion()
    _write_out_stoichiometries(model, document.getModel())
    if any(mentions_time(function.body) for function in model.functions):  # which level 3 does not allow
        properties = libsbml.ConversionProperties()
        properties.addOption("expandFunctionDefinitions", True)
        document.convert(properties)
    for element in (document, *document.getListOfAllElements()):
        element.unsetAnnotation()  # level 3 has stricter rules for what no simulation reads
        element.unsetNotes()
    if not document.setLevelAndVersion(3, 1, False):
        raise ModelError(
            f"{model.source} is SBML level {before[0]} version {before[1]}, and libSBML cannot write it at level 3, "
            "which conditions need. Try: model.set(...) and a simulation for each condition."
        )
    for id, kind in (("time", libsbml.UNIT_KIND_SECOND), ("length", libsbml.UNIT_KIND_METRE)):
        if document.getModel().getUnitDefinition(id) is None:  # level 2 has these without saying so
            definition = document.getModel().createUnitDefinition()
            definition.setId(id)
            unit = definition.createUnit()
            unit.setKind(kind)
            unit.initDefaults()
    return document


def _write_out_stoichiometries(model: Model, m: Any) -> None:
    """Replace formulas by numbers: rules of level 3 instead are mistaken where a species is twice in a reaction."""
    for reaction in m.getListOfReactions():
        sides = [*reaction.getListOfReactants(), *reaction.getListOfProducts()]
        for reference in sides:
            if not reference.isSetStoichiometryMath():
                continue
            count = tree_from_ast(reference.getStoichiometryMath().getMath())
            if isinstance(count, Number):
                reference.unsetStoichiometryMath()
                reference.setStoichiometry(float(count.value))
            elif sum(other.getSpecies() == reference.getSpecies() for other in sides) > 1:
                raise ModelError(
                    f"Reaction {reaction.getId()!r} in {model.source} has {reference.getSpecies()!r} twice, with a "
                    "formula for its count, and libroadrunner cannot simulate that at level 3. Try: have it once."
                )


class _Rig:
    """Adds parameters, events and rules to libSBML's model, with ids that are free."""

    def __init__(self, model: Model, m: Any) -> None:
        self.model, self.m = model, m
        parts = {*model.by_id, *model.stoichiometry_ids, *(f.id for f in model.functions), model.id}
        self.taken = {id.lower() for id in (*parts, *(e.id for e in model.events))}

    def dose(self, species: str, number: int) -> tuple[str, str]:
        name = f"dose_{species}_{number}"
        amount, time = self._parameter(f"{name}_amount", 0.0), self._parameter(f"{name}_time", NEVER)
        part = self.model.by_id[species]
        given = amount if part.amount_in_formulas else f"{amount} / {part.compartment}"
        self._event(name, time, {species: f"{species} + {given}"})
        return amount, time

    def step(self, quantity: str, number: int) -> tuple[str, str]:
        self._free(quantity)
        name = f"step_{quantity}_{number}"
        value, time = self._parameter(f"{name}_value", 0.0), self._parameter(f"{name}_time", NEVER)
        self._event(name, time, {quantity: value})
        return value, time

    def course(self, quantity: str, count: int) -> tuple[tuple[str, str, str], ...]:
        self._free(quantity)
        speed = self._parameter(f"speed_of_{quantity}", 0.0, constant=False)
        rule = self.m.createRateRule()
        rule.setVariable(quantity)
        rule.setMath(self._math(speed))
        found = []
        for number in range(1, count + 1):
            name = f"point_{quantity}_{number}"
            value, slope = self._parameter(f"{name}_value", 0.0), self._parameter(f"{name}_slope", 0.0)
            time = self._parameter(f"{name}_time", NEVER)
            self._event(name, time, {quantity: value, speed: slope})
            found.append((value, slope, time))
        return tuple(found)

    def switch(self, id: str) -> str:
        active = self._parameter(f"active_{id}", 1.0)
        if isinstance(self.model.by_id[id], Reaction):
            law = self.m.getReaction(id).getKineticLaw()
            product = libsbml.ASTNode(libsbml.AST_TIMES)
            for factor in (self._math(active), law.getMath().deepCopy()):
                product.addChild(factor)
            law.setMath(product)
        else:
            self.m.getSpecies(id).setConversionFactor(active)
        return active

    def _free(self, quantity: str) -> None:
        """Let events change a constant parameter, compartment or boundary species."""
        self.m.getElementBySId(quantity).setConstant(False)

    def _parameter(self, name: str, value: float, constant: bool = True) -> str:
        while name.lower() in self.taken:
            name += "_"
        self.taken.add(name.lower())
        parameter = self.m.createParameter()
        parameter.setId(name)
        parameter.setValue(value)
        parameter.setConstant(constant)
        return name

    def _event(self, name: str, time: str, assignments: Mapping[str, str]) -> None:
        """One that takes its values as it happens: two doses of one moment are both given."""
        while name.lower() in self.taken:
            name += "_"
        self.taken.add(name.lower())
        event = self.m.createEvent()
        event.setId(name)
        event.setUseValuesFromTriggerTime(False)
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(_reached(time))
        for id, formula in assignments.items():
            assignment = event.createEventAssignment()
            assignment.setVariable(id)
            assignment.setMath(self._math(formula))

    def _math(self, formula: str) -> Any:
        return ast_from_text(formula, self.m)


def _reached(time: str) -> Any:
    """``time >= ...`` of libSBML, whatever the model calls time."""
    trigger = libsbml.ASTNode(libsbml.AST_RELATIONAL_GEQ)
    now, then = libsbml.ASTNode(libsbml.AST_NAME_TIME), libsbml.ASTNode(libsbml.AST_NAME)
    now.setName("time")
    then.setName(time)
    trigger.addChild(now)
    trigger.addChild(then)
    return trigger


# -- what was asked --------------------------------------------------------------------------------


def _check(model: Model, places: Places) -> None:
    for id in places.doses:
        check_dose(model, id)
    for id in (*places.steps, *places.courses):
        check_input(model, id)
    for id in places.knock_outs:
        check_knock_out(model, id)


def check_dose(model: Model, id: str) -> None:
    """Refuse a dose of what is no species, or of a species that stays as it is whatever is added."""
    part = model.by_id.get(id)
    if not isinstance(part, Species):
        raise unknown_name("species", id, [s.id for s in model.species], model.source)
    if id in model.assignment_rules:
        rule = to_text(model.assignment_rules[id])
        raise ModelError(f"A dose of {id!r} would be lost: its rule sets it to {rule} at once. Dose what that is of.")
    if part.constant:
        raise ModelError(
            f"A dose of {id!r} would change a species that {model.source} declares constant. "
            f"Try: model.make_floating({id!r})."
        )


def check_input(model: Model, id: str) -> None:
    """Refuse an input through what is determined by something else."""
    part = model.by_id.get(id)
    if not isinstance(part, Species | Parameter | Compartment):
        known = [p.id for p in (*model.parameters, *model.species, *model.compartments)]
        raise unknown_name("quantity", id, known, model.source)
    for what, targets in (("an assignment rule", model.assignment_rules), ("a rate rule", model.rate_rules)):
        if id in targets:
            raise ModelError(
                f"{id!r} cannot be an input: {what} of {model.source} determines it ({_rule(targets, id)})."
            )
    if id in model.event_targets:
        raise ModelError(f"{id!r} cannot be an input: an event of {model.source} sets it. Try: model without it.")
    if id in model.reacting:
        raise ModelError(
            f"{id!r} cannot be an input: reactions of {model.source} change it. Try: model.make_boundary({id!r}), "
            "or doses."
        )
    factors = {f for s in model.species if (f := s.conversion_factor)}
    if id in factors:
        raise ModelError(
            f"{id!r} cannot be an input: it is a conversion factor of {model.source}, and these are fixed."
        )


def _rule(rules: Mapping[str, Any], id: str) -> str:
    text = to_text(rules[id])
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_knock_out(model: Model, id: str) -> None:
    """Refuse the knock-out of what is no reaction or species, or of a species that something sets."""
    part = model.by_id.get(id)
    if not isinstance(part, Reaction | Species):
        known = [p.id for p in (*model.reactions, *model.species)]
        raise unknown_name("reaction or species", id, known, model.source)
    if isinstance(part, Reaction):
        if part.law is None:
            raise ModelError(f"Reaction {id!r} in {model.source} has no kinetic law that could be knocked out.")
        return
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
    if part.conversion_factor:
        raise ModelError(
            f"{id!r} in {model.source} has a conversion factor, and cannot be knocked out in one condition of several. "
            f"Try: model.knock_out({id!r})."
        )

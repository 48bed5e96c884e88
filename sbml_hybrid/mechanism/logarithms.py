"""A model whose states are logarithms: the same model in other coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError, unknown_name
from sbml_hybrid.mechanism.edits import closed, opened, require_new
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Call, Name, to_text
from sbml_hybrid.mechanism.mathml import ast_from_text
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.odes import right_hand_side
from sbml_hybrid.mechanism.rates import ZERO, Rates

_PREFIX = "log_"


def log_states(model: Model, of: Iterable[str] | None) -> Model:
    """Return the model with logarithms as states; see `Model.log_states`."""
    right_hand_side(model)  # what has no equations says so
    rates, start, document = Rates(model), InitialValues(model), opened(model)
    m = document.getModel()
    if (m.getLevel(), m.getVersion()) < (2, 2):
        raise ModelError(
            f"{model.source} is SBML level {m.getLevel()} version {m.getVersion()}, where rules cannot mention "
            "reactions. Try: load(model.to_antimony()).log_states()."
        )
    moving = {s.id: rates.of(s.id) for s in model.species if s.id not in model.assignment_rules}
    moving = {id: rate for id, rate in moving.items() if rate != ZERO}
    chosen = moving if of is None else [of] if isinstance(of, str) else of
    for id in chosen:
        if id not in moving:
            raise unknown_name("species that changes", id, moving, model.source)
        new, first = _PREFIX + id, float(start[id])
        require_new(model, new)
        if not 0 < first < math.inf:
            raise ModelError(
                f"{id} of {model.source} starts at {first:g}, which has no logarithm. Try: set({{'init({id})': ...}}), "
                "or of= with those that start above 0."
            )
        parameter, rule = m.createParameter(), m.createRateRule()
        parameter.setId(new)
        parameter.setConstant(False)
        parameter.setValue(math.log(first))
        rule.setVariable(new)
        rule.setMath(ast_from_text(to_text(Call("divide", (moving[id], Name(id)))), m))
        _start_there(m, model.by_id[id], new)
        _compute(m, id, new)
    return closed(document, model, "in logarithms")


def _start_there(m: Any, species: Species, new: str) -> None:
    """Begin at the logarithm of what the species begins at: an assignment, or an amount in a volume that may change."""
    assignment = m.getInitialAssignment(species.id)
    by_amount = m.getSpecies(species.id).isSetInitialAmount() and not species.amount_in_formulas
    if assignment is not None:
        assignment.setSymbol(new)
        assignment.setMath(_ln(assignment.getMath()))
    elif by_amount:
        initial = m.createInitialAssignment()
        initial.setSymbol(new)
        amount = repr(m.getSpecies(species.id).getInitialAmount())
        initial.setMath(_ln(ast_from_text(f"{amount} / {species.compartment}", m)))


def _compute(m: Any, id: str, new: str) -> None:
    """Make the species exp of its logarithm, and what sets it set that."""
    for at in reversed(range(m.getNumRules())):
        if m.getRule(at).isRate() and m.getRule(at).getVariable() == id:
            m.removeRule(at)
    for event in m.getListOfEvents():
        for assignment in event.getListOfEventAssignments():
            if assignment.getVariable() == id:
                assignment.setVariable(new)
                assignment.setMath(_ln(assignment.getMath()))
    rule = m.createAssignmentRule()
    rule.setVariable(id)
    rule.setMath(ast_from_text(f"exp({new})", m))
    m.getSpecies(id).setBoundaryCondition(True)


def _ln(math: Any) -> Any:
    node = libsbml.ASTNode(libsbml.AST_FUNCTION_LN)
    node.addChild(math.deepCopy())
    return node

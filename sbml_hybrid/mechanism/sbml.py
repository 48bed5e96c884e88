"""SBML text -> a model's records, through libSBML."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism import model as records
from sbml_hybrid.mechanism.declared_units import DeclaredUnits
from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.flattening import check_files, flatten, is_composed
from sbml_hybrid.mechanism.kinetics import Tree
from sbml_hybrid.mechanism.mathml import tree_from_ast
from sbml_hybrid.mechanism.scan import scan

# A missing encoding, an unknown element and a foreign attribute stand in curated, working models, and broken pictures.
HARMLESS = {1002, 10102, 10103}


def model_from_sbml(
    sbml: str,
    source: str,
    stem: str,
    folder: Path | None = None,
    promoted: Mapping[str, str] | None = None,
) -> records.Model:
    """Return the model of an SBML text.

    Parameters
    ----------
    sbml
        The text, SBML levels 1 to 3; it is checked, and local parameters are promoted.
    source
        What messages call it, such as the name of its file.
    stem
        The model's id where the text gives none.
    folder
        Where the files of external model definitions may lie; None refuses them.
    promoted
        Parameter -> the reaction that it was local to, where the text no longer says so.

    Raises
    ------
    ModelError
        The text is not valid SBML; the message has the line.
    """
    document = _parsed(sbml, source, folder)
    packages = _packages(document)
    if is_composed(document):
        sbml = flatten(document, sbml, source)
        document = libsbml.readSBMLFromString(sbml)
    local = _local_parameters(document.getModel())
    if local:
        document, sbml = _promoted(document, sbml, source)
    owners = dict(promoted or {}) | _promoted_names(document.getModel(), local)
    return _model(document.getModel(), sbml, source, stem, owners, packages)


def renamed(sbml: str, ids: Mapping[str, str]) -> str:
    """Return the SBML text with other ids (old -> new), in every formula too."""
    document = libsbml.readSBMLFromString(sbml)
    properties = libsbml.ConversionProperties()
    properties.addOption("renameSIds", True)
    properties.addOption("currentIds", ",".join(ids))
    properties.addOption("newIds", ",".join(ids.values()))
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError(f"libSBML could not rename {', '.join(ids)}.")
    return written(document, sbml)


def with_zeros(sbml: str) -> str:
    """Return Antimony's SBML with zero for species without a value: an Antimony text leaves a zero out."""
    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    bare = [s for s in model.getListOfSpecies() if not s.isSetInitialAmount() and not s.isSetInitialConcentration()]
    bare = [s for s in bare if not model.getInitialAssignment(s.getId()) and not model.getAssignmentRule(s.getId())]
    for species in bare:
        species.setInitialConcentration(0.0)
    return libsbml.writeSBMLToString(document) if bare else sbml


def sentence(message: str) -> str:
    """Return libSBML's or Antimony's words as one line of bounded length."""
    return " ".join(message.split())[:300]


# -- the document ----------------------------------------------------------------------------------


def _parsed(sbml: str, source: str, folder: Path | None) -> libsbml.SBMLDocument:
    header = re.match(r"\s*(<\?xml.*?\?>)?\s*", sbml, flags=re.DOTALL)[0]
    lines = "\n" * header.count("\n")  # errors are said by the line of the file
    sbml = f'<?xml version="1.0" encoding="UTF-8"?>{lines}{sbml[len(header) :]}'
    scan(sbml, source)
    document = libsbml.readSBMLFromString(sbml)
    check_files(document, sbml, source, folder)
    if document.getLevel() == 1 and document.getModel() is not None:
        _check_level_one(document.getModel())
    if folder is not None:
        document.setLocationURI(f"file:{(folder / 'model.xml').resolve()}")
    for category in (
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
        libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
        libsbml.LIBSBML_CAT_MODELING_PRACTICE,
    ):
        document.setConsistencyChecks(category, False)
    if not document.getNumErrors(libsbml.LIBSBML_SEV_FATAL):
        document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    errors = [e for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR and not _harmless(e)]
    if errors:
        said = "; ".join(f"line {e.getLine()}: {sentence(e.getMessage())}" for e in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        raise ModelError(f"{source} is not valid SBML: {said}{more}")
    if document.getModel() is None:
        raise ModelError(f"{source} has no <model>; it should be an SBML file of level 1, 2 or 3.")
    return document


def _harmless(error: libsbml.SBMLError) -> bool:
    return error.getErrorId() in HARMLESS or error.getPackage() in {"layout", "render"}


def _check_level_one(model: libsbml.Model) -> None:
    """Refuse endless formulas: level 1 has them as text, which the scan does not see, and libSBML's checks crash."""
    laws = [r.getKineticLaw() for r in model.getListOfReactions() if r.isSetKineticLaw()]
    for part in (*laws, *model.getListOfRules()):
        if part.isSetMath():
            tree_from_ast(part.getMath())


def _local_parameters(model: libsbml.Model) -> list[tuple[str, str]]:
    """(reaction, parameter) of every parameter that is local to a kinetic law."""
    laws = [r for r in model.getListOfReactions() if r.isSetKineticLaw()]
    return [(r.getId(), p.getId()) for r in laws for p in r.getKineticLaw().getListOfParameters()] + [
        (r.getId(), p.getId()) for r in laws for p in r.getKineticLaw().getListOfLocalParameters()
    ]


def _promoted(document: libsbml.SBMLDocument, text: str, source: str) -> tuple[libsbml.SBMLDocument, str]:
    properties = libsbml.ConversionProperties()
    properties.addOption("promoteLocalParameters", True)
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError(f"libSBML could not make the local parameters of {source} global.")
    sbml = written(document, text)
    return libsbml.readSBMLFromString(sbml), sbml


def _promoted_names(model: libsbml.Model, local: list[tuple[str, str]]) -> dict[str, str]:
    """Promoted parameter -> its reaction."""
    there = {p.getId() for p in model.getListOfParameters()}
    return {f"{r}_{p}": r for r, p in dict.fromkeys(local) if f"{r}_{p}" in there}


# -- the records -----------------------------------------------------------------------------------


def _packages(document: libsbml.SBMLDocument) -> tuple[str, ...]:
    """The packages of a level 3 file (level 3 version 2's own mathematics is core)."""
    names = {document.getPlugin(i).getPackageName() for i in range(document.getNumPlugins())} - {"l3v2extendedmath"}
    return tuple(sorted(names)) if document.getLevel() > 2 else ()


def _model(
    m: libsbml.Model, sbml: str, source: str, stem: str, promoted: dict[str, str], packages: tuple[str, ...]
) -> records.Model:
    units = DeclaredUnits(m)
    return records.Model(
        id=stem if m.getId() in {"", "__main"} else m.getId(),
        name=m.getName(),
        source=source,
        sbml=sbml,
        hash=hashlib.sha256(sbml.encode()).hexdigest(),
        time_unit=str(units.time),
        substance_unit=str(units.substance),
        species=tuple(_species(s, units) for s in m.getListOfSpecies()),
        reactions=_reactions(m, promoted, units),
        parameters=tuple(
            records.Parameter(
                p.getId(),
                p.getName(),
                p.getValue() if p.isSetValue() else None,
                p.getConstant(),
                units.called(p.getUnits()),
                promoted.get(p.getId()),
            )
            for p in m.getListOfParameters()
        ),
        compartments=tuple(_compartment(c, units) for c in m.getListOfCompartments()),
        rules=tuple(_rule(r) for r in m.getListOfRules() if r.isSetMath()),
        initial_assignments=tuple(
            records.InitialAssignment(a.getSymbol(), tree_from_ast(a.getMath()))
            for a in m.getListOfInitialAssignments()
            if a.isSetMath()
        ),
        events=tuple(_event(e) for e in m.getListOfEvents()),
        functions=tuple(_function(f) for f in m.getListOfFunctionDefinitions() if f.isSetMath()),
        units=units.definitions,
        packages=packages,
    )


def _species(s: libsbml.Species, units: DeclaredUnits) -> records.Species:
    is_amount = s.isSetInitialAmount()
    has_value = is_amount or s.isSetInitialConcentration()
    return records.Species(
        id=s.getId(),
        name=s.getName(),
        compartment=s.getCompartment(),
        initial=(s.getInitialAmount() if is_amount else s.getInitialConcentration()) if has_value else None,
        initial_is="amount" if is_amount or s.getHasOnlySubstanceUnits() and not has_value else "concentration",
        amount_in_formulas=s.getHasOnlySubstanceUnits(),
        boundary=s.getBoundaryCondition(),
        constant=s.getConstant(),
        unit=units.amount(s),
        concentration_unit=units.concentration(s),
        conversion_factor=s.getConversionFactor() or s.getModel().getConversionFactor(),
    )


def _compartment(c: libsbml.Compartment, units: DeclaredUnits) -> records.Compartment:
    size = c.getSize() if c.isSetSize() else (1.0 if c.getLevel() == 1 else None)
    dimensions = c.getSpatialDimensionsAsDouble()
    return records.Compartment(c.getId(), c.getName(), size, dimensions, c.getConstant(), units.size(c))


def _reactions(m: libsbml.Model, promoted: dict[str, str], units: DeclaredUnits) -> tuple[records.Reaction, ...]:
    own: dict[str, list[str]] = defaultdict(list)
    for parameter, reaction in promoted.items():
        own[reaction].append(parameter)
    return tuple(_reaction(r, tuple(own[r.getId()]), units) for r in m.getListOfReactions())


def _reaction(r: libsbml.Reaction, parameters: tuple[str, ...], units: DeclaredUnits) -> records.Reaction:
    law = r.getKineticLaw()
    return records.Reaction(
        id=r.getId(),
        name=r.getName(),
        reactants=tuple(_participant(p) for p in r.getListOfReactants()),
        products=tuple(_participant(p) for p in r.getListOfProducts()),
        modifiers=tuple(p.getSpecies() for p in r.getListOfModifiers()),
        law=records.KineticLaw(tree_from_ast(law.getMath()), parameters) if law and law.isSetMath() else None,
        reversible=r.getReversible(),
        fast=r.isSetFast() and r.getFast(),
        unit=units.rate(r),
    )


def _participant(p: libsbml.SpeciesReference) -> records.Participant:
    if p.isSetStoichiometryMath() and p.getStoichiometryMath().isSetMath():
        return records.Participant(p.getSpecies(), None, p.getId(), tree_from_ast(p.getStoichiometryMath().getMath()))
    count = p.getStoichiometry() / (p.getDenominator() if p.getLevel() == 1 else 1)
    return records.Participant(p.getSpecies(), None if count != count else count, p.getId())


def _rule(r: libsbml.Rule) -> records.Rule:
    kind = "algebraic" if r.isAlgebraic() else "rate" if r.isRate() else "assignment"
    return records.Rule(kind, "" if kind == "algebraic" else r.getVariable(), tree_from_ast(r.getMath()))


def _event(e: libsbml.Event) -> records.Event:
    def formula(part: Any) -> Tree | None:
        return tree_from_ast(part.getMath()) if part is not None and part.isSetMath() else None

    trigger = e.getTrigger()
    return records.Event(
        id=e.getId(),
        name=e.getName(),
        trigger=formula(trigger),
        delay=formula(e.getDelay()),
        priority=formula(e.getPriority()),
        assignments=tuple(
            (a.getVariable(), tree_from_ast(a.getMath())) for a in e.getListOfEventAssignments() if a.isSetMath()
        ),
        persistent=trigger.getPersistent() if trigger is not None and trigger.isSetPersistent() else True,
        initial_value=trigger.getInitialValue() if trigger is not None and trigger.isSetInitialValue() else True,
        from_trigger=e.getUseValuesFromTriggerTime(),
    )


def _function(f: libsbml.FunctionDefinition) -> records.Function:
    arguments = tuple(f.getArgument(i).getName() for i in range(f.getNumArguments()))
    return records.Function(f.getId(), arguments, tree_from_ast(f.getBody()))

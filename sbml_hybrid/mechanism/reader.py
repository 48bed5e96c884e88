"""SBML and Antimony in and out: the only doorway to libSBML and libAntimony."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.parsers import expat

import antimony
import libsbml

from sbml_hybrid.errors import DataError, ModelError, SourceNotFound
from sbml_hybrid.mechanism import model as records
from sbml_hybrid.mechanism.kinetics import Tree
from sbml_hybrid.mechanism.mathml import tree_from_ast

# libSBML crashes at 10 000 nested elements, and our own walk over a formula recurses.
MAX_DEPTH, MAX_ELEMENTS, MAX_BYTES = 400, 5_000_000, 100_000_000
# A missing encoding, an unknown element and a foreign attribute stand in curated, working models.
HARMLESS = {1002, 10102, 10103}


def load(source: Any) -> records.Model:
    """Load a model.

    Parameters
    ----------
    source
        The path of an SBML (levels 1 to 3) or Antimony file, or the text of one. Other sources are
        offered to the plug-ins of the entry-point group ``sbml_hybrid.readers``.

    Returns
    -------
    Model
        The model's records, SBML text and hash.

    Raises
    ------
    SourceNotFound
        There is no such file.
    ModelError
        The text is neither valid SBML nor valid Antimony; the message has the line.

    Examples
    --------
    >>> load("S -> ; k*S; S = 10; k = 0.3")
    <Model model: 1 species, 1 reactions, text>
    """
    if isinstance(source, Path) or (isinstance(source, str) and not _looks_like_text(source)):
        path = Path(source)
        if path.is_file():
            return _from_text(_decoded(path.read_bytes(), path.name), path.name, path.stem)
    elif isinstance(source, str):
        return _from_text(source, "text", "model")
    for reader in entry_points(group="sbml_hybrid.readers"):
        model = reader.load()(source)
        if model is not None:
            return model
    if isinstance(source, str | Path):
        raise _not_found(Path(source))
    raise ModelError(f"A model is loaded from a path or from text, not from a {type(source).__name__}.")


def _looks_like_text(source: str) -> bool:
    return (
        not source.strip() or source.lstrip().startswith("<") or any(mark in source for mark in ("\n", ";", "->", "="))
    )


def _not_found(path: Path) -> SourceNotFound:
    folder = path.parent if path.parent.is_dir() else None
    if path.is_dir():
        return SourceNotFound(f"{path} is a folder; load takes one SBML or Antimony file.")
    there = sorted(p.name for p in folder.iterdir() if p.suffix in {".xml", ".sbml", ".ant"})[:12] if folder else []
    hint = f" Models there: {', '.join(there)}." if there else " The folder has no .xml, .sbml or .ant file."
    return SourceNotFound(f"No model at {path}.{hint if folder else ' The folder does not exist.'}")


def _decoded(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise ModelError(f"{source} has {len(data) / 1e6:.0f} MB; models of up to {MAX_BYTES / 1e6:.0f} MB are read.")
    declared = re.match(rb'\s*<\?xml[^>]*encoding\s*=\s*["\']([\w.-]+)', data)
    encoding = declared[1].decode("ascii") if declared else "utf-8"
    try:
        return data.decode("utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise ModelError(f"{source} is not text in {encoding}: {error}. SBML and Antimony are text files.") from None


def _from_text(text: str, source: str, stem: str) -> records.Model:
    if not text.strip():
        raise ModelError(f"{source} is empty; it should hold SBML or Antimony.")
    sbml = text if text.lstrip().startswith("<") else _antimony_to_sbml(text, source)
    document = _parsed(sbml, source)
    local = _local_parameters(document.getModel())
    if local:
        document, sbml = _promoted(document, source)
    return _model(document.getModel(), sbml, source, stem, _promoted_names(document.getModel(), local))


# -- SBML ------------------------------------------------------------------------------------------


def _parsed(sbml: str, source: str) -> libsbml.SBMLDocument:
    sbml = re.sub(r"^\s*<\?xml.*?\?>", "", sbml, count=1, flags=re.DOTALL).lstrip()
    sbml = '<?xml version="1.0" encoding="UTF-8"?>' + sbml
    _scan(sbml, source)
    document = libsbml.readSBMLFromString(sbml)
    for category in (
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
        libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
        libsbml.LIBSBML_CAT_MODELING_PRACTICE,
    ):
        document.setConsistencyChecks(category, False)
    if not document.getNumErrors(libsbml.LIBSBML_SEV_FATAL):
        document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    errors = [e for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR and e.getErrorId() not in HARMLESS]
    if errors:
        said = "; ".join(f"line {e.getLine()}: {_sentence(e.getMessage())}" for e in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        raise ModelError(f"{source} is not valid SBML: {said}{more}")
    if document.getModel() is None:
        raise ModelError(f"{source} has no <model>; it should be an SBML file of level 1, 2 or 3.")
    return document


def _sentence(message: str) -> str:
    return " ".join(message.split())[:300]


def _scan(sbml: str, source: str) -> None:
    """Refuse what would crash or flood the parser: depth, number of elements, DTDs and entities."""
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            what = f"{MAX_DEPTH} nested elements" if depth > MAX_DEPTH else f"{MAX_ELEMENTS} elements"
            raise ModelError(f"{source} has over {what}; it is not read.")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: Any) -> None:
        raise ModelError(f"{source} has a DTD (<!DOCTYPE>); SBML files have none, and it is not read.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(sbml.encode(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ModelError(f"{source} is broken XML: line {error.lineno}, column {error.offset}: {reason}.") from None


def _local_parameters(model: libsbml.Model) -> list[tuple[str, str]]:
    """(reaction, parameter) of every parameter that is local to a kinetic law."""
    laws = [r for r in model.getListOfReactions() if r.isSetKineticLaw()]
    return [(r.getId(), p.getId()) for r in laws for p in r.getKineticLaw().getListOfParameters()] + [
        (r.getId(), p.getId()) for r in laws for p in r.getKineticLaw().getListOfLocalParameters()
    ]


def _promoted(document: libsbml.SBMLDocument, source: str) -> tuple[libsbml.SBMLDocument, str]:
    properties = libsbml.ConversionProperties()
    properties.addOption("promoteLocalParameters", True)
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError(f"libSBML could not make the local parameters of {source} global.")
    if document.getLevel() == 1:  # libSBML renames in the tree, but writes the old text of a level 1 formula
        for reaction in document.getModel().getListOfReactions():
            if reaction.isSetKineticLaw() and reaction.getKineticLaw().isSetMath():
                law = reaction.getKineticLaw()
                law.setFormula(libsbml.formulaToString(law.getMath()))
    sbml = libsbml.writeSBMLToString(document)
    return libsbml.readSBMLFromString(sbml), sbml


def _promoted_names(model: libsbml.Model, local: list[tuple[str, str]]) -> dict[str, str]:
    """Promoted parameter -> its reaction."""
    there = {p.getId() for p in model.getListOfParameters()}
    return {f"{r}_{p}": r for r, p in dict.fromkeys(local) if f"{r}_{p}" in there}


def _model(m: libsbml.Model, sbml: str, source: str, stem: str, promoted: dict[str, str]) -> records.Model:
    return records.Model(
        id=stem if m.getId() in {"", "__main"} else m.getId(),
        name=m.getName(),
        source=source,
        sbml=sbml,
        hash=hashlib.sha256(sbml.encode()).hexdigest(),
        time_unit=_base_unit(m, "time", m.getTimeUnits(), "second"),
        substance_unit=_base_unit(m, "substance", m.getSubstanceUnits(), "mole"),
        species=tuple(_species(s) for s in m.getListOfSpecies()),
        reactions=tuple(_reaction(r, promoted) for r in m.getListOfReactions()),
        parameters=tuple(
            records.Parameter(
                p.getId(),
                p.getName(),
                p.getValue() if p.isSetValue() else None,
                p.getConstant(),
                p.getUnits(),
                promoted.get(p.getId()),
            )
            for p in m.getListOfParameters()
        ),
        compartments=tuple(_compartment(c) for c in m.getListOfCompartments()),
        rules=tuple(_rule(r) for r in m.getListOfRules() if r.isSetMath()),
        initial_assignments=tuple(
            records.InitialAssignment(a.getSymbol(), tree_from_ast(a.getMath()))
            for a in m.getListOfInitialAssignments()
            if a.isSetMath()
        ),
        events=tuple(_event(e) for e in m.getListOfEvents()),
        functions=tuple(_function(f) for f in m.getListOfFunctionDefinitions() if f.isSetMath()),
        units=tuple(
            records.Unit(u.getId(), libsbml.UnitDefinition.printUnits(u, True)) for u in m.getListOfUnitDefinitions()
        ),
    )


def _base_unit(m: libsbml.Model, kind: str, declared: str, default: str) -> str:
    """The unit in words: level 3 declares it, levels 1 and 2 redefine the id ``kind`` or take the default."""
    definition = m.getUnitDefinition(declared or kind)
    if definition is not None:
        return definition.getName() or _scaled(definition) or definition.getId()
    return declared if m.getLevel() > 2 else default


def _scaled(definition: libsbml.UnitDefinition) -> str:
    """The common time units by their names; otherwise libSBML's own words."""
    if definition.getNumUnits() != 1:
        return libsbml.UnitDefinition.printUnits(definition, True)
    unit = definition.getUnit(0)
    kind = libsbml.UnitKind_toString(unit.getKind())
    factor = unit.getMultiplier() * 10.0 ** unit.getScale()
    words = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day", 31557600.0: "year", 0.001: "millisecond"}
    if kind == "second" and factor in words:
        return words[factor]
    return kind if factor == 1.0 else f"{factor:g} {kind}"


def _species(s: libsbml.Species) -> records.Species:
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
        unit=s.getSubstanceUnits(),
    )


def _compartment(c: libsbml.Compartment) -> records.Compartment:
    size = c.getSize() if c.isSetSize() else (1.0 if c.getLevel() == 1 else None)
    dimensions = c.getSpatialDimensionsAsDouble()
    return records.Compartment(c.getId(), c.getName(), size, dimensions, c.getConstant(), c.getUnits())


def _reaction(r: libsbml.Reaction, promoted: dict[str, str]) -> records.Reaction:
    law = r.getKineticLaw()
    parameters = tuple(p for p, reaction in promoted.items() if reaction == r.getId())
    return records.Reaction(
        id=r.getId(),
        name=r.getName(),
        reactants=tuple(_participant(p) for p in r.getListOfReactants()),
        products=tuple(_participant(p) for p in r.getListOfProducts()),
        modifiers=tuple(p.getSpecies() for p in r.getListOfModifiers()),
        law=records.KineticLaw(tree_from_ast(law.getMath()), parameters) if law and law.isSetMath() else None,
        reversible=r.getReversible(),
        fast=r.isSetFast() and r.getFast(),
    )


def _participant(p: libsbml.SpeciesReference) -> records.Participant:
    if p.isSetStoichiometryMath():
        return records.Participant(p.getSpecies(), None, p.getId())
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
    )


def _function(f: libsbml.FunctionDefinition) -> records.Function:
    arguments = tuple(f.getArgument(i).getName() for i in range(f.getNumArguments()))
    return records.Function(f.getId(), arguments, tree_from_ast(f.getBody()))


# -- Antimony --------------------------------------------------------------------------------------


def _antimony_to_sbml(text: str, source: str) -> str:
    if re.search(r'^\s*import\s+"', text, re.MULTILINE):
        raise ModelError(f"{source} imports another file; a model file is read alone. Put its parts into one file.")
    try:
        antimony.clearPreviousLoads()
        if antimony.loadAntimonyString(text) < 0:
            message = _sentence(antimony.getLastError()).replace("Error in model string, ", "")
            raise ModelError(f"{source} is not valid Antimony: {message}")
        sbml = antimony.getSBMLString(antimony.getMainModuleName())
        if not sbml:
            raise ModelError(f"{source} has no SBML form: {_sentence(antimony.getLastError())}")
        return sbml
    finally:
        antimony.freeAll()


def antimony_text(model: records.Model) -> str:
    """Return `model` as Antimony text."""
    try:
        antimony.clearPreviousLoads()
        if antimony.loadSBMLString(model.sbml) < 0:
            raise ModelError(f"{model.source} has no Antimony form: {_sentence(antimony.getLastError())}")
        return antimony.getAntimonyString(antimony.getMainModuleName())
    finally:
        antimony.freeAll()


def parse_formula(text: str) -> Tree:
    """Return the tree of an infix formula, such as ``KK_p + 2*KK_pp`` (SBML level 3 infix).

    Raises
    ------
    DataError
        The text is not a formula; the message shows where.
    """
    settings = libsbml.L3ParserSettings()
    settings.setParseLog(libsbml.L3P_PARSE_LOG_AS_LN)
    ast = libsbml.parseL3FormulaWithSettings(text, settings)
    if ast is None:
        raise DataError(f"{text!r} is not a formula: {_sentence(libsbml.getLastParseL3Error())}")
    return tree_from_ast(ast)

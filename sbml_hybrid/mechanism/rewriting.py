"""SBML text with some of its numbers exchanged, through libSBML."""

from __future__ import annotations

from collections.abc import Mapping

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.exact import written


def with_values(sbml: str, values: Mapping[str, float], source: str) -> str:
    """Return `sbml` with new numbers; an initial assignment of what gets one is dropped.

    Parameters
    ----------
    sbml
        A valid SBML text.
    values
        Name -> number: the id of a parameter, a compartment or a species reference (a stoichiometry), or
        ``init(S)`` (initial amount) or ``init([S])`` (initial concentration) of a species.
    source
        What messages call the text.

    Raises
    ------
    ModelError
        The SBML has no place for a number, such as an initial concentration in level 1.
    """
    document = libsbml.readSBMLFromString(sbml)
    model = document.getModel()
    for name, value in values.items():
        id = name.removeprefix("init(").removesuffix(")").strip("[]")
        model.removeInitialAssignment(id)
        if _set(model.getElementBySId(id), name, value) != libsbml.LIBSBML_OPERATION_SUCCESS:
            level = f"level {model.getLevel()} version {model.getVersion()}"
            raise ModelError(f"{source} is SBML {level}, which has no place for {name} = {value:g}.")
    return written(document, sbml)


def _set(element: libsbml.SBase, name: str, value: float) -> int:
    match element:
        case libsbml.Parameter():
            return element.setValue(value)
        case libsbml.Compartment():
            return element.setSize(value)
        case libsbml.SpeciesReference():
            return element.setStoichiometry(value)
        case libsbml.Species() if name.startswith("init(["):
            element.unsetInitialAmount()
            return element.setInitialConcentration(value)
        case libsbml.Species():
            element.unsetInitialConcentration()
            return element.setInitialAmount(value)
    return libsbml.LIBSBML_INVALID_OBJECT

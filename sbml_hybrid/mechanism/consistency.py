"""What libSBML warns of: units that do not fit together, and good practice."""

from __future__ import annotations

import re
from dataclasses import dataclass

import libsbml

from sbml_hybrid.mechanism.units import Unit, UnitFactor

_SEVERITIES = {
    libsbml.LIBSBML_SEV_INFO: "note",
    libsbml.LIBSBML_SEV_WARNING: "warning",
    libsbml.LIBSBML_SEV_ERROR: "error",
    libsbml.LIBSBML_SEV_FATAL: "error",
}
# Said of every parameter without a unit, and of every formula with a number: after what does not fit.
_NOT_CHECKED = {20616, 20702, 80701, 99505, 99506, 99507, 99508}
_SAID_AGAIN = {80701: 20702}  # once as practice, once as a unit
_FACTOR = r"(\w+) \(exponent = ([^,]+), multiplier = ([^,]+), scale = (-?\d+)\)"


@dataclass(frozen=True)
class Finding:
    """One thing that libSBML found, at a `line` of the model's SBML text."""

    line: int
    severity: str
    category: str
    message: str


def findings(sbml: str) -> list[Finding]:
    """Return what libSBML finds in a model that was read: what does not fit first, then what it cannot check.

    Checked are the general rules, identifiers, mathematics, units and modelling practice; ontology terms (SBO) are not.

    Parameters
    ----------
    sbml
        The text of a model, as `Model.to_sbml` gives it.
    """
    # What Python holds is text, whatever encoding its file declared.
    text = re.sub(r"^\s*<\?xml.*?\?>", lambda header: "\n" * header[0].count("\n"), sbml, count=1, flags=re.DOTALL)
    document = libsbml.readSBMLFromString('<?xml version="1.0" encoding="UTF-8"?>' + text)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_SBO_CONSISTENCY, False)
    document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    there = {(e.getErrorId(), e.getLine()) for e in errors}
    errors = [e for e in errors if (_SAID_AGAIN.get(e.getErrorId()), e.getLine()) not in there]
    errors.sort(key=lambda e: (-e.getSeverity(), e.getErrorId() in _NOT_CHECKED, e.getLine()))
    return list(dict.fromkeys(map(_finding, errors)))


def _finding(error: libsbml.SBMLError) -> Finding:
    category = error.getCategoryAsString().removeprefix("SBML ").lower()
    return Finding(error.getLine(), _SEVERITIES.get(error.getSeverity(), "warning"), category, _message(error))


def _message(error: libsbml.SBMLError) -> str:
    """What it is, and what libSBML says of this place; its general rule and its reference are left out."""
    _, *said = (line.strip() for line in error.getMessage().strip().splitlines())
    here = " ".join(line for line in said if not line.startswith("Reference:"))
    here = here.split(" Unit consistency reported as either no errors")[0]
    here = re.sub(rf"{_FACTOR}(, {_FACTOR})*", lambda units: _unit(units[0]), here)
    what = error.getShortMessage().strip().rstrip(".")
    said = here if here and error.getErrorId() in _NOT_CHECKED else f"{what}: {here}".removesuffix(": ")
    return " ".join(said.split())[:400]


def _unit(text: str) -> str:
    factors = re.findall(_FACTOR, text)
    unit = Unit("", tuple(UnitFactor(kind, float(e), int(scale), float(m)) for kind, e, m, scale in factors))
    return unit.meaning or text

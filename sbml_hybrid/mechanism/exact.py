"""Numbers that stay what they are: libSBML and libAntimony write 15 digits, a double may need 17.

Each number that would be rounded is replaced by a stand-in of 15 digits before they write, and the
stand-in by the number's own digits afterwards.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import libsbml

# Attribute of an element -> how it is asked for and set.
_ATTRIBUTES = {
    "parameter": ("Value",),
    "localParameter": ("Value",),
    "compartment": ("Size",),
    "species": ("InitialAmount", "InitialConcentration"),
    "specie": ("InitialAmount",),
    "speciesReference": ("Stoichiometry",),
    "unit": ("Multiplier",),
}


class StandIns:
    """Numbers of 15 digits that stand for others in a text, and are exchanged for them again.

    Parameters
    ----------
    text
        Where the numbers come from: no stand-in occurs in it.
    """

    def __init__(self, text: str) -> None:
        self._series = next(n for n in range(9_876_543, 0, -1) if str(n) not in text)
        self._values: dict[str, float] = {}

    def number(self, value: float) -> float:
        """Return a new stand-in for `value`, of the same sign."""
        stand_in = f"{self._series}{len(self._values):07d}.5"
        self._values[stand_in] = abs(value)
        return math.copysign(float(stand_in), value)

    def restored(self, text: str) -> str:
        """Return `text` with the exact digits in the place of their stand-ins."""
        return re.sub(rf"(<cn>\s*)?({self._series}\d{{7}}\.5)", self._exact, text)

    def _exact(self, found: re.Match) -> str:
        if found[2] not in self._values:
            return found[0]
        digits = repr(self._values[found[2]])
        return found[1] + format(Decimal(digits), "f") if found[1] else digits  # a plain <cn> has no exponent


def survives(value: float) -> bool:
    """Return whether a number comes back from 15 digits, as an attribute and as e-notation in a formula."""
    if not math.isfinite(value):
        return True
    text = f"{value:.15g}"
    mantissa, _, exponent = text.partition("e")
    return float(text) == value and (not exponent or float(mantissa) * 10.0 ** int(exponent) == value)


def written(document: libsbml.SBMLDocument, text: str) -> str:
    """Return `document` as SBML text in which every number is exact; the document is used up.

    Parameters
    ----------
    document
        What to write. The text of level 1 formulas is written anew from their trees.
    text
        The text that it was read from.
    """
    return use_stand_ins(document, text).restored(libsbml.writeSBMLToString(document))


def use_stand_ins(document: libsbml.SBMLDocument, text: str) -> StandIns:
    """Replace, in `document`, every number that its text would round."""
    stand_ins = StandIns(text)
    for element in document.getListOfAllElements():
        for attribute in _ATTRIBUTES.get(element.getElementName(), ()):
            if getattr(element, f"isSet{attribute}", lambda: True)():
                value = getattr(element, f"get{attribute}")()
                if not survives(value):
                    getattr(element, f"set{attribute}")(stand_ins.number(value))
        if getattr(element, "isSetMath", lambda: False)():
            _in_formula(element.getMath(), stand_ins)
            if document.getLevel() == 1 and element.getElementName() == "kineticLaw":
                element.setFormula(libsbml.formulaToString(element.getMath()))  # it would write the old text
    return stand_ins


def _in_formula(node: Any, stand_ins: StandIns) -> None:
    if node.getType() in (libsbml.AST_REAL, libsbml.AST_REAL_E) and not survives(node.getValue()):
        node.setValue(stand_ins.number(node.getValue()))
    for i in range(node.getNumChildren()):
        _in_formula(node.getChild(i), stand_ins)

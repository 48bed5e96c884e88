"""SBML text for libroadrunner, with what would end the process written another way."""

from __future__ import annotations

from typing import Any

import libsbml

from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.mathml import ast_from_text

# 171! is beyond a double. libroadrunner's own factorial crashes on infinity and NaN; comparisons with NaN hold there.
_ARGUMENT = "argument_of_factorial"
_FACTORIAL = f"piecewise(factorial({_ARGUMENT}), !({_ARGUMENT} >= 171) && !({_ARGUMENT} <= -171), infinity)"


def guarded(sbml: str) -> str:
    """Return the text with factorials that are infinite where libroadrunner's would crash."""
    if "factorial" not in sbml:
        return sbml
    document = libsbml.readSBMLFromString(sbml)
    for element in document.getListOfAllElements():
        if getattr(element, "isSetMath", bool)():
            math = _guarded(element.getMath())
            if math is not None:
                element.setMath(math)
    return written(document, sbml)


def _guarded(node: Any) -> Any:
    """Return a formula with all its factorials guarded; None where it has none."""
    if not _uses_factorial(node):
        return None
    new = node.deepCopy()
    for n in range(new.getNumChildren()):
        child = _guarded(new.getChild(n))
        if child is not None:
            new.replaceChild(n, child, True)
    if new.getType() != libsbml.AST_FUNCTION_FACTORIAL:
        return new
    guard = ast_from_text(_FACTORIAL)
    guard.replaceArgument(_ARGUMENT, new.getChild(0))
    return guard


def _uses_factorial(node: Any) -> bool:
    todo = [node]
    while todo:
        at = todo.pop()
        if at.getType() == libsbml.AST_FUNCTION_FACTORIAL:
            return True
        todo.extend(at.getChild(n) for n in range(at.getNumChildren()))
    return False

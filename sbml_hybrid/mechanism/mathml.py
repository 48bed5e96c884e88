"""libSBML's abstract syntax tree -> our expression tree."""

from __future__ import annotations

import math
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time, Tree

_OPERATORS = {
    libsbml.AST_PLUS: "plus",
    libsbml.AST_MINUS: "minus",
    libsbml.AST_TIMES: "times",
    libsbml.AST_DIVIDE: "divide",
    libsbml.AST_POWER: "power",
    libsbml.AST_FUNCTION_POWER: "power",
    libsbml.AST_FUNCTION_ROOT: "root",
    libsbml.AST_FUNCTION_LOG: "log",
    libsbml.AST_FUNCTION_RATE_OF: "rateOf",
} | {
    getattr(libsbml, f"AST_{group}_{name.upper()}"): name
    for group, members in {
        "FUNCTION": "abs exp ln floor ceiling factorial delay max min quotient rem piecewise "
        "sin cos tan sec csc cot sinh cosh tanh sech csch coth arcsin arccos arctan arcsec arccsc arccot "
        "arcsinh arccosh arctanh arcsech arccsch arccoth",
        "RELATIONAL": "eq neq lt leq gt geq",
        "LOGICAL": "and or xor not implies",
    }.items()
    for name in members.split()
}
_CONSTANTS = {
    libsbml.AST_CONSTANT_E: math.e,
    libsbml.AST_CONSTANT_PI: math.pi,
    libsbml.AST_CONSTANT_TRUE: 1.0,
    libsbml.AST_CONSTANT_FALSE: 0.0,
}
_NUMBERS = {
    libsbml.AST_INTEGER,
    libsbml.AST_REAL,
    libsbml.AST_REAL_E,
    libsbml.AST_RATIONAL,
    libsbml.AST_NAME_AVOGADRO,
}
_SAME_ORDER = {libsbml.AST_PLUS, libsbml.AST_TIMES}
_DEFAULT_FIRST = {"root": Number(2.0), "log": Number(10.0)}  # the degree and the base, where left out


MAX_DEPTH = 200  # nested operators: what walks over a tree recurses, and curated models have 21


def tree_from_ast(node: Any, depth: int = 0) -> Tree:
    """Return the expression tree of a libSBML ``ASTNode``.

    Raises
    ------
    ModelError
        The formula has a construct that is not in SBML core, or is nested over 200 deep.
    """
    if depth > MAX_DEPTH:
        raise ModelError(f"A formula has over {MAX_DEPTH} nested operators; it is not read. Try: split it in parts.")
    if node is None:
        raise ModelError("A formula of the model is empty, or a function's is not a <lambda>.")
    kind = node.getType()
    if kind in _NUMBERS:
        return Number(float(node.getValue()))
    if kind in _CONSTANTS:
        return Number(_CONSTANTS[kind])
    if kind == libsbml.AST_NAME:
        return Name(node.getName())
    if kind == libsbml.AST_NAME_TIME:
        return Time()
    arguments = tuple(tree_from_ast(child, depth + 1) for child in _arguments(node, kind))
    if kind == libsbml.AST_FUNCTION:
        return Apply(node.getName(), arguments)
    operator = _OPERATORS.get(kind)
    if operator is None:
        raise ModelError(
            f"The formula {libsbml.formulaToL3String(node)!r} has a construct that SBML core does not have."
        )
    if operator in _DEFAULT_FIRST and len(arguments) == 1:
        arguments = (_DEFAULT_FIRST[operator], *arguments)
    return Call(operator, arguments)


def _arguments(node: Any, kind: int) -> list[Any]:
    """(a + b) + c as one sum: the same order of operations, and long sums do not nest deeply."""
    later: list[Any] = []
    while True:
        children = [node.getChild(i) for i in range(node.getNumChildren())]
        if kind not in _SAME_ORDER or len(children) < 2 or children[0].getType() != kind:
            return [*children, *reversed(later)]
        later.extend(reversed(children[1:]))
        node = children[0]

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
_DEFAULT_FIRST = {"root": Number(2.0), "log": Number(10.0)}  # the degree and the base, where left out


def ast_from_text(text: str, model: Any = None) -> Any:
    """Return libSBML's ``ASTNode`` of an infix formula (SBML level 3 infix; ``log`` is the natural one).

    Parameters
    ----------
    text
        The formula, such as ``KK_p + 2*KK_pp``.
    model
        The ``libsbml.Model`` whose names come before those of constants, such as a species ``pi``.

    Raises
    ------
    ValueError
        The text is not a formula; the message shows where.
    """
    settings = libsbml.L3ParserSettings()
    settings.setParseLog(libsbml.L3P_PARSE_LOG_AS_LN)
    settings.setParseUnits(False)  # "2 k" would be the number 2 in the unit k
    if model is not None:
        settings.setModel(model)
    ast = libsbml.parseL3FormulaWithSettings(text, settings)
    if ast is None:
        raise ValueError(f"{text!r} is not a formula: {' '.join(libsbml.getLastParseL3Error().split())[:300]}")
    return ast


def tree_from_ast(node: Any) -> Tree:
    """Return the expression tree of a libSBML ``ASTNode``.

    Raises
    ------
    ModelError
        The formula has a construct that is not in SBML core.
    """
    kind = node.getType()
    if kind in _NUMBERS:
        return Number(float(node.getValue()))
    if kind in _CONSTANTS:
        return Number(_CONSTANTS[kind])
    if kind == libsbml.AST_NAME:
        return Name(node.getName())
    if kind == libsbml.AST_NAME_TIME:
        return Time()
    arguments = tuple(tree_from_ast(node.getChild(i)) for i in range(node.getNumChildren()))
    if kind == libsbml.AST_FUNCTION:
        return Apply(node.getName(), arguments)
    operator = _OPERATORS.get(kind)
    if operator is None:
        raise ModelError(
            f"The formula {libsbml.formulaToL3String(node)!r} has a construct that SBML core does not have."
        )
    if operator in _DEFAULT_FIRST and len(arguments) == 1:
        arguments = (_DEFAULT_FIRST[operator], *arguments)
    return Call(operator, _flattened(operator, arguments))


def _flattened(operator: str, arguments: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """(a + b) + c as one sum: the same order of operations, and long sums do not nest deeply."""
    first = arguments[0] if arguments else None
    if operator in {"plus", "times"} and isinstance(first, Call) and first.operator == operator and len(arguments) > 1:
        return (*first.arguments, *arguments[1:])
    return arguments

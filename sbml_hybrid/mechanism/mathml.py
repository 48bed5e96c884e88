"""libSBML's abstract syntax tree -> our expression tree."""

from __future__ import annotations

import math
import re
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.infix import MAX_TERMS, check_infix
from sbml_hybrid.mechanism.kinetics import MAX_DEPTH, Apply, Call, Name, Number, Time, Tree

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
    libsbml.AST_CONSTANT_TRUE: True,
    libsbml.AST_CONSTANT_FALSE: False,
}
_NUMBERS = {libsbml.AST_INTEGER, libsbml.AST_REAL, libsbml.AST_RATIONAL, libsbml.AST_NAME_AVOGADRO}
_FLATTENED = {libsbml.AST_PLUS, libsbml.AST_TIMES}
_DEFAULT_FIRST = {"root": Number(2.0), "log": Number(10.0)}  # the degree and the base, where left out


MAX_FORMULA = 100_000  # characters; libSBML's parser leaves trees that C++ cannot take down again beyond


def ast_from_text(text: str, model: Any = None) -> Any:
    """Return libSBML's ``ASTNode`` of an infix formula (SBML level 3 infix).

    Upper and lower case differ; ``log(x)`` is the natural logarithm; ``%`` is ``rem``; "2 k" is no
    number with a unit.

    Parameters
    ----------
    text
        The formula, such as ``KK_p + 2*KK_pp``.
    model
        The ``libsbml.Model`` whose names come before the built-in ones, such as a species ``pi``.

    Raises
    ------
    ValueError
        The text is not a formula; the message shows where.
    """
    check_infix(text)
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    if len(text) > MAX_FORMULA:
        raise ValueError(f"{shown!r} has {len(text)} characters; formulas of up to {MAX_FORMULA} are read.")
    settings = libsbml.L3ParserSettings()
    if model is not None:
        settings.setModel(model)
    settings.setParseLog(libsbml.L3P_PARSE_LOG_AS_LN)
    settings.setComparisonCaseSensitivity(libsbml.L3P_COMPARE_BUILTINS_CASE_SENSITIVE)
    settings.setParseModuloL3v2(libsbml.L3P_MODULO_IS_REM)
    settings.setParseUnits(libsbml.L3P_NO_UNITS)
    spaced = re.sub(r"(/\d+)\)", r"\1 )", text)  # libSBML takes (1/2) for one number, and exp(1/2) for a mistake
    ast = libsbml.parseL3FormulaWithSettings(spaced, settings)
    if ast is None:
        reason = " ".join(libsbml.getLastParseL3Error().replace(spaced, shown).split())[:300]
        raise ValueError(f"{shown!r} is not a formula: {reason}")
    return ast


def tree_from_ast(ast: Any) -> Tree:
    """Return the expression tree of a libSBML ``ASTNode``.

    (a + b) + c becomes one sum: the same order of operations, and long sums do not nest deeply.

    Raises
    ------
    ModelError
        The formula has a construct that is not in SBML core, nests over `MAX_DEPTH` deep, or has over
        `MAX_TERMS` terms in a row.
    """
    if ast is None:
        raise ModelError("A formula of the model is empty, or a function's is not a <lambda>.")
    results: list[tuple[Tree, int]] = []  # finished parts, each with its depth
    stack: list[tuple[Any, int | None]] = [(ast, None)]  # a node; its number of operands once these are finished
    while stack:
        node, count = stack.pop()
        if count is None:
            operands = _operands(node)
            stack.append((node, len(operands)))
            stack.extend((operand, None) for operand in reversed(operands))
            continue
        first = len(results) - count
        depth = 1 + max((depth for _, depth in results[first:]), default=0)
        if depth > MAX_DEPTH:
            raise ModelError(f"A formula nests over {MAX_DEPTH} deep. Try: give parts of it names.")
        results[first:] = [(_tree(node, tuple(part for part, _ in results[first:])), depth)]
    return results[0][0]


def _kind(node: Any) -> int:
    kind = node.getType()
    if not isinstance(kind, int):
        raise ModelError(
            "libSBML cannot say what is in a formula, since libSEDML (a part of tellurium) was imported after it. "
            "Try: import tellurium or sbml_hybrid's models before libsbml."
        )
    return kind


def _operands(node: Any) -> list[Any]:
    """The children of a node; of a sum of sums (a + b) + c, or a product of products, all of them."""
    kind, operands = _kind(node), []
    while True:
        if node.getNumChildren() + len(operands) > MAX_TERMS:  # libSBML finds its nth child by counting to n
            raise ModelError(f"A formula has over {MAX_TERMS} terms in a row. Try: give parts of it names.")
        children = [node.getChild(i) for i in range(node.getNumChildren())]
        operands.extend(reversed(children[1:]))
        if kind not in _FLATTENED or len(children) < 2 or _kind(children[0]) != kind:
            return [*children[:1], *reversed(operands)]
        node = children[0]


def _tree(node: Any, arguments: tuple[Tree, ...]) -> Tree:
    kind = _kind(node)
    if kind in _NUMBERS:
        return Number(float(node.getValue()))
    if kind == libsbml.AST_REAL_E:
        # libSBML multiplies by a power of ten, which may miss the last digit.
        return Number(float(f"{node.getMantissa()!r}e{node.getExponent()}"))
    if kind in _CONSTANTS:
        return Number(_CONSTANTS[kind])
    if kind == libsbml.AST_NAME:
        return Name(node.getName())
    if kind == libsbml.AST_NAME_TIME:
        return Time()
    if kind == libsbml.AST_FUNCTION:
        return Apply(node.getName(), arguments)
    operator = _OPERATORS.get(kind)
    if operator is None:
        what = "a lambda outside a function definition" if kind == libsbml.AST_LAMBDA else f"{_word(node)!r}"
        raise ModelError(f"A formula has {what}, which SBML core does not have.")
    if operator in _DEFAULT_FIRST and len(arguments) == 1:
        arguments = (_DEFAULT_FIRST[operator], *arguments)
    return Call(operator, arguments)


def _word(node: Any) -> str:
    return node.getName() or node.getOperatorName() or f"construct {_kind(node)}"

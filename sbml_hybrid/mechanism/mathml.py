"""libSBML's abstract syntax tree -> our expression tree."""

from __future__ import annotations

import math
from typing import Any

import libsbml

from sbml_hybrid.errors import ModelError
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
_DEFAULT_FIRST = {"root": Number(2.0), "log": Number(10.0)}  # the degree and the base, where left out


def tree_from_ast(ast: Any) -> Tree:
    """Return the expression tree of a libSBML ``ASTNode``.

    (a + b) + c becomes one sum: the same order of operations, and long sums do not nest deeply.

    Raises
    ------
    ModelError
        The formula has a construct that is not in SBML core, or nests over `MAX_DEPTH` deep.
    """
    results: list[tuple[Tree, int]] = []  # finished parts, each with its depth
    stack: list[tuple[Any, int | None]] = [(ast, None)]  # a node; its number of children once these are finished
    while stack:
        node, children = stack.pop()
        if children is None:
            children = node.getNumChildren()
            stack.append((node, children))
            stack.extend((node.getChild(i), None) for i in reversed(range(children)))
            continue
        parts = results[len(results) - children :]
        del results[len(results) - children :]
        results.append(_with_depth(node, parts))
    return results[0][0]


def _with_depth(node: Any, parts: list[tuple[Tree, int]]) -> tuple[Tree, int]:
    tree = _tree(node, tuple(part for part, _ in parts))
    depths = [depth + 1 for _, depth in parts]
    match tree:
        case Call(operator="plus" | "times" as operator, arguments=(Call() as first, _, *_)) if (
            first.operator == operator
        ):
            tree = Call(operator, (*first.arguments, *tree.arguments[1:]))
            depths[0] -= 1
    depth = max(depths, default=1)
    if depth > MAX_DEPTH:
        raise ModelError(f"A formula nests over {MAX_DEPTH} deep. Try: give parts of it names, by assignment rules.")
    return tree, depth


def _tree(node: Any, arguments: tuple[Tree, ...]) -> Tree:
    kind = node.getType()
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
    return node.getName() or node.getOperatorName() or f"construct {node.getType()}"

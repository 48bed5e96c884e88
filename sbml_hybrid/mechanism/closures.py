"""Formulas that NumPy evaluates again and again: walked once, then called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree, fold
from sbml_hybrid.mechanism.operators import LOGICAL, OPERATORS, RELATIONS, apply

Closure = Callable[[Mapping[str, Any]], Any]


def closure(tree: Tree) -> Closure:
    """Return a function of the ids' values that gives what `kinetics.evaluate` gives.

    Parameters
    ----------
    tree
        A formula without functions of the model's own, time, delays and rates of change.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.reader import parse_formula
    >>> closure(parse_formula("Vmax*S/(Km + S)"))({"Vmax": 2.0, "S": np.array([1.0, 3.0]), "Km": 1.0})
    array([1. , 1.5])
    """

    def one(node: Tree, parts: list[tuple[Closure, bool]]) -> tuple[Closure, bool]:
        """The function, and whether it gives truth values."""
        match node:
            case Number(value=value):
                constant = np.bool_(value) if isinstance(value, bool) else np.float64(value)
                return (lambda values: constant), isinstance(value, bool)
            case Name(id=id):
                return (lambda values: values[id]), False
            case Call(operator=operator):
                is_truth = operator in RELATIONS or operator in LOGICAL
                functions = tuple(function for function, _ in parts)
                if operator == "piecewise" or is_truth or any(truth for _, truth in parts):
                    return (lambda values: apply(operator, [f(values) for f in functions])), is_truth
                return _called(OPERATORS[operator], functions), False
        raise ValueError(f"{type(node).__name__} has no value that depends on ids alone.")

    return fold(tree, one)[0]


def _called(operator: Callable[..., Any], functions: tuple[Closure, ...]) -> Closure:
    if len(functions) == 1:
        (only,) = functions
        return lambda values: operator(np, only(values))
    if len(functions) == 2:
        first, second = functions
        return lambda values: operator(np, first(values), second(values))
    return lambda values: operator(np, *[f(values) for f in functions])

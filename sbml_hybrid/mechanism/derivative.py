"""Symbolic derivatives of formulas, for Jacobians and sensitivities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time, Tree, evaluate, fold, to_text
from sbml_hybrid.mechanism.operators import LOGICAL, OPERATORS, RELATIONS

ZERO, ONE, TWO = Number(0.0), Number(1.0), Number(2.0)
STEPS = frozenset({"floor", "ceiling", "quotient"})


def derivative(tree: Tree, by: str | Time) -> Tree:
    """Return the derivative of `tree` with respect to an id, or to `Time()`; all other ids are held.

    Where a formula jumps or has a corner, the derivative is the one beside it: a ``piecewise`` keeps
    its conditions and differentiates its pieces, ``floor``, ``ceiling`` and ``quotient`` are flat,
    relations and conditions have the derivative 0, ``abs`` at 0 and ``min`` and ``max`` at a tie are
    taken from one side. A jump itself has no derivative, and none is written.

    Parameters
    ----------
    tree
        A formula without calls of the model's own functions (see `kinetics.inline`).
    by
        The id of a species, parameter, ..., or `Time()`.

    Returns
    -------
    Tree
        In the unit of `tree` per unit of `by`; ``Number(0)`` where `by` does not occur. It equals the
        derivative wherever `tree` is finite; for a power u^n with n a formula, also where u is 0 and n is not.

    Raises
    ------
    ModelError
        `by` occurs in a factorial, a delay, a rate of change or a function that is not written out.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.reader import parse_formula
    >>> to_text(derivative(parse_formula("Vmax*S/(Km + S)"), "S"))
    'Vmax/(Km + S) - Vmax*S/(Km + S)^2'
    """

    def one(node: Tree, parts: list[tuple[Tree, Tree]]) -> tuple[Tree, Tree]:
        """The node itself, and its derivative."""
        if isinstance(node, Name | Time):
            is_it = node.id == by if isinstance(node, Name) else isinstance(by, Time)
            return node, ONE if is_it else ZERO
        moved = [d for _, d in parts]
        if all(d == ZERO for d in moved):
            return node, ZERO
        if isinstance(node, Apply):
            raise ModelError(f"The function {node.function!r} has to be written out before it is differentiated.")
        return node, _of_call(node, moved)

    return fold(tree, one)[1]


def _of_call(node: Call, moved: list[Tree]) -> Tree:
    operator, arguments = node.operator, node.arguments
    if operator in RELATIONS or operator in LOGICAL or operator in STEPS:
        return ZERO
    if operator == "piecewise":
        parts = [part if i % 2 else moved[i] for i, part in enumerate(arguments)]
        parts[-1] = moved[-1] if len(parts) % 2 else arguments[-1]
        return _piecewise(*parts)
    if operator in _CHAINED:
        return _times(_CHAINED[operator](arguments[0]), moved[0])
    if operator not in _RULES:
        raise ModelError(f"{operator} has no derivative that SBML can write, in {to_text(node)[:60]}.")
    return _RULES[operator](arguments, moved)


# -- building, with 0 and 1 dropped ----------------------------------------------------------------


def simplify(tree: Tree) -> Tree:
    """Return `tree` with its constants folded, and additions of 0 and multiplications by 0 and 1 dropped.

    The result has the same value wherever all parts of `tree` are finite (0 times infinity becomes 0),
    to the rounding of the constants.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.reader import parse_formula
    >>> to_text(simplify(parse_formula("0*a + 1*b^1 - 0 + 2*3*c")))
    'b + 6*c'
    """

    def one(node: Tree, parts: list[Tree]) -> Tree:
        if isinstance(node, Apply):
            return Apply(node.function, tuple(parts))
        return _SIMPLER.get(node.operator, _call(node.operator))(*parts) if isinstance(node, Call) else node

    return fold(tree, one)


def _folded(operator: str, *arguments: Tree) -> Tree:
    """The call; a number where all arguments are numbers and the result is finite."""
    call = Call(operator, arguments)
    if operator in OPERATORS and arguments and all(isinstance(a, Number) for a in arguments):
        value = evaluate(call, {})
        if value == value and abs(value * 1.0) != float("inf"):
            return Number(bool(value) if operator in RELATIONS or operator in LOGICAL else float(value))
    return call


def _call(operator: str) -> Callable[..., Tree]:
    return lambda *arguments: _folded(operator, *arguments)


def _spread(operator: str, arguments: tuple[Tree, ...]) -> list[Tree]:
    """a + (b + c) as one sum."""
    parts = [a.arguments if isinstance(a, Call) and a.operator == operator else (a,) for a in arguments]
    return [part for some in parts for part in some]


def _plus(*arguments: Tree) -> Tree:
    parts = _spread("plus", arguments)
    number = _folded("plus", *[p for p in parts if isinstance(p, Number)]) if parts else ZERO
    terms = [p for p in parts if not isinstance(p, Number)]
    if not isinstance(number, Number):
        return Call("plus", tuple(parts))
    if not terms or number.value != 0:
        terms = [*terms, number] if not terms or terms[0] != parts[0] or number.value > 0 else [*terms, number]
    if len(terms) == 1:
        return terms[0]
    match terms:
        case [first, Call(operator="minus", arguments=(negative,))]:
            return Call("minus", (first, negative))
    return Call("plus", tuple(terms))


def _minus(*arguments: Tree) -> Tree:
    match arguments:
        case (Call(operator="minus", arguments=(inner,)),):
            return inner
        case (only,):
            return _folded("minus", only)
        case (first, second) if second == ZERO:
            return first
        case (first, second) if first == ZERO:
            return _minus(second)
        case (first, Call(operator="minus", arguments=(inner,))):
            return _plus(first, inner)
    return _folded("minus", *arguments)


def _times(*arguments: Tree) -> Tree:
    parts = _spread("times", arguments)
    sign = sum(isinstance(p, Call) and p.operator == "minus" and len(p.arguments) == 1 for p in parts) % 2
    parts = [p.arguments[0] if isinstance(p, Call) and p.operator == "minus" and len(p.arguments) == 1 else p for p in parts]
    parts = _spread("times", tuple(parts))
    number = _folded("times", *[p for p in parts if isinstance(p, Number)], ONE)
    if not isinstance(number, Number):
        return Call("times", arguments)
    if number.value == 0:
        return ZERO
    factors = [p for p in parts if not isinstance(p, Number)]
    if not factors:
        return Number(-number.value if sign else number.value)
    if abs(number.value) != 1:
        factors = [Number(abs(number.value)), *factors]
    product = factors[0] if len(factors) == 1 else Call("times", tuple(factors))
    return Call("minus", (product,)) if sign != (number.value < 0) else product


def _divide(above: Tree, below: Tree) -> Tree:
    if below == ONE or above == ZERO and below != ZERO:
        return above
    match above:
        case Call(operator="minus", arguments=(inner,)):
            return _minus(_divide(inner, below))
    return _folded("divide", above, below)


def _power(base: Tree, exponent: Tree) -> Tree:
    if exponent == ONE:
        return base
    return ONE if exponent == ZERO else _folded("power", base, exponent)


def _piecewise(*parts: Tree) -> Tree:
    kept: list[Tree] = []
    for piece, condition in zip(parts[0:-1:2], parts[1::2], strict=False):
        if isinstance(condition, Number):
            if condition.value:
                return Call("piecewise", (*kept, piece)) if kept else piece
            continue
        kept += [piece, condition]
    otherwise = parts[-1:] if len(parts) % 2 else ()
    if otherwise and all(piece == otherwise[0] for piece in kept[::2]):
        return otherwise[0]
    return Call("piecewise", (*kept, *otherwise))


_SIMPLER: dict[str, Callable[..., Tree]] = {
    "plus": _plus,
    "minus": _minus,
    "times": _times,
    "divide": _divide,
    "power": _power,
    "piecewise": _piecewise,
}

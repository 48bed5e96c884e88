"""Symbolic derivatives of formulas, for Jacobians and sensitivities."""

from __future__ import annotations

from collections.abc import Callable

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
    """The terms of a + (b + c) as one sum."""
    parts = [a.arguments if isinstance(a, Call) and a.operator == operator else (a,) for a in arguments]
    return [part for some in parts for part in some]


def _plus(*arguments: Tree) -> Tree:
    parts = _spread("plus", arguments)
    number = _folded("plus", *[p for p in parts if isinstance(p, Number)], ZERO)
    if not isinstance(number, Number):
        return Call("plus", arguments)
    terms = [p for p in parts if not isinstance(p, Number)]
    if not terms or number.value != 0:
        terms = [number, *terms] if isinstance(parts[0], Number) else [*terms, number]
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
    parts = [_unsigned(part) for part in _spread("times", arguments)]
    sign = sum(is_negative for _, is_negative in parts) % 2
    parts = _spread("times", tuple(part for part, _ in parts))
    number = _folded("times", *[p for p in parts if isinstance(p, Number)], ONE)
    if not isinstance(number, Number):
        return Call("times", arguments)
    if number.value == 0:
        return ZERO
    factors = [p for p in parts if not isinstance(p, Number)]
    value = -number.value if sign else number.value
    if abs(value) != 1 or not factors:
        factors = [Number(value), *factors]
    product = factors[0] if len(factors) == 1 else Call("times", tuple(factors))
    return Call("minus", (product,)) if value == -1 and not isinstance(product, Number) else product


def _unsigned(part: Tree) -> tuple[Tree, bool]:
    is_negative = isinstance(part, Call) and part.operator == "minus" and len(part.arguments) == 1
    return (part.arguments[0] if is_negative else part), is_negative


def _divide(above: Tree, below: Tree) -> Tree:
    if below == ONE or (above == ZERO and below != ZERO):
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
    if isinstance(parts[-1], Number) and otherwise and all(piece == parts[-1] for piece in kept[::2]):
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


# -- the rules -------------------------------------------------------------------------------------


def _square(x: Tree) -> Tree:
    return _power(x, TWO)


def _inverse(x: Tree) -> Tree:
    return _divide(ONE, x)


def _of(function: str) -> Callable[[Tree], Tree]:
    return lambda x: _folded(function, x)


def _product_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    return _plus(*(_times(*arguments[:i], d, *arguments[i + 1 :]) for i, d in enumerate(moved) if d != ZERO))


def _quotient_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    above, below = arguments
    return _minus(_divide(moved[0], below), _divide(_times(above, moved[1]), _square(below)))


def _power_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    base, exponent = arguments
    slope = _times(exponent, _power(base, _minus(exponent, ONE)), moved[0])
    growth = _times(_power(base, exponent), _folded("ln", base))
    if not isinstance(base, Number) or base.value == 0:
        growth = _piecewise(ZERO, _folded("eq", base, ZERO), growth)  # 0^y is flat, and ln(0) infinite
    return _plus(slope, _times(growth, moved[1]))


def _root_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    degree, x = arguments
    if moved[0] != ZERO:
        return _power_rule((x, _inverse(degree)), [moved[1], _minus(_divide(moved[0], _square(degree)))])
    if degree == TWO:
        return _divide(moved[1], _times(TWO, Call("root", arguments)))
    return _divide(_times(_power(x, _minus(_inverse(degree), ONE)), moved[1]), degree)


def _log_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    base, x = arguments
    of_x = _divide(moved[1], _times(x, _folded("ln", base)))
    if moved[0] == ZERO:
        return of_x
    return _minus(of_x, _divide(_times(_folded("ln", x), moved[0]), _times(base, _square(_folded("ln", base)))))


def _minus_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    return _minus(*moved)


def _plus_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    return _plus(*moved)


def _abs_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    return _piecewise(_minus(moved[0]), Call("lt", (arguments[0], ZERO)), moved[0])


def _rem_rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
    return _minus(moved[0], _times(moved[1], Call("quotient", arguments)))


def _extreme_rule(operator: str, wins: str) -> Callable[[tuple[Tree, ...], list[Tree]], Tree]:
    def rule(arguments: tuple[Tree, ...], moved: list[Tree]) -> Tree:
        best, slope = arguments[0], moved[0]
        for x, d in zip(arguments[1:], moved[1:], strict=True):
            slope = _piecewise(slope, Call(wins, (best, x)), d)
            best = Call(operator, (best, x))
        return slope

    return rule


_RULES: dict[str, Callable[[tuple[Tree, ...], list[Tree]], Tree]] = {
    "plus": _plus_rule,
    "minus": _minus_rule,
    "times": _product_rule,
    "divide": _quotient_rule,
    "power": _power_rule,
    "root": _root_rule,
    "log": _log_rule,
    "abs": _abs_rule,
    "rem": _rem_rule,
    "min": _extreme_rule("min", "lt"),
    "max": _extreme_rule("max", "gt"),
}
_CHAINED: dict[str, Callable[[Tree], Tree]] = {
    "exp": _of("exp"),
    "ln": _inverse,
    "sin": _of("cos"),
    "cos": lambda x: _minus(_folded("sin", x)),
    "tan": lambda x: _square(_folded("sec", x)),
    "sec": lambda x: _times(_folded("sec", x), _folded("tan", x)),
    "csc": lambda x: _minus(_times(_folded("csc", x), _folded("cot", x))),
    "cot": lambda x: _minus(_square(_folded("csc", x))),
    "sinh": _of("cosh"),
    "cosh": _of("sinh"),
    "tanh": lambda x: _square(_folded("sech", x)),
    "sech": lambda x: _minus(_times(_folded("sech", x), _folded("tanh", x))),
    "csch": lambda x: _minus(_times(_folded("csch", x), _folded("coth", x))),
    "coth": lambda x: _minus(_square(_folded("csch", x))),
    "arcsin": lambda x: _inverse(_sqrt(_minus(ONE, _square(x)))),
    "arccos": lambda x: _minus(_inverse(_sqrt(_minus(ONE, _square(x))))),
    "arctan": lambda x: _inverse(_plus(ONE, _square(x))),
    "arcsec": lambda x: _inverse(_times(_square(x), _sqrt(_minus(ONE, _inverse(_square(x)))))),
    "arccsc": lambda x: _minus(_CHAINED["arcsec"](x)),
    "arccot": lambda x: _minus(_inverse(_plus(ONE, _square(x)))),
    "arcsinh": lambda x: _inverse(_sqrt(_plus(_square(x), ONE))),
    "arccosh": lambda x: _inverse(_times(_sqrt(_minus(x, ONE)), _sqrt(_plus(x, ONE)))),
    "arctanh": lambda x: _inverse(_minus(ONE, _square(x))),
    "arcsech": lambda x: _minus(_inverse(_times(x, _sqrt(_minus(ONE, _square(x)))))),
    "arccsch": lambda x: _minus(_inverse(_times(_square(x), _sqrt(_plus(ONE, _inverse(_square(x))))))),
    "arccoth": lambda x: _inverse(_minus(ONE, _square(x))),
}


def _sqrt(x: Tree) -> Tree:
    return _folded("root", TWO, x)

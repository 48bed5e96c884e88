"""Formulas as expression trees: kinetic laws, rules, assignments, events and observables.

A tree is evaluated with the array namespace that it is handed (NumPy or ``keras.ops``), so one
formula means the same for a single number, for a column of draws and inside a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A species, parameter, compartment, reaction or function argument, by its id."""

    id: str


@dataclass(frozen=True, slots=True)
class Time:
    """The time of the simulation, in the model's time unit."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operator of MathML on its arguments.

    ``piecewise`` holds value, condition, value, condition, ... and, if the count is odd, the
    value otherwise.
    """

    operator: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """One of the model's own function definitions on its arguments."""

    function: str
    arguments: tuple[Tree, ...]


Tree = Number | Name | Time | Call | Apply

RELATIONS = frozenset({"lt", "leq", "gt", "geq", "eq", "neq"})
LOGICAL = frozenset({"and", "or", "xor", "not", "implies"})
MAX_NODES = 1_000_000  # a tree of calls of calls can grow exponentially when it is written out


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield every node of `tree`, parents first."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Call | Apply):
            stack.extend(reversed(node.arguments))


def names(tree: Tree) -> frozenset[str]:
    """Return the ids that `tree` mentions."""
    return frozenset(node.id for node in walk(tree) if isinstance(node, Name))


def mentions_time(tree: Tree) -> bool:
    """Return whether `tree` depends explicitly on time."""
    return any(isinstance(node, Time) for node in walk(tree))


def uses(tree: Tree, *operators: str) -> bool:
    """Return whether one of `operators` occurs in `tree`."""
    return any(isinstance(node, Call) and node.operator in operators for node in walk(tree))


def inline(tree: Tree, functions: Mapping[str, tuple[tuple[str, ...], Tree]]) -> Tree:
    """Write out every call of the model's own functions.

    Parameters
    ----------
    tree
        A formula that may call functions.
    functions
        Function id -> (argument names, body).

    Raises
    ------
    ModelError
        A function is not defined, calls itself, is called with the wrong number of arguments, or the
        result has over a million nodes.
    """
    count = 0

    def write_out(node: Tree, bound: Mapping[str, Tree], active: tuple[str, ...]) -> Tree:
        nonlocal count
        count += 1
        if count > MAX_NODES:
            raise ModelError(f"A formula has over {MAX_NODES} parts when its functions are written out.")
        match node:
            case Name(id=name):
                return bound.get(name, node)
            case Call(operator=operator, arguments=arguments):
                return Call(operator, tuple(write_out(a, bound, active) for a in arguments))
            case Apply(function=function, arguments=arguments):
                if function not in functions:
                    raise ModelError(f"A formula calls {function!r}, which the model does not define.")
                if function in active:
                    raise ModelError(f"The function {function!r} calls itself; SBML does not allow that.")
                parameters, body = functions[function]
                if len(parameters) != len(arguments):
                    raise ModelError(
                        f"{function!r} takes {len(parameters)} arguments, but a formula gives it {len(arguments)}."
                    )
                given = (write_out(a, bound, active) for a in arguments)
                return write_out(body, dict(zip(parameters, given, strict=True)), (*active, function))
        return node

    return write_out(tree, {}, ())


# -- evaluation ------------------------------------------------------------------------------------


def evaluate(tree: Tree, values: Mapping[str, Any] | Callable[[str], Any], time: Any = 0.0, xp: Any = np) -> Any:
    """Evaluate `tree`.

    Parameters
    ----------
    tree
        A formula without calls of the model's own functions (see `inline`).
    values
        The value of each id, arrays of one shape or numbers, in the units of the formula; or a
        function from the id to its value.
    time
        The time, a number or an array that broadcasts with the values.
    xp
        The array namespace: NumPy or ``keras.ops``.

    Returns
    -------
    array or number
        Shaped as the values broadcast; boolean for a relation.
    """
    look_up = values if callable(values) else values.__getitem__

    def value(node: Tree) -> Any:
        match node:
            case Number(value=number):
                return number
            case Name(id=name):
                return look_up(name)
            case Time():
                return time
            case Call(operator="piecewise", arguments=arguments):
                return _piecewise(xp, [value(a) for a in arguments])
            case Call(operator=operator, arguments=arguments):
                if operator not in _OPERATORS:
                    raise ModelError(f"The operator {operator!r} cannot be evaluated outside the solver.")
                return _OPERATORS[operator](xp, *[value(a) for a in arguments])
        raise ModelError(f"The function {node.function!r} has to be written out before it is evaluated.")

    return value(tree)


def _piecewise(xp: Any, parts: list[Any]) -> Any:
    result = parts[-1] if len(parts) % 2 else math.nan
    pairs = list(zip(parts[0:-1:2], parts[1::2], strict=False))
    for piece, condition in reversed(pairs):
        result = xp.where(condition, piece, result)
    return result


def _truth(xp: Any, *arguments: Any) -> list[Any]:
    return [xp.not_equal(a, 0) if not _is_boolean(a) else a for a in arguments]


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or "bool" in str(getattr(value, "dtype", ""))


def _chain(compare: str) -> Callable[..., Any]:
    """A relation of n arguments holds between each and the next."""

    def holds(xp: Any, *a: Any) -> Any:
        return reduce(xp.logical_and, [getattr(xp, compare)(x, y) for x, y in zip(a, a[1:], strict=False)])

    return holds


def _factorial(xp: Any, x: Any) -> Any:
    if xp is not np:
        raise ModelError("A factorial can only be evaluated with NumPy.")
    from scipy.special import gamma

    return gamma(np.asarray(x, dtype=float) + 1.0)


def _remainder(xp: Any, x: Any, y: Any) -> Any:
    """The remainder has the sign of the dividend, as in C and in SBML."""
    return x - y * _truncate(xp, x / y)


def _truncate(xp: Any, x: Any) -> Any:
    return xp.where(xp.less(x, 0), xp.ceil(x), xp.floor(x))


def _minus(xp: Any, x: Any, y: Any = None) -> Any:
    return -x if y is None else x - y


def _root(xp: Any, degree: Any, x: Any) -> Any:
    return xp.sqrt(x) if isinstance(degree, float) and degree == 2.0 else xp.power(x, 1.0 / degree)


def _log(xp: Any, base: Any, x: Any) -> Any:
    return xp.log10(x) if isinstance(base, float) and base == 10.0 else xp.log(x) / xp.log(base)


def _fold(function: str) -> Callable[..., Any]:
    return lambda xp, *a: reduce(getattr(xp, function), a)


def _plain(function: str) -> Callable[..., Any]:
    return lambda xp, x: getattr(xp, function)(x)


def _of_inverse(function: str) -> Callable[..., Any]:
    return lambda xp, x: getattr(xp, function)(1.0 / x)


def _inverse_of(function: str) -> Callable[..., Any]:
    return lambda xp, x: 1.0 / getattr(xp, function)(x)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "plus": lambda xp, *a: reduce(lambda x, y: x + y, a, 0.0) if len(a) != 2 else a[0] + a[1],
    "times": lambda xp, *a: reduce(lambda x, y: x * y, a, 1.0) if len(a) != 2 else a[0] * a[1],
    "minus": _minus,
    "divide": lambda xp, x, y: xp.divide(x, y),
    "power": lambda xp, x, y: xp.power(x, y),
    "root": _root,
    "log": _log,
    "abs": _plain("abs"),
    "exp": _plain("exp"),
    "ln": _plain("log"),
    "floor": _plain("floor"),
    "ceiling": _plain("ceil"),
    "factorial": _factorial,
    "quotient": lambda xp, x, y: _truncate(xp, x / y),
    "rem": _remainder,
    "min": _fold("minimum"),
    "max": _fold("maximum"),
    "lt": _chain("less"),
    "leq": _chain("less_equal"),
    "gt": _chain("greater"),
    "geq": _chain("greater_equal"),
    "eq": _chain("equal"),
    "neq": _chain("not_equal"),
    "and": lambda xp, *a: reduce(xp.logical_and, _truth(xp, *a), True),
    "or": lambda xp, *a: reduce(xp.logical_or, _truth(xp, *a), False),
    "xor": lambda xp, *a: reduce(xp.logical_xor, _truth(xp, *a), False),
    "not": lambda xp, x: xp.logical_not(*_truth(xp, x)),
    "implies": lambda xp, x, y: xp.logical_or(xp.logical_not(*_truth(xp, x)), *_truth(xp, y)),
    **{f: _plain(f) for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f: _plain(f) for f in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
    **{f: _inverse_of(g) for f, g in (("sec", "cos"), ("csc", "sin"), ("cot", "tan"))},
    **{f: _inverse_of(g) for f, g in (("sech", "cosh"), ("csch", "sinh"), ("coth", "tanh"))},
    **{f: _of_inverse(g) for f, g in (("arcsec", "arccos"), ("arccsc", "arcsin"), ("arccot", "arctan"))},
    **{f: _of_inverse(g) for f, g in (("arcsech", "arccosh"), ("arccsch", "arcsinh"), ("arccoth", "arctanh"))},
}


# -- reading aloud ---------------------------------------------------------------------------------

_INFIX = {"plus": (" + ", 4), "minus": (" - ", 4), "times": ("*", 5), "divide": ("/", 5), "power": ("^", 7)} | {
    "lt": (" < ", 3),
    "leq": (" <= ", 3),
    "gt": (" > ", 3),
    "geq": (" >= ", 3),
    "eq": (" == ", 3),
    "neq": (" != ", 3),
    "and": (" && ", 2),
    "or": (" || ", 1),
}


def to_text(tree: Tree) -> str:
    """Print `tree` as people write it, with no more brackets than it needs."""
    return _text(tree)[0]


def _text(tree: Tree) -> tuple[str, int]:
    match tree:
        case Number(value=value):
            return (f"{value:.17g}" if float(f"{value:.12g}") != value else f"{value:.12g}", 9 if value >= 0 else 6)
        case Name(id=name):
            return name, 9
        case Time():
            return "time", 9
        case Call(operator="minus", arguments=(only,)):
            return f"-{_bracketed(only, 6)}", 6
        case Call(operator="not", arguments=(only,)):
            return f"!{_bracketed(only, 6)}", 6
        case Call(operator=operator, arguments=arguments) if operator in _INFIX and len(arguments) > 1:
            sign, rank = _INFIX[operator]
            first = _bracketed(arguments[0], rank + (operator == "power"))
            return sign.join([first, *(_bracketed(a, rank + 1) for a in arguments[1:])]), rank
        case Call(operator="root", arguments=(Number(value=2.0), x)):
            return f"sqrt({to_text(x)})", 9
        case Call(operator="log", arguments=(Number(value=10.0), x)):
            return f"log10({to_text(x)})", 9
        case Call(operator=name, arguments=arguments) | Apply(function=name, arguments=arguments):
            return f"{name}({', '.join(to_text(a) for a in arguments)})", 9


def _bracketed(tree: Tree, rank: int) -> str:
    text, own = _text(tree)
    return text if own >= rank else f"({text})"

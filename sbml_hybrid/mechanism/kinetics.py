"""Formulas as expression trees: kinetic laws, rules, assignments, events and observables.

A tree is evaluated with the array namespace that it is handed (NumPy or ``keras.ops``), so one
formula means the same for a single number, for a column of draws and inside a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.operators import LOGICAL, OPERATORS, RELATIONS, apply


@dataclass(frozen=True, slots=True)
class Number:
    """A constant; ``True`` and ``False`` for MathML's truth values, which count as 1 and 0."""

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

_Sized = tuple[Tree, int, int]  # a tree, its number of nodes and its depth

MAX_NODES = 200_000  # a tree of calls of calls can grow exponentially when it is written out
MAX_CALLS = 50  # functions that call functions
MAX_DEPTH = 150  # the deepest of 43 000 published formulas has 21; pickle and == recurse, and fail at 250


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


def fold(tree: Tree, function: Callable[[Any, list[Any]], Any]) -> Any:
    """Return ``function(node, results of its arguments)`` of the root, worked out from the leaves up.

    Every walk that needs results goes through here: it does not recurse, however deep the tree.
    """
    order: list[Tree] = []  # parents first, last arguments first
    stack = [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(getattr(node, "arguments", ()))
    results: list[Any] = []
    for node in reversed(order):
        first = len(results) - len(getattr(node, "arguments", ()))
        results[first:] = [function(node, results[first:])]
    return results[0]


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
        result has over 200 000 nodes or is nested too deeply.
    """
    count = 0

    def write_out(tree: Tree, bound: Mapping[str, _Sized], active: tuple[str, ...]) -> _Sized:
        def one(node: Tree, parts: list[_Sized]) -> _Sized:
            nonlocal count
            count += 1
            match node:
                case Name(id=name):
                    result = bound.get(name, (node, 1, 1))
                case Apply(function=function):
                    result = call(function, parts, active)
                case Call(operator=operator):
                    call_of_parts = Call(operator, tuple(part for part, _, _ in parts))
                    size, depth = sum(n for _, n, _ in parts), max((d for _, _, d in parts), default=0)
                    result = (call_of_parts, size + 1, depth + 1)
                case _:
                    result = (node, 1, 1)
            if max(count, result[1]) > MAX_NODES:
                raise ModelError(f"A formula has over {MAX_NODES} parts when its functions are written out.")
            if result[2] > MAX_DEPTH:
                raise ModelError(f"A formula nests over {MAX_DEPTH} deep when its functions are written out.")
            return result

        return fold(tree, one)

    def call(function: str, given: list[_Sized], active: tuple[str, ...]) -> _Sized:
        if function not in functions:
            raise ModelError(f"A formula calls {function!r}, which the model does not define.")
        if function in active:
            raise ModelError(f"The function {function!r} calls itself; SBML does not allow that.")
        if len(active) >= MAX_CALLS:
            raise ModelError(f"Functions of the model call each other over {MAX_CALLS} deep, from {active[0]!r} on.")
        parameters, body = functions[function]
        if len(parameters) != len(given):
            raise ModelError(f"{function!r} takes {len(parameters)} arguments, but a formula gives it {len(given)}.")
        return write_out(body, dict(zip(parameters, given, strict=True)), (*active, function))

    return write_out(tree, {}, ())[0]


# -- evaluation ------------------------------------------------------------------------------------


def evaluate(tree: Tree, values: Mapping[str, Any] | Callable[[str], Any], time: Any = 0.0, xp: Any = np) -> Any:
    """Evaluate `tree`.

    Parameters
    ----------
    tree
        A formula without calls of the model's own functions (see `inline`).
    values
        The value of each id, arrays of one shape or numbers, in the units of the formula; or a
        function from the id to its value. A rate of change is looked up as ``rateOf(id)``.
    time
        The time, a number or an array that broadcasts with the values.
    xp
        The array namespace: NumPy or ``keras.ops``.

    Returns
    -------
    array or number
        Shaped as the values broadcast; boolean for a relation. What is not defined is NaN or
        infinite, without a warning; in a piece that is not taken it does no harm.

    Raises
    ------
    ModelError
        The formula has a delay, a function that is not written out, or an unknown rate of change.
    """
    look_up = values if callable(values) else values.__getitem__
    dtype = None

    def leaf(value: Any) -> Any:
        nonlocal dtype
        if isinstance(value, (bool, np.bool_)):
            return np.bool_(value) if xp is np else bool(value)
        if isinstance(value, (int, float, np.generic)):
            return np.float64(value) if xp is np else float(value)
        if xp is np:
            value = np.asarray(value)
            return value.astype(float) if value.dtype.kind in "iu" else value
        if dtype is None and "float" in str(value.dtype):
            dtype = value.dtype
        return value

    def one(node: Tree, arguments: list[Any]) -> Any:
        match node:
            case Number(value=number):
                return leaf(number)
            case Name(id=name):
                return leaf(look_up(name))
            case Time():
                return leaf(time)
            case Call(operator=operator) if operator in OPERATORS or operator == "piecewise":
                return apply(operator, arguments, xp, dtype)
            case Call(operator=operator):
                raise ModelError(f"The operator {operator!r} cannot be evaluated outside the solver.")
        raise ModelError(f"The function {node.function!r} has to be written out before it is evaluated.")

    with np.errstate(all="ignore"):
        return fold(_rates_as_names(tree, values), one)


def _rates_as_names(tree: Tree, values: Any) -> Tree:
    """Every ``rateOf(id)`` as a name of its own; its argument is not a value that is looked up."""

    def one(node: Tree, arguments: list[Tree]) -> Tree:
        if isinstance(node, Call) and node.operator == "rateOf" and isinstance(arguments[0], Name):
            name = f"rateOf({arguments[0].id})"
            if not callable(values) and name not in values:
                raise ModelError(f"A formula uses {name}, and no rate of change is known here.")
            return Name(name)
        return type(node)(_head(node), tuple(arguments)) if arguments else node

    return fold(tree, one) if uses(tree, "rateOf") else tree


def _head(node: Call | Apply) -> str:
    return node.operator if isinstance(node, Call) else node.function


# -- reading aloud ---------------------------------------------------------------------------------

_INFIX = {"plus": (" + ", 4), "minus": (" - ", 4), "times": ("*", 5), "divide": ("/", 5), "power": ("^", 7)} | {
    "lt": (" < ", 3),
    "leq": (" <= ", 3),
    "gt": (" > ", 3),
    "geq": (" >= ", 3),
    "eq": (" == ", 3),
    "neq": (" != ", 3),
    "and": (" && ", 2),
    "or": (" || ", 2),
}
_Ranked = tuple[str, int]  # a text, and how tightly its outermost operator binds


def to_text(tree: Tree) -> str:
    """Print `tree` as people write it, with no more brackets than it needs.

    `parse_formula` reads it back to the same values, to the last bit, given the ids and functions of the
    model. Only the time and an id called ``time`` look the same.
    """
    return fold(tree, _text)[0]


def _text(node: Tree, parts: list[_Ranked]) -> _Ranked:
    match node:
        case Number(value=value):
            text = _number_text(value)
            return text, 6 if text.startswith("-") else 9
        case Name(id=name):
            return name, 9
        case Time():
            return "time", 9
        case Call(operator="minus") if len(parts) == 1:
            return f"-{_bracketed(parts[0], 5)}", min(parts[0][1], 6)  # -a*b is (-a)*b: the same to the last bit
        case Call(operator="not"):
            return f"!{_bracketed(parts[0], 6)}", 6
        case Call(operator=operator) if operator in _INFIX and len(parts) > 1:
            if operator in RELATIONS and any(map(_is_condition, node.arguments)):
                # In SBML's infix, (a < b) < c is a < b < c whatever the brackets, and (a && b) < c is a && b < c.
                return f"{operator}({', '.join(text for text, _ in parts)})", 9
            return _infix(operator, parts)
        case Call(operator="root", arguments=(Number(value=2.0), _)):
            return f"sqrt({parts[1][0]})", 9
        case Call(operator="log", arguments=(Number(value=10.0), _)):
            return f"log10({parts[1][0]})", 9
    return f"{_head(node)}({', '.join(text for text, _ in parts)})", 9


def _is_condition(tree: Tree) -> bool:
    return isinstance(tree, Call) and (tree.operator in RELATIONS or tree.operator in LOGICAL)


def _infix(operator: str, parts: list[_Ranked]) -> _Ranked:
    sign, rank = _INFIX[operator]
    # SBML's infix reads && and || from the left, whichever comes: no rank between them.
    text = _bracketed(parts[0], rank + (operator in {"power", "and", "or"}))
    for part in parts[1:]:
        if operator == "plus" and part[0].startswith("-") and part[1] > rank:
            text += f" - {part[0][1:]}"
        else:
            text += sign + _bracketed(part, rank + 1)
    return text, rank


def _number_text(value: float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value != value or value in (float("inf"), -float("inf")):
        return "notanumber" if value != value else "infinity" if value > 0 else "-infinity"
    text = repr(float(value)).removesuffix(".0")
    digits, _, exponent = text.partition("e")
    # libSBML's infix takes 5.2937605580052584e+16 for 5.2937605580052584, rounded, times 10^16, rounded again.
    if exponent and float(f"{float(digits)!r}e{exponent}") != value:
        return np.format_float_positional(value, trim="-")
    return text


def _bracketed(part: _Ranked, rank: int) -> str:
    text, own = part
    return text if own >= rank else f"({text})"

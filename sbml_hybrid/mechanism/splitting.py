"""A kinetic law as what runs forward less what runs backward, neither of them ever negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.derivative import simplify
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree, fold, names, to_text
from sbml_hybrid.mechanism.model import Model, Parameter, Participant, Reaction
from sbml_hybrid.mechanism.operators import LOGICAL, RELATIONS

ZERO, ONE = Number(0.0), Number(1.0)
Halves = tuple[Tree | None, Tree | None]  # what is added and what is taken away; None for nothing
_Sign = Halves | str  # or why it cannot be told

_NEVER_NEGATIVE = frozenset({"exp", "abs", "cosh", "sech", "factorial"}) | RELATIONS | LOGICAL
_KEEP_THE_SIGN = frozenset(
    {"root", "floor", "ceiling", "quotient", "rem", "min", "arctan", "sinh", "tanh", "arcsinh", "power"}
)


def split(model: Model, reaction: Reaction, single: frozenset[str] = frozenset()) -> Halves:
    """Return a reaction's law as a forward and a backward rate.

    Products are multiplied out as far as the two directions need it: ``C*(k1*A - k2*B)`` is
    ``C*k1*A`` forward and ``C*k2*B`` backward. Species, and parameters that are not negative in the
    model, count as not negative.

    Parameters
    ----------
    model
        The model; its functions are written out here.
    reaction
        One of its reactions, with a law.
    single
        The species whose number of molecules formulas mention, so that ``P*(P - 1)`` is never negative.

    Returns
    -------
    forward, backward
        In the unit of the law, functions written out; None for no such direction.

    Raises
    ------
    ModelError
        The law can be negative and is not the difference of two such rates.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.reader import load
    >>> model = load("R: A -> B; C*(k1*A - k2*B); compartment C = 1; species A in C, B in C; k1 = 2; k2 = 1")
    >>> [to_text(rate) for rate in split(model, model.part("R"))]
    ['C*k1*A', 'C*k2*B']
    """
    signs = _Signs(model, single)
    found = signs.of(model.laws[reaction.id])
    if isinstance(found, str):
        raise _refused(model, reaction, found)
    forward, backward = (None if half is None else simplify(half) for half in found)
    if backward is None or backward == ZERO:
        return forward, None
    if not reaction.reversible:
        raise _refused(model, reaction, f"it takes away {to_text(backward)}, and the reaction is not reversible")
    forward, backward = (None if rate is None else simplify(_cancelled(rate)) for rate in (forward, backward))
    ways = ((reaction.reactants, reaction.products), (reaction.products, reaction.reactants))
    for rate, sides in zip((forward, backward), ways, strict=True):
        for species, count in consumed(model, *sides).items():
            if rate is not None and count > 0 and not vanishes(model, rate, species):
                raise _refused(model, reaction, f"{to_text(rate)} does not end where there is no {species}")
    return forward, backward


def _cancelled(tree: Tree) -> Tree:
    """A rate without what stands above and below a fraction's line: A*(B/(A*K)) is no number where A is 0."""
    if isinstance(tree, Call) and tree.operator == "plus":
        return Call("plus", tuple(_cancelled(term) for term in tree.arguments))
    above, below = _fraction(tree)
    for factor in list(below):
        if factor in above and not isinstance(factor, Number):
            above.remove(factor)
            below.remove(factor)
    top = Call("times", tuple(above)) if len(above) > 1 else (above or [ONE])[0]
    return Call("divide", (top, Call("times", tuple(below)) if len(below) > 1 else below[0])) if below else top


def _fraction(tree: Tree) -> tuple[list[Tree], list[Tree]]:
    """The factors above and below the line."""
    match tree:
        case Call(operator="times", arguments=factors):
            parts = [_fraction(factor) for factor in factors]
            return [f for above, _ in parts for f in above], [f for _, below in parts for f in below]
        case Call(operator="divide", arguments=(top, bottom)):
            (above, less), (below, more) = _fraction(top), _fraction(bottom)
            return above + more, less + below
    return [tree], []


def _refused(model: Model, reaction: Reaction, reason: str) -> ModelError:
    return ModelError(
        f"The law of reaction {reaction.id!r} in {model.source}, {_shortened(reaction.law.text)}, has no forward and "
        f"backward rate: {_shortened(reason)}. Try: write the two directions as two reactions (add_reaction)."
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def consumed(model: Model, used: Sequence[Participant], made: Sequence[Participant]) -> dict[str, float]:
    """Return species -> molecules that one reaction event takes of it, made ones subtracted; boundary species apart."""
    counts: dict[str, float] = {}
    for sign, side in ((1.0, used), (-1.0, made)):
        for participant in side:
            if participant.species in model.reacting and participant.stoichiometry is not None:
                counts[participant.species] = counts.get(participant.species, 0.0) + sign * participant.stoichiometry
    return counts


# -- the sign of a formula -------------------------------------------------------------------------


class _Signs:
    """Every formula of a model as a difference of two that are never negative."""

    def __init__(self, model: Model, single: frozenset[str]) -> None:
        self.model, self.single = model, single
        self.start = InitialValues(model)
        self._asked: set[str] = set()

    def of(self, tree: Tree) -> _Sign:
        return fold(tree, self._one)

    def _one(self, node: Tree, parts: list[_Sign]) -> _Sign:
        match node:
            case Number(value=value):
                return (node, None) if value >= 0 else (None, Number(-value)) if value < 0 else "it is not a number"
            case Name(id=id):
                return self._name(id)
            case Call(operator=operator) if operator in _NEVER_NEGATIVE:
                return node, None
            case Call(operator="power", arguments=(_, Number(value=value))) if value % 2 == 0:
                return node, None
            case Call(operator="times"):
                return self._product(node, parts)
            case Call():
                return self._call(node, parts)
        return node, None  # time

    def _call(self, node: Call, parts: list[_Sign]) -> _Sign:
        if node.operator == "max" and any(_is_pure(part) for part in parts):
            return node, None
        unknown = next((part for part in parts if isinstance(part, str)), None)
        if node.operator == "piecewise" and unknown is None:
            return _piecewise(node, parts)
        if unknown is not None:
            return unknown
        match node.operator:
            case "plus":
                return _sum([p for p, _ in parts]), _sum([n for _, n in parts])
            case "minus" if len(parts) == 1:
                return parts[0][1], parts[0][0]
            case "minus":
                (first, less), (second, more) = parts
                return _sum([first, more]), _sum([less, second])
            case "divide" if _is_pure(parts[1]):
                return tuple(None if half is None else Call("divide", (half, node.arguments[1])) for half in parts[0])
            case operator if operator in _KEEP_THE_SIGN and _keeps(operator, parts):
                return node, None
        return f"the sign of {to_text(node)} is not known"

    def _product(self, node: Call, parts: list[_Sign]) -> _Sign:
        pure, mixed = [], []
        for argument, part in zip(node.arguments, parts, strict=True):
            if isinstance(part, str):
                return part
            if _is_pure(part) or self._counts_down(argument, node.arguments):
                pure.append(argument)
            else:
                mixed.append(part)
        if len(mixed) > 1:
            return f"{to_text(node)} multiplies two differences"
        if not mixed:
            return node, None
        return tuple(None if half is None else Call("times", (*pure, half)) for half in mixed[0])

    def _counts_down(self, argument: Tree, factors: tuple[Tree, ...]) -> bool:
        """Return whether a factor P - n stands beside P, P - 1, ..., where P is a number of molecules."""
        match argument:
            case Call(operator="minus", arguments=(Name(id=id), Number(value=n))) if id in self.single and n >= 1:
                before = Name(id) if n == 1 else Call("minus", (Name(id), Number(n - 1.0)))
                return before in factors and (n == 1 or self._counts_down(before, factors))
        return False

    def _name(self, id: str) -> _Sign:
        if id in self._asked:
            return Name(id), None  # an event makes it of itself: not negative after, as it was not before
        model = self.model
        if id in model.reacting:
            return Name(id), None  # counted: its start is checked, and no reaction takes what is not there
        formula = model.assignment_rules.get(id) or model.laws.get(id)
        self._asked.add(id)
        try:
            if formula is not None:
                found = self.of(formula)
                return (Name(id), None) if _is_pure(found) else found
            new = [tree for event in model.events for target, tree in event.assignments if target == id]
            if not all(_is_pure(self.of(model.written_out(tree))) for tree in new):
                return f"an event may make {id} negative"
        finally:
            self._asked.discard(id)
        value = float(np.min(self.start[id]))
        return (Name(id), None) if value >= 0 else f"{id} is {value:g}"


def _is_pure(part: _Sign) -> bool:
    return not isinstance(part, str) and part[1] is None


def _keeps(operator: str, parts: list[_Sign]) -> bool:
    """Return whether the result is not negative: a power whatever its exponent, a root of any degree."""
    if operator == "power":
        return _is_pure(parts[0])
    return _is_pure(parts[-1]) if operator == "root" else all(_is_pure(part) for part in parts)


def _sum(terms: list[Tree | None]) -> Tree | None:
    kept = tuple(term for term in terms if term is not None)
    return None if not kept else kept[0] if len(kept) == 1 else Call("plus", kept)


def _piecewise(node: Call, parts: list[_Sign]) -> _Sign:
    def half(which: int) -> Tree | None:
        if all(part[which] is None for part in parts[::2]):
            return None
        return Call("piecewise", tuple(node.arguments[i] if i % 2 else p[which] or ZERO for i, p in enumerate(parts)))

    return half(0), half(1)


# -- what a rate does as molecules run out -----------------------------------------------------------


def vanishes(model: Model, tree: Tree, species: str) -> bool:
    """Return whether `tree` is 0 for certain where there is none of `species`."""

    def one(node: Tree, parts: list[bool]) -> bool:
        match node:
            case Number(value=value):
                return value == 0
            case Name(id=id) if id in model.assignment_rules and id != species:
                return vanishes(model, model.assignment_rules[id], species)
            case Name(id=id):
                return id == species
            case Call(operator="times" | "min"):
                return any(parts)
            case Call(operator="plus" | "minus" | "max"):
                return all(parts)
            case Call(operator="divide"):
                return parts[0] and not parts[1]
            case Call(operator="power", arguments=(_, exponent)):
                return parts[0] and _is_positive(model, exponent)
            case Call(operator="root"):
                return parts[-1]
            case Call(operator="piecewise"):
                return all(parts[::2])
        return False

    return fold(tree, one)


def _is_positive(model: Model, exponent: Tree) -> bool:
    match exponent:
        case Number(value=value):
            return value > 0
        case Name(id=id) if isinstance(part := model.by_id.get(id), Parameter) and part.constant:
            return bool(np.min(InitialValues(model)[id]) > 0)
    return False


def without_repetition(tree: Tree, species: str, count: int, molecule: Tree) -> Tree | None:
    """Return a mass-action rate that counts each set of `count` molecules of one species once.

    The law k*A^2 of 2 A -> B says what very many molecules do; a molecule does not meet itself, so
    among few the rate is k*A*(A - one molecule) [1]_.

    Parameters
    ----------
    tree
        A rate that is never negative.
    species, count
        What the reaction takes, and how many of it.
    molecule
        What one molecule adds to the species' value in formulas.

    Returns
    -------
    Tree or None
        None where the rate is not proportional to that power of the species.

    References
    ----------
    .. [1] Gillespie, Journal of Physical Chemistry 81 (1977) 2340, doi:10.1021/j100540a008.
    """
    match tree:
        case Call(operator="plus", arguments=terms):
            new = [without_repetition(term, species, count, molecule) for term in terms]
            return None if any(term is None for term in new) else Call("plus", tuple(new))
        case Call(operator="divide", arguments=(above, below)) if species not in names(below):
            new = without_repetition(above, species, count, molecule)
            return None if new is None else Call("divide", (new, below))
    factors = tree.arguments if isinstance(tree, Call) and tree.operator == "times" else (tree,)
    powers = [_power_of(factor, species) for factor in factors]
    others = [factor for factor, power in zip(factors, powers, strict=True) if power == 0]
    inside = [i for i, factor in enumerate(others) if species in names(factor)]
    if sum(powers) < count or sum(powers) % 1 or inside:
        if sum(powers) == 0 and len(inside) == 1 and len(factors) > 1:
            new = without_repetition(others[inside[0]], species, count, molecule)
            others[inside[0]] = new
            return None if new is None else Call("times", tuple(others))
        return None
    left = int(sum(powers)) - count
    chosen = [Call("minus", (Name(species), _times(float(n), molecule))) for n in range(1, count)]
    return Call("times", (*others, *[Name(species)] * (left + 1), *chosen))


def _power_of(factor: Tree, species: str) -> float:
    match factor:
        case Name(id=id) if id == species:
            return 1.0
        case Call(operator="power", arguments=(Name(id=id), Number(value=value))) if id == species and value > 0:
            return value
    return 0.0


def _times(number: float, tree: Tree) -> Tree:
    return tree if number == 1 else Call("times", (Number(number), tree))

"""Families of formulas: those of one shape are evaluated together, in one go.

``a1*E*S``, ``k7*X*Y`` and 40 other mass-action laws have the shape ``0*1*2``: one product of three
matrices instead of 42 small formulas. The arrays hold one row per quantity and one column per
trajectory, so that gathering quantities is copying rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from sbml_hybrid.mechanism.closures import Closure, closure
from sbml_hybrid.mechanism.derivative import ZERO, derivative, simplify
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time, Tree, evaluate, fold, names
from sbml_hybrid.mechanism.operators import RELATIONS

TIME, MOMENT = "time()", "moment()"  # the time, and the time that conditions are decided at
_EXPONENT = {"power": 1, "root": 0, "log": 0}
_WRITTEN_OUT = (2.0, 3.0, 4.0)  # exponents that are products: exact, and with a gradient everywhere
Leaf = str | float


def canonical(tree: Tree) -> tuple[Tree, tuple[Leaf, ...]]:
    """Return the shape of a formula, and what stands in its slots.

    A slot is called by its number. Exponents, 0 and 1 are part of the shape; other numbers and all names are not.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.kinetics import to_text
    >>> from sbml_hybrid.mechanism.reader import parse_formula
    >>> shape, leaves = canonical(parse_formula("Vmax*S/(5 + S)"))
    >>> leaves
    ('Vmax', 'S', 5.0, 'S')
    """

    def one(node: Tree, parts: list[tuple[Tree, tuple[Leaf, ...]]]) -> tuple[Tree, tuple[Leaf, ...]]:
        match node:
            case Name(id=id):
                return Name("0"), (id,)
            case Time():
                return Name("0"), (TIME,)
            case Call(operator=operator):
                shapes, leaves = [], []
                for i, (shape, own) in enumerate(parts):
                    if isinstance(shape, Number) and not _is_structural(shape, operator, i):
                        shape, own = Name("0"), (float(shape.value),)
                    shapes.append(_shifted(shape, len(leaves)))
                    leaves.extend(own)
                return Call(operator, tuple(shapes)), tuple(leaves)
        return node, ()

    shape, leaves = fold(tree, one)
    return (Name("0"), (float(shape.value),)) if isinstance(shape, Number) else (shape, leaves)


def _is_structural(number: Number, operator: str, place: int) -> bool:
    return _EXPONENT.get(operator) == place or number.value in (0, 1) or isinstance(number.value, bool)


def _shifted(shape: Tree, by: int) -> Tree:
    def one(node: Tree, parts: list[Tree]) -> Tree:
        if isinstance(node, Name):
            return Name(str(int(node.id) + by))
        return Call(node.operator, tuple(parts)) if isinstance(node, Call) else node

    return fold(shape, one) if by else shape


def prepared(
    tree: Tree, known: Mapping[str, Tree], timed: Mapping[str, Tree] = MappingProxyType({}), still: Collection[str] = ()
) -> Tree:
    """Return `tree` simplified, with names that `known` has replaced, as families want it.

    Small whole powers become products. Where a condition depends on time and constants alone, the solver stops when it
    switches; there the time is the `MOMENT`, so that a step that ends at a switch is still wholly before it.

    Parameters
    ----------
    tree
        A formula.
    known
        Name -> what it is another word for.
    timed
        Name -> formula of what depends on time and constants alone.
    still
        Names of what differs from trajectory to trajectory and stands still.
    """

    def one(node: Tree, parts: list[Tree]) -> Tree:
        match node:
            case Name(id=id):
                return known.get(id, node)
            case Call(operator="power") if isinstance(parts[1], Number) and parts[1].value in _WRITTEN_OUT:
                return Call("times", (parts[0],) * int(parts[1].value))
            case Call(operator=operator) if operator in RELATIONS or operator in _STEPS:
                decided = Call(operator, tuple(_at_the_moment(part, timed) for part in parts))
                free = names(decided) - {MOMENT} - (set(still) if operator in RELATIONS else set())
                return Call(operator, tuple(parts)) if free else decided
            case Call(operator=operator):
                return Call(operator, tuple(parts))
            case Apply(function=function):
                return Apply(function, tuple(parts))
        return node

    return simplify(fold(tree, one))


_STEPS = frozenset({"floor", "ceiling", "quotient", "rem", "factorial"})


def _at_the_moment(tree: Tree, timed: Mapping[str, Tree]) -> Tree:
    def one(node: Tree, parts: list[Tree]) -> Tree:
        match node:
            case Time():
                return Name(MOMENT)
            case Name(id=id) if id in timed:
                return _at_the_moment(timed[id], timed)
            case Call(operator=operator):
                return Call(operator, tuple(parts))
        return node

    return fold(tree, one)


@dataclass(frozen=True, eq=False)
class Family:
    """Formulas of one shape.

    Parameters
    ----------
    shape
        The formula, with the names ``"0"``, ``"1"``, ... for its slots.
    members
        What the formulas define, in order.
    leaves
        For each member, what stands in each slot: a name or a number.
    slots
        For each slot the rows that its values are gathered from (member,), or numbers (member, 1).
    """

    shape: Tree
    members: tuple[str, ...]
    leaves: tuple[tuple[Leaf, ...], ...]
    slots: tuple[np.ndarray, ...]
    _closures: dict[int, tuple[Tree, Closure]] = field(default_factory=dict, repr=False)

    def _closure(self, tree: Tree) -> Closure:
        if id(tree) not in self._closures:
            self._closures[id(tree)] = tree, closure(tree)  # the tree is kept, so that its id stays its own
        return self._closures[id(tree)][1]

    def values(self, rows: Any, xp: Any) -> dict[str, Any]:
        """Return slot -> its values (member, trajectory), gathered from `rows` (quantity, trajectory)."""
        found = {
            str(i): xp.convert_to_tensor(slot, dtype=rows.dtype) for i, slot in enumerate(self.slots) if slot.ndim != 1
        }
        gathered = {str(i): slot for i, slot in enumerate(self.slots) if slot.ndim == 1}
        if gathered:
            taken = xp.take(rows, np.concatenate(list(gathered.values())), axis=0)
            found |= zip(gathered, xp.split(taken, len(gathered), axis=0), strict=True)
        return found

    def evaluate(self, tree: Tree, values: Mapping[str, Any], like: Any, xp: Any) -> Any:
        """Return `tree`, the shape or a derivative of it, at the slots' `values`: (member, trajectory)."""
        result = self._closure(tree)(values) if isinstance(like, np.ndarray) else evaluate(tree, values, xp=xp)
        if not hasattr(result, "dtype") or result.dtype != like.dtype:  # a number, or the truth of a condition
            result = xp.cast(xp.convert_to_tensor(result), like.dtype)
        count = len(self.members)
        if tuple(result.shape) == (count, like.shape[-1]):
            return result
        return result + blank(like, xp) + xp.zeros((count, 1), dtype=like.dtype)

    def partials(self, moving: Collection[str]) -> list[tuple[Tree, list[tuple[int, str]]]]:
        """Return the derivatives that are not zero, by slot: the tree, and (member, name) of what moves there."""
        found = []
        for slot in range(len(self.slots)):
            moved = [(i, own[slot]) for i, own in enumerate(self.leaves) if own[slot] in moving]
            tree = derivative(self.shape, str(slot)) if moved else ZERO
            if tree != ZERO:
                found.append((tree, moved))
        return found


def blank(rows: Any, xp: Any) -> Any:
    """Return one row of zeros (1, trajectory), as long as `rows` (quantity, trajectory) are."""
    return xp.zeros_like(xp.sum(rows, axis=0, keepdims=True))


def families(formulas: Mapping[str, Tree], row_of: Mapping[Leaf, int]) -> tuple[Family, ...]:
    """Sort prepared formulas into families.

    Parameters
    ----------
    formulas
        What is defined -> its formula.
    row_of
        Name, or number that stands in one slot with names, -> the row that holds its values.
    """
    groups: dict[Tree, list[tuple[str, tuple[Leaf, ...]]]] = {}
    for id, tree in formulas.items():
        shape, leaves = canonical(tree)
        groups.setdefault(shape, []).append((id, leaves))
    return tuple(_family(shape, members, row_of) for shape, members in groups.items())


def _family(shape: Tree, members: Sequence[tuple[str, tuple[Leaf, ...]]], row_of: Mapping[Leaf, int]) -> Family:
    leaves = tuple(own for _, own in members)
    slots = []
    for column in zip(*leaves, strict=True):
        if all(isinstance(leaf, float) for leaf in column):
            slots.append(np.array(column, dtype=float)[:, None])
        else:
            slots.append(np.array([row_of[leaf] for leaf in column]))
    return Family(shape, tuple(id for id, _ in members), leaves, tuple(slots))


def mixed_numbers(formulas: Mapping[str, Tree]) -> list[float]:
    """Return the numbers that stand, in one slot of a family, beside names: they need rows of their own."""
    groups: dict[Tree, list[tuple[Leaf, ...]]] = {}
    for tree in formulas.values():
        shape, leaves = canonical(tree)
        groups.setdefault(shape, []).append(leaves)
    found: dict[float, None] = {}
    for members in groups.values():
        for column in zip(*members, strict=True):
            numbers = [leaf for leaf in column if isinstance(leaf, float)]
            if len(numbers) < len(column):
                found |= dict.fromkeys(numbers)
    return list(found)

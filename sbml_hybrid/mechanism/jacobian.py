"""The exact Jacobian of a right-hand side, N·dv/dx, as a sparse array of its non-zero entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sbml_hybrid.mechanism.families import Family, blank
from sbml_hybrid.mechanism.field import Field, Point, own
from sbml_hybrid.mechanism.kinetics import Tree

DIRECT = -1  # in place of an entry: the slope by a state itself


@dataclass(frozen=True, eq=False)
class _Slopes:
    """The slopes of one node's members by what stands in their slots: rows of derivatives, to be taken in order."""

    node: int
    of_family: tuple[tuple[Tree, np.ndarray], ...] = ()
    own_ports: np.ndarray | None = None
    inputs: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class _Level:
    """How entries d(quantity)/d(state) follow from slopes and from earlier entries: entry[to] += slope * entry[of]."""

    nodes: tuple[_Slopes, ...]
    direct: np.ndarray
    chained: np.ndarray
    of: np.ndarray
    to: np.ndarray
    count: int


class Jacobian:
    """The derivatives of a field's slopes with respect to its states.

    Formulas are differentiated exactly, family by family, and the chain rule goes through assignment rules level by
    level. What a site computes enters with the slopes that it answers with. An entry that is not finite (the slope of
    a square root at 0) counts as 0.

    Parameters
    ----------
    field
        The right-hand side.

    Attributes
    ----------
    rows, columns
        Where the entries are: of which state's slope, by which state (entry,).
    """

    def __init__(self, field: Field) -> None:
        self.field = field
        self._entry_of: dict[tuple[str, int], int] = {}
        self._support: dict[str, list[int]] = {name: [i] for i, name in enumerate(field.states)}
        self._direct = set(field.states)
        self._names = {row: name for name, row in reversed(field.row_of.items())}  # of several, the first
        number = 0
        levels = []
        for nodes in field.nodes:
            levels.append(self._level(nodes, number))
            number += len(nodes)
        self._levels = tuple(levels)
        self._assemble()

    def _level(self, nodes: Sequence[Family | int], first: int) -> _Level:
        described, slopes = [], []  # (defined id, by which name) of each row of slopes, in order
        for i, node in enumerate(nodes):
            if isinstance(node, Family):
                trees = [(tree, moved) for tree, moved in node.partials(self._support)]
                described.append(_Slopes(first + i, tuple((t, np.array([m for m, _ in moved])) for t, moved in trees)))
                slopes += [(node.members[m], name) for _, moved in trees for m, name in moved]
            else:
                described.append(self._of_site(node, first + i, slopes))
        sums: dict[str, dict[int, None]] = {}
        for id, name in slopes:
            sums.setdefault(id, {}).update(dict.fromkeys(self._support[name]))
        start = len(self._entry_of)
        for id, states in sums.items():
            self._support[id] = sorted(states)
            for state in self._support[id]:
                self._entry_of[id, state] = len(self._entry_of)
        parts = []
        for row, (id, name) in enumerate(slopes):
            for state in self._support[name]:
                of = DIRECT if name in self._direct else self._entry_of[name, state]
                parts.append((row, of, self._entry_of[id, state] - start))
        direct, chained = [p for p in parts if p[1] == DIRECT], [p for p in parts if p[1] != DIRECT]
        return _Level(
            nodes=tuple(described),
            direct=np.array([p[0] for p in direct], dtype=int),
            chained=np.array([p[0] for p in chained], dtype=int),
            of=np.array([p[1] for p in chained], dtype=int),
            to=np.array([p[2] for p in (*direct, *chained)], dtype=int),
            count=len(self._entry_of) - start,
        )

    def _of_site(self, number: int, node: int, slopes: list[tuple[str, str]]) -> _Slopes:
        site = self.field.sites[number]
        named = [self._name(own(port)) for port in site.ports] if site.reads_own else []
        own_ports = [i for i, name in enumerate(named) if name in self._support]
        slopes += [(site.ports[i], named[i]) for i in own_ports]
        inputs = [self._name(i) for i in site.inputs] if site.slopes else []
        moved = [i for i, name in enumerate(inputs) if name in self._support]
        slopes += [(port, inputs[i]) for port in site.ports for i in moved]
        return _Slopes(node, (), np.array(own_ports, dtype=int), np.array(moved, dtype=int))

    def _name(self, id: str) -> str:
        """The name under which a quantity is known, where it has several."""
        return self._names[self.field.row_of[id]] if id not in self._support else id

    def _assemble(self) -> None:
        sums: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for i, terms in enumerate(self.field.derivatives):
            for name, times in terms.items():
                for state in self._support.get(name, ()):
                    of = DIRECT if name in self._direct else self._entry_of[name, state]
                    sums.setdefault((i, state), []).append((of, times))
        places = sorted(sums)
        self.rows, self.columns = (np.array([place[i] for place in places], dtype=int) for i in (0, 1))
        flat = [(n, of, times) for n, place in enumerate(places) for of, times in sums[place]]
        moved = [f for f in flat if f[1] != DIRECT]
        self._to, self._of = (np.array([f[i] for f in moved], dtype=int) for i in (0, 1))
        self._times = np.array([f[2] for f in moved], dtype=float)[:, None]
        self._constant = np.zeros((len(places), 1))
        for n, of, times in flat:
            if of == DIRECT:
                self._constant[n] += times

    @cached_property
    def pattern(self) -> np.ndarray:
        """Where the matrix may be other than 0 (state, state)."""
        found = np.zeros((len(self.field.states),) * 2, dtype=bool)
        found[self.rows, self.columns] = True
        return found

    def entries(self, point: Point, xp: Any) -> Any:
        """Return the entries at `rows` and `columns` (entry, trajectory)."""
        blocks: list[Any] = []
        for level in self._levels:
            if level.count:
                blocks.append(self._entries_of(level, point, blocks, xp))
        if not len(self._to):
            return xp.convert_to_tensor(self._constant, dtype=point.rows.dtype) + blank(point.rows, xp)
        every = xp.concatenate(blocks, axis=0)
        times = xp.convert_to_tensor(self._times, dtype=every.dtype)
        total = xp.segment_sum(xp.take(every, self._of, axis=0) * times, self._to, num_segments=len(self.rows))
        return total + xp.convert_to_tensor(self._constant, dtype=every.dtype) if self._constant.any() else total

    def _entries_of(self, level: _Level, point: Point, blocks: list[Any], xp: Any) -> Any:
        slopes = xp.concatenate([s for node in level.nodes for s in self._slopes(node, point, xp)], axis=0)
        slopes = xp.where(xp.isfinite(slopes), slopes, 0.0)
        parts = [xp.take(slopes, level.direct, axis=0)] if len(level.direct) else []
        if len(level.chained):
            before = xp.concatenate(blocks, axis=0)
            parts.append(xp.take(slopes, level.chained, axis=0) * xp.take(before, level.of, axis=0))
        return xp.segment_sum(xp.concatenate(parts, axis=0), level.to, num_segments=level.count)

    def _slopes(self, node: _Slopes, point: Point, xp: Any) -> list[Any]:
        values, answer = point.slots[node.node], point.answers[node.node]
        if answer is None:
            family = self._families[node.node]
            found = [(family.evaluate(tree, values, point.rows, xp), at) for tree, at in node.of_family]
            return [xp.take(slope, at, axis=0) if len(at) < len(family.members) else slope for slope, at in found]
        found = [xp.take(answer.by_self, node.own_ports, axis=0)] if len(node.own_ports) else []
        if len(node.inputs):
            by_inputs = xp.take(answer.by_inputs, node.inputs, axis=1)
            found.append(xp.reshape(by_inputs, (by_inputs.shape[0] * by_inputs.shape[1], -1)))
        return found

    @cached_property
    def _families(self) -> tuple[Family | int, ...]:
        return tuple(node for level in self.field.nodes for node in level)

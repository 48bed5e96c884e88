"""Sparse linear systems, many of one pattern at once: elimination planned beforehand, in few parallel levels.

An implicit step solves ``(1 - h*g*J) x = b`` for every trajectory. A species meets few others, so J is
almost empty; and its pattern is known from the reactions. Here the order of elimination, and all that
it will touch, is worked out once; what is left are a few dozen gathers and sums of rows.

The pivots are the diagonal, in an order of small degree, as the solvers of atmospheric chemistry have
it [1]_. States whose eliminations do not touch each other go together, as one level. The few that are
left at the end all touch each other: theirs is a small dense matrix, which is inverted.

References
----------
.. [1] Sandu et al., Atmospheric Environment 31 (1997) 3459, doi:10.1016/S1352-2310(97)83212-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_SLACK = 2  # how much more than the smallest degree a pivot may have, so that more go together
_CUBE = 1700  # a level costs what it takes to invert a dense matrix of 12 rows, 12^3 (measured, 64 at once)


@dataclass(frozen=True, eq=False)
class _Level:
    """One level. Entries and unknowns come ordered by level, so that its own are always the first that remain."""

    pivots: int  # the first so many entries
    lower: np.ndarray  # which pivot each of the entries below a pivot belongs to; they follow the pivots
    lower_to: np.ndarray  # and which of the remaining unknowns they act on
    upper: np.ndarray  # which pivot each of the entries right of a pivot belongs to; they follow the lower ones
    upper_of: np.ndarray  # and which of the remaining unknowns they multiply
    left: np.ndarray  # entry -= lower[left] * upper[right]
    right: np.ndarray
    to: np.ndarray
    entries: int  # how many entries remain after it
    unknowns: int


@dataclass(frozen=True, eq=False)
class Factors:
    """What `Elimination.factors` gives, and `Elimination.solve` takes."""

    inverse_pivots: tuple[Any, ...]
    lower: tuple[Any, ...]
    upper: tuple[Any, ...]
    dense: Any  # the inverse of what is left (row, column, trajectory)


class Elimination:
    """The plan by which matrices of one pattern are solved.

    Parameters
    ----------
    pattern
        Where the matrices may be other than 0 (row, column); the diagonal counts as if it was.

    Attributes
    ----------
    rows, columns
        The places of the entries that `factors` takes: the pattern with its fill-in, in the order that it wants.
    """

    def __init__(self, pattern: np.ndarray) -> None:
        levels, filled = _levels(pattern | np.eye(len(pattern), dtype=bool))
        left = [k for level in levels[_cut(levels) :] for k in level]
        levels = levels[: _cut(levels)]
        self.dense = len(left)
        self.order = np.array([k for level in levels for k in level] + left, dtype=int)
        self.place = np.argsort(self.order)
        entries: dict[tuple[int, int], int] = {}
        planned = []
        ended = 0
        for level in levels:
            ended += len(level)
            later = self.place >= ended
            below = [(i, k) for k in level for i in np.flatnonzero(filled[:, k] & later).tolist()]
            right = [(k, j) for k in level for j in np.flatnonzero(filled[k] & later).tolist()]
            for at in (*((k, k) for k in level), *below, *right):
                entries[at] = len(entries)
            planned.append((level, below, right, ended, len(entries)))
        for at in ((i, j) for i in left for j in left):
            entries[at] = len(entries)
        self._entries = entries
        self.rows, self.columns = (np.array([at[i] for at in entries], dtype=int) for i in (0, 1))
        self.levels = tuple(self._planned(*one) for one in planned)

    def _planned(self, level: list[int], below: list, right: list, ended: int, done: int) -> _Level:
        pivot = {k: p for p, k in enumerate(level)}
        updates = [
            (a, b, self._entries[i, j] - done)
            for a, (i, k) in enumerate(below)
            for b, (of, j) in enumerate(right)
            if k == of
        ]
        return _Level(
            pivots=len(level),
            lower=np.array([pivot[k] for _, k in below], dtype=int),
            lower_to=np.array([self.place[i] - ended for i, _ in below], dtype=int),
            upper=np.array([pivot[k] for k, _ in right], dtype=int),
            upper_of=np.array([self.place[j] - ended for _, j in right], dtype=int),
            left=np.array([u[0] for u in updates], dtype=int),
            right=np.array([u[1] for u in updates], dtype=int),
            to=np.array([u[2] for u in updates], dtype=int),
            entries=len(self._entries) - done,
            unknowns=len(self.place) - ended,
        )

    def index(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return which entries of the plan stand at these places."""
        return np.array([self._entries[at] for at in zip(rows.tolist(), columns.tolist(), strict=True)], dtype=int)

    def factors(self, entries: Any, xp: Any) -> Factors:
        """Return the factors of matrices, given by their entries at `rows` and `columns` (entry, trajectory)."""
        inverses, lowers, uppers = [], [], []
        for level in self.levels:
            a, b, c = level.pivots, level.pivots + len(level.lower), level.pivots + len(level.lower) + len(level.upper)
            inverse, upper, rest = xp.divide(1.0, entries[:a]), entries[b:c], entries[c:]
            lower = entries[a:b] * xp.take(inverse, level.lower, axis=0) if len(level.lower) else entries[a:b]
            if len(level.to):
                product = xp.take(lower, level.left, axis=0) * xp.take(upper, level.right, axis=0)
                rest = rest - xp.segment_sum(product, level.to, num_segments=level.entries)
            inverses.append(inverse)
            lowers.append(lower)
            uppers.append(upper)
            entries = rest
        dense = xp.reshape(entries, (self.dense, self.dense, -1))
        return Factors(tuple(inverses), tuple(lowers), tuple(uppers), _inverse(dense, xp))

    def solve(self, factors: Factors, right_side: Any, xp: Any) -> Any:
        """Return the solutions for `right_side` (state, trajectory)."""
        first = [(lower, level.lower, level.lower_to) for level, lower in zip(self.levels, factors.lower, strict=True)]
        second = [(upper, level.upper, level.upper_of) for level, upper in zip(self.levels, factors.upper, strict=True)]
        return self._solved(first, None, factors.dense, second, factors.inverse_pivots, right_side, xp)

    def solve_transposed(self, factors: Factors, right_side: Any, xp: Any) -> Any:
        """Return the solutions of the transposed systems."""
        first = [(upper, level.upper, level.upper_of) for level, upper in zip(self.levels, factors.upper, strict=True)]
        second = [(lower, level.lower, level.lower_to) for level, lower in zip(self.levels, factors.lower, strict=True)]
        dense = xp.transpose(factors.dense, (1, 0, 2))
        return self._solved(first, factors.inverse_pivots, dense, second, None, right_side, xp)

    def _solved(
        self, first: list, scale_first: Any, dense: Any, second: list, scale_second: Any, right_side: Any, xp: Any
    ) -> Any:
        """Forwards with one triangle, backwards with the other; the pivots belong to one of them."""
        rest, found = xp.take(right_side, self.order, axis=0), []
        for i, (level, (entries, pivot, other)) in enumerate(zip(self.levels, first, strict=True)):
            head, rest = rest[: level.pivots], rest[level.pivots :]
            head = head if scale_first is None else head * scale_first[i]
            found.append(head)
            if len(pivot):
                product = entries * xp.take(head, pivot, axis=0)
                rest = rest - xp.segment_sum(product, other, num_segments=level.unknowns)
        later = xp.sum(dense * rest[None], axis=1)
        for i, (level, (entries, pivot, other)) in reversed(list(enumerate(zip(self.levels, second, strict=True)))):
            head = found[i]
            if len(pivot):
                product = entries * xp.take(later, other, axis=0)
                head = head - xp.segment_sum(product, pivot, num_segments=level.pivots)
            head = head if scale_second is None else head * scale_second[i]
            later = xp.concatenate([head, later], axis=0)
        return xp.take(later, self.place, axis=0)

    def solver(self, entries: Any, xp: Any) -> Any:
        """Return the function from right-hand sides to solutions, for the matrices with these entries.

        Its gradient is that of the solution of a linear system: one transposed solution, and nothing of the
        elimination itself.
        """
        factors = self.factors(xp.stop_gradient(entries), xp)
        parts = (factors.dense, *factors.inverse_pivots, *factors.lower, *factors.upper)
        parts = tuple(xp.stop_gradient(part) for part in parts)
        count = len(self.levels)

        def packed(parts: tuple[Any, ...]) -> Factors:
            dense, parts = parts[0], parts[1:]
            return Factors(parts[:count], parts[count : 2 * count], parts[2 * count :], dense)

        @xp.custom_gradient
        def solved(entries: Any, right_side: Any, *parts: Any) -> Any:
            solution = self.solve(packed(parts), right_side, xp)

            def gradient(upstream: Any) -> Any:
                back = self.solve_transposed(packed(parts), upstream, xp)
                by_entries = -xp.take(back, self.rows, axis=0) * xp.take(solution, self.columns, axis=0)
                return by_entries, back, *(xp.zeros_like(part) for part in parts)

            return solution, gradient

        return lambda right_side: solved(entries, right_side, *parts)


def _cut(levels: list[list[int]]) -> int:
    """How many levels to keep; what is left after them is dense, and at least one pivot."""
    left = [sum(map(len, levels[n:])) for n in range(len(levels))]
    return min(range(len(levels)), key=lambda n: n + left[n] ** 3 / _CUBE)


def _inverse(matrix: Any, xp: Any) -> Any:
    """The inverses of dense matrices (row, column, trajectory), by Gauss and Jordan."""
    size = matrix.shape[0]
    if size == 1:
        return xp.divide(1.0, matrix)
    unit = xp.convert_to_tensor(np.eye(size), dtype=matrix.dtype)

    def eliminated(k: Any, matrix: Any) -> Any:
        at = xp.take(unit, k, axis=0)[:, None]
        row, column = xp.take(matrix, k, axis=0), xp.take(matrix, k, axis=1)
        row = ((1.0 - at) * row + at) / xp.take(row, k, axis=0)[None]
        kept = matrix * (1.0 - at)[:, None] * (1.0 - at)[None]
        return kept + (at - (1.0 - at) * column)[:, None] * row[None]

    return xp.fori_loop(0, size, eliminated, matrix)


def _levels(pattern: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
    """Choose pivots of small degree that do not touch each other, level by level; and the pattern with its fill-in."""
    filled, graph = pattern.copy(), pattern | pattern.T
    np.fill_diagonal(graph, False)
    alive = np.ones(len(pattern), dtype=bool)
    levels = []
    while alive.any():
        degree = (graph & alive).sum(axis=1)
        most = _SLACK * (degree[alive].min() + 1) - 1
        level: list[int] = []
        blocked = ~alive | (degree > most)
        for k in np.argsort(degree, kind="stable"):
            if not blocked[k]:
                level.append(int(k))
                blocked |= graph[k]
                blocked[k] = True
        alive[level] = False
        for k in level:
            below, right = np.flatnonzero(filled[:, k] & alive), np.flatnonzero(filled[k] & alive)
            filled[np.ix_(below, right)] = True
            graph[np.ix_(below, right)] = graph[np.ix_(right, below)] = True
        np.fill_diagonal(graph, False)
        levels.append(level)
    return levels, filled

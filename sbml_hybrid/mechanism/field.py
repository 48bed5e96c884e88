"""The right-hand side of a model as an array computation: families of laws, N·v, and the exact N·dv/dx."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.families import MOMENT, TIME, Family, blank, canonical, families, mixed_numbers, prepared
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree, fold, names
from sbml_hybrid.mechanism.odes import Odes

Learned = Callable[[int, Any, Any, bool], "Answer"]


@dataclass(frozen=True)
class Site:
    """A place in the right-hand side where something else computes what the model's formula would.

    Parameters
    ----------
    ports
        The ids whose values are computed: reactions, parameters, targets of assignment rules, ``S'`` for a derivative.
    inputs
        The ids that they are computed from, with the meaning they have in formulas; ``time()`` for the time.
    slopes
        Whether the answer comes with its slopes by the inputs.
    reads_own
        Whether it takes what the model's own formulas give; if not, these are not computed unless they are wanted.
    """

    ports: tuple[str, ...]
    inputs: tuple[str, ...]
    slopes: bool = False
    reads_own: bool = True


@dataclass(frozen=True, eq=False)
class Answer:
    """What was computed at a site.

    Parameters
    ----------
    values
        The values of the ports (port, trajectory).
    by_self
        Their slopes by what the model's own formula gives (port, trajectory).
    by_inputs
        Their slopes by the inputs (port, input, trajectory), where the site has them.
    """

    values: Any
    by_self: Any
    by_inputs: Any = None


@dataclass(frozen=True, eq=False)
class Point:
    """The right-hand side, evaluated: all quantities, and what the Jacobian needs of them."""

    rows: Any
    slots: tuple[Mapping[str, Any], ...]
    answers: tuple[Answer | None, ...]


def own(port: str) -> str:
    """Return what the trees call the value that the model's own formula gives a port."""
    return f"self({port})"


class Field:
    """A right-hand side, ready to be evaluated for many trajectories at once.

    All arrays have one row per quantity and one column per trajectory.

    Parameters
    ----------
    odes
        The equations.
    given
        Names in `odes.held`, or names of your own that sites use, whose values come with each trajectory.
    controls
        Names in `odes.held` whose values change from interval to interval.
    sites
        Where something else computes a value.
    signed
        Variables that may be negative. In formulas, the amounts of other species are never less than 0.
    wanted
        Ids whose values are asked for; what neither they nor the derivatives need is not computed.
    """

    def __init__(
        self,
        odes: Odes,
        given: Sequence[str] = (),
        controls: Sequence[str] = (),
        sites: Sequence[Site] = (),
        signed: Collection[str] = (),
        wanted: Collection[str] = (),
    ) -> None:
        self.odes, self.sites = odes, tuple(sites)
        self.given, self.controls = tuple(given), tuple(controls)
        self.states = odes.variables
        clipped = [not (s in signed or not s.startswith("amount(")) for s in odes.variables]
        self.clipped = np.array(clipped, dtype=bool)[:, None]
        self._read(_Reading(odes, self.given, self.controls, self.sites, wanted))

    def _read(self, reading: _Reading) -> None:
        numbers = list(dict.fromkeys([*reading.numbers, *mixed_numbers(reading.formulas)]))
        self.numbers = np.array(numbers, dtype=float)[:, None]
        row_of: dict[str | float, int] = {}

        def place(found: Sequence[str | float]) -> None:
            row_of.update({name: len(row_of) + i for i, name in enumerate(found)})

        place(self.given)
        place(numbers)
        self._still = self._nodes(reading, reading.still_levels, row_of)
        place((*self.states, *self.controls, TIME, MOMENT))
        self._moving = self._nodes(reading, reading.moving_levels, row_of)
        row_of |= {name: row_of[of] for name, of in reading.aliases.items() if of in row_of}
        self.row_of = row_of
        self.constants, self.derivatives = reading.constants, reading.derivatives
        entries = [(i, row_of[name], n) for i, sums in enumerate(reading.derivatives) for name, n in sums.items()]
        self._to, self._from = (np.array([entry[i] for entry in entries], dtype=int) for i in (0, 1))
        self._times = np.array([entry[2] for entry in entries], dtype=float)[:, None]

    @staticmethod
    def _nodes(
        reading: _Reading, levels: Sequence[Sequence[str]], row_of: dict[str | float, int]
    ) -> tuple[tuple[Family | int, ...], ...]:
        """Families and numbers of sites, level by level; their rows follow each other in this order."""
        result = []
        for level in levels:
            nodes: list[Family | int] = []
            nodes += families({id: reading.formulas[id] for id in level if id in reading.formulas}, row_of)
            nodes += dict.fromkeys(reading.site_of[id] for id in level if id not in reading.formulas)
            for node in nodes:
                for id in node.members if isinstance(node, Family) else reading.sites[node].ports:
                    row_of[id] = len(row_of)
            result.append(tuple(nodes))
        return tuple(result)

    # -- evaluation --------------------------------------------------------------------------------

    def context(self, given: Any, xp: Any) -> Any:
        """Return the rows that stand still along a trajectory, from `given` (given, trajectory)."""
        rows = given
        if len(self.numbers):
            numbers = xp.convert_to_tensor(self.numbers, dtype=given.dtype)
            rows = xp.concatenate([given, numbers + blank(given, xp)], axis=0)
        for level in self._still:
            found = [node.evaluate(node.shape, node.values(rows, xp), rows, xp) for node in level]
            rows = xp.concatenate([rows, *found], axis=0)
        return rows

    def at(
        self,
        state: Any,
        context: Any,
        controls: Any,
        time: Any,
        moment: Any,
        xp: Any,
        learned: Learned | None = None,
        slopes: bool = False,
    ) -> Point:
        """Evaluate every quantity.

        Parameters
        ----------
        state
            Amounts and values (state, trajectory).
        context
            What `context` gave.
        controls
            The values of the controls (control, trajectory); not looked at where there are none.
        time, moment
            The time, and the time that conditions are decided at (1, trajectory).
        xp
            The arrays (`mechanism.arrays.Arrays`).
        learned
            Number of a site, own values of its ports (0 where it reads none), values of its inputs, and whether slopes
            are wanted -> `Answer`.
        slopes
            Whether the Jacobian is wanted at this point.
        """
        # What begins with nothing has the slope 1 there: a maximum's is 1/2 on JAX.
        seen = xp.where(xp.logical_and(self.clipped, state < 0), 0.0, state) if self.clipped.any() else state
        steered = [controls] if self.controls else []
        rows = xp.concatenate([context, seen, *steered, time, moment], axis=0)
        slots: list[Mapping[str, Any]] = []
        answers: list[Answer | None] = []
        for level in self._moving:
            found = []
            for node in level:
                if isinstance(node, Family):
                    values = node.values(rows, xp)
                    slots.append(values)
                    answers.append(None)
                    found.append(node.evaluate(node.shape, values, rows, xp))
                else:
                    answer = self._ask(node, rows, xp, learned, slopes)
                    slots.append({})
                    answers.append(answer)
                    found.append(answer.values)
            rows = xp.concatenate([rows, *found], axis=0)
        return Point(rows, tuple(slots), tuple(answers))

    def _ask(self, number: int, rows: Any, xp: Any, learned: Learned, slopes: bool) -> Answer:
        site = self.sites[number]
        if site.reads_own:
            own_values = xp.take(rows, np.array([self.row_of[own(p)] for p in site.ports]), axis=0)
        else:
            own_values = xp.concatenate([xp.zeros_like(rows[:1])] * len(site.ports), axis=0)
        inputs = xp.take(rows, np.array([self.row_of[i] for i in site.inputs], dtype=int), axis=0)
        return learned(number, own_values, inputs, slopes)

    def slopes(self, point: Point, xp: Any) -> Any:
        """Return the derivative of each state (state, trajectory): N·v."""
        times = xp.convert_to_tensor(self._times, dtype=point.rows.dtype)
        flows = xp.take(point.rows, self._from, axis=0) * times
        return xp.segment_sum(flows, self._to, num_segments=len(self.states))

    def quantity(self, point: Point, name: str) -> Any:
        """Return the row (1, trajectory) of what `name` means in formulas."""
        row = self.row_of[name]
        return point.rows[row : row + 1]

    @property
    def nodes(self) -> tuple[tuple[Family | int, ...], ...]:
        """The families, and the numbers of the sites, that depend on the state: level by level."""
        return self._moving


class _Reading:
    """The equations, prepared: aliases and numbers put in, and sorted into levels."""

    def __init__(
        self,
        odes: Odes,
        given: Sequence[str],
        controls: Sequence[str],
        sites: Sequence[Site],
        wanted: Collection[str],
    ) -> None:
        self.sites = sites
        self.site_of = {port: i for i, site in enumerate(sites) for port in site.ports}
        self.numbers: list[float] = []
        self.aliases: dict[str, str | float] = {}  # name -> the name, or number, that it is another word for
        self.formulas: dict[str, Tree] = {}
        free = {*given, *controls}
        known: dict[str, Tree] = {n: Number(v) for n, v in odes.held_values.items() if n not in free}
        self._ports_of_values(odes, known, free)
        timed: dict[str, Tree] = {}
        for id, tree in odes.definitions:
            name = own(id) if id in self.site_of else id
            tree = prepared(tree, known, timed, free)
            self._define(name, tree, known, keep=id in self.site_of)
            if id not in self.site_of and names(tree) <= free | {MOMENT} | timed.keys():
                timed[id] = tree
        self.derivatives = []
        for state, variable, tree in zip(odes.states, odes.variables, odes.derivatives, strict=True):
            self.derivatives.append(self._derivative(state, variable, prepared(tree, known, timed, free), known))
        self.aliases |= {name: tree.id for name, tree in known.items() if isinstance(tree, Name)}
        self.constants = {name: float(tree.value) for name, tree in known.items() if isinstance(tree, Number)}
        asked = {*wanted, *(i for site in sites for i in site.inputs)}
        for name in asked & self.constants.keys():
            self._row_of_number(name, self.constants[name])
        self._keep(asked)
        self._levels({*odes.variables, *controls, TIME, MOMENT})

    def _ports_of_values(self, odes: Odes, known: dict[str, Tree], free: set[str]) -> None:
        """A parameter that a site computes: its own value is what would have been held."""
        for port in self.site_of:
            if port in known:
                self._row_of_number(own(port), float(known.pop(port).value))
            elif port in free:
                raise ModelError(
                    f"{port} is given with each trajectory and computed by a graft. Take one of them away."
                )

    def _row_of_number(self, name: str, value: float) -> None:
        if value not in self.numbers:
            self.numbers.append(value)
        self.aliases[name] = value

    def _define(self, name: str, tree: Tree, known: dict[str, Tree], keep: bool) -> None:
        if isinstance(tree, Number | Name) and not keep:
            known[name] = tree
        else:
            self.formulas[name] = tree

    def _derivative(self, state: str, variable: str, tree: Tree, known: dict[str, Tree]) -> dict[str, float]:
        """The derivative as a sum of numbers times quantities."""
        port = f"{state}'"
        if port in self.site_of:
            self.formulas[own(port)] = tree
            return {port: 1.0}
        terms = _sum_of_quantities(tree)
        if terms is None:
            self.formulas[port] = tree
            return {port: 1.0}
        return {name: n for name, n in terms.items() if n != 0}

    def _keep(self, asked: set[str]) -> None:
        """Leave out what nobody needs."""
        todo = [self.aliases.get(name, name) for name in (*asked, *(n for sums in self.derivatives for n in sums))]
        todo += [*self.site_of, *(own(port) for site in self.sites if site.reads_own for port in site.ports)]
        kept: set[str | float] = set()
        while todo:
            name = todo.pop()
            if name not in kept:
                kept.add(name)
                todo += names(self.formulas[name]) if name in self.formulas else ()
        self.formulas = {id: tree for id, tree in self.formulas.items() if id in kept}

    def _levels(self, moving: set[str]) -> None:
        """Sort what is computed: first what stands still, then what moves, each after what it needs."""
        needs = {
            id: {leaf for leaf in canonical(tree)[1] if isinstance(leaf, str)} for id, tree in self.formulas.items()
        }
        for site in self.sites:
            read = (*site.inputs, *(own(p) for p in site.ports if site.reads_own))
            inputs = {self.aliases.get(i, i) for i in read}
            needs |= {port: {i for i in inputs if isinstance(i, str)} for port in site.ports}
        level_of: dict[str, int] = {}
        todo = dict(needs)
        moves = set(moving) | set(self.site_of)
        changed = True
        while changed:
            changed = False
            for id, required in needs.items():
                if id not in moves and required & moves:
                    moves.add(id)
                    changed = True
        while todo:
            ready = [id for id, required in todo.items() if not required & todo.keys()]
            if not ready:
                raise ModelError(f"A graft's inputs depend on what it computes: {', '.join(sorted(todo)[:5])}.")
            for id in ready:
                below = [level_of[r] for r in todo.pop(id) if r in level_of and (r in moves) == (id in moves)]
                level_of[id] = 1 + max(below, default=0)
        self.still_levels = _grouped(level_of, [id for id in needs if id not in moves])
        self.moving_levels = _grouped(level_of, [id for id in needs if id in moves])


def _grouped(level_of: Mapping[str, int], ids: Sequence[str]) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for id in ids:
        found.setdefault(level_of[id], []).append(id)
    return [found[level] for level in sorted(found)]


def _sum_of_quantities(tree: Tree) -> dict[str, float] | None:
    """A tree as quantity -> how many of it are added, or None where it is no such sum."""

    def one(node: Tree, parts: list[Any]) -> Any:
        """A number, such a sum, or None."""
        match node:
            case Number(value=value):
                return float(value)
            case Name(id=id):
                return {id: 1.0}
            case Call(operator="plus" | "minus" as operator):
                if operator == "minus" and len(parts) == 1:
                    return _scaled(parts[0], -1.0)
                return _added(parts[0], [_scaled(p, 1.0 if operator == "plus" else -1.0) for p in parts[1:]])
            case Call(operator="times"):
                numbers = [p for p in parts if isinstance(p, float)]
                others = [p for p in parts if not isinstance(p, float)]
                if len(others) == 1:
                    return _scaled(others[0], float(np.prod(numbers)))
        return None

    result = fold(tree, one)
    return {} if result == 0.0 else result if isinstance(result, dict) else None


def _scaled(part: Any, by: float) -> Any:
    if isinstance(part, dict):
        return {name: n * by for name, n in part.items()}
    return part * by if isinstance(part, float) else None


def _added(first: Any, others: list[Any]) -> Any:
    total: dict[str, float] = {}
    for part in (first, *others):
        if part == 0.0:
            continue
        if not isinstance(part, dict):
            return None
        for name, n in part.items():
            total[name] = total.get(name, 0.0) + n
    return total

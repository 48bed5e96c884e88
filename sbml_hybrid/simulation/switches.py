"""Times at which a model's formulas switch, so that the integration can stop and start again there.

CVODE steps over a jump in time without noticing. Every comparison of something known beforehand
(time, constants) is therefore solved for time here, draw by draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Time, Tree, evaluate, mentions_time, names, uses, walk
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.operators import LOGICAL, RELATIONS

STEPS = ("piecewise", "floor", "ceiling", "quotient", "rem", "factorial")
SCAN_POINTS = 4001  # resolution of the search where a comparison is not linear in time


class _ChangesInTime(Exception):
    """A formula depends on the state, so its switches are not known beforehand."""


def has_jumps(model: Model) -> bool:
    """Return whether something may jump where nobody stops: events of the state, explicit time, formulas with steps.

    An event at a time known beforehand (a dose) is none of these, if no event is delayed: `switch_times` gives it.
    """
    counts = [p.formula for r in model.reactions for p in (*r.reactants, *r.products) if p.formula is not None]
    trees = [model.written_out(tree) for tree in (*counts, *(r.formula for r in model.rules))]
    if any(mentions_time(tree) or uses(tree, *STEPS) for tree in (*model.laws.values(), *trees)):
        return True
    moving = moving_ids(model)
    return any(
        e.delay is not None or not _at_known_times(model.written_out(e.trigger), model, moving) for e in model.events
    )


def _at_known_times(trigger: Tree, model: Model, moving: set[str]) -> bool:
    """Whether a trigger compares time with constants alone, so that each switch is the root of a straight line."""
    match trigger:
        case Call(operator=operator, arguments=arguments) if operator in LOGICAL:
            return all(_at_known_times(argument, model, moving) for argument in arguments)
        case Call(operator=operator, arguments=arguments) if operator in RELATIONS - {"eq", "neq"}:
            return all(degree_in_time(argument, model, moving) <= 1 for argument in arguments)
    return isinstance(trigger, Number)


def degree_in_time(tree: Tree, model: Model, moving: set[str]) -> int:
    """Return 0 for a constant, 1 for a straight line in time, 2 for all else."""
    match tree:
        case Time():
            return 1
        case Name(id=id) if id in model.assignment_rules:
            return degree_in_time(model.assignment_rules[id], model, moving)
        case Name(id=id):
            return 2 if id in moving else 0
        case Call(operator=operator, arguments=arguments):
            degrees = [degree_in_time(argument, model, moving) for argument in arguments]
            if operator == "plus" or operator == "minus":
                return max(degrees, default=0)
            if operator == "times" or (operator == "divide" and degrees[1] == 0):
                return min(sum(degrees), 2)
            return 2 * max(degrees, default=0)
    return 0 if isinstance(tree, Number) else 2


def has_hidden_jumps(model: Model) -> bool:
    """Return whether a rate may jump at a time that `switch_times` does not give: where a state crosses some value."""
    if any(event.delay is not None for event in model.events) and comparisons(model):
        return True
    moving = moving_ids(model)
    trees = (*model.laws.values(), *(model.written_out(r.formula) for r in model.rules))
    nodes = (node for tree in trees for node in walk(tree) if isinstance(node, Call))
    return any(_moves(node, model, moving) for node in nodes if node.operator in RELATIONS | {*STEPS} - {"piecewise"})


def moving_ids(model: Model) -> set[str]:
    """Return the ids of what integration or events change, and of rates."""
    return set(model.states) - model.assignment_rules.keys() | {r.id for r in model.reactions}


def _moves(tree: Tree, model: Model, moving: set[str]) -> bool:
    return any(
        id in moving or (id in model.assignment_rules and _moves(model.assignment_rules[id], model, moving))
        for id in names(tree)
    )


def switch_times(model: Model, given: Mapping[str, np.ndarray], n: int, end: float) -> list[tuple[float, ...]]:
    """Return, for each of `n` draws, the times in (0, `end`) at which some formula switches.

    There are none for a model with delayed events: one that waits while libroadrunner starts again may
    be taken a second time.

    Parameters
    ----------
    model
        The model.
    given
        Name of a varied quantity -> its values (draw,).
    n
        Number of draws.
    end
        The last time of the simulation, in the model's time unit.
    """
    delayed = any(event.delay is not None for event in model.events)
    pairs = [] if delayed else comparisons(model)
    found: list[set[float]] = [set() for _ in range(n)]
    if pairs:
        gap = _Gap(model, given, n)
        for comparison in pairs:
            for draw, times in enumerate(gap.zeros(comparison, end)):
                found[draw].update(t for t in times if 0.0 < t < end)
    return [tuple(sorted(times)) for times in found]


def comparisons(model: Model) -> list[tuple[Tree, Tree]]:
    """Return the pairs of formulas whose comparison depends on time, once each."""
    pairs: dict[tuple[Tree, Tree], None] = {}
    for tree in (*model.formulas, *model.starts.values()):
        for node in walk(tree):
            if isinstance(node, Call) and node.operator in RELATIONS:
                for pair in zip(node.arguments, node.arguments[1:], strict=False):
                    if any(depends_on_time(side, model) for side in pair):
                        pairs[pair] = None
    return list(pairs)


def crossings(model: Model, pair: tuple[Tree, Tree], end: float) -> tuple[float, ...]:
    """Return when, up to `end`, two formulas are equal with the model's own values; nothing if the state decides it."""
    return tuple(t for t in _Gap(model, {}, 1).zeros(pair, end)[0] if 0.0 < t < end)


def depends_on_time(tree: Tree, model: Model) -> bool:
    """Return whether `tree` depends on time, itself or through assignment rules."""
    rules = [model.assignment_rules[id] for id in names(tree) if id in model.assignment_rules]
    return mentions_time(tree) or any(depends_on_time(rule, model) for rule in rules)


class _Gap:
    """Left side minus right side of a comparison, as a function of time, for every draw."""

    def __init__(self, model: Model, given: Mapping[str, np.ndarray], n: int) -> None:
        self.model, self.n = model, n
        self.start = InitialValues(model, {name: np.atleast_1d(column)[:, None] for name, column in given.items()})
        self.moving = moving_ids(model)

    def at(self, pair: tuple[Tree, Tree], times: np.ndarray) -> np.ndarray:
        """Values (draw, time)."""

        def value(id: str) -> Any:
            if id in self.moving:
                raise _ChangesInTime
            rule = self.model.assignment_rules.get(id)
            return self.start[id] if rule is None else evaluate(rule, value, time=times[None])

        with np.errstate(all="ignore"):
            left, right = (np.asarray(evaluate(side, value, time=times[None]), dtype=float) for side in pair)
            return np.broadcast_to(left - right, (self.n, len(times)))

    def zeros(self, pair: tuple[Tree, Tree], end: float) -> list[tuple[float, ...]]:
        try:
            constant = isinstance(pair[1], Name | Number) and not depends_on_time(pair[1], self.model)
            if isinstance(pair[0], Time) and constant:
                return [
                    (root,) for root in (-self.at(pair, np.zeros(1))[:, 0]).tolist()
                ]  # to the last bit; it may never come
            values = self.at(pair, np.array([0.0, end / 3, end]))
        except _ChangesInTime:
            return [()] * self.n
        slope = (values[:, 2] - values[:, 0]) / end
        expected = values[:, 0] + slope * end / 3
        scale = np.abs(values).max(axis=1) + np.finfo(float).tiny
        linear = np.abs(values[:, 1] - expected) <= 1e-9 * scale
        if not linear.all():
            return self._scanned(pair, end)
        with np.errstate(all="ignore"):
            roots = np.where(slope != 0, -values[:, 0] / slope, np.nan)
        return [(self._exact(pair, root),) if np.isfinite(root) else () for root in roots]

    def _exact(self, pair: tuple[Tree, Tree], root: float) -> float:
        """The root as the file writes it (0.1 + 0.2 is not 0.3): the constant itself where that solves it."""
        near = float(f"{root:.12g}")
        return near if abs(near - root) <= 1e-12 * abs(root) else float(root)

    def _scanned(self, pair: tuple[Tree, Tree], end: float) -> list[tuple[float, ...]]:
        times = np.linspace(0.0, end, SCAN_POINTS)
        signs = self.at(pair, times) > 0
        result: list[tuple[float, ...]] = []
        for draw in range(self.n):
            at = np.flatnonzero(signs[draw, 1:] != signs[draw, :-1])
            low, high = times[at], times[at + 1]
            for _ in range(60):
                middle = (low + high) / 2
                same = (self.at(pair, middle)[draw] > 0) == signs[draw, at] if len(at) else np.array([], bool)
                low, high = np.where(same, middle, low), np.where(same, high, middle)
            result.append(tuple(float(t) for t in high))
        return result

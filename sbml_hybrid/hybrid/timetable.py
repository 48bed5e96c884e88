"""What happens at times known beforehand: formulas that switch, and events that time triggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import InitialValues, depends_on
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree, evaluate, mentions_time, names, to_text, walk
from sbml_hybrid.mechanism.model import Event, Model, Species
from sbml_hybrid.mechanism.odes import Odes, amount_of
from sbml_hybrid.simulation.switches import comparisons, crossings, degree_in_time, depends_on_time, moving_ids

STEPS = frozenset({"floor", "ceiling", "quotient"})
_LOOKS = 4001


@dataclass(frozen=True)
class Happening:
    """Something that happens to every trajectory.

    Parameters
    ----------
    time
        When, in the model's time unit.
    assignments
        (variable, formula of its new value); none where a formula switches and nothing else happens.
    late
        Whether what is observed at that very time is still the state before.
    priority
        Of what happens at once, that with the highest comes first.
    from_trigger
        Whether new values are those of the state before everything that happens at once.
    switch
        Where trajectories differ in the time: the two formulas, straight lines in time, that are then equal.
    """

    time: float
    assignments: tuple[tuple[str, Tree], ...] = ()
    late: bool = False
    priority: float = 0.0
    from_trigger: bool = True
    switch: tuple[Tree, Tree] | None = None


def timetable(model: Model, end: float, varied: set[str]) -> tuple[Happening, ...]:
    """Return what happens up to `end`; what happens at the same time is in order.

    Parameters
    ----------
    model
        The model.
    end
        The last time, in the model's time unit.
    varied
        Names of quantities that differ from trajectory to trajectory.

    Raises
    ------
    ModelError
        An event is triggered by the state, or what varies decides when something happens and not along a straight line.
    """
    _require_known_times(model, varied)
    found = [*_switches(model, end, varied), *(Happening(time) for time in _jumps_of_steps(model, end, varied))]
    switches = tuple(sorted({h.time for h in found if h.switch is None}))
    found = [h for h in found if h.switch is not None] + [Happening(time) for time in switches]
    values = _Known(model)
    for event in model.events:
        found += _occurrences(event, model, values, switches, end)
    varying = [h for h in found if h.switch is not None]
    found = [h for h in found if h.switch is None]
    found.sort(key=lambda h: (h.time, bool(h.assignments), h.late, -h.priority))
    groups = groupby(found, key=lambda h: (h.time, bool(h.assignments), h.late))
    return (*varying, *(happening for _, group in groups for happening in _together(list(group), model)))


def _together(group: list[Happening], model: Model) -> list[Happening]:
    """What happens at once, in order; where all new values are those before, it is one happening."""
    if len({h.from_trigger for h in group}) > 1:
        raise ModelError(
            f"At time {group[0].time:g} several events of {model.source} happen at once, some with values before and "
            "some after the others. Try: sbml_hybrid.simulate, or the same useValuesFromTriggerTime for all."
        )
    if not group[0].from_trigger:
        return group
    return [replace(group[0], assignments=tuple(a for h in group for a in h.assignments))]


def times_of(
    happenings: tuple[Happening, ...], model: Model, varied: Mapping[str, Any], like: Any, end: float, xp: Any
) -> Any:
    """Return when each thing happens to each trajectory (trajectory, happening); before the start: never.

    Parameters
    ----------
    happenings
        What `timetable` gave.
    model
        The model.
    varied
        Name -> values (trajectory,) of what differs from trajectory to trajectory.
    like
        Some array (trajectory, 1).
    end
        The last time, in the model's time unit.
    xp
        The arrays.
    """
    start = InitialValues(model, varied, xp)

    def gap(switch: tuple[Tree, Tree], time: float) -> Any:
        def value(id: str) -> Any:
            rule = model.assignment_rules.get(id)
            return start[id] if rule is None else evaluate(rule, value, time=time, xp=xp)

        left, right = (evaluate(side, value, time=time, xp=xp) for side in switch)
        return xp.zeros_like(like) + xp.reshape(xp.subtract(left, right), (-1, 1))

    columns = []
    for happening in happenings:
        if happening.switch is None:
            columns.append(xp.zeros_like(like) + happening.time)
        else:
            first, last = gap(happening.switch, 0.0), gap(happening.switch, end)
            time = xp.divide(-first * end, last - first)
            columns.append(xp.where(xp.logical_and(xp.isfinite(time), time > 0.0), time, 0.0))
    return xp.concatenate(columns, axis=1)


def _switches(model: Model, end: float, varied: set[str]) -> list[Happening]:
    """Where comparisons of what is known beforehand switch."""
    found = []
    moving = moving_ids(model)
    for pair in comparisons(model):
        ids = {id for side in pair for id in _all_names(side, model)}
        if ids & moving:
            continue  # the state decides: the error of a step tells
        if not any(depends_on(model, id, varied) for id in ids):
            found += [Happening(time) for time in crossings(model, pair, end)]
        elif max(degree_in_time(side, model, moving) for side in pair) <= 1:
            found.append(Happening(0.0, switch=pair))
        else:
            deciding = sorted(name for name in varied if any(depends_on(model, id, {name}) for id in ids))
            raise ModelError(
                f"When {to_text(pair[0])} meets {to_text(pair[1])} in {model.source} depends on "
                f"{' and '.join(deciding)}, and not along a straight line in time. Try: leave those out of parameters."
            )
    return found


def _jumps_of_steps(model: Model, end: float, varied: set[str]) -> list[float]:
    """When floor, ceiling and the like of what is known beforehand jump."""
    values, moving = _Known(model), moving_ids(model)
    found: set[float] = set()
    for node in {node for tree in model.formulas for node in walk(tree)}:
        if not isinstance(node, Call) or node.operator not in STEPS or not depends_on_time(node, model):
            continue
        ids = _all_names(node, model)
        if ids & moving:
            continue  # the state decides: the error of a step tells
        deciding = sorted(name for name in varied if any(depends_on(model, id, {name}) for id in ids))
        if deciding:
            raise ModelError(
                f"When {to_text(node)} of {model.source} jumps depends on {' and '.join(deciding)}, which no gradient "
                "sees. Try: leave those out of parameters."
            )
        times = np.linspace(0.0, end, _LOOKS)
        seen = [values(node, time) for time in times]
        for low, high, before, after in zip(times, times[1:], seen, seen[1:], strict=False):
            if before != after:
                for _ in range(60):
                    middle = (low + high) / 2
                    low, high = (middle, high) if values(node, middle) == before else (low, middle)
                found.add(float(high))
    return sorted(found)


class _Known:
    """Values that depend on time and constants alone."""

    def __init__(self, model: Model) -> None:
        self.model, self.start = model, InitialValues(model)

    def __call__(self, tree: Tree, time: float) -> float:
        def value(id: str) -> Any:
            rule = self.model.assignment_rules.get(id)
            return self.start[id] if rule is None else evaluate(rule, value, time=time)

        return float(evaluate(self.model.written_out(tree), value, time=time))


def _occurrences(
    event: Event, model: Model, values: _Known, switches: tuple[float, ...], end: float
) -> list[Happening]:
    """When an event's trigger becomes true, and what it then does, after its delay."""
    edges = [0.0, *switches, end]
    between = [(a + b) / 2 for a, b in zip(edges, edges[1:], strict=False)]
    found = []
    before = event.initial_value
    for time, after in zip(edges, between, strict=False):
        at, later = bool(values(event.trigger, time)), bool(values(event.trigger, after))
        if at and not before:
            found.append((time, False))
        elif later and not at:
            found.append((time, True))
        before = later
    if not before and values(event.trigger, end):
        found.append((end, False))
    delay = 0.0 if event.delay is None else values(event.delay, 0.0)
    if delay > 0 and not event.persistent:
        raise _refused(event, model, "waits and may be called off")
    trees = [(target, model.written_out(tree)) for target, tree in event.assignments]
    if delay > 0 and event.from_trigger and any(_changes(tree, model) for _, tree in trees):
        raise _refused(event, model, "sets, after a delay, values from before it")
    priority = 0.0 if event.priority is None else values(event.priority, 0.0)
    assignments = tuple((_variable(target, model), _amount(target, tree, model)) for target, tree in trees)
    return [
        Happening(t + delay, assignments, late, priority, event.from_trigger) for t, late in found if t + delay <= end
    ]


def _changes(tree: Tree, model: Model) -> bool:
    moving = model.states + tuple(model.laws) + tuple(model.event_targets)
    return mentions_time(tree) or bool(_all_names(tree, model) & set(moving))


def _variable(target: str, model: Model) -> str:
    return amount_of(target) if isinstance(model.by_id.get(target), Species) else target


def _amount(target: str, tree: Tree, model: Model) -> Tree:
    part = model.by_id.get(target)
    if isinstance(part, Species) and not part.amount_in_formulas:
        return Call("times", (tree, Name(part.compartment)))
    return tree


def _require_known_times(model: Model, varied: set[str]) -> None:
    """Refuse events that the state, or what varies, triggers."""
    for event in model.events:
        for tree in (event.trigger, event.delay, event.priority):
            for id in _all_names(model.written_out(tree), model) if tree is not None else ():
                if id in model.states or id in model.laws or id in model.event_targets:
                    raise _refused(event, model, f"depends on {id}, which changes in time")
                if any(depends_on(model, id, {name}) for name in varied):
                    raise _refused(event, model, f"depends on {id}, which varies from trajectory to trajectory")


def _all_names(tree: Tree, model: Model) -> set[str]:
    found: set[str] = set()
    todo = [tree]
    while todo:
        for id in names(todo.pop()) - found:
            found.add(id)
            if id in model.assignment_rules:
                todo.append(model.assignment_rules[id])
    return found - model.assignment_rules.keys()


def _refused(event: Event, model: Model, why: str) -> ModelError:
    number = model.events.index(event) + 1
    return ModelError(
        f"Event {event.id or number!r} of {model.source} {why}; the differentiable simulation has events at known "
        "times only. Try: sbml_hybrid.simulate, or take the event out of the model."
    )


def with_event_targets(odes: Odes, happenings: tuple[Happening, ...]) -> Odes:
    """Return the equations with what events set among the states, at rest from one event to the next."""
    set_by_events = dict.fromkeys(variable for h in happenings for variable, _ in h.assignments)
    moved = [variable for variable in set_by_events if variable in odes.held]
    names_of = {v: v.removeprefix("amount(").removesuffix(")") for v in moved}
    return replace(
        odes,
        states=(*odes.states, *(names_of[v] for v in moved)),
        variables=(*odes.variables, *moved),
        held=tuple(v for v in odes.held if v not in moved),
        derivatives=(*odes.derivatives, *(Number(0.0) for _ in moved)),
    )

"""The gradient of accepted steps: from the last step to the first, each is taken again and differentiated.

No loop is differentiated, so a compiler sees two plain ones: that which finds the steps, and that which goes back. The
states between steps are kept; what a step computes on its way is not, or 1000 steps would fill the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.differentiation import pullback
from sbml_hybrid.hybrid.integration import Course, Schedule
from sbml_hybrid.hybrid.steps import Method, Step, System


def with_gradient(system: System, method: Method, start: Any, schedule: Schedule, course: Course) -> Any:
    """Return the states at the stops of a course, with a gradient.

    Parameters
    ----------
    system, method, start, schedule
        What the course was found with.
    course
        With the states after every step.

    Returns
    -------
    array (trajectory, stop, state)
        Where a stop was not reached, the last states that were. The gradient goes to the start, to the system's context
        and variables, and to the schedule's lengths, times, controls and doses.
    """
    xp = system.xp
    steps = _inputs(schedule, course, xp)
    path = course.path

    @xp.custom_gradient
    def travelled(steps: Any, start: Any, context: Any, *weights: Any) -> Any:
        given = [steps, start, context, *weights]
        return path, lambda upstream: _pulled_back(system, method, schedule, course, upstream, given)

    weights = [variable.value for variable in system.variables]
    path = travelled(steps, start, system.context, *weights)
    path = xp.concatenate([xp.transpose(start)[:, None], path], axis=1)
    arrived = xp.where(course.landed < xp.shape(steps)[0], course.landed + 1, course.taken[:, None])
    return xp.take_along_axis(path, arrived[:, :, None], axis=1)


def _inputs(schedule: Schedule, course: Course, xp: Any) -> Any:
    """What each step is given (step, quantity, trajectory), with a gradient.

    Its length, the time at its start, the number of the event at its end (-1 where it does not end at a stop), the time
    there, controls, and doses at its end.
    """
    steps, stops = xp.shape(course.lengths)[1], xp.shape(schedule.lengths)[1]
    at = xp.arange(steps, dtype="int32")[None, :, None]
    stop = xp.sum(xp.cast(course.landed[:, None, :] < at, "int32"), axis=2)
    last = xp.minimum(stop, stops - 1)
    lands = xp.logical_and(xp.take_along_axis(course.landed, last, axis=1) == at[:, :, 0], stop < stops)
    # The steps of an interval grow with it: its ratio to itself is 1, and has the gradient of when things happen.
    whole = xp.stop_gradient(schedule.lengths)
    ratio = xp.where(whole > 0, schedule.lengths / xp.where(whole > 0, whole, 1.0), 1.0)
    lengths = course.lengths * xp.take_along_axis(ratio, last, axis=1)
    ends = xp.cumsum(lengths, axis=1)
    number = xp.zeros_like(last) if schedule.events is None else xp.take_along_axis(schedule.events, last, axis=1)
    number = xp.cast(xp.where(lands, number, -1), lengths.dtype)
    times = xp.take_along_axis(schedule.times, last, axis=1)
    parts = [xp.stack([lengths, ends - lengths, number, times], axis=2)]
    for values in (schedule.controls, schedule.doses):
        if values is not None:
            parts.append(xp.take_along_axis(values, last[:, :, None], axis=1))
    return xp.transpose(xp.concatenate(parts, axis=2), (1, 2, 0))


def _taken(system: System, method: Method, schedule: Schedule, given: Any, state: Any, context: Any) -> Any:
    """Return the states (state, trajectory) after a step that is given (quantity, trajectory)."""
    xp = system.xp
    system = replace(system, context=context)
    count = 0 if schedule.controls is None else schedule.controls.shape[2]
    controls = given[4 : 4 + count] if count else None
    after, _ = method(system, Step(state, controls, given[1:2], given[:1]))
    if schedule.is_eventful:
        doses = None if schedule.doses is None else given[4 + count :]
        event = xp.cast(given[2], "int32")
        landed = schedule.landed(system, xp.maximum(event, 0), after, given[3:4], controls, doses)
        after = xp.where(event >= 0, landed, after)
    return after


def _pulled_back(
    system: System, method: Method, schedule: Schedule, course: Course, upstream: Any, given: Sequence[Any]
) -> tuple[Any, ...]:
    """What a gradient by the path (trajectory, step, state) is by the steps, the start, the context and the weights."""
    xp = system.xp
    steps, start, context, *weights = given
    befores = xp.concatenate([xp.transpose(start)[:, None], course.path], axis=1)
    last = xp.transpose(xp.take_along_axis(befores, course.taken[:, None, None], axis=1)[:, 0])

    def step(given: Any, state: Any, context: Any, *weights: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(system.variables, weights, strict=True))):
            return _taken(system, method, schedule, given, state, context)

    def back(i: Any, by_steps: Any, by_state: Any, *others: Any) -> tuple[Any, ...]:
        by_state = by_state + xp.transpose(xp.take(upstream, i, axis=1))
        moved = i < course.taken  # behind its last step a trajectory stands still
        before = xp.where(moved, xp.transpose(xp.take(befores, i, axis=1)), last)
        arguments = (xp.take(steps, i, axis=0), before, context, *weights)
        _, by = pullback(step, arguments, xp.where(moved, by_state, 0.0))
        by_steps = xp.scatter_update(by_steps, xp.reshape(i, (1, 1)), by[0][None])
        others = tuple(total + more for total, more in zip(others, by[2:], strict=True))
        return i - 1, by_steps, xp.where(moved, by[1], by_state), *others

    begin = (xp.max(course.taken) - 1, *(xp.zeros_like(x) for x in (steps, start, context, *weights)))
    return xp.while_loop(lambda i, *_: i >= 0, back, begin)[1:]

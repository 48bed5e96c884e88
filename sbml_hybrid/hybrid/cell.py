"""The accepted steps as a recurrent network, so that what comes out has a gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.integration import Course, Schedule
from sbml_hybrid.hybrid.steps import Method, Step, System

Traced = Callable[[System, Step], Any]


class Cell(keras.layers.Layer):
    """One accepted step of every trajectory.

    Its state is that of the system (trajectory, state). Its input is, for each step, the length, the time at its start,
    the number of the stop it ends at (-1 for none), the controls, and the doses at its end.

    Parameters
    ----------
    system, method, schedule
        What is integrated, how, and what happens at stops.
    """

    def __init__(self, system: System, method: Method, schedule: Schedule) -> None:
        super().__init__(dtype=system.context.dtype, autocast=False)
        self._step = (system, method, schedule)
        self.state_size = self.output_size = len(system.field.states)

    def call(self, step: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Return the states after the step."""
        # What a step computes on its way is computed again for its gradient, or 1000 steps would fill the memory.
        system = self._step[0]
        weights = [variable.value for variable in system.variables]
        # TensorFlow's compiler takes no gradient of an array without rows.
        held = [system.context] if system.context.shape[0] else []
        after = keras.remat(self._taken)(step, states[0], *held, *weights)
        return after, [after]

    def _taken(self, step: Any, state: Any, *given: Any) -> Any:
        """The step as a function of all that has a gradient."""
        context, *weights = given if self._step[0].context.shape[0] else (self._step[0].context, *given)
        with keras.StatelessScope(state_mapping=list(zip(self._step[0].variables, weights, strict=True))):
            return self._stepped(step, state, context)

    def _stepped(self, step: Any, state: Any, context: Any) -> Any:
        system, method, schedule = self._step
        system = replace(system, context=context)
        xp = system.xp
        x, step = xp.transpose(state), xp.transpose(step)
        count = 0 if schedule.controls is None else schedule.controls.shape[2]
        after, _ = method(system, Step(x, step[3 : 3 + count] if count else None, step[1:2], step[:1]))
        if schedule.is_eventful:
            stop = xp.cast(step[2], "int32")
            doses = None if schedule.doses is None else step[3 + count :]
            after = xp.where(stop >= 0, schedule.landed(system, xp.maximum(stop, 0), after, doses), after)
        return xp.transpose(after)


def taken(system: System, method: Method, start: Any, schedule: Schedule, course: Course) -> Any:
    """Take the steps of `course` again, with a gradient.

    Returns
    -------
    array (trajectory, stop, state)
        The states at the stops; where a stop was not reached, the last states that were.
    """
    xp = system.xp
    lengths = course.lengths
    steps = lengths.shape[1]
    at = xp.arange(steps, dtype="int32")[None, :, None]
    stop = xp.sum(xp.cast(course.landed[:, None, :] < at, "int32"), axis=2)
    stops = schedule.lengths.shape[1]
    last = xp.minimum(stop, stops - 1)
    lands = xp.logical_and(xp.take_along_axis(course.landed, last, axis=1) == at[:, :, 0], stop < stops)
    # The steps of an interval grow with it: its ratio to itself is 1, and has the gradient of when things happen.
    whole = xp.stop_gradient(schedule.lengths)
    ratio = xp.where(whole > 0, schedule.lengths / xp.where(whole > 0, whole, 1.0), 1.0)
    lengths = lengths * xp.take_along_axis(ratio, last, axis=1)
    ends = xp.cumsum(lengths, axis=1)
    number = xp.cast(xp.where(lands, stop, -1), lengths.dtype)
    parts = [xp.stack([lengths, ends - lengths, number], axis=2)]
    for values in (schedule.controls, schedule.doses):
        if values is not None:
            parts.append(xp.take_along_axis(values, last[:, :, None], axis=1))
    inputs = xp.concatenate(parts, axis=2)
    cell = Cell(system, method, schedule)
    path = keras.layers.RNN(cell, return_sequences=True, dtype=lengths.dtype)(
        inputs, initial_state=[xp.transpose(start)]
    )
    reached = xp.minimum(course.landed, steps - 1)
    return xp.take_along_axis(path, reached[:, :, None], axis=1)

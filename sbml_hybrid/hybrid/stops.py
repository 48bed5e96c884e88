"""Where trajectories stop: at the times that are asked for, where formulas switch, and at events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.hybrid.integration import Schedule
from sbml_hybrid.hybrid.plan import Plan
from sbml_hybrid.hybrid.steps import System
from sbml_hybrid.hybrid.timetable import times_of
from sbml_hybrid.hybrid.varied import Varied


@dataclass(frozen=True, eq=False)
class Stops:
    """The stops of a batch of trajectories.

    Parameters
    ----------
    schedule
        For the solver.
    asked
        Which stop each time that was asked for is (trajectory, time); None where they are all the stops there are.
    """

    schedule: Schedule
    asked: Any

    def pick(self, values: Any, xp: Any) -> Any:
        """Return those of `values` (trajectory, stop, quantity) at the times that were asked for."""
        return values if self.asked is None else xp.take_along_axis(values, self.asked[:, :, None], axis=1)

    def reached(self, count: Any, times: int, xp: Any) -> Any:
        """Return whether each time was reached (trajectory, time), given how many stops were (trajectory,)."""
        asked = xp.arange(times, dtype="int32")[None] if self.asked is None else self.asked
        return asked < count[:, None]


def stops_of(plan: Plan, varied: Varied, times: Any, controls: Any, doses: Any, xp: Any) -> Stops:
    """Return where trajectories stop.

    Parameters
    ----------
    plan
        What is simulated.
    varied
        Name -> values (trajectory,) of what differs from trajectory to trajectory.
    times
        The times that are asked for (trajectory, time), not decreasing.
    controls
        What the controls are from each time to the next, and the first of them before (trajectory, time, control);
        None without controls.
    doses
        What is added at each time (trajectory, time, dosed species); None without doses.
    xp
        The arrays.
    """
    dosed = np.array([plan.odes.variables.index(f"amount({name})") for name in plan.doses], dtype=int)
    if not plan.happenings:
        lengths = xp.concatenate([times[:, :1], times[:, 1:] - times[:, :-1]], axis=1)
        before = None if controls is None else xp.concatenate([controls[:, :1], controls[:, :-1]], axis=1)
        return Stops(Schedule(lengths, times, before, doses, dosed), None)
    happen = times_of(plan.happenings, plan.model, varied, times[:, :1], plan.end, xp)
    late = np.array([h.late for h in plan.happenings])[None, None]
    # An event at the very time of an observation comes first, unless its trigger becomes true just after.
    moment = happen[:, None]
    comes_first = xp.where(late, moment < times[:, :, None], moment <= times[:, :, None])
    count, others = xp.shape(times)[1], len(plan.happenings)
    asked = xp.arange(count, dtype="int32")[None] + xp.sum(xp.cast(comes_first, "int32"), axis=2)
    earlier = np.tri(others, k=-1, dtype=bool)[None]  # of two at the same time, the one that stands first
    rank = xp.where(earlier, happen[:, None] <= happen[:, :, None], happen[:, None] < happen[:, :, None])
    own = xp.sum(xp.cast(rank, "int32"), axis=2) + xp.sum(xp.cast(xp.logical_not(comes_first), "int32"), axis=1)
    place = xp.concatenate([asked, own], axis=1)
    order = xp.argsort(place, axis=1)  # places differ, so there are no ties
    at = xp.take_along_axis(xp.concatenate([times, xp.minimum(happen, times[:, -1:])], axis=1), order, axis=1)
    lengths = xp.maximum(at - xp.concatenate([xp.zeros_like(at[:, :1]), at[:, :-1]], axis=1), 0.0)
    is_asked = order < count
    before = None
    if controls is not None:
        passed = xp.cumsum(xp.cast(is_asked, "int32"), axis=1) - xp.cast(is_asked, "int32")
        before = xp.take_along_axis(controls, xp.maximum(passed - 1, 0)[:, :, None], axis=1)
    if doses is not None:
        here = xp.take_along_axis(doses, xp.minimum(order, count - 1)[:, :, None], axis=1)
        doses = xp.where(is_asked[:, :, None], here, 0.0)
    return Stops(Schedule(lengths, at, before, doses, dosed, *_events(plan, order, count, xp)), asked)


def _events(plan: Plan, order: Any, count: int, xp: Any) -> tuple[Any, Any]:
    """The number of the event at each stop, and what events do; see `Schedule`."""
    found = plan.assignments()
    if found is None:
        return None, None
    field, table = found
    number_of = np.array([plan.events.index(h) + 1 if h.assignments else 0 for h in plan.happenings], dtype="int32")
    numbers = xp.concatenate([xp.zeros((count,), dtype="int32"), xp.convert_to_tensor(number_of)], axis=0)

    def jump(event: Any, state: Any, time: Any, controls: Any, system: System) -> Any:
        still = field.context(system.context[: len(field.given)], xp)  # the solver's begins with what is given, too
        rows = xp.transpose(field.at(state, still, controls, time, time, xp, system.learned).rows)
        chosen = xp.take(xp.convert_to_tensor(table, dtype="int32"), event, axis=0)
        return xp.transpose(xp.take_along_axis(rows, chosen, axis=1))

    return xp.take(numbers, order, axis=0), jump

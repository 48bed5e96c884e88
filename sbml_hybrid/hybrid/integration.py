"""Many trajectories at once, each with steps of its own.

Finding steps is a loop that tries, measures the error and accepts or refuses, until every trajectory
has arrived. It has no gradient: that is of the accepted steps alone (`adjoint`), so no refused step, and
no overflow in one, can spoil it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sbml_hybrid.hybrid.steps import Method, Step, System

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 5.0
_ATTEMPTS = 3  # for each step that may be accepted
_REFUSED = 1e10  # the error of a step that is not a number

Jump = Callable[[Any, Any, Any, Any, System], Any]


@dataclass(frozen=True, eq=False)
class Schedule:
    """When trajectories stop, and what happens there.

    Parameters
    ----------
    lengths
        Times from one stop to the next, the first from the start (trajectory, stop).
    times
        Of the stops (trajectory, stop).
    controls
        Values from the stop before to this one (trajectory, stop, control); None without controls.
    doses
        What is added at a stop (trajectory, stop, dosed state); None where nothing ever is.
    dosed
        Which states the doses are added to (dosed state,).
    events
        The number of the event at a stop, 0 for none (trajectory, stop); None where no event ever happens.
    jump
        The number of an event (trajectory,), states there (state, trajectory), time (1, trajectory), controls before
        it (control, trajectory) and the system -> the states after the event.
    """

    lengths: Any
    times: Any
    controls: Any = None
    doses: Any = None
    dosed: Any = ()
    events: Any = None
    jump: Jump | None = None

    def landed(self, system: System, event: Any, state: Any, time: Any, controls: Any, doses: Any) -> Any:
        """Return the states (state, trajectory) after what happens at a stop; see `jump`, and with doses."""
        if self.jump is not None:
            state = self.jump(event, state, time, controls, system)
        if doses is not None:
            state = state + system.xp.segment_sum(doses, self.dosed, num_segments=state.shape[0])
        return state

    def still(self, xp: Any) -> Schedule:
        """Return the schedule without a gradient."""
        controls, doses = (None if part is None else xp.stop_gradient(part) for part in (self.controls, self.doses))
        lengths, times = xp.stop_gradient(self.lengths), xp.stop_gradient(self.times)
        return replace(self, lengths=lengths, times=times, controls=controls, doses=doses)

    @property
    def is_eventful(self) -> bool:
        """Whether anything happens at stops."""
        return self.jump is not None or self.doses is not None


@dataclass(frozen=True, eq=False)
class Tolerance:
    """How large the error of one step may be: absolute (state, 1), plus relative times the state."""

    absolute: Any
    relative: float


@dataclass(frozen=True, eq=False)
class Course:
    """What the steps were.

    Parameters
    ----------
    states
        At every stop (trajectory, stop, state); where a stop was not reached, the last states that were. None where
        the path is kept.
    reached
        How many stops each trajectory reached (trajectory,).
    lengths
        Of the accepted steps, 0 after the last (trajectory, step).
    landed
        Which step ended at each stop; the first that was not taken, where the stop was not reached (trajectory, stop).
    taken, tried
        Accepted steps (trajectory,), and attempts of the trajectory that needed most.
    path
        The states after each step (trajectory, step, state), if it was asked to be kept.
    """

    states: Any
    reached: Any
    lengths: Any
    landed: Any
    taken: Any
    tried: Any
    path: Any = None


def find(
    system: System,
    method: Method,
    start: Any,
    schedule: Schedule,
    tolerance: Tolerance,
    steps: int,
    keeps_path: bool = False,
) -> Course:
    """Find the steps of every trajectory.

    Parameters
    ----------
    system, method
        What is integrated, and how.
    start
        States at the start (state, trajectory).
    schedule
        When to stop.
    tolerance
        How large the error of a step may be.
    steps
        How many accepted steps a trajectory may take. One that needs more ends where it is.
    keeps_path
        Whether to keep the states after every step, and not those at stops alone.

    Returns
    -------
    Course
        Without a gradient.
    """
    xp = system.xp
    batch, stops = xp.shape(schedule.lengths)
    states = start.shape[0]
    whole = xp.arange(batch, dtype="int32")
    places = steps if keeps_path else stops

    def tried(i, x, since, h, stop, taken, kept, lengths, landed):
        length, begun, controls = _interval(schedule, begins, stop, xp)
        left = length - since
        lands = h >= 0.99 * left
        used = xp.where(lands, left, xp.where(h > 0.5 * left, 0.5 * left, h))
        active = _active(stop, taken, h)
        used = xp.where(active, used, 0.0)
        step = Step(x, controls, (begun + since)[None], used[None])
        after, error = method(system, step)
        size = xp.maximum(xp.abs(x), xp.abs(after))
        norm = xp.max(xp.abs(error) / (tolerance.absolute + tolerance.relative * size), axis=0)
        norm = xp.where(xp.isfinite(norm), norm, _REFUSED)
        accepted = xp.logical_and(norm <= 1.0, active)
        factor = xp.clip(_SAFETY * xp.maximum(norm, 1e-10) ** (-1.0 / method.error_order), _SHRINK, _GROW)
        wished = used * factor
        wished = xp.where(xp.logical_and(accepted, used < h), xp.maximum(wished, h), wished)
        h = xp.where(active, xp.where(accepted, wished, xp.minimum(wished, 0.9 * used)), h)
        x = xp.where(accepted, after, x)
        landing = xp.logical_and(accepted, lands)
        since = xp.where(landing, 0.0, xp.where(accepted, since + used, since))
        if schedule.is_eventful:
            x = xp.where(landing, _landed(schedule, system, stop, x, controls), x)
        place = xp.where(accepted, taken, places) if keeps_path else xp.where(landing, stop, places)
        kept = _put(kept, whole, place, xp.transpose(x), xp)
        lengths = _put(lengths, whole, xp.where(accepted, taken, steps), used, xp)
        landed = _put(landed, whole, xp.where(landing, stop, stops), taken, xp)
        stop = stop + xp.cast(landing, "int32")
        taken = taken + xp.cast(accepted, "int32")
        return i + 1, x, since, h, stop, taken, kept, lengths, landed

    def _active(stop, taken, h):
        return xp.logical_and(xp.logical_and(stop < stops, taken < steps), h > smallest)

    def going(i, x, since, h, stop, taken, *_):
        return xp.logical_and(i < _ATTEMPTS * steps, xp.any(_active(stop, taken, h)))

    begins = xp.cumsum(schedule.lengths, axis=1) - schedule.lengths
    span = xp.sum(schedule.lengths, axis=1)
    span = xp.where(span > 0, span, xp.ones_like(span))  # one that ends where it begins has a step too, of length 0
    smallest = 1e-18 * span
    none = xp.zeros_like(whole)
    begin = (
        0,
        start,
        xp.zeros_like(span),
        _first(system, start, schedule, tolerance, span),
        none,
        none,
        xp.zeros((batch, places + 1, states), dtype=start.dtype),
        xp.zeros((batch, steps + 1), dtype=start.dtype),
        xp.full((batch, stops + 1), steps, dtype="int32"),
    )
    i, last, _, _, stop, taken, kept, lengths, landed = xp.while_loop(going, tried, begin)
    lengths, landed, kept = lengths[:, :steps], landed[:, :stops], kept[:, :places]
    if keeps_path:
        return Course(None, stop, lengths, landed, taken, i, kept)
    there = xp.arange(stops, dtype="int32")[None, :, None] < stop[:, None, None]
    return Course(xp.where(there, kept, xp.transpose(last)[:, None]), stop, lengths, landed, taken, i)


def _landed(schedule: Schedule, system: System, stop: Any, state: Any, controls: Any) -> Any:
    """The states after what happens at each one's stop."""
    xp = system.xp
    at = xp.minimum(stop, xp.shape(schedule.times)[1] - 1)[:, None]
    event = None if schedule.events is None else xp.take_along_axis(schedule.events, at, axis=1)[:, 0]
    time = xp.transpose(xp.take_along_axis(schedule.times, at, axis=1))
    return schedule.landed(system, event, state, time, controls, at_stop(schedule.doses, stop, xp))


def _put(into: Any, rows: Any, columns: Any, values: Any, xp: Any) -> Any:
    """Each trajectory's value at a place of its own; what is put at the last place is never read."""
    return xp.scatter_update(into, xp.stack([rows, columns], axis=1), values)


def _interval(schedule: Schedule, begins: Any, stop: Any, xp: Any) -> tuple[Any, Any, Any]:
    """The length of the interval that each trajectory is in, when it began (trajectory,), and its controls."""
    at = xp.minimum(stop, xp.shape(begins)[1] - 1)[:, None]
    length = xp.take_along_axis(schedule.lengths, at, axis=1)[:, 0]
    begun = xp.take_along_axis(begins, at, axis=1)[:, 0]
    return length, begun, at_stop(schedule.controls, stop, xp)


def at_stop(values: Any, stop: Any, xp: Any) -> Any:
    """Return the values (quantity, trajectory) at each one's stop, from all (trajectory, stop, quantity) or None."""
    if values is None:
        return None
    at = xp.minimum(stop, xp.shape(values)[1] - 1)[:, None, None]
    return xp.transpose(xp.take_along_axis(values, at, axis=1)[:, 0])


def _first(system: System, start: Any, schedule: Schedule, tolerance: Tolerance, span: Any) -> Any:
    """A first step so short that the state hardly moves, in units of what it may be wrong by."""
    xp = system.xp
    controls = at_stop(schedule.controls, xp.zeros_like(xp.cast(span, "int32")), xp)
    time = xp.zeros_like(span)[None]
    slopes = system.slopes(start, controls, time, time + 1e-9 * span[None])
    allowed = tolerance.absolute + tolerance.relative * xp.abs(start)
    speed = xp.max(xp.abs(slopes) / allowed, axis=0)
    speed = xp.where(xp.isfinite(speed), speed, _REFUSED)
    return xp.minimum(1.0 / xp.maximum(speed, 1e-30), 0.01 * span) + 1e-17 * span

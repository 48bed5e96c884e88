"""One step of a solver, for every trajectory at its own time and length: implicit and explicit.

Arrays hold one row per state and one column per trajectory. A step of length 0 changes nothing, so
that trajectories which have arrived can wait for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sbml_hybrid.hybrid.elimination import Elimination
from sbml_hybrid.mechanism.field import Field, Learned, Point
from sbml_hybrid.mechanism.jacobian import Jacobian


@dataclass(frozen=True, eq=False)
class Method:
    """A solver's way to step.

    Parameters
    ----------
    name
        What it is called.
    order
        Of the step that is taken. That of the error is one more than the embedded step's, `error_order`.
    stages
        How often a step evaluates the right-hand side.
    floor
        Below this share of its range a state's error is absolute, above it relative to the state.
    """

    name: str
    order: int
    error_order: int
    stages: int
    floor: float = 1.0


@dataclass(frozen=True, eq=False)
class System:
    """What is integrated: a field, and what else computes in it.

    Parameters
    ----------
    field
        The right-hand side.
    xp
        The arrays.
    context
        The field's rows that stand still (quantity, trajectory).
    learned
        What answers at the field's sites.
    variables
        The Keras variables that `learned` uses.
    """

    field: Field
    xp: Any
    context: Any
    learned: Learned | None = None
    variables: tuple[Any, ...] = ()

    def at(self, state: Any, controls: Any, time: Any, moment: Any, slopes: bool = False) -> Point:
        """Evaluate the right-hand side; see `Field.at`."""
        return self.field.at(state, self.context, controls, time, moment, self.xp, self.learned, slopes)

    def slopes(self, state: Any, controls: Any, time: Any, moment: Any) -> Any:
        """Return the derivatives of the states (state, trajectory)."""
        return self.field.slopes(self.at(state, controls, time, moment), self.xp)


@dataclass(frozen=True, eq=False)
class Step:
    """Where a step starts: state (state, trajectory), controls (control, trajectory); time, length (1, trajectory)."""

    state: Any
    controls: Any
    time: Any
    length: Any

    @property
    def moment(self) -> Any:
        """The time within the step at which conditions are decided: nothing switches within a step."""
        return self.time + 0.5 * self.length


class Rosenbrock(Method):
    """ROS34PW2, a Rosenbrock-W method of order 3: four stages, one Jacobian, L-stable [1]_.

    Its order holds with any Jacobian, so what a network adds may be left out of it. Its gradient is that of the step,
    the slopes of networks apart, which are held: an error no larger than the step's own.

    References
    ----------
    .. [1] Rang and Angermann, BIT Numerical Mathematics 45 (2005) 761, doi:10.1007/s10543-005-0035-y.
    """

    def __init__(self, field: Field) -> None:
        super().__init__("ROS34PW2", order=3, error_order=3, stages=4)
        object.__setattr__(self, "jacobian", Jacobian(field))

    @cached_property
    def plan(self) -> Elimination:
        """How the linear systems are solved."""
        return Elimination(self.jacobian.pattern)

    @cached_property
    def _places(self) -> np.ndarray:
        return self.plan.index(self.jacobian.rows, self.jacobian.columns)

    @cached_property
    def _diagonal(self) -> np.ndarray:
        return (self.plan.rows == self.plan.columns).astype(float)[:, None]

    def __call__(self, system: System, step: Step) -> tuple[Any, Any]:
        """Return the states after the step, and an estimate of their error, both (state, trajectory)."""
        xp, h, plan = system.xp, step.length, self.plan
        moment = step.moment
        point = system.at(step.state, step.controls, step.time, moment, slopes=True)
        entries = self.jacobian.entries(point, xp)
        filled = xp.segment_sum(entries, self._places, num_segments=len(plan.rows))
        diagonal = xp.convert_to_tensor(self._diagonal, dtype=filled.dtype)
        solve = plan.solver(diagonal - h * _GAMMA * filled, xp)
        slopes, found = system.field.slopes(point, xp), []
        for i in range(4):
            if i:
                at = _combined(step.state, _STAGES[i], found)
                slopes = system.slopes(at, step.controls, step.time + _OFFSETS[i] * h, moment)
            right_side = _combined(_GAMMA * h * slopes, _COUPLINGS[i], found)
            found.append(solve(right_side))
        return _combined(step.state, _WEIGHTS, found), _combined(None, _ERRORS, found)


class DormandPrince(Method):
    """The explicit Runge-Kutta method of order 5 of Dormand and Prince, with its error of order 4 [1]_.

    References
    ----------
    .. [1] Dormand and Prince, Journal of Computational and Applied Mathematics 6 (1980) 19,
       doi:10.1016/0771-050X(80)90013-3.
    """

    def __init__(self) -> None:
        # A state that has all but vanished must not come out of its region of stability: its own error would be within
        # an absolute tolerance, but its derivative by a rate constant would not.
        super().__init__("Dormand-Prince", order=5, error_order=5, stages=7, floor=0.01)

    def __call__(self, system: System, step: Step) -> tuple[Any, Any]:
        """Return the states after the step, and an estimate of their error, both (state, trajectory)."""
        h, moment = step.length, step.moment
        found: list[Any] = []
        at = step.state
        for weights in (*_TABLE, None):
            time = step.time + float(sum(_TABLE[len(found) - 1])) * h if found else step.time
            found.append(h * system.slopes(at, step.controls, time, moment))
            if weights is not None:
                at = _combined(step.state, weights, found)
        return at, _combined(None, _EMBEDDED, found)


def _combined(start: Any, weights: Any, parts: list[Any]) -> Any:
    """A sum of weighted parts, beginning with `start` if there is one; weights of 0 cost nothing."""
    for weight, part in zip(weights, parts, strict=False):
        if weight != 0:
            start = float(weight) * part if start is None else start + float(weight) * part
    return start


# ROS34PW2 as published: stages at state + ALPHA k, with (1 - h g J) k = h f + h J COUPLING k.
_GAMMA = 4.3586652150845900e-01
_ALPHA = np.array(
    [
        [0.0, 0.0, 0.0, 0.0],
        [8.7173304301691801e-01, 0.0, 0.0, 0.0],
        [8.4457060015369423e-01, -1.1299064236484185e-01, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ]
)
_COUPLING = np.array(
    [
        [0.0, 0.0, 0.0, 0.0],
        [-8.7173304301691801e-01, 0.0, 0.0, 0.0],
        [-9.0338057013044082e-01, 5.4180672388095326e-02, 0.0, 0.0],
        [2.4212380706095346e-01, -1.2232505839045147e00, 5.4526025533510214e-01, 0.0],
    ]
)
_B = np.array([2.4212380706095346e-01, -1.2232505839045147e00, 1.5452602553351020e00, 4.3586652150845900e-01])
_B_EMBEDDED = np.array([3.7810903145819369e-01, -9.6042292212423178e-02, 5.0e-01, 2.1793326075422950e-01])

# With u = (g + COUPLING) k no product with J is left (Hairer and Wanner, Solving Ordinary Differential Equations
# II, IV.7).
_INVERSE = np.linalg.inv(_GAMMA * np.eye(4) + _COUPLING)
_STAGES = _ALPHA @ _INVERSE
_OFFSETS = _ALPHA.sum(axis=1)
_COUPLINGS = -_GAMMA * np.tril(_INVERSE, -1)
_WEIGHTS = _B @ _INVERSE
_ERRORS = (_B - _B_EMBEDDED) @ _INVERSE

_TABLE = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_EMBEDDED = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)

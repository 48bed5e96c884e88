"""Kinds of run: how one trajectory comes about once its draw is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np

from sbml_hybrid.errors import is_number, unknown_name
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.solver import LADDER, Outcome, Rung, Solver


@dataclass(frozen=True)
class Start:
    """What a draw sets: (id, value) before the model computes its start, and (selection, value) after."""

    varied: Sequence[tuple[str, float]]
    dependent: Sequence[tuple[str, float]]


class Run(Protocol):
    """A kind of run.

    `integrator` is libroadrunner's word for what computes it, and `rungs` names the settings that it tries in turn.
    """

    integrator: ClassVar[str]

    @property
    def rungs(self) -> tuple[str, ...]:
        """The names of the settings."""
        ...

    def prepared(self, model: Model) -> Model:
        """Return the model that is compiled in place of `model`."""
        ...

    def given(self, model: Model, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the drawn values (row,) as the prepared model means them."""
        ...

    def trajectory(
        self,
        solver: Solver,
        start: Start,
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        label: int,
    ) -> Outcome:
        """Compute one trajectory on `grid`, whose first time is 0; `label` is the trajectory's own."""
        ...


@dataclass(frozen=True)
class Deterministic:
    """The ordinary differential equations, solved by CVODE.

    Parameters
    ----------
    relative
        CVODE's relative tolerance; the absolute one is a ten thousandth of it. 1e-12 makes a reference to judge others
        by, in two to four times the time. Where CVODE does not get there, the tolerances by default serve, and
        `rung` says so.

    Raises
    ------
    ValueError
        The tolerance is not between 1e-13 and 1e-3.
    """

    relative: float = LADDER[0].relative
    integrator: ClassVar[str] = "cvode"

    def __post_init__(self) -> None:
        if not (is_number(self.relative) and 1e-13 <= self.relative <= 1e-3):
            raise ValueError(f"relative must be from 1e-13 to 1e-3, got {self.relative!r}. Try: 1e-12 for a reference.")

    @property
    def ladder(self) -> tuple[Rung, ...]:
        """The ways to run CVODE that are tried in turn."""
        if self.relative == LADDER[0].relative:
            return LADDER
        asked = Rung("as_asked", self.relative, 1e-4 * self.relative, scaled=True)
        return (asked, *LADDER)

    @property
    def rungs(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(rung.name for rung in self.ladder)

    def prepared(self, model: Model) -> Model:
        """Return the model as it is."""
        return model

    def given(self, model: Model, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the drawn values as they are."""
        return given

    def trajectory(
        self,
        solver: Solver,
        start: Start,
        grid: np.ndarray,
        switches: Sequence[float],
        selections: list[str],
        label: int,
    ) -> Outcome:
        """Solve by the first rung of the ladder that serves."""
        return solver.run(start.varied, start.dependent, grid, switches, selections, ladder=self.ladder)


def to_dict(run: Run) -> dict[str, Any]:
    """Return a kind of run as plain values: its kind and its numbers."""
    return {"kind": type(run).__name__, **{field.name: _plain(getattr(run, field.name)) for field in fields(run)}}


def run_from_dict(said: Mapping[str, Any]) -> Run:
    """Return the kind of run that `to_dict` described, such as ``{"kind": "Gillespie", "volume": 100}``.

    Raises
    ------
    UnknownName
        There is no such kind of run, or it has no such number.
    ValueError
        A number is missing or out of range.
    """
    from sbml_hybrid.simulation.gillespie import Gillespie
    from sbml_hybrid.simulation.process_noise import ProcessNoise
    from sbml_hybrid.simulation.steady import SteadyState

    kinds = {kind.__name__: kind for kind in (Deterministic, Gillespie, ProcessNoise, SteadyState)}
    if "kind" not in said:
        raise ValueError(f"The run {dict(said)} needs its kind, one of {', '.join(kinds)}.")
    name = next((k for k in kinds if k.lower() == str(said["kind"]).lower()), None)
    if name is None:
        raise unknown_name("kind of run", str(said["kind"]), kinds, "run")
    numbers = {key: value for key, value in said.items() if key != "kind"}
    known = [field.name for field in fields(kinds[name])]
    for key in numbers:
        if key not in known:
            raise unknown_name("setting", key, known, name)
    lacking = [f.name for f in fields(kinds[name]) if f.default is MISSING and f.name not in numbers]
    if lacking:
        raise ValueError(f"{name} needs {' and '.join(lacking)}. It takes {', '.join(known)}.")
    return kinds[name](**numbers)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value  # NumPy's numbers are not JSON's

"""Kinds of run: how one trajectory comes about once its draw is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.solver import Outcome, Solver


@dataclass(frozen=True)
class Start:
    """What a draw sets: (id, value) before the model computes its start, and (selection, value) after."""

    varied: Sequence[tuple[str, float]]
    dependent: Sequence[tuple[str, float]]


class Run(Protocol):
    """A kind of run."""

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
    """The ordinary differential equations, solved by CVODE."""

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
        return solver.run(start.varied, start.dependent, grid, switches, selections)


def to_dict(run: Run) -> dict[str, Any]:
    """Return a kind of run as plain values: its kind and its numbers."""
    return {"kind": type(run).__name__, **asdict(run)}

"""What a trajectory begins with: the values of its draw, and the steady state that the model was in before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import as_column
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import quantity_id
from sbml_hybrid.simulation.runs import Start
from sbml_hybrid.simulation.settings import start_settings
from sbml_hybrid.simulation.solver import NOT_EQUILIBRATED, OK, Outcome, Solver

if TYPE_CHECKING:
    from sbml_hybrid.simulation.rows import Rows
    from sbml_hybrid.simulation.runs import Run


class Starts:
    """What the draws of some rows set, one `Start` for each.

    Parameters
    ----------
    model
        The model.
    given
        Name of a varied quantity -> its values (row,).
    n
        How many rows there are.
    """

    def __init__(self, model: Model, given: Mapping[str, np.ndarray], n: int) -> None:
        settings = start_settings(model, given)
        self._varied, self._dependent = ([(id, as_column(v, n).tolist()) for id, v in pairs] for pairs in settings)

    def __getitem__(self, row: int) -> Start:
        return Start([(id, v[row]) for id, v in self._varied], [(id, v[row]) for id, v in self._dependent])


def require_rest(model: Model, run: Run, condition: str) -> None:
    """Refuse, before any work begins, a condition that is to begin at a steady state where there can be none.

    Raises
    ------
    ModelError
        The rates of the model, as the run prepared it, depend on time; or molecules react at random.
    """
    from sbml_hybrid.simulation.equilibrium import balance_of

    where = f"Condition {condition!r} begins at a steady state (before)"
    if run.integrator != "cvode":
        raise ModelError(
            f"{where}, and molecules that react at random never come to rest. Try: no before, and output times that "
            "begin once the model has settled."
        )
    try:
        balance_of(model)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


class Rest:
    """The steady states in which the trajectories of some rows begin.

    Parameters
    ----------
    model
        The model as the run prepared it.
    run
        The kind of run, which says what the drawn values mean.
    rows
        The rows, with their `before`.
    """

    def __init__(self, model: Model, run: Run, rows: Rows) -> None:
        self.names, self.values, self.before = rows.names, rows.values, rows.before
        self.rests = ~np.isnan(rows.before).any(axis=1)
        before = np.where(self.rests[:, None], rows.before, rows.values)
        given = run.given(model, {name: before[:, i] for i, name in enumerate(rows.names)})
        self._starts = Starts(model, given, len(rows))
        self._last: tuple[bytes, Any] = (b"", None)

    def start(self, solver: Solver, row: int, own: Start) -> tuple[Start, Outcome | None]:
        """Return where a row's trajectory begins; or, second, what there is to say if it comes to no rest before.

        Its states are those of the steady state, apart from the initial values that the row sets otherwise
        than `before` does; so is what events have changed since, apart from what the row sets.
        """
        if not self.rests[row]:
            return own, None
        found = self._found(solver, row)
        if found.status != OK:
            reason = f"no steady state to begin in: {found.reason}"
            return own, Outcome(None, NOT_EQUILIBRATED, found.rung, reason)
        changed = {
            quantity_id(name)
            for i, name in enumerate(self.names)
            if quantity_id(name) == name or self.values[row, i] != self.before[row, i]
        }
        states = [(id, value) for id, value in found.state.items() if id not in changed]
        kept = [(s, value) for s, value in own.dependent if s.strip("[]") not in dict(states)]
        return Start(own.varied, [*kept, *states]), None

    def _found(self, solver: Solver, row: int) -> Any:
        """The steady state of a row; conditions of one draw often share it."""
        from sbml_hybrid.simulation.equilibrium import equilibrium

        key = self.before[row].tobytes()
        if self._last[0] != key:
            self._last = key, equilibrium(solver, self._starts[row])
        return self._last[1]

"""The rows of a dataset to be: which trajectory takes which values, given piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import check_names
from sbml_hybrid.simulation.conditions import Condition
from sbml_hybrid.simulation.protocol import Protocol, protocol_of


@dataclass(frozen=True, eq=False)
class Rows:
    """Some trajectories that one worker computes.

    Parameters
    ----------
    labels, draws
        Of each trajectory (row,).
    names, values
        What is set before a trajectory begins (quantity,), and to what (row, quantity).
    times
        Output times: (time,) for all alike, or (row, sample) with NaN behind the last of a row.
    before
        What is set for pre-equilibration (row, quantity): the trajectory begins at the steady state with these
        values. NaN in a row that has none; None where no row has one.
    recorded
        What a dataset says of the rows beside their trajectories: ``parameters`` (row, parameter) and, where there are
        inputs, ``controls`` (row, time, control).
    """

    labels: np.ndarray
    draws: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    times: np.ndarray
    before: np.ndarray | None = None
    recorded: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def given(self) -> dict[str, np.ndarray]:
        """Name of a varied quantity -> its values (row,)."""
        return {name: self.values[:, i] for i, name in enumerate(self.names)}

    def times_of(self, row: int) -> np.ndarray:
        """The output times of one trajectory."""
        times = self.times if self.times.ndim == 1 else self.times[row]
        return times[~np.isnan(times)]


@dataclass(frozen=True, eq=False)
class Source:
    """All trajectories of a run; a piece of them costs what the piece holds.

    Parameters
    ----------
    original
        The model as it was given.
    draws
        One row per draw: a DataFrame, or a `Design`, which makes its rows when they are asked for.
    times
        (time,) or (row, sample).
    protocol
        The conditions that every draw goes through, one trajectory after another; None for the model as it is.
    """

    original: Model
    draws: Any
    times: np.ndarray
    protocol: Protocol | None = None

    def __len__(self) -> int:
        return len(self.draws) * self._arms

    @property
    def model(self) -> Model:
        """The model that is compiled, with places for what conditions do."""
        return self.original if self.protocol is None else self.protocol.model

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the draws."""
        return tuple(str(name) for name in self.draws.columns)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what a dataset records as varied."""
        return self.columns if self.protocol is None else self.protocol.parameters

    @property
    def rests(self) -> str | None:
        """The name of the first condition that begins at a steady state."""
        conditions = () if self.protocol is None else self.protocol.conditions
        return next((condition.name for condition in conditions if condition.before is not None), None)

    @property
    def inputs(self) -> int:
        """How many inputs are recorded."""
        return 0 if self.protocol is None else len(self.protocol.controls)

    @property
    def states(self) -> tuple[str, ...]:
        """What is recorded by default: the model's states, and fixed species that get doses."""
        dosed = () if self.protocol is None else self.protocol.prepared.doses
        return tuple(dict.fromkeys([*self.original.states, *dosed]))

    @cached_property
    def labels(self) -> np.ndarray:
        """The label of every trajectory (row,): the draw's, or, with conditions, one for each of them."""
        if self._arms == 1:  # a million labels once
            return self.draw_labels
        return (self.draw_labels[:, None] * self._arms + np.arange(self._arms)).ravel()

    @cached_property
    def draw_labels(self) -> np.ndarray:
        """The label of every draw (draw,)."""
        if isinstance(self.draws, pd.DataFrame):
            return self.draws.index.to_numpy(np.int64)
        return np.arange(len(self.draws))

    @cached_property
    def _table(self) -> np.ndarray:
        return self.draws.to_numpy(np.float64)

    @property
    def conditions(self) -> np.ndarray:
        """The condition of every trajectory (row,), by name, of a run that has conditions."""
        return np.tile([condition.name for condition in self.protocol.conditions], len(self.draws))

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows from `start` up to `stop`."""
        labels, drawn, inside = self._drawn(start, stop)
        times = self.times if self.times.ndim == 1 else self.times[start:stop]
        if self.protocol is None:
            return Rows(
                labels, labels, self.columns, drawn, times, recorded={"parameters": drawn} if self.columns else {}
            )
        values, before = self.protocol.values(drawn, labels), self.protocol.before(drawn, labels)
        return Rows(
            self.labels[start:stop],
            np.repeat(labels, self._arms)[inside],
            self.protocol.names,
            values[inside],
            times,
            None if before is None else before[inside],
            {name: rows[inside] for name, rows in self._recorded(start, labels, drawn).items()},
        )

    def _recorded(self, start: int, labels: np.ndarray, drawn: np.ndarray) -> dict[str, np.ndarray]:
        """What a dataset records of whole draws under their conditions."""
        found = {"parameters": self.protocol.recorded(drawn, labels)} if self.parameters else {}
        if self.protocol.controls:
            first = start // self._arms * self._arms
            times = self._input_times(first, first + len(labels) * self._arms)
            found["controls"] = self.protocol.inputs(drawn, labels, times)
        return found

    def _input_times(self, first: int, last: int) -> np.ndarray:
        """When the inputs of some rows are recorded."""
        return self.times if self.times.ndim == 1 else self.times[first:last]

    @property
    def said(self) -> dict[str, Any]:
        """How the draws came about, for the record."""
        if isinstance(self.draws, pd.DataFrame):
            return self.draws.attrs.get("design", {"design": "given", "n": len(self.draws)})
        return self.draws.said

    @property
    def _arms(self) -> int:
        return 1 if self.protocol is None else len(self.protocol)

    def _drawn(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, slice]:
        """Labels (draw,) and values (draw, column) of the draws of some rows, and which of their rows these are."""
        stop = min(stop, len(self))
        first, last = start // self._arms, -(-stop // self._arms)
        inside = slice(start - first * self._arms, stop - first * self._arms)
        if isinstance(self.draws, pd.DataFrame):  # slicing it would copy its attrs each time
            return self.draw_labels[first:last], self._table[first:last], inside
        some = self.draws.rows(first, last)
        return some.index.to_numpy(np.int64), some.to_numpy(np.float64), inside


def source_of(
    model: Model,
    draws: Any,
    times: Any,
    conditions: Iterable[Condition] | None = None,
    end: float | None = None,
) -> Source:
    """Return the rows of a run, checked; its inputs must begin by `end`, the last of the times by default.

    Raises
    ------
    ValueError
        Times that do not increase, draws with NaN, a varied quantity that a rule determines, or a condition that
        cannot be.
    UnknownName
        A quantity that the model does not have, or a column that the draws do not have.
    """
    if draws is None:
        draws = pd.DataFrame(index=pd.RangeIndex(1, name="draw"))
    if isinstance(draws, pd.DataFrame):
        _check_table(draws)
    elif not hasattr(draws, "rows"):
        raise ValueError(f"draws must be a DataFrame with a column per varied quantity, got {type(draws).__name__}.")
    columns = tuple(str(name) for name in draws.columns)
    protocol = None
    if conditions is None:
        check_names(model, columns)
    else:
        end = np.nanmax(np.asarray(times, dtype=np.float64), initial=0.0) if end is None else end
        protocol = protocol_of(model, conditions, columns, float(end))
    if isinstance(draws, pd.DataFrame):
        _check_numbers(draws)
    return Source(model, draws, _checked_times(times, len(draws) * (len(protocol) if protocol else 1)), protocol)


def _check_table(frame: pd.DataFrame) -> None:
    if len(frame) == 0:
        raise ValueError("draws has no rows; sample at least one draw.")
    if not frame.index.is_unique or not pd.api.types.is_integer_dtype(frame.index):
        raise ValueError("draws must have whole-number labels, each once. Try: draws.reset_index(drop=True).")


def _check_numbers(frame: pd.DataFrame) -> None:
    with suppress(TypeError, ValueError):  # all at once: pandas copies the frame's attrs with every column taken
        if np.isfinite(frame.to_numpy(np.float64)).all():
            return
    for name in frame.columns:
        column = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            label, value = frame.index[bad[0]], frame[name].tolist()[bad[0]]
            raise ValueError(f"draw {label} has {value!r} for {name!r}; every draw needs a finite number.")


def _checked_times(times: Any, n: int) -> np.ndarray:
    values = np.asarray(times, dtype=np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise ValueError(f"times must be a list of one or more numbers, got shape {values.shape}.")
    if values.ndim == 2:
        return _checked_own_times(values, n)
    if not np.isfinite(values).all() or values[0] < 0:
        raise ValueError(f"times must be finite and 0 or later (the model starts at 0), got {values[:5].tolist()}...")
    falling = np.flatnonzero(np.diff(values) <= 0)
    if len(falling):
        at = falling[0]
        raise ValueError(f"times must increase: time {values[at + 1]:g} follows {values[at]:g} at position {at + 1}.")
    return values


def _checked_own_times(values: np.ndarray, n: int) -> np.ndarray:
    """Times of each trajectory (row, sample); a row that has fewer ends with NaN."""
    if len(values) != n:
        raise ValueError(f"times has {len(values)} rows, one per trajectory, and there are {n} trajectories.")
    for row, own in enumerate(values):
        known = own[~np.isnan(own)]
        whole = len(known) and not np.isnan(own[: len(known)]).any() and np.isfinite(known).all() and known[0] >= 0
        if not whole or (np.diff(known) <= 0).any():
            raise ValueError(
                f"the times of trajectory {row} must increase from 0 or later, with NaN only at the end, "
                f"got {own[:5].tolist()}..."
            )
    return values

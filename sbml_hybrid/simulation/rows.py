"""The rows of a dataset to be: which trajectory takes which values, given piece by piece."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import check_names


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
    """

    labels: np.ndarray
    draws: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    times: np.ndarray
    before: np.ndarray | None = None

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
    draws
        One row per draw: a DataFrame, or a `Design`, which makes its rows when they are asked for.
    times
        (time,) or (row, sample).
    """

    draws: Any
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.draws)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what varies."""
        return tuple(str(name) for name in self.draws.columns)

    @cached_property
    def labels(self) -> np.ndarray:
        """The label of every trajectory (row,)."""
        return self.draws.index.to_numpy(np.int64) if isinstance(self.draws, pd.DataFrame) else np.arange(len(self))

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows from `start` up to `stop`."""
        some = self.draws.iloc[start:stop] if isinstance(self.draws, pd.DataFrame) else self.draws.rows(start, stop)
        labels = some.index.to_numpy(np.int64)
        times = self.times if self.times.ndim == 1 else self.times[start:stop]
        return Rows(labels, labels, self.names, some.to_numpy(np.float64), times)

    @property
    def said(self) -> dict[str, Any]:
        """How the draws came about, for the record."""
        if isinstance(self.draws, pd.DataFrame):
            return self.draws.attrs.get("design", {"design": "given", "n": len(self)})
        return self.draws.said


def source_of(model: Model, draws: Any, times: Any) -> Source:
    """Return the rows of a run, checked.

    Raises
    ------
    ValueError
        Times that do not increase, draws with NaN, a varied quantity that a rule determines.
    UnknownName
        A quantity that the model does not have.
    """
    if draws is None:
        draws = pd.DataFrame(index=pd.RangeIndex(1, name="draw"))
    if isinstance(draws, pd.DataFrame):
        _check_table(draws)
    elif not hasattr(draws, "rows"):
        raise ValueError(f"draws must be a DataFrame with a column per varied quantity, got {type(draws).__name__}.")
    check_names(model, draws.columns)
    if isinstance(draws, pd.DataFrame):
        _check_numbers(draws)
    return Source(draws, _checked_times(times, len(draws)))


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
            label, value = frame.index[bad[0]], frame[name].iloc[bad[0]]
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

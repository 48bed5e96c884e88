"""What a model of missing points is, and times that were planned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any, Protocol

import numpy as np

from sbml_hybrid.errors import DataError

Array = np.ndarray
Times = tuple[float, ...]


class Gap(Protocol):
    """What a model of missing points can do; of several, all must keep a point.

    Where a class says ``random = False``, it is asked for many series at once and given no generator; otherwise it is
    asked for each series with the series' own.
    """

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable), taken at `times` (..., time), are measured."""
        ...


def is_random(gap: Gap) -> bool:
    """Return whether a model of missing points needs a generator for each series."""
    return getattr(gap, "random", True)


def require_gaps(setting: str, gaps: Sequence[Any]) -> None:
    """Raise ValueError unless all are models of missing points, ours or a dataclass of one's own."""
    for gap in gaps:
        if isinstance(gap, type) or not is_dataclass(gap) or not hasattr(gap, "kept"):
            raise ValueError(
                f"{setting} takes models of missing points such as sh.gaps.DropOut(0.1), or dataclasses of one's own "
                f"with kept(values, times, names, rng), got {gap!r}."
            )


def scheduled(times: Array, schedule: Sequence[float]) -> Array:
    """Return the positions of the scheduled times among `times` (time,).

    Raises
    ------
    DataError
        A time of the schedule was not simulated, or each trajectory has times of its own.
    """
    wanted = np.asarray(schedule, dtype=float)
    if times.ndim != 1:
        raise DataError("A schedule needs shared times, and each trajectory has its own. Try sh.gaps.Intervals.")
    distance = np.abs(times[None, :] - wanted[:, None])
    missing = wanted[distance.min(axis=1) > 1e-9 * max(np.abs(times).max(), 1.0)]
    if len(missing):
        raise DataError(
            f"The schedule asks for time {missing[0]:g}, which was not simulated (times {times[0]:g} to {times[-1]:g}, "
            f"{len(times)} points). Simulate with times= that contain it."
        )
    return np.unique(distance.argmin(axis=1))


def planned(times: Sequence[float]) -> Times:
    """Return times as plain numbers; refuse none, and what is no time."""
    try:
        made = tuple(float(time) for time in np.ravel(times))
    except (TypeError, ValueError):
        made = ()
    if not made or not all(map(math.isfinite, made)):
        raise ValueError(f"times must be one or more numbers, such as [0, 5, 15, 30], got {times!r}.")
    return made


def at(times: Array, wanted: Times) -> Array:
    """Return which of `times` (time,) are wanted."""
    positions = scheduled(times, wanted)
    return np.isin(np.arange(len(times)), positions)

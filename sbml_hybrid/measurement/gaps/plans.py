"""What a plan leaves out: schedules, intervals, panels, an early end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbml_hybrid.measurement.gaps.gap import Array, Times, at, planned
from sbml_hybrid.measurement.settings import known, require


@dataclass(frozen=True)
class Schedule:
    """Measured at these times and no others: "0, 5, 15, 30 min".

    The other times stay in the dataset, as not measured; ``measure(..., schedule=)`` takes them out.
    Missing share: exactly 1 - (times of the schedule) / (times simulated).

    Parameters
    ----------
    times
        In the unit of the dataset's times; each must have been simulated.
    """

    times: Times

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", planned(self.times))

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        return np.broadcast_to(at(times, self.times)[..., None], values.shape)


@dataclass(frozen=True)
class Intervals:
    """Nothing is measured from the start to the end of each interval, both included: nights, weekends, a wash-out.

    Missing share: exactly the share of the times within the intervals.

    Parameters
    ----------
    intervals
        Pairs of start and end, in the unit of the dataset's times.

    Examples
    --------
    >>> Intervals([(1, 2)]).kept(np.zeros((4, 1)), np.arange(4.0), ["A"], None).ravel()
    array([ True, False, False,  True])
    """

    intervals: tuple[tuple[float, float], ...]

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        try:
            pairs = tuple(tuple(float(time) for time in pair) for pair in self.intervals)
        except (TypeError, ValueError):
            pairs = ()
        if not pairs or any(len(pair) != 2 or not pair[0] <= pair[1] for pair in pairs):
            raise ValueError(f"intervals must be pairs such as [(10, 20)], start before end, got {self.intervals!r}.")
        object.__setattr__(self, "intervals", pairs)

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        inside = np.any([(start <= times) & (times <= end) for start, end in self.intervals], axis=0)
        return np.broadcast_to(~inside[..., None], values.shape)


@dataclass(frozen=True)
class Panels:
    """Some observables at some times: a cheap reader often, a western blot at four times.

    An observable in several panels is measured at the times of all of them; one in none at every time. Missing share:
    exactly the share of the observable-times that no panel has.

    Parameters
    ----------
    panels
        Observables -> their times: ``{("A", "B"): [0, 5, 10], "C": [0, 30]}``, or such pairs in a list.
    """

    panels: tuple[tuple[tuple[str, ...], Times], ...]

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        pairs = list(self.panels.items() if isinstance(self.panels, Mapping) else self.panels)
        if not pairs or any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):
            raise ValueError(f'panels must say what is measured when: {{("A", "B"): [0, 5, 10]}}, got {self.panels!r}.')
        made = tuple(((of,) if isinstance(of, str) else tuple(map(str, of)), planned(times)) for of, times in pairs)
        object.__setattr__(self, "panels", made)

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        in_any = {name for of, _ in self.panels for name in of}
        known(sorted(in_any), names)
        wanted = np.stack([np.full(times.shape, name not in in_any) for name in names], axis=-1)
        for of, panel in self.panels:
            wanted |= at(times, panel)[..., None] & np.isin(names, of)
        return np.broadcast_to(wanted, values.shape)


@dataclass(frozen=True)
class Tail:
    """The end of every series is missing. Say one of the two.

    Missing share: with `share`, that share of the times, rounded down to whole points; with `after`, exactly the share
    of the times that are later.

    Parameters
    ----------
    after
        The last time that is measured, in the unit of the dataset's times.
    share
        How much of each series is missing at its end, from 0 to 1.

    Examples
    --------
    >>> Tail(share=0.5).kept(np.zeros((5, 1)), np.arange(5.0), ["A"], None).ravel()
    array([ True,  True,  True, False, False])
    """

    after: float | None = None
    share: float | None = None

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (self.after is None) == (self.share is None):
            raise ValueError("Tail needs a time (after) or a share, and not both.")
        if self.share is None:
            require("after", self.after, "be a time", math.isfinite)
        else:
            require("share", self.share, "lie between 0 and 1", lambda x: 0 <= x <= 1)

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        if self.share is None:
            before = times <= self.after
        else:
            length = np.isfinite(times).sum(axis=-1, keepdims=True)
            # 0.29 * 100 is a little less than 29.
            before = np.arange(times.shape[-1]) < length - np.floor(self.share * length + 1e-9)
        return np.broadcast_to(before[..., None], values.shape)

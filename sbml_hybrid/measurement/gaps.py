"""Which readouts are measured at all: models of missing points, which compose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.settings import Number, by_observable, from_dict, known, numbers

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


@dataclass(frozen=True)
class RandomFraction:
    """Each point is measured with the same probability, independently of all others.

    Missing share: 1 - `keep` on average.

    Parameters
    ----------
    keep
        That probability, above 0 and at most 1.

    Examples
    --------
    >>> kept = RandomFraction(0.5).kept(np.zeros((4, 2)), np.arange(4.0), ["A", "B"], np.random.default_rng(0))
    >>> kept.tolist()
    [[False, True], [True, True], [False, False], [False, False]]
    """

    keep: float

    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, got {self.keep!r}.")

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        return rng.random(values.shape) < self.keep


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
        object.__setattr__(self, "times", _times(self.times))

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        return np.broadcast_to(_at(times, self.times)[..., None], values.shape)


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
        pairs = tuple(tuple(float(time) for time in pair) for pair in self.intervals)
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
        if not pairs:
            raise ValueError('There are no panels; say what is measured when, such as {("A", "B"): [0, 5, 10]}.')
        made = tuple(((of,) if isinstance(of, str) else tuple(map(str, of)), _times(times)) for of, times in pairs)
        object.__setattr__(self, "panels", made)

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        in_any = {name for of, _ in self.panels for name in of}
        known(sorted(in_any), names)
        wanted = np.stack([np.full(times.shape, name not in in_any) for name in names], axis=-1)
        for of, panel in self.panels:
            wanted |= _at(times, panel)[..., None] & np.isin(names, of)
        return np.broadcast_to(wanted, values.shape)


@dataclass(frozen=True)
class Destructive:
    """The assay uses up its sample: each series (trajectory, replicate) is measured at one time only.

    That time is any of them with the same probability, and all observables are read then. Missing share: exactly
    1 - 1 / (times simulated).

    Parameters
    ----------
    times
        The times to choose from, in the unit of the dataset's times; all by default.
    """

    times: Times | None = None

    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.times is not None:
            object.__setattr__(self, "times", _times(self.times))

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        possible = np.isfinite(times) if self.times is None else _at(times, self.times)
        lots = np.where(possible, rng.random(values.shape[:-1]), -1.0)
        chosen = np.arange(lots.shape[-1]) == lots.argmax(axis=-1)[..., None]
        return np.broadcast_to(chosen[..., None], values.shape)


@dataclass(frozen=True)
class DropOut:
    """A series (trajectory, replicate) is lost at a random time: a contaminated well, a patient who stays away.

    From then on nothing more is measured of it; its first point always is. Say one of the two. Missing share on
    average: with `probability` half of it, for evenly spaced times; with `rate`, 1 - exp(-rate t) at the time t
    after the first.

    Parameters
    ----------
    probability
        Of being lost before the end; when, is uniform.
    rate
        Losses per unit of time, the same all the time.
    """

    probability: float | None = None
    rate: float | None = None

    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (self.probability is None) == (self.rate is None):
            raise ValueError("DropOut needs a probability or a rate, and not both.")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError(f"probability must lie between 0 and 1, got {self.probability!r}.")
        if self.rate is not None and not (self.rate >= 0 and math.isfinite(self.rate)):
            raise ValueError(f"rate must be zero or more, got {self.rate!r}.")

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        series = values.shape[:-2]
        elapsed = times - times[..., :1]
        if self.rate is None:
            lost, share = rng.random(series) < self.probability, rng.random(series)
            end = np.where(lost, share * np.nanmax(elapsed, axis=-1), np.inf)
        else:
            with np.errstate(divide="ignore"):
                end = rng.standard_exponential(series) / np.float64(self.rate)
        return np.broadcast_to((elapsed <= np.asarray(end)[..., None])[..., None], values.shape)


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
        if self.after is not None and not math.isfinite(self.after):
            raise ValueError(f"after must be a time, got {self.after!r}.")
        if self.share is not None and not 0 <= self.share <= 1:
            raise ValueError(f"share must lie between 0 and 1, got {self.share!r}.")

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        if self.share is None:
            before = times <= self.after
        else:
            length = np.isfinite(times).sum(axis=-1, keepdims=True)
            # 0.29 * 100 is a little less than 29.
            before = np.arange(times.shape[-1]) < length - np.floor(self.share * length + 1e-9)
        return np.broadcast_to(before[..., None], values.shape)


@dataclass(frozen=True)
class Plateau:
    """The end of a series is missing where nothing happens any more: the lab has stopped to look.

    A plateau begins where no observable is further from its last value than `tolerance` times its range; its first
    point is measured. Missing share: at most 1 - 1 / (times simulated), and none while something happens.

    Parameters
    ----------
    tolerance
        Share of the range (highest - lowest measurement), from 0 to 1. With noise, some three times its cv.
    points
        How many points a plateau has at least.
    """

    tolerance: float = 0.001
    points: int = 10

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 1:
            raise ValueError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}.")
        if not (isinstance(self.points, int) and self.points > 0):
            raise ValueError(f"points must be a whole number, one or more, got {self.points!r}.")

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        position = np.arange(values.shape[-2])
        there = ~np.isnan(values)
        end = np.where(there, position[:, None], 0).max(axis=-2, keepdims=True)
        last = np.take_along_axis(values, end, axis=-2)
        highest, lowest = np.where(there, values, -np.inf), np.where(there, values, np.inf)
        width = np.maximum(highest.max(axis=-2, keepdims=True) - lowest.min(axis=-2, keepdims=True), 0.0)
        moving = (there & (np.abs(values - last) > self.tolerance * width)).any(axis=-1)
        begin = np.where(moving, position + 1, 0).max(axis=-1, keepdims=True)
        long = np.isfinite(times).sum(axis=-1, keepdims=True) - begin >= self.points
        return np.broadcast_to((~long | (position <= begin))[..., None], values.shape)


@dataclass(frozen=True)
class KeepExtremes:
    """Only the extreme measurements of each observable of each series stay: peaks and troughs.

    Missing share: exactly 1 - 2 `count` / (times simulated), and 0 for short series; less with `others`.

    Parameters
    ----------
    count
        How many of the lowest stay (of equal ones the earliest), and as many of the highest (the latest).
    others
        What becomes of the other points: a model of this module, such as ``RandomFraction(0.2)``; none stays by
        default.

    Examples
    --------
    >>> KeepExtremes(1).kept(np.array([[3.0], [1.0], [2.0], [9.0]]), np.arange(4.0), ["A"], None).ravel()
    array([False,  True, False,  True])
    """

    count: int
    others: Gap | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.count, int) and self.count > 0):
            raise ValueError(f"count must be a whole number, one or more, got {self.count!r}.")
        if isinstance(self.others, Mapping):
            object.__setattr__(self, "others", gap_from_dict(self.others))

    @property
    def random(self) -> bool:
        """Whether it needs a generator."""
        return self.others is not None and is_random(self.others)

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        rank = np.argsort(np.argsort(values, axis=-2, kind="stable"), axis=-2, kind="stable")  # NaN comes last
        there = ~np.isnan(values)
        extreme = there & ((rank < self.count) | (rank >= there.sum(axis=-2, keepdims=True) - self.count))
        return extreme if self.others is None else extreme | self.others.kept(values, times, names, rng)


@dataclass(frozen=True)
class BelowLimit:
    """What is below the limit of detection is missing, and nobody wrote that it was low.

    Where the lab did write it down, that is `sh.Limits` (`censored`). Missing share: that of the values below the
    limit, at most 1.

    Parameters
    ----------
    limit
        In the units of the measurements; one number, or numbers by observable (the others have no limit).
    """

    limit: Number

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", numbers("limit", self.limit))

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        return ~(values < by_observable(self.limit, names, -np.inf))


KINDS = (
    RandomFraction, Schedule, Intervals, Panels, Destructive, DropOut, Tail, Plateau, KeepExtremes, BelowLimit,
)  # fmt: skip


def gap_from_dict(said: Mapping[str, Any]) -> Gap:
    """Return the model of missing points that a dictionary describes: its ``kind`` and its settings.

    Raises
    ------
    UnknownName
        There is no such kind.

    Examples
    --------
    >>> gap_from_dict({"kind": "random-fraction", "keep": 0.5})
    RandomFraction(keep=0.5)
    """
    return from_dict(said, KINDS, "gap model", "sh.gaps")


def is_random(gap: Gap) -> bool:
    """Return whether a model of missing points needs a generator for each series."""
    return getattr(gap, "random", True)


def scheduled(times: Array, schedule: Sequence[float]) -> Array:
    """Return the positions of the scheduled times among `times` (time,).

    Raises
    ------
    DataError
        A time of the schedule was not simulated, or each trajectory has times of its own.
    """
    wanted = np.asarray(schedule, dtype=float)
    if wanted.ndim != 1 or len(wanted) == 0:
        raise DataError("The schedule has no time; give the times to measure at, such as [0, 5, 15, 30].")
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


def _times(times: Sequence[float]) -> Times:
    made = tuple(float(time) for time in np.ravel(times))
    if not made or not all(map(math.isfinite, made)):
        raise ValueError(f"times must be one or more numbers, such as [0, 5, 15, 30], got {times!r}.")
    return made


def _at(times: Array, wanted: Times) -> Array:
    positions = scheduled(times, wanted)
    return np.isin(np.arange(len(times)), positions)

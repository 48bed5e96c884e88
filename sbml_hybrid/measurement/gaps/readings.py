"""What the measurements themselves leave out: plateaus, all but the extremes, what is too low."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbml_hybrid.measurement.gaps.gap import Array, Gap, is_random, require_gaps
from sbml_hybrid.measurement.settings import Number, by_observable, numbers, require, require_count


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
        require("tolerance", self.tolerance, "lie between 0 and 1", lambda x: 0 <= x <= 1)
        require_count("points", self.points)

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
    others: Gap | None = None

    def __post_init__(self) -> None:
        require_count("count", self.count)
        if self.others is not None:
            require_gaps("others", [self.others])

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
        if self.limit is None:
            raise ValueError("BelowLimit needs a limit.")
        object.__setattr__(self, "limit", numbers("limit", self.limit))

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        return ~(values < by_observable(self.limit, names, -np.inf))

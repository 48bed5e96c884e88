"""What chance leaves out: points, samples that were used up, series that were lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbml_hybrid.measurement.gaps.gap import Array, Times, at, planned
from sbml_hybrid.measurement.settings import require


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
        require("keep", self.keep, "be above 0 and at most 1", lambda x: 0 < x <= 1)

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        return rng.random(values.shape) < self.keep


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
            object.__setattr__(self, "times", planned(self.times))

    def kept(self, values: Array, times: Array, names: Sequence[str], rng: np.random.Generator | None) -> Array:
        """Return which of `values` (..., time, observable) are measured."""
        possible = np.isfinite(times) if self.times is None else at(times, self.times)
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
        if self.rate is None:
            require("probability", self.probability, "lie between 0 and 1", lambda x: 0 <= x <= 1)
        else:
            require("rate", self.rate, "be zero or more", lambda x: 0 <= x < math.inf)

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

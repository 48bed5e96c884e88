"""Noise models side by side: each observable its own, or one of several at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.measurement.noise.along import AdjustingMean, Autocorrelated
from sbml_hybrid.measurement.noise.counts import Counted
from sbml_hybrid.measurement.noise.protocol import Array, Noise, mean_of, require_models
from sbml_hybrid.measurement.noise.special import log_sum

PER = ("point", "series", "trajectory")


@dataclass(frozen=True)
class PerObservable:
    """A noise model for each observable, by its name.

    Parameters
    ----------
    noises
        Name of an observable -> its noise model.
    default
        The model of all others; without one, every observable needs its own. ``Normal(0)`` is no noise.

    Examples
    --------
    >>> from sbml_hybrid.measurement.noise import Linear, Lognormal
    >>> noise = PerObservable({"blot": Linear(a=0.1, b=0.2)}, default=Lognormal(0.05))
    >>> resolved(noise, ["blot", "ELISA"]).scatter(np.array([[1.0, 1.0]]))
    array([[0.3 , 0.05]])
    """

    noises: Mapping[str, Noise]
    default: Noise | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.noises, Mapping):
            raise ValueError(f"PerObservable takes observable -> noise model, got {self.noises!r}.")
        object.__setattr__(self, "noises", {str(name): noise for name, noise in self.noises.items()})
        require_models("PerObservable", [*self.noises.values(), *([self.default] if self.default else [])])

    def __hash__(self) -> int:
        return hash((frozenset(self.noises.items()), self.default))

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Raise: which column is which observable is not known before `resolved`."""
        raise self._unresolved()

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Raise: which column is which observable is not known before `resolved`."""
        raise self._unresolved()

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Raise: which column is which observable is not known before `resolved`."""
        raise self._unresolved()

    def _unresolved(self) -> DataError:
        return DataError(
            "PerObservable noise has to know which observables the columns are. Try sh.noise.resolved(noise, names)."
        )


@dataclass(frozen=True)
class Columns:
    """A noise model for each position along the last axis, as `resolved` makes it."""

    noises: tuple[Noise, ...]

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth` (..., time, observable), in its units."""
        truth = np.asarray(truth, float)
        drawn = [noise.apply(truth[..., [i]], rng, times) for i, noise in self._at(truth)]
        return np.concatenate(drawn, axis=-1)

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement; 0 where it is NaN."""
        columns = []
        for i, noise in self._at(truth):
            limits = None if censored is None else censored[..., i : i + 1]
            columns.append(noise.log_density(measured[..., i : i + 1], truth[..., i : i + 1], limits, xp, times))
        return xp.concatenate(columns, axis=-1)

    def mean(self, truth: Array, times: Array | None = None) -> Array:
        """Return the expected readout of `truth`, in its units."""
        return np.concatenate([mean_of(noise, truth[..., [i]], times) for i, noise in self._at(truth)], axis=-1)

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        return np.concatenate([noise.scatter(truth[..., [i]], times) for i, noise in self._at(truth)], axis=-1)

    def _at(self, truth: Any) -> list[tuple[int, Noise]]:
        if not len(truth.shape) or truth.shape[-1] != len(self.noises):
            raise DataError(f"Noise models of {len(self.noises)} observables, but values of shape {truth.shape}.")
        return list(enumerate(self.noises))


@dataclass(frozen=True)
class OneOf:
    """One of several noise models, at random: outliers, good days and bad days, two instruments.

    Parameters
    ----------
    noises
        Two or more noise models, all of counts or none.
    weights
        How often each is taken, in any units; alike by default.
    per
        What the choice is made for: each ``"point"``, each ``"series"`` (one observable of one trajectory), or each
        ``"trajectory"`` (all its observables).

    Examples
    --------
    >>> from sbml_hybrid.measurement.noise import Normal
    >>> outliers = OneOf([Normal(0.1), Normal(2.0)], weights=[0.8, 0.2])
    >>> outliers.apply(np.zeros(6), np.random.default_rng(1)).round(2)
    array([-0.05, -0.33,  0.04,  1.2 ,  0.  ,  0.05])
    """

    noises: tuple[Noise, ...]
    weights: tuple[float, ...] | None = None
    per: str = "point"

    def __post_init__(self) -> None:
        object.__setattr__(self, "noises", require_models("OneOf", self.noises, least=2))
        if self.weights is not None:
            object.__setattr__(self, "weights", _weights(self.weights, len(self.noises)))
        if self.per not in PER:
            raise ValueError(f"per must be one of {', '.join(PER)}, got {self.per!r}.")
        if self.per == "point" and any(along(noise) for noise in self.noises):
            raise ValueError("OneOf per point cannot choose a model along the series. Try per='series'.")
        counted = {is_counted(noise) for noise in self.noises} - {None}
        if len(counted) > 1:
            raise ValueError("OneOf cannot mix counts, which have probabilities, with readouts that have densities.")

    @property
    def shares(self) -> Array:
        """How often each model is taken, summing to one."""
        weights = np.array(self.weights or [1.0] * len(self.noises))
        return weights / weights.sum()

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth` (any shape where the choice is per point), in its units."""
        truth = np.asarray(truth, float)
        shape = list(truth.shape)
        for axis in {"point": (), "series": (-2,), "trajectory": (-2, -1)}[self.per]:
            shape[axis] = 1
        chosen = rng.choice(len(self.noises), size=shape, p=self.shares)
        readout = np.empty(truth.shape)
        for i, noise in enumerate(self.noises):
            readout = np.where(chosen == i, noise.apply(truth, rng, times), readout)
        return readout

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement; per series or trajectory, given those before it.

        Parameters
        ----------
        measured, truth
            (..., time, observable), or any shape where the choice is per point; NaN = not measured.
        censored
            -1 where the value was below the limit that `measured` holds, 1 above, 0 measured.
        xp
            The array namespace: NumPy or ``keras.ops``.
        times
            (time,) or (..., time).
        """
        each = [noise.log_density(measured, truth, censored, xp, times) for noise in self.noises]
        if self.per == "point":
            mixed = self._mixed(each, xp)
        else:
            shape = xp.shape(each[0])
            flat = self.per == "trajectory"
            runs = [xp.reshape(one, (*shape[:-2], shape[-2] * shape[-1], 1)) if flat else one for one in each]
            together = self._mixed([xp.cumsum(one, axis=-2) for one in runs], xp)
            before = xp.concatenate([xp.zeros_like(together[..., :1, :]), together[..., :-1, :]], axis=-2)
            possible = before > -math.inf  # what is impossible already adds nothing to that
            mixed = xp.where(possible, together - xp.where(possible, before, 0.0 * each[0][..., :1, :1]), 0.0)
            mixed = xp.reshape(mixed, shape)
        return xp.where(xp.isnan(measured), xp.zeros_like(mixed), mixed)

    def _mixed(self, each: list, xp: Any) -> Any:
        with np.errstate(divide="ignore"):
            shares = np.log(self.shares)
        return log_sum(xp.stack([one + float(share) for one, share in zip(each, shares, strict=True)]), xp)

    def mean(self, truth: Array, times: Array | None = None) -> Array:
        """Return the expected readout of `truth`, in its units."""
        return sum(share * mean_of(one, truth, times) for share, one in zip(self.shares, self.noises, strict=True))

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        mean = self.mean(truth, times)
        variance = sum(
            share * (one.scatter(truth, times) ** 2 + (mean_of(one, truth, times) - mean) ** 2)
            for share, one in zip(self.shares, self.noises, strict=True)
        )
        return np.sqrt(variance)


def _weights(weights: Sequence[float], count: int) -> tuple[float, ...]:
    try:
        made = tuple(float(weight) for weight in weights)
    except (TypeError, ValueError):
        made = ()
    right = len(made) == count and all(weight >= 0 and math.isfinite(weight) for weight in made) and sum(made) > 0
    if not right:
        raise ValueError(f"weights must be {count} numbers, zero or more and not all zero, got {weights!r}.")
    return made


# -- what is in a combination ----------------------------------------------------------------------


def children(noise: Any) -> list[Any]:
    """Return the noise models inside one."""
    inside = getattr(noise, "noises", ())
    found = list(inside.values()) if isinstance(inside, Mapping) else list(inside)
    return found + [one for one in (getattr(noise, "default", None), getattr(noise, "noise", None)) if one is not None]


def along(noise: Any) -> bool:
    """Return whether points of a series depend on each other."""
    own = isinstance(noise, Autocorrelated) or (isinstance(noise, OneOf) and noise.per != "point")
    return own or any(along(child) for child in children(noise))


def is_counted(noise: Any) -> bool | None:
    """Return whether readouts have probabilities rather than densities; None where observables may differ."""
    if isinstance(noise, PerObservable | Columns):
        return None
    inside = children(noise)
    return is_counted(inside[-1]) if inside else isinstance(noise, Counted)


def resolved(noise: Noise, observables: Sequence[str], subset: bool = False) -> Noise:
    """Return the noise model for these observables, in this order, along the last axis.

    Parameters
    ----------
    noise
        A noise model.
    observables
        Their names.
    subset
        Whether these are only some of the observables that the model was made for.

    Raises
    ------
    UnknownName
        The model names an observable that is not there (but for a `subset`).
    DataError
        An observable has no noise model.
    """
    names = [str(name) for name in observables]
    for name in [] if subset else _named(noise):
        if name not in names:
            raise unknown_name("observable", name, names, "the readout, for its noise")
    if not _named(noise) and not _holds(noise, PerObservable):
        return noise.resolved(names) if hasattr(noise, "resolved") else noise
    if isinstance(noise, OneOf) and noise.per == "trajectory":
        return replace(noise, noises=tuple(resolved(one, names, subset=True) for one in noise.noises))
    return Columns(tuple(of_observable(noise, name) for name in names))


def of_observable(noise: Noise, name: str) -> Noise:
    """Return the noise model of one observable.

    Raises
    ------
    DataError
        It has none.
    """
    if isinstance(noise, PerObservable):
        chosen = noise.noises.get(name, noise.default)
        if chosen is None:
            raise DataError(
                f"No noise for {name!r}; PerObservable names {', '.join(noise.noises) or 'none'}. "
                "Add it, or say default=."
            )
        return of_observable(chosen, name)
    if not _holds(noise, PerObservable):
        return noise
    return replace(noise, noises=tuple(of_observable(one, name) for one in noise.noises))


def column(noise: Noise, position: int) -> Noise:
    """Return the noise model at a position along the last axis of one that is resolved."""
    return noise.noises[position] if isinstance(noise, Columns) else noise


def alone(noise: Noise) -> Noise:
    """Return how each point scatters by itself, for those who weigh points one at a time.

    Autocorrelated noise becomes independent, and a choice per series or trajectory becomes one per point: right for
    each point, and too sure of many.

    Raises
    ------
    DataError
        A point by itself does not say enough: `AdjustingMean` needs the whole series.
    """
    if isinstance(noise, AdjustingMean):
        raise DataError(
            "AdjustingMean noise needs whole series, and here points are weighed one by one. Give another noise model."
        )
    if isinstance(noise, Autocorrelated):
        return alone(noise.noise)
    if isinstance(noise, PerObservable):
        default = None if noise.default is None else alone(noise.default)
        return PerObservable({name: alone(one) for name, one in noise.noises.items()}, default)
    if isinstance(noise, OneOf):
        return replace(noise, noises=tuple(alone(one) for one in noise.noises), per="point")
    return replace(noise, noises=tuple(alone(one) for one in noise.noises)) if children(noise) else noise


def _named(noise: Any) -> list[str]:
    own = list(noise.noises) if isinstance(noise, PerObservable) else []
    return own + [name for child in children(noise) for name in _named(child)]


def _holds(noise: Any, kind: type) -> bool:
    return isinstance(noise, kind) or any(_holds(child, kind) for child in children(noise))

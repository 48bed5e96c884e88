"""Noise models one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.noise.along import AdjustingMean, Growing
from sbml_hybrid.measurement.noise.combining import OneOf, PerObservable, along
from sbml_hybrid.measurement.noise.counts import Counted
from sbml_hybrid.measurement.noise.gaussian import Gaussian, Law, Linear, Lognormal, Normal
from sbml_hybrid.measurement.noise.protocol import Array, Noise, as_float, floating, like, mean_of, require_models
from sbml_hybrid.measurement.noise.special import LOG_2PI, log_sum

_ROUNDS, _COARSE = 4, 33  # of closing in on where the integrand is, and at how many places
_FINE = 129  # places where it is added up
_DEEP = 45.0  # natural logarithms below its peak at which the integrand is cut
_REACH = 9.5  # standard deviations
_AT_ONCE = 2**15


@dataclass(frozen=True)
class InSequence:
    """Several noise models, each applied to what the one before it gave.

    Preparing the sample scatters, and reading it adds its own: ``InSequence([Lognormal(0.1), Normal(0.05)])``. For
    one of several at random, `OneOf` may stand inside; `AdjustingMean` only first; what makes the points of a series
    depend on each other (`Autocorrelated`, `OneOf` per series), not at all.

    The density is a closed form where there is one: additive after additive, log-normal after log-normal. Else the
    readout between two steps is integrated out by the trapezoidal rule, at 129 places where the integrand is within
    exp(-45) of its peak: relative error below 1e-8 in double precision. A third kind of step costs an integral inside
    an integral, some 260 times the work.

    Parameters
    ----------
    noises
        The noise models, in the order in which they act.

    Examples
    --------
    >>> noise = InSequence([Lognormal(0.1), Normal(0.05)])
    >>> noise.apply(np.array([0.5, 1.0, 10.0]), np.random.default_rng(0)).round(2)
    array([ 0.51,  0.96, 10.62])
    >>> noise.scatter(np.array([0.5, 1.0, 10.0])).round(2)
    array([0.07, 0.11, 1.  ])
    """

    noises: tuple[Noise, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "noises", require_models("InSequence", self.noises, least=1))
        for noise in self.noises:
            if along(noise):
                raise ValueError(
                    f"{type(noise).__name__} ties the points of a series together and cannot stand in a sequence. "
                    "Try the sequence inside it: OneOf([InSequence(..), InSequence(..)], per='series')."
                )
        for noise in self.noises[1:]:
            if any(isinstance(one, AdjustingMean) for branch in _branches([noise]) for one in branch[1]):
                raise ValueError("AdjustingMean must come first in a sequence: it needs the mean of the true series.")

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth`, in its units."""
        for noise in self.noises:
            truth = noise.apply(truth, rng, times)
        return truth

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement given its true value.

        Parameters
        ----------
        measured, truth
            Arrays that broadcast, in the units of the observable; NaN = not measured.
        censored
            -1 where the value was below the limit that `measured` holds, 1 above, 0 measured.
        xp
            The array namespace: NumPy or ``keras.ops``.
        times
            (time,) or (..., time).
        """
        measured, truth = floating(measured, xp), floating(truth, xp)
        known = xp.logical_not(xp.isnan(measured))
        safe = xp.where(known, measured, xp.zeros_like(measured)) + xp.zeros_like(truth)
        codes = None if censored is None else as_float(censored, safe, xp) + xp.zeros_like(safe)
        each = []
        for share, noises in _branches(self.noises):
            density = _density(_merged(noises), safe, truth, codes, xp, times)
            each.append(density + math.log(share))
        mixed = log_sum(xp.stack(each), xp) if len(each) > 1 else each[0]
        return xp.where(known, mixed, xp.zeros_like(mixed))

    def mean(self, truth: Array, times: Array | None = None) -> Array:
        """Return the expected readout of `truth`, in its units."""
        return mean_of(self.noises[0], truth, times)

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units.

        Exact where the variance of each step is a polynomial in its readout up to the second degree, as those here
        are for readouts that do not come near zero.
        """
        mean = self.mean(truth, times)
        variance = self.noises[0].scatter(truth, times) ** 2
        for noise in self.noises[1:]:
            away = np.sqrt(3 * variance)
            at, below, above = (noise.scatter(mean + step, times) ** 2 for step in (0.0, -away, away))
            variance = variance + (4 * at + below + above) / 6
        return np.sqrt(variance)


# -- closed forms ----------------------------------------------------------------------------------


def _branches(noises: Sequence[Noise]) -> list[tuple[float, list[Noise]]]:
    """Sequences without a choice in them, each with how often it happens: what follows a choice follows each."""
    branches: list[tuple[float, list[Noise]]] = [(1.0, [])]
    for noise in noises:
        if isinstance(noise, OneOf):
            inner = [
                (share * weight, steps)
                for share, one in zip(noise.shares, noise.noises, strict=True)
                for weight, steps in _branches([one])
                if share > 0
            ]
        elif isinstance(noise, InSequence):
            inner = _branches(noise.noises)
        else:
            inner = [(1.0, [noise])]
        branches = [(share * weight, before + steps) for share, before in branches for weight, steps in inner]
    return branches


@dataclass(frozen=True)
class _Run(Gaussian):
    """Additive noise after additive noise, or log-normal after log-normal: variances add up."""

    noises: tuple[Gaussian, ...]

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        first, *rest = (noise.law(truth, xp, times) for noise in self.noises)
        variance = first.spread * first.spread
        for law in rest:
            variance = variance + law.spread * law.spread
        return Law(first.center, variance**0.5, first.logarithmic)


def _merged(noises: Sequence[Noise]) -> list[Noise]:
    """The shortest sequence that is the same: without steps that do nothing, neighbours of one kind made one."""
    active = [noise for noise in noises if noise not in (Normal(0), Lognormal(0))] or [Normal(0)]
    runs = [[active[0]]]
    for before, noise in pairwise(active):
        kind = _kind(noise)
        heads = {"additive": ("additive", "head"), "multiplicative": ("multiplicative",)}.get(kind, ())
        if _kind(before) in heads:
            runs[-1].append(noise)
        else:
            runs.append([noise])
    return [run[0] if len(run) == 1 else _Run(tuple(run)) for run in runs]


def _kind(noise: Noise) -> str:
    """Whether the spread does not depend on the readout, or (a head) only additive noise may follow."""
    if isinstance(noise, Normal) or (isinstance(noise, Growing) and not noise.relative):
        return "additive"
    if isinstance(noise, Lognormal | Growing):
        return "multiplicative"
    return "head" if isinstance(noise, Linear | AdjustingMean) else "other"


# -- integrals -------------------------------------------------------------------------------------


def _density(noises: Sequence[Noise], measured: Any, truth: Any, censored: Any, xp: Any, times: Any) -> Any:
    first, *rest = noises
    if not rest:
        return first.log_density(measured, truth, censored, xp, times)

    def integrand(place: Any) -> Any:
        log_weight, between = law(place)
        return log_weight + _density(rest, measured, between, censored, xp, times)

    law, low, high, step = _places(first, truth + xp.zeros_like(measured), xp, times)
    return _integral(integrand, low, high, step, xp)


def _places(noise: Noise, truth: Any, xp: Any, times: Any) -> tuple:
    """The law of what `noise` gives: places -> (log-density, readout), where they begin and end, the least step."""
    zero = xp.zeros_like(truth)
    if isinstance(noise, Gaussian):
        gaussian = noise.law(truth, xp, times)
        return lambda z: (-0.5 * (z**2 + LOG_2PI), gaussian.readout(z, xp)), zero - _REACH, zero + _REACH, 0.0
    if isinstance(noise, Counted):
        expected = xp.maximum(truth, zero) * noise.scale
        sd = xp.sqrt(noise.variance(expected))
        low = xp.maximum(zero, xp.floor(expected - _REACH * sd))
        # The tail of a count falls at least as exp(-count / (variance/mean)).
        high = xp.ceil(expected + _REACH * sd + _DEEP * (1.0 + sd**2 / xp.where(expected > 0, expected, zero + 1.0)))
        return lambda k: (noise.log_mass(k, expected + 0.0 * k, xp), k / noise.scale), low, high, 1.0
    if isinstance(noise, PerObservable):
        raise noise._unresolved()
    raise DataError(f"{type(noise).__name__} is not ours and can only come last in a sequence: its law is not known.")


def _integral(integrand: Any, low: Any, high: Any, least: float, xp: Any) -> Any:
    """Log of the integral of exp(integrand) over [low, high], or of the sum over whole places where the step is 1.

    The integrand has one peak; each round closes in on it, until the places are as dense as it needs.
    """
    for _ in range(_ROUNDS):
        step = xp.maximum((high - low) / (_COARSE - 1), 0.0 * low + least)
        values = xp.concatenate([_values(integrand, low, high, step, some, xp) for some in _blocks(_COARSE, low, xp)])
        inside = xp.logical_and(values > xp.max(values, axis=0) - _DEEP, xp.isfinite(values))
        before, after = (as_float(xp.argmax(one, axis=0), low, xp) for one in (inside, xp.flip(inside, axis=0)))
        found = xp.any(inside, axis=0)
        end = xp.where(found, xp.minimum(low + (_COARSE - after) * step, high), high)
        low = xp.where(found, xp.maximum(low + (before - 1.0) * step, low), low)
        high = end
        if least:  # a sum is over whole numbers
            low, high = xp.floor(low), xp.ceil(high)
    step = xp.maximum((high - low) / (_FINE - 1), 0.0 * low + least)
    parts = [log_sum(_values(integrand, low, high, step, some, xp), xp) for some in _blocks(_FINE, low, xp)]
    return log_sum(xp.stack(parts), xp) + xp.log(step)


def _values(integrand: Any, low: Any, high: Any, step: Any, some: Array, xp: Any) -> Any:
    """The integrand at some of the places, which come first."""
    shape = (len(some), *[1] * len(low.shape))
    place = low + like(some.reshape(shape).astype(float), low, xp) * step
    value = integrand(place)
    return xp.where(place <= high + 0.5 * step, value, xp.full_like(value, -math.inf))


def _blocks(count: int, low: Any, xp: Any) -> list[Array]:
    """Numbers of places, in blocks that need little memory; Keras takes all at once."""
    blocks = -(-count * low.size // _AT_ONCE) if xp is np else 1
    return np.array_split(np.arange(count), max(1, min(blocks, count)))

"""Noise that is a standard normal, shifted and stretched: additive, multiplicative, and what lies between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sbml_hybrid.measurement.noise.protocol import Array, floating, require_numbers
from sbml_hybrid.measurement.noise.special import LOG_2PI, log_probability


class Standard(NamedTuple):
    """Measurements as standard normal numbers: ``z``, the log of its stretch, where it has any, and which limits."""

    z: Any
    log_scale: Any
    free: Any
    censored: Any


class Law(NamedTuple):
    """How a readout follows from a standard normal z: center + spread z, or center exp(spread z - spread^2/2)."""

    center: Any
    spread: Any
    logarithmic: bool = False

    def readout(self, z: Any, xp: Any = np) -> Any:
        """Return the readout for `z`."""
        if self.logarithmic:
            return self.center * xp.exp(self.spread * z - self.spread**2 / 2)
        return self.center + self.spread * z

    def standard(self, measured: Any, censored: Any, xp: Any) -> Standard:
        """Return z for measurements, which are not NaN."""
        center, spread = self.center + xp.zeros_like(measured), self.spread + xp.zeros_like(measured + self.center)
        free = spread > 0
        if self.logarithmic:
            free = xp.logical_and(free, center != 0)
            # With a negative truth a readout below its limit is one whose factor is above it.
            turned = None if censored is None else xp.where(center < 0, -censored, censored)
            ratio = measured / xp.where(center != 0, center, xp.ones_like(center))
            possible = ratio > 0
            logged = xp.log(xp.where(possible, ratio, xp.ones_like(ratio)))
            off = xp.where(possible, logged + spread**2 / 2, xp.full_like(logged, -math.inf))
            size = xp.abs(xp.where(possible, measured + xp.zeros_like(ratio), xp.ones_like(ratio)))
            off = xp.where(center != 0, off, measured)  # which is certain to be zero
        else:
            off, size, turned = measured - center, xp.ones_like(center), censored
        width = xp.where(free, spread, xp.ones_like(spread))
        infinite = xp.full_like(off, math.inf)
        missed = xp.where(off > 0, infinite, xp.where(off < 0, -infinite, xp.zeros_like(off)))
        z = xp.where(free, off / width, missed)
        # Where there is no scatter, the one possible readout has "density" 1.
        log_scale = xp.where(free, xp.log(width * size), xp.full_like(off, -0.5 * LOG_2PI))
        return Standard(z, log_scale, free, turned)


class Gaussian:
    """A model that says its `law`; the rest follows."""

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        """Return how a readout of `truth` follows from a standard normal number."""
        raise NotImplementedError

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth`, in its units."""
        return self.law(truth, np, times).readout(rng.standard_normal(np.shape(truth)))

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement given its true value.

        Where the model leaves no scatter at all, the one possible readout counts as 0, and all others as -inf.

        Parameters
        ----------
        measured, truth
            Arrays that broadcast, in the units of the observable; NaN = not measured.
        censored
            -1 where the value was below the limit that `measured` holds, 1 above, 0 measured.
        xp
            The array namespace: NumPy or ``keras.ops``.
        times
            (time,) or (..., time); of use to models that depend on it.
        """
        measured, truth = floating(measured, xp), floating(truth, xp)
        known = xp.logical_not(xp.isnan(measured))
        law = self.law(truth, xp, times)
        standard = law.standard(xp.where(known, measured, truth), censored, xp)
        density = with_limits(standard.z, standard.log_scale, standard.censored, xp)
        return xp.where(known, density, xp.zeros_like(density))

    def mean(self, truth: Array, times: Array | None = None) -> Array:
        """Return the expected readout of `truth`, in its units."""
        truth = np.asarray(truth, float)
        return np.broadcast_to(self.law(truth, np, times).center, np.shape(truth))

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        truth = np.asarray(truth, float)
        law = self.law(truth, np, times)
        sd = np.abs(law.center) * np.sqrt(np.expm1(np.square(law.spread))) if law.logarithmic else law.spread
        return np.broadcast_to(sd, np.shape(truth)).copy()


def with_limits(z: Any, log_scale: Any, censored: Any, xp: Any) -> Any:
    """Return the log-density of a standard normal z, or the log-probability beyond the limit where censored."""
    density = -0.5 * z**2 - log_scale - 0.5 * LOG_2PI
    if censored is None:
        return density
    below, above = log_probability(z, xp), log_probability(-z, xp)
    return xp.where(censored < 0, below, xp.where(censored > 0, above, density))


@dataclass(frozen=True)
class Normal(Gaussian):
    """Additive noise with the same standard deviation everywhere.

    Parameters
    ----------
    sd
        Standard deviation, in the units of the observable.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Normal(sd=0.1).apply(np.array([0.0, 1.0, 10.0]), rng).round(3)
    array([ 0.013,  0.987, 10.064])
    """

    sd: float

    def __post_init__(self) -> None:
        require_numbers(self, sd="zero or more")

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        """Return truth + sd z."""
        return Law(truth, self.sd)


@dataclass(frozen=True)
class Lognormal(Gaussian):
    """Multiplicative noise with a constant coefficient of variation.

    The usual choice for concentrations: the readout stays positive, its mean is the true
    value, and its scatter grows in proportion to it. A true zero stays zero. A measurement of the other sign than the
    truth has density 0 (log -inf).

    Parameters
    ----------
    cv
        Coefficient of variation (standard deviation / mean), dimensionless. 0.1 is 10 %.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Lognormal(cv=0.1).apply(np.array([0.0, 1.0, 100.0]), rng).round(2)
    array([  0.  ,   0.98, 106.07])
    """

    cv: float

    def __post_init__(self) -> None:
        require_numbers(self, cv="zero or more")

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.cv**2))

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        """Return truth exp(sigma z - sigma^2/2)."""
        return Law(truth, self.sigma, logarithmic=True)

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth`, any shape, in the units of `truth`."""
        # NumPy's own lognormal, whose last bit differs from exp's: the same seed gives what it always gave.
        return truth * rng.lognormal(-(self.sigma**2) / 2, self.sigma, np.shape(truth))


@dataclass(frozen=True)
class Linear(Gaussian):
    """Additive noise whose standard deviation grows with the readout: sd = a + b abs(y).

    The two-component error model of immunoassays, blots and arrays: near zero the background's scatter, high up a
    constant coefficient of variation. ``Linear(a=0, b=0.05)`` is multiplicative normal noise.

    Parameters
    ----------
    a
        Standard deviation at zero, in the units of the observable.
    b
        Coefficient of variation at high values, dimensionless.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Linear(a=0.1, b=0.05).apply(np.array([0.5, 1.0, 10.0]), rng).round(2)
    array([ 0.52,  0.98, 10.38])

    References
    ----------
    Rocke & Durbin (2001), https://doi.org/10.1089/106652701753307485, who add the two variances instead;
    ``InSequence([Lognormal(b), Normal(a)])`` is theirs.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        require_numbers(self, a="zero or more", b="zero or more")

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        """Return truth + (a + b abs(truth)) z."""
        return Law(truth, self.a + self.b * xp.abs(truth))

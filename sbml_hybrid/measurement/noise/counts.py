"""Noise of what is counted: molecules, cells, photons, reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.noise.protocol import Array, floating, require_numbers
from sbml_hybrid.measurement.noise.special import (
    LOG_2PI,
    deviance,
    log_one_minus_exp,
    log_tail,
    stirling_error,
)

_MOST_COUNTS = 1e15  # beyond, a float no longer tells one count from the next


class Counted:
    """A model that says the law of a count; the readout is the count / scale, in the units of the observable."""

    scale: float

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth`, any shape, in its units; where the truth is below zero, nothing is counted.

        Raises
        ------
        DataError
            So many would be counted that the counts are no longer told apart.
        """
        expected = np.maximum(np.asarray(truth, float), 0.0) * self.scale
        if np.nanmax(expected, initial=0.0) > _MOST_COUNTS:
            raise DataError(
                f"{type(self).__name__} noise with scale={self.scale:g} would count {np.nanmax(expected):.3g}. "
                "scale is in counts per unit of the observable; choose a smaller one."
            )
        failed = np.isnan(expected)
        return np.where(failed, np.nan, self._drawn(np.where(failed, 0.0, expected), rng) / self.scale)

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log of each readout's probability (not density) given its true value.

        A readout that is no whole number of counts, within a thousandth and what its precision allows, is impossible
        (-inf).

        Parameters
        ----------
        measured, truth
            Arrays that broadcast, in the units of the observable; NaN = not measured.
        censored
            -1 where the value was below the limit that `measured` holds, 1 above (never at it), 0 measured.
        xp
            The array namespace: NumPy or ``keras.ops``.
        times
            Of no use here.
        """
        measured, truth = floating(measured, xp), floating(truth, xp)
        known = xp.logical_not(xp.isnan(measured))
        expected = xp.maximum(truth, xp.zeros_like(truth)) * self.scale
        counts = xp.where(known, measured, xp.zeros_like(measured)) * self.scale + xp.zeros_like(expected)
        expected = expected + xp.zeros_like(counts)
        nearest = xp.round(counts)
        whole = xp.logical_and(xp.abs(counts - nearest) < 1e-3 + 1e-6 * xp.abs(nearest), nearest >= 0)
        possible = xp.where(whole, nearest, xp.zeros_like(nearest))
        density = xp.where(whole, self.log_mass(possible, expected, xp), xp.full_like(counts, -math.inf))
        if censored is not None:
            at = xp.abs(counts - nearest) < 1e-3
            low = xp.where(at, nearest, xp.ceil(counts)) - 1  # the largest count below the limit
            high = xp.where(at, nearest, xp.floor(counts))  # the largest count that is not above it
            below, _ = self._tails(low, expected, xp)
            _, above = self._tails(high, expected, xp)
            density = xp.where(censored < 0, below, xp.where(censored > 0, above, density))
        return xp.where(known, density, xp.zeros_like(density))

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        expected = np.maximum(np.asarray(truth, float), 0.0) * self.scale
        return np.sqrt(self.variance(expected)) / self.scale

    def mean(self, truth: Array, times: Array | None = None) -> Array:
        """Return the expected readout: the truth, or zero where it is below zero."""
        return np.maximum(np.asarray(truth, float), 0.0)

    def log_mass(self, counts: Any, expected: Any, xp: Any) -> Any:
        """Return the log-probability of `counts` (0, 1, ...; between them, interpolated) where so many are expected."""
        some = xp.logical_and(counts > 0, expected > 0)
        k = xp.where(some, counts, xp.ones_like(counts))
        mean = xp.where(some, expected, xp.ones_like(expected))
        nothing = xp.where(counts > 0, xp.full_like(expected, -math.inf), self._log_none(expected, xp))
        return xp.where(some, self._log_some(k, mean, xp), nothing)

    def _tails(self, counts: Any, expected: Any, xp: Any) -> tuple[Any, Any]:
        """Log-probabilities of at most `counts`, which may be below zero, and of more."""
        certain = xp.logical_or(counts < 0, expected <= 0)
        k = xp.where(certain, xp.zeros_like(counts), counts)
        mean = xp.where(certain, xp.ones_like(expected), expected)
        at_most, more = self._log_tails(k, mean, xp)
        all, none = xp.zeros_like(mean), xp.full_like(mean, -math.inf)
        return (
            xp.where(certain, xp.where(counts < 0, none, all), at_most),
            xp.where(certain, xp.where(counts < 0, all, none), more),
        )


@dataclass(frozen=True)
class Poisson(Counted):
    """Noise of counting: molecules, cells, photons or reads that come one by one.

    The scatter is the square root of the count: 100 counts have 10 %, 10 000 have 1 %.

    Parameters
    ----------
    scale
        Counts per unit of the observable; the readout is in the units of the observable again.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Poisson(scale=100).apply(np.array([0.0, 0.1, 10.0]), rng).round(2)
    array([0.  , 0.11, 9.19])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        require_numbers(self, scale="above zero")

    def variance(self, expected: Any) -> Any:
        """Return the variance of a count."""
        return expected

    def _drawn(self, expected: Array, rng: np.random.Generator) -> Array:
        return rng.poisson(expected)

    def _log_none(self, mean: Any, xp: Any) -> Any:
        return -mean

    def _log_some(self, k: Any, mean: Any, xp: Any) -> Any:
        return -stirling_error(k, xp) - deviance(k, mean, xp) - 0.5 * (LOG_2PI + xp.log(k))

    def _log_tails(self, k: Any, mean: Any, xp: Any) -> tuple[Any, Any]:
        if xp is np:
            from scipy.special import pdtr, pdtrc

            with np.errstate(divide="ignore"):
                return np.log(pdtr(k, mean)), np.log(pdtrc(k, mean))
        # The incomplete gamma function of order k + 1, over the logarithm of its argument, where it is log-concave.
        a = k + 1.0
        left = mean < a
        low, high = xp.where(left, mean, a), xp.where(left, a, mean)  # each in its own half
        down = log_tail(
            lambda w: a * w + low * xp.expm1(-w),
            lambda w: a - low * xp.exp(-w),
            (40.0 + low) / a,
            xp,
        )
        up = log_tail(
            lambda w: high * xp.expm1(w) - a * w,
            lambda w: high * xp.exp(w) - a,
            xp.sqrt(80.0 / high),
            xp,
        )
        edge = self.log_mass(k, mean, xp) + xp.log(mean)
        tail = edge + xp.where(left, down, up)
        rest = log_one_minus_exp(tail, xp)
        return xp.where(left, rest, tail), xp.where(left, tail, rest)


@dataclass(frozen=True)
class NegativeBinomial(Counted):
    """Noise of counting where what is counted varies too: sequencing reads, colonies, cells that stick together.

    The variance of a count m is m + dispersion m^2: Poisson's, and a coefficient of variation that no depth removes.

    Parameters
    ----------
    scale
        Counts per unit of the observable; the readout is in the units of the observable again.
    dispersion
        Squared coefficient of variation at high counts, dimensionless; 0 is Poisson's.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> NegativeBinomial(scale=100, dispersion=0.1).apply(np.array([0.0, 0.1, 10.0]), rng).round(2)
    array([0.  , 0.13, 8.13])
    """

    scale: float
    dispersion: float

    def __post_init__(self) -> None:
        require_numbers(self, scale="above zero", dispersion="zero or more")
        if 0 < self.dispersion < 1e-12:
            raise ValueError(f"dispersion must be 0 or at least 1e-12, got {self.dispersion!r}.")

    @property
    def _size(self) -> float:
        return 1.0 / self.dispersion

    @property
    def _plain(self) -> Poisson | None:
        return Poisson(self.scale) if self.dispersion == 0 else None

    def variance(self, expected: Any) -> Any:
        """Return the variance of a count."""
        return expected + self.dispersion * expected**2

    def _drawn(self, expected: Array, rng: np.random.Generator) -> Array:
        if self.dispersion > 0:
            expected = expected * rng.gamma(self._size, 1.0, expected.shape) / self._size
        return rng.poisson(np.minimum(expected, 1e18))

    def _log_none(self, mean: Any, xp: Any) -> Any:
        return self._plain._log_none(mean, xp) if self._plain else -self._size * xp.log1p(mean / self._size)

    def _log_some(self, k: Any, mean: Any, xp: Any) -> Any:
        if self._plain:
            return self._plain._log_some(k, mean, xp)
        r = self._size
        n, own = k + r, r + xp.zeros_like(k)
        binomial = stirling_error(n, xp) - stirling_error(own, xp) - stirling_error(k, xp)
        binomial = binomial - deviance(own, n * (r / (r + mean)), xp) - deviance(k, n * (mean / (r + mean)), xp)
        return binomial + 0.5 * (math.log(r) - xp.log(n) - xp.log(k) - LOG_2PI)

    def _log_tails(self, k: Any, mean: Any, xp: Any) -> tuple[Any, Any]:
        if self._plain:
            return self._plain._log_tails(k, mean, xp)
        r = self._size
        if xp is np:
            from scipy.special import betainc

            with np.errstate(divide="ignore"):
                return np.log(betainc(r, k + 1, r / (r + mean))), np.log(betainc(k + 1, r, mean / (r + mean)))
        # The incomplete beta function of r and k + 1, over the logit of its argument, where it is log-concave.
        a, b, at = r + xp.zeros_like(k), k + 1.0, math.log(r) - xp.log(mean)
        left = a * mean < b * r
        a, b, at = xp.where(left, b, a), xp.where(left, a, b), xp.where(left, -at, at)
        # In the half beyond its mode the same integral, mirrored.
        at = xp.minimum(at, xp.log(a) - xp.log(b))
        total, reached = a + b, xp.softplus(at)
        tail = log_tail(
            lambda w: a * w - total * (reached - xp.softplus(at - w)),
            lambda w: a - total * xp.sigmoid(at - w),
            (40.0 + total * reached) / a,
            xp,
        )
        edge = self.log_mass(k, mean, xp) + xp.log(mean / (r + mean)) + xp.log(r + k)
        tail = edge + tail
        rest = log_one_minus_exp(tail, xp)
        return xp.where(left, rest, tail), xp.where(left, tail, rest)

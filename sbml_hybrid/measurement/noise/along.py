"""Noise that knows the series that it is in: it grows, pulls to the mean, or remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.noise.gaussian import Gaussian, Law, with_limits
from sbml_hybrid.measurement.noise.memory import conditional, filtered
from sbml_hybrid.measurement.noise.protocol import Array, as_float, floating, like, require_numbers, times_along


@dataclass(frozen=True)
class Growing(Gaussian):
    """Noise that grows or decays in time: a drifting baseline, a probe that bleaches, a culture that thins out.

    Parameters
    ----------
    start, end
        Standard deviation at time 0 and from `until` on, in the units of the observable; with ``relative=True`` the
        coefficient of variation (log-normal), dimensionless. Between them it changes in proportion to time.
    until
        When `end` is reached, in the time unit of the data.
    relative
        Multiplicative instead of additive.
    exponential
        Change by the same factor in the same time, rather than by the same amount.

    Examples
    --------
    >>> noise = Growing(start=0.0, end=0.2, until=60)
    >>> noise.scatter(np.ones((4, 1)), times=[0, 30, 60, 90])[:, 0]
    array([0. , 0.1, 0.2, 0.2])
    """

    start: float
    end: float
    until: float
    relative: bool = False
    exponential: bool = False

    def __post_init__(self) -> None:
        require_numbers(self, start="zero or more", end="zero or more", until="above zero")
        for name in ("relative", "exponential"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, got {getattr(self, name)!r}.")
        if self.exponential and not (self.start > 0 and self.end > 0):
            raise ValueError(
                f"Exponential growth needs a start and an end above zero, got {self.start!r} and {self.end!r}."
            )

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        """Return the additive or multiplicative law, with its spread at each time."""
        passed = np.clip(times_along(times, truth, self) / self.until, 0.0, 1.0)
        if self.exponential:
            spread = self.start * (self.end / self.start) ** passed
        else:
            spread = self.start + (self.end - self.start) * passed
        if self.relative:
            spread = np.sqrt(np.log1p(spread**2))
        return Law(truth, like(spread, truth, xp), self.relative)


@dataclass(frozen=True)
class AdjustingMean(Gaussian):
    """Readouts that are pulled towards the mean of their series, as by carry-over, cross-talk or smoothing.

    Each readout is truth + w (mean - truth), where the mean is that of the noise-free series over the points that the
    model is given, and w is drawn for each point. So the readout is not centred on the truth: ``mean`` says where.

    Parameters
    ----------
    weight
        Mean of w, dimensionless: 0 leaves the readout, 1 puts it at the mean of the series.
    spread
        Standard deviation of w, dimensionless.

    Examples
    --------
    >>> truth = np.array([[0.0], [10.0], [50.0]])
    >>> AdjustingMean(weight=0.5).apply(truth, np.random.default_rng(0))[:, 0]
    array([10., 15., 35.])
    """

    weight: float
    spread: float = 0.0

    def __post_init__(self) -> None:
        require_numbers(self, weight="a number", spread="zero or more")

    def law(self, truth: Any, xp: Any = np, times: Array | None = None) -> Law:
        """Return the additive law around the pulled readout."""
        if len(truth.shape) < 2:
            raise DataError(f"AdjustingMean noise takes whole series (..., time, observable), got shape {truth.shape}.")
        there = xp.logical_not(xp.isnan(truth))  # a series with fewer times than others ends in NaN
        total = xp.sum(xp.where(there, truth, xp.zeros_like(truth)), axis=-2, keepdims=True)
        points = xp.sum(as_float(there, truth, xp), axis=-2, keepdims=True)
        away = total / xp.maximum(points, xp.ones_like(points)) - truth
        return Law(truth + self.weight * away, self.spread * xp.abs(away))


@dataclass(frozen=True)
class Autocorrelated:
    """Noise that remembers: readouts that are too high stay too high for a while.

    The standard normal number behind a normal or log-normal readout follows an Ornstein-Uhlenbeck process, exactly at
    any times: its autocorrelation falls as exp(-lag / time). Each readout by itself scatters as `noise` says.

    Parameters
    ----------
    noise
        `Normal`, `Lognormal`, `Linear`, `Growing` or `AdjustingMean`.
    time
        The lag after which the autocorrelation is 1/e, in the time unit of the data.

    Examples
    --------
    >>> from sbml_hybrid.measurement.noise import Normal
    >>> noise = Autocorrelated(Normal(0.1), time=5.0)
    >>> noise.apply(np.ones((4, 1)), np.random.default_rng(0), times=[0, 1, 2, 30])[:, 0].round(3)
    array([1.013, 1.003, 1.039, 1.011])

    References
    ----------
    Uhlenbeck & Ornstein (1930), https://doi.org/10.1103/PhysRev.36.823; the exact step: Gillespie (1996),
    https://doi.org/10.1103/PhysRevE.54.2084.
    """

    noise: Gaussian
    time: float

    def __post_init__(self) -> None:
        if not isinstance(self.noise, Gaussian):
            raise ValueError(
                f"Autocorrelated noise takes Normal, Lognormal, Linear, Growing or AdjustingMean, got {self.noise!r}. "
                "Try PerObservable, OneOf or a count around or beside it."
            )
        require_numbers(self, time="above zero")

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth` (..., time, observable), in its units, at `times` (time,) or (..., time)."""
        truth = np.asarray(truth, float)
        at = times_along(times, truth, self)
        z = rng.standard_normal(truth.shape)
        kept = np.exp(-np.diff(at, axis=-2) / self.time)
        for i in range(1, truth.shape[-2]):
            rho = kept[..., i - 1, :]
            z[..., i, :] = rho * z[..., i - 1, :] + np.sqrt(1 - rho**2) * z[..., i, :]
        return self.noise.law(truth, np, times).readout(z)

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement, given those of its series before it.

        Parameters
        ----------
        measured, truth
            (..., time, observable), in the units of the observable; NaN = not measured.
        censored
            -1 where the value was below the limit that `measured` holds, 1 above, 0 measured. What lay behind a limit
            is integrated out numerically (`filtered` says how accurately).
        xp
            The array namespace: NumPy or ``keras.ops``.
        times
            (time,) or (..., time), increasing.
        """
        measured, truth = floating(measured, xp), floating(truth, xp)
        known = xp.logical_not(xp.isnan(measured))
        at = like(times_along(times, truth, self), measured, xp) + xp.zeros_like(measured)
        law = self.noise.law(truth, xp, times)
        z, log_scale, free, censored = law.standard(xp.where(known, measured, truth), censored, xp)
        alone = with_limits(z, log_scale, censored, xp)  # where there is no scatter, nor anything to remember
        remembered = xp.logical_and(xp.logical_and(known, free), xp.isfinite(z))
        z = xp.where(remembered, z, xp.zeros_like(z))
        if censored is None or (xp is np and not np.any(np.asarray(censored) * known)):
            density = conditional(z, remembered, at / self.time, xp)
            scale = log_scale
        else:
            codes = as_float(censored, z, xp) + xp.zeros_like(z)
            density = filtered(z, remembered, codes, at / self.time, xp)
            scale = xp.where(codes == 0, log_scale, xp.zeros_like(z))
        density = xp.where(remembered, density - scale, alone)
        return xp.where(known, density, xp.zeros_like(density))

    def mean(self, truth: Array, times: Array | None = None) -> Array:
        """Return the expected readout of `truth`, in its units."""
        return self.noise.mean(truth, times)

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth` by itself, in its units."""
        return self.noise.scatter(truth, times)

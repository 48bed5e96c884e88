"""Noise models: how a readout scatters around its true value, and how likely a measurement is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np

from sbml_hybrid.errors import unknown_name

Array = np.ndarray


class Noise(Protocol):
    """What a noise model can do; other packages' models join by the entry points ``sbml_hybrid.noises``."""

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth` (..., time, observable), in its units, at `times` (time,)."""
        ...

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement, in the shape of `measured`; 0 where it is NaN."""
        ...

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        ...


@dataclass(frozen=True)
class Normal:
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
        _require_spread("sd", self.sd)

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth`, any shape, in the units of `truth`."""
        return truth + rng.normal(0.0, self.sd, np.shape(truth))

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
        """
        known = xp.logical_not(xp.isnan(measured))
        z = (xp.where(known, measured, truth) - truth) / self.sd
        return xp.where(known, _with_limits(z, math.log(self.sd), censored, xp), xp.zeros_like(z))

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        return np.full(np.shape(truth), self.sd)


@dataclass(frozen=True)
class Lognormal:
    """Multiplicative noise with a constant coefficient of variation.

    The usual choice for concentrations: the readout stays positive, its mean is the true
    value, and its scatter grows in proportion to it. A true zero stays zero.

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
        _require_spread("cv", self.cv)

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.cv**2))

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth`, any shape, in the units of `truth`."""
        return truth * rng.lognormal(-(self.sigma**2) / 2, self.sigma, np.shape(truth))

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement given its true value.

        A measurement of the other sign than the truth has density 0 (log -inf); where the truth is
        zero, only a measurement of zero is possible, and counts as 0.

        Parameters
        ----------
        measured, truth
            Arrays that broadcast, in the units of the observable; NaN = not measured.
        censored
            -1 where the value was below the limit that `measured` holds, 1 above, 0 measured.
        xp
            The array namespace: NumPy or ``keras.ops``.
        """
        known = xp.logical_not(xp.isnan(measured))
        possible = xp.logical_and(known, measured * truth > 0)
        ratio = xp.where(possible, measured, 1.0) / xp.where(possible, truth, 1.0)
        z = (xp.log(ratio) + self.sigma**2 / 2) / self.sigma
        scale = math.log(self.sigma) + xp.log(xp.abs(xp.where(possible, measured, 1.0)))
        density = _with_limits(z, scale, censored, xp)
        certain = xp.logical_and(measured == 0, truth + xp.zeros_like(z) == 0)
        impossible = xp.where(xp.logical_or(certain, xp.logical_not(known)), 0.0, -math.inf)
        return xp.where(possible, density, impossible)

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        return self.cv * np.abs(truth)


def resolved(noise: Noise, observables: Sequence[str]) -> Noise:
    """Return the noise model for these observables, in this order, along the last axis."""
    return noise.resolved(observables) if hasattr(noise, "resolved") else noise


KINDS = {kind.__name__.lower(): kind for kind in (Normal, Lognormal)}


def to_dict(noise: Any) -> dict[str, Any]:
    """Return a noise model as plain values: its kind and its numbers."""
    return {"kind": type(noise).__name__, **asdict(noise)}


def noise_from_dict(said: Mapping[str, Any]) -> Noise:
    """Return the noise model that `to_dict` described, ours or a plug-in's.

    Raises
    ------
    UnknownName
        There is no such noise model.
    """
    numbers = {name: value for name, value in said.items() if name != "kind"}
    return kind_of(str(said.get("kind")))(**numbers)


def kind_of(name: str) -> type:
    """Return the class of noise models called `name`, in any case of letters.

    Raises
    ------
    UnknownName
        There is no such noise model.
    """
    if name.lower() in KINDS:
        return KINDS[name.lower()]
    plugged = {entry.name.lower(): entry for entry in entry_points(group="sbml_hybrid.noises")}
    if name.lower() in plugged:
        return plugged[name.lower()].load()
    raise unknown_name("noise model", name, [*KINDS, *plugged], "sh.noise")


def _require_spread(name: str, value: float) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be zero or more, got {value!r}.")


def _with_limits(z: Any, log_scale: Any, censored: Any, xp: Any) -> Any:
    """Log-density of a standard normal z, or the log-probability beyond the limit where censored."""
    density = -0.5 * z**2 - log_scale - 0.5 * math.log(2 * math.pi)
    if censored is None:
        return density
    below, above = _log_probability(z, xp), _log_probability(-z, xp)
    return xp.where(censored < 0, below, xp.where(censored > 0, above, density))


def _log_probability(z: Any, xp: Any) -> Any:
    if xp is np:
        from scipy.special import log_ndtr

        return log_ndtr(z)
    return xp.log(0.5 * (1.0 + xp.erf(z / math.sqrt(2.0))))

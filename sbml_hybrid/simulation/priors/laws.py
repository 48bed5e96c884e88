"""Laws for one quantity: each gives its values at probabilities, and the probabilities of values."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np

from sbml_hybrid.errors import is_number

Array = np.ndarray
SMALLEST, LARGEST = np.finfo(float).tiny, 1 - np.finfo(float).epsneg  # the probabilities next to 0 and 1


class Prior(Protocol):
    """A law for one quantity, in the quantity's own unit."""

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`, any shape, in (0, 1)."""
        ...

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`, any shape."""
        ...

    def scaled(self, factor: float) -> Prior:
        """Return the law of `factor` (positive) times the quantity."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Always the same value."""

    value: float
    dimensions: ClassVar[int] = 0

    def __post_init__(self) -> None:
        require_finite(self)

    def quantile(self, u: Array) -> Array:
        """Return `value` in the shape of `u`."""
        return np.full(np.shape(u), float(self.value))

    def cdf(self, x: Array) -> Array:
        """Return 0 below the value and 1 from it on."""
        return _step(x, self.value)

    def scaled(self, factor: float) -> Fixed:
        """Return the law of `factor` times the quantity."""
        return Fixed(self.value * factor)


@dataclass(frozen=True)
class Uniform:
    """Equally likely everywhere between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require_finite(self)
        _require_ordered(self, "low", "high")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return self.low + np.asarray(u) * (self.high - self.low)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        if self.low == self.high:
            return _step(x, self.low)
        return np.clip((np.asarray(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def scaled(self, factor: float) -> Uniform:
        """Return the law of `factor` times the quantity."""
        return Uniform(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class LogUniform:
    """The logarithm is equally likely everywhere between `low` and `high`, both positive."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require_finite(self)
        _require_positive(self, "low")
        _require_ordered(self, "low", "high")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        span = math.log(self.high / self.low)
        return np.clip(self.low * np.exp(np.asarray(u) * span), self.low, self.high)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        if self.low == self.high:
            return _step(x, self.low)
        return np.log(np.clip(x, self.low, self.high) / self.low) / math.log(self.high / self.low)

    def scaled(self, factor: float) -> LogUniform:
        """Return the law of `factor` times the quantity."""
        return LogUniform(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class LogNormal:
    """The logarithm is normal.

    Parameters
    ----------
    median
        The median, positive, in the quantity's unit.
    fold
        ``exp`` of the standard deviation of the logarithm, 1 or more: two thirds of the values lie
        within ``median / fold`` and ``median * fold``.
    """

    median: float
    fold: float

    def __post_init__(self) -> None:
        require_finite(self)
        _require_positive(self, "median")
        if self.fold < 1:
            raise ValueError(f"fold must be 1 or more, got {self.fold!r}.")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return self.median * np.exp(math.log(self.fold) * normal_quantile(u))

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        if self.fold == 1:
            return _step(x, self.median)
        ratio = np.asarray(x, float) / self.median
        positive = ratio > 0
        logs = np.log(np.where(positive, ratio, 1.0)) / math.log(self.fold)
        return np.where(positive, normal_cdf(logs), 0.0)

    def scaled(self, factor: float) -> LogNormal:
        """Return the law of `factor` times the quantity."""
        return LogNormal(self.median * factor, self.fold)


@dataclass(frozen=True)
class Normal:
    """Normal, with its mean and standard deviation in the quantity's unit.

    For a quantity that must be positive, `of` cuts it at 0; elsewhere, see `Truncated`.
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        require_finite(self)
        if self.sd < 0:
            raise ValueError(f"sd must be zero or more, got {self.sd!r}.")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return self.mean + self.sd * normal_quantile(u)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        return _step(x, self.mean) if self.sd == 0 else normal_cdf((np.asarray(x) - self.mean) / self.sd)

    def scaled(self, factor: float) -> Normal:
        """Return the law of `factor` times the quantity."""
        return Normal(self.mean * factor, self.sd * factor)


@dataclass(frozen=True)
class Beta:
    """Beta, stretched to `low` to `high`: for fractions, and for what has bounds and a hump between them.

    Parameters
    ----------
    a, b
        The shape, both positive, dimensionless; the mean is ``low + (high - low) * a / (a + b)``.
    low, high
        The bounds, in the quantity's unit.
    """

    a: float
    b: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require_finite(self)
        _require_positive(self, "a")
        _require_positive(self, "b")
        _require_ordered(self, "low", "high")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        from scipy.special import betaincinv

        return np.clip(self.low + (self.high - self.low) * betaincinv(self.a, self.b, u), self.low, self.high)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        from scipy.special import betainc

        if self.low == self.high:
            return _step(x, self.low)
        return betainc(self.a, self.b, np.clip((np.asarray(x) - self.low) / (self.high - self.low), 0.0, 1.0))

    def scaled(self, factor: float) -> Beta:
        """Return the law of `factor` times the quantity."""
        return Beta(self.a, self.b, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Gamma:
    """Gamma: positive, skewed to the right.

    Parameters
    ----------
    shape
        Positive, dimensionless; the coefficient of variation is ``1 / sqrt(shape)``.
    scale
        Positive, in the quantity's unit; the mean is ``shape * scale``.
    """

    shape: float
    scale: float

    def __post_init__(self) -> None:
        require_finite(self)
        _require_positive(self, "shape")
        _require_positive(self, "scale")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        from scipy.special import gammaincinv

        return self.scale * gammaincinv(self.shape, u)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        from scipy.special import gammainc

        return gammainc(self.shape, np.maximum(x, 0.0) / self.scale)

    def scaled(self, factor: float) -> Gamma:
        """Return the law of `factor` times the quantity."""
        return Gamma(self.shape, self.scale * factor)


@dataclass(frozen=True)
class Triangular:
    """Rises evenly from `low` to its `mode` and falls evenly to `high`: least, likeliest and largest value."""

    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        require_finite(self)
        _require_ordered(self, "low", "mode")
        _require_ordered(self, "mode", "high")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        u, width = np.asarray(u, float), self.high - self.low
        if width == 0:
            return np.full(u.shape, float(self.low))
        peak = (self.mode - self.low) / width  # the probability of what is below the mode
        values = np.where(u < peak, np.sqrt(u * peak), 1 - np.sqrt((1 - u) * (1 - peak)))
        return np.clip(self.low + width * values, self.low, self.high)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        width = self.high - self.low
        if width == 0:
            return _step(x, self.low)
        x, peak = (np.clip(x, self.low, self.high) - self.low) / width, (self.mode - self.low) / width
        rising = x**2 / peak if peak > 0 else 0.0
        falling = 1 - (1 - x) ** 2 / (1 - peak) if peak < 1 else 1.0
        return np.where(x < peak, rising, falling)

    def scaled(self, factor: float) -> Triangular:
        """Return the law of `factor` times the quantity."""
        return Triangular(self.low * factor, self.mode * factor, self.high * factor)


# -- what laws share -------------------------------------------------------------------------------


def names_of(label: str, prior: Any) -> tuple[str, ...]:
    """Return the quantities that a prior draws where it stands under `label` in a mapping."""
    return tuple(getattr(prior, "names", (label,)))


def dimensions_of(prior: Any) -> int:
    """Return how many probabilities a draw from the prior takes: none for what is fixed."""
    return getattr(prior, "dimensions", 1)


def normal_quantile(u: Array) -> Array:
    """Return the standard normal's values at the probabilities `u`."""
    from scipy.special import ndtri

    return ndtri(u)


def normal_cdf(z: Array) -> Array:
    """Return the standard normal's probabilities of values up to `z`."""
    from scipy.special import ndtr

    return ndtr(z)


def require_finite(prior: Any) -> None:
    """Raise a ValueError for the first field that is no finite number."""
    for name, value in ((field.name, getattr(prior, field.name)) for field in fields(prior)):
        if not is_number(value):
            raise ValueError(f"{name} must be a finite number, got {value!r}.")


def _step(x: Array, at: float) -> Array:
    return np.where(np.asarray(x) >= at, 1.0, 0.0)


def _require_positive(prior: Any, name: str) -> None:
    if getattr(prior, name) <= 0:
        raise ValueError(f"{name} must be positive, got {getattr(prior, name)!r}.")


def _require_ordered(prior: Any, first: str, second: str) -> None:
    low, high = getattr(prior, first), getattr(prior, second)
    if low > high:
        raise ValueError(f"{first} must not be above {second}, got {first}={low!r}, {second}={high!r}.")

"""Laws made from other laws: cut at bounds, or taken relative to a model's own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sbml_hybrid.errors import is_number
from sbml_hybrid.simulation.priors.laws import LARGEST, SMALLEST, Array, Prior

_LEAST = 1e-6  # the share of a law that must be left: what is further out, floating point does not resolve


@dataclass(frozen=True)
class Truncated:
    """A law cut at bounds: what lies outside is drawn again, inside.

    Parameters
    ----------
    prior
        Any law of one quantity.
    low, high
        The bounds, themselves allowed, in the quantity's unit; None for no bound on that side.

    Examples
    --------
    >>> from sbml_hybrid.simulation.priors import Normal
    >>> Truncated(Normal(1.0, 2.0), low=0).quantile(np.array([0.01, 0.5, 0.99])).round(3)
    array([0.039, 1.794, 5.923])
    """

    prior: Prior
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _require_one_quantity("Truncated", self.prior)
        for name in ("low", "high"):
            value = getattr(self, name)
            if value is not None and not is_number(value):
                raise ValueError(f"{name} must be a finite number, or None for no bound, got {value!r}.")
        if self.low is None and self.high is None:
            raise ValueError("Truncated needs low, high or both.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low must not be above high, got low={self.low!r}, high={self.high!r}.")
        first, last = self._kept
        if last - first < _LEAST:
            raise ValueError(
                f"A share of {max(last - first, 0):.0e} of {self.prior} lies within low={self.low!r} and "
                f"high={self.high!r}; at least 1e-06 must. Try wider bounds, or another law."
            )

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        first, last = self._kept
        inside = np.clip(first + np.asarray(u) * (last - first), np.nextafter(first, 1.0), last)
        return np.clip(self.prior.quantile(np.clip(inside, SMALLEST, LARGEST)), self.low, self.high)

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        first, last = self._kept
        return np.clip((self.prior.cdf(x) - first) / (last - first), 0.0, 1.0)

    def scaled(self, factor: float) -> Truncated:
        """Return the law of `factor` times the quantity."""
        low, high = (None if bound is None else bound * factor for bound in (self.low, self.high))
        return Truncated(self.prior.scaled(factor), low, high)

    @property
    def _kept(self) -> tuple[float, float]:
        """The probabilities between which the bounds lie; a step at `low` belongs to what is kept."""
        first = 0.0 if self.low is None else float(self.prior.cdf(np.nextafter(self.low, -np.inf)))
        return first, 1.0 if self.high is None else float(self.prior.cdf(self.high))


@dataclass(frozen=True)
class Relative:
    """A law times the model's own value, for many quantities at once in `of`.

    Parameters
    ----------
    prior
        A law of the dimensionless factor, 1 for the model's own value.

    Examples
    --------
    ``sh.priors.of(model, {"k*": sh.priors.Relative(sh.priors.LogNormal(1.0, fold=1.5))})`` gives every rate
    constant a log-normal whose median is the model's value.
    """

    prior: Prior

    def __post_init__(self) -> None:
        _require_one_quantity("Relative", self.prior)

    def quantile(self, u: Array) -> NoReturn:
        """Raise a ValueError: without a model, there is no value to be relative to."""
        raise ValueError(f"{self} needs the values of a model. Try: sh.priors.of(model, {{...}}).")

    cdf = scaled = quantile


def _require_one_quantity(what: str, prior: Any) -> None:
    if hasattr(prior, "names") or not hasattr(prior, "cdf") or isinstance(prior, Relative):
        hint = " Try Relative(Truncated(...))." if isinstance(prior, Relative) else ""
        raise ValueError(f"{what} takes a law of one quantity, such as Normal(1, 2), got {prior!r}.{hint}")

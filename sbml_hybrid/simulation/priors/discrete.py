"""Laws of a few values, and the levels that a grid takes of any law."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sbml_hybrid.errors import is_number
from sbml_hybrid.simulation.priors.laws import Array


@dataclass(frozen=True)
class Discrete:
    """One of a few values, such as the doses of an experiment or the copy numbers of a gene.

    Parameters
    ----------
    values
        The values, each once, in the quantity's unit; they are kept in rising order.
    probabilities
        One for each value, in the order given, positive, with sum 1; equal by default.
    """

    values: Sequence[float]
    probabilities: Sequence[float] | None = None

    def __post_init__(self) -> None:
        values, chances = _floats("values", self.values), self.probabilities
        if not values or len(set(values)) != len(values):
            raise ValueError(f"values must hold one number or more, each once, got {self.values!r}.")
        order = sorted(range(len(values)), key=values.__getitem__)
        if chances is not None:
            chances = _floats("probabilities", chances)
            if len(chances) != len(values):
                raise ValueError(f"{len(values)} values need as many probabilities, got {len(chances)}.")
            if not all(p > 0 for p in chances) or abs(math.fsum(chances) - 1) > 1e-9:
                raise ValueError(f"probabilities must be positive and have the sum 1, got {self.probabilities!r}.")
            object.__setattr__(self, "probabilities", tuple(chances[i] for i in order))
        object.__setattr__(self, "values", tuple(values[i] for i in order))

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return np.array(self.values)[np.searchsorted(self._up_to, u, side="left")]

    def cdf(self, x: Array) -> Array:
        """Return the probabilities of values up to `x`."""
        return np.concatenate([[0.0], self._up_to])[np.searchsorted(self.values, x, side="right")]

    def scaled(self, factor: float) -> Discrete:
        """Return the law of `factor` times the quantity."""
        return Discrete([value * factor for value in self.values], self.probabilities)

    def levels(self, count: int) -> Array:
        """Return the probabilities of `count` levels of a grid: each value once where there are as many."""
        if count != len(self.values):
            return even_levels(count)
        return self._up_to - np.diff(self._up_to, prepend=0.0) / 2

    @property
    def _up_to(self) -> Array:
        chances = self.probabilities or np.full(len(self.values), 1 / len(self.values))
        up_to = np.cumsum(chances)
        up_to[-1] = 1.0
        return up_to


def even_levels(count: int) -> Array:
    """Return the probabilities in the middle of `count` equal shares."""
    return (np.arange(count) + 0.5) / count


def _floats(name: str, values: Iterable[float]) -> list[float]:
    listed = isinstance(values, Iterable) and not isinstance(values, str)
    if not listed or not all(map(is_number, made := list(values))):
        raise ValueError(f"{name} must be a list of finite numbers, got {values!r}.")
    return [float(value) for value in made]

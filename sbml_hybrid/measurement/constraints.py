"""What holds for the numbers that an assay gives: bounds, ranges and fixed sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.settings import Number, by_observable, from_dict, known, numbers, require_count


class Constraint(Protocol):
    """What a constraint can do."""

    def apply(self, values: np.ndarray, readout: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return `values` (..., time, observable) as the constraint has them, given the noise-free readout."""
        ...


@dataclass(frozen=True)
class Bounds:
    """Nothing below `low` or above `high`: such a value becomes the bound, without a word.

    As when a program writes 0 for what came out negative. `sh.Limits` does the same and says so.

    Parameters
    ----------
    low, high
        In the units of the measurements; one number, or numbers by observable (the others have no such bound).

    Examples
    --------
    >>> Bounds(low=0).apply(np.array([[-0.2], [0.3]]), None, ["A"]).ravel()
    array([0. , 0.3])
    """

    low: Number | None = None
    high: Number | None = None

    def __post_init__(self) -> None:
        _set_bounds(self)

    def apply(self, values: np.ndarray, readout: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return `values` (..., observable) within the bounds."""
        return np.clip(values, *_bounds(self, names))


@dataclass(frozen=True)
class Within:
    """Only noise that leaves the value between `low` and `high`: a value outside is drawn again.

    The noise then has the law that it has, cut off at the bounds; that of an autocorrelated model only nearly.
    Drawn with the noise, so it stands before the other constraints, which may lead out of the range again.

    Parameters
    ----------
    low, high
        In the units of the measurements; one number, or numbers by observable (the others have no such bound).
    tries
        How often a value is drawn again before that is an error.
    """

    low: Number | None = None
    high: Number | None = None
    tries: int = 1000

    def __post_init__(self) -> None:
        _set_bounds(self)
        require_count("tries", self.tries)

    def outside(self, values: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return which of `values` (..., observable) are outside."""
        low, high = _bounds(self, names)
        return (values < low) | (values > high)

    def apply(self, values: np.ndarray, readout: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return `values` (..., observable), which were drawn within the bounds.

        Raises
        ------
        DataError
            They were not, in all those tries.
        """
        outside = self.outside(values, names)
        if outside.any():
            name = names[int(np.nonzero(outside)[-1][0])]
            raise DataError(
                f"Noise does not bring {name} into its range in {self.tries} tries: the readout is too far outside. "
                "Widen the range, or try sh.constraints.Bounds."
            )
        return values


@dataclass(frozen=True)
class Total:
    """A fixed sum: the values of some observables are rescaled together, so that their sum is exact.

    As when a blot is normalised to the total, or fractions to 1. Where what was measured sums to zero or less, the
    total is divided in the proportions of the noise-free readout.

    Parameters
    ----------
    of
        Names of the observables.
    to
        The sum, in the units of the measurements; by default that of the noise-free readout at each time.

    Examples
    --------
    >>> Total(of=["A", "B"], to=1.0).apply(np.array([[0.3, 0.9]]), np.array([[0.2, 0.8]]), ["A", "B"])
    array([[0.25, 0.75]])
    """

    of: Sequence[str]
    to: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", (self.of,) if isinstance(self.of, str) else tuple(map(str, self.of)))
        if len(set(self.of)) != len(self.of) or len(self.of) < 2:
            raise ValueError(f"of must name two or more different observables, got {self.of!r}.")
        object.__setattr__(self, "to", numbers("to", self.to, least=0.0))

    def apply(self, values: np.ndarray, readout: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return `values` (..., observable) with the sum that was asked for."""
        known(self.of, names)
        columns = [list(names).index(name) for name in self.of]
        part, true = values[..., columns], np.broadcast_to(readout, values.shape)[..., columns]
        expected = true.sum(axis=-1, keepdims=True)
        shares = np.where(part.sum(axis=-1, keepdims=True) > 0, part, np.where(expected > 0, true, 1.0))
        total = expected if self.to is None else self.to
        unknown = np.isnan(part).any(axis=-1, keepdims=True)
        result = values.copy()
        result[..., columns] = np.where(unknown, part, total * shares / shares.sum(axis=-1, keepdims=True))
        return result


KINDS = (Bounds, Within, Total)


def constraint_from_dict(said: Mapping[str, Any]) -> Constraint:
    """Return the constraint that a dictionary describes: its ``kind`` and its settings.

    Raises
    ------
    UnknownName
        There is no such constraint.
    """
    return from_dict(said, KINDS, "constraint", "sh.constraints")


def _set_bounds(constraint: Bounds | Within) -> None:
    for name in ("low", "high"):
        object.__setattr__(constraint, name, numbers(name, getattr(constraint, name)))
    low, high = constraint.low, constraint.high
    if low is None and high is None:
        raise ValueError(f"{type(constraint).__name__} needs low, high or both.")
    if isinstance(low, float) and isinstance(high, float) and low > high:
        raise ValueError(f"low must not be above high, got {low:g} and {high:g}.")


def _bounds(constraint: Bounds | Within, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    return by_observable(constraint.low, names, -np.inf), by_observable(constraint.high, names, np.inf)

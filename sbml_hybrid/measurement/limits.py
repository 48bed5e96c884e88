"""What an assay cannot read: below its limit of detection, and above its saturation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sbml_hybrid.measurement.settings import Number, by_observable, numbers


@dataclass(frozen=True)
class Limits:
    """A limit of detection and a saturation: beyond them the assay gives its limit, and says so.

    A value below `low` becomes `low` with the code -1 in `censored`, one above `high` becomes `high` with +1. What is
    not measured has no code. A likelihood takes the probability beyond the limit for such a point.

    Parameters
    ----------
    low, high
        In the units of the measurements; one number for all observables, or numbers by name (the others have no such
        limit). None: no such limit.

    Examples
    --------
    >>> measured, censored = Limits(low=0.1, high=10).apply(np.array([[0.02], [0.1], [12.0], [np.nan]]), ["A"])
    >>> measured.ravel(), censored.ravel()
    (array([ 0.1,  0.1, 10. ,  nan]), array([-1,  0,  1,  0], dtype=int8))
    """

    low: Number | None = None
    high: Number | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, numbers(name, getattr(self, name)))
        if self.low is None and self.high is None:
            raise ValueError("Limits need low (limit of detection), high (saturation) or both.")
        mentioned = [n for bound in (self.low, self.high) if isinstance(bound, tuple) for n, _ in bound]
        names = mentioned or ["every observable"]
        low, high = by_observable(self.low, names, -np.inf), by_observable(self.high, names, np.inf)
        for name, a, b in zip(names, low, high, strict=True):
            if not a < b:
                raise ValueError(f"The limits of {name} must have low below high, got {a:g} and {b:g}.")

    def apply(self, values: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return what the assay gives for `values` (..., observable), and the codes (int8), in the same shape."""
        low, high = by_observable(self.low, names, -np.inf), by_observable(self.high, names, np.inf)
        codes = (values > high).astype(np.int8) - (values < low).astype(np.int8)
        return np.clip(values, low, high), codes

"""Prior laws as penalties: how far a parameter is from where its law has it, in standard deviations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sbml_hybrid.simulation.priors import LogNormal, LogUniform, Normal, Uniform

KINDS = (LogNormal, Normal, LogUniform, Uniform)
_LEAST = 1e-9  # below this part of the median the logarithm goes on as a straight line, down to 0 and beyond


def distance(law: Any, x: Any, edge: float, xp: Any) -> Any:
    """Return how many standard deviations `x`, any shape, is away: half its square is minus the log density.

    `Uniform` and `LogUniform` are 0 within, and outside the distance to the nearest bound over `edge` times the width.
    """
    if isinstance(law, Normal):
        return (x - law.mean) / law.sd
    if isinstance(law, LogNormal):
        return _log(x / law.median, xp) / math.log(law.fold)
    if isinstance(law, LogUniform):
        u = _log(x / law.low, xp) / math.log(law.high / law.low)
    else:
        u = (x - law.low) / (law.high - law.low)
    return (xp.relu(u - 1.0) + xp.relu(-u)) / edge


def require_laws(laws: Any) -> dict[str, Any]:
    """Return name -> law, or raise a ValueError for what has no density with a gradient."""
    if not isinstance(laws, Mapping) or not laws:
        raise ValueError(f"laws takes parameter -> law, such as {{'k1': sh.priors.LogNormal(0.3, 2)}}, got {laws!r}.")
    for name, law in laws.items():
        if not isinstance(law, KINDS):
            known = ", ".join(kind.__name__ for kind in KINDS)
            raise ValueError(f"The law of {name!r} must be one of {known}, got {law!r}.")
        spread = (
            law.sd if isinstance(law, Normal) else law.fold - 1 if isinstance(law, LogNormal) else law.high - law.low
        )
        if spread == 0:
            raise ValueError(f"The law of {name!r} allows one value only, {law!r}: fix the parameter instead.")
    return dict(laws)


def _log(x: Any, xp: Any) -> Any:
    """Return log(x), with a tangent below `_LEAST` that pulls back what is not positive."""
    return xp.log(xp.maximum(x, _LEAST)) + xp.minimum(x, _LEAST) / _LEAST - 1.0

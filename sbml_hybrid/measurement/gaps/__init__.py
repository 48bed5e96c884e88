"""Which readouts are measured at all: models of missing points, which compose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sbml_hybrid.measurement.gaps.gap import Gap, is_random, planned, require_gaps, scheduled
from sbml_hybrid.measurement.gaps.losses import Destructive, DropOut, RandomFraction
from sbml_hybrid.measurement.gaps.plans import Intervals, Panels, Schedule, Tail
from sbml_hybrid.measurement.gaps.readings import BelowLimit, KeepExtremes, Plateau
from sbml_hybrid.measurement.settings import from_dict

KINDS = (
    RandomFraction, Schedule, Intervals, Panels, Destructive, DropOut, Tail, Plateau, KeepExtremes, BelowLimit,
)  # fmt: skip

__all__ = [
    "KINDS", "BelowLimit", "Destructive", "DropOut", "Gap", "Intervals", "KeepExtremes", "Panels", "Plateau",
    "RandomFraction", "Schedule", "Tail", "gap_from_dict", "is_random", "planned", "require_gaps", "scheduled",
]  # fmt: skip


def gap_from_dict(said: Mapping[str, Any]) -> Gap:
    """Return the model of missing points that a dictionary describes: its ``kind`` and its settings.

    Raises
    ------
    UnknownName
        There is no such kind.

    Examples
    --------
    >>> gap_from_dict({"kind": "random-fraction", "keep": 0.5})
    RandomFraction(keep=0.5)
    """
    if isinstance(said.get("others"), Mapping):
        said = {**said, "others": gap_from_dict(said["others"])}
    return from_dict(said, KINDS, "gap model", "sh.gaps")

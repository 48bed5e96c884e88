"""The record of the noise, in other units."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from sbml_hybrid.data.units import scaled

# Which fields of each kind of noise are in the unit of the observable, in its inverse, or in that of time. Kinds that
# are not here are another package's.
_VALUES = {"Normal": ("sd",), "Linear": ("a",), "Growing": ("start", "end")}
_INVERSE = {"Poisson": ("scale",), "NegativeBinomial": ("scale",)}
_TIMES = {"Growing": ("until",), "Autocorrelated": ("time",)}
_KINDS = {
    *_VALUES, *_INVERSE, *_TIMES, "Lognormal", "AdjustingMean", "PerObservable", "OneOf", "InSequence",
}  # fmt: skip


def in_other_units(record: Mapping[str, Any], factors: Mapping[str, Fraction], time: Fraction) -> dict | None:
    """Return the record of the noise after observables and times took other units.

    A coefficient of variation has no unit, a standard deviation has one.

    Parameters
    ----------
    record
        What `to_dict` said of the noise.
    factors
        Observable -> what its values were multiplied with.
    time
        What the times were multiplied with.

    Returns
    -------
    dict or None
        None where no record can say it: another package's noise, or one choice for observables that changed
        differently.
    """
    if not _all_ours(record):
        return None
    try:
        return _converted(record, factors, time)
    except (KeyError, TypeError, ValueError):  # a record that somebody wrote by hand
        return None


def _converted(record: Mapping[str, Any], factors: Mapping[str, Fraction], time: Fraction) -> dict | None:
    distinct = set(factors.values())
    if len(distinct) <= 1 or all(_scaled(record, factor, Fraction(1)) == record for factor in distinct):
        return _scaled(record, next(iter(distinct), Fraction(1)), time)
    if _chooses_per_trajectory(record):
        return None
    each = {name: _scaled(_of_observable(record, name), factor, time) for name, factor in factors.items()}
    return {"kind": "PerObservable", "noises": each, "default": None}


def _scaled(record: Mapping[str, Any], factor: Fraction, time: Fraction) -> dict:
    kind, made = record["kind"], dict(record)
    values = () if record.get("relative") else _VALUES.get(kind, ())
    steps = {name: factor for name in values}
    steps |= {name: 1 / factor for name in _INVERSE.get(kind, ())} | {name: time for name in _TIMES.get(kind, ())}
    for name, step in steps.items():
        if name in made and step != 1:
            made[name] = float(scaled(np.array(made[name], float), step))
    for name, value in made.items():
        if isinstance(value, Mapping) and "kind" in value:
            made[name] = _scaled(value, factor, time)
        elif name == "noises":
            made[name] = (
                {key: _scaled(one, factor, time) for key, one in value.items()}
                if isinstance(value, Mapping)
                else [_scaled(one, factor, time) for one in value]
            )
    return made


def _inside(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    noises = record.get("noises") or []
    several = list(noises.values()) if isinstance(noises, Mapping) else list(noises)
    return several + [record[name] for name in ("noise", "default") if isinstance(record.get(name), Mapping)]


def _all_ours(record: Any) -> bool:
    return isinstance(record, Mapping) and record.get("kind") in _KINDS and all(map(_all_ours, _inside(record)))


def _chooses_per_trajectory(record: Mapping[str, Any]) -> bool:
    return record.get("per") == "trajectory" or any(map(_chooses_per_trajectory, _inside(record)))


def _of_observable(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if record["kind"] == "PerObservable":
        return _of_observable(record["noises"].get(name) or record["default"], name)
    made = dict(record)
    if "noises" in made:
        made["noises"] = [_of_observable(one, name) for one in made["noises"]]
    return made

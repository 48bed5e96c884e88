"""What is measured of some trajectories, whichever others are measured beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.data.units import ARBITRARY, units_attribute, units_of
from sbml_hybrid.measurement.constraints import KINDS as CONSTRAINTS
from sbml_hybrid.measurement.constraints import Constraint, Within
from sbml_hybrid.measurement.effects import KINDS as EFFECTS
from sbml_hybrid.measurement.effects import Effect, Groups, Scaling, combined
from sbml_hybrid.measurement.gaps import Gap, RandomFraction, is_random, require_gaps
from sbml_hybrid.measurement.limits import Limits
from sbml_hybrid.measurement.noise import Noise, require_models, resolved, to_dict
from sbml_hybrid.measurement.observables import readout
from sbml_hybrid.measurement.plates import Plates
from sbml_hybrid.measurement.settings import generator, require_count, words
from sbml_hybrid.measurement.settings import to_dict as said

# What chance is for: noise and `keep` have a number, the rest a word.
_NOISE, _KEEP = 0, 1


@dataclass(frozen=True)
class Assay:
    """How trajectories are measured: what `measure` was asked for."""

    formulas: tuple[tuple[str, str], ...]
    noise: Noise
    keep: float
    schedule: tuple[float, ...] | None
    scaling: Scaling | None
    plates: Plates | None
    effects: tuple[Effect, ...]
    replicates: int
    constraints: tuple[Constraint, ...]
    limits: Limits | None
    gaps: tuple[Gap, ...]
    seed: int

    def __post_init__(self) -> None:
        RandomFraction(self.keep)
        require_count("replicates", self.replicates)
        require_models("measure", [self.noise], able=("apply",))  # one of a plug-in's may say no density
        require_gaps("gaps", self.gaps)
        for name, kind in {"scaling": Scaling, "plates": Plates, "limits": Limits}.items():
            one = getattr(self, name)
            if one is not None and not isinstance(one, kind):
                raise ValueError(f"{name} must be sh.{kind.__name__}(...), got {one!r}.")
        for name, kinds in {"effects": EFFECTS, "constraints": CONSTRAINTS}.items():
            for one in getattr(self, name):
                if not isinstance(one, kinds):
                    raise ValueError(f"{name} must be of sh.{name}, such as {kinds[0].__name__}, got {one!r}.")

    @property
    def names(self) -> list[str]:
        """The observables."""
        return [name for name, _ in self.formulas]

    @property
    def attrs(self) -> dict[str, str]:
        """What a dataset says about how it was measured."""
        schedule = None if self.schedule is None else list(self.schedule)
        record: dict[str, Any] = {"keep": float(self.keep), "schedule": schedule, "seed": self.seed}
        for name in ("scaling", "plates", "limits"):
            if getattr(self, name) is not None:
                settings = said(getattr(self, name))
                record[name] = {key: value for key, value in settings.items() if key != "kind"}
        for name in ("effects", "constraints", "gaps"):
            if getattr(self, name):
                record[name] = [said(part) for part in getattr(self, name)]
        if self.replicates > 1:
            record["replicates"] = int(self.replicates)
        return {
            "observables": json.dumps(dict(self.formulas)),
            "noise": json.dumps(to_dict(self.noise)),
            "measurement": json.dumps(record),
        }

    def placed(self, truth: xr.Dataset) -> dict[str, tuple[str, np.ndarray]]:
        """Return the coordinates ``batch`` and ``well`` where the assay has plates."""
        if self.plates is None:
            return {}
        batch, well = self.plates.places(truth["trajectory"].values, self.seed)
        return {"batch": ("trajectory", batch), "well": ("trajectory", well)}


def measured_rows(truth: xr.Dataset, assay: Assay) -> xr.Dataset:
    """Return what measuring adds to these trajectories; a block of them gets what it gets among all.

    Parameters
    ----------
    truth
        Trajectories, at the times of the assay's schedule.
    assay
        How they are measured.

    Returns
    -------
    Dataset
        ``readout`` and ``measured``; where there are any, ``censored``, ``scale`` and ``offset``, and the coordinates
        ``batch``, ``well`` and ``replicate``.
    """
    names, axis = assay.names, time_dimension(truth)
    clean = readout(truth, dict(assay.formulas))
    groups = _groups(truth, assay)
    added = {}
    if assay.scaling is not None:
        scale, offset = assay.scaling.drawn(groups, names, assay.seed)
        clean = _scaled(clean, assay.scaling, scale, offset)
        added = {"scale": (("trajectory", "observable"), scale), "offset": (("trajectory", "observable"), offset)}
    values = _noisy(clean.values, groups, truth["time"].values, assay)
    for constraint in sorted(assay.constraints, key=lambda one: not isinstance(one, Within)):
        values = constraint.apply(values, clean.values[:, None], names)
    codes = None
    if assay.limits is not None:
        values, codes = assay.limits.apply(values, names)
    kept = _kept(values, groups, truth["time"].values, assay)
    values = np.where(kept, values, np.nan)

    dims = ("trajectory", "replicate", axis, "observable")
    if assay.replicates == 1:
        dims, values = (dims[0], *dims[2:]), values[:, 0]
    added |= {"readout": clean, "measured": (dims, values, clean.attrs)}
    if codes is not None:
        added["censored"] = (dims, np.where(np.isnan(values), 0, codes.reshape(values.shape)).astype(np.int8))
    coords: dict[str, Any] = {"replicate": np.arange(assay.replicates)} if assay.replicates > 1 else {}
    return xr.Dataset(added, coords | assay.placed(truth))


def _groups(truth: xr.Dataset, assay: Assay) -> Groups:
    truth = truth.assign_coords(assay.placed(truth))
    batch, well = (truth[name].values if name in truth.coords else None for name in ("batch", "well"))
    return Groups(truth["trajectory"].values, batch, well, assay.replicates)


def _scaled(clean: xr.DataArray, scaling: Scaling, scale: np.ndarray, offset: np.ndarray) -> xr.DataArray:
    names = [str(name) for name in clean["observable"].values]
    units = units_of(clean.to_dataset(name="readout"), "readout")
    units |= {name: ARBITRARY for name, one in zip(names, scaling.scaled(names), strict=True) if one}
    result = clean.copy(data=clean.values * scale[:, None] + offset[:, None]).assign_attrs(units=units_attribute(units))
    return result.assign_coords(nonnegative=clean["nonnegative"] & scaling.nonnegative(names))


def _series(groups: Groups, stream: int | str, assay: Assay) -> Iterator[tuple[tuple[int, int], np.random.Generator]]:
    """Yield (row, replicate) and the generator of each series; a first replicate is what it is without the others."""
    stream = words(stream)
    for row, label in enumerate(groups.trajectory):
        for replicate in range(assay.replicates):
            later = (replicate,) if replicate else ()
            yield (row, replicate), generator(assay.seed, label, *stream, *later)


def _noisy(clean: np.ndarray, groups: Groups, times: np.ndarray, assay: Assay) -> np.ndarray:
    """Readouts with effects and noise (trajectory, replicate, time, observable)."""
    scattering = resolved(assay.noise, assay.names)
    ranges = [constraint for constraint in assay.constraints if isinstance(constraint, Within)]
    factor, shift = combined(assay.effects, groups, assay.names, assay.seed) if assay.effects else (None, None)
    values = np.empty((len(clean), assay.replicates, *clean.shape[1:]))
    for at, rng in _series(groups, _NOISE, assay):
        own_times = times if times.ndim == 1 else times[at[0]]
        expected = clean[at[0]] if factor is None else clean[at[0]] * factor[at] + shift[at]
        values[at] = scattering.apply(expected, rng, times=own_times)
        for _ in range(max((one.tries for one in ranges), default=0)):
            outside = np.any([one.outside(values[at], assay.names) for one in ranges], axis=0)
            if not outside.any():
                break
            values[at] = np.where(outside, scattering.apply(expected, rng, times=own_times), values[at])
    return values


def _kept(values: np.ndarray, groups: Groups, times: np.ndarray, assay: Assay) -> np.ndarray:
    """Which points are measured (trajectory, replicate, time, observable)."""
    kept = np.ones(values.shape, bool)
    gaps: list[tuple[int | str, Gap]] = [(_KEEP, RandomFraction(assay.keep))] if assay.keep < 1 else []
    for number, gap in enumerate(assay.gaps):
        earlier = sum(type(one) is type(gap) for one in assay.gaps[:number])
        gaps.append((f"{type(gap).__name__} {earlier}", gap))
    for stream, gap in gaps:
        if not is_random(gap):
            shared = times if times.ndim == 1 else times[:, None]
            kept &= gap.kept(values, shared, assay.names, None)
            continue
        for at, rng in _series(groups, stream, assay):
            kept[at] &= gap.kept(values[at], times if times.ndim == 1 else times[at[0]], assay.names, rng)
    return kept

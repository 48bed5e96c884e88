"""What shifts whole series: the scale of arbitrary units, and effects of batch, well and replicate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.settings import Number, by_observable, from_dict, generator, numbers


@dataclass(frozen=True)
class Groups:
    """What belongs together: the labels of trajectories and of their batches and wells (trajectory,)."""

    trajectory: np.ndarray
    batch: np.ndarray | None
    well: np.ndarray | None
    replicates: int

    def keys(self, of: str) -> np.ndarray:
        """Return one text for each series (trajectory, replicate): alike within a batch, a well, a replicate.

        Raises
        ------
        DataError
            The trajectories have no batches, or no wells.
        """
        for name in {"batch": ("batch",), "well": ("batch", "well")}.get(of, ()):
            if getattr(self, name) is None:
                raise DataError(
                    f"The trajectories have no {name}, and a {of} is asked for. Try plates=sh.Plates(batches=4), or "
                    f"truth.assign_coords({name}=('trajectory', [...]))."
                )
        shape = (len(self.trajectory), self.replicates)
        texts = {
            "dataset": lambda row, replicate: "",
            "batch": lambda row, replicate: f"{self.batch[row]}",
            "well": lambda row, replicate: f"{self.batch[row]}/{self.well[row]}",
            "trajectory": lambda row, replicate: f"{self.trajectory[row]}",
            "replicate": lambda row, replicate: f"{self.trajectory[row]}/{replicate}",
        }[of]
        return np.array([texts(*at) for at in np.ndindex(*shape)]).reshape(shape)


@dataclass(frozen=True)
class Effect:
    """A factor and a shift that all measurements of one batch, well or replicate share.

    Parameters
    ----------
    cv
        Coefficient of variation of the factor, log-normal with mean 1. Zero: no factor.
    sd
        Standard deviation of the shift, normal with mean 0, in the units of the measurements. Zero: no shift.
    shared
        Whether all observables have one factor (and a shift in proportion to their `sd`), as when wells differ in their
        number of cells, rather than each its own, as when antibodies differ.
    """

    cv: Number = 0.0
    sd: Number = 0.0
    shared: bool = False

    of: ClassVar[str]

    def __post_init__(self) -> None:
        for name in ("cv", "sd"):
            object.__setattr__(self, name, numbers(name, getattr(self, name), least=0.0))

    def draw(self, rng: np.random.Generator, names: Sequence[str]) -> np.ndarray:
        """Return factors and shifts (2, observable) of one group."""
        normal = rng.standard_normal((2, 1 if self.shared else len(names)))
        sigma = np.sqrt(np.log1p(by_observable(self.cv, names, 0.0) ** 2))
        return np.stack([np.exp(sigma * normal[0] - sigma**2 / 2), by_observable(self.sd, names, 0.0) * normal[1]])


@dataclass(frozen=True)
class Batch(Effect):
    """What the measurements of one batch (plate, day, run) share."""

    of: ClassVar[str] = "batch"


@dataclass(frozen=True)
class Well(Effect):
    """What the measurements of one well of one batch share."""

    of: ClassVar[str] = "well"


@dataclass(frozen=True)
class Replicate(Effect):
    """What the measurements of one replicate of one trajectory share."""

    of: ClassVar[str] = "replicate"


KINDS = (Batch, Well, Replicate)


def effect_from_dict(said: Mapping[str, Any]) -> Effect:
    """Return the effect that a dictionary describes: its ``kind`` and its settings.

    Raises
    ------
    UnknownName
        There is no such effect.
    """
    return from_dict(said, KINDS, "effect", "sh.effects")


def combined(effects: Sequence[Effect], groups: Groups, names: Sequence[str], seed: int) -> tuple:
    """Return the factor and the shift of each series (trajectory, replicate, 1, observable).

    They depend on the seed and the label of the batch, well or replicate alone; an effect does not change the others.
    """
    shape = (len(groups.trajectory), groups.replicates, 1, len(names))
    factor, shift = np.ones(shape), np.zeros(shape)
    for number, effect in enumerate(effects):
        which = sum(earlier.of == effect.of for earlier in effects[:number])
        drawn = _by_group(groups.keys(effect.of), lambda key, e=effect, w=which: _drawn(e, key, w, names, seed))
        factor *= drawn[:, :, None, 0]
        shift += drawn[:, :, None, 1]
    return factor, shift


def _drawn(effect: Effect, key: str, which: int, names: Sequence[str], seed: int) -> np.ndarray:
    return effect.draw(generator(seed, "effect", effect.of, key, which), names)


def _by_group(keys: np.ndarray, draw: Any) -> np.ndarray:
    """Draw once for each distinct key, and give every series its own: (*keys.shape, ...)."""
    distinct, which = np.unique(keys, return_inverse=True)
    return np.stack([draw(str(key)) for key in distinct])[which.reshape(keys.shape)]


@dataclass(frozen=True)
class Scaling:
    """Arbitrary units: the assay reads scale x value + offset, and nobody knows the two.

    Fluorescence, luminescence and blots are like this. The dataset keeps what was drawn as `scale` and `offset`
    (trajectory, observable), which no forecaster sees; the unit of such an observable is "a.u.", and `readout` and all
    that follows (noise, limits) is in it.

    Parameters
    ----------
    scale, offset
        Their medians; `scale` above zero.
    fold
        How much the scale differs from one batch to the next: exp(standard deviation of its logarithm); 1 = not at
        all.
    sd
        How much the offset differs: its standard deviation, in arbitrary units; 0 = not at all.
    by
        What has a scale and an offset of its own: ``"batch"``, ``"trajectory"``, or ``"dataset"`` (drawn once for
        all). Each observable has its own in any case.

    Each may be one number for all observables, or numbers by name; where one of them is given by name, only named
    observables are scaled, and the others keep their units.

    Examples
    --------
    >>> Scaling(scale={"GFP": 2000.0}, offset=150.0, fold=1.3)
    Scaling(scale=(('GFP', 2000.0),), offset=150.0, fold=1.3, sd=0.0, by='batch')
    """

    scale: Number = 1.0
    offset: Number = 0.0
    fold: Number = 1.0
    sd: Number = 0.0
    by: str = "batch"

    def __post_init__(self) -> None:
        for name, least in (("scale", 0.0), ("offset", -math.inf), ("fold", 1.0), ("sd", 0.0)):
            object.__setattr__(self, name, numbers(name, getattr(self, name), least))
        if 0.0 in (dict(self.scale).values() if isinstance(self.scale, tuple) else [self.scale]):
            raise ValueError("scale must be above zero: a readout times 0 says nothing.")
        if self.by not in ("batch", "trajectory", "dataset"):
            raise ValueError(f"by must be 'batch', 'trajectory' or 'dataset', got {self.by!r}.")

    def scaled(self, names: Sequence[str]) -> np.ndarray:
        """Return which observables are in arbitrary units (observable,)."""
        given = [value for value in (self.scale, self.offset, self.fold, self.sd) if isinstance(value, tuple)]
        named = {name for value in given for name, _ in value}
        return np.array([not given or name in named for name in names])

    def drawn(self, groups: Groups, names: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return scale and offset (trajectory, observable); 1 and 0 where an observable keeps its units."""
        which = self.scaled(names)
        scale, fold = (by_observable(value, names, 1.0) for value in (self.scale, self.fold))
        offset, sd = (by_observable(value, names, 0.0) for value in (self.offset, self.sd))
        differ = bool((fold[which] > 1).any() or (sd[which] > 0).any())
        keys = groups.keys(self.by if differ else "dataset")[:, 0]
        normal = _by_group(keys, lambda key: generator(seed, "scaling", self.by, key).standard_normal((2, len(names))))
        scales, offsets = scale * fold ** normal[:, 0], offset + sd * normal[:, 1]
        return np.where(which, scales, 1.0), np.where(which, offsets, 0.0)

    def nonnegative(self, names: Sequence[str]) -> np.ndarray:
        """Return where an observable that cannot be negative stays so (observable,)."""
        offset, sd = (by_observable(value, names, 0.0) for value in (self.offset, self.sd))
        return ~self.scaled(names) | ((offset >= 0) & (sd == 0))

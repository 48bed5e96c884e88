"""From trajectories to measurements."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import check_layout
from sbml_hybrid.data.places import place_of
from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.blocks import measured_in_memory, measured_in_store
from sbml_hybrid.measurement.constraints import Constraint
from sbml_hybrid.measurement.effects import Effect, Scaling
from sbml_hybrid.measurement.gaps import Gap, planned, scheduled
from sbml_hybrid.measurement.limits import Limits
from sbml_hybrid.measurement.noise import Lognormal, Noise
from sbml_hybrid.measurement.observables import Observables, named_formulas
from sbml_hybrid.measurement.plates import Plates
from sbml_hybrid.measurement.rows import Assay


def measure(
    truth: xr.Dataset,
    observables: Observables = None,
    noise: Noise = Lognormal(cv=0.1),  # noqa: B008 (frozen)
    keep: float = 1.0,
    schedule: Sequence[float] | None = None,
    *,
    scaling: Scaling | None = None,
    plates: Plates | None = None,
    effects: Effect | Sequence[Effect] = (),
    replicates: int = 1,
    constraints: Constraint | Sequence[Constraint] = (),
    limits: Limits | None = None,
    gaps: Gap | Sequence[Gap] = (),
    seed: int,
    store: str | os.PathLike | None = None,
    jobs: int = 1,
) -> xr.Dataset:
    """Measure trajectories as an assay would: observables, with noise, within its limits, and with points left out.

    In this order: the observables are read, put into arbitrary units (`scaling`), shifted as a whole by batch, well
    and replicate (`effects`), made noisy, brought to what holds for them (`constraints`), cut at what the assay can
    read (`limits`), and left out in part (`gaps`).

    Parameters
    ----------
    truth
        What `sbml_hybrid.simulate` gave.
    observables
        Species or formulas (``"KK_p + KK_pp"``), or name -> formula. Ids mean what they mean in the
        model's own formulas. By default every recorded quantity.
    noise
        A noise model of `sh.noise`.
    keep
        Share of the points that are measured, above 0 and up to 1; each point is kept or lost by
        itself.
    schedule
        Times to measure at, a part of the simulated ones; all by default.
    scaling
        Arbitrary units. The dataset then has `scale` and `offset`, and `readout` is in these units too.
    plates
        In which batch and well each trajectory is measured, as coordinates; by default those it has, if any.
    effects
        What the measurements of a batch, a well or a replicate share: one or more of `sh.effects`.
    replicates
        How often every trajectory is measured, each time with its own noise and gaps. With more than one, `measured`
        has the dimension `replicate`; the first is what it is without the others.
    constraints
        Bounds and sums that hold for the measurements: one or more of `sh.constraints`, in their order.
    limits
        Limit of detection and saturation. The dataset then has `censored`, and `measured` holds the limit.
    gaps
        Which points are missing: one or more of `sh.gaps`; all must keep a point.
    seed
        The noise and the gaps of a trajectory depend on the seed and its label alone, and effects on the label of the
        batch, well or replicate.
    store
        A Zarr folder or its URL for the whole dataset, which is measured and written shard by shard: of trajectories
        that were opened lazily never more than these are in memory. The same call goes on where an interrupted one
        stopped. The dataset is then opened lazily.
    jobs
        How many processes; -1 for all cores. ``with joblib.parallel_config("dask"):`` overrides it.

    Returns
    -------
    Dataset
        The trajectories with ``readout`` (the observables, noise-free), (trajectory, time, observable), and
        ``measured``, (trajectory, [replicate,] time, observable); NaN = not measured.

    Raises
    ------
    DataError
        `truth` has no trajectories, the schedule asks for times that were not simulated, or an effect for batches
        that there are not.
    DataError, StorageError
        The store holds something else, or cannot be written.
    UnknownName
        A formula uses an id that is not recorded and not constant, or a setting an observable that is not measured.
    ValueError
        `keep` is not in (0, 1], or another setting is out of range.
    """
    check_layout(truth)
    if "truth" not in truth:
        raise DataError("measure needs noise-free trajectories ('truth'). Try sh.simulate first.")
    if not (isinstance(seed, int | np.integer) and seed >= 0):
        raise ValueError(f"seed must be a whole number, zero or more, got {seed!r}.")
    schedule = None if schedule is None else planned(schedule)
    assay = Assay(
        formulas=tuple(named_formulas(observables, truth["species"].values.tolist()).items()),
        noise=noise,
        keep=keep,
        schedule=schedule,
        scaling=scaling,
        plates=plates,
        effects=_several(effects),
        replicates=replicates,
        constraints=_several(constraints),
        limits=limits,
        gaps=_several(gaps),
        seed=int(seed),
    )
    truth = truth.drop_dims(["observable", "replicate"], errors="ignore")  # an earlier measurement
    if schedule is not None:
        truth = truth.isel(time=scheduled(truth["time"].values, schedule))
    if store is None:
        return measured_in_memory(truth, assay, jobs)
    return measured_in_store(truth, assay, place_of(store), jobs)


def _several(parts: Any) -> tuple:
    return tuple(parts) if isinstance(parts, list | tuple) else (parts,)

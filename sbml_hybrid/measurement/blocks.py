"""Measuring block by block of trajectories, in many processes and straight to a store."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.data import shards
from sbml_hybrid.data import store as stores
from sbml_hybrid.data.places import Place
from sbml_hybrid.measurement.rows import Assay, measured_rows
from sbml_hybrid.parallel import one_blas_thread, ordered_map, uses_processes


def measured_in_store(truth: xr.Dataset, assay: Assay, place: Place, jobs: int) -> xr.Dataset:
    """Measure trajectories shard by shard into a store, or go on where an interrupted call stopped.

    Parameters
    ----------
    truth
        Trajectories, at the times of the assay's schedule; opened lazily, they are read block by block.
    assay
        How they are measured.
    place
        The store.
    jobs
        How many processes.

    Returns
    -------
    Dataset
        The trajectories with what was measured, opened lazily.

    Raises
    ------
    DataError, StorageError
        The store holds something else, or cannot be written.
    """
    template = _template(truth, assay)
    place.require_shared(uses_processes(jobs, truth.sizes["trajectory"]))
    began = shards.prepare(template, place, _rows_a_block(template))
    arrays = began.run["arrays"]
    left = shards.unfinished(began, lambda start, stop: _fingerprint(_block(truth, start, stop)))
    bounds = [began.bounds(number) for number in left]
    items = ((place, start, _block(truth, start, stop), assay, arrays) for start, stop in bounds)
    written = list(ordered_map(_write_block, items, len(left), jobs=jobs, label="measuring"))
    shards.require_own(shards.manifest(place), dict(zip(left, written, strict=True)))
    return stores.open_lazily(place)


def measured_in_memory(truth: xr.Dataset, assay: Assay, jobs: int) -> xr.Dataset:
    """Return the trajectories with what was measured."""
    if not uses_processes(jobs, 2):
        return truth.assign(_measured(truth, assay)).assign_attrs(assay.attrs)
    template = _template(truth, assay)
    n, rows = truth.sizes["trajectory"], _rows_a_block(template)
    bounds = [(start, min(start + rows, n)) for start in range(0, n, rows)]
    items = ((_block(truth, start, stop), assay) for start, stop in bounds)
    done = list(ordered_map(_measured, items, len(bounds), jobs=jobs, label="measuring"))
    names = [name for name, v in done[0].data_vars.items() if v.dims[0] == "trajectory"]
    for name in names:
        template[name].variable.data = np.concatenate([part[name].values for part in done])
    return template.assign({name: truth[name] for name in truth.data_vars})


def _measured(truth: xr.Dataset, assay: Assay) -> xr.Dataset:
    with one_blas_thread():  # linear algebra must not round by the number of cores
        return measured_rows(truth, assay)


def _block(truth: xr.Dataset, start: int, stop: int) -> xr.Dataset:
    return truth.isel(trajectory=slice(start, stop)).compute()


def _template(truth: xr.Dataset, assay: Assay) -> xr.Dataset:
    """Return the dataset to be: what one trajectory gives tells its types, and whether it can be measured at all."""
    n = truth.sizes["trajectory"]
    added = _measured(_block(truth, 0, 1), assay)
    wide = {
        str(name): _shaped(variable.variable, n)
        for part in (truth, added)
        for name, variable in part.data_vars.items()
        if variable.dims[:1] == ("trajectory",)
    }
    labels = {name: label.variable for name, label in added.coords.items() if "trajectory" not in label.dims}
    template = truth.drop_vars([name for name in wide if name in truth]).assign(wide)
    return template.assign_coords(labels | assay.placed(truth)).assign_attrs(assay.attrs)


def _shaped(variable: xr.Variable, rows: int) -> xr.Variable:
    """A variable of so many rows, without their values and without their memory."""
    nothing = np.broadcast_to(np.zeros((), variable.dtype), (rows, *variable.shape[1:]))
    return xr.Variable(variable.dims, nothing, variable.attrs)


def _rows_a_block(template: xr.Dataset) -> int:
    n = template.sizes["trajectory"]
    return shards.rows_a_shard(n, max(8 * v.size // n for v in template.data_vars.values() if "trajectory" in v.dims))


def _write_block(place: Place, start: int, truth: xr.Dataset, assay: Assay, arrays: Sequence[str]) -> str:
    began = time.perf_counter()
    data = truth.assign(_measured(truth, assay))
    entry = {
        "status": _counted(truth, "status"),
        "rung": _counted(truth, "rung"),
        "failures": _failures(truth),
        "seconds": round(time.perf_counter() - began, 3),
        "draws": _fingerprint(truth),
    }
    shards.write_shard(place, start, {name: data[name].values for name in arrays}, entry)
    return entry["draws"]


def _failures(truth: xr.Dataset) -> list[tuple[int, str, str]]:
    """Label, status and reason of what there was nothing to measure of; the attribute `failures` has the solver's."""
    if "status" not in truth:
        return []
    words, codes = _meanings(truth["status"]), truth["status"].values.tolist()
    reason = "it failed when it was simulated"
    labels = truth["trajectory"].values.tolist()
    failed = [(label, code) for label, code in zip(labels, codes, strict=True) if code not in (0, shards.PENDING)]
    return [(label, words.get(code, str(code)), reason) for label, code in failed]


def _counted(truth: xr.Dataset, name: str) -> Counter[str]:
    """How many trajectories there are of each meaning of a code."""
    if name not in truth:
        return Counter()
    words = _meanings(truth[name])
    return Counter(words.get(code, str(code)) for code in truth[name].values.tolist())


def _meanings(codes: xr.DataArray) -> dict[int, str]:
    attrs = codes.attrs
    values = np.asarray(attrs.get("flag_values", [])).tolist()
    return dict(zip(values, attrs.get("flag_meanings", "").split(), strict=False))


def _fingerprint(truth: xr.Dataset) -> str:
    """Return what identifies some trajectories: every value of theirs."""
    digest = hashlib.blake2b(digest_size=12)
    for name, values in _contents(truth):
        plain = values.dtype.kind not in "OTU"
        digest.update(f"{name} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(values).tobytes() if plain else repr(values.tolist()).encode())
    return digest.hexdigest()


def _contents(truth: xr.Dataset) -> Iterator[tuple[str, Any]]:
    return ((str(name), truth[name].values) for name in sorted(truth.variables))

"""A dataset on disk that is written row by row, so that a long run can stop and go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from sbml_hybrid.data.store import as_stored
from sbml_hybrid.errors import DataError, StorageError

PENDING = -1  # the status of a row that is not computed yet


def prepare(template: xr.Dataset, path: str | os.PathLike, rows: int) -> np.ndarray:
    """Make a Zarr store of the template's shape, or take the one that an interrupted run left.

    Parameters
    ----------
    template
        The dataset to be: coordinates, attributes, and variables with a ``status`` that is `PENDING`
        everywhere. Only the shape and type of the other variables matter.
    path
        A Zarr folder.
    rows
        Trajectories written at a time; chunks have as many.

    Returns
    -------
    array of bool (trajectory,)
        Which trajectories are still to be computed.

    Raises
    ------
    DataError
        There is something else at `path`, or another run's dataset.
    StorageError
        The store cannot be written.
    """
    import zarr

    path = Path(path).expanduser()
    if path.exists():
        _require_same(template, path)
        return np.asarray(zarr.open_group(path, mode="r")["status"][:]) == PENDING
    partial = path.with_name(f".{path.name}.partial")
    stored = as_stored(template)
    chunks = {n: {"chunks": (rows, *v.shape[1:])} for n, v in stored.data_vars.items() if v.dims[0] == "trajectory"}
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        stored.to_zarr(partial, zarr_format=3, consolidated=False, encoding=chunks)
        os.rename(partial, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return np.ones(template.sizes["trajectory"], dtype=bool)


def write_rows(path: str | os.PathLike, start: int, values: Mapping[str, np.ndarray]) -> None:
    """Write consecutive trajectories; their status last, so that a row that is not pending is whole.

    Raises
    ------
    StorageError
        The disk is full, or the store cannot be written.
    """
    import zarr

    path = Path(path).expanduser()
    try:
        group = zarr.open_group(path, mode="r+")
        for name in sorted(values, key=lambda name: name == "status"):
            group[name][start : start + len(values[name])] = values[name]
    except OSError as error:
        raise _unwritable(path, error) from error


def finish(path: str | os.PathLike, attrs: Mapping[str, str]) -> None:
    """Write what is known only at the end of a run into the store's attributes."""
    import zarr

    try:
        zarr.open_group(Path(path).expanduser(), mode="r+").attrs.update(attrs)
    except OSError as error:
        raise _unwritable(Path(path), error) from error


def _require_same(template: xr.Dataset, path: Path) -> None:
    import zarr

    if not (path / "zarr.json").is_file():
        raise DataError(f"{path} is there already and is no Zarr store. Choose another store.")
    there = zarr.open_group(path, mode="r")
    differing = [name for name, value in template.attrs.items() if there.attrs.get(name) != value]
    if differing or "status" not in there or "truth" not in there:
        what = f" (it differs in {', '.join(differing)})" if differing else ""
        raise DataError(f"{path} holds another run's dataset{what}. Choose another store, or remove it.")
    for name in ("time", "species", "draw", "parameters"):
        if name in template and not np.array_equal(
            np.asarray(there[name][:]).astype(template[name].dtype), template[name]
        ):
            raise DataError(f"{path} holds another run's dataset (it differs in {name}). Choose another store.")


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Cannot write {path}: {error.strerror or error}. What was computed is kept; free some space and run the same "
        "again to go on."
    )

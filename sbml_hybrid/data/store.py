"""Datasets on disk: Zarr, or netCDF by the extension; whole or not at all, and the same bytes every time."""

from __future__ import annotations

import difflib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from sbml_hybrid.errors import DataError, SourceNotFound, StorageError

_CHUNK_BYTES = 2**22


def save(dataset: xr.Dataset, path: str | os.PathLike, overwrite: bool = False) -> Path:
    """Write a dataset to disk; `open` gives it back exactly.

    The dataset is encoded in memory, written beside `path` and then moved there: whatever happens on the way, there
    is either the whole dataset at `path` or what was there before. The same dataset gives the same bytes.

    Parameters
    ----------
    dataset
        Any dataset of the package: trajectories, measurements, forecasts.
    path
        A Zarr folder (``data.zarr``, or no extension) or a netCDF file (``data.nc``). Missing folders on the way are
        made.
    overwrite
        Whether a dataset that is already there may be replaced. Anything else is never replaced.

    Returns
    -------
    Path
        Where the dataset is.

    Raises
    ------
    FileExistsError
        If something is there that may not be replaced.
    StorageError
        If it cannot be written, for instance because the disk is full.
    """
    path = Path(path).expanduser()
    netcdf = _is_netcdf(path)
    _check_place(path, netcdf, overwrite)
    encodable = as_stored(dataset)
    files = {"": _encode_netcdf(encodable)} if netcdf else _encode_zarr(encodable)
    write_whole(files, path)
    return path


def open(path: str | os.PathLike) -> xr.Dataset:
    """Read a dataset that was saved, all of it, and close its files.

    Parameters
    ----------
    path
        A Zarr folder or a netCDF file (``.nc``).

    Raises
    ------
    SourceNotFound
        If there is nothing at `path`.
    DataError
        If what is there cannot be read as a dataset.
    """
    path = Path(path).expanduser()
    netcdf = _is_netcdf(path)
    if not path.exists():
        raise _not_found(path)
    # CF time decoding would make a timedelta of every number whose unit is "s".
    how = {"engine": "h5netcdf"} if netcdf else {"engine": "zarr", "consolidated": False, "chunks": None}
    try:
        with xr.open_dataset(path, decode_times=False, decode_timedelta=False, **how) as stored:
            dataset = stored.load()
    except Exception as error:  # each format has its own ways to say that it cannot read something
        kind = "netCDF file" if netcdf else "Zarr folder"
        raise DataError(
            f"{path} is not a {kind} that can be read ({type(error).__name__}: {str(error).splitlines()[0][:200]}). "
            "Write it with sh.save; a table is read by sh.read_csv."
        ) from error
    return _rebuilt(dataset, _decoded)


def write_whole(files: dict[str, bytes], path: Path) -> None:
    """Write a file, or a folder of files, at `path`: all of it, or nothing.

    Parameters
    ----------
    files
        The contents by their name within the folder; ``""`` alone for a single file.
    path
        Where it goes; what is there is replaced.

    Raises
    ------
    StorageError
        If it cannot be written, for instance because the disk is full.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        for name, content in files.items():
            target = partial / name if name else partial
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        _move(partial, path)
    except OSError as error:
        size = sum(map(len, files.values())) / 1e6
        raise StorageError(
            f"Cannot write {path} ({size:.1f} MB): {error.strerror or error}. Nothing half-written was left. "
            "Free some space, or save somewhere else."
        ) from error
    finally:
        _remove(partial)


def as_stored(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset as it goes to disk: variables by name, text as objects, plain attributes."""
    return _rebuilt(dataset, _encoded)


def _is_netcdf(path: Path) -> bool:
    if path.suffix.lower() in (".zarr", "", ".nc"):
        return path.suffix.lower() == ".nc"
    raise ValueError(f"{path} is neither Zarr (.zarr) nor netCDF (.nc). For a table: sh.write_csv and sh.read_csv.")


def _check_place(path: Path, netcdf: bool, overwrite: bool) -> None:
    if not path.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{path} is there already. Choose another name, or say overwrite=True.")
    if not (path.is_file() if netcdf else (path / "zarr.json").is_file()):
        raise FileExistsError(f"{path} holds something else than a dataset and is left alone. Choose another name.")


def _encode_zarr(dataset: xr.Dataset) -> dict[str, bytes]:
    from zarr.storage import MemoryStore

    contents = {}
    encoding = {name: {"chunks": _chunks(v)} for name, v in dataset.variables.items() if v.ndim}
    dataset.to_zarr(MemoryStore(contents), zarr_format=3, consolidated=False, encoding=encoding)
    return {name: content.to_bytes() for name, content in contents.items()}


def _chunks(variable: xr.Variable) -> tuple[int, ...]:
    # Whole trajectories, as many as fit.
    row = variable.nbytes // max(variable.shape[0], 1)
    rows = min(max(_CHUNK_BYTES // max(row, 1), 1), max(variable.shape[0], 1))
    return (rows, *(max(size, 1) for size in variable.shape[1:]))


def _encode_netcdf(dataset: xr.Dataset) -> bytes:
    # In memory, for two reasons: HDF5 crashes the process when the disk is full, and only the low-level call can be
    # told to keep the time of writing out of the file.
    import h5netcdf
    import h5py
    from xarray.backends import H5NetCDFStore

    in_memory = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    in_memory.set_fapl_core(backing_store=False)
    timeless = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    timeless.set_obj_track_times(False)
    ordered = h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED  # netCDF's own rule
    timeless.set_link_creation_order(ordered)
    timeless.set_attr_creation_order(ordered)
    with h5py.File(h5py.h5f.create(b"dataset.nc", h5py.h5f.ACC_TRUNC, timeless, in_memory)) as file:
        with h5netcdf.File(file, "w") as netcdf:
            dataset.dump_to_store(H5NetCDFStore(netcdf))
        file.flush()
        return file.id.get_file_image()


def _move(partial: Path, path: Path) -> None:
    if not path.is_dir():
        os.replace(partial, path)
        return
    # A folder cannot replace a folder in one step; the old one comes back if the second step fails.
    old = partial.with_suffix(".old")
    os.rename(path, old)
    try:
        os.rename(partial, path)
    except BaseException:
        os.rename(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.is_file():
        path.unlink()


def _not_found(path: Path) -> SourceNotFound:
    there = (
        sorted(p.name for p in path.parent.iterdir() if p.suffix in (".zarr", ".nc")) if path.parent.is_dir() else []
    )
    close = difflib.get_close_matches(path.name, there, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    listed = f" Datasets in {path.parent}: {', '.join(there[:12])}." if there else ""
    return SourceNotFound(f"There is no dataset at {path}.{hint}{listed}")


def _rebuilt(dataset: xr.Dataset, convert: Callable[[xr.Variable], xr.Variable]) -> xr.Dataset:
    # In the order of their names, so that the order in which a dataset was put together, or in which the file system
    # lists a folder, does not show.
    variables = {name: convert(dataset.variables[name]) for name in sorted(dataset.variables)}
    return xr.Dataset(
        {name: v for name, v in variables.items() if name not in dataset.coords},
        {name: v for name, v in variables.items() if name in dataset.coords},
        {name: _plain_value(dataset.attrs[name]) for name in sorted(dataset.attrs)},
    )


def _encoded(variable: xr.Variable) -> xr.Variable:
    # Variable-length strings: fixed-length ones have no place in the Zarr 3 specification.
    values = variable.values.astype(object) if variable.dtype.kind in "UT" else variable.values
    return xr.Variable(variable.dims, values, dict(sorted(variable.attrs.items())))


def _decoded(variable: xr.Variable) -> xr.Variable:
    values = variable.values
    if values.dtype.kind in "OT":
        values = np.array(values.tolist(), dtype=str)
    attrs = {name: _plain_value(variable.attrs[name]) for name in sorted(variable.attrs)}
    if "flag_values" in attrs:  # CF: the flags have the type of the variable
        attrs["flag_values"] = np.asarray(attrs["flag_values"], variable.dtype)
    return xr.Variable(variable.dims, values, attrs)


def _plain_value(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value

"""Datasets on disk: Zarr, or netCDF by the extension; whole or not at all, and the same bytes every time."""

from __future__ import annotations

import difflib
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from sbml_hybrid.data import shards
from sbml_hybrid.data.places import Place, place_of
from sbml_hybrid.errors import DataError, SourceNotFound, StorageError

log = logging.getLogger("sbml_hybrid")

LAZY_BYTES = 2**26  # what is larger is opened lazily, and written in pieces
_CHUNK_BYTES = 2**22


def save(dataset: xr.Dataset, path: str | os.PathLike, overwrite: bool = False) -> Path | str:
    """Write a dataset to disk; `open` gives it back exactly.

    On a disk it is written beside `path` and then moved there: whatever happens on the way, there is either the whole
    dataset at `path` or what was there before. The same dataset gives the same bytes. A dataset that was opened lazily
    goes through memory piece by piece.

    Parameters
    ----------
    dataset
        Any dataset of the package: trajectories, measurements, forecasts.
    path
        A Zarr folder (``data.zarr``, or no extension), a URL of one (``s3://bucket/data.zarr``), or a netCDF file
        (``data.nc``). Missing folders on the way are made.
    overwrite
        Whether a dataset that is already there may be replaced. Anything else is never replaced.

    Returns
    -------
    Path or str
        Where the dataset is.

    Raises
    ------
    FileExistsError
        If something is there that may not be replaced.
    StorageError
        If it cannot be written, for instance because the disk is full.
    """
    place = place_of(path)
    netcdf = _is_netcdf(place)
    if netcdf and place.path is None:
        raise ValueError(f"{place}: netCDF is written to disks only. Use Zarr, or save it here and copy it.")
    _check_place(place, netcdf, overwrite)
    encodable = as_stored(dataset)
    if place.path is None:
        _write_far(encodable, place)
        return place.name
    path = Path(str(place))
    if not netcdf and dataset.nbytes > LAZY_BYTES:
        with whole(path, dataset.nbytes) as partial:
            _write_pieces(encodable, Place(str(partial)))
    else:
        write_whole({"": _encode_netcdf(encodable)} if netcdf else _encode_zarr(encodable), path)
    return path


def open(path: str | os.PathLike) -> xr.Dataset:
    """Read a dataset that was saved, or that a run has written to its store.

    A dataset of up to 64 MB is read whole, and needs its files no more. Of a larger one in Zarr, values are read when
    they are needed: ``data.isel(trajectory=slice(100))`` reads the shards of these trajectories alone.

    Parameters
    ----------
    path
        A Zarr folder or its URL (``s3://bucket/data.zarr``), or a netCDF file (``.nc``).

    Raises
    ------
    SourceNotFound
        If there is nothing at `path`.
    DataError
        If what is there cannot be read as a dataset, or a shard is not what was written.
    """
    place = place_of(path)
    if not place.exists():
        raise _not_found(place)
    if not _is_netcdf(place):
        dataset = open_lazily(place)
        return _reading(place, dataset.load) if dataset.nbytes <= LAZY_BYTES else dataset

    def read() -> xr.Dataset:
        with xr.open_dataset(place.path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as stored:
            return stored.load()

    return _rebuilt(_reading(place, read), _decoded)


def open_lazily(path: str | os.PathLike | Place) -> xr.Dataset:
    """Open a Zarr store without reading its values, whatever its size; as `open` otherwise."""
    place = place_of(path)
    there = shards.manifest(place)
    if there is not None and there.pending:
        log.warning(
            "%s is not finished: %d of %d trajectories are pending (NaN). Run the same %s again to go on.",
            place,
            there.pending,
            there.run["trajectories"],
            there.verb,
        )

    def read() -> xr.Dataset:
        # CF time decoding would make a timedelta of every number whose unit is "s".
        stored = xr.open_dataset(
            place.zarr() if there is None else shards.verified(there),
            engine="zarr",
            consolidated=False,
            chunks=None,
            cache=False,
            decode_times=False,
            decode_timedelta=False,
        )
        return _rebuilt(stored, _decoded)

    return _reading(place, read)


def _reading(place: Place, read: Callable[[], xr.Dataset]) -> xr.Dataset:
    try:
        return read()
    except DataError:
        raise
    except Exception as error:  # each format has its own ways to say that it cannot read something
        kind = "netCDF file" if place.suffix == ".nc" else "Zarr folder"
        said = (str(error).splitlines() or [""])[0][:200]
        raise DataError(
            f"{place} is not a {kind} that can be read ({type(error).__name__}: {said}). "
            "Write it with sh.save; a table is read by sh.read_csv."
        ) from error


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
    with whole(path, sum(map(len, files.values()))) as partial:
        for name, content in files.items():
            target = partial / name if name else partial
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


@contextmanager
def whole(path: Path, size: float | None = None) -> Iterator[Path]:
    """Give a place beside `path` to write to, and move what is there to `path` at the end: all of it, or nothing.

    Parameters
    ----------
    path
        Where the file or folder goes; what is there is replaced.
    size
        Its size in bytes, for the error message.

    Raises
    ------
    StorageError
        If it cannot be written, for instance because the disk is full.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _move(partial, path)
    except OSError as error:
        much = "" if size is None else f" ({size / 1e6:.1f} MB)"
        raise StorageError(
            f"Cannot write {path}{much}: {error.strerror or error}. Nothing half-written was left. "
            "Free some space, or save somewhere else."
        ) from error
    finally:
        _remove(partial)


def as_stored(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset as it goes to disk: variables by name, text as objects, plain attributes."""
    return _rebuilt(dataset, _encoded)


def _is_netcdf(place: Place) -> bool:
    if place.suffix in (".zarr", "", ".nc"):
        return place.suffix == ".nc"
    raise ValueError(f"{place} is neither Zarr (.zarr) nor netCDF (.nc). For a table: sh.write_csv and sh.read_csv.")


def _check_place(place: Place, netcdf: bool, overwrite: bool) -> None:
    if not place.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{place} is there already. Choose another name, or say overwrite=True.")
    if not (place.path.is_file() if netcdf else place.exists("zarr.json")):
        raise FileExistsError(f"{place} holds something else than a dataset and is left alone. Choose another name.")


def _write_far(dataset: xr.Dataset, place: Place) -> None:
    try:
        _write_pieces(dataset, place)
    except OSError as error:
        raise StorageError(f"Cannot write {place}: {error}. Remove what is there before you try again.") from error


def _write_pieces(dataset: xr.Dataset, place: Place) -> None:
    """Write a dataset as Zarr, never holding more than one piece of a large variable."""
    import zarr

    store = place.zarr(read_only=False)
    large = [name for name, v in dataset.data_vars.items() if v.ndim and v.nbytes > _CHUNK_BYTES]
    beside = dataset.drop_vars(large)
    encoding = {name: {"chunks": _chunks(v)} for name, v in beside.variables.items() if v.ndim}
    beside.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    group = zarr.open_group(store, mode="r+")
    for name in large:
        variable = dataset[name].variable
        chunks = _chunks(variable)
        array = group.create_array(
            name,
            shape=variable.shape,
            chunks=chunks,
            dtype=str if variable.dtype.kind == "O" else variable.dtype,
            dimension_names=variable.dims,
            attributes={key: np.asarray(value).tolist() for key, value in variable.attrs.items()},
        )
        for start in range(0, variable.shape[0], chunks[0]):
            array[start : start + chunks[0]] = variable[start : start + chunks[0]].values


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


def _not_found(place: Place) -> SourceNotFound:
    if place.path is None:
        return SourceNotFound(f"There is no dataset at {place}.")
    path = Path(str(place))
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
    attrs = dict(sorted(variable.attrs.items()))
    if variable.dtype.kind in "UT":
        return xr.Variable(variable.dims, variable.values.astype(object), attrs)
    return _with_attrs(variable, attrs)


def _decoded(variable: xr.Variable) -> xr.Variable:
    attrs = {name: _plain_value(variable.attrs[name]) for name in sorted(variable.attrs)}
    if "flag_values" in attrs:  # CF: the flags have the type of the variable
        attrs["flag_values"] = np.asarray(attrs["flag_values"], variable.dtype)
    if variable.dtype.kind in "OT":
        return xr.Variable(variable.dims, np.array(variable.values.tolist(), dtype=str), attrs)
    chunks = variable.encoding.get("chunks")
    return _with_attrs(variable, attrs, {"chunks": chunks} if chunks else {})


def _with_attrs(variable: xr.Variable, attrs: dict, encoding: dict | None = None) -> xr.Variable:
    """The variable with other attributes, its values unread where they are."""
    other = variable.to_base_variable().copy(deep=False)
    other.attrs, other.encoding = attrs, encoding or {}
    return other


def _plain_value(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value

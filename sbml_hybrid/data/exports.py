"""Tables on disk, CSV and Parquet, written piece by piece so that no dataset is too large."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import xarray as xr

from sbml_hybrid.data.places import place_of
from sbml_hybrid.data.series import INDEX, is_series, write_series
from sbml_hybrid.data.store import whole
from sbml_hybrid.data.tables import about_trajectories, from_table, table_of
from sbml_hybrid.errors import DataError, SourceNotFound

_PIECE_BYTES = 2**24


def write_csv(
    data: xr.Dataset,
    path: str | os.PathLike,
    overwrite: bool = False,
    *,
    variable: str = "measured",
    one_per: str | None = None,
) -> Path:
    """Write a dataset as CSV, tidy or a file for each series; `read_csv` gives the measurements back exactly.

    Parameters
    ----------
    data
        A dataset; one that was opened lazily goes through memory piece by piece.
    path
        Where the file, or the folder of files, goes; it is written whole or not at all.
    overwrite
        Whether what was written there before may be replaced.
    variable
        ``"measured"``, ``"readout"``, ``"truth"`` or another variable over time.
    one_per
        ``"trajectory"`` writes a folder, with a file for each trajectory (and replicate): a column for the time and
        one for each observable, empty where nothing was measured. ``series.csv`` in it says which file is what.
        By default there is one tidy file, with a line for each value (`to_table`).

    Raises
    ------
    FileExistsError
        If there is something at `path` already.
    StorageError
        If it cannot be written.
    UnknownName
        If `data` has no such variable over time.
    """
    if one_per not in (None, "trajectory"):
        raise ValueError(f"one_per must be 'trajectory', or None for one tidy file, got {one_per!r}.")
    path, about = _on_disk(path), about_trajectories(data, variable)
    ours = path.is_file() if one_per is None else is_series(path)
    if path.exists() and not (overwrite and ours):
        raise FileExistsError(f"{path} is there already. Choose another name, or say overwrite=True.")
    with whole(path) as partial:
        if one_per is None:
            for number, piece in enumerate(_pieces(data, variable)):
                lines = table_of(piece, variable, about)
                lines.to_csv(partial, mode="a", header=number == 0, index=False, lineterminator="\n")
            return path
        partial.mkdir()
        files = 0
        for piece in _pieces(data, variable):
            index = write_series(piece, variable, about, partial, files)
            index.to_csv(partial / INDEX, mode="a", header=files == 0, index=False, lineterminator="\n")
            files += len(index)
    return path


def write_parquet(
    data: xr.Dataset, path: str | os.PathLike, overwrite: bool = False, *, variable: str = "measured"
) -> Path:
    """Write a dataset as a tidy Parquet file; `read_parquet` gives the measurements back exactly.

    Parameters
    ----------
    data
        A dataset; one that was opened lazily goes through memory piece by piece.
    path
        Where the file goes; it is written whole or not at all.
    overwrite
        Whether a file that is already there may be replaced.
    variable
        ``"measured"``, ``"readout"``, ``"truth"`` or another variable over time.

    Raises
    ------
    FileExistsError
        If there is something at `path` already.
    StorageError
        If it cannot be written.
    UnknownName
        If `data` has no such variable over time.
    """
    import pyarrow as pa
    from pyarrow import parquet

    path, about = _on_disk(path), about_trajectories(data, variable)
    if path.exists() and not (overwrite and path.is_file()):
        raise FileExistsError(f"{path} is there already. Choose another name, or say overwrite=True.")
    with whole(path) as partial:
        writer = None
        for piece in _pieces(data, variable):
            lines = pa.Table.from_pandas(table_of(piece, variable, about), preserve_index=False)
            lines = lines.replace_schema_metadata(None)
            if writer is None:
                writer = parquet.ParquetWriter(partial, lines.schema, compression="zstd")
            writer.write_table(lines)
        writer.close()
    return path


def read_parquet(path: str | os.PathLike) -> xr.Dataset:
    """Read measurements from a tidy Parquet file.

    Parameters
    ----------
    path
        A file with the columns that `from_table` knows.

    Raises
    ------
    SourceNotFound
        If there is no such file.
    DataError
        In one line: what in the file cannot be used, and what to do about it.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise SourceNotFound(f"There is no file {path}.")
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow has many ways to say so
        raise DataError(f"{path.name} is no Parquet file that can be read ({str(error).splitlines()[0]}).") from error
    return from_table(table)


def _on_disk(path: str | os.PathLike) -> Path:
    place = place_of(path)
    if place.path is None:
        raise ValueError(f"{place}: tables are written to disks only. Write it here and copy it, or use sh.save.")
    return Path(str(place))


def _pieces(data: xr.Dataset, variable: str) -> Iterator[xr.Dataset]:
    """Some whole trajectories at a time."""
    n = data.sizes["trajectory"]
    rows = max(1, _PIECE_BYTES // max(1, data[variable].nbytes // n))
    kept = data[[variable, *(["censored"] if variable == "measured" and "censored" in data else [])]]
    for start in range(0, n, rows):
        yield kept.isel(trajectory=slice(start, start + rows))

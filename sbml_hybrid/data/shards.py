"""A dataset on disk that workers write shard by shard, so that a long run can stop and go on.

A shard is the same rows of every array over trajectories: one chunk of each. The store's group ``manifest`` says what
the run is, and has a group for every shard that is whole, which is written last.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.data.manifest import MANIFEST, META, Manifest, attributes_at, manifest
from sbml_hybrid.data.places import Place, place_of
from sbml_hybrid.errors import DataError, StorageError

log = logging.getLogger("sbml_hybrid")

PENDING = -1  # the status of a row that is not computed yet
_FORMAT = 1
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
SHARD_BYTES, SHARD_ROWS, SHARDS = 2**23, 64, 256
_LABELS_A_CHUNK = 2**17
_SAID = ("model_id", "model_hash", "design", "run", "tolerances", "versions", "observables", "noise", "measurement")


def rows_a_shard(rows: int, size: int) -> int:
    """Return how many rows a shard has: a few megabytes, and not too many shards.

    Parameters
    ----------
    rows
        All rows of the run.
    size
        Bytes of a row, in its largest array.
    """
    return int(max(1, min(SHARD_BYTES // size, max(SHARD_ROWS, rows // SHARDS))))


def prepare(template: xr.Dataset, path: str | os.PathLike | Place, rows: int) -> Manifest:
    """Make a Zarr store of the template's shape, or take the one that an interrupted run left.

    Parameters
    ----------
    template
        The dataset to be: coordinates, attributes, and variables over trajectories, of which only shape, type and
        attributes matter (they may be broadcast from one number).
    path
        A Zarr folder or its URL.
    rows
        Trajectories of a shard; a store that is there keeps its own.

    Returns
    -------
    Manifest
        With the shards that are finished.

    Raises
    ------
    DataError
        There is something else at `path`, or another run's dataset.
    StorageError
        The store cannot be written.
    ValueError
        The name of the store is that of another kind of file.
    """
    place = place_of(path)
    if place.suffix not in (".zarr", ""):  # `open` would take it for something else
        raise ValueError(f"{place} is no Zarr folder. Name it .zarr, such as {place}.zarr.")
    if place.path is None:  # what cannot be renamed into place is whole once its manifest is there
        if not place.exists(f"{MANIFEST}/{META}"):
            if place.exists(META) and _differing_attributes(template, place):
                raise DataError(f"{place} holds something else. Choose another store.")
            with _writing(place):
                _create(template, place, rows)
            return manifest(place)
    elif not place.exists():
        partial = place.path.with_name(f".{place.path.name}.{secrets.token_hex(4)}.partial")
        with _writing(place):
            try:
                _create(template, Place(str(partial)), rows)
                if _moved(partial, place):
                    return manifest(place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    there = manifest(place)
    _require_same(template, place, there)
    return there


def write_shard(path: str | os.PathLike | Place, start: int, values: Mapping[str, np.ndarray], entry: Mapping) -> None:
    """Write one shard, and then its entry in the manifest, so that a shard that has one is whole.

    Parameters
    ----------
    path
        The store.
    start
        The position of its first row.
    values
        Its rows of every array over trajectories.
    entry
        What the manifest says of it.

    Raises
    ------
    DataError
        Another run, of other draws, has written this shard since `unfinished` looked.
    StorageError
        The disk is full, or the store cannot be written.
    """
    # Aside, because Ctrl-C in the middle of what Zarr does would leave it in disarray; it waits for the end instead.
    with _writing(place_of(path)), ThreadPoolExecutor(1) as aside:
        aside.submit(_write_shard, place_of(path), start, values, entry).result()


def _write_shard(place: Place, start: int, values: Mapping[str, np.ndarray], entry: Mapping) -> None:
    import zarr

    from sbml_hybrid.data.checksums import Noting

    run = attributes_at(place, f"{MANIFEST}/{META}")
    if run is None:
        raise StorageError(f"{place} is gone: it was removed while a run wrote to it.")
    if set(values) != set(run["arrays"]):
        raise ValueError(f"a shard of {place} has {sorted(run['arrays'])}, got {sorted(values)}.")
    key = f"{MANIFEST}/{start // run['rows']:06d}/{META}"
    there = attributes_at(place, key)
    if there is not None and there["draws"] != entry["draws"]:
        raise _two_runs(place)
    store = Noting(place.zarr(read_only=False))
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name in sorted(values):
            array = zarr.open_array(store, path=name, mode="r+")
            array[start : start + len(values[name])] = values[name]
    entry = {
        "start": start,
        "rows": len(next(iter(values.values()))),
        **entry,
        "checksums": dict(sorted(store.noted.items())),
    }
    _note(place, key, entry)


def finish(there: Manifest, attrs: Mapping[str, str]) -> None:
    """Write what is known only at the end of a run into the store's attributes."""
    group = json.loads(there.place.read(META))
    if not attrs.items() <= group["attributes"].items():
        group["attributes"] |= attrs
        with _writing(there.place):
            there.place.write(META, json.dumps(group, indent=2).encode())


def unfinished(there: Manifest, draws: Callable[[int, int], str] | None = None) -> list[int]:
    """Return the numbers of the shards to compute: those without an entry, and those with a corrupt chunk.

    Parameters
    ----------
    there
        What `prepare` returned.
    draws
        Returns the fingerprint of the rows from one up to another, to compare with the entry's ``draws``.

    Raises
    ------
    DataError
        A shard was computed for other draws, or a label of the store is corrupt.
    """
    for key, wanted in there.run["checksums"].items():
        if (found := _checksum(there.place, key)) != wanted:
            raise there.complaint(key, found is None)
    left = []
    for number in range(len(there)):
        entry = there.shards.get(number)
        if entry is None:
            left.append(number)
            continue
        if draws is not None and draws(*there.bounds(number)) != entry["draws"]:
            raise DataError(
                f"{there.place} holds another run's dataset (it differs in the {there.source}). Choose another store."
            )
        if bad := [key for key, wanted in entry["checksums"].items() if _checksum(there.place, key) != wanted]:
            log.warning(
                "%s: shard %d is computed again, its chunk %s is corrupt or missing", there.place, number, bad[0]
            )
            left.append(number)
    return left


def require_own(there: Manifest, written: Mapping[int, str]) -> None:
    """Raise DataError where another run, of other draws, has written over the shards of this one.

    Parameters
    ----------
    there
        The store as it is when the run ends.
    written
        The fingerprint of the rows of each shard that the run has written, by its number.
    """
    if any(there.shards[number]["draws"] != draws for number, draws in written.items() if number in there.shards):
        raise _two_runs(there.place)


def verified(there: Manifest) -> Any:
    """Return the store for reading: rows that are not finished are NaN, and a corrupt chunk raises."""
    from sbml_hybrid.data.checksums import Verifying

    return Verifying(there.place.zarr(), there.expected, there.complaint)


# -- making a store --------------------------------------------------------------------------------


def _create(template: xr.Dataset, place: Place, rows: int) -> None:
    import zarr

    from sbml_hybrid.data.checksums import Noting
    from sbml_hybrid.data.store import as_stored

    arrays = sorted(str(n) for n, v in template.data_vars.items() if v.dims[:1] == ("trajectory",))
    store = Noting(place.zarr(read_only=False))
    beside = as_stored(template.drop_vars(arrays))
    encoding = {name: {"chunks": _label_chunks(v, rows)} for name, v in beside.variables.items() if v.ndim}
    beside.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    group = zarr.open_group(store, mode="r+")
    for name in arrays:
        variable = template[name].variable
        group.create_array(
            name,
            shape=variable.shape,
            chunks=(rows, *(max(size, 1) for size in variable.shape[1:])),
            dtype=variable.dtype,
            fill_value=PENDING if name == "status" else np.nan if variable.dtype.kind == "f" else 0,
            dimension_names=variable.dims,
            attributes={key: _plain(variable.attrs[key]) for key in sorted(variable.attrs)},
        )
    said = {name: _parsed(template.attrs[name]) for name in _SAID if name in template.attrs}
    run = {"format": _FORMAT, "trajectories": template.sizes["trajectory"], "rows": rows, "arrays": arrays, **said}
    _note(place, f"{MANIFEST}/{META}", run | {"checksums": dict(sorted(store.noted.items()))})


def _moved(partial: Path, place: Place) -> bool:
    """Move a store that is whole to its place; False if another process has made one there meanwhile."""
    try:
        os.rename(partial, place.path)
    except OSError:
        if not place.exists(META):
            raise
        return False
    return True


def _label_chunks(variable: xr.Variable, rows: int) -> tuple[int, ...]:
    """Labels are read whole; what has more axes is read with its trajectories."""
    first = rows if variable.ndim > 1 and variable.dims[0] == "trajectory" else _LABELS_A_CHUNK
    return (min(first, max(variable.shape[0], 1)), *(max(size, 1) for size in variable.shape[1:]))


def _note(place: Place, key: str, attributes: Mapping[str, Any]) -> None:
    """Write the metadata of a Zarr group, which Zarr and xarray read as such."""
    group = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    place.write(key, json.dumps(group, indent=1).encode())


def _checksum(place: Place, key: str) -> str | None:
    from sbml_hybrid.data.checksums import checksum

    content = place.read(key)
    return None if content is None else checksum(content)


# -- whose store it is -----------------------------------------------------------------------------


def _require_same(template: xr.Dataset, place: Place, there: Manifest | None) -> None:
    if not place.exists(META):
        raise DataError(f"{place} is there already and is no Zarr store. Choose another store.")
    if there is None:
        raise DataError(f"{place} holds a dataset that no run wrote. Choose another store, or remove it.")
    differing = _differing_attributes(template, place)
    if not differing and there.run["trajectories"] != template.sizes["trajectory"]:
        differing = ["the number of trajectories"]
    if not differing:
        differing = _differing_labels(template, there)
    if differing:
        raise DataError(
            f"{place} holds another run's dataset (it differs in {', '.join(differing)}). "
            "Choose another store, or remove it."
        )


def _two_runs(place: Place) -> DataError:
    return DataError(f"Another run is writing other rows to {place} now. Choose another store for one of them.")


def _differing_labels(template: xr.Dataset, there: Manifest) -> Sequence[str]:
    import zarr

    group = zarr.open_group(verified(there), mode="r")
    names = {str(name) for name in template.variables}
    differing = sorted(names ^ set(there.place.names("")) - {META, MANIFEST})
    for name in () if differing else sorted(template.coords):
        ours, array = template[name].values, group[name]
        theirs = np.asarray(array[:])
        equal_nan = ours.dtype.kind == "f"
        if not np.array_equal(theirs.astype(ours.dtype), ours, equal_nan=equal_nan):
            differing.append(str(name))
    for name in () if differing else there.run["arrays"]:
        ours = template[name]
        if group[name].shape != ours.shape or group[name].dtype != ours.dtype:
            differing.append(name)
    return differing


def _differing_attributes(template: xr.Dataset, place: Place) -> Sequence[str]:
    attributes = attributes_at(place, META) or {}
    return [name for name, value in template.attrs.items() if attributes.get(name) != value]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


@contextmanager
def _writing(place: Place) -> Iterator[None]:
    """Say what to do when a place cannot be written."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        first = "free some space" if error.errno in _FULL else "mend that"
        raise StorageError(
            f"Cannot write {place}: {error.strerror or error}. What was computed is kept; {first} and run the "
            "same again to go on."
        ) from error

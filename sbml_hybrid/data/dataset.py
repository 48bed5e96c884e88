"""The dataset: an `xarray.Dataset` whose schema is checked, split by draw, and stripped for forecasters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np
import xarray as xr

from sbml_hybrid.errors import DataError, unknown_name

# Dimensions of each variable; "time" is "sample" in a dataset with individual sampling times.
_LAYOUT = {
    "truth": ("trajectory", "time", "species"),
    "readout": ("trajectory", "time", "observable"),
    "measured": ("trajectory", "time", "observable"),
    "censored": ("trajectory", "time", "observable"),
    "scale": ("trajectory", "observable"),
    "offset": ("trajectory", "observable"),
    "parameters": ("trajectory", "parameter"),
    "known": ("trajectory", "input"),
    "controls": ("trajectory", "time", "control"),
    "status": ("trajectory",),
    "rung": ("trajectory",),
    "stability": ("trajectory",),
    "draw": ("trajectory",),
    "condition": ("trajectory",),
    "batch": ("trajectory",),
    "well": ("trajectory",),
    "nonnegative": ("observable",),
}
_REPLICATED = ("measured", "censored")
_FLOATS = ("truth", "readout", "measured", "scale", "offset", "parameters", "known", "controls")
_NAMED = ("species", "observable", "parameter", "input", "control")

_SEEN = ("measured", "censored", "controls", "known")
_SEEN_COORDS = (
    "trajectory", "draw", "condition", "batch", "well", "replicate", "time", "sample", "observable", "nonnegative",
    "control", "input",
)  # fmt: skip
# With the model and the seeds, the truth could be computed again.
_HIDDEN_ATTRS = ("sbml", "model_hash", "model_id", "tolerances", "versions")
_SEEDED_ATTRS = ("design", "measurement", "run")
_SECRETS = ("seed", "scaling")


def check(dataset: xr.Dataset) -> None:
    """Raise if `dataset` is not what the verbs expect; return nothing if it is.

    Raises
    ------
    DataError
        In one line: what breaks the schema, and what to do about it.
    """
    check_layout(dataset)
    for name in ("measured", "readout", "scale", "offset", "parameters", "known", "controls"):
        if name in dataset and np.isinf(dataset[name].values).any():
            raise DataError(f"{name!r} holds infinite values. What was not measured is NaN, and only NaN.")
    if "censored" in dataset and not np.isin(dataset["censored"].values, (-1, 0, 1)).all():
        raise DataError("'censored' holds other codes than -1 (below the limit), 0 and 1 (above the limit).")
    _check_times(dataset)


def check_layout(dataset: xr.Dataset) -> None:
    """Check dimensions, types and labels only, which reads no measurement.

    Raises
    ------
    DataError
        As `check`.
    """
    if not isinstance(dataset, xr.Dataset):
        raise DataError(f"A dataset is an xarray.Dataset, got {type(dataset).__name__}. Try sh.from_table for a table.")
    if "trajectory" not in dataset.dims or "trajectory" not in dataset.coords:
        raise DataError(f"The dataset has no labelled dimension 'trajectory'; it has {_listed(dataset.dims)}.")
    if "draw" not in dataset.coords:
        raise DataError(
            "The dataset has no coordinate 'draw', which says what belongs together. If every trajectory is an "
            "experiment of its own: data.assign_coords(draw=('trajectory', data.trajectory.values))."
        )
    if not {"truth", "measured"} & set(dataset.data_vars):
        raise DataError(f"The dataset has neither 'truth' nor 'measured'; it has {_listed(dataset.data_vars)}.")
    empty = [str(name) for name, size in dataset.sizes.items() if size == 0]
    if empty:
        raise DataError(f"The dataset has no {empty[0]} at all.")
    _check_dimensions(dataset)
    _check_labels(dataset)
    _check_types(dataset)


def time_dimension(dataset: xr.Dataset) -> str:
    """Return ``"sample"`` if each trajectory has sampling times of its own, else ``"time"``."""
    return "sample" if "sample" in dataset.dims else "time"


def split(data: xr.Dataset, test: float = 0.2, seed: int = 0, by: str = "draw") -> tuple[xr.Dataset, xr.Dataset]:
    """Split a dataset into a part to train on and a part to test on.

    Whole draws go to one side, with all their replicates and conditions, so that nothing of a tested draw was seen
    in training. A draw's side depends on its label, the seed and the other labels, never on the order of the rows.

    Parameters
    ----------
    data
        A dataset. Failed trajectories stay with their draw.
    test
        Share of the draws (or conditions) to test on, between 0 and 1.
    seed
        Zero or more.
    by
        ``"draw"``, or ``"condition"`` to hold out whole conditions: does it work for a dose not seen before?

    Returns
    -------
    train, test
        Two datasets with the labels, and the order of rows, of `data`.

    Raises
    ------
    DataError
        If one side would be empty, or `data` has no such coordinate.
    """
    check(data)
    if by not in ("draw", "condition"):
        raise ValueError(f"by must be 'draw' or 'condition', got {by!r}.")
    if not 0 < test < 1:
        raise ValueError(f"test must lie between 0 and 1, got {test!r}.")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, zero or more, got {seed!r}.")
    if by not in data.coords:
        raise DataError(f"The dataset has no coordinate {by!r} to split by. Try by='draw'.")
    labels = data[by].values
    groups = sorted({str(label) for label in labels}, key=lambda label: _lot(seed, label))
    held = int(test * len(groups) + 0.5)
    if held in (0, len(groups)):
        side = "test" if held == 0 else "train"
        raise DataError(
            f"test={test} of {len(groups)} {by}{'s' if len(groups) != 1 else ''} leaves none to {side} on. "
            f"Change test, or add {by}s."
        )
    tested = np.isin(labels.astype(str), groups[:held])
    return data.isel(trajectory=~tested), data.isel(trajectory=tested)


def visible(data: xr.Dataset, known: Iterable[str] = ()) -> xr.Dataset:
    """Return only what a forecaster may see: measurements, times, and inputs declared known.

    The truth, the readouts, the parameters, the scales of arbitrary units, the model and the seeds are taken away.

    Parameters
    ----------
    data
        A dataset.
    known
        Names in `parameters` (or in `known` of a dataset that was stripped before) that the experimenter sets or
        measures. They become the variable `known` (trajectory, input). When empty, a `known` that is there stays.

    Returns
    -------
    Dataset
        A new dataset with `measured`, `censored`, `controls`, `known` where there are any, and their coordinates.

    Raises
    ------
    UnknownName
        If `known` asks for a quantity that was not varied.
    """
    check_layout(data)
    if "measured" not in data:
        raise DataError("The dataset has no 'measured', and a forecaster sees nothing else. Try sh.measure first.")
    kept = xr.Dataset({name: data[name].variable for name in _SEEN if name in data})
    names = [known] if isinstance(known, str) else list(known)
    if names:
        kept = kept.drop_dims("input", errors="ignore")
        kept["known"] = (("trajectory", "input"), np.stack([_input(data, name) for name in names], axis=1))
        kept = kept.assign_coords(input=names)
    coords = {
        name: data[name].variable
        for name in _SEEN_COORDS
        if name in data.coords and name not in kept.coords and set(data[name].dims) <= set(kept.dims)
    }
    return kept.assign_coords(coords).assign_attrs(_visible_attrs(data.attrs))


def succeeded(data: xr.Dataset) -> xr.Dataset:
    """Return the trajectories whose simulation succeeded: all of them where there is no `status`."""
    if "status" not in data:
        return data
    return data.isel(trajectory=data["status"].values == 0)


def _lot(seed: int, label: str) -> bytes:
    return hashlib.blake2b(f"{int(seed)}:{label}".encode(), digest_size=16).digest()


def _input(data: xr.Dataset, name: str) -> np.ndarray:
    places = [("parameters", "parameter"), ("known", "input")]
    for variable, dimension in places:
        if variable in data and name in data[dimension].values:
            return data[variable].sel({dimension: name}).values.astype(float)
    there = [str(n) for variable, dimension in places if variable in data for n in data[dimension].values]
    raise unknown_name("input", name, there, "the dataset's parameters")


def _visible_attrs(attrs: dict) -> dict:
    kept = {name: value for name, value in attrs.items() if name not in _HIDDEN_ATTRS}
    for name in _SEEDED_ATTRS:
        if name in kept:
            kept[name] = _without_secrets(kept[name])
    return kept


def _without_secrets(text: str) -> str:
    try:
        record = json.loads(text)
    except (TypeError, ValueError):
        return text  # a note of the user's own, which is no record of ours
    if not isinstance(record, dict):
        return text
    return json.dumps({key: value for key, value in record.items() if key not in _SECRETS})


def _check_dimensions(dataset: xr.Dataset) -> None:
    time = time_dimension(dataset)
    for name, layout in _LAYOUT.items():
        if name not in dataset.variables:
            continue
        wanted = tuple(time if d == "time" else d for d in layout)
        allowed = [wanted]
        if name in _REPLICATED:
            allowed.append((wanted[0], "replicate", *wanted[1:]))
        if dataset[name].dims not in allowed:
            raise DataError(f"{name!r} has dimensions {_listed(dataset[name].dims)}; it needs {_listed(wanted)}.")
    if "censored" in dataset and ("measured" not in dataset or dataset["censored"].dims != dataset["measured"].dims):
        raise DataError("'censored' must have the dimensions of 'measured'.")


def _check_labels(dataset: xr.Dataset) -> None:
    for name in ("trajectory", "replicate", *_NAMED):
        if name not in dataset.dims:
            continue
        if name not in dataset.coords:
            raise DataError(f"The dimension {name!r} has no labels. Add them: data.assign_coords({name}=[...]).")
        index = dataset.indexes[name]
        if not index.is_unique:
            raise DataError(f"The {name} label {index[index.duplicated()].tolist()[0]!r} stands there twice.")
    for name in _NAMED:
        if name in dataset.dims and not all(isinstance(label, str) for label in dataset[name].values.tolist()):
            raise DataError(f"The labels of {name!r} must be names (strings).")


def _check_types(dataset: xr.Dataset) -> None:
    for name in _FLOATS:
        if name in dataset and dataset[name].dtype.kind != "f":
            raise DataError(f"{name!r} must hold floating-point numbers, not {dataset[name].dtype}.")
    for name in ("trajectory", "draw"):
        values = dataset[name].values
        if values.dtype.kind not in "iu" and not all(isinstance(label, str) for label in values.tolist()):
            raise DataError(f"The labels of {name!r} must be whole numbers or names, not {values.dtype}.")
    for name in ("status", "rung", "stability", "censored"):
        if name in dataset and dataset[name].dtype.kind not in "iu":
            raise DataError(f"{name!r} must hold integer codes, not {dataset[name].dtype}.")
    for name in ("status", "rung", "stability"):
        if name in dataset:
            values, meanings = (dataset[name].attrs.get(key, ()) for key in ("flag_values", "flag_meanings"))
            words = meanings.split() if isinstance(meanings, str) else list(meanings)
            if not words or len(np.atleast_1d(values)) != len(words):
                raise DataError(f"{name!r} needs the attributes flag_values and flag_meanings, one meaning per value.")
    if "nonnegative" in dataset.coords and dataset["nonnegative"].dtype != bool:
        raise DataError("The coordinate 'nonnegative' must be True or False for each observable.")
    for name, value in dataset.attrs.items():
        if isinstance(value, bool) or not isinstance(value, (str, Real)):
            raise DataError(f"The attribute {name!r} is a {type(value).__name__}; write it as a string, such as JSON.")


def _check_times(dataset: xr.Dataset) -> None:
    dimension = time_dimension(dataset)
    if dimension not in dataset.dims:
        raise DataError(f"The dataset has no dimension 'time'; it has {_listed(dataset.dims)}.")
    if "time" not in dataset.coords:
        raise DataError("The dataset has no coordinate 'time'. Add the times: data.assign_coords(time=[...]).")
    wanted = ("time",) if dimension == "time" else ("trajectory", "sample")
    if dataset["time"].dims != wanted:
        raise DataError(f"'time' has dimensions {_listed(dataset['time'].dims)}; it needs {_listed(wanted)}.")
    if dataset["time"].dtype.kind != "f":
        raise DataError(f"The times must be floating-point numbers, not {dataset['time'].dtype}.")
    times = dataset["time"].values
    # A trajectory with fewer samples than the longest one is padded with NaN at its end.
    padded = np.isnan(times) if dimension == "sample" else np.zeros(times.shape, bool)
    if np.isinf(times).any() or (np.isnan(times) & ~padded).any():
        raise DataError("The times must be finite numbers.")
    if (padded[..., :-1] & ~padded[..., 1:]).any() or (np.diff(times, axis=-1) <= 0).any():
        raise DataError("The times must increase from each point to the next.")


def _listed(names: Iterable) -> str:
    return "(" + ", ".join(str(name) for name in names) + ")"

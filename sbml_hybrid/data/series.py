"""A folder with a CSV file for each time course, as SimbaML writes them, and an index of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.errors import DataError

INDEX = "series.csv"
_CENSORED = "censored:"


def is_series(path: Path) -> bool:
    """Whether there is such a folder at `path`."""
    return (path / INDEX).is_file()


def write_series(data: xr.Dataset, variable: str, about: tuple[str, ...], folder: Path, first: int) -> pd.DataFrame:
    """Write a file for each trajectory and replicate, and return their lines of the index.

    Parameters
    ----------
    data
        Some trajectories.
    variable
        What to write: a column for the time, one for each observable or species, and one for each code of censoring.
    about
        Coordinates of the trajectories that the index keeps.
    folder
        Where the files go.
    first
        Number of the first file.
    """
    values = data[variable].transpose("trajectory", ..., time_dimension(data), data[variable].dims[-1]).compute()
    codes = data["censored"].transpose(*values.dims).values if variable == "measured" and "censored" in data else None
    names = [str(name) for name in values[values.dims[-1]].values]
    replicates = data["replicate"].values if "replicate" in values.dims else [None]
    times = data["time"].values
    lines = []
    for row, label in enumerate(data["trajectory"].values):
        when = times[row] if times.ndim == 2 else times
        kept = ~np.isnan(when)
        for at, replicate in enumerate(replicates):
            here = (row, at) if "replicate" in values.dims else (row,)
            columns = {"time": when[kept]} | dict(zip(names, values.values[here][kept].astype(float).T, strict=True))
            if codes is not None:
                columns |= {f"{_CENSORED}{name}": code for name, code in zip(names, codes[here][kept].T, strict=True)}
            name = f"series_{first + len(lines):06d}.csv"
            pd.DataFrame(columns).to_csv(folder / name, index=False, lineterminator="\n")
            line = {"file": name, "trajectory": label} | {key: data[key].values[row] for key in about}
            lines.append(line if replicate is None else line | {"replicate": replicate})
    return pd.DataFrame(lines)


def series_table(folder: Path) -> pd.DataFrame:
    """Return the tidy table of a folder that `write_series` wrote; what was not measured is NaN.

    Raises
    ------
    DataError
        A file of the index is missing or not what was written.
    """
    index = pd.read_csv(folder / INDEX, dtype=str, keep_default_na=False)
    parts = []
    for line in index.to_dict("records"):
        name = line.pop("file")
        try:
            wide = pd.read_csv(folder / name, dtype=str, keep_default_na=False)  # numbers are read where all are
            names = [c for c in wide.columns if c != "time" and not c.startswith(_CENSORED)]
            part = wide.melt("time", names, "observable", "value")
            if any(f"{_CENSORED}{c}" in wide for c in names):
                part["censored"] = np.concatenate([wide[f"{_CENSORED}{c}"] for c in names])
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder}: {name} cannot be read ({error}). Write the folder again.") from error
        parts.append(part.assign(**line))
    return pd.concat(parts, ignore_index=True)

"""Tidy tables: a dataset as one row per measurement, and a lab's own CSV as a dataset."""

from __future__ import annotations

import csv
import difflib
import logging
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.data.dataset import check, check_layout, time_dimension
from sbml_hybrid.data.series import is_series, series_table
from sbml_hybrid.errors import DataError, SourceNotFound, unknown_name

_log = logging.getLogger("sbml_hybrid")

_REQUIRED = ("trajectory", "time", "observable", "value")
_OF_TRAJECTORY = ("draw", "condition", "batch", "well")
_OPTIONAL = ("replicate", "censored", *_OF_TRAJECTORY)
_MISSING = ("", "na", "n/a", "nan", "null", "none")

_Place = Callable[[int], str]  # the row at a position, in the words of the reader: "line 7 of plate.csv"


def to_table(data: xr.Dataset, variable: str = "measured") -> pd.DataFrame:
    """Return one row per value, in tidy form, with what was not measured left out.

    Parameters
    ----------
    data
        A dataset.
    variable
        ``"measured"``, ``"readout"``, ``"truth"`` or another variable over time.

    Returns
    -------
    DataFrame
        Columns `trajectory`, `draw` (where it differs from `trajectory`), `condition`, `batch`, `well`, `replicate`
        (where there are any), `time`, `observable` (`species` for the truth), `value`, and `censored` for
        measurements that have it.

    Raises
    ------
    UnknownName
        If `data` has no such variable over time.
    """
    return table_of(data, variable, about_trajectories(data, variable))


def about_trajectories(data: xr.Dataset, variable: str) -> tuple[str, ...]:
    """Return which columns about a trajectory the table of a variable has; raises as `to_table`."""
    check_layout(data)
    time = time_dimension(data)
    series = [str(name) for name, v in data.data_vars.items() if v.ndim >= 3 and time in v.dims]
    if variable not in series:
        raise unknown_name("variable over time", variable, series, "the dataset")
    same = _same(data["draw"].values, data["trajectory"].values)
    return tuple(name for name in _OF_TRAJECTORY if name in data.coords and not (name == "draw" and same))


def table_of(data: xr.Dataset, variable: str, about: tuple[str, ...]) -> pd.DataFrame:
    """Return the table of some trajectories, with the columns `about` them."""
    time = time_dimension(data)
    values = data[variable].compute()
    channel = str(values.dims[-1])
    at = dict(zip(values.dims, np.nonzero(~np.isnan(values.values)), strict=True))

    trajectory = at["trajectory"]
    columns = {"trajectory": data["trajectory"].values[trajectory]}
    for name in about:
        columns[name] = data[name].values[trajectory]
    if "replicate" in at:
        columns["replicate"] = data["replicate"].values[at["replicate"]]
    times = data["time"].values
    columns["time"] = times[trajectory, at[time]] if times.ndim == 2 else times[at[time]]
    columns[channel] = data[channel].values[at[channel]]
    columns["value"] = values.values[tuple(at.values())].astype(float)
    if variable == "measured" and "censored" in data:
        columns["censored"] = data["censored"].values[tuple(at.values())]
    return pd.DataFrame(columns)


def from_table(table: pd.DataFrame) -> xr.Dataset:
    """Return the dataset of a tidy table of measurements.

    Parameters
    ----------
    table
        One row per measurement, with columns `trajectory` (whole numbers or names), `time`, `observable` and `value`
        (empty or NaN: not measured), and optionally `replicate`, `censored` (-1 below, 1 above the limit that `value`
        holds), `draw` (trajectories that belong together), `condition`, `batch`, `well`. Other columns are left out.

    Returns
    -------
    Dataset
        `measured` (trajectory, [replicate,] time, observable) over all times in the table, NaN where nothing was
        measured. Every trajectory is a draw of its own unless the table says otherwise. Trajectories and observables
        are in the order of their first rows.

    Raises
    ------
    DataError
        In one line: the first row that cannot be used, and what to do about it.
    """
    return _dataset(table.reset_index(drop=True), "the table", lambda row: f"row {row} of the table")


def read_csv(path: str | os.PathLike) -> xr.Dataset:
    """Read measurements from a CSV file, such as a lab's own.

    Parameters
    ----------
    path
        A file with a header, commas between the cells and points in the numbers; columns as in `from_table`. Or a
        folder with a file for each series, as `write_csv` writes it.

    Raises
    ------
    SourceNotFound
        If there is no such file.
    DataError
        In one line: the first line of the file that cannot be used, and what to do about it.
    """
    path = Path(path).expanduser()
    if is_series(path):
        return from_table(series_table(path))
    if not path.is_file():
        raise SourceNotFound(f"There is no file {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not text in UTF-8 ({error.reason}). Save it as 'CSV UTF-8'.") from None
    return _dataset(_cells(text, path.name), path.name, lambda line: f"line {line} of {path.name}")


def _cells(text: str, source: str) -> pd.DataFrame:
    """Return the cells of a CSV file as strings, indexed by line number."""
    reader = csv.reader(StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise DataError(f"{source} is empty. It needs a header: {', '.join(_REQUIRED)}.")
    for character, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and character in header[0]:
            raise DataError(f"{source} has {name} between its cells. Save it with commas, and points in numbers.")
    try:
        numbered = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} of {source} cannot be read: {error}. Is a quote left open?") from None
    lines, rows = [], []
    for line, row in numbered:
        cells = [cell.strip() for cell in row]
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()  # spreadsheets pad their rows
        if not any(cells):
            continue
        if len(cells) != len(header):
            spilled = any("\n" in cell for cell in cells)
            raise DataError(
                f"line {line} of {source} has {len(cells)} cells, and the header has {len(header)}. "
                + ("Is a quote left open before it?" if spilled else "Numbers need decimal points, not commas.")
            )
        lines.append(line)
        rows.append(cells)
    return pd.DataFrame(rows, index=lines, columns=header, dtype=object)


def _dataset(table: pd.DataFrame, source: str, place: _Place) -> xr.Dataset:
    _check_columns(table, source)
    if table.empty:
        raise DataError(f"{source} has no rows. Each measurement is one row: {', '.join(_REQUIRED)}.")
    columns = {name: _labels(table, name, place) for name in ("trajectory", "observable")}
    columns["observable"] = columns["observable"].astype(str)
    columns["time"] = _numbers(table, "time", place)
    _refuse(np.isnan(columns["time"]), lambda row: f"{place(row)} has no time. Every measurement needs one.", table)
    values = _numbers(table, "value", place)
    if "replicate" in table:
        columns["replicate"] = _labels(table, "replicate", place)
    _refuse_repeats(pd.DataFrame(columns, index=table.index), place)

    codes, labels = {}, {}
    for name in ("trajectory", "replicate", "time", "observable"):
        if name in columns:
            in_order = name in ("replicate", "time")
            codes[name], labels[name] = pd.factorize(columns[name], sort=in_order)
    shape = tuple(len(labels[name]) for name in codes)
    measured = np.full(shape, np.nan)
    measured[tuple(codes.values())] = values
    dataset = xr.Dataset({"measured": (tuple(codes), measured)}, coords=labels)
    if "censored" in table:
        censored = np.zeros(shape, np.int8)
        censored[tuple(codes.values())] = _censored(table, place)
        dataset["censored"] = (tuple(codes), censored)
    dataset = dataset.assign_coords(_of_trajectories(table, codes["trajectory"], labels["trajectory"], place))
    check(dataset)
    return dataset


def _check_columns(table: pd.DataFrame, source: str) -> None:
    names = [str(name) for name in table.columns]
    for name in _REQUIRED:
        if name not in names:
            lower = {other.lower(): other for other in names}
            close = [lower[match] for match in difflib.get_close_matches(name, lower, n=1)]
            hint = f" Rename {close[0]!r}?" if close else ""
            raise DataError(f"{source} has no column {name!r}.{hint} Its columns: {', '.join(names)}.")
    for name in (*_REQUIRED, *_OPTIONAL):
        if names.count(name) > 1:
            raise DataError(f"{source} has two columns {name!r}. Keep one.")
    unused = [name for name in names if name not in (*_REQUIRED, *_OPTIONAL)]
    if unused:
        _log.info("%s: columns that are not used: %s.", source, ", ".join(unused))


def _numbers(table: pd.DataFrame, name: str, place: _Place) -> np.ndarray:
    column = table[name]
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(float, na_value=np.nan)
    else:
        numbers = np.array([_number(cell) for cell in column], dtype=object)
        _refuse(
            np.array([number is None for number in numbers]),
            lambda row: f"{place(row)}: the {name} {column[row]!r} is not a number. {_remedy(name, column[row])}",
            table,
        )
        numbers = numbers.astype(float)
    _refuse(np.isinf(numbers), lambda row: f"{place(row)}: the {name} is infinite. It must be a finite number.", table)
    return numbers


def _number(cell: object) -> float | None:
    """Return the number in a cell, NaN if it is empty, None if it holds something else."""
    if cell is None or cell is pd.NA or (isinstance(cell, str) and cell.strip().lower() in _MISSING):
        return np.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _remedy(name: str, cell: object) -> str:
    if "," in str(cell):
        return "Write decimals with a point."
    return "Leave the cell empty where nothing was measured." if name == "value" else "Every row needs one."


def _labels(table: pd.DataFrame, name: str, place: _Place) -> np.ndarray:
    column = table[name]
    _refuse(
        (column.isna() | (column.astype(str).str.strip() == "")).to_numpy(),
        lambda row: f"{place(row)} has no {name}. Every row needs one.",
        table,
    )
    if pd.api.types.is_integer_dtype(column):
        return column.to_numpy(np.int64)
    texts = column.astype(str).to_numpy(str)
    whole = [text.lstrip("-").isdigit() and str(int(text)) == text for text in texts]
    return texts.astype(np.int64) if all(whole) else texts


def _censored(table: pd.DataFrame, place: _Place) -> np.ndarray:
    codes = np.nan_to_num(_numbers(table, "censored", place))
    _refuse(
        ~np.isin(codes, (-1, 0, 1)),
        lambda row: f"{place(row)}: censored must be -1 (below the limit), 0 or 1 (above the limit).",
        table,
    )
    return codes.astype(np.int8)


def _refuse(bad: np.ndarray, message: Callable[[int], str], table: pd.DataFrame) -> None:
    if bad.any():
        raise DataError(message(table.index[int(np.argmax(bad))]))


def _refuse_repeats(keys: pd.DataFrame, place: _Place) -> None:
    repeated = keys.duplicated().to_numpy()
    if not repeated.any():
        return
    second = int(np.argmax(repeated))
    first = int(np.argmax((keys == keys.iloc[second]).all(axis=1).to_numpy()))
    key = keys.iloc[second]
    hint = "Remove one." if "replicate" in keys else "If they are repeats, number them in a column 'replicate'."
    raise DataError(
        f"{place(keys.index[second])} measures {key['observable']!r} of trajectory {key['trajectory']!r} at time "
        f"{key['time']:g} again (first in {place(keys.index[first])}). {hint}"
    )


def _of_trajectories(table: pd.DataFrame, codes: np.ndarray, labels: np.ndarray, place: _Place) -> dict[str, tuple]:
    coords = {"draw": ("trajectory", labels)}
    first = np.unique(codes, return_index=True)[1]
    for name in _OF_TRAJECTORY:
        if name in table:
            values = _labels(table, name, place)
            _refuse(
                values != values[first][codes],
                lambda row, name=name: (
                    f"{place(row)} gives its trajectory another {name} than the rows before. "
                    f"A trajectory has one {name}."
                ),
                table,
            )
            coords[name] = ("trajectory", values[first])
    return coords


def _same(these: np.ndarray, those: np.ndarray) -> bool:
    return these.dtype.kind == those.dtype.kind and bool((these == those).all())

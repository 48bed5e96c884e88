"""One cell of the benchmark: a forecaster learns, forecasts the test set, and its forecasts are kept in a file."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
import time
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from sbml_hybrid.benchmarking.fingerprints import environment, fingerprint
from sbml_hybrid.data.dataset import succeeded, time_dimension
from sbml_hybrid.data.store import write_whole
from sbml_hybrid.data.windows import origins
from sbml_hybrid.errors import DataError, SourceNotFound

log = logging.getLogger("sbml_hybrid")


@dataclass(frozen=True)
class Task:
    """What all rivals are given: datasets that hold only what a forecaster may see, and the two lengths."""

    train: xr.Dataset
    test: xr.Dataset
    lookback: int
    horizon: int

    @cached_property
    def fingerprint(self) -> str:
        """Of the data, the lengths, and the versions that compute."""
        return fingerprint(self.train, self.test, self.lookback, self.horizon, environment())


@dataclass(frozen=True)
class Result:
    """Forecasts (trajectory, replicate, origin, step, channel), NaN where the test set has no such time; and costs."""

    forecast: np.ndarray
    costs: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One row of the ranking: a forecaster's configuration, the mechanism it knows, and its seed."""

    name: str
    forecaster: object
    mechanism: str
    seed: int

    @property
    def title(self) -> str:
        """The forecaster, with the mechanism if it knows one."""
        return self.name if self.mechanism == "none" else f"{self.name}, {self.mechanism} mechanism"

    @property
    def file(self) -> str:
        """The name of the file that keeps this cell's forecasts."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.title).strip("-")
        # Two names may look the same without their punctuation.
        return f"{plain}-{fingerprint(self.title)[:6]}.npz"

    def run(self, task: Task, folder: str | Path | None = None) -> Result:
        """Return the cell's forecasts: from its file if it is there and was made by the same, else by training."""
        if folder is None:
            return self._compute(task)
        path = Path(folder) / self.file
        alike = dataclasses.replace(self.forecaster, jobs=1) if hasattr(self.forecaster, "jobs") else self.forecaster
        mark = fingerprint(dataclasses.replace(self, forecaster=alike), task.fingerprint)
        kept = read(path, mark)
        if kept is not None:
            log.info("%s: kept from before", self.title)
            return kept
        result = self._compute(task)
        _write(path, mark, result)
        return result

    def _compute(self, task: Task) -> Result:
        clock = _Clock()
        fitted = self.forecaster.fit(task.train, lookback=task.lookback, horizon=task.horizon, seed=self.seed)
        costs = {f"fit_{key}": value for key, value in clock.lap().items()}
        forecast = _forecast(fitted, task)
        costs |= {f"predict_{key}": value for key, value in clock.lap().items()}
        log.info("%s: learned in %.1f s, forecast in %.1f s", self.title, costs["fit_wall"], costs["predict_wall"])
        self._check_numbers(forecast, task)
        return Result(forecast, costs)

    def _check_numbers(self, forecast: np.ndarray, task: Task) -> None:
        asked = ~np.isnan(cut(task.test, task.lookback, task.horizon)["time"])[:, None, :, :, None]
        bad = asked & ~np.isfinite(forecast)
        if bad.any():
            raise DataError(f"{self.title} gave no number for {bad.sum()} of {bad.size} forecasts.")


def read(path: Path, mark: str) -> Result | None:
    """Return what the file holds if it was made by what `mark` is the fingerprint of, else None."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            manifest = json.loads(str(kept["manifest"]))
            return Result(kept["forecast"], manifest["costs"]) if manifest["mark"] == mark else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # another program's file, or one of an older version: it is made anew


def _write(path: Path, mark: str, result: Result) -> None:
    manifest = json.dumps({"mark": mark, "costs": result.costs})
    content = io.BytesIO()
    np.savez(content, forecast=result.forecast, manifest=manifest)
    write_whole({"": content.getvalue()}, path)


def cut(data: xr.Dataset, lookback: int, horizon: int) -> dict[str, np.ndarray]:
    """Cut every series at its origins: what lies within the horizon after each.

    Returns
    -------
    dict
        ``last`` (trajectory, origin) and ``point`` (trajectory, origin, step): positions of the last point seen and of
        those to forecast, -1 where a shorter series has none; ``origin`` and ``time``: the times there, NaN for none.
    """
    axis = time_dimension(data)
    shared = data["time"].values
    times = np.broadcast_to(shared, (data.sizes["trajectory"], data.sizes[axis]))
    n = len(origins(times.shape[1], lookback, horizon))
    last, point = np.full((len(times), n), -1), np.full((len(times), n, horizon), -1)
    for row, length in enumerate((~np.isnan(times)).sum(axis=1)):
        found = origins(length, lookback, horizon) if length >= lookback + horizon else np.empty(0, int)
        last[row, : len(found)] = found
        point[row, : len(found)] = found[:, None] + 1 + np.arange(horizon)
    return {"last": last, "point": point, "origin": _at(times, last), "time": _at(times, point)}


def _at(times: np.ndarray, position: np.ndarray) -> np.ndarray:
    flat = position.reshape(len(times), -1)
    return np.where(flat < 0, np.nan, np.take_along_axis(times, flat, axis=1)).reshape(position.shape)


def kept_forecast(
    folder: str | Path, name: str, mechanism: str, test: xr.Dataset, lookback: int, horizon: int, origin: int
) -> xr.Dataset:
    """Return what a row of the ranking forecast at one origin, from the folder that `benchmark` kept it in.

    Parameters
    ----------
    folder
        As given to `benchmark`.
    name, mechanism
        The row, as in the table.
    test, lookback, horizon
        As given to `benchmark`.
    origin
        Which origin, counted from 0.

    Returns
    -------
    Dataset
        `forecast` (trajectory, [replicate], time, observable) of the trajectories that did not fail.
    """
    test = succeeded(test)
    path = Path(folder) / Cell(name, None, mechanism, 0).file
    if not path.is_file():
        raise SourceNotFound(f"{folder} keeps no forecasts of {name!r} ({mechanism} mechanism).")
    with np.load(path, allow_pickle=False) as kept:
        values = kept["forecast"][:, :, origin]
    times = cut(test, lookback, horizon)["time"][:, origin]
    axis = time_dimension(test)
    coords = {"trajectory": test["trajectory"].values, "observable": test["observable"].values}
    coords["time"] = times[0] if axis == "time" else (("trajectory", "sample"), times)
    if "replicate" not in test.dims:
        return xr.Dataset({"forecast": (("trajectory", axis, "observable"), values[:, 0])}, coords)
    coords["replicate"] = test["replicate"].values
    return xr.Dataset({"forecast": (("trajectory", "replicate", axis, "observable"), values)}, coords)


def _forecast(fitted, task: Task) -> np.ndarray:
    """Ask for every origin in turn; series that share their times are asked for together."""
    test, places = task.test, cut(task.test, task.lookback, task.horizon)
    axis = time_dimension(test)
    replicates = test.sizes.get("replicate", 1)
    shape = (test.sizes["trajectory"], replicates, *places["point"].shape[1:], test.sizes["observable"])
    forecast = np.full(shape, np.nan)
    for rows in _alike(test):
        part = test.isel(trajectory=rows)
        if axis == "sample":
            part = _with_shared_times(part)
        for origin, last in enumerate(places["last"][rows[0]]):
            if last < 0:
                continue
            history = part.isel(time=slice(last - task.lookback + 1, last + 1))
            answer = fitted.predict(history, times=places["time"][rows[0], origin])["forecast"]
            forecast[rows, :, origin] = _arranged(answer, part, replicates)
    return forecast


def _alike(test: xr.Dataset) -> list[np.ndarray]:
    if time_dimension(test) == "time":
        return [np.arange(test.sizes["trajectory"])]
    _, group = np.unique(test["time"].values, axis=0, return_inverse=True, equal_nan=True)
    return [np.flatnonzero(group == one) for one in range(group.max() + 1)]


def _with_shared_times(part: xr.Dataset) -> xr.Dataset:
    times = part["time"].values[0]
    shared = part.drop_vars("time").rename(sample="time").assign_coords(time=times)
    return shared.isel(time=~np.isnan(times))


def _arranged(answer: xr.DataArray, part: xr.Dataset, replicates: int) -> np.ndarray:
    """The forecast as (trajectory, replicate, step, channel), by its labels and in the test set's order."""
    answer = answer.sel(trajectory=part["trajectory"].values, observable=part["observable"].values)
    if "replicate" in answer.dims:
        answer = answer.sel(replicate=part["replicate"].values)
    else:
        answer = answer.expand_dims(replicate=replicates)
    return answer.transpose("trajectory", "replicate", "time", "observable").values


class _Clock:
    """Wall and CPU seconds since the last lap; CPU counts all threads of this process."""

    def __init__(self) -> None:
        self._last = (time.perf_counter(), time.process_time())

    def lap(self) -> dict[str, float]:
        now = (time.perf_counter(), time.process_time())
        wall, cpu = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now
        return {"wall": round(wall, 3), "cpu": round(cpu, 3)}

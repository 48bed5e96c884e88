"""Windows on time courses: what a forecaster has seen (lookback) and what came next (horizon), gaps as NaN."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.errors import DataError


@dataclass(frozen=True, eq=False)
class Windows:
    """Pieces of time courses, cut in two at their origins.

    Parameters
    ----------
    values
        Measurements of the history (window, lookback, channel), in the units of the readout; NaN = not measured.
    times
        Times of the history (window, lookback). The last one is the origin's.
    query_times
        Times to forecast (window, horizon).
    target
        Measurements at the times to forecast (window, horizon, channel); NaN = not measured.
    static
        Inputs declared known (window, input).
    trajectory, replicate, draw
        Labels of the series that the window was cut from (window,).
    origin
        Position of the last history point in its series (window,).
    censored
        Codes of the history (window, lookback, channel): -1 below the limit, +1 above it, 0 measured.
    channels, inputs
        Names of the observables and of the known inputs.
    """

    values: np.ndarray
    times: np.ndarray
    query_times: np.ndarray
    target: np.ndarray
    static: np.ndarray
    trajectory: np.ndarray
    replicate: np.ndarray
    draw: np.ndarray
    origin: np.ndarray
    censored: np.ndarray
    channels: tuple[str, ...]
    inputs: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: np.ndarray) -> Windows:
        """Return the windows at `rows` (a mask or positions)."""
        cut = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Windows(**cut, channels=self.channels, inputs=self.inputs)


def origins(n_times: int, lookback: int, horizon: int) -> np.ndarray:
    """Return the positions of the last history point at which a forecast is scored.

    The first has a whole lookback behind it, the others follow at a stride of one horizon, each with a whole horizon
    ahead.
    """
    return np.arange(lookback - 1, n_times - horizon, horizon)


def windows(data: xr.Dataset, lookback: int, horizon: int, stride: int = 1, at_most: int | None = None) -> Windows:
    """Cut every series of a dataset, at every `stride`-th origin, into history and what came next.

    Parameters
    ----------
    data
        A dataset with `measured`. Each replicate is a series of its own.
    lookback, horizon
        Points of history, and points to forecast.
    stride
        Points from one origin to the next.
    at_most
        Where there would be more windows than this, the stride is widened by a whole factor.

    Raises
    ------
    DataError
        If lookback and horizon together are longer than the time courses.
    """
    for name, value in (("lookback", lookback), ("horizon", horizon), ("stride", stride)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a whole number of time points, one or more, got {value!r}.")
    points = data.sizes[time_dimension(data)]
    if lookback + horizon > points:
        raise DataError(
            f"lookback {lookback} + horizon {horizon} = {lookback + horizon} time points, but trajectories have "
            f"{points}. Shorten one, or simulate longer."
        )
    series = _series(data)
    last = np.arange(lookback - 1, points - horizon, stride)
    if at_most is not None:
        last = last[:: -(-len(last) // max(1, at_most // len(series["values"])))]
    row, at = (index.ravel() for index in np.meshgrid(np.arange(len(series["values"])), last, indexing="ij"))
    # A series of its own times may be shorter than the longest one: NaN where it has ended.
    whole = ~np.isnan(series["times"][row, at + horizon])
    row, at = row[whole], at[whole]
    past = row[:, None], at[:, None] + np.arange(1 - lookback, 1)
    future = row[:, None], at[:, None] + np.arange(1, horizon + 1)
    return Windows(
        values=series["values"][past],
        times=series["times"][past],
        query_times=series["times"][future],
        target=series["values"][future],
        origin=at,
        censored=series["censored"][past],
        **{name: series[name][row] for name in ("static", "trajectory", "replicate", "draw")},
        **_names(data),
    )


def histories(data: xr.Dataset, lookback: int) -> Windows:
    """Return the last `lookback` points of every series, with nothing yet to forecast (horizon 0).

    A series that has fewer points of its own is led by points that were not measured.

    Raises
    ------
    DataError
        If the dataset has fewer time points.
    """
    points = data.sizes[time_dimension(data)]
    if points < lookback:
        raise DataError(
            f"The history has {points} time points, but this forecaster looks back on {lookback}. "
            "Give it more, or fit one with a shorter lookback."
        )
    series = _series(data)
    length = np.maximum((~np.isnan(series["times"])).sum(axis=1), 1)
    rows, at = np.arange(len(length))[:, None], length[:, None] + np.arange(-lookback, 0)
    missing, at = at < 0, np.maximum(at, 0)
    values = np.where(missing[..., None], np.nan, series["values"][rows, at])
    empty = np.empty((len(values), 0))
    return Windows(
        values=values,
        times=series["times"][rows, at],
        query_times=empty,
        target=np.empty((len(values), 0, values.shape[2])),
        origin=length - 1,
        censored=np.where(missing[..., None], 0, series["censored"][rows, at]),
        **{name: series[name] for name in ("static", "trajectory", "replicate", "draw")},
        **_names(data),
    )


def _series(data: xr.Dataset) -> dict[str, np.ndarray]:
    """All time courses, one row for each trajectory and replicate."""
    axis = time_dimension(data)
    measured = data["measured"]
    replicates = data["replicate"].values if "replicate" in measured.dims else np.zeros(1, int)
    order = ["trajectory", *(["replicate"] if "replicate" in measured.dims else []), axis, "observable"]
    n = data.sizes["trajectory"]
    shape = (n * len(replicates), data.sizes[axis], data.sizes["observable"])
    values = measured.transpose(*order).values.reshape(shape).astype(float)
    censored = data["censored"].transpose(*order).values.reshape(shape) if "censored" in data else np.zeros(shape, int)
    times = np.broadcast_to(data["time"].values, (n, shape[1]))
    known = data["known"].transpose("trajectory", "input").values if "known" in data else np.empty((n, 0))
    draw = data["draw"].values if "draw" in data.coords else data["trajectory"].values

    def repeated(per_trajectory: np.ndarray) -> np.ndarray:
        return np.repeat(per_trajectory, len(replicates), axis=0)

    return {
        "values": values,
        "censored": censored,
        "times": repeated(times),
        "static": repeated(known).astype(float),
        "trajectory": repeated(data["trajectory"].values),
        "draw": repeated(draw),
        "replicate": np.tile(replicates, n),
    }


def _names(data: xr.Dataset) -> dict[str, tuple[str, ...]]:
    inputs = data["input"].values.tolist() if "known" in data else []
    return {"channels": tuple(data["observable"].values.tolist()), "inputs": tuple(inputs)}

"""From forecasts to the long table of errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.benchmarking.cells import cut
from sbml_hybrid.benchmarking.metrics import METRICS, Metric, Scales, scales
from sbml_hybrid.data.dataset import time_dimension

COLUMNS = (
    "forecaster", "mechanism", "oracle", "seed", "n_train", "noise", "missing", "design",
    "draw", "origin", "horizon", "channel", "metric", "against", "value",
)  # fmt: skip


@dataclass(frozen=True)
class Scoring:
    """The targets of a test set and what errors are divided by; turns forecasts into rows of the table.

    `targets` by what they are ("truth", "measurement"), each (trajectory, replicate, origin, step, channel) with NaN
    where nothing is scored. `unit` says for each trajectory which rows it is averaged into: those of its draw.
    """

    targets: dict[str, np.ndarray]
    scales: dict[str, Scales]
    unit: np.ndarray
    draws: np.ndarray
    origins: np.ndarray
    channels: tuple[str, ...]

    @classmethod
    def of(cls, train: xr.Dataset, test: xr.Dataset, lookback: int, horizon: int) -> Scoring:
        """Prepare the scoring of `test`; `train` gives the spread that errors are compared with."""
        places = cut(test, lookback, horizon)
        measured = _four_axes(test["measured"], test)
        if "censored" in test:  # `measured` is the limit there, and not what was in the tube
            measured = np.where(_four_axes(test["censored"], test) == 0, measured, np.nan)
        targets = {"measurement": _at_points(measured, places["point"])}
        if "readout" in test:
            targets = {"truth": _at_points(_four_axes(test["readout"], test), places["point"])} | targets
        seen = _four_axes(train["measured"], train)
        series = seen.reshape(-1, *seen.shape[2:])
        unit, draws, origins = _units(test["draw"].values, places["origin"])
        return cls(
            targets,
            {against: scales(series, target) for against, target in targets.items()},
            unit,
            draws,
            origins,
            tuple(test["observable"].values.tolist()),
        )

    @property
    def readout(self) -> np.ndarray:
        """The noise-free readout, as a forecast."""
        return self.targets["truth"]

    def frame(self, forecast: np.ndarray) -> pd.DataFrame:
        """Return the rows of one forecaster; `forecast` is (trajectory, replicate, origin, step, channel)."""
        parts = []
        for against, target in self.targets.items():
            error = np.where(np.isnan(target), np.nan, forecast - target)
            for metric in METRICS.values():
                rows = self._rows(self._by_draw(metric.cell(error, self.scales[against]), metric))
                rows["metric"] = _word(metric.name, METRICS, len(rows))
                rows["against"] = _word(against, self.targets, len(rows))
                parts.append(rows)
        return pd.concat(parts, ignore_index=True)

    def _by_draw(self, cells: np.ndarray, metric: Metric) -> np.ndarray:
        """Mean (or root mean square) over a draw's trajectories and replicates: (unit, origin, step, channel)."""
        there = ~np.isnan(cells)
        powered = np.where(there, cells, 0.0) ** (2 if metric.kind == "rms" else 1)
        total, count = (np.zeros((len(self.draws), *cells.shape[2:])) for _ in range(2))
        np.add.at(total, self.unit, powered.sum(axis=1))
        np.add.at(count, self.unit, there.sum(axis=1))
        with np.errstate(invalid="ignore"):
            mean = total / count
        return np.sqrt(mean) if metric.kind == "rms" else mean

    def _rows(self, values: np.ndarray) -> pd.DataFrame:
        unit, origin, step, channel = np.nonzero(~np.isnan(values))
        return pd.DataFrame(
            {
                "draw": self.draws[unit],
                "origin": self.origins[unit, origin],
                "horizon": step + 1,
                "channel": pd.Categorical.from_codes(channel, categories=list(self.channels)),
                "value": values[unit, origin, step, channel],
            }
        )


def joined(frames: list[pd.DataFrame], about: list[dict], common: dict) -> pd.DataFrame:
    """Return one table of the frames; text that stands in many rows is kept as categories.

    Parameters
    ----------
    frames
        What `Scoring.frame` gave for each forecaster.
    about
        The columns that are constant within each frame.
    common
        The columns that are constant.
    """
    scores = pd.concat(frames, ignore_index=True)
    lengths = [len(frame) for frame in frames]
    for name in about[0]:
        values = [one[name] for one in about]
        kinds = list(dict.fromkeys(values))
        codes = np.repeat([kinds.index(value) for value in values], lengths)
        text = isinstance(values[0], str)
        scores[name] = pd.Categorical.from_codes(codes, kinds) if text else np.array(kinds)[codes]
    for name, value in common.items():
        scores[name] = _word(value, [value], len(scores)) if isinstance(value, str) else value
    return scores[list(COLUMNS)]


def _word(word: str, words: Iterable[str], count: int) -> pd.Categorical:
    words = list(words)
    return pd.Categorical.from_codes(np.full(count, words.index(word)), words)


def _four_axes(variable: xr.DataArray, data: xr.Dataset) -> np.ndarray:
    """(trajectory, replicate, time, channel), with one replicate where there are none."""
    axis = time_dimension(data)
    if "replicate" not in variable.dims:
        variable = variable.expand_dims("replicate")
    return variable.transpose("trajectory", "replicate", axis, "observable").values


def _at_points(values: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Pick (trajectory, replicate, origin, step, channel) at the positions (trajectory, origin, step); -1 is none."""
    rows = np.arange(len(values))[:, None, None]
    picked = values[rows, :, point]  # (trajectory, origin, step, replicate, channel)
    picked = np.where((point < 0)[..., None, None], np.nan, picked)
    return np.moveaxis(picked, 3, 1)


def _units(draw: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trajectories of one draw with the same origins are averaged: their unit, and each unit's draw and origins."""
    first: dict[tuple, int] = {}
    unit = np.empty(len(draw), int)
    for row, key in enumerate(zip(draw.tolist(), map(tuple, np.nan_to_num(origin, nan=-1.0).tolist()), strict=True)):
        unit[row] = first.setdefault(key, len(first))
    rows = np.unique(unit, return_index=True)[1]
    return unit, draw[rows], origin[rows]

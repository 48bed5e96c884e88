"""The interface: a frozen `Forecaster` learns from a dataset and gives a `Fitted`, which forecasts."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from numbers import Integral
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr

from sbml_hybrid import __version__
from sbml_hybrid.data.dataset import check, succeeded, time_dimension, visible
from sbml_hybrid.data.store import write_whole
from sbml_hybrid.data.windows import Windows, histories, windows
from sbml_hybrid.errors import DataError, SourceNotFound, unknown_name
from sbml_hybrid.parallel import one_blas_thread

log = logging.getLogger("sbml_hybrid")


class Learned(Protocol):
    """What learning gives: plain arrays and settings, with one function on windows."""

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel) at `past.query_times`, in the units of the readout."""
        ...


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a forecaster may learn from.

    Parameters
    ----------
    data
        The training data, stripped of truth and parameters.
    windows
        It, cut into history and what came next: at every origin, or at every second, third... of very many.
    nonnegative
        Which channels cannot be negative (channel,).
    spacing
        Typical time from one point to the next, in the dataset's time unit.
    seed
        Where chance starts.
    """

    data: xr.Dataset
    windows: Windows
    nonnegative: np.ndarray
    spacing: float
    seed: int


@dataclass(frozen=True)
class Forecaster:
    """The settings of a forecaster. They never change: `fit` gives a new, fitted thing back.

    A forecaster of your own derives from this, as a frozen dataclass, and defines ``learn(lesson)``, which returns
    something with ``forecast(windows)``. The entry points ``sbml_hybrid.forecasters`` make it known by name.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self).__name__

    @property
    def knows_equations(self) -> bool:
        """Whether it was given a mechanism."""
        return hasattr(self, "model")

    def learn(self, lesson: Lesson) -> Learned:
        """Learn from the training data."""
        raise NotImplementedError(f"{self.name} does not say how it learns.")

    def fit(self, train: xr.Dataset, *, lookback: int, horizon: int, seed: int = 0) -> Fitted:
        """Learn to forecast `horizon` points from the `lookback` points before them.

        Only measurements, their times and inputs declared known are looked at; failed trajectories are left out.

        Parameters
        ----------
        train
            A dataset with `measured`.
        lookback, horizon
            Counts of time points.
        seed
            Zero or more. The same seed gives the same forecaster.

        Returns
        -------
        Fitted
            The forecaster, ready to forecast and to be saved.

        Raises
        ------
        DataError
            If the dataset is too short, or an observable was never measured.
        """
        check(train)
        if not isinstance(seed, Integral) or seed < 0:
            raise ValueError(f"seed must be a whole number, zero or more, got {seed!r}.")
        seen = visible(succeeded(train))
        cut = windows(seen, lookback, horizon, at_most=_MOST_WINDOWS)
        _check_measured(seen, cut)
        steps = np.diff(seen["time"].values, axis=-1)
        lesson = Lesson(seen, cut, _nonnegative(seen), float(np.nanmedian(steps)), int(seed))
        with one_blas_thread():
            learned = self.learn(lesson)
        return Fitted(
            forecaster=self,
            lookback=int(lookback),
            horizon=int(horizon),
            channels=cut.channels,
            inputs=cut.inputs,
            nonnegative=lesson.nonnegative,
            spacing=lesson.spacing,
            learned=learned,
        )


@dataclass(frozen=True, eq=False)
class Fitted:
    """A forecaster that has learned.

    Parameters
    ----------
    forecaster
        The settings that it was made with.
    lookback, horizon
        Points that it looks back on, and that it forecasts when no times are asked for.
    channels, inputs
        Names of the observables that it forecasts, and of the known inputs that it needs.
    nonnegative
        Which channels are never forecast below zero (channel,).
    spacing
        Time between two points in training, in the dataset's time unit.
    learned
        What it learned.
    """

    forecaster: Forecaster
    lookback: int
    horizon: int
    channels: tuple[str, ...]
    inputs: tuple[str, ...]
    nonnegative: np.ndarray
    spacing: float
    learned: Learned

    def predict(self, history: xr.Dataset, times: Sequence[float] | None = None) -> xr.Dataset:
        """Forecast what comes after a history.

        Parameters
        ----------
        history
            A dataset whose last `lookback` time points are the history; what was not measured is NaN. Earlier points,
            truth and parameters are not looked at, except for inputs that were declared known in training.
        times
            Times to forecast, all of them after the history, at any spacing; by default the next `horizon` points at
            the spacing of the training data.

        Returns
        -------
        Dataset
            ``forecast`` (trajectory, [replicate,] time, observable), in the units of the readout. If each trajectory
            has times of its own and none are asked for, ``sample`` stands for ``time``.

        Raises
        ------
        DataError
            If the history is too short.
        UnknownName
            If an observable or a known input is missing.
        """
        check(history)
        seen = _arranged(visible(history, known=self.inputs), self.channels)
        past = histories(seen, self.lookback)
        query = self._query_times(past, times)
        asked = dataclasses.replace(past, query_times=query)
        with one_blas_thread():
            forecast = self.learned.forecast(asked)
        forecast = np.where(self.nonnegative, np.maximum(forecast, 0.0), forecast)
        return _as_dataset(forecast, seen, query, own_times=times is None and time_dimension(seen) == "sample")

    def _query_times(self, past: Windows, times: Sequence[float] | None) -> np.ndarray:
        last = past.times[:, -1:]
        if times is None:
            return last + self.spacing * np.arange(1, self.horizon + 1)
        asked = np.asarray(times, dtype=float)
        if asked.ndim != 1 or not asked.size or not np.isfinite(asked).all():
            raise ValueError(f"times must be a list of one or more numbers, got {times!r}.")
        if (asked <= last.max()).any():
            raise ValueError(f"times must lie after the history, which ends at {last.max():g}; got {asked.min():g}.")
        return np.tile(asked, (len(past), 1))

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> Path:
        """Write it to the folder `path`, whole or not at all; `load_forecaster` gives it back.

        A saved forecaster is a trusted file, like any pickle: open only what you or people you trust have written.

        Raises
        ------
        FileExistsError
            If something is there that may not be replaced.
        StorageError
            If it cannot be written, for instance because the disk is full.
        """
        path = Path(path).expanduser()
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} is there already. Choose another name, or say overwrite=True.")
        if path.exists() and not (path / _CARD).is_file():
            raise FileExistsError(f"{path} holds something else than a forecaster and is left alone.")
        kind = type(self.forecaster)
        card = {
            "kind": kind.__name__,
            "module": kind.__module__,
            "settings": {f.name: str(getattr(self.forecaster, f.name)) for f in dataclasses.fields(kind)},
            "lookback": self.lookback,
            "horizon": self.horizon,
            "channels": list(self.channels),
            "inputs": list(self.inputs),
            "sbml_hybrid": __version__,
        }
        write_whole({_CARD: json.dumps(card, indent=2).encode(), _CONTENT: pickle.dumps(self)}, path)
        return path


# More of them add nothing: neighbouring windows are nearly alike.
_MOST_WINDOWS = 60_000
_CARD, _CONTENT = "forecaster.json", "fitted.pkl"


def load_forecaster(path: str | os.PathLike) -> Fitted:
    """Return a forecaster that was saved; it forecasts what it forecast before, bit for bit.

    A saved forecaster is a trusted file, like any pickle: open only what you or people you trust have written.

    Raises
    ------
    SourceNotFound
        If there is no saved forecaster at `path`.
    UnknownName
        If it is of a kind that another package provides, which is not installed.
    """
    path = Path(path).expanduser()
    if not (path / _CARD).is_file():
        raise SourceNotFound(f"There is no forecaster at {path}. Write one with fitted.save(path).")
    try:
        card = json.loads((path / _CARD).read_text())
        kind, module = card["kind"], card["module"]
        content = (path / _CONTENT).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a whole forecaster ({error}). Fit and save it again.") from error
    if module.split(".")[0] != __name__.split(".")[0]:
        _require_kind(kind, path)
    if card.get("sbml_hybrid") != __version__:
        log.warning("%s was saved by version %s; this is %s", path, card.get("sbml_hybrid"), __version__)
    try:
        return pickle.loads(content)
    except Exception as error:  # a pickle of another version fails in any way it likes
        raise DataError(f"{path} cannot be opened here ({type(error).__name__}: {error}). Fit it again.") from error


def _require_kind(kind: str, path: Path) -> None:
    # A class `RandomForest` may be registered as "random-forest", as study files write it.
    others = {_plain(point.name): point for point in entry_points(group="sbml_hybrid.forecasters")}
    if _plain(kind) not in others:
        names = [point.name for point in others.values()]
        raise unknown_name("installed forecaster", kind, names, f"this environment, and {path} needs it")
    others[_plain(kind)].load()


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _check_measured(seen: xr.Dataset, cut: Windows) -> None:
    never = np.isnan(seen["measured"].transpose(..., "observable").values).reshape(-1, len(cut.channels)).all(axis=0)
    if never.any():
        names = ", ".join(np.array(cut.channels)[never])
        raise DataError(f"{names}: never measured in the training data, so there is nothing to learn. Drop it.")
    if not np.isfinite(cut.target).any():
        raise DataError("No measurement in the training data has a whole history before it. Try a shorter lookback.")


def _nonnegative(seen: xr.Dataset) -> np.ndarray:
    values = seen["measured"].transpose(..., "observable").values.reshape(-1, seen.sizes["observable"])
    declared = seen["nonnegative"].values if "nonnegative" in seen.coords else False
    return ~(values < 0).any(axis=0) | declared


def _arranged(seen: xr.Dataset, channels: tuple[str, ...]) -> xr.Dataset:
    there = seen["observable"].values.tolist()
    for name in channels:
        if name not in there:
            raise unknown_name("observable", name, there, "the history, and this forecaster learned from it")
    return seen.sel(observable=list(channels))


def _as_dataset(forecast: np.ndarray, seen: xr.Dataset, query: np.ndarray, own_times: bool) -> xr.Dataset:
    rows = ["trajectory", *(["replicate"] if "replicate" in seen["measured"].dims else [])]
    axis = "sample" if own_times else "time"
    shape = [seen.sizes[row] for row in rows] + list(forecast.shape[1:])
    coords = {name: seen.coords[name].variable for name in seen.coords if set(seen[name].dims) <= {*rows, "observable"}}
    first_of_each = query[:: shape[1]] if len(rows) == 2 else query
    coords["time"] = (("trajectory", "sample"), first_of_each) if own_times else ("time", query[0])
    return xr.Dataset({"forecast": ((*rows, axis, "observable"), forecast.reshape(shape))}, coords)

"""The benchmark: every rival learns from the same draws and forecasts the same held-out ones."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.benchmarking import table
from sbml_hybrid.benchmarking.cells import Cell, Task
from sbml_hybrid.data.dataset import check, succeeded, time_dimension, visible
from sbml_hybrid.data.units import differ, time_unit, units_of
from sbml_hybrid.errors import DataError
from sbml_hybrid.parallel import watched

PERFECT = "perfect"
PERSISTENCE, SERIES_MEAN = "persistence", "series mean"


def benchmark(
    rivals: Mapping[str, object],
    train: xr.Dataset,
    test: xr.Dataset,
    *,
    lookback: int,
    horizon: int,
    known: Iterable[str] = (),
    mechanism: object | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
) -> pd.DataFrame:
    """Let forecasters learn from `train`, forecast all of `test`, and return the error of every forecast.

    Forecasts start at the first time point that has a whole `lookback` behind it, and then at every `horizon`-th.
    "persistence" (the last measured value) and "series mean" always take part: a forecaster that does not beat them is
    of no use. So does, where the noise-free readout is there, "perfect": its error against the measurement is the
    noise, and no forecaster can do better.

    Parameters
    ----------
    rivals
        Forecasters by the name that they shall have in the table.
    train, test
        Datasets that share no draw, as `split` gives them. Failed trajectories are left out.
    lookback, horizon
        How many time points a forecaster sees, and how many it then forecasts.
    known
        Names of `parameters` that the forecasters may see, as the experimenter would know them: initial amounts, doses.
    mechanism
        A wrong model, for rivals that know the equations: they then stand in the table twice, with the mechanism that
        they were given and with this one.
    seed
        Where training starts. Each rival has its own stream, by its name: adding one changes no other.
    folder
        Where to keep the forecasts, one file for each row of the ranking, so that calling again computes only what is
        missing or has changed.

    Returns
    -------
    DataFrame
        One row per forecaster, mechanism, draw (the mean over its trajectories and replicates), origin (time of the
        last point seen), horizon (1 is the next point), channel, metric and against (``"truth"``, ``"measurement"``).
        `summary` sums it up. `attrs["costs"]` has the seconds that fitting and forecasting took, `attrs["time_unit"]`
        the unit of origins, and `attrs["unit"]` that of the channels where they have one in common.

    Raises
    ------
    DataError
        If the two datasets share a draw, differ in their observables or units, or are too short.
    """
    train, test = _usable(train, "train"), _usable(test, "test")
    known = [known] if isinstance(known, str) else list(known)
    _check_pair(train, test)
    _check_length(test, lookback, horizon)
    task = Task(visible(train, known), visible(test, known), lookback, horizon)
    cells = cells_of(rivals, train.attrs.get("model_hash"), mechanism, seed)
    scoring = table.Scoring.of(train, test, lookback, horizon)
    told = any(not name.startswith("init(") for name in known)

    frames, about, costs = [], [], {}
    for cell in _progress(cells):
        result = cell.run(task, folder)
        costs[cell.title] = result.costs
        frames.append(scoring.frame(result.forecast))
        oracle = told and cell.name not in (PERSISTENCE, SERIES_MEAN)  # the naive ones look at no inputs
        about.append({"forecaster": cell.name, "mechanism": cell.mechanism, "oracle": oracle})
    if "readout" in test:
        frames.append(scoring.frame(scoring.readout))
        about.append({"forecaster": PERFECT, "mechanism": "none", "oracle": False})
    scores = table.joined(frames, about, {"seed": seed, **_circumstances(train)})
    scores.attrs["costs"] = costs
    scores.attrs |= _units(train)
    return scores


def child_seed(seed: int, name: str) -> int:
    """Return the seed of the rival `name`: a function of the two alone."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a whole number, zero or more, got {seed!r}.")
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return int(np.random.SeedSequence(int(seed), spawn_key=(key,)).generate_state(1)[0])


def _progress(cells: list[Cell]) -> Iterable[Cell]:
    from tqdm.auto import tqdm

    bar = tqdm(cells, desc="benchmark", unit="forecaster", disable=not watched(), leave=False)
    for cell in bar:
        bar.set_postfix_str(cell.title)
        yield cell


def _usable(data: xr.Dataset, role: str) -> xr.Dataset:
    if isinstance(data, xr.Dataset) and data.sizes.get("trajectory") == 0:
        raise DataError(f"The {role} dataset has no trajectory. Give each side some draws: sh.split(data, test=0.2).")
    check(data)
    if "measured" not in data:
        raise DataError(f"The {role} dataset has no 'measured'. Try sh.measure first.")
    usable = succeeded(data)
    if not usable.sizes["trajectory"]:
        raise DataError(f"All {data.sizes['trajectory']} trajectories of the {role} dataset failed to simulate.")
    return usable


def _check_pair(train: xr.Dataset, test: xr.Dataset) -> None:
    names = [list(part["observable"].values) for part in (train, test)]
    if names[0] != names[1]:
        raise DataError(f"train measures {', '.join(names[0])}, and test measures {', '.join(names[1])}.")
    units = [{"time": time_unit(part)} | units_of(part, "measured") for part in (train, test)]
    for name, unit in units[0].items():
        if differ(unit, units[1][name]):
            raise DataError(f"{name} is in {unit} in train, and in {units[1][name]} in test. Try sh.convert on one.")
    if "condition" in train.coords and "condition" in test.coords:
        held_out = not set(train["condition"].values.tolist()) & set(test["condition"].values.tolist())
        if held_out:  # split by condition: draws are shared on purpose
            return
    shared = sorted(set(train["draw"].values.tolist()) & set(test["draw"].values.tolist()), key=str)
    if shared:
        some = ", ".join(map(str, shared[:5])) + (", ..." if len(shared) > 5 else "")
        raise DataError(
            f"train and test share {len(shared)} draws ({some}), so a forecaster would be tested on what it has seen. "
            "Use sh.split; or, if equal labels mean different draws, relabel the coordinate 'draw'."
        )


def _units(data: xr.Dataset) -> dict[str, str]:
    channels = set(units_of(data, "measured").values())
    units = {"time_unit": time_unit(data), "unit": channels.pop() if len(channels) == 1 else ""}
    return {name: unit for name, unit in units.items() if unit}


def _check_length(test: xr.Dataset, lookback: int, horizon: int) -> None:
    for name, value in (("lookback", lookback), ("horizon", horizon)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number of time points, one or more, got {value!r}.")
    points = test.sizes[time_dimension(test)]
    if lookback + horizon > points:
        raise DataError(
            f"lookback {lookback} + horizon {horizon} = {lookback + horizon} time points, but trajectories have "
            f"{points}. Shorten one, or simulate longer."
        )


def cells_of(rivals: Mapping[str, object], true: str | None, mechanism: object | None, seed: int) -> list[Cell]:
    """Return the rows of the ranking to be: every rival, the naive ones, and those with a mechanism twice.

    Parameters
    ----------
    rivals, mechanism, seed
        As for `benchmark`.
    true
        Content hash of the model that made the data; None if the data does not say.

    Raises
    ------
    ValueError, DataError
        If a rival is no forecaster, or the mechanism is not another one than the rival's.
    """
    rivals = _with_naive(rivals)
    if mechanism is not None and true is None:
        raise DataError(
            "mechanism= sets a wrong mechanism beside the true one, but this data does not say which model made it. "
            "Give each model as a rival of its own."
        )
    if mechanism is not None and mechanism.hash == true:
        raise DataError("mechanism= is the very model that made the data; give a simplified or otherwise wrong one.")
    cells = []
    for name, rival in rivals.items():
        own = child_seed(seed, name)
        model = getattr(rival, "model", None)
        if model is None:
            cells.append(Cell(name, rival, "none", own))
            continue
        cells.append(Cell(name, rival, _label(model, true), own))
        if mechanism is not None and model.hash != mechanism.hash:
            if model.hash != true:
                raise DataError(f"{name!r} has a wrong mechanism already, and mechanism= is another. Give one of them.")
            cells.append(Cell(name, dataclasses.replace(rival, model=mechanism), _label(mechanism, true), own))
    return cells


def _label(model, true: str | None) -> str:
    if true is None:
        return "assumed"
    return "true" if model.hash == true else "wrong"


def _with_naive(rivals: Mapping) -> dict:
    from sbml_hybrid.forecasting.baselines import Persistence, SeriesMean

    if not isinstance(rivals, Mapping) or not rivals:
        raise ValueError("rivals must be forecasters by name, such as {'GRU': sh.GRU()}.")
    for name, rival in rivals.items():
        if isinstance(rival, type):
            raise ValueError(f"rival {name!r} is a class; write {rival.__name__}().")
        if not callable(getattr(rival, "fit", None)):
            raise ValueError(f"rival {name!r} is no forecaster, but {type(rival).__name__}.")
        if name == PERFECT:
            raise ValueError(f"{PERFECT!r} is the name of the noise-free readout in the table. Choose another.")
    naive = {PERSISTENCE: Persistence(), SERIES_MEAN: SeriesMean()}
    for name, rival in naive.items():
        if name in rivals and not isinstance(rivals[name], type(rival)):
            raise ValueError(f"{name!r} is the name of the naive forecaster in the table. Choose another.")
    return naive | dict(rivals)


def _circumstances(train: xr.Dataset) -> dict:
    measured = train["measured"].values
    return {
        "n_train": len(np.unique(train["draw"].values)),
        "noise": _noise(train.attrs.get("noise")),
        "missing": float(np.round(np.isnan(measured).mean(), 4)),
        "design": _read(train.attrs.get("design")).get("design", "none"),
    }


def _noise(text: str | None) -> str:
    record = _read(text)
    values = [f"{value:g}" for key, value in record.items() if key != "kind" and isinstance(value, (int, float))]
    return ":".join([str(record["kind"]).lower(), *values]) if "kind" in record else "unknown"


def _read(text: str | None) -> dict:
    try:
        record = json.loads(text or "{}")
    except ValueError:
        return {}  # a note of the user's own, which is no record of ours
    return record if isinstance(record, dict) else {}

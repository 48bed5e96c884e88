"""What was done to the trajectories of a dataset, and whether a hybrid does it too."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.errors import DataError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.conditions import Condition, Dose, Steps, TimeCourse, condition_from_dict
from sbml_hybrid.simulation.priors.quantities import own_value

_CLOSE = 1e-9  # of the largest time: what is at a time


def doses_in(data: xr.Dataset, species: Sequence[str]) -> np.ndarray:
    """Return the amounts that were given at each time (trajectory, time, species).

    Raises
    ------
    DataError
        The dataset does not say what was given of one of them.
    """
    there = [str(name) for name in data["control"].values] if "controls" in data else []
    missing = [name for name in species if f"dose({name})" not in there]
    if missing:
        raise DataError(
            f"The dataset does not say what was given of {', '.join(missing)}; its controls: "
            f"{', '.join(there) or 'none'}. Try: arrays, with inputs['doses']."
        )
    sums = data["controls"].sel(control=[f"dose({name})" for name in species])
    sums = sums.transpose("trajectory", time_dimension(data), "control").values
    return np.nan_to_num(np.diff(sums, axis=1, prepend=0.0))


def require_done(
    data: xr.Dataset, model: Model, given: Collection[str], controls: Collection[str], doses: Collection[str]
) -> None:
    """Refuse a dataset to which something was done that a hybrid does not do.

    Parameters
    ----------
    data
        The dataset.
    model
        The hybrid's model.
    given
        Parameters and initial values that the hybrid takes from the dataset, or that a network sets.
    controls, doses
        The controls and the dosed species that it takes.

    Raises
    ------
    DataError
        What it is, in which condition, and what to try.
    """
    _require_controls(data, model, controls, doses)
    for condition in _conditions(data):
        where = f"Condition {condition.name!r}"
        out = [id for id in condition.knock_outs if model.knock_out(id).hash != model.hash]
        if out:
            raise DataError(
                f"{where} knocks {', '.join(out)} out, which the hybrid does not. Try: a hybrid of its own, of "
                f"model.knock_out({out[0]!r}), for its trajectories."
            )
        if condition.before is not None:
            raise DataError(
                f"{where} begins at a steady state, which the dataset does not hold. Try: arrays, with "
                "inputs['initial']."
            )
        rows = np.flatnonzero(data["condition"].values.astype(str) == condition.name)
        for name in condition.values:
            species = name[5:-1].strip("[]") if name.startswith("init(") else None
            taken = name in given or species is not None and f"init({species})" in given
            if not taken and _differs(data["parameters"].sel(parameter=name).values[rows], model, name):
                what = f"parameters=[..., {name!r}]" if species is None else f"initial=[..., {species!r}]"
                raise DataError(f"{where} sets {name}, which the hybrid leaves as it is. Try: {what} in Simulate.")
        for one in condition.inputs:
            if isinstance(one, TimeCourse):
                raise DataError(
                    f"{where} lets {one.quantity} follow a line, and the hybrid holds a control from each time to the "
                    f"next. Try: Steps at the dataset's times, or an assignment rule for {one.quantity} in the model."
                )
            for time in _times(one, data, rows):
                _require_at_times(data, rows, time, f"{where} changes {_target(one)}", isinstance(one, Steps))


def _require_controls(data: xr.Dataset, model: Model, controls: Collection[str], doses: Collection[str]) -> None:
    """Refuse inputs of the model's quantities that the hybrid does not take, unless they are as the model has them."""
    for name in data["control"].values.astype(str).tolist() if "controls" in data else []:
        values = data["controls"].sel(control=name).values
        if name.startswith("dose("):
            species = name[5:-1]
            if species not in doses and (values[np.isfinite(values)] != 0).any():
                raise DataError(
                    f"The dataset has doses of {species}, which the hybrid does not take. Try: doses=[{species!r}] in "
                    "Simulate."
                )
        elif name in model.by_id and name not in controls and _differs(values, model, name):
            raise DataError(
                f"The dataset has {name} as an input, which the hybrid does not take. Try: controls=[{name!r}] in "
                "Simulate."
            )


def _conditions(data: xr.Dataset) -> Iterator[Condition]:
    """The conditions of the trajectories that are there."""
    there = set(data["condition"].values.astype(str).tolist()) if "condition" in data.coords else set()
    for said in json.loads(data.attrs.get("conditions", "[]")):
        if said["name"] in there:
            yield condition_from_dict(said)


def _differs(values: np.ndarray, model: Model, name: str) -> bool:
    """Whether some value is not the model's own."""
    own = own_value(model, InitialValues(model), name)
    return not np.allclose(values[np.isfinite(values)], own, rtol=1e-12, atol=0.0)


def _target(one: Dose | Steps) -> str:
    return one.species if isinstance(one, Dose) else one.quantity


def _times(one: Dose | Steps, data: xr.Dataset, rows: np.ndarray) -> Iterator[np.ndarray]:
    """When something changes (trajectory,)."""

    def drawn(value: float | str) -> np.ndarray:
        if isinstance(value, str):
            return data["parameters"].sel(parameter=value).values[rows]
        return np.full(len(rows), float(value))

    if isinstance(one, Steps):
        yield from map(drawn, one.times)
        return
    for number in range(one.count):
        yield drawn(one.time) + number * drawn(one.every or 0.0)


def _require_at_times(data: xr.Dataset, rows: np.ndarray, time: np.ndarray, what: str, is_step: bool) -> None:
    """A dose must be at a time; a step at 0, or at a time but the first, whose control is that from 0 on."""
    times = data["time"].values
    times = np.broadcast_to(times, (data.sizes["trajectory"], times.shape[-1]))[rows]
    close = _CLOSE * np.nanmax(times)
    near = np.abs(times - time[:, None]) <= close
    near = (near[:, 1:] if is_step else near).any(axis=1) | (is_step & (time <= close))
    wrong = np.flatnonzero(~near & (time < np.nanmax(times, axis=1)))
    if len(wrong):
        known = "the first time of the dataset" if is_step and time[wrong[0]] in times else "no time of the dataset"
        raise DataError(
            f"{what} at {time[wrong[0]]:g}, which is {known}; a hybrid changes inputs at its times, and knows none "
            "before the first. Try: times= in simulate that begin at 0 and have it."
        )

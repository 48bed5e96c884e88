"""What a hybrid is trained on: arrays that are checked once, cut into batches, or taken from a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import check, time_dimension
from sbml_hybrid.errors import DataError, ModelError, unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.hybrid.treatments import doses_in, require_done
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.priors.quantities import own_value


@dataclass(frozen=True)
class Needed:
    """What a hybrid takes.

    Parameters
    ----------
    parameters, initial, controls, doses
        The names of the columns of each input, in order; none where it is not taken.
    columns
        Dataset columns that networks read.
    features
        Whether a network in front reads ``features``.
    observables
        The names of what is measured.
    estimated
        What is estimated, and no input.
    end
        The last time, where something happens at known times; else infinite.
    own
        The model's own value of parameters and initial values, by name (``init(S1)``).
    model
        The mechanism.
    learned
        What networks set: the ports of grafts, and what a network in front makes.
    """

    parameters: tuple[str, ...]
    initial: tuple[str, ...]
    controls: tuple[str, ...]
    doses: tuple[str, ...]
    columns: tuple[str, ...]
    features: bool
    observables: tuple[str, ...]
    estimated: tuple[str, ...]
    end: float
    own: Mapping[str, float]
    model: Model
    learned: tuple[str, ...]

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The inputs that have named columns, and these."""
        found = {key: getattr(self, key) for key in ("parameters", "initial", "controls", "doses")}
        return {key: names for key, names in found.items() if names}

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of all inputs."""
        return ("times", *self.named, *self.columns, *(("features",) if self.features else ()))

    def checked(self, inputs: Any, target: Any = None, wanted: bool = False) -> tuple[dict[str, np.ndarray], Any]:
        """Return inputs and target as arrays.

        Raises
        ------
        ValueError
            Something is missing, has another shape, or nothing is measured.
        UnknownName
            An input that is not taken.
        """
        if not isinstance(inputs, Mapping):
            raise ValueError(f"Inputs are arrays by name ({', '.join(self.keys)}), got {type(inputs).__name__}.")
        inputs = dict(inputs)
        codes = inputs.pop("censored", None)
        for key in inputs:
            if key not in self.keys:
                raise self._refused(key)
        arrays = {}
        for key in self.keys:
            if key not in inputs:
                what = f" ({', '.join(self.named[key])})" if key in self.named else ""
                raise ValueError(f"The inputs have no {key!r}{what}; there are {', '.join(inputs) or 'none'}.")
            arrays[key] = np.asarray(inputs[key]) if key == "features" else np.asarray(inputs[key], float)
        times = arrays["times"]
        _require_times(times, self.end)
        for key, array in arrays.items():
            self._check_shape(key, array, times.shape)
            if key not in ("times", "features"):
                self._check_finite(key, array, times)
        if not wanted:
            return arrays, None
        if target is None:
            raise ValueError("There is no target: what was measured (trajectory, time, observable), NaN elsewhere.")
        target = np.asarray(target, float)
        shape = (*times.shape, len(self.observables))
        if target.shape != shape:
            names = ", ".join(self.observables)
            raise ValueError(
                f"The target must be (trajectory, time, observable) = {shape} ({names}), got {target.shape}."
            )
        if np.isinf(target).any():
            row = int(np.argwhere(np.isinf(target))[0][0])
            raise DataError(f"The target is infinite in trajectory {row}. Try: NaN for what was not measured.")
        if not np.isfinite(target).any():
            raise DataError("Nothing is measured: the target is NaN everywhere.")
        if codes is not None:
            arrays["censored"] = _codes(codes, shape)
        return arrays, target

    def _refused(self, key: str) -> Exception:
        if key in ("parameters", "initial") and self.estimated:
            return ValueError(
                f"{key} is given as input, but {', '.join(self.estimated)} is estimated. Try: leave it out."
            )
        return unknown_name("input", key, self.keys, "what the hybrid takes")

    def _check_shape(self, key: str, array: np.ndarray, times: tuple[int, int]) -> None:
        names = self.named.get(key)
        if names is not None:
            shape = (*(times if key in ("controls", "doses") else times[:1]), len(names))
        elif key in self.columns:
            shape = times[:1]
        else:
            shape = (times[0], *array.shape[1:])
        if array.shape == shape:
            return
        told = f" ({', '.join(names)})" if names else ""
        also = f" Estimated, and no input: {', '.join(self.estimated)}." if names and self.estimated else ""
        raise ValueError(f"{key} must have the shape {shape}{told}, got {array.shape}.{also}")

    def _check_finite(self, key: str, array: np.ndarray, times: np.ndarray) -> None:
        bad = ~np.isfinite(array)
        if key in ("controls", "doses"):
            bad &= np.isfinite(times)[:, :, None]  # what is behind the last time counts for nothing
        if not bad.any():
            return
        row, *_, column = np.argwhere(bad)[0].tolist()
        name = f"{self.named[key][column]} in {key}" if key in self.named else key
        raise ValueError(f"{name} is no finite number in trajectory {row}. Try: leave that trajectory out.")

    def taken_from(self, data: xr.Dataset) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the inputs and the target that a dataset has; see `HybridModel.inputs_from`."""
        check(data)
        given = {*self.parameters, *(f"init({name})" for name in self.initial), *self.learned}
        require_done(data, self.model, given, self.controls, self.doses)
        if "measured" not in data:
            raise DataError("The dataset has no 'measured' to train on. Try sh.measure first.")
        for name in data["observable"].values:
            if name not in self.observables:
                raise unknown_name("observable", str(name), self.observables, "the hybrid")
        axis = time_dimension(data)
        measured = data["measured"].reindex(observable=list(self.observables))
        repeats = measured.sizes.get("replicate", 1)
        count = data.sizes["trajectory"]
        target = measured.transpose("trajectory", ..., axis, "observable").values
        target = target.reshape(count * repeats, data.sizes[axis], len(self.observables))
        times = data["time"].values
        arrays = {"times": np.tile(times, (count, 1)) if times.ndim == 1 else times}
        for key in ("parameters", "initial"):
            if key in self.named:
                names = [name if key == "parameters" else f"init({name})" for name in self.named[key]]
                arrays[key] = np.stack([self._value(data, name) for name in names], axis=1)
        if self.controls:
            there = data["control"].values.tolist() if "controls" in data else []
            for name in self.controls:
                if name not in there:
                    raise unknown_name("control", name, there, "the dataset")
            arrays["controls"] = data["controls"].sel(control=list(self.controls)).values
        if self.doses:
            arrays["doses"] = doses_in(data, self.doses)
        for name in self.columns:
            arrays[name] = _column(data, name)
        if self.features:
            if "known" not in data:
                raise DataError("The dataset has no 'known' (trajectory, input) to be features. Try sh.visible.")
            arrays["features"] = data["known"].values
        arrays = {key: np.repeat(array, repeats, axis=0) for key, array in arrays.items()}
        if "censored" in data:
            codes = data["censored"].reindex(observable=list(self.observables), fill_value=0)
            arrays["censored"] = codes.transpose("trajectory", ..., axis, "observable").values.reshape(target.shape)
        some = np.isfinite(arrays["times"]).any(axis=1)
        return {key: array[some] for key, array in arrays.items()}, target[some]

    def _value(self, data: xr.Dataset, name: str) -> np.ndarray:
        """What was varied; of what was not, the model's own value."""
        if (found := _varied(data, name)) is not None:
            return found
        if name.startswith("init(") and (found := _varied(data, f"init([{name[5:-1]}])")) is not None:
            place = self.model.part(name[5:-1]).compartment
            size = _varied(data, place)
            return found * (InitialValues(self.model)[place] if size is None else size)
        return np.full(data.sizes["trajectory"], self.own[name])


def needed_by(simulate: Simulate, estimated: Iterable[str], features: bool) -> Needed:
    """Return what a hybrid around this layer takes, given what it estimates and whether a network is in front.

    Raises
    ------
    UnknownName
        The layer has no such parameter or initial value to estimate.
    ModelError
        It is a control.
    """
    estimated, plan = tuple(estimated), simulate.plan
    values = InitialValues(plan.model)
    names = (*simulate.parameters, *(f"init({s})" for s in simulate.initial))
    for name in estimated:
        if name in plan.controls:
            raise ModelError(f"{name} is a control and cannot be estimated too. Take it out of one of them.")
        if name not in names:
            raise unknown_name("parameter to estimate", name, names, "the layer's parameters and initial")
    return Needed(
        parameters=() if features else tuple(p for p in simulate.parameters if p not in estimated),
        initial=tuple(s for s in simulate.initial if f"init({s})" not in estimated),
        controls=plan.controls,
        doses=plan.doses,
        columns=plan.columns,
        features=features,
        observables=simulate.observables,
        estimated=estimated,
        end=plan.last,
        own={name: float(own_value(plan.model, values, name)) for name in names},
        model=plan.model,
        learned=tuple(port for graft in simulate.grafts for port in graft.port)
        + (simulate.parameters if features else ()),
    )


def _require_times(times: np.ndarray, end: float) -> None:
    """Refuse times that are not (trajectory, time), from 0 up to the end, not decreasing, NaN behind the last alone."""
    if times.ndim != 2:
        raise ValueError(f"times must be (trajectory, time), got the shape {times.shape}.")
    if 0 in times.shape:
        raise DataError(f"There are no trajectories or no times: times has the shape {times.shape}.")
    missing = np.isnan(times)
    if missing[:, 0].any():
        raise ValueError("times has trajectories without a single time. Leave them out.")
    if (missing[:, :-1] & ~missing[:, 1:]).any():
        raise ValueError("times has NaN between times. Try: NaN behind the last time of a trajectory alone.")
    wrong = (np.diff(times, axis=1, prepend=0.0) < 0) | np.isinf(times)
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise ValueError(f"times must be finite, 0 or later, and not decrease; trajectory {row} has others.")
    if np.nanmax(times) > end:
        raise ValueError(
            f"times go to {np.nanmax(times):g}, but the layer knows what happens up to {end:g}. Try: a later "
            "end= in Simulate."
        )


def _varied(data: xr.Dataset, name: str) -> np.ndarray | None:
    """What a dataset varied, under this name (trajectory,); None where it did not."""
    for variable, dimension in (("parameters", "parameter"), ("known", "input")):
        if variable in data and name in data[dimension].values:
            return data[variable].sel({dimension: name}).values
    return None


def _codes(codes: Any, shape: tuple[int, ...]) -> np.ndarray:
    codes = np.asarray(codes, float)
    if codes.shape != shape:
        raise ValueError(f"censored must have the target's shape {shape}, got {codes.shape}.")
    if not np.isin(codes, (-1, 0, 1)).all():
        raise ValueError("censored must be -1 (below the limit that the target holds), 0 (measured) or 1 (above).")
    return codes


def _column(data: xr.Dataset, name: str) -> np.ndarray:
    if (found := _varied(data, name)) is not None:
        return found.astype(float)
    there = [str(v) for v in data.variables if data[v].dims == ("trajectory",) and data[v].dtype.kind in "iuf"]
    if name not in there:
        raise unknown_name("column", name, there, "the dataset")
    return data[name].values.astype(float)


class Trajectories(keras.utils.PyDataset):
    """Batches of one size, each of whole trajectories; in the precision the mechanism is computed in.

    A step is compiled for each size, so the last batch is filled up with trajectories on which nothing is measured.

    Parameters
    ----------
    inputs, target
        As `Needed.checked` gives them; a target of None for none.
    size
        Trajectories a batch, at most; None for all.
    seed
        What shuffles, every epoch anew; None for the order as it is.
    endless
        Whether epoch follows upon epoch: TensorFlow takes longer to begin anew than for many a step.
    """

    def __init__(
        self,
        inputs: Mapping[str, np.ndarray],
        target: Any,
        size: int | None = None,
        seed: int | None = None,
        endless: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.target, self.seed, self.endless = dict(inputs), target, seed, endless
        self.count = len(self.inputs["times"])
        self.batches = -(-self.count // min(size or self.count, self.count))
        self.size = -(-self.count // self.batches)

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None where they never end."""
        return None if self.endless else self.batches

    def __getitem__(self, at: int) -> tuple[Any, ...]:
        """Return inputs and target of one batch."""
        epoch, at = divmod(at, self.batches)
        order = np.arange(self.count)
        if self.seed is not None and self.batches > 1:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.count)
        rows = order[at * self.size : (at + 1) * self.size]
        missing = self.size - len(rows)
        rows = np.concatenate([rows, np.resize(order, missing)])
        inputs = {key: array[rows] for key, array in self.inputs.items()}
        if self.target is None:
            return (inputs,)
        target = self.target[rows].copy()
        target[self.size - missing :] = np.nan
        return inputs, target


def parts(inputs: Mapping[str, np.ndarray], target: np.ndarray, share: float, seed: int) -> Sequence[Any]:
    """Split trajectories at random: what to train on, and a share to validate with."""
    if not 0 < share < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {share!r}.")
    count = len(target)
    held = min(max(1, round(share * count)), count - 1)
    if held < 1:
        raise DataError(f"validation_split={share} of {count} trajectory leaves none to train on. Add trajectories.")
    order = np.random.default_rng(seed).permutation(count)
    return [({k: a[rows] for k, a in inputs.items()}, target[rows]) for rows in (order[held:], order[:held])]

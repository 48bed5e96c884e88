"""Batches for a Keras network of one's own, straight from a store that is larger than memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.forecasting.engine import keras

_BLOCK_BYTES = 2**22
_BLOCKS_TOGETHER = 4  # shuffled as one
_GROUPS_KEPT = 2  # a batch may begin in one and end in the next


@dataclass(frozen=True)
class _Cut:
    """Which part of a series each example is: `lookback` + `horizon` points from each start; the whole without."""

    points: int
    lookback: int
    horizon: int
    starts: np.ndarray


class Batches(keras.utils.PyDataset):
    """Examples for ``model.fit`` and ``model.predict``, read when they are needed; `batches` makes it.

    Every epoch has an order of its own, a function of the seed, the epoch's number and the dataset's shards. Say
    ``model.fit(..., shuffle=False)``: Keras' own shuffling would read a shard for each batch again and again.
    """

    def __init__(
        self,
        data: xr.Dataset,
        cut: _Cut,
        *,
        size: int,
        variable: str,
        target: str,
        known: tuple[str, ...],
        seed: int | None,
    ) -> None:
        super().__init__()
        self.data, self.cut, self.variable, self.target, self.known = data, cut, variable, target, known
        self.seed, self.epoch = seed, 0
        self.rows = _usable(data)
        self.series = data.sizes["replicate"] if "replicate" in data[variable].dims else 1
        total = len(self.rows) * self.series * len(cut.starts)
        # A step is compiled for each size: when shuffled, the few that fill no batch are left out, others every epoch.
        self.size = min(size, total)
        self.count = -(-total // self.size) if seed is None else total // self.size
        self.blocks = np.array_split(self.rows, _edges(data[variable], self.rows))
        self.group = lru_cache(_GROUPS_KEPT)(self._read)
        self._order()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, at: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return inputs and target of one batch."""
        first, last = at * self.size, (at + 1) * self.size
        parts = []
        for number, (begin, end) in enumerate(zip(self.ends, self.ends[1:], strict=False)):
            if begin < last and end > first:
                inputs, target = self.group(self.epoch, number)
                here = slice(max(first - begin, 0), min(last, end) - begin)
                parts.append(({name: values[here] for name, values in inputs.items()}, target[here]))
        inputs = {name: np.concatenate([part[name] for part, _ in parts]) for name in parts[0][0]}
        return inputs, np.concatenate([target for _, target in parts])

    def on_epoch_end(self) -> None:
        """Shuffle."""
        if self.seed is not None:
            self.epoch += 1
            self._order()

    def _order(self) -> None:
        order = np.arange(len(self.blocks))
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        self.groups = [order[i : i + _BLOCKS_TOGETHER] for i in range(0, len(order), _BLOCKS_TOGETHER)]
        each = self.series * len(self.cut.starts)
        self.ends = np.cumsum([0, *(each * sum(len(self.blocks[b]) for b in group) for group in self.groups)])

    def _read(self, epoch: int, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        parts = [self._examples(self.blocks[block]) for block in self.groups[number]]
        inputs = {name: np.concatenate([part[name] for part, _ in parts]) for name in parts[0][0]}
        target = np.concatenate([target for _, target in parts])
        if self.seed is None:
            return inputs, target
        order = np.random.default_rng((self.seed, epoch, number)).permutation(len(target))
        return {name: values[order] for name, values in inputs.items()}, target[order]

    def _examples(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The examples of some trajectories, in order: inputs, and target."""
        whole = rows[-1] - rows[0] + 1 == len(rows)
        part = self.data.isel(trajectory=slice(rows[0], rows[-1] + 1) if whole else rows)
        axis, cut = time_dimension(part), self.cut
        past = cut.starts[:, None] + np.arange(cut.lookback)
        ahead = cut.starts[:, None] + np.arange(cut.lookback, cut.lookback + cut.horizon)
        each = self.series * len(cut.starts)

        def cut_out(name: str, at: np.ndarray) -> np.ndarray:
            """Values (example, point, channel)."""
            values = part[name].transpose("trajectory", ..., axis, part[name].dims[-1]).values.astype(np.float32)
            if values.ndim == 3:
                values = np.repeat(values[:, None], self.series, axis=1)
            return values[:, :, at].reshape(-1, at.shape[1], values.shape[-1])

        values = cut_out(self.variable, past)
        times = np.broadcast_to(part["time"].values, (len(rows), cut.points))
        origin = times[:, past[:, -1:] if cut.horizon else past[:, :1]]
        inputs = {
            "values": np.nan_to_num(values),
            "mask": (~np.isnan(values)).astype(np.float32),
            "times": self._relative(times[:, past], origin),
        }
        if cut.horizon:
            inputs["query_times"] = self._relative(times[:, ahead], origin)
        if "controls" in part:
            inputs["controls"] = np.nan_to_num(cut_out("controls", np.concatenate([past, ahead], axis=1)))
        if self.known:
            known = part["parameters"].sel(parameter=list(self.known)).values.astype(np.float32)
            inputs["known"] = np.repeat(known, each, axis=0)
        if cut.horizon:
            return inputs, cut_out(self.target, ahead)
        if axis in part[self.target].dims:
            return inputs, cut_out(self.target, past)
        return inputs, np.repeat(part[self.target].values.astype(np.float32), each, axis=0)

    def _relative(self, times: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Times (example, point) since the origin, 0 behind the end of a series that is shorter than others."""
        since = np.nan_to_num(times - origin)
        return np.repeat(since[:, None], self.series, axis=1).reshape(-1, times.shape[-1]).astype(np.float32)


def batches(
    data: xr.Dataset,
    lookback: int | None = None,
    horizon: int | None = None,
    *,
    size: int = 256,
    variable: str = "measured",
    target: str | None = None,
    known: Iterable[str] = (),
    stride: int = 1,
    seed: int | None = None,
) -> Batches:
    """Return batches for ``model.fit`` of a Keras network, read from the store shard by shard as they are needed.

    With `lookback` and `horizon` an example is a window of a series, and its target what came next; without, it is a
    whole series, and its target the same series or another variable, such as ``"parameters"``. Trajectories that
    failed are left out.

    Parameters
    ----------
    data
        A dataset, opened lazily if it is large, or a part of one (`split`).
    lookback, horizon
        Points of history, and points to forecast.
    size
        Examples a batch.
    variable
        What the network sees: ``"measured"``, or ``"readout"`` or ``"truth"``.
    target
        What it is to answer; `variable` by default.
    known
        Names of varied quantities that it sees too.
    stride
        Points from one window of a series to the next.
    seed
        Shuffles, anew for each epoch; None keeps the order of the dataset.

    Returns
    -------
    Batches
        A ``keras.utils.PyDataset``: for each batch a dict of float32 inputs and the target. Inputs: ``values``
        (example, point, channel), 0 where nothing was measured; ``mask``, 1 where something was; ``times`` (example,
        point) since the last point of the history, or since the first of a whole series; ``query_times`` (example,
        horizon); ``controls`` (example, lookback + horizon, control) and ``known`` (example, quantity) where there are
        any. The target is NaN where nothing was measured: a loss such as
        ``sbml_hybrid.forecasting.training.masked_square_error`` gives that no weight.

    Raises
    ------
    UnknownName
        `data` has no such variable, or did not vary a known quantity.
    DataError
        The series are shorter than a window, or there is none.
    """
    target = target or variable
    for name in (variable, target):
        if name not in data.data_vars or "trajectory" not in data[name].dims:
            there = [str(n) for n, v in data.data_vars.items() if "trajectory" in v.dims]
            raise unknown_name("variable", name, there, "the dataset")
    known = (known,) if isinstance(known, str) else tuple(known)
    there = data["parameter"].values.tolist() if "parameters" in data else []
    for name in known:
        if name not in there:
            raise unknown_name("varied quantity", name, there, "the dataset's parameters")
    cut = _cut(data.sizes[time_dimension(data)], lookback, horizon, stride)
    if cut.horizon and time_dimension(data) not in data[target].dims:
        raise ValueError(f"target {target!r} has no time to forecast. Leave out lookback and horizon for whole series.")
    if "replicate" in set(data[target].dims) - set(data[variable].dims):
        raise ValueError(f"{target!r} has replicates and {variable!r} has none: which of them is the answer?")
    _whole_number("size", size)
    return Batches(data, cut, size=size, variable=variable, target=target, known=known, seed=seed)


def _cut(points: int, lookback: int | None, horizon: int | None, stride: int) -> _Cut:
    if lookback is None and horizon is None:
        return _Cut(points, points, 0, np.zeros(1, int))
    for name, value in (("lookback", lookback), ("horizon", horizon), ("stride", stride)):
        _whole_number(name, value)
    if lookback + horizon > points:
        raise DataError(
            f"lookback {lookback} + horizon {horizon} = {lookback + horizon} time points, but trajectories have "
            f"{points}. Shorten one, or simulate longer."
        )
    return _Cut(points, lookback, horizon, np.arange(0, points - lookback - horizon + 1, stride))


def _whole_number(name: str, value: object) -> None:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number, one or more, got {value!r}.")


def _usable(data: xr.Dataset) -> np.ndarray:
    """Positions of the trajectories that did not fail."""
    rows = np.flatnonzero(data["status"].values == 0) if "status" in data else np.arange(data.sizes["trajectory"])
    if not len(rows):
        raise DataError("The dataset has no trajectory that succeeded.")
    return rows


def _edges(variable: xr.DataArray, rows: np.ndarray) -> np.ndarray:
    """Where to cut `rows` into blocks: a few megabytes each, of whole shards."""
    n = variable.sizes["trajectory"]
    chunk = dict(zip(variable.dims, variable.encoding.get("chunks") or (), strict=False)).get("trajectory", 1)
    least = max(1, _BLOCK_BYTES // max(1, variable.nbytes // n))
    step = -(-least // chunk) * chunk
    edges = np.searchsorted(rows, np.arange(step, n, step))
    return np.unique(edges[(edges > 0) & (edges < len(rows))])

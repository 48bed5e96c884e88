"""What came of a run: how many trajectories are right, what failed and why, which values they span."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.data import shards
from sbml_hybrid.data.dataset import check_layout
from sbml_hybrid.data.store import open as open_dataset
from sbml_hybrid.data.units import units_of
from sbml_hybrid.errors import DataError
from sbml_hybrid.wording import brief, counted

_AT_ONCE = 2**22  # values looked at in one piece, so that a store larger than memory can be told of


@dataclass(frozen=True)
class Failure:
    """One way in which trajectories failed.

    Parameters
    ----------
    status
        Its name in the dataset.
    reason
        The solver's words.
    count
        How many trajectories.
    example
        The label of the first of these trajectories.
    draw, condition
        Its draw, ``draws.loc[[draw]]``, and its condition, where there are any: these reproduce it.
    """

    status: str
    reason: str
    count: int
    example: int
    draw: int
    condition: str = ""

    def __str__(self) -> str:
        where = f"draw {self.draw}" + (f" under {self.condition}" if self.condition else "")
        return f"{self.count} x {self.status}: {self.reason} (such as {where})"


@dataclass(frozen=True, eq=False)
class Overview:
    """A run in numbers; prints as text, and is a table in Jupyter.

    Parameters
    ----------
    trajectories, ok
        How many there are, and how many of them could be computed.
    rungs
        Name of the solver's settings -> how many trajectories they served.
    failures
        What failed, the most frequent first.
    ranges
        A row per recorded quantity: ``lowest``, ``median`` and ``highest`` over all trajectories and times, and its
        ``unit``. The median is that of the trajectories' own medians.
    seconds
        Per trajectory, of one process: wall time of a run that a store keeps; None where nobody noted it.
    pending
        How many trajectories are still to be computed.
    verb
        What takes the time and goes on: ``"simulate"``, or ``"measure"`` for the store of a measurement.
    """

    trajectories: int
    ok: int
    rungs: dict[str, int]
    failures: tuple[Failure, ...]
    ranges: pd.DataFrame
    seconds: float | None = None
    pending: int = 0
    verb: str = "simulate"

    def __str__(self) -> str:
        return "\n".join([*self._lines(), "", self.ranges.to_string(float_format="{:.4g}".format)])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(line)}</p>" for line in self._lines())
        return said + self.ranges.to_html(float_format="{:.4g}".format, border=0)

    def _lines(self) -> list[str]:
        failed = self.trajectories - self.ok - self.pending
        left = f", {self.pending} pending (the same {self.verb} goes on)" if self.pending else ""
        lines = [f"{counted(self.trajectories)}, {self.ok} ok, {failed} failed{left}"]
        if self.seconds is not None:
            lines.append(f"{brief(self.seconds)} per trajectory, to {self.verb}")
        if len(self.rungs) > 1:
            served = ", ".join(f"{count} by {name}" for name, count in self.rungs.items())
            lines.append(f"solver settings that served: {served}")
        return lines + [str(one) for one in self.failures]


def overview(data: xr.Dataset | str | os.PathLike) -> Overview:
    """Say what came of a run.

    Parameters
    ----------
    data
        What `simulate` gave, in memory or opened from a store; or the path or URL of a store or file, which says
        how long a trajectory took, and how many are pending, as well.

    Raises
    ------
    DataError
        There are no simulated trajectories in `data`.
    SourceNotFound
        There is nothing at the path.
    """
    there = None
    if isinstance(data, str | os.PathLike):
        there, data = shards.manifest(data), open_dataset(data)
    check_layout(data)
    if "truth" not in data or "status" not in data:
        raise DataError("An overview needs simulated trajectories ('truth' and 'status'). Try sh.simulate first.")
    status, rung = data["status"].values, data["rung"].values
    if there is not None and there.verb == "simulate":  # the dataset has them once the run is finished
        codes = {name: code for code, name in _meanings(data["status"]).items()}
        said = [(label, codes[name], reason) for label, name, reason in there.failures]
        data = data.assign_attrs(failures=failures_attribute(said))
    rungs = Counter(_meanings(data["rung"])[code] for code in rung[status == 0].tolist())
    return Overview(
        trajectories=len(status),
        ok=int((status == 0).sum()),
        rungs=dict(rungs.most_common()),
        failures=_failures(data, status),
        ranges=_ranges(data),
        seconds=_seconds(there),
        pending=int((status == shards.PENDING).sum()),
        verb="simulate" if there is None else there.verb,
    )


def _seconds(there: shards.Manifest | None) -> float | None:
    if there is None or not there.shards:
        return None
    return there.seconds / (there.run["trajectories"] - there.pending)


def failures_attribute(failures: list[tuple[int, int, str]]) -> str:
    """Return (label, status, reason) of each failed trajectory as the text that goes with a dataset.

    The reasons are counted; of each there is the first trajectory.
    """
    found: dict[tuple[int, str], list[int]] = {}
    for label, status, reason in failures:
        found.setdefault((status, reason), []).append(label)
    said = [
        {"status": status, "reason": reason, "count": len(labels), "example": labels[0]}
        for (status, reason), labels in found.items()
    ]
    return json.dumps(sorted(said, key=lambda one: (-one["count"], one["example"]))[:20])


def _failures(data: xr.Dataset, status: np.ndarray) -> tuple[Failure, ...]:
    """What the run said of its failures, and of the codes it said nothing of: their number."""
    meanings = _meanings(data["status"])
    said = json.loads(data.attrs.get("failures", "[]"))
    told, left = Counter(), Counter(status[(status != 0) & (status != shards.PENDING)].tolist())
    for one in said:
        told[one["status"]] += one["count"]
    labels = data["trajectory"].values
    if left != told:  # a part of the run, or one that goes on: the reasons are those of the whole
        said = [
            {
                "status": code,
                "reason": "see the whole run for the reason",
                "count": left[code],
                "example": labels[status == code][0].item(),
            }
            for code in meanings
            if left[code]
        ]
    return tuple(_failure(data.isel(trajectory=labels == one["example"]), one, meanings) for one in said)


def _failure(first: xr.Dataset, said: Mapping, meanings: Mapping[int, str]) -> Failure:
    draw = first["draw"].values[0].item()
    condition = str(first["condition"].values[0]) if "condition" in first.coords else ""
    return Failure(meanings[said["status"]], said["reason"], said["count"], said["example"], draw, condition)


def _meanings(codes: xr.DataArray) -> dict[int, str]:
    names = codes.attrs["flag_meanings"]
    names = names.split() if isinstance(names, str) else list(names)
    return {int(code): name for code, name in zip(np.atleast_1d(codes.attrs["flag_values"]), names, strict=True)}


def _ranges(data: xr.Dataset) -> pd.DataFrame:
    truth, names = data["truth"], data["species"].values.tolist()
    rows = max(1, _AT_ONCE // max(1, truth[0].size))
    low, high, middles = np.full(len(names), np.nan), np.full(len(names), np.nan), []
    for start in range(0, truth.sizes["trajectory"], rows):
        some = truth.isel(trajectory=slice(start, start + rows)).values.astype(float)
        some = some[~np.isnan(some).all(axis=(1, 2))]
        if len(some):
            low, high = np.fmin(low, np.nanmin(some, (0, 1))), np.fmax(high, np.nanmax(some, (0, 1)))
            middles.append(np.nanmedian(some, axis=1))
    middle = np.median(np.concatenate(middles), axis=0) if middles else np.full(len(names), np.nan)
    units = units_of(data, "truth")
    table = {"lowest": low, "median": middle, "highest": high, "unit": [units.get(name, "") for name in names]}
    return pd.DataFrame(table, index=pd.Index(names, name="quantity"))

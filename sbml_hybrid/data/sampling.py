"""Sampling times: shared by all trajectories, or each trajectory's own."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import check_layout, time_dimension
from sbml_hybrid.errors import DataError


def own_times(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset in which each trajectory has only the times at which it was measured.

    A table or a CSV file is read over all the times in it, which leaves mostly gaps where every trajectory was sampled
    at times of its own; forecasters count points, and gaps among them.

    Parameters
    ----------
    data
        A dataset with `measured`.

    Returns
    -------
    Dataset
        The same with the dimension ``sample`` in place of ``time``, and ``time`` (trajectory, sample) as a coordinate:
        NaN behind the last sample of a trajectory that has fewer than others. What has such times already comes
        back as it is.

    Raises
    ------
    DataError
        Nothing was measured.

    Examples
    --------
    >>> import pandas as pd
    >>> from sbml_hybrid import from_table
    >>> rows = [(0, 0.0, "S", 9.0), (0, 4.9, "S", 5.0), (1, 0.0, "S", 8.0), (1, 5.2, "S", 4.0), (1, 9.8, "S", 3.0)]
    >>> data = own_times(from_table(pd.DataFrame(rows, columns=["trajectory", "time", "observable", "value"])))
    >>> data["time"].values
    array([[0. , 4.9, nan],
           [0. , 5.2, 9.8]])
    """
    check_layout(data)
    if time_dimension(data) == "sample":
        return data
    if "measured" not in data or data["measured"].isnull().all():
        raise DataError("Nothing was measured, so that there are no times of measurements. Try sh.measure first.")
    others = [d for d in data["measured"].dims if d not in ("trajectory", "time")]
    there = data["measured"].notnull().any(others).transpose("trajectory", "time").values
    counts = there.sum(axis=1)
    order = np.argsort(~there, axis=1, kind="stable")[:, : counts.max()]
    rows = xr.DataArray(np.arange(len(there)), dims="trajectory")
    taken = data.isel(trajectory=rows, time=xr.DataArray(order, dims=("trajectory", "sample")))
    real = xr.DataArray(np.arange(counts.max()) < counts[:, None], dims=("trajectory", "sample"))
    masked = {
        name: taken[name].where(real, np.nan if taken[name].dtype.kind == "f" else 0).astype(taken[name].dtype)
        for name in taken.variables
        if "sample" in taken[name].dims
    }
    layouts = {n: [("sample" if d == "time" else d) for d in data[n].dims] for n in masked if n != "time"}
    return taken.assign_coords(time=masked.pop("time")).assign(
        {name: values.transpose(*layouts[name]) for name, values in masked.items()}
    )

"""A dataset put together of NumPy arrays.

`xarray.Dataset` looks at every value for what else it might be, and for that imports dask and pint where they are
installed, which takes longer than the first trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.indexes import PandasIndex

Described = tuple[tuple[str, ...], np.ndarray, Mapping[str, Any]]


def assembled(
    variables: Mapping[str, Described], coords: Mapping[str, Described], attrs: Mapping[str, Any]
) -> xr.Dataset:
    """Return the dataset that ``xarray.Dataset(variables, coords, attrs)`` gives.

    Parameters
    ----------
    variables, coords
        Name -> (dimensions, values, attributes). A coordinate named like its one dimension labels it.
    attrs
        The dataset's own attributes.
    """
    found = {name: variable(*described) for name, described in coords.items()}
    indexes = {
        name: PandasIndex(pd.Index(labels.values), name, coord_dtype=labels.dtype)
        for name, labels in found.items()
        if labels.dims == (name,)
    }
    for name, index in indexes.items():
        found |= index.create_variables({name: found[name]})
    plain = {name: variable(*described) for name, described in variables.items()}
    return xr.Dataset(plain, xr.Coordinates(found, indexes), attrs)


def variable(dims: tuple[str, ...], values: np.ndarray, attrs: Mapping[str, Any]) -> xr.Variable:
    """Return values with names for their dimensions."""
    return xr.Variable(dims, values, attrs, fastpath=True)

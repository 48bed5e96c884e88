"""A dataset put together of arrays is what xarray itself makes of them."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from sbml_hybrid.data.assembly import assembled

LABELS = np.array([4, 2, 9])
TIMES = np.linspace(0, 1, 4)


@pytest.mark.parametrize("times", [(("time",), TIMES), (("trajectory", "sample"), np.tile(TIMES, (3, 1)))])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_is_what_xarray_makes_of_the_same(times, dtype):
    axis = times[0][-1]
    variables = {
        "truth": (("trajectory", axis, "species"), np.arange(24, dtype=dtype).reshape(3, 4, 2), {"units": "{}"}),
        "status": (("trajectory",), np.broadcast_to(np.int8(0), 3), {"flag_values": np.array([0, 1], np.int8)}),
    }
    coords = {
        "trajectory": (("trajectory",), LABELS, {}),
        "draw": (("trajectory",), LABELS, {}),
        "condition": (("trajectory",), np.array(["control", "dose", "dose"]), {}),
        "time": (*times, {"units": "s"}),
        "species": (("species",), np.array(["A", "beta_long"]), {}),
    }

    ours, theirs = assembled(variables, coords, {"model": "m"}), xr.Dataset(variables, coords, {"model": "m"})

    assert ours.identical(theirs)
    assert {n: v.dtype for n, v in ours.variables.items()} == {n: v.dtype for n, v in theirs.variables.items()}
    assert ours.indexes.keys() == theirs.indexes.keys()
    assert ours.sel(species="A").identical(theirs.sel(species="A"))


def test_the_first_trajectory_waits_for_no_package_that_it_does_not_need():
    code = (
        "import sys, sbml_hybrid as sh\n"
        "sh.simulate(sh.load('S -> P; k*S; S = 10; k = 0.3'), times=[0, 1, 2])\n"
        "print([p for p in ('dask.array', 'pint', 'scipy', 'zarr', 'sklearn', 'keras') if p in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert said.strip() == "[]"

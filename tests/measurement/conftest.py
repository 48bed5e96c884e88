"""Trajectories of one small model, for the tests of this room."""

import numpy as np
import pytest
import xarray as xr

import sbml_hybrid as sh

SMALL = "model small; A -> B; k*A; B -> ; d*B; A = 10; B = 0; k = 0.3; d = 0.1; end"


@pytest.fixture(scope="session")
def small() -> xr.Dataset:
    """Forty draws of A -> B -> nothing at 31 times."""
    model = sh.load(SMALL)
    return sh.simulate(model, sh.sample(sh.around(model, fold=2), 40, seed=0), times=np.linspace(0, 30, 31))

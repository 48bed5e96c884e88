"""A small dataset of every kind, for the tests of this room."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr


def _make(draws=4, replicates=0, conditions=1, times=5, observables=("X", "Y"), missing=0.3, seed=0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    n = draws * conditions
    grid = np.linspace(0.0, 2.0, times)
    truth = rng.lognormal(size=(n, times, len(observables)))
    shape = (n, replicates, times, len(observables)) if replicates else truth.shape
    measured = (truth[:, None] if replicates else truth) * rng.lognormal(0, 0.1, shape)
    measured[rng.random(shape) < missing] = np.nan
    dims = ("trajectory", *(("replicate",) if replicates else ()), "time", "observable")
    status = {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "ok too_many_steps"}
    coords = {
        "trajectory": np.arange(n) + 10,
        "draw": ("trajectory", np.repeat(np.arange(draws), conditions)),
        "condition": ("trajectory", np.tile([f"dose {c}" for c in range(conditions)], draws)),
        "time": ("time", grid, {"units": "s"}),
        "species": list(observables),
        "observable": list(observables),
        "parameter": ["k1", "k2"],
        "nonnegative": ("observable", np.ones(len(observables), bool)),
    }
    if replicates:
        coords["replicate"] = np.arange(replicates)
    return xr.Dataset(
        {
            "truth": (("trajectory", "time", "species"), truth),
            "readout": (("trajectory", "time", "observable"), truth),
            "measured": (dims, measured, {"units": "nM"}),
            "censored": (dims, np.zeros(shape, np.int8)),
            "parameters": (("trajectory", "parameter"), rng.lognormal(size=(n, 2))),
            "status": ("trajectory", np.zeros(n, np.int8), status),
            "rung": ("trajectory", np.zeros(n, np.int8), status),
        },
        coords,
        {
            "sbml": "<sbml/>",
            "model_hash": "abc",
            "model_id": "toy",
            "time_unit": "s",
            "design": json.dumps({"design": "random", "n": draws, "seed": 7, "priors": {"k1": {"kind": "Uniform"}}}),
            "measurement": json.dumps({"keep": 0.7, "seed": 8}),
            "noise": json.dumps({"kind": "Lognormal", "cv": 0.1}),
        },
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., xr.Dataset]:
    """Return the maker of datasets: draws, replicates, conditions, times, observables, missing share, seed."""
    return _make

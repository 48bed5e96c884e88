"""Beyond its limits an assay gives the limit, and says so; measured, censored and missing partition the grid."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.errors import UnknownName

VALUES = st.one_of(st.floats(-100, 100), st.just(np.nan))


@given(values=st.lists(VALUES, min_size=1), low=st.floats(-50, 0), width=st.floats(0.1, 50))
def test_a_value_beyond_a_limit_becomes_the_limit_with_its_code(values, low, width):
    values, high = np.array(values)[:, None], low + width

    given, codes = sh.Limits(low, high).apply(values, ["A"])

    assert codes.dtype == np.int8
    np.testing.assert_array_equal(codes, np.select([values < low, values > high], [-1, 1]))
    np.testing.assert_array_equal(given, np.select([values < low, values > high], [low, high], values))


def test_each_observable_has_its_limits():
    given, codes = sh.Limits(low={"A": 1.0}, high={"B": 2.0}).apply(np.array([[0.0, 0.0], [3.0, 3.0]]), ["A", "B"])

    assert given.tolist() == [[1, 0], [3, 2]]
    assert codes.tolist() == [[-1, 0], [0, 1]]


@given(
    low=st.floats(0, 5),
    width=st.floats(0.5, 5),
    keep=st.floats(0.2, 1),
    replicates=st.integers(1, 3),
    loss=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_measured_censored_and_missing_partition_the_grid(small, low, width, keep, replicates, loss, seed):
    limits = sh.Limits(low, low + width)
    gaps = [sh.gaps.DropOut(loss), sh.gaps.BelowLimit({"B": low * 1.5})]

    data = sh.measure(
        small.isel(trajectory=slice(6)), keep=keep, limits=limits, gaps=gaps, replicates=replicates, seed=seed
    )

    value, code = data["measured"].values, data["censored"].values
    measured = (code == 0) & (low <= value) & (value <= low + width)
    below, above = (code == -1) & (value == low), (code == 1) & (value == low + width)
    missing = (code == 0) & np.isnan(value)
    assert (sum(part.astype(int) for part in (measured, below, above, missing)) == 1).all()
    assert data["censored"].dtype == np.int8 and data["censored"].dims == data["measured"].dims


def test_what_is_not_censored_is_what_it_is_without_limits(small):
    free = sh.measure(small, seed=4)["measured"]
    data = sh.measure(small, limits=sh.Limits(low=1, high=6), seed=4)

    inside = data["censored"].values == 0
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_array_equal(data["measured"].values[inside], free.values[inside])
    assert (free.values[data["censored"].values == -1] < 1).all() and (
        free.values[data["censored"].values == 1] > 6
    ).all()


def test_a_dataset_without_limits_has_no_codes(small):
    assert "censored" not in sh.measure(small, seed=0)


def test_a_trajectory_that_failed_is_missing_and_not_censored():
    truth = sh.simulate(sh.load("S = 1; k = 1; S' = k*S^2"), draws_that_fail(), times=[0, 1, 2])

    data = sh.measure(truth, limits=sh.Limits(low=100), seed=1)

    assert (data["censored"][0] == -1).all()
    assert data["measured"][1].isnull().all() and (data["censored"][1] == 0).all()


def draws_that_fail():
    import pandas as pd

    return pd.DataFrame({"k": [0.01, 2.0]})


def test_the_likelihood_of_censored_data_is_highest_near_the_noise_that_made_it(small):
    from sbml_hybrid.calibration.likelihood import log_likelihood

    data = sh.measure(small, noise=sh.noise.Normal(0.4), limits=sh.Limits(low=0.5, high=5), keep=0.7, seed=2)

    tried = np.linspace(0.2, 0.8, 25)
    likelihood = [float(log_likelihood(data, data["readout"], sh.noise.Normal(sd)).sum()) for sd in tried]

    assert tried[int(np.argmax(likelihood))] == pytest.approx(0.4, abs=0.05)


def test_limits_come_back_from_the_dataset_s_record(small):
    limits = sh.Limits(low={"A": 0.5}, high=8)

    record = json.loads(sh.measure(small, limits=limits, seed=1).attrs["measurement"])

    assert record["limits"] == {"low": {"A": 0.5}, "high": 8.0}
    assert sh.Limits(**record["limits"]) == limits


def test_censored_data_is_kept_on_disk_and_in_a_table(small, tmp_path):
    data = sh.measure(small, limits=sh.Limits(low=1), keep=0.6, replicates=2, seed=1)

    sh.save(data, tmp_path / "data.zarr")
    table = sh.from_table(sh.to_table(data))

    xr.testing.assert_identical(sh.open(tmp_path / "data.zarr")["censored"], data["censored"])
    np.testing.assert_array_equal(table["censored"], data["censored"])
    np.testing.assert_array_equal(table["measured"], data["measured"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "low .limit of detection., high .saturation. or both"),
        ({"low": 2, "high": 1}, "The limits of every observable must have low below high, got 2 and 1"),
        ({"low": {"A": 2}, "high": {"A": 1, "B": 3}}, "The limits of A must have low below high, got 2 and 1"),
        ({"low": {"A": 2}, "high": 1}, "The limits of A must have low below high, got 2 and 1"),
        ({"low": np.inf}, "low must be a finite number.* got inf"),
        ({"high": "10"}, "high must be a finite number.* got '10'"),
    ],
)
def test_limits_out_of_range_are_refused_with_the_value(settings, message):
    with pytest.raises(ValueError, match=message):
        sh.Limits(**settings)


def test_a_limit_of_something_that_is_not_measured_is_refused(small):
    with pytest.raises(UnknownName, match="No observable 'AA' in the assay. Did you mean 'A'"):
        sh.measure(small, limits=sh.Limits(low={"AA": 1}), seed=0)

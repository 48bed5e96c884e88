"""An overview says what a run gave: no more, no less, and how to see it again."""

import numpy as np
import pytest
import xarray as xr

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError

EXPLODES = "S -> 2 S; k*S*S; S = 1; k = 0.3"  # S = 1 / (1 - k t): infinite at t = 1 / k
TIMES = [0.0, 1.0, 3.0]


@pytest.fixture(scope="module")
def run():
    model = sh.load(EXPLODES)
    return model, sh.sample({"k": sh.priors.Uniform(0.1, 0.6)}, 40, seed=0)


def test_exactly_the_draws_that_explode_are_counted_as_failed(run):
    model, draws = run
    told = sh.overview(sh.simulate(model, draws, times=TIMES))

    assert told.trajectories - told.ok == int((draws["k"] > 1 / 3).sum()) == sum(f.count for f in told.failures)


def test_the_example_reproduces_its_failure(run):
    model, draws = run
    data = sh.simulate(model, draws, times=TIMES)
    failure = sh.overview(data).failures[0]

    again = sh.simulate(model, draws.loc[[failure.example]], times=TIMES)

    assert sh.overview(again).failures[0].reason == failure.reason


def test_a_part_of_a_run_is_told_of_as_that_part(run):
    model, draws = run
    data = sh.simulate(model, draws, times=TIMES)
    some = data.isel(trajectory=slice(0, 7))

    told = sh.overview(some)

    assert told.trajectories == 7
    assert sum(f.count for f in told.failures) == int((some["status"] != 0).sum()) == 7 - told.ok


def test_ranges_are_those_of_what_could_be_computed(run):
    model, draws = run
    data = sh.simulate(model, draws, times=TIMES)

    row = sh.overview(data).ranges.loc["S"]

    assert row["lowest"] == 1.0
    assert row["highest"] == np.nanmax(data["truth"])
    assert row["median"] == np.nanmedian(np.nanmedian(data["truth"].values[..., 0][data["status"] == 0], axis=1))


def test_where_everything_failed_there_are_no_ranges(run):
    model, draws = run
    told = sh.overview(sh.simulate(model, draws[draws["k"] > 1 / 3], times=TIMES))

    assert told.ok == 0 and told.ranges[["lowest", "median", "highest"]].isna().all(axis=None)
    assert "0 ok" in str(told) and "0 ok" in told._repr_html_()


def test_measurements_alone_have_no_overview():
    data = xr.Dataset(
        {"measured": (("trajectory", "time", "observable"), np.zeros((1, 1, 1)))},
        {"trajectory": [0], "draw": ("trajectory", [0]), "time": [0.0], "observable": ["A"]},
    )
    with pytest.raises(DataError, match="needs simulated trajectories"):
        sh.overview(data)


def test_the_picture_counts_what_the_words_count(run):
    model, draws = run
    data = sh.simulate(model, draws, times=TIMES)

    made = sh.plots.overview(data)

    told = sh.overview(data)
    widths = sorted(bar.get_width() for bar in made[0].patches)
    assert widths == sorted([told.ok, *(f.count for f in told.failures)])

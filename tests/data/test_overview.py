"""An overview says what a run gave: no more, no less, and how to see it again."""

import shutil

import numpy as np
import pytest
import xarray as xr

import sbml_hybrid as sh
from sbml_hybrid.data import shards
from sbml_hybrid.errors import DataError, SourceNotFound

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


def test_of_conditions_the_failure_names_the_draw_and_the_condition_that_reproduce_it(run):
    model, draws = run
    conditions = [sh.Condition("slow", values={"k": 0.1}), sh.Condition("as drawn")]
    failure = sh.overview(sh.simulate(model, draws, times=TIMES, conditions=conditions)).failures[0]

    again = sh.simulate(model, draws.loc[[failure.draw]], times=TIMES, conditions=conditions)

    assert failure.condition == "as drawn" and draws["k"][failure.draw] > 1 / 3
    assert str(failure).endswith(f"(such as draw {failure.draw} under as drawn)")
    assert again["status"].values.tolist() == [0, *again["status"].values[1:]] and again["status"][1] != 0


def test_the_store_of_a_measurement_keeps_the_reasons_and_says_its_own_time(run, tmp_path):
    model, draws = run
    truth, place = sh.simulate(model, draws, times=TIMES), tmp_path / "data.zarr"
    sh.measure(truth, seed=1, store=place)

    told = sh.overview(place)

    assert told.failures == sh.overview(truth).failures and "CVODE" in told.failures[0].reason
    assert "per trajectory, to measure" in str(told)
    failed = truth["trajectory"].values[truth["status"] != 0].tolist()
    assert [label for label, _, _ in shards.manifest(place).failures] == failed
    shutil.rmtree(place / "manifest" / "000000")
    assert "40 pending (the same measure goes on)" in str(sh.overview(place))


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


def test_of_a_store_it_says_the_time_per_trajectory_and_what_is_pending(run, tmp_path, monkeypatch):
    model, draws = run
    monkeypatch.setattr(shards, "SHARD_ROWS", 10)
    data, place = sh.simulate(model, draws, times=TIMES, store=tmp_path / "x.zarr"), tmp_path / "x.zarr"
    whole = sh.overview(place)
    assert whole.seconds == shards.manifest(place).seconds / 40 and whole.pending == 0
    assert (whole.ok, whole.failures) == (sh.overview(data).ok, sh.overview(data).failures)
    assert " per trajectory" in str(whole) and "pending" not in str(whole)

    shutil.rmtree(place / "manifest" / "000002")  # as where the run was interrupted
    for name in ("status", "truth"):
        for chunk in (place / name / "c").glob("2*"):
            shutil.rmtree(chunk) if chunk.is_dir() else chunk.unlink()
    told = sh.overview(str(place))

    left = data.isel(trajectory=[*range(20), *range(30, 40)])
    assert told.pending == 10 and told.trajectories == 40 and told.ok == int((left["status"] == 0).sum())
    assert sum(f.count for f in told.failures) == 30 - told.ok and all("CVODE" in f.reason for f in told.failures)
    assert f"40 trajectories, {told.ok} ok, {30 - told.ok} failed, 10 pending" in str(told).replace("\u00a0", " ")
    made = sh.plots.overview(place)
    assert made[0].get_xlabel().startswith("trajectories (") and made[0].get_xlabel().endswith("s each)")
    assert made[0].get_yticklabels()[-1].get_text() == "pending" and made[0].patches[-1].get_width() == 10


def test_a_dataset_in_memory_or_saved_says_no_time_and_no_path_is_an_error_of_its_own(run, tmp_path):
    model, draws = run
    data = sh.simulate(model, draws, times=TIMES)

    assert sh.overview(data).seconds is None and "per trajectory" not in str(sh.overview(data))
    assert sh.overview(sh.save(data, tmp_path / "saved.nc")).seconds is None
    with pytest.raises(SourceNotFound):
        sh.overview(tmp_path / "nowhere.zarr")

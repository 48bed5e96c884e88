"""The schema is checked, a split shares no draw, and a forecaster sees nothing it should not."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid.data.dataset import check, split, succeeded, time_dimension, visible
from sbml_hybrid.errors import DataError, UnknownName

SEEDS = st.integers(0, 2**63)


def individual_times(data):
    """The same dataset with sampling times of its own for each trajectory, the last ones shorter."""
    n, points = data.sizes["trajectory"], data.sizes["time"]
    times = data["time"].values + np.arange(n)[:, None] * 0.01
    times[-1, -1] = np.nan
    renamed = data.drop_vars("time").rename(time="sample")
    return renamed.assign_coords(time=(("trajectory", "sample"), times), sample=np.arange(points))


# -- check -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicates", [0, 3])
def test_a_whole_dataset_passes(make, replicates):
    assert check(make(replicates=replicates)) is None


def test_individual_sampling_times_pass_with_the_end_padded(make):
    data = individual_times(make())

    check(data)

    assert time_dimension(data) == "sample"


def test_a_labs_bare_measurements_pass(make):
    data = make()[["measured"]].drop_vars(["condition", "nonnegative"])

    check(data.drop_attrs())


BREAKERS = {
    "not a dataset": (lambda d: d["measured"], "xarray.Dataset, got DataArray"),
    "no trajectory": (lambda d: d.rename(trajectory="run"), "no labelled dimension 'trajectory'"),
    "no labels": (lambda d: d.drop_vars("trajectory"), "no labelled dimension 'trajectory'"),
    "no draw": (lambda d: d.drop_vars("draw"), "no coordinate 'draw'"),
    "nothing over time": (lambda d: d[["parameters"]], "neither 'truth' nor 'measured'"),
    "no rows": (lambda d: d.isel(trajectory=[]), "no trajectory at all"),
    "no times": (lambda d: d.isel(time=[]), "no time at all"),
    "axes swapped": (
        lambda d: d.assign(truth=d["truth"].transpose("time", "trajectory", "species")),
        "'truth' has dim",
    ),
    "censored alone": (lambda d: d.assign(censored=d["censored"].isel(replicate=0, drop=True)), "'censored' must have"),
    "same label": (lambda d: d.assign_coords(trajectory=[1] * d.sizes["trajectory"]), "label 1 stands there twice"),
    "same observable": (lambda d: d.assign_coords(observable=["X", "X"]), "label 'X' stands there twice"),
    "unnamed observables": (lambda d: d.drop_vars(["observable"]), "'observable' has no labels"),
    "numbered observables": (lambda d: d.assign_coords(observable=[1, 2]), "labels of 'observable' must be names"),
    "float labels": (lambda d: d.assign_coords(draw=d["draw"] + 0.5), "labels of 'draw' must be whole numbers or"),
    "whole numbers": (lambda d: d.assign(truth=d["truth"].astype(int)), "'truth' must hold floating-point"),
    "float status": (lambda d: d.assign(status=d["status"].astype(float)), "'status' must hold integer codes"),
    "no meanings": (lambda d: d.assign(status=d["status"].drop_attrs()), "'status' needs the attributes flag_values"),
    "sign": (lambda d: d.assign_coords(nonnegative=("observable", [1, 0])), "'nonnegative' must be True or False"),
    "an object in attrs": (lambda d: d.assign_attrs(design={"n": 1}), "attribute 'design' is a dict"),
    "infinite": (lambda d: d.assign(measured=d["measured"].fillna(np.inf)), "'measured' holds infinite"),
    "odd code": (lambda d: d.assign(censored=d["censored"] + np.int8(2)), "other codes than -1"),
    "unlabelled times": (lambda d: d.drop_vars("time"), "no coordinate 'time'"),
    "times fall": (lambda d: d.assign_coords(time=d["time"].values[::-1].copy()), "times must increase"),
    "times repeat": (lambda d: d.assign_coords(time=np.zeros(d.sizes["time"])), "times must increase"),
    "time unknown": (lambda d: d.assign_coords(time=[0, 1, 2, 3, np.nan]), "times must be finite"),
    "whole times": (lambda d: d.assign_coords(time=np.arange(d.sizes["time"])), "times must be floating-point"),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_what_breaks_the_schema_is_said_in_one_line(make, name):
    breaker, message = BREAKERS[name]

    with pytest.raises(DataError, match=message) as caught:
        check(breaker(make(replicates=2)))

    assert "\n" not in str(caught.value)


def test_a_gap_within_individual_times_is_refused(make):
    data = individual_times(make())
    data["time"][0, 1] = np.nan

    with pytest.raises(DataError, match="times must increase"):
        check(data)


# -- split -----------------------------------------------------------------------------------------


@given(
    draws=st.integers(1, 30),
    replicates=st.integers(0, 2),
    conditions=st.integers(1, 3),
    test=st.floats(0.01, 0.99),
    seed=SEEDS,
)
def test_the_sides_share_no_draw_and_lose_no_row_for_any_sizes(make, draws, replicates, conditions, test, seed):
    data = make(draws, replicates, conditions)
    held = int(test * draws + 0.5)

    if held in (0, draws):
        with pytest.raises(DataError, match="leaves none to"):
            split(data, test=test, seed=seed)
        return
    sides = split(data, test=test, seed=seed)

    seen = [set(side["draw"].values.tolist()) for side in sides]
    assert not seen[0] & seen[1]
    assert len(seen[1]) == held
    assert sum(side.sizes["trajectory"] for side in sides) == data.sizes["trajectory"]
    for side in sides:
        xr.testing.assert_identical(side, data.sel(trajectory=side["trajectory"]))
        assert (np.diff(side["trajectory"]) > 0).all()


@given(order=st.permutations(range(12)), seed=SEEDS)
def test_the_order_of_rows_does_not_decide_who_is_tested(make, order, seed):
    data = make(draws=6, conditions=2)

    straight = split(data, test=0.3, seed=seed)[1]
    shuffled = split(data.isel(trajectory=list(order)), test=0.3, seed=seed)[1]

    assert set(straight["trajectory"].values) == set(shuffled["trajectory"].values)


def test_another_seed_tests_others_and_every_draw_gets_its_turn(make):
    data = make(draws=10)

    tested = [tuple(split(data, test=0.2, seed=seed)[1]["draw"].values) for seed in range(60)]

    assert len(set(tested)) > 20
    assert set(sum(tested, ())) == set(range(10))


def test_whole_conditions_are_held_out(make):
    data = make(draws=3, conditions=4)

    train, test = split(data, test=0.25, by="condition")

    assert not set(train["condition"].values) & set(test["condition"].values)
    assert set(train["draw"].values) == set(test["draw"].values) == {0, 1, 2}


def test_failed_trajectories_stay_with_their_draw(make):
    data = make(draws=6, conditions=2)
    data["status"][::2] = 1

    train, test = split(data, test=0.5)

    for side in (train, test):
        assert (np.bincount(side["draw"])[np.unique(side["draw"])] == 2).all()
        assert (side["status"] == 1).sum() == side.sizes["trajectory"] // 2


def test_draws_with_names_can_be_split(make):
    data = make(draws=4).assign_coords(draw=("trajectory", ["a", "b", "b", "c"]))

    train, test = split(data, test=0.4, seed=1)

    assert not set(train["draw"].values) & set(test["draw"].values)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(make, share):
    with pytest.raises(ValueError, match="test must lie between 0 and 1, got"):
        split(make(), test=share)


def test_an_unknown_way_to_split_is_refused(make):
    with pytest.raises(ValueError, match="by must be 'draw' or 'condition', got 'well'"):
        split(make(), by="well")
    with pytest.raises(DataError, match="no coordinate 'condition' to split by"):
        split(make().drop_vars("condition"), by="condition")


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_seed_that_is_none_is_refused(make, seed):
    with pytest.raises(ValueError, match="seed must be a whole number, zero or more"):
        split(make(), seed=seed)


# -- visible ---------------------------------------------------------------------------------------


@given(seed=SEEDS)
def test_changing_what_is_hidden_changes_nothing_that_is_seen(make, seed):
    data = make(draws=3)
    rng = np.random.default_rng(seed)
    other = data.copy(deep=True)
    for name in ("truth", "readout", "parameters"):
        other[name].values[:] = rng.lognormal(size=other[name].shape)
    other["status"][0] = 1
    other.attrs |= {"sbml": str(seed), "model_hash": str(seed), "model_id": "other", "tolerances": "{}"}
    other.attrs["design"] = data.attrs["design"].replace('"seed": 7', f'"seed": {seed}')
    other.attrs["measurement"] = data.attrs["measurement"].replace('"seed": 8', f'"seed": {seed}')
    other = other.assign_coords(species=["P", "Q"], secret=("trajectory", other["parameters"].values[:, 0]))

    xr.testing.assert_identical(visible(other), visible(data))


def test_a_forecaster_sees_measurements_times_and_how_they_were_made(make):
    data = make(replicates=2)

    seen = visible(data)

    assert set(seen.data_vars) == {"measured", "censored"}
    assert set(seen.coords) == {
        "trajectory", "draw", "condition", "replicate", "time", "observable", "nonnegative",
    }  # fmt: skip
    xr.testing.assert_identical(seen["measured"], data["measured"])
    assert json.loads(seen.attrs["design"]) == {"design": "random", "n": 4, "priors": {"k1": {"kind": "Uniform"}}}
    assert seen.attrs["noise"] == data.attrs["noise"]
    check(seen)


def test_individual_times_are_seen(make):
    data = individual_times(make())

    xr.testing.assert_identical(visible(data)["time"], data["time"])


def test_inputs_declared_known_are_seen_in_their_order_and_stay(make):
    data = make()

    once = visible(data, known=["k2", "k1"])

    np.testing.assert_array_equal(once["known"], data["parameters"].sel(parameter=["k2", "k1"]))
    assert once["input"].values.tolist() == ["k2", "k1"]
    xr.testing.assert_identical(visible(once), once)
    assert visible(once, known="k1")["input"].values.tolist() == ["k1"]
    check(once)


def test_stripping_leaves_the_dataset_as_it_was(make):
    data = make()
    before = data.copy(deep=True)

    visible(data, known=["k1"])

    xr.testing.assert_identical(data, before)


def test_an_input_that_was_not_varied_is_refused_with_the_closest_names(make):
    with pytest.raises(UnknownName, match=r"No input 'K1' in the dataset's parameters\. Did you mean 'k1'"):
        visible(make(), known=["K1"])


def test_there_is_nothing_to_see_without_measurements(make):
    with pytest.raises(DataError, match=r"no 'measured'.*Try sh\.measure"):
        visible(make().drop_vars(["measured", "censored"]))


def test_a_note_of_the_users_own_in_the_design_is_kept(make):
    assert visible(make().assign_attrs(design="by hand")).attrs["design"] == "by hand"


# -- succeeded -------------------------------------------------------------------------------------


def test_only_trajectories_that_succeeded_are_kept(make):
    data = make(draws=5)
    data["status"][[1, 3]] = 1

    assert succeeded(data)["trajectory"].values.tolist() == [10, 12, 14]
    xr.testing.assert_identical(succeeded(data.drop_vars("status")), data.drop_vars("status"))

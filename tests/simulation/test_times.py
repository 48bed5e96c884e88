"""Times of each trajectory's own: in order, after 0, as their law says, and taken by every verb after `simulate`."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh

PLAN = np.array([0.0, 5.0, 15.0, 30.0, 60.0])
MODEL = sh.load("A -> B; k*A; B -> ; g*B; A = 10; B = 0; k = 0.3; g = 0.1")


@given(
    gaps=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8),
    sd=st.floats(0, 1e4),
    seed=st.integers(0, 2**32),
    exact=st.booleans(),
)
def test_jittered_times_keep_their_order_and_their_place(gaps, sd, seed, exact):
    plan = np.concatenate([[0.0], np.cumsum(gaps)])

    times = sh.jittered(plan, 5, sd=sd, seed=seed, exact_start=exact)

    assert (np.diff(times, axis=1) > 0).all() and (times >= 0).all()
    middles = (plan[1:] + plan[:-1]) / 2
    assert (times[:, 1:] >= middles).all() and (times[:, :-1] <= middles).all()
    if exact or sd == 0:
        assert (times[:, 0] == 0).all()
    if sd == 0:
        assert (times == plan).all()


def test_small_jitter_is_normal_about_the_plan():
    from scipy.stats import kstest

    times = sh.jittered(PLAN, 4000, sd=[0, 0.5, 1, 1, 2], seed=0)

    for i, sd in ((1, 0.5), (2, 1), (3, 1), (4, 2)):  # seeded; each fails for one seed in 1000
        assert kstest((times[:, i] - PLAN[i]) / sd, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(times[:, 1:].T) - np.eye(4)).max() < 4.5 / np.sqrt(4000)


def test_wide_jitter_is_a_normal_law_cut_half_way_to_the_neighbours():
    from scipy.stats import kstest, truncnorm

    times = sh.jittered([4.0, 6.0, 10.0], 4000, sd=3.0, seed=1)

    for i, (plan, low, high) in enumerate([(4, 0, 5), (6, 5, 8), (10, 8, np.inf)]):  # as above
        law = truncnorm((low - plan) / 3, (high - plan) / 3, plan, 3)
        assert kstest(times[:, i], law.cdf).pvalue > 1e-3


def test_irregular_times_are_even_over_their_span():
    from scipy.stats import kstest

    times = sh.irregular(1000, (3, 9), 60.0, seed=0)

    counts = (~np.isnan(times)).sum(axis=1)
    assert (np.bincount(counts, minlength=10)[3:] > 1000 / 7 - 55).all()  # 5 standard deviations
    assert counts.min() == 3 and counts.max() == 9 == times.shape[1]
    known = times[~np.isnan(times)]
    assert kstest(known / 60, "uniform").pvalue > 1e-3  # seeded; fails for one seed in 1000
    assert (np.diff(times, axis=1)[~np.isnan(times[:, 1:])] > 0).all()


@pytest.mark.parametrize(
    "make", [lambda n: sh.jittered(PLAN, n, sd=1, seed=4), lambda n: sh.irregular(n, 5, 9, seed=4)]
)
def test_a_row_depends_on_the_seed_and_its_number_alone(make):
    np.testing.assert_array_equal(make(50)[:7], make(7))


def test_times_have_a_stream_of_their_own_beside_draws_and_noise():
    draws = sh.sample({"k": sh.priors.Uniform(0, 1)}, 500, seed=0)
    times = sh.jittered([5.0, 10.0], 500, sd=1.0, seed=0)

    assert abs(np.corrcoef(draws["k"], times[:, 0])[0, 1]) < 4.5 / np.sqrt(500)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sh.jittered([5, 3], 2, sd=1, seed=0), r"times must increase from 0 or later, got \[5.0, 3.0\]"),
        (lambda: sh.jittered([-1, 3], 2, sd=1, seed=0), "times must increase from 0"),
        (lambda: sh.jittered([1, 3], 2, sd=-1, seed=0), "sd must be zero or more.*got -1"),
        (lambda: sh.jittered([1, 3], 2, sd=[1, 2, 3], seed=0), "one for each of 2 times"),
        (lambda: sh.jittered([1, 3], 0, sd=1, seed=0), "n must be a whole number of 1 or more, got 0"),
        (lambda: sh.irregular(2, 0, 5, seed=0), "points must be a whole number"),
        (lambda: sh.irregular(2, (5, 3), 5, seed=0), "points must be a whole number"),
        (lambda: sh.irregular(2, "3", 5, seed=0), "points must be a whole number.* got '3'"),
        (lambda: sh.irregular(2, (1, 2, 3), 5, seed=0), "points must be a whole number"),
        (lambda: sh.irregular(2, 3, 5, seed=None), "seed must be a whole number, 0 or more, got None"),
        (lambda: sh.jittered([1, 3], 2, sd=1, seed=None), "seed must be a whole number, 0 or more, got None"),
        (lambda: sh.irregular(2, 3, 0, seed=0), "end must be a time above 0, got 0"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- from the simulation to the forecast ----------------------------------------------------------------


@pytest.fixture(scope="module", params=["jittered", "irregular"])
def data(request):
    draws = sh.sample(sh.around(MODEL, fold=2), 30, seed=0)
    plan = np.linspace(0, 20, 21)
    own = (
        sh.jittered(plan, 30, sd=0.2, seed=1) if request.param == "jittered" else sh.irregular(30, (15, 20), 20, seed=1)
    )
    truth = sh.simulate(MODEL, draws, times=own)
    return sh.measure(truth, observables=["A", "A + B"], noise=sh.noise.Lognormal(0.05), seed=2)


def test_measurements_stand_at_the_times_of_their_own_trajectory(data):
    sh.check(data)

    assert data["measured"].dims == ("trajectory", "sample", "observable")
    k, times = data["parameters"].sel(parameter="k").values[:, None], data["time"].values
    np.testing.assert_allclose(data["readout"].sel(observable="A"), 10 * np.exp(-k * times), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(data["measured"].values[..., 0]), np.isnan(times))


def test_a_part_of_the_points_may_be_missing(data):
    sparse = sh.measure(data.drop_vars(["measured", "readout"]), keep=0.5, seed=3)

    sh.check(sparse)
    there = sparse["measured"].notnull().sum() / data["time"].notnull().sum() / sparse.sizes["observable"]
    assert 0.4 < there < 0.6


def test_a_table_and_a_csv_file_hold_every_measurement_at_its_time(data, tmp_path):
    back = sh.own_times(sh.from_table(sh.to_table(data)))
    sh.write_csv(data, tmp_path / "data.csv")
    read = sh.own_times(sh.read_csv(tmp_path / "data.csv"))

    for other in (back, read):
        sh.check(other)
        assert other["measured"].dims == ("trajectory", "sample", "observable")
        np.testing.assert_array_equal(other["time"], data["time"])
        np.testing.assert_array_equal(other["measured"], data["measured"])


def test_a_store_and_a_file_hold_them_too(data, tmp_path):
    for name in ("data.zarr", "data.nc"):
        sh.save(data, tmp_path / name)
        assert sh.open(tmp_path / name).equals(data)


def test_a_part_of_the_trajectories_has_the_times_of_the_whole(data):
    train, test = sh.split(data, test=0.3, seed=0)

    np.testing.assert_array_equal(test["time"], data["time"].sel(trajectory=test["trajectory"]))
    assert not set(train["draw"].values) & set(test["draw"].values)


def forecast(forecaster, data):
    train, test = sh.split(data, test=0.3, seed=0)
    fitted = forecaster.fit(train, lookback=5, horizon=3, seed=0)
    return fitted.predict(test.isel(sample=slice(0, 5)), times=np.array([20.5, 21.0, 21.5]))["forecast"]


def test_a_forecaster_learns_from_them(data):
    assert np.isfinite(forecast(sh.Ridge(), data)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Persistence", "Ridge", "GRU"])
def test_forecasters_of_all_kinds_learn_from_them_and_are_scored_on_them(data, name):
    forecaster = sh.GRU(units=4, epochs=2) if name == "GRU" else getattr(sh, name)()

    scores = sh.benchmark({name: forecaster}, *sh.split(data, test=0.3, seed=0), lookback=5, horizon=3, seed=0)

    assert np.isfinite(forecast(forecaster, data)).all()
    assert np.isfinite(sh.summary(scores)["error"]).all()


def test_they_can_be_drawn(data):
    panels = sh.plots.trajectories(data)

    assert len(panels) == 2
    plt.close("all")

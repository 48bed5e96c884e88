"""Measurements: formulas mean what the model means, noise and gaps belong to the trajectory."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.measurement.constraints import constraint_from_dict
from sbml_hybrid.measurement.effects import effect_from_dict
from sbml_hybrid.measurement.gaps import gap_from_dict
from sbml_hybrid.measurement.noise import noise_from_dict

TIMES = np.linspace(0, 10, 21)
MODEL = """compartment C = 2; species A in C; substanceOnly species B in C
A -> B; C*k*A; A = 5; B = 1; k = 0.3; y := 2*A + k"""


@pytest.fixture(scope="module")
def truth():
    model = sh.load(MODEL)
    return sh.simulate(model, sh.sample(sh.around(model, fold=2), 30, seed=0), times=TIMES)


def test_no_noise_and_no_gaps_give_the_truth_back(truth):
    data = sh.measure(truth, noise=sh.noise.Normal(sd=0), seed=1)

    np.testing.assert_array_equal(data["measured"], truth["truth"])
    np.testing.assert_array_equal(data["readout"], truth["truth"])


def test_a_formula_means_what_the_model_means(truth):
    data = sh.measure(truth, {"total": "A*C + B", "rule": "y", "constant": "k"}, seed=1)

    np.testing.assert_allclose(data["readout"].sel(observable="total"), 11.0, rtol=1e-9)
    a, k = truth["truth"].sel(species="A"), truth["parameters"].sel(parameter="k")
    np.testing.assert_allclose(data["readout"].sel(observable="rule"), 2 * a + k)
    np.testing.assert_allclose(data["readout"].sel(observable="constant"), k.values[:, None] * np.ones(21))
    assert data["nonnegative"].values.tolist() == [False, False, False]
    assert sh.measure(truth, ["A + 2*B", "A"], seed=1)["nonnegative"].values.tolist() == [True, True]


def test_a_part_of_the_trajectories_keeps_its_noise_and_its_gaps(truth):
    every = sh.measure(truth, keep=0.6, seed=4)
    some = sh.measure(truth.isel(trajectory=[20, 3]), keep=0.6, seed=4)

    np.testing.assert_array_equal(some["measured"], every["measured"].isel(trajectory=[20, 3]))


def test_gaps_do_not_change_the_noise_of_what_is_left(truth):
    whole, sparse = sh.measure(truth, seed=4)["measured"], sh.measure(truth, keep=0.5, seed=4)["measured"]

    left = sparse.notnull()
    np.testing.assert_array_equal(sparse.values[left], whole.values[left])


def test_the_share_that_is_kept_is_the_share_that_was_asked_for(truth):
    """Within 5 standard errors of a binomial: about 1 failure in 10^6 seeds."""
    kept = float(sh.measure(truth, keep=0.3, seed=5)["measured"].notnull().mean())

    assert abs(kept - 0.3) < 5 * np.sqrt(0.3 * 0.7 / truth["truth"].size)


def test_a_schedule_measures_at_its_times_and_no_others(truth):
    data = sh.measure(truth, schedule=[0, 0.5, 3, 10], seed=1)

    assert data["time"].values.tolist() == [0, 0.5, 3, 10]
    with pytest.raises(DataError, match="asks for time 0.7, which was not simulated"):
        sh.measure(truth, schedule=[0, 0.7], seed=1)


def test_the_truth_is_left_alone(truth):
    before = truth.copy(deep=True)

    sh.measure(truth, keep=0.5, seed=1)

    assert truth.identical(before)


def test_no_formula_makes_a_number_of_a_trajectory_that_failed():
    model = sh.load("S -> ; k*S; S = 1; k = 1; x = 1; x' = k*x^2")  # x is infinite at time 1/k
    truth = sh.simulate(model, pd.DataFrame({"k": [0.1, 5.0]}), times=[0.0, 1.0, 2.0])

    data = sh.measure(truth, {"most": "max(S, 0)", "one": "1 + 0*S"}, noise=sh.noise.Normal(sd=0), seed=0)

    assert np.isfinite(data["readout"].values[0]).all()
    assert np.isnan(data["readout"].values[1]).all()


@pytest.mark.parametrize("formula", ["A / B", "B / B", "ln(B)"])
def test_what_has_no_finite_value_is_missing_and_neither_measured_nor_censored(formula):
    model = sh.load("A -> B; k*A; A = 10; B = 0; k = 0.3")
    truth = sh.simulate(model, times=[0.0, 1.0, 2.0])

    data = sh.measure(truth, {"r": formula}, sh.noise.Linear(0.1, 0.1), limits=sh.Limits(low=-5, high=5), seed=1)

    sh.check(data)
    assert data["measured"].isnull().values.ravel().tolist() == [True, False, False]
    assert data["censored"].values[0, 0, 0] == 0


def test_a_trajectory_that_failed_has_no_measurements():
    truth = sh.simulate(sh.load("S = 1; k = 1; S' = k*S^2"), pd.DataFrame({"k": [0.01, 2.0]}), times=[0, 1, 2])

    measured = sh.measure(truth, seed=1)["measured"]

    assert measured[0].notnull().all() and measured[1].isnull().all()


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(truth, keep):
    with pytest.raises(ValueError, match="keep must be above 0 and at most 1"):
        sh.measure(truth, keep=keep, seed=1)


def test_an_unknown_observable_is_refused_with_the_closest_names(truth):
    with pytest.raises(UnknownName, match="No quantity 'Bb' in model. Did you mean 'B'"):
        sh.measure(truth, ["A + Bb"], seed=1)


def test_a_state_that_was_not_recorded_is_refused():
    truth = sh.simulate(sh.load(MODEL), None, times=TIMES, quantities=["A"])

    with pytest.raises(UnknownName, match="No recorded quantity 'B'.*simulate with quantities="):
        sh.measure(truth, ["A + B"], seed=1)


def test_no_observables_are_refused(truth):
    with pytest.raises(DataError, match="There are no observables"):
        sh.measure(truth, [], seed=1)


# -- replicates, plates, and all of it together --------------------------------------------------------

WHOLE = {
    "observables": {"A": "A", "B": "B", "sum": "A + B"},
    "noise": sh.noise.Lognormal(0.1),
    "keep": 0.9,
    "scaling": sh.Scaling(scale=100, fold=1.3, offset={"A": 1.0, "B": 2.0, "sum": 3.0}),
    "plates": sh.Plates(batches=3, wells=24),
    "effects": [sh.effects.Batch(0.1), sh.effects.Well(0.05, sd=1.0), sh.effects.Replicate(0.05, shared=True)],
    "replicates": 2,
    "constraints": [sh.constraints.Bounds(low=0), sh.constraints.Total(["A", "B"])],
    "limits": sh.Limits(low=20, high={"A": 900}),
    "gaps": [
        sh.gaps.DropOut(0.3),
        sh.gaps.Panels({"sum": [0, 5, 15, 30]}),
        sh.gaps.KeepExtremes(3, others=sh.gaps.RandomFraction(0.8)),
    ],
}


def test_noise_and_gaps_are_those_of_the_first_release(small):
    """The recipe, written out: datasets that were made with it keep their bytes."""
    data = sh.measure(small, noise=sh.noise.Normal(0.3), keep=0.7, seed=5)

    for row in (0, 17):
        noise, gaps = (np.random.default_rng(np.random.SeedSequence(5, spawn_key=(row, i))) for i in (0, 1))
        expected = small["truth"].values[row] + noise.normal(0, 0.3, (31, 2))
        expected[gaps.random((31, 2)) >= 0.7] = np.nan
        np.testing.assert_array_equal(data["measured"].values[row], expected)
    assert json.loads(data.attrs["measurement"]) == {"keep": 0.7, "schedule": None, "seed": 5}
    added = set(data.variables) - set(small.variables)
    assert added == {"readout", "measured", "observable", "nonnegative"}


def test_the_first_replicates_are_what_they_are_without_the_later_ones(small):
    how = {"keep": 0.6, "gaps": sh.gaps.DropOut(0.5), "effects": sh.effects.Replicate(0.2), "seed": 3}

    one, two, five = (sh.measure(small, replicates=n, **how)["measured"] for n in (1, 2, 5))

    assert one.dims == ("trajectory", "time", "observable")
    assert five.dims == ("trajectory", "replicate", "time", "observable")
    np.testing.assert_array_equal(five[:, :2], two)
    np.testing.assert_array_equal(two[:, 0], one)
    assert not np.array_equal(two[:, 0].notnull(), two[:, 1].notnull())


def test_replicates_scatter_independently_about_one_readout(small):
    """Within 5 standard errors: about 1 failure in 10^6 seeds."""
    data = sh.measure(small, noise=sh.noise.Normal(1.0), replicates=2, seed=1)

    errors = (data["measured"] - data["readout"]).transpose("replicate", ...).values.reshape(2, -1)
    assert abs(np.corrcoef(errors)[0, 1]) < 5 / np.sqrt(errors.shape[1])
    assert data["readout"].dims == ("trajectory", "time", "observable")


@given(rows=st.permutations(range(12)), count=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_any_trajectories_in_any_order_get_what_they_get_among_all(small, rows, count, seed):
    small = small.isel(trajectory=slice(12))
    rows = rows[:count]

    every, some = sh.measure(small, **WHOLE, seed=seed), sh.measure(small.isel(trajectory=rows), **WHOLE, seed=seed)

    xr.testing.assert_identical(some, every.isel(trajectory=rows))


def test_blocks_of_rows_put_together_are_the_whole(small):
    every = sh.measure(small, **WHOLE, seed=2)
    blocks = [sh.measure(small.isel(trajectory=slice(at, at + 7)), **WHOLE, seed=2) for at in range(0, 40, 7)]

    together = xr.concat(blocks, "trajectory", data_vars="minimal", combine_attrs="identical")

    xr.testing.assert_identical(together[list(every)], every)


def test_the_record_makes_the_same_measurement_again(small):
    data = sh.measure(small, **WHOLE, seed=4)

    record = json.loads(data.attrs["measurement"])
    again = sh.measure(
        small,
        json.loads(data.attrs["observables"]),
        noise_from_dict(json.loads(data.attrs["noise"])),
        record["keep"],
        scaling=sh.Scaling(**record["scaling"]),
        plates=sh.Plates(**record["plates"]),
        effects=[effect_from_dict(one) for one in record["effects"]],
        replicates=record["replicates"],
        constraints=[constraint_from_dict(one) for one in record["constraints"]],
        limits=sh.Limits(**record["limits"]),
        gaps=[gap_from_dict(one) for one in record["gaps"]],
        seed=record["seed"],
    )

    xr.testing.assert_identical(again, data)


def test_trajectories_with_names_and_with_times_of_their_own_are_measured():
    model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    truth = sh.simulate(model, times=[0.0, 1.0, 2.0])
    times = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, np.nan]])
    rows = np.concatenate(
        [truth["truth"].values, np.where(np.isnan(times[1:, :, None]), np.nan, truth["truth"].values)]
    )
    own = xr.Dataset(
        {"truth": (("trajectory", "sample", "species"), rows)},
        {
            "trajectory": ["cell a", "cell b"],
            "draw": ("trajectory", [0, 0]),
            "time": (("trajectory", "sample"), times),
            "species": ["S"],
        },
    )
    gaps = [sh.gaps.Intervals([(0.5, 1.5)]), sh.gaps.Tail(share=0.4), sh.gaps.DropOut(0.0)]

    data = sh.measure(own, {"S": "S", "clock": "S + time"}, sh.noise.Normal(0), gaps=gaps, replicates=2, seed=1)

    assert data["measured"].dims == ("trajectory", "replicate", "sample", "observable")
    assert data["measured"].notnull().values[:, :, :, 0].tolist() == [
        [[True, False, False]] * 2,
        [[True, False, False]] * 2,
    ]
    np.testing.assert_allclose(data["readout"].sel(observable="clock")[0], rows[0, :, 0] + times[0])
    sh.check(data)
    noisy = [sh.measure(part, seed=1)["measured"] for part in (own, own.isel(trajectory=[1]))]
    np.testing.assert_array_equal(noisy[0][1:], noisy[1])
    with pytest.raises(DataError, match="needs shared times, and each trajectory has its own"):
        sh.measure(own, schedule=[0.0], seed=1)


@pytest.mark.parametrize("replicates", [0, -1, 1.5, True])
def test_a_count_of_replicates_out_of_range_is_refused(small, replicates):
    with pytest.raises(ValueError, match="replicates must be a whole number, one or more"):
        sh.measure(small, replicates=replicates, seed=1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"noise": "lognormal:0.1"}, "takes noise models such as sh.noise.Normal"),
        ({"noise": sh.noise.Lognormal}, "takes noise models"),
        ({"gaps": "random"}, "takes models of missing points such as sh.gaps.DropOut"),
        ({"gaps": [sh.gaps.Tail(share=0.1), sh.gaps.Destructive]}, "takes models of missing points"),
        ({"effects": sh.effects.Batch}, "effects must be of sh.effects, such as Batch"),
        ({"constraints": sh.noise.Normal(1)}, "constraints must be of sh.constraints, such as Bounds"),
        ({"limits": (0.1, 5)}, r"limits must be sh.Limits\(...\), got \(0.1, 5\)"),
        ({"limits": {"low": 0.1}}, "limits must be sh.Limits"),
        ({"scaling": 2000.0}, "scaling must be sh.Scaling"),
        ({"plates": 4}, "plates must be sh.Plates"),
        ({"schedule": "0, 5 min"}, "times must be one or more numbers"),
        ({"keep": "0.5"}, "keep must be above 0 and at most 1, got '0.5'"),
    ],
)
def test_what_is_no_part_of_an_assay_is_refused_in_one_line(small, asked, said):
    with pytest.raises(ValueError, match=said) as caught:
        sh.measure(small, **asked, seed=1)

    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers(small):
    def parts(number, count):
        return {
            "noise": sh.noise.Linear(number, count),
            "keep": number,
            "gaps": sh.gaps.KeepExtremes(count, others=sh.gaps.RandomFraction(number)),
            "limits": sh.Limits(low={"A": number}),
            "effects": sh.effects.Replicate(cv=number),
            "plates": sh.Plates(batches=count),
            "replicates": count,
        }

    data = sh.measure(small, **parts(np.float32(0.5), np.int64(2)), seed=np.int64(1))

    xr.testing.assert_identical(data, sh.measure(small, **parts(0.5, 2), seed=1))


def test_measuring_what_was_measured_before_starts_anew(small):
    before = sh.measure(small, **WHOLE, seed=1)

    for how in ({"observables": ["A"]}, {"observables": ["B", "A"], "limits": sh.Limits(low=1), "replicates": 3}):
        again = sh.measure(before, **how, seed=2)
        fresh = sh.measure(small.assign_coords(batch=before["batch"], well=before["well"]), **how, seed=2)

        xr.testing.assert_identical(again[sorted(again.data_vars)], fresh[sorted(fresh.data_vars)])


# -- what comes after ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(small):
    return sh.measure(small, **WHOLE, seed=6)


def test_a_full_measurement_passes_the_check_and_survives_disk_and_table(lab, tmp_path):
    sh.check(lab)

    sh.save(lab, tmp_path / "lab.nc")
    stored, table = sh.open(tmp_path / "lab.nc"), sh.to_table(lab)
    back = sh.from_table(table)

    xr.testing.assert_identical(stored[sorted(lab.data_vars)], lab[sorted(lab.data_vars)])
    assert {"batch", "well", "replicate", "censored"} <= set(table.columns)
    for name in ("measured", "censored"):
        shared = lab[name].sel(trajectory=back["trajectory"], observable=back["observable"])
        np.testing.assert_array_equal(back[name], shared)


def test_a_full_measurement_is_split_and_forecast(lab):
    train, test = sh.split(lab, test=0.25, seed=1)
    rivals = {"persistence": sh.Persistence(), "ridge": sh.Ridge()}

    scores = sh.benchmark(rivals, train, test, lookback=8, horizon=5, seed=1)

    assert {"persistence", "ridge"} <= set(scores["forecaster"])
    assert set(scores["against"]) == {"truth", "measurement"}
    assert np.isfinite(scores["value"]).all()
    rmse = scores[(scores["metric"] == "rmse") & (scores["against"] == "truth")]
    mean = rmse.groupby("forecaster", observed=True)["value"].mean()
    assert mean["ridge"] < mean["persistence"]


def test_a_forecast_of_replicates_has_a_row_for_each(lab):
    train, test = sh.split(lab, test=0.25, seed=1)

    forecast = sh.Ridge().fit(train, lookback=8, horizon=5).predict(test.isel(time=slice(0, 12)))["forecast"]

    assert forecast.dims == ("trajectory", "replicate", "time", "observable")
    assert forecast.notnull().all()


def test_converting_drops_from_the_record_what_was_in_the_old_units():
    truth = _with_units()
    how = {"limits": sh.Limits(low=2), "gaps": sh.gaps.Tail(after=60), "effects": sh.effects.Replicate(0.1)}
    data = sh.measure(truth, **how, seed=1)

    minutes = json.loads(sh.convert(data, time="min").attrs["measurement"])
    other = sh.convert(data, concentration="nM")

    assert "gaps" not in minutes and {"limits", "effects"} <= set(minutes)
    assert not {"limits", "gaps", "effects"} & set(json.loads(other.attrs["measurement"]))
    assert json.loads(other.attrs["measurement"])["seed"] == 1
    assert {"gaps", "limits"} <= set(json.loads(sh.convert(data, time="s").attrs["measurement"]))


def test_arbitrary_units_are_not_converted():
    data = sh.measure(_with_units(), scaling=sh.Scaling({"S": 3.0}), seed=1).drop_vars(["truth", "species"])

    with pytest.raises(DataError, match="'a.u.', and what that means is not known"):
        sh.convert(data, units={"S": "nM"})


def _with_units():
    text = "model m; unit substance = 1e-6 mole; unit volume = litre; unit time_unit = second; "
    return sh.simulate(
        sh.load(text + "compartment C = 1; species S in C; S -> ; k*S; S = 10; k = 0.01; end"), times=[0, 60, 120]
    )

"""Other units are the same data in other numbers: exact, there and back, and never where the unit is not known."""

import json
import time

import numpy as np
import pint
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.calibration.likelihood import log_likelihood
from sbml_hybrid.data.units import differ, meaning, time_unit, units_attribute, units_of
from sbml_hybrid.errors import DataError, UnknownName

AVOGADRO = 6.02214076e23
MODEL = """model m
unit substance = 1e-6 mole; unit volume = litre; unit time_unit = second; unit extent = substance
compartment C = 2; species A in C; substanceOnly species B in C
A -> B; C*k*A; A = 5; B = 1; k = 0.3; p' = 1; p = 0
end"""
TIMES = ["ms", "s", "min", "h", "day", "week", "year"]
CONCENTRATIONS = ["pM", "nM", "uM", "mmol/l", "mol/m^3", "item/ml", "nmol/ul"]
AMOUNTS = ["fmol", "umol", "mol", "item"]


@pytest.fixture(scope="module")
def truth():
    return sh.simulate(sh.load(MODEL), times=np.linspace(0, 120, 5))


@pytest.fixture(scope="module")
def data(truth):
    observables = {"A": "A", "B": "B", "odd": "A + B"}
    return sh.measure(truth, observables, sh.noise.Normal(sd=0.2), 0.8, [0, 60, 90], seed=1)


def lab(values=((1.0, 2.0),), units="nM", **attrs):
    values = np.array(values, float)[..., None]
    series = xr.Dataset(
        {"measured": (("trajectory", "time", "observable"), values, {} if units is None else {"units": units})},
        {
            "trajectory": np.arange(len(values)),
            "draw": ("trajectory", np.arange(len(values))),
            "time": np.arange(values.shape[1], dtype=float),
            "observable": ["X"],
        },
    )
    return series.assign_attrs(attrs)


# -- closed forms ----------------------------------------------------------------------------------


def test_sixty_seconds_are_a_minute_exactly(truth):
    converted = sh.convert(truth, time="min")

    assert converted["time"].values.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert (converted.attrs["time_unit"], converted["time"].attrs["units"]) == ("min", "min")
    np.testing.assert_array_equal(converted["truth"], truth["truth"])


def test_a_millimole_is_avogadro_s_number_of_items_over_a_thousand():
    assert float(sh.convert(lab([[1.0]], "mmol"), amount="item")["measured"][0, 0, 0]) == pytest.approx(
        AVOGADRO / 1000, rel=1e-15
    )
    assert float(sh.convert(lab([[1.0]], "nM"), concentration="item/fl")["measured"][0, 0, 0]) == pytest.approx(
        0.602214076, rel=1e-15
    )


def test_concentrations_amounts_and_the_rest_each_have_their_own(truth):
    converted = sh.convert(truth, concentration="nM", amount="item")

    assert truth["truth"].attrs["units"] == '{"A": "umol/l", "B": "umol", "p": ""}'
    assert converted["truth"].attrs["units"] == '{"A": "nM", "B": "item", "p": ""}'
    ratio = (converted["truth"] / truth["truth"]).isel(trajectory=0, time=-1)
    np.testing.assert_allclose(ratio, [1000.0, AVOGADRO * 1e-6, 1.0], rtol=1e-15)


def test_one_quantity_is_converted_by_its_name(truth):
    converted = sh.convert(truth, units={"A": " item/l"})

    assert units_of(converted, "truth") == {"A": "item/l", "B": "umol", "p": ""}


# -- what goes with it -----------------------------------------------------------------------------


def test_truth_readout_and_measurements_are_converted_alike_and_gaps_stay(data):
    converted = sh.convert(data, time="min", concentration="nM")

    for variable in ("truth", "readout", "measured"):
        before, after = (one[variable].isel({one[variable].dims[-1]: 0}).values for one in (data, converted))
        np.testing.assert_allclose(after, 1000 * before, rtol=1e-15)
        assert units_of(converted, variable)["A"] == "nM"
    assert np.isnan(data["measured"]).values.sum() == np.isnan(converted["measured"]).values.sum()
    np.testing.assert_array_equal(converted["readout"].sel(observable="odd"), data["readout"].sel(observable="odd"))
    assert json.loads(converted.attrs["measurement"])["schedule"] == [0.0, 1.0, 1.5]
    sh.check(converted)


def test_the_limits_of_censored_points_are_converted_and_their_codes_stay():
    limits = lab([[1.0, 2.0]], "uM")
    limits["censored"] = limits["measured"].notnull().astype(np.int8)

    converted = sh.convert(limits, concentration="nM")

    assert converted["measured"].values.ravel().tolist() == [1000.0, 2000.0]
    np.testing.assert_array_equal(converted["censored"], limits["censored"])


def test_the_record_of_additive_noise_is_converted(truth):
    whole = sh.measure(truth, ["A"], sh.noise.Normal(sd=0.2), seed=1)
    mixed = sh.measure(truth, ["A", "B"], sh.noise.Normal(sd=0.2), seed=1)
    relative = sh.measure(truth, ["A", "B"], sh.noise.Lognormal(cv=0.2), seed=1)

    assert json.loads(sh.convert(whole, concentration="nM").attrs["noise"]) == {"kind": "Normal", "sd": 200.0}
    each = json.loads(sh.convert(mixed, units={"A": "nM"}).attrs["noise"])["noises"]
    assert {name: one["sd"] for name, one in each.items()} == {"A": 200.0, "B": 0.2}
    assert sh.convert(mixed, time="min").attrs["noise"] == mixed.attrs["noise"]
    assert sh.convert(relative, concentration="nM").attrs["noise"] == relative.attrs["noise"]


NOISES = [
    sh.noise.Linear(a=0.2, b=0.1),
    sh.noise.Poisson(scale=50),
    sh.noise.NegativeBinomial(scale=50, dispersion=0.1),
    sh.noise.Growing(start=0.1, end=0.5, until=40),
    sh.noise.Growing(start=0.1, end=0.5, until=40, relative=True),
    sh.noise.Autocorrelated(sh.noise.Normal(0.2), time=30),
    sh.noise.PerObservable({"A": sh.noise.Normal(0.2)}, default=sh.noise.Lognormal(0.1)),
    sh.noise.OneOf([sh.noise.Normal(0.2), sh.noise.Linear(0.5, 0.1)], weights=[3, 1], per="series"),
    sh.noise.InSequence([sh.noise.Lognormal(0.1), sh.noise.Normal(0.2)]),
]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: type(noise).__name__)
def test_measurements_are_as_likely_in_other_units(truth, noise):
    """But for the unit of the density: one over that of the measurement, where they are not counts."""
    data = sh.measure(truth, ["A", "B"], noise, seed=1)

    converted = sh.convert(data, time="min", units={"A": "nM"})

    found, expected = (
        log_likelihood(one, one["readout"], sh.noise.noise_from_dict(json.loads(one.attrs["noise"])))
        for one in (converted, data)
    )
    density = not hasattr(noise, "scale")
    np.testing.assert_allclose(found + density * data.sizes["time"] * np.log(1000), expected, rtol=1e-7)


def test_a_record_of_noise_that_cannot_be_converted_is_dropped(truth):
    choice = sh.noise.OneOf([sh.noise.Normal(0.1), sh.noise.Normal(0.2)], per="trajectory")
    data = sh.measure(truth, ["A", "B"], choice, seed=1)
    foreign = data.assign_attrs(noise=json.dumps({"kind": "Theirs", "sd": 0.1}))

    assert "noise" not in sh.convert(data, units={"A": "nM"}).attrs
    assert "noise" not in sh.convert(foreign, units={"A": "nM"}).attrs
    assert "noise" in data.attrs


def test_parameters_and_the_model_stay_as_they_are():
    model = sh.load(MODEL)
    truth = sh.simulate(model, sh.sample(sh.around(model, fold=2), 3, seed=0), times=[0, 60])

    converted = sh.convert(truth, time="h", concentration="nM")

    xr.testing.assert_identical(converted["parameters"], truth["parameters"])
    assert converted.attrs["sbml"] == truth.attrs["sbml"]


def test_individual_sampling_times_are_converted_with_their_padding():
    data = lab([[1.0, 2.0], [3.0, 4.0]], time_unit="h").drop_vars("time").rename(time="sample")
    times = np.array([[0.0, 1.5], [0.5, np.nan]])
    data = data.assign_coords(time=(("trajectory", "sample"), times), sample=[0, 1])

    np.testing.assert_array_equal(sh.convert(data, time="min")["time"], 60 * times)


def test_the_argument_is_left_alone_and_the_result_is_stored_whole(data, tmp_path):
    before = data.copy(deep=True)

    converted = sh.convert(data, time="min", concentration="nM", amount="item")
    sh.save(converted, tmp_path / "data.zarr")

    xr.testing.assert_identical(data, before)
    stored = sh.open(tmp_path / "data.zarr")
    xr.testing.assert_identical(stored, converted[list(stored.data_vars)])


def test_simulating_and_converting_is_a_simulation_of_the_converted_model():
    seconds = sh.load(MODEL)
    minutes = sh.load(
        MODEL.replace("= second", "= 60 second").replace("1e-6 mole", "1e-9 mole").replace("k = 0.3", "k = 18")
        .replace("A = 5; B = 1", "A = 5000; B = 1000").replace("p' = 1", "p' = 60")
    )  # fmt: skip

    one = sh.convert(sh.simulate(seconds, times=[0, 3, 6, 9]), time="min", concentration="nM", amount="nmol")
    other = sh.simulate(minutes, times=[0, 0.05, 0.1, 0.15])

    np.testing.assert_allclose(one["time"], other["time"], rtol=1e-15)
    np.testing.assert_allclose(one["truth"], other["truth"], rtol=1e-6)


# -- for every unit --------------------------------------------------------------------------------


@given(
    kind=st.sampled_from(["time", "concentration", "amount"]),
    picks=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    values=st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_there_and_back_is_the_same_and_pint_agrees(kind, picks, values):
    words = {"time": TIMES, "concentration": CONCENTRATIONS, "amount": AMOUNTS}[kind]
    here, there = (words[pick % len(words)] for pick in picks)
    data = lab([values], here if kind != "time" else "nM", time_unit=here if kind == "time" else "s")
    if kind == "time":
        data = data.assign_coords(time=values)

    converted = sh.convert(data, **{kind: there})
    back = sh.convert(converted, **{kind: here})

    def numbers(dataset):
        return (dataset["time"] if kind == "time" else dataset["measured"]).values.ravel()

    np.testing.assert_allclose(numbers(back), values, rtol=1e-15)
    np.testing.assert_allclose(
        numbers(converted), PINT.Quantity(np.array(values), here).to(there).magnitude, rtol=1e-12
    )
    assert (time_unit(back) if kind == "time" else units_of(back, "measured")["X"]) == here


PINT = pint.UnitRegistry()
PINT.define(f"item = {1 / AVOGADRO!r} mole")


@given(units=st.dictionaries(st.text("Aµ1_\" '{", max_size=5), st.sampled_from(["", "nM", "umol/l", "AU"]), min_size=1))
def test_units_by_name_are_kept_in_one_attribute(units):
    names = list(units)
    data = (
        lab(np.ones((1, 2))).drop_vars("observable").isel(observable=[0] * len(names)).assign_coords(observable=names)
    )
    data["measured"].attrs["units"] = units_attribute(units)

    assert units_of(data, "measured") == units


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("min", "minutes"), ("h", "hour"), ("uM", "\N{MICRO SIGN}M"), ("nM", "nmol/l"), ("nM", "nmol l^-1"),
        ("item", "molecule"),
    ],
)  # fmt: skip
def test_people_write_one_unit_in_many_ways(text, other):
    assert meaning(text) == meaning(other)
    assert not differ(text, other)


@pytest.mark.parametrize("text", ["a.u.", "RFU", "OD600 units", "", "degC", "nM nM nM(", "cells"])
def test_what_is_no_unit_means_nothing(text):
    assert meaning(text) is None
    assert not differ(text, "nM")


@pytest.mark.parametrize(
    "text", ["9^9^9^9", "(9^99)^99", "((9^99)^99)^99", "1e999999999", "m^999999999", "9**9**9**9", "(" * 99, "1" * 1000]
)
def test_a_hostile_unit_costs_no_time(text):
    began = time.perf_counter()

    assert meaning(text) is None
    assert time.perf_counter() - began < 2


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"time": "nM"}, DataError, r"^time is in s; 'nM' is a concentration\.$"),
        ({"concentration": "item"}, ValueError, r"concentration='item': this is an amount\."),
        ({"amount": "min"}, ValueError, r"amount='min': this is a time\."),
        ({"time": "hous"}, ValueError, r"time: 'hous' is not a unit\. Try 's', 'min'"),
        ({"time": 60}, ValueError, r"time: 60 is not a unit\."),
        ({"units": {"A": "item"}}, DataError, r"A is in umol/l, a concentration; 'item' is an amount\. It takes the"),
        ({"units": {"B": "nM"}}, DataError, r"B is in umol, an amount; .* measure the observable 'B/C'"),
        ({"units": {"p": "nM"}}, DataError, r"does not say the unit of 'p' in 'truth'"),
        ({"units": {"Z": "nM"}}, UnknownName, r"No species or observable 'Z' in the dataset"),
        ({"concentration": "g/l"}, DataError, r"Nothing here is a mass concentration\. A is in umol/l, a"),
        ({}, ValueError, r"Say what to convert to"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused_with_the_reason(truth, asked, error, message):
    with pytest.raises(error, match=message) as raised:
        sh.convert(truth, **asked)
    assert "\n" not in str(raised.value)


def test_a_unit_that_is_not_said_is_not_guessed():
    with pytest.raises(DataError, match=r"does not say the unit of its times\. Say it: data\.assign_attrs"):
        sh.convert(lab(), time="min")
    with pytest.raises(DataError, match=r"does not say the unit of 'measured'\. Say it: data\['measured'\]\.attrs"):
        sh.convert(lab(units=None), concentration="nM")
    with pytest.raises(DataError, match=r"'X' is in 'RFU', and what that means is not known"):
        sh.convert(lab(units="RFU"), concentration="nM")
    with pytest.raises(DataError, match="does not say the unit of its times"):
        sh.convert(sh.simulate(sh.load("S -> ; k*S; S = 1; k = 1"), times=[0, 1]), time="min")


def test_a_formula_does_not_mix_the_model_s_units_with_others(truth):
    converted = sh.convert(truth, concentration="nM")

    alone = sh.measure(converted, ["A"], sh.noise.Normal(sd=0), seed=0)

    assert units_of(alone, "measured") == {"A": "nM"}
    for formula in ("A*C", "k*A"):
        with pytest.raises(DataError, match=r"these trajectories are in others \(A in nM, in the model umol/l\)"):
            sh.measure(converted, [formula], seed=0)


def test_a_benchmark_and_a_band_want_one_unit(truth):
    model = sh.load(MODEL)
    draws = sh.sample(sh.around(model, fold=2), 6, seed=0)
    data = sh.measure(sh.simulate(model, draws, times=np.linspace(0, 60, 7)), ["A"], seed=0)
    train, test = sh.split(data, 0.5, seed=0)

    with pytest.raises(DataError, match="A is in umol/l in train, and in nM in test"):
        sh.benchmark({"mean": sh.SeriesMean()}, train, sh.convert(test, concentration="nM"), lookback=2, horizon=2)
    with pytest.raises(DataError, match="time is in s in the simulations, and in min in the measurements"):
        sh.plots.band(data, sh.convert(data, time="min"))


def test_a_mechanism_in_other_units_than_the_data_is_noticed():
    from sbml_hybrid.measurement.observables import unlike

    model = sh.load(MODEL)
    data = sh.measure(sh.simulate(model, times=[0, 1]), {"a": "A", "sum": "C*A + B"}, seed=0)
    formulas = {"a": "A", "sum": "C*A + B"}

    assert unlike(data, "measured", model, formulas) == ""
    assert unlike(sh.convert(data, time="h"), "measured", model, formulas) == "time in h, in the model s"
    assert unlike(sh.convert(data, amount="item"), "measured", model, formulas) == "sum in item, in the model umol"
    assert unlike(lab(time_unit="seconds"), "measured", model, {"X": "no_such_thing"}) == ""

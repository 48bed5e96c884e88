"""Hybrid is its mechanism before training, is told no future, and takes any history that its mechanism can have."""

import json
import logging
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.benchmarking.fingerprints import fingerprint
from sbml_hybrid.data.dataset import visible
from sbml_hybrid.data.windows import windows
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.networks import Perceptron
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.study.rivals import rival

pytestmark = pytest.mark.slow  # compiling layers takes minutes

# An enzyme and its substrate: two moieties, E + ES = 2 and S + ES + P = 10.
ENZYME = """
model enzyme
  bind: E + S -> ES; k1*E*S - k2*ES;
  turn: ES -> E + P; k3*ES;
  E = 2; S = 10; ES = 0; P = 0; k1 = 0.2; k2 = 0.1; k3 = 0.4;
end
"""
SIZES = {"lookback": 4, "horizon": 3}
TIMES = np.linspace(0, 12, 13)


def lab(model, draws=24, times=TIMES, observables=("S", "P"), fold=1.5, **settings):
    truth = sh.simulate(model, sh.sample(sh.around(model, fold), draws, seed=0), times=times)
    settings = {"noise": sh.noise.Normal(0.1), "keep": 0.8, "seed": 1} | settings
    return sh.measure(truth, observables=list(observables), **settings)


def error(forecast, test):
    truth = test["readout"].sel(time=forecast["time"].values, method="nearest").transpose(*forecast.dims)
    return float(np.sqrt(((forecast.values - truth.values) ** 2).mean()))


@pytest.fixture(scope="module")
def model():
    return sh.load(ENZYME)


@pytest.fixture(scope="module")
def data(model):
    return lab(model)


@pytest.fixture(scope="module")
def untrained(model, data):
    return sh.Hybrid(model, epochs=0, fold=1.5).fit(data, **SIZES)


@pytest.fixture(scope="module")
def trained(model, data):
    """Two passes are enough for its weights to be others than at the start."""
    return sh.Hybrid(model, epochs=2, batch=32, units=8, fold=1.5).fit(data.isel(trajectory=slice(0, 16)), **SIZES)


# -- what it is before training --------------------------------------------------------------------


@pytest.mark.parametrize("origin", [4, 9, 13])
def test_untrained_it_goes_the_models_own_course(untrained, data, model, origin):
    forecast = untrained.predict(data.isel(time=slice(0, origin)))["forecast"]

    own = sh.simulate(model, times=np.append(0.0, forecast["time"]))["truth"].sel(species=["S", "P"])[:, 1:]
    np.testing.assert_allclose(forecast, np.broadcast_to(own, forecast.shape), atol=0.03)


def test_times_far_beyond_training_are_reached(untrained, data, model):
    history = data.isel(time=slice(0, 9))

    forecast = untrained.predict(history, times=[60.0, 8.5, 30.0])["forecast"]

    own = sh.simulate(model, times=[0, 8.5, 30.0, 60.0])["truth"].sel(species=["S", "P"])[0]
    np.testing.assert_allclose(forecast[0], own.values[[3, 1, 2]], atol=0.03)


# -- what it promises as every forecaster ----------------------------------------------------------


def test_nothing_after_the_origin_changes_a_forecast(trained, data):
    changed = data.copy(deep=True)
    changed["measured"] = changed["measured"].where(changed["time"] < TIMES[8], 1e6)
    for name in ("truth", "readout", "parameters"):
        changed[name] = changed[name] * 0.0

    before, after = (trained.predict(one.isel(time=slice(0, 8)))["forecast"] for one in (data, changed))

    np.testing.assert_array_equal(before, after)


def test_training_changes_it_and_the_same_seed_gives_the_same(trained, untrained, data):
    history = data.isel(time=slice(0, 8))

    gained = np.abs(trained.predict(history)["forecast"] - untrained.predict(history)["forecast"])

    assert float(gained.max()) > 1e-3


def test_any_gap_is_taken_and_nothing_is_negative(trained, data):
    history = data.isel(time=slice(0, 8))
    some = history["measured"].where(np.random.default_rng(0).random(history["measured"].shape) < 0.2)

    for measured in (some, some * np.nan):
        forecast = trained.predict(history.assign(measured=measured))["forecast"]
        assert np.isfinite(forecast).all() and (forecast >= 0).all()


def test_a_saved_one_forecasts_what_it_forecast_in_another_process(trained, data, tmp_path):
    history = data.isel(time=slice(0, 8))
    trained.save(tmp_path / "kept")
    sh.save(history, tmp_path / "history.zarr")

    script = (
        "import sys, numpy as np, sbml_hybrid as sh; folder = sys.argv[1];"
        "fitted = sh.load_forecaster(folder + '/kept');"
        "np.save(folder + '/answer.npy', fitted.predict(sh.open(folder + '/history.zarr'))['forecast'].values)"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": path})

    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), trained.predict(history)["forecast"])
    assert json.loads((tmp_path / "kept" / "forecaster.json").read_text())["kind"] == "Hybrid"


# -- what it reads off a history -------------------------------------------------------------------


def test_whatever_the_network_says_moieties_hold_and_bounds_too(untrained, data):
    assimilation = untrained.learned.assimilation
    past = sh_windows(data)
    inputs = assimilation.inputs(past)
    numbers = np.random.default_rng(0).normal(scale=30, size=(len(past), assimilation.count))

    given = assimilation.given(*as_tensors(numbers, inputs), arrays())

    parameters, initial = (keras.ops.convert_to_numpy(given[k]) for k in ("parameters", "initial"))
    own = np.array([0.2, 0.1, 0.4])
    assert assimilation.parameters == ("k1", "k2", "k3") and assimilation.initial == ("E", "S", "ES", "P")
    assert (parameters <= own * 1.5**2 * 1.001).all() and (parameters >= own / 1.5**2 / 1.001).all()
    assert (initial >= 0).all()
    np.testing.assert_allclose(initial[:, 1] + initial[:, 2] + initial[:, 3], 10, rtol=0.02)
    early = inputs["early"][:, 0] == 1
    np.testing.assert_allclose(initial[early], np.broadcast_to([2, 10, 0, 0], (early.sum(), 4)), atol=1e-6)
    assert early.any() and initial[~early].std(axis=0).min() > 0.01


def test_zeros_of_the_network_are_the_model_itself(untrained, data):
    assimilation = untrained.learned.assimilation
    inputs = assimilation.inputs(sh_windows(data))

    given = assimilation.given(*as_tensors(np.zeros((len(inputs["times"]), 7)), inputs), arrays())

    late = inputs["early"][:, 0] == 0
    np.testing.assert_allclose(keras.ops.convert_to_numpy(given["initial"])[late], inputs["base"][late], rtol=1e-3)


def test_known_inputs_are_taken_as_they_are(model):
    data = lab(model, draws=8, keep=1.0)

    told = visible(data, known=["k1", "k2", "k3"])

    fitted = sh.Hybrid(model, epochs=0).fit(told, **SIZES)

    forecast = fitted.predict(data.isel(time=slice(0, 9)))["forecast"]
    assert fitted.learned.assimilation.own == {}
    assert error(forecast, data) < 0.03


def test_it_says_what_its_mechanism_does_not_do(model, caplog):
    dosed = sh.Condition("dosed", inputs=[sh.Dose("S", 5.0, time=6.0)])
    draws = sh.sample(sh.around(model, 1.5), 4, seed=0)
    truth = sh.simulate(model, draws, times=TIMES, conditions=[dosed])
    data = sh.measure(truth, observables=["S", "P"], noise=sh.noise.Normal(0.1), seed=1)

    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        sh.Hybrid(model, epochs=0).fit(data, **SIZES)

    assert "forecasts without what was done to the training data: The dataset has doses of S" in caplog.text


def test_a_model_that_mentions_time_starts_at_time_0(caplog):
    driven = sh.load("S -> ; k*S; -> S; a*(1 + sin(time)); S = 4; k = 0.3; a = 1;")
    data = lab(driven, draws=5, observables=["S"])

    with caplog.at_level(logging.INFO, "sbml_hybrid"):
        fitted = sh.Hybrid(driven, epochs=0).fit(data, **SIZES)

    assert "starts at time 0 for every forecast: its formulas mention time" in caplog.text
    assert fitted.learned.assimilation.initial == ()
    forecast = fitted.predict(data.isel(time=slice(0, 9)))["forecast"]
    own = sh.simulate(driven, times=np.append(0, forecast["time"]))["truth"][0, 1:]
    np.testing.assert_allclose(forecast[0], own, atol=0.02)


def test_what_did_not_arrive_stays_where_it_was(untrained, data, caplog):
    history = data.isel(time=slice(0, 9))
    short = replace(untrained.learned, accuracy=replace(untrained.learned.accuracy, steps=4))

    forecast = replace(untrained, learned=short).predict(history, times=[9.0, 10.0, 11.0])

    assert np.isfinite(forecast["forecast"]).all()
    assert f"of {history.sizes['trajectory']} trajectories did not arrive" in caplog.text


# -- grafts and settings ---------------------------------------------------------------------------


def test_grafts_are_copied_pickled_and_have_fingerprints(model):
    network = Perceptron(4, 1, seed=0)
    layer = keras.layers.Dense(3, "tanh")
    layer.build((None, 1))
    hybrid = sh.Hybrid(model, [sh.Graft("turn", network, ["ES"]), sh.Graft("bind", layer, ["S"])])

    again = pickle.loads(pickle.dumps(hybrid))

    assert again.grafts[0].port == ("turn",) and again.grafts[0].network is not network
    np.testing.assert_array_equal(again.grafts[1].network.get_weights()[0], layer.get_weights()[0])
    assert not network.built and hybrid.grafts[0].network is network
    other = replace(hybrid, grafts=[sh.Graft("turn", Perceptron(5, 1, seed=0), ["ES"])])
    assert fingerprint(hybrid) == fingerprint(hybrid) != fingerprint(other)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": "models/x.ant"}, "model must be a mechanism, as sh.load gives it, got str"),
        ({"grafts": [3]}, "grafts must be sh.Graft"),
        ({"estimate": "posterior"}, "estimate must be None, 'prior' or a list of names"),
        ({"fold": 1}, "fold must be a factor above 1, got 1"),
        ({"epochs": -1}, "epochs must be a whole number, 0 or more"),
        ({"rate": 0}, "rate must be above 0"),
        ({"tolerance": 2}, "tolerance must be between 0 and 1"),
        ({"precision": "float16"}, "precision must be float32 or float64"),
    ],
)
def test_settings_out_of_range_are_refused(model, setting, message):
    with pytest.raises(ValueError, match=message):
        sh.Hybrid(**{"model": model} | setting)


def test_what_the_mechanism_does_not_have_is_refused_by_its_name(model, data):
    other = sh.load("S -> ; k*S; S = 10; k = 0.1")

    with pytest.raises(UnknownName, match="No quantity to observe 'P'"):
        sh.Hybrid(other, epochs=0).fit(data, **SIZES)
    with pytest.raises(UnknownName, match="Did you mean 'k3'"):
        sh.Hybrid(model, estimate=["kk3"], epochs=0).fit(data, **SIZES)
    with pytest.raises(UnknownName, match="No channel 'p'"):
        sh.Hybrid(model, observables={"p": "P"}, epochs=0).fit(data, **SIZES)


def test_data_in_other_units_or_before_time_0_is_refused(model, data):
    timed = sh.load("model m; unit time_unit = 60 second; S -> ; k*S; S = 10; k = 0.1; end")
    hours = sh.convert(lab(timed, draws=5, observables=["S"]), time="h")

    with pytest.raises(DataError, match="other units .time in h, in the model min.. Try sh.convert on the data"):
        sh.Hybrid(timed, epochs=0).fit(hours, **SIZES)
    with pytest.raises(DataError, match="A mechanism starts at time 0, and the data begins at -5"):
        sh.Hybrid(model, epochs=0).fit(data.assign_coords(time=data["time"] - 5), **SIZES)


def test_studies_and_the_command_line_know_it_by_its_name(model):
    assert rival("hybrid", {"epochs": 3, "estimate": ["k1"]}, model, "here") == sh.Hybrid(
        model, epochs=3, estimate=("k1",)
    )


# -- slow: several compilations, or much training --------------------------------------------------


@pytest.mark.slow
def test_it_beats_persistence_and_the_mechanism_alone(model):
    train, test = sh.split(lab(model, draws=60), test=0.25, seed=0)

    fitted = sh.Hybrid(model, epochs=15, fold=1.5).fit(train, **SIZES)

    for origin in (4, 7, 10):
        history = test.isel(time=slice(0, origin))
        forecast, naive = (f.predict(history)["forecast"] for f in (fitted, sh.Persistence().fit(train, **SIZES)))
        alone = sh.simulate(model, times=np.append(0.0, forecast["time"]))["truth"].sel(species=["S", "P"])[:, 1:]
        own = forecast.copy(data=np.broadcast_to(alone, forecast.shape))
        assert error(forecast, test) < 0.7 * min(error(naive, test), error(own, test))


@pytest.mark.slow
def test_it_takes_part_in_a_benchmark_twice(model, tmp_path):
    train, test = sh.split(lab(model), test=0.25, seed=0)
    lumped = sh.load("turn: S -> P; k*S; S = 10; P = 0; k = 0.1")
    rivals = {"hybrid": sh.Hybrid(model, epochs=2, units=8), "last value": sh.Persistence()}

    scores = sh.benchmark(rivals, train, test, **SIZES, mechanism=lumped, folder=tmp_path)

    rows = set(zip(scores["forecaster"], scores["mechanism"], strict=True))
    assert {("hybrid", "true"), ("hybrid", "wrong"), ("last value", "none")} <= rows
    assert np.isfinite(scores.loc[scores["forecaster"] == "hybrid", "value"]).all()


@pytest.mark.slow
def test_times_of_their_own_and_grafts_that_learn_a_missing_reaction(model):
    incomplete = sh.load(ENZYME.replace("k3*ES", "0.1*k3*ES"))
    data = lab(model, draws=40, times=sh.irregular(40, (10, 14), 12.0, seed=0), keep=0.9)
    given = Perceptron(6, 1, seed=0)
    hybrid = sh.Hybrid(
        incomplete, sh.Graft("turn", given, ["ES"]), estimate=["k1"], epochs=2, units=8,
        penalties=[sh.penalties.LeastAction(weight=1e-3)],
    )  # fmt: skip

    one, same = (hybrid.fit(data, **SIZES, seed=1).predict(data)["forecast"] for _ in range(2))

    assert np.isfinite(one).all() and not given.built
    np.testing.assert_array_equal(one, same)


def sh_windows(data):
    return windows(visible(data), **SIZES)


def as_tensors(numbers, inputs):
    to = keras.ops.convert_to_tensor
    return to(numbers, dtype="float32"), {name: to(x, dtype="float32") for name, x in inputs.items()}


def arrays():
    return Arrays(keras.ops)

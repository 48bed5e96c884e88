"""Residual is the mechanism before training, is told no secret, and asks no solver when it forecasts."""

import dataclasses
import json

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.data.dataset import visible
from sbml_hybrid.data.windows import histories, windows
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.forecasting import paths
from sbml_hybrid.forecasting.paths import draws_for, noise_for, priors_for

UNTRAINED = sh.MLP(units=4, epochs=0)


def error(forecast, test):
    truth = test["readout"].sel(time=forecast["time"])
    return float(np.sqrt(((forecast["forecast"] - truth) ** 2).mean()))


def test_untrained_it_is_the_mechanism(model, train, history, sizes):
    forecast = sh.Residual(model, network=UNTRAINED).fit(train, **sizes).predict(history)["forecast"]

    nominal = sh.simulate(model, times=np.linspace(0, 24, 25))
    path = nominal["truth"].sel(species=["A", "B"], time=forecast["time"])
    np.testing.assert_allclose(forecast, np.broadcast_to(path, forecast.shape), rtol=1e-6)


def test_told_every_parameter_it_is_the_truth(model, train, test, sizes):
    known = visible(train, known=["k1", "k2", "k3"])
    fitted = sh.Residual(model, network=UNTRAINED, estimate="prior").fit(known, **sizes)

    forecast = fitted.predict(test.isel(time=slice(0, 12)))

    truth = test["readout"].sel(time=forecast["time"])
    np.testing.assert_allclose(forecast["forecast"], truth, rtol=1e-5)


def test_told_one_parameter_it_knows_more(model, train, test, sizes):
    residual = sh.Residual(model, network=UNTRAINED, estimate="prior", draws=300)
    history = test.isel(time=slice(0, 12))

    told = residual.fit(visible(train, known=["k1"]), **sizes).predict(history)

    assert error(told, test) < error(residual.fit(train, **sizes).predict(history), test)


def test_estimated_it_is_the_weighted_mean_over_its_library(model, train, history, sizes):
    fitted = sh.Residual(model, network=UNTRAINED, estimate="prior", draws=60).fit(train, **sizes)

    forecast = fitted.predict(history)["forecast"]

    library = fitted.learned.mechanism
    draws = sh.simulate(model, library.draws, times=np.linspace(0, 24, 25))["truth"].sel(species=["A", "B"])
    sigma = sh.noise.Lognormal(cv=0.1).sigma
    for i in range(history.sizes["trajectory"]):
        seen = history["measured"][i, -fitted.lookback :].values
        z = (np.log(seen / draws[:, 12 - fitted.lookback : 12].values) + sigma**2 / 2) / sigma
        # No single measurement counts for more than ten standard deviations.
        density = -0.5 * z**2
        density = np.maximum(density - density.max(axis=0), -50.0)
        likelihood = library.power * np.nansum(density, axis=(1, 2))
        weights = np.exp(likelihood - likelihood.max())
        mean = np.tensordot(weights / weights.sum(), draws[:, 12:17].values, axes=1)
        np.testing.assert_allclose(forecast[i], mean, rtol=1e-4)


def test_estimating_beats_the_nominal_mechanism(model, train, test, sizes):
    history = test.isel(time=slice(0, 12))

    errors = [
        error(sh.Residual(model, UNTRAINED, estimate, draws=300).fit(train, **sizes).predict(history), test)
        for estimate in (None, "prior")
    ]

    assert errors[1] < 0.5 * errors[0]


def test_the_power_is_the_one_that_forecasts_the_training_data_best(model, train, sizes):
    fitted = sh.Residual(model, network=UNTRAINED, estimate="prior", draws=60).fit(train, **sizes)

    past, library = windows(visible(train), **sizes), fitted.learned.mechanism
    errors = {}
    for power in paths._POWERS:
        ahead = dataclasses.replace(library, power=power).along(past).ahead
        errors[power] = np.nansum(((ahead - past.target) / fitted.learned.preparation.scaling.spread) ** 2)
    assert library.power == min(errors, key=errors.get)


def test_no_solver_runs_at_prediction(learned, history, monkeypatch):
    fitted = learned("Residual, estimated")

    def refuse(*args, **kwargs):
        raise AssertionError("a solver was asked")

    monkeypatch.setattr(paths, "simulate", refuse)

    assert np.isfinite(fitted.predict(history)["forecast"]).all()
    assert np.isfinite(fitted.predict(history, times=[11.5, 13.33])["forecast"]).all()


def test_times_beyond_the_library_are_simulated(model, train, test, sizes):
    fitted = sh.Residual(model, network=UNTRAINED, estimate="prior", draws=60).fit(train, **sizes)

    forecast = fitted.predict(test.isel(time=slice(0, 12)), times=[12.0, 60.0])

    draws = sh.simulate(model, fitted.learned.mechanism.draws, times=[60.0])["truth"].sel(species=["A", "B"])
    low, high = draws.min("trajectory").values[0], draws.max("trajectory").values[0]
    last = forecast["forecast"].values[:, 1]
    assert ((low <= last) & (last <= high)).all()
    assert last.std() > 0


def test_the_library_is_never_the_data_itself(model, measured):
    """Drawn with the seed of the fit, the data's own draws would stand in the library, and so would the answer."""
    priors = sh.around(model, fold=1.3)

    draws = draws_for(priors, np.empty((5, 0)), [], 40, seed=0)

    assert not np.isin(draws.values, measured["parameters"].values).any()


def test_a_library_draws_known_inputs_from_the_training_data(model):
    priors = {name: prior for name, prior in sh.around(model, fold=1.3).items() if name != "k1"}
    known = np.array([[0.5], [0.7]])

    draws = draws_for(priors, known, ["k1"], 40, seed=0)

    assert set(draws["k1"]) == {0.5, 0.7}
    assert list(draws.columns) == ["k2", "k3", "k1"]


def test_limits_count_as_limits(model, train, sizes):
    """Below a limit of 5, everything lower is as likely; the same 5 measured says much more."""
    fitted = sh.Residual(model, network=UNTRAINED, estimate="prior", draws=60).fit(train, **sizes)
    past = histories(visible(train), sizes["lookback"])
    measured = dataclasses.replace(past, values=np.full_like(past.values, 5.0), query_times=past.times[:, -1:] + 1)
    limited = dataclasses.replace(measured, censored=np.full(past.values.shape, -1))

    spread = [fitted.learned.mechanism.along(windows).ahead_sd.mean() for windows in (measured, limited)]

    assert spread[1] > spread[0]


def test_a_wrong_mechanism_varies_what_it_has(train, sizes, history):
    lumped = sh.load("A -> 2 A; k1*A; A + B -> 2 B; k2*A*B; B -> ; kd*B; A=10; B=5; k1=0.6; k2=0.05; kd=0.5;")

    priors = priors_for(lumped, "prior", train.attrs)
    fitted = sh.Residual(lumped, network=UNTRAINED, estimate="prior", draws=30).fit(train, **sizes)

    assert sorted(priors) == ["k1", "k2"]
    assert np.isfinite(fitted.predict(history)["forecast"]).all()


def test_quantities_that_were_drawn_together_are_drawn_together_again(model):
    tied = sh.priors.Joint({"k1": sh.priors.LogUniform(0.5, 1)}, formulas={"k2": "k1 / 10"})
    other = sh.priors.Joint({"k1": sh.priors.LogUniform(0.5, 1), "q": sh.priors.Fixed(1)})
    said = {"tied": sh.priors.to_dict(tied), "other": sh.priors.to_dict(other)}

    priors = priors_for(model, "prior", {"design": json.dumps({"priors": said})})
    draws = draws_for(priors, np.empty((5, 0)), [], 8, seed=0)

    assert priors == {"tied": tied} == priors_for(model, {"tied": tied}, {})
    np.testing.assert_array_equal(draws["k2"], draws["k1"] / 10)


def test_a_mechanism_without_the_observable_is_refused_by_its_name(train, sizes):
    other = sh.load("A -> ; k1*A; A = 10; k1 = 0.1")

    with pytest.raises(UnknownName, match="No quantity 'B'"):
        sh.Residual(other).fit(train, **sizes)


def test_a_mechanism_with_nothing_to_estimate_says_so(train, sizes):
    other = sh.load("A -> ; q*A; A -> B; q*A; A = 10; B = 5; q = 0.1")

    with pytest.raises(DataError, match="has none of the quantities that the training data varied: k1, k2, k3"):
        sh.Residual(other, estimate="prior").fit(train, **sizes)


def test_data_that_does_not_say_its_priors_or_noise_asks_for_them(model, train, sizes):
    silent = train.assign_attrs(design="{}")
    with pytest.raises(DataError, match="estimate='prior' takes what the training data varied, and this data does not"):
        sh.Residual(model, estimate="prior").fit(silent, **sizes)

    del silent.attrs["noise"]
    with pytest.raises(DataError, match="Try noise=sh.noise.Lognormal"):
        sh.Residual(model, estimate=sh.around(model, fold=1.3)).fit(silent, **sizes)


def test_a_quantity_to_estimate_that_the_model_lacks_is_named(model, train, sizes):
    with pytest.raises(UnknownName, match="No quantity 'k9'"):
        sh.Residual(model, estimate={"k9": sh.priors.LogUniform(1, 2)}).fit(train, **sizes)


def test_data_before_time_zero_is_refused(model, train, sizes):
    with pytest.raises(DataError, match="A mechanism starts at time 0, and the data begins at -5"):
        sh.Residual(model).fit(train.assign_coords(time=train["time"] - 5), **sizes)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": "models/x.ant"}, "model must be a mechanism, as sh.load gives it, got str"),
        ({"network": "GRU"}, "network must be the settings of one"),
        ({"estimate": "posterior"}, "estimate must be None, 'prior' or priors by name"),
        ({"draws": 1}, "draws must be a whole number, two or more"),
    ],
)
def test_settings_out_of_range_are_refused(model, setting, message):
    with pytest.raises(ValueError, match=message):
        sh.Residual(**{"model": model} | setting)


def test_data_in_other_units_than_the_mechanism_is_said(caplog, sizes):
    model = sh.load("model m; unit time_unit = 60 second; S -> ; k*S; S = 10; k = 0.1; end")
    truth = sh.simulate(model, sh.sample(sh.around(model, fold=2), 6, seed=0), times=np.linspace(0, 24, 25))
    data = sh.measure(truth, seed=1)
    residual = sh.Residual(model, network=UNTRAINED)

    residual.fit(data, **sizes)
    assert "other units" not in caplog.text
    residual.fit(sh.convert(data, time="h"), **sizes)

    assert "the data have other units (time in h, in the model min). Try sh.convert on the data" in caplog.text


def test_draws_are_weighed_by_the_noise_of_each_observable_and_each_point_by_itself(model, train, history, sizes):
    noise = sh.noise.PerObservable(
        {"A": sh.noise.Autocorrelated(sh.noise.Lognormal(0.1), 5), "never measured": sh.noise.Normal(1)},
        default=sh.noise.OneOf([sh.noise.Lognormal(0.1), sh.noise.Lognormal(0.1)], per="series"),
    )
    residual = sh.Residual(model, network=UNTRAINED, estimate="prior", draws=40)

    plain, other = (
        dataclasses.replace(residual, noise=one).fit(train, **sizes).predict(history)["forecast"]
        for one in (sh.noise.Lognormal(0.1), noise)
    )

    np.testing.assert_allclose(other, plain, rtol=1e-5)


def test_noise_changes_with_time_and_where_there_is_none_the_draws_are_weighed_all_the_same():
    said = {"noise": '{"kind": "Growing", "start": 0.0, "end": 2.0, "until": 9.0}'}

    growing = noise_for(None, said, ["A"])
    exact = noise_for(sh.noise.PerObservable({"A": sh.noise.Normal(0)}, sh.noise.Normal(3)), {}, ["A", "B"])

    assert growing == sh.noise.Growing(0, 2, until=9)
    np.testing.assert_allclose(exact.scatter(np.ones((1, 2))), [[0.02, 3.0]])


def test_noise_that_needs_whole_series_cannot_weigh_draws(model, train, sizes):
    residual = sh.Residual(model, UNTRAINED, "prior", draws=5, noise=sh.noise.AdjustingMean(0.2, 0.1))

    with pytest.raises(DataError, match="AdjustingMean noise needs whole series"):
        residual.fit(train, **sizes)

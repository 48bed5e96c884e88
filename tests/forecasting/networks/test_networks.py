"""The networks learn what is measured, from whole draws, and better than regression can."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.forecasting.networks.network import Weights

FAMILIES = [sh.MLP, sh.GRU]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_untrained_network_forecasts_the_mean(family, train, history, sizes):
    forecast = family(epochs=0).fit(train, **sizes).predict(history)["forecast"]

    mean = train["measured"].mean(("trajectory", "time"))
    np.testing.assert_allclose(forecast, np.broadcast_to(mean, forecast.shape), rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_depends_on_the_seed(family, train, history, sizes):
    config = family(units=4, epochs=1)

    forecasts = [config.fit(train, **sizes, seed=seed).predict(history)["forecast"] for seed in (1, 2)]

    assert (forecasts[0] != forecasts[1]).any()


def test_a_single_trajectory_is_enough_to_train(train, test, sizes):
    fitted = sh.GRU(units=4, epochs=2).fit(train.isel(trajectory=[0]), **sizes)

    assert np.isfinite(fitted.predict(test)["forecast"]).all()


def test_a_fitted_network_travels_as_plain_arrays(learned, history):
    fitted = learned("GRU")
    forecast = fitted.predict(history)["forecast"]

    weights = pickle.loads(pickle.dumps(fitted.learned.weights))

    assert isinstance(weights, Weights)
    assert "_live" not in vars(weights)
    assert all(type(w) is np.ndarray and w.dtype == np.float32 for w in weights.arrays)
    np.testing.assert_array_equal(fitted.predict(history)["forecast"], forecast)


@pytest.mark.parametrize("number", [1, 3])
def test_a_forecast_does_not_depend_on_its_company(learned, history, number):
    forecast = learned("GRU").predict(history)["forecast"]

    alone = learned("GRU").predict(history.isel(trajectory=slice(0, number)))["forecast"]

    np.testing.assert_allclose(alone, forecast[:number], rtol=1e-5)


OTHER_BACKEND = """
import sys
import numpy as np
import sbml_hybrid as sh
history = sh.open(sys.argv[1] + "/history.zarr")
forecast = sh.load_forecaster(sys.argv[1] + "/kept").predict(history)["forecast"].values
fitted = sh.GRU(units=4, epochs=2).fit(history, lookback=8, horizon=2)
assert np.isfinite(fitted.predict(history)["forecast"]).all()
np.save(sys.argv[1] + "/forecast.npy", forecast)
"""


@pytest.mark.jax
def test_a_network_trained_on_one_backend_forecasts_on_the_other(learned, history, tmp_path):
    pytest.importorskip("jax")
    sh.save(history, tmp_path / "history.zarr")
    learned("GRU").save(tmp_path / "kept")
    import keras

    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"

    subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND, str(tmp_path)], check=True, env=os.environ | {"KERAS_BACKEND": other}
    )

    forecast = learned("GRU").predict(history)["forecast"]
    np.testing.assert_allclose(np.load(tmp_path / "forecast.npy"), forecast, rtol=1e-4)


@pytest.mark.slow
def test_networks_beat_ridge_where_the_future_is_not_linear_in_the_past(model):
    draws = sh.sample(sh.around(model, fold=1.3), 200, seed=0)
    truth = sh.simulate(model, draws, times=np.linspace(0, 24, 25))
    data = sh.measure(truth, observables=["A", "B"], noise=sh.noise.Lognormal(cv=0.1), keep=0.7, seed=1)
    train, test = sh.split(data, test=0.3, seed=2)

    scores = sh.benchmark({"ridge": sh.Ridge(), "MLP": sh.MLP(), "GRU": sh.GRU()}, train, test, lookback=8, horizon=5)

    error = sh.summary(scores, resamples=10).set_index("forecaster")["error"]
    assert error[["MLP", "GRU"]].max() < 0.9 * error["ridge"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"units": 0}, "units must be a whole number, 1 or more, got 0"),
        ({"epochs": -1}, "epochs must be a whole number, 0 or more, got -1"),
        ({"batch": 2.5}, "batch must be a whole number"),
        ({"rate": -1e-3}, "rate must be zero or more"),
        ({"scale": "sqrt"}, "scale must be one of"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_value(setting, message):
    with pytest.raises(ValueError, match=message):
        sh.GRU(**setting)

"""The naive forecasters are what pandas would say."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st


def gappy(history, seed):
    lost = np.random.default_rng(seed).random(history["measured"].shape) < 0.8
    return history.assign(measured=history["measured"].where(~lost))


@given(seed=st.integers(0, 1000))
def test_persistence_repeats_the_last_measured_value(learned, train, history, seed):
    gaps = gappy(history, seed)
    fitted = learned("Persistence")

    forecast = fitted.predict(gaps)["forecast"]

    mean = train["measured"].mean(("trajectory", "time")).values
    for row, series in zip(forecast.values, gaps["measured"].values, strict=True):
        expected = pd.DataFrame(series[-fitted.lookback :]).ffill().iloc[-1].fillna(pd.Series(mean))
        np.testing.assert_allclose(row, np.tile(expected, (5, 1)), rtol=1e-12)


@given(seed=st.integers(0, 1000))
def test_series_mean_is_the_mean_of_what_was_measured(learned, train, history, seed):
    gaps = gappy(history, seed)
    fitted = learned("SeriesMean")

    forecast = fitted.predict(gaps)["forecast"]

    mean = train["measured"].mean(("trajectory", "time")).values
    for row, series in zip(forecast.values, gaps["measured"].values, strict=True):
        expected = pd.DataFrame(series[-fitted.lookback :]).mean().fillna(pd.Series(mean))
        np.testing.assert_allclose(row, np.tile(expected, (5, 1)), rtol=1e-12)

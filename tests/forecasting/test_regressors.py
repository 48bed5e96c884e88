"""The ridge is the ridge that one would write out row by row; the forest does not care how it is grown."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as ReferenceRidge

import sbml_hybrid as sh
from sbml_hybrid.data.dataset import visible
from sbml_hybrid.data.windows import windows
from sbml_hybrid.forecasting.regressors import _folds, _Sums


@given(seed=st.integers(0, 1000), penalty=st.floats(1e-3, 10))
def test_the_sums_give_what_a_row_for_each_window_and_time_would(seed, penalty):
    rng = np.random.default_rng(seed)
    moving, ahead = rng.normal(size=(30, 4)), rng.normal(size=(30, 5, 3))
    target = rng.normal(size=(30, 5))
    target[rng.random(target.shape) < 0.4] = np.nan
    folds = np.arange(30) % 3

    sums = _Sums.of(moving, ahead, target, folds)

    rows = (ahead[:, :, :, None] * moving[:, None, None, :]).reshape(30, 5, -1)
    said, error = [], 0.0
    for fold in (None, 0, 1, 2):
        kept = np.isfinite(target) & (folds != (-1 if fold is None else fold))[:, None]
        reference = ReferenceRidge(alpha=penalty * kept.sum(), fit_intercept=False).fit(rows[kept], target[kept])
        said.append(reference.coef_)
        if fold is not None:
            left = np.isfinite(target) & (folds == fold)[:, None]
            error += ((reference.predict(rows[left]) - target[left]) ** 2).sum()
    np.testing.assert_allclose(sums.solve(np.full(12, penalty)), said[0], atol=1e-8)
    np.testing.assert_allclose(sums.solve(np.full(12, penalty), without=1), said[2], atol=1e-8)
    assert sums.held_out_error(np.full(12, penalty)) == pytest.approx(error, rel=1e-6, abs=1e-8)


def test_cross_validation_never_parts_a_draw(train):
    past = windows(visible(train), 8, 5)

    folds = _folds(past)

    assert set(folds) == set(range(5))
    assert all(len(set(folds[past.draw == draw])) == 1 for draw in np.unique(past.draw))


def test_a_single_draw_is_cross_validated_over_its_time_course(train):
    past = windows(visible(train.isel(trajectory=[0])), 8, 5)

    folds = _folds(past)

    assert set(folds) == set(range(5))
    assert (np.diff(folds[np.argsort(past.origin)]) >= 0).all()


def test_ridge_forecasts_a_linear_system_almost_exactly():
    """A damped oscillator without noise: the future is linear in the past, in the same way at all times."""
    rng = np.random.default_rng(0)
    times = np.arange(40.0)
    start = rng.normal(size=(30, 2, 1))
    angle = 0.25 * times
    values = np.exp(-0.03 * times) * np.stack(
        [
            start[:, 0] * np.cos(angle) + start[:, 1] * np.sin(angle),
            start[:, 1] * np.cos(angle) - start[:, 0] * np.sin(angle),
        ],
        axis=1,
    )
    table = [(i, t, f"y{c}", values[i, c, j]) for i in range(30) for j, t in enumerate(times) for c in range(2)]
    data = sh.from_table(pd.DataFrame(table, columns=["trajectory", "time", "observable", "value"]))
    train, test = sh.split(data, test=0.3, seed=0)

    fitted = sh.Ridge().fit(train, lookback=10, horizon=6)

    forecast = fitted.predict(test.isel(time=slice(0, 20)))["forecast"]
    error = np.sqrt(((forecast.values - test["measured"][:, 20:26].values) ** 2).mean()) / values.std()
    assert error < 0.03


def test_ridge_and_forest_beat_the_naive_forecasters(train, test):
    rivals = {"ridge": sh.Ridge(), "forest": sh.RandomForest(trees=20)}

    ranking = sh.summary(sh.benchmark(rivals, train, test, lookback=8, horizon=5), resamples=10)

    error = ranking.set_index("forecaster")["error"]
    assert error[["ridge", "forest"]].max() < 0.6 * error[["persistence", "series mean"]].min()


def test_threads_change_no_forecast_of_the_forest(train, history, sizes):
    grown = [sh.RandomForest(trees=6, jobs=jobs).fit(train, **sizes, seed=1) for jobs in (1, 2)]

    np.testing.assert_array_equal(*(fitted.predict(history)["forecast"] for fitted in grown))


def test_the_forest_depends_on_its_seed(train, history, sizes):
    grown = [sh.RandomForest(trees=6).fit(train, **sizes, seed=seed) for seed in (1, 2)]

    assert (grown[0].predict(history)["forecast"] != grown[1].predict(history)["forecast"]).any()


@pytest.mark.parametrize("trees", [0, -3, 2.5])
def test_a_forest_has_trees(trees):
    with pytest.raises(ValueError, match="trees must be a whole number, one or more"):
        sh.RandomForest(trees=trees)


@pytest.mark.parametrize("lengths", [(1, 1), (24, 1), (1, 24), (12, 13)])
def test_ridge_takes_any_lookback_and_horizon_that_fit(train, test, lengths):
    lookback, horizon = lengths

    fitted = sh.Ridge().fit(train, lookback=lookback, horizon=horizon)

    assert np.isfinite(fitted.predict(test)["forecast"]).all()

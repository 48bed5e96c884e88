"""Error measures agree with scikit-learn, with closed forms, and with what their docstrings promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from sbml_hybrid.benchmarking import metrics

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
tables = hnp.arrays(float, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=numbers)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    target = rng.normal(3, [1, 5, 0.1], (40, 3))
    return target + rng.normal(0, 0.5, target.shape), target


def test_measures_agree_with_scikit_learn(pair):
    forecast, target = pair

    assert metrics.mae(forecast, target) == pytest.approx(reference.mean_absolute_error(target, forecast))
    assert metrics.rmse(forecast, target) == pytest.approx(reference.root_mean_squared_error(target, forecast))
    assert metrics.r2(forecast, target) == pytest.approx(reference.r2_score(target, forecast))
    pooled = reference.root_mean_squared_error(target.ravel(), forecast.ravel()) / target.mean()
    assert metrics.nrmse_mean(forecast, target) == pytest.approx(pooled)


def test_scaled_measures_agree_with_scikit_learn_on_scaled_arrays(pair):
    forecast, target = pair
    sd, step = np.array([2.0, 3.0, 0.5]), np.array([0.1, 1.0, 4.0])

    expected = reference.root_mean_squared_error(target / sd, forecast / sd)
    assert metrics.nrmse_sd(forecast, target, sd) == pytest.approx(expected)
    expected = reference.mean_absolute_error(target / step, forecast / step)
    assert metrics.mase(forecast, target, step) == pytest.approx(expected)


def test_missing_targets_are_left_out_channel_by_channel(pair):
    forecast, target = pair
    target = np.where(np.random.default_rng(1).random(target.shape) < 0.4, np.nan, target)

    there = ~np.isnan(target)
    each = [reference.r2_score(target[m, c], forecast[m, c]) for c, m in enumerate(there.T)]
    assert metrics.r2(forecast, target) == pytest.approx(np.mean(each))
    each = [reference.mean_absolute_error(target[m, c], forecast[m, c]) for c, m in enumerate(there.T)]
    assert metrics.mae(forecast, target) == pytest.approx(np.mean(each))


@given(target=tables)
def test_a_perfect_forecast_scores_zero(target):
    ones = np.ones(target.shape[1])

    for score in (metrics.mae(target, target), metrics.rmse(target, target)):
        assert score == 0
    assert metrics.nrmse_sd(target, target, ones) == 0
    assert metrics.mase(target, target, ones) == 0
    assert metrics.r2(target, target) == 1 or np.isnan(metrics.spread(target)).all()


@given(target=tables, factor=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_scaled_measures_do_not_depend_on_the_unit(target, factor, shift):
    forecast = target + np.random.default_rng(0).normal(0, 1, target.shape)
    sd = metrics.spread(target)

    here = metrics.nrmse_sd(forecast, target, sd)
    there = metrics.nrmse_sd(factor * forecast, factor * target, metrics.spread(factor * target))
    np.testing.assert_allclose(there, here, rtol=1e-6)


def test_a_forecast_without_a_number_is_an_infinite_error():
    target = np.array([[1.0], [2.0], [np.nan]])

    assert metrics.mae(np.array([[1.0], [np.nan], [3.0]]), target) == np.inf
    assert metrics.mae(np.array([[1.0], [2.0], [np.nan]]), target) == 0


def test_spread_is_the_standard_deviation_and_nothing_for_a_channel_at_rest():
    values = np.array([[1.0, 7.0, 0.0], [3.0, 7.0 + 1e-9, 0.0], [np.nan, 7.0, 0.0]])

    np.testing.assert_allclose(metrics.spread(values), [1.0, np.nan, np.nan])


def test_a_channel_at_rest_is_left_out_of_scaled_measures(pair):
    forecast, target = pair
    sd = metrics.spread(target)

    with_rest = metrics.nrmse_sd(forecast, target, np.array([sd[0], sd[1], np.nan]))

    assert with_rest == pytest.approx(metrics.nrmse_sd(forecast[:, :2], target[:, :2], sd[:2]))


def test_mean_step_reaches_over_gaps_and_never_from_one_series_to_the_next():
    values = np.array([[1.0, np.nan, 4.0, 5.0], [100.0, 100.0, np.nan, np.nan]])[:, :, None]

    np.testing.assert_allclose(metrics.mean_step(values), [(3 + 1 + 0) / 3])


def test_mean_step_makes_last_value_score_one_on_a_straight_line():
    line = np.arange(10.0)[None, :, None]

    assert metrics.mase(line[:, :-1], line[:, 1:], metrics.mean_step(line)) == pytest.approx(1)
    assert np.isnan(metrics.mean_step(np.ones((2, 5, 1)))).all()


@pytest.mark.parametrize("name", metrics.METRICS)
def test_cells_of_the_table_sum_up_to_the_measure(name, pair):
    forecast, target = pair
    train = np.random.default_rng(2).normal(3, [1, 5, 0.1], (20, 6, 3))
    given_scales = metrics.scales(train, target)
    metric = metrics.METRICS[name]

    cells = metric.cell(forecast - target, given_scales)
    axis = None if metric.pooled else 0
    each = np.sqrt((cells**2).mean(axis)) if metric.kind == "rms" else cells.mean(axis)

    more = {"nrmse_sd": [given_scales.sd], "mase": [given_scales.step]}.get(name, [])
    assert np.mean(each) == pytest.approx(getattr(metrics, name)(forecast, target, *more))

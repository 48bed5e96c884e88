"""Features mean what they say, whatever is missing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid.data.dataset import visible
from sbml_hybrid.data.windows import windows
from sbml_hybrid.forecasting.forecaster import Lesson
from sbml_hybrid.forecasting.preparation import Preparation, gist


@pytest.fixture(scope="module")
def lesson(train):
    seen = visible(train)
    return Lesson(seen, windows(seen, 8, 5), np.array([True, True]), 1.0, 0)


@pytest.fixture(scope="module")
def preparation(lesson):
    return Preparation.learn(lesson, "auto")


def test_the_summary_of_the_training_windows_is_standard(preparation, lesson):
    summary = preparation.summary(lesson.windows)

    spread = summary.std(axis=0)
    np.testing.assert_allclose(summary.mean(axis=0), 0, atol=1e-9)
    assert np.all(np.isclose(spread, 1) | (spread == 0))
    owners = preparation.channel_of_feature()
    assert summary.shape[1] == len(owners) == len(preparation.on_answer_scale())
    assert set(owners) == {0, 1}


def test_each_channel_owns_the_columns_that_follow_it(preparation, lesson):
    """Changing one channel changes the columns that are said to be about it, and no others."""
    past = lesson.windows
    changed = past.values.copy()
    changed[..., 1] = np.where(np.arange(8)[:, None].T % 2, np.nan, changed[..., 1] * 1.5)

    moved = preparation.summary(dataclasses.replace(past, values=changed)) != preparation.summary(past)

    owners = preparation.channel_of_feature()
    assert not moved[:, owners == 0].any()
    assert moved[:, owners == 1].any(axis=0).sum() > (owners == 1).sum() / 2


def test_a_history_without_measurements_is_told_by_numbers(preparation, lesson):
    nothing = dataclasses.replace(lesson.windows, values=np.full_like(lesson.windows.values, np.nan))

    for features in (preparation.summary(nothing), preparation.steps(nothing), preparation.queries(nothing)):
        assert np.isfinite(features).all()


@given(seed=st.integers(0, 1000))
def test_steps_carry_the_latest_value_its_mask_and_its_age(preparation, lesson, seed):
    past = lesson.windows[np.array([seed % len(lesson.windows)])]

    steps = preparation.steps(past)[0]

    views = preparation.scaling.views(past.values)[0]
    n_views, n_channels = views.shape[1], past.values.shape[2]
    filled = pd.DataFrame(views).ffill().bfill().fillna(0.0)
    np.testing.assert_array_equal(steps[:, :n_views], filled)
    measured = ~np.isnan(past.values[0])
    np.testing.assert_array_equal(steps[:, n_views : n_views + n_channels], measured)
    for channel in range(n_channels):
        for step in range(8):
            known = np.flatnonzero(measured[: step + 1, channel])
            age = (past.times[0, step] - past.times[0, known[-1]]) / preparation.span if len(known) else 1.0
            assert steps[step, n_views + n_channels + channel] == pytest.approx(age)


@given(seed=st.integers(0, 1000), points=st.integers(0, 8))
def test_the_curve_of_a_history_is_regularised_least_squares(seed, points):
    rng = np.random.default_rng(seed)
    since = np.sort(rng.uniform(-1, 0, 8))
    views = np.full((1, 8, 1), np.nan)
    views[0, rng.permutation(8)[:points], 0] = rng.normal(size=points)

    curve = gist(views, since[None])[0, 4:7]

    design = np.vander(since, 3, increasing=True)[~np.isnan(views[0, :, 0])]
    rows = np.concatenate([design, np.diag(np.sqrt([0.05, 0.3, 1.0]))])
    right = np.concatenate([views[0, ~np.isnan(views[0, :, 0]), 0], np.zeros(3)])
    np.testing.assert_allclose(curve, np.linalg.lstsq(rows, right)[0], atol=1e-9)


def test_beyond_what_was_trained_the_clocks_stand_still(preparation, lesson):
    past = lesson.windows
    later = dataclasses.replace(past, times=past.times + 1e4, query_times=past.query_times + 2e4)

    assert (preparation.elapsed(later) == 1).all()
    assert (preparation.ahead(later) == 1).all()
    np.testing.assert_array_equal(preparation.queries(later)[..., -1], 1)

"""Scales are learned from the training data, undone exactly, and log only where it makes sense."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid.forecasting.scaling import Scaling


@given(scale=st.sampled_from(["auto", "linear", "log"]), seed=st.integers(0, 1000), size=st.floats(1e-9, 1e9))
def test_the_answer_scale_is_undone_exactly(scale, seed, size):
    rng = np.random.default_rng(seed)
    values = size * rng.lognormal(0, 2, (50, 3))
    scaling = Scaling.learn(values, np.array([True, True, False]), scale)

    np.testing.assert_allclose(scaling.unscaled(scaling.scaled(values)), values, rtol=1e-9, atol=2e-3 * values.std())


def test_every_view_of_the_training_data_is_standard():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(5, 2, 4000), rng.lognormal(0, 3, 4000)], axis=1)
    values[rng.random(values.shape) < 0.3] = np.nan

    views = Scaling.learn(values, np.array([False, True]), "auto").views(values)

    assert views.shape == (4000, 3)
    np.testing.assert_allclose(np.nanmean(views, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(views, axis=0), 1, rtol=1e-9)
    np.testing.assert_array_equal(np.isnan(views[:, 2]), np.isnan(values[:, 1]))


@pytest.mark.parametrize(
    ("scale", "nonnegative", "shown_twice"),
    [("auto", True, [0]), ("auto", False, []), ("linear", True, []), ("log", True, [0, 1]), ("log", False, [])],
)
def test_logarithms_are_for_positive_channels_that_span_a_decade(scale, nonnegative, shown_twice):
    values = np.stack([np.geomspace(1, 1000, 100), np.linspace(1, 2, 100)], axis=1)

    scaling = Scaling.learn(values, np.array([nonnegative, nonnegative]), scale)

    assert scaling.shown_twice.tolist() == shown_twice
    assert scaling.in_log.tolist() == [scale == "log" and nonnegative] * 2


@pytest.mark.parametrize("value", [0.0, 3.5, -2.0])
def test_a_channel_that_never_changes_is_given_back(value):
    scaling = Scaling.learn(np.full((10, 1), value), np.array([value >= 0]), "auto")

    assert scaling.unscaled(np.zeros((1, 1))) == value
    assert np.isfinite(scaling.views(np.array([[value], [value + 1]]))).all()


def test_an_unknown_scale_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="scale must be one of auto, linear, log, got 'sqrt'"):
        Scaling.learn(np.ones((2, 1)), np.array([True]), "sqrt")

"""Noise has the moments it claims, and its density is the one that it draws from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.errors import UnknownName
from sbml_hybrid.measurement.noise import kind_of, noise_from_dict, to_dict

MODELS = [sh.noise.Normal(sd=0.3), sh.noise.Lognormal(cv=0.25)]


@given(cv=st.floats(0.0, 2.0), seed=st.integers(0, 2**32 - 1))
def test_lognormal_keeps_zeros_and_signs(cv, seed):
    truth = np.array([0.0, 1e-9, 1.0, 1e9, -3.0])

    readout = sh.noise.Lognormal(cv).apply(truth, np.random.default_rng(seed))

    assert readout[0] == 0.0
    assert (readout[1:4] > 0).all() and readout[4] < 0


@pytest.mark.parametrize("noise", MODELS)
def test_noise_has_the_mean_and_the_scatter_that_it_claims(noise):
    """Within 5 standard errors of 200 000 draws: about 1 failure in 10^6 seeds."""
    truth = np.full(200_000, 2.0)

    readout = noise.apply(truth, np.random.default_rng(1))

    sd = noise.scatter(truth)[0]
    assert abs(readout.mean() - 2.0) < 5 * sd / np.sqrt(len(truth))
    assert readout.std() == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize("noise", MODELS)
@pytest.mark.parametrize("truth", [0.4, 2.0, 30.0])
def test_the_density_integrates_to_one_and_matches_the_draws(noise, truth):
    from scipy import stats

    grid = np.linspace(1e-9, truth * 6 + 4, 400_001)
    if isinstance(noise, sh.noise.Normal):
        grid = grid - 3
    density = np.exp(noise.log_density(grid, truth))
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    drawn = noise.apply(np.full(20_000, truth), np.random.default_rng(2))

    assert cumulative[-1] == pytest.approx(1, abs=1e-5)
    assert stats.kstest(drawn, lambda x: np.interp(x, grid, cumulative)).pvalue > 1e-4


@pytest.mark.parametrize("noise", MODELS)
def test_a_censored_value_has_the_probability_beyond_its_limit(noise):
    limit, truth = np.array([1.5]), 2.0
    drawn = noise.apply(np.full(400_000, truth), np.random.default_rng(3))

    below = np.exp(noise.log_density(limit, truth, censored=np.array([-1])))[0]
    above = np.exp(noise.log_density(limit, truth, censored=np.array([1])))[0]

    assert below + above == pytest.approx(1)
    assert below == pytest.approx((drawn < 1.5).mean(), abs=0.004)


@pytest.mark.parametrize("noise", MODELS)
def test_the_density_means_the_same_in_keras(noise):
    from keras import ops

    measured = np.array([0.5, np.nan, 2.0, 1.0], "float32")
    truth = np.array([0.7, 1.0, 1.5, 1.2], "float32")
    censored = np.array([0, 0, -1, 1])

    expected = noise.log_density(measured, truth, censored)
    result = noise.log_density(ops.convert_to_tensor(measured), ops.convert_to_tensor(truth), censored, xp=ops)

    np.testing.assert_allclose(ops.convert_to_numpy(result), expected, rtol=1e-5)


def test_what_was_not_measured_has_no_weight_and_the_impossible_has_none_of_probability():
    density = sh.noise.Lognormal(0.1).log_density(np.array([np.nan, 0.0, 1.0, -1.0]), np.array([1.0, 0.0, 0.0, 1.0]))

    assert density.tolist() == [0.0, 0.0, -np.inf, -np.inf]


@pytest.mark.parametrize("make", [lambda: sh.noise.Normal(-0.1), lambda: sh.noise.Lognormal(-0.1)])
def test_a_negative_spread_is_refused_with_the_value(make):
    with pytest.raises(ValueError, match=r"must be zero or more, got -0\.1"):
        make()


def test_a_noise_model_comes_back_from_its_description():
    for noise in MODELS:
        assert noise_from_dict(to_dict(noise)) == noise


def test_an_unknown_noise_model_is_refused_with_the_closest_name():
    with pytest.raises(UnknownName, match="Did you mean 'lognormal'"):
        kind_of("log-normal")

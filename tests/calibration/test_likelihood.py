"""The likelihood is the product of densities that textbooks write."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid.calibration.likelihood import log_likelihood, posterior_weights, under_each
from sbml_hybrid.errors import DataError


@pytest.fixture(scope="module")
def data():
    model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    draws = sh.sample(sh.around(model, fold=2), 6, seed=0)
    truth = sh.simulate(model, draws, times=np.linspace(0, 5, 11))
    return sh.measure(truth, noise=sh.noise.Normal(sd=0.5), keep=0.6, seed=1)


def test_the_likelihood_of_a_dataset_is_the_product_of_normal_densities(data):
    found = log_likelihood(data, data["readout"], sh.noise.Normal(sd=0.5))

    expected = stats.norm.logpdf(data["measured"], data["readout"], 0.5)
    assert found.dims == ("trajectory",)
    np.testing.assert_allclose(found, np.nansum(expected, axis=(1, 2)))


def test_replicates_have_a_likelihood_each(data):
    doubled = data.assign(measured=data["measured"].expand_dims(replicate=[0, 1], axis=1))

    found = log_likelihood(doubled, data["readout"], sh.noise.Normal(sd=0.5))

    single = log_likelihood(data, data["readout"], sh.noise.Normal(sd=0.5))
    assert found.dims == ("trajectory", "replicate")
    np.testing.assert_allclose(found, np.stack([single, single], axis=1))


def test_a_readout_at_other_times_is_refused(data):
    with pytest.raises(DataError, match="The readout has other trajectories, times or observables"):
        log_likelihood(data, data["readout"].isel(time=slice(0, 5)), sh.noise.Normal(sd=0.5))


@given(seed=st.integers(0, 1000), missing=st.floats(0, 1))
def test_a_library_is_weighed_point_by_point(seed, missing):
    rng = np.random.default_rng(seed)
    library = rng.lognormal(size=(7, 4, 2))
    measured = np.where(rng.random((4, 2)) < missing, np.nan, library[0] * rng.lognormal(0, 0.05, (4, 2)))
    noise = sh.noise.Normal(sd=1.0)

    found = under_each(measured, library, noise)

    density = stats.norm.logpdf(measured[:, None], library.transpose(1, 0, 2), 1.0)
    expected = np.nansum(np.maximum(density - density.max(axis=1, keepdims=True), -50.0), axis=2)
    assert found.shape == (4, 7)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_no_draw_can_explain_says_nothing():
    library = np.zeros((5, 1, 1))  # all draws say that there is none

    found = under_each(np.array([[3.0]]), library, sh.noise.Lognormal(cv=0.1))

    np.testing.assert_array_equal(found, 0.0)


def test_one_outlier_cannot_rule_out_a_draw():
    library = np.array([1.0, 100.0])[:, None, None] * np.ones((2, 30, 1))
    measured = np.full((30, 1), 100.0)
    measured[0] = 1e9

    total = under_each(measured, library, sh.noise.Lognormal(cv=0.1)).sum(axis=0)

    assert posterior_weights(total).argmax() == 1


@given(seed=st.integers(0, 1000), power=st.floats(0, 1))
def test_weights_sum_to_one_and_the_power_flattens_them(seed, power):
    likelihood = np.random.default_rng(seed).normal(0, 1000, (3, 20))

    weights = posterior_weights(likelihood, power)

    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    likeliest = np.take_along_axis(weights, likelihood.argmax(axis=-1)[:, None], axis=-1)
    np.testing.assert_array_equal(likeliest[:, 0], weights.max(axis=-1))
    np.testing.assert_allclose(posterior_weights(likelihood, 0.0), 1 / 20)


def test_each_observable_is_weighed_by_its_own_noise():
    model = sh.load("A -> B; k*A; A = 10; k = 0.3")
    truth = sh.simulate(model, sh.sample(sh.around(model, fold=2), 3, seed=0), times=np.linspace(0, 5, 11))
    noise = sh.noise.PerObservable({"A": sh.noise.Normal(0.2)}, sh.noise.Autocorrelated(sh.noise.Normal(0.1), 2))
    data = sh.measure(truth, ["A", "B"], noise, keep=0.7, seed=1)

    found = log_likelihood(data, data["readout"], noise)

    a, b = (data["measured"].sel(observable=name) - data["readout"].sel(observable=name) for name in "AB")
    expected = np.nansum(stats.norm.logpdf(a, 0, 0.2), axis=1)
    times = truth["time"].values
    for i, row in enumerate(b.values):
        known = ~np.isnan(row)
        covariance = 0.01 * np.exp(-np.abs(times[known][:, None] - times[known]) / 2)
        expected[i] += stats.multivariate_normal.logpdf(row[known], np.zeros(known.sum()), covariance)
    np.testing.assert_allclose(found, expected)
    part = data.sel(observable=["B"])
    assert log_likelihood(part, part["readout"], noise).shape == (3,)


def test_a_library_is_weighed_at_the_times_of_its_points_and_channel_by_channel():
    rng = np.random.default_rng(0)
    library, times = rng.lognormal(size=(5, 3, 2)), np.array([0.0, 5.0, 10.0])
    measured = library[0]
    noise = sh.noise.resolved(
        sh.noise.PerObservable({"A": sh.noise.Growing(1.0, 2.0, until=10)}, sh.noise.Normal(3.0)), ["A", "B"]
    )

    found = under_each(measured, library, noise, times=times)

    spread = np.stack([[1.0, 1.5, 2.0], [3.0, 3.0, 3.0]], axis=-1)
    density = stats.norm.logpdf(measured, library, spread)
    np.testing.assert_allclose(found, (density - density.max(axis=0)).sum(axis=2).T, rtol=1e-5, atol=1e-5)

"""Noise that knows its series: against multivariate normal densities, exact autocorrelations and its own claims."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid.calibration.likelihood import log_likelihood
from sbml_hybrid.errors import DataError

N = sh.noise
INNER = [N.Normal(0.3), N.Lognormal(0.4), N.Linear(0.1, 0.2), N.Growing(0.2, 0.9, until=5, relative=True)]


def correlation(times, time):
    return np.exp(-np.abs(times[:, None] - times) / time)


def test_growing_noise_reaches_its_end_at_the_end_and_grows_in_time_not_by_index():
    """SimbaML's grows with the index of the row, and never reaches what it was told."""
    times = np.array([0.0, 1.0, 40.0, 100.0, 150.0])
    truth = np.full((40_000, 5, 1), 10.0)
    linear, decaying = N.Growing(0.0, 2.0, until=100), N.Growing(2.0, 0.5, until=100, exponential=True)

    drawn = linear.apply(truth, np.random.default_rng(0), times).std(axis=0)[:, 0]

    np.testing.assert_allclose(linear.scatter(truth[0], times)[:, 0], [0, 0.02, 0.8, 2, 2])
    np.testing.assert_allclose(drawn, [0, 0.02, 0.8, 2, 2], rtol=0.02)  # 5.6 standard errors
    expected = 2 * 0.25 ** np.array([0, 0.01, 0.4, 1, 1])
    np.testing.assert_allclose(decaying.scatter(truth[0], times)[:, 0], expected)


def test_adjusting_the_mean_keeps_it():
    truth = np.array([[0.0, 5.0], [10.0, 5.0], [50.0, 5.0]])

    pulled = N.AdjustingMean(weight=0.2).apply(truth, np.random.default_rng(0))

    np.testing.assert_allclose(pulled, [[4, 5], [12, 5], [44, 5]])
    np.testing.assert_allclose(N.AdjustingMean(weight=1).mean(truth), [[20, 5]] * 3)


def test_a_shorter_series_is_pulled_to_the_mean_of_its_own_points():
    model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    own = np.array([[0.0, 1.0, 2.0], [0.0, 4.0, np.nan]])
    truth = sh.simulate(model, sh.sample({"k": sh.priors.Fixed(0.3)}, 2, seed=0), times=own)
    noise = N.AdjustingMean(weight=1)

    data = sh.measure(truth, noise=noise, seed=1)

    np.testing.assert_allclose(data["measured"][1, :2, 0], data["readout"][1, :2, 0].mean())
    np.testing.assert_array_equal(data["measured"].isnull(), np.isnan(own)[..., None])
    assert (log_likelihood(data, data["readout"], noise) == 0).all()  # the one possible measurement


@pytest.mark.parametrize("inner", INNER, ids=str)
def test_the_autocorrelation_falls_exponentially_at_irregular_times(inner):
    """Each of ten correlations of 40 000 series within 5 standard errors: 10^-5 failures."""
    times = np.array([0.0, 0.3, 0.5, 2.0, 7.0])
    truth = np.full((40_000, 5, 1), 3.0)

    readout = N.Autocorrelated(inner, time=2.0).apply(truth, np.random.default_rng(3), times)
    z = inner.law(truth, np, times).standard(readout, None, np).z[..., 0]

    expected = correlation(times, 2.0)
    error = (1 - expected**2) / np.sqrt(len(z))
    assert (np.abs(np.corrcoef(z.T) - expected) <= 5 * error + 1e-9).all()
    assert stats.kstest(z[:, -1], "norm").pvalue > 1e-5


@settings(max_examples=40, deadline=None)
@given(which=st.sampled_from(INNER), seed=st.integers(0, 10_000), missing=st.floats(0, 1), points=st.integers(1, 20))
def test_the_density_of_a_gappy_series_is_the_multivariate_normal_one_of_its_points(which, seed, missing, points):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.05, 2, points))
    truth = rng.lognormal(0, 1, (points, 2))
    noise = N.Autocorrelated(which, time=1.7)
    measured = noise.apply(truth, rng, times)
    measured[rng.random(measured.shape) < missing] = np.nan

    found = noise.log_density(measured, truth, times=times)

    for i in range(2):
        known = ~np.isnan(measured[:, i])
        z, log_scale, _, _ = which.law(truth, np, times).standard(np.where(known[:, None], measured, truth), None, np)
        covariance = correlation(times[known], 1.7)
        expected = 0.0
        if known.any():
            normal = stats.multivariate_normal.logpdf(z[known, i], np.zeros(known.sum()), covariance)
            expected = normal - log_scale[known, i].sum()
        assert found[:, i].sum() == pytest.approx(expected, abs=1e-8)
    assert (found[np.isnan(measured)] == 0).all()


def test_a_long_memory_makes_a_series_one_number_and_a_short_one_independent_points():
    times, truth = np.arange(30.0), np.full((30, 1), 2.0)

    still = N.Autocorrelated(N.Normal(1.0), time=1e9).apply(truth, np.random.default_rng(0), times)
    measured = N.Normal(1.0).apply(truth, np.random.default_rng(0))
    density = N.Autocorrelated(N.Normal(1.0), time=1e-3).log_density(measured, truth, times=times)

    assert np.ptp(still) < 1e-3
    np.testing.assert_allclose(density, N.Normal(1.0).log_density(measured, truth))


@pytest.mark.parametrize("spacing", [0.02, 0.05, 0.5, 3.0])
@pytest.mark.parametrize("limit", [-4.0, -1.0, 1.0])
def test_a_series_behind_its_limit_has_the_probability_of_the_orthant(spacing, limit):
    times = spacing * np.arange(3.0)
    noise = N.Autocorrelated(N.Normal(1.0), time=1.0)
    limits, truth = np.full((3, 1), limit), np.zeros((3, 1))

    below = noise.log_density(limits, truth, np.full((3, 1), -1), times=times).sum()
    above = noise.log_density(-limits, truth, np.full((3, 1), 1), times=times).sum()

    # Given the second point, the first and the third are independent of each other.
    middle = np.linspace(limit - 12, limit, 400_001)
    rho = np.exp(-spacing)
    outer = stats.norm.cdf((limit - rho * middle) / np.sqrt(1 - rho**2)) ** 2
    orthant = np.trapezoid(stats.norm.pdf(middle) * outer, middle)
    assert below == pytest.approx(np.log(orthant), abs=1e-6)
    assert above == pytest.approx(below, abs=1e-9)


def test_measured_censored_and_missing_points_share_one_series():
    times = np.array([0, 0.4, 0.5, 1.0, 1.2, 1.5])
    measured = np.array([0.3, 0.5, 0.5, 0.9, np.nan, -0.5])[:, None]
    censored = np.array([0, 1, 1, 0, 0, -1])[:, None]

    found = N.Autocorrelated(N.Normal(1.0), time=1.0).log_density(measured, np.zeros((6, 1)), censored, times=times)

    seen, hidden, sign = [0, 3], [1, 2, 5], np.array([-1, -1, 1])
    whole = correlation(times, 1.0)
    cross = whole[np.ix_(hidden, seen)] @ np.linalg.inv(whole[np.ix_(seen, seen)])
    rest = whole[np.ix_(hidden, hidden)] - cross @ whole[np.ix_(seen, hidden)]
    mean = cross @ measured[seen, 0]
    expected = stats.multivariate_normal.logpdf(measured[seen, 0], np.zeros(2), whole[np.ix_(seen, seen)])
    orthant = stats.multivariate_normal.cdf(
        sign * measured[hidden, 0], sign * mean, sign[:, None] * rest * sign, abseps=1e-10, releps=1e-8
    )
    assert found.sum() == pytest.approx(expected + np.log(orthant), abs=1e-6)


def test_limits_in_some_series_leave_the_others_as_they_were():
    rng = np.random.default_rng(0)
    times, truth = np.cumsum(rng.random((3, 8)), axis=1), np.ones((3, 8, 2))
    noise = N.Autocorrelated(N.Lognormal(0.2), time=2.0)
    measured = np.stack([noise.apply(truth[i], rng, times[i]) for i in range(3)])
    censored = np.zeros(measured.shape, int)
    censored[1, 4, 0] = 1

    plain, limited = (noise.log_density(measured, truth, codes, times=times) for codes in (None, censored))

    changed = ~np.isclose(plain, limited, rtol=1e-12)
    assert changed[1, 4:6, 0].all() and changed.sum() == 2


def test_a_true_zero_of_lognormal_noise_says_nothing_about_its_neighbours():
    times, truth = np.arange(3.0), np.array([[1.0], [0.0], [1.0]])
    noise = N.Autocorrelated(N.Lognormal(0.2), time=2.0)
    readout = noise.apply(truth, np.random.default_rng(0), times)

    density = noise.log_density(readout, truth, times=times)

    without = noise.log_density(np.where(truth == 0, np.nan, readout), truth, times=times)
    np.testing.assert_allclose(density, without)
    assert noise.log_density(readout + 1, truth, times=times)[1, 0] == -np.inf


@pytest.mark.parametrize("noise", [N.Growing(0.1, 0.2, 10), N.Autocorrelated(N.Normal(0.1), 2)])
def test_a_series_without_its_times_is_refused(noise):
    with pytest.raises(DataError, match=f"{type(noise).__name__} noise depends on the times of the points"):
        noise.apply(np.ones((3, 1)), np.random.default_rng(0))
    with pytest.raises(DataError, match=r"takes a series \(..., time, observable\)"):
        noise.apply(np.ones((3, 1)), np.random.default_rng(0), np.arange(4.0))


def test_jittered_times_go_with_their_trajectories():
    rng = np.random.default_rng(0)
    times, truth = np.cumsum(rng.random((4, 6)), axis=1), rng.lognormal(size=(4, 6, 2))
    noise = N.Autocorrelated(N.Growing(0.1, 0.5, until=3), time=1.0)
    measured = noise.apply(truth, rng, times)

    together = noise.log_density(measured, truth, times=times)

    each = [noise.log_density(measured[i], truth[i], times=times[i]) for i in range(4)]
    np.testing.assert_allclose(together, each)

"""Noise models side by side and one after another."""

import numpy as np
import pytest
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.measurement.noise import alone, of_observable, resolved, to_dict

N = sh.noise
TIMES = np.arange(5.0)


@pytest.fixture(scope="module")
def truth():
    return sh.simulate(sh.load("A -> B; k*A; A = 10; k = 0.3"), times=np.linspace(0, 5, 11))


def test_each_observable_has_its_own_noise():
    noise = resolved(N.PerObservable({"B": N.Lognormal(0.2)}, default=N.Normal(0.5)), ["A", "B"])
    truth = np.full((20_000, 5, 2), 4.0)

    readout = noise.apply(truth, np.random.default_rng(0), TIMES)
    density = noise.log_density(readout, truth, times=TIMES)

    np.testing.assert_allclose(readout.std(axis=(0, 1)), [0.5, 0.8], rtol=0.02)
    np.testing.assert_allclose(density[..., 0], N.Normal(0.5).log_density(readout[..., 0], 4.0))
    np.testing.assert_allclose(
        density[..., 1], N.Lognormal(0.2).log_density(readout[..., 1], np.full((20_000, 5), 4.0))
    )


def test_names_stay_with_their_noise_in_any_order(truth):
    noise = N.PerObservable({"A": N.Normal(0), "B": N.Normal(1)})

    data = sh.measure(truth, ["B", "A"], noise, seed=1)

    exact = np.isclose(data["measured"], data["readout"]).all(axis=(0, 1))
    assert exact.tolist() == [False, True]


def test_a_name_that_is_not_measured_or_has_no_noise_is_refused(truth):
    with pytest.raises(UnknownName, match="No observable 'C' in the readout, for its noise"):
        sh.measure(truth, ["A"], N.PerObservable({"C": N.Normal(1)}, default=N.Normal(1)), seed=1)
    with pytest.raises(DataError, match="No noise for 'B'; PerObservable names A. Add it, or say default="):
        sh.measure(truth, ["A", "B"], N.PerObservable({"A": N.Normal(1)}), seed=1)
    with pytest.raises(DataError, match=r"Try sh.noise.resolved\(noise, names\)"):
        N.PerObservable({"A": N.Normal(1)}).apply(np.ones((3, 1)), np.random.default_rng(0))


def test_observables_resolve_inside_sequences_and_choices():
    inner = N.PerObservable({"A": N.Normal(0.0)}, default=N.Normal(0.4))
    sequence, choice = N.InSequence([inner, N.Normal(0.3)]), N.OneOf([inner, N.Normal(9.0)], per="trajectory")

    assert of_observable(sequence, "B") == N.InSequence([N.Normal(0.4), N.Normal(0.3)])
    np.testing.assert_allclose(resolved(sequence, ["A", "B"]).scatter(np.ones((1, 2))), [[0.3, 0.5]])
    shapes = resolved(choice, ["A", "B"]).apply(np.ones((7, 5, 2)), np.random.default_rng(0), TIMES)
    assert shapes.shape == (7, 5, 2)


@pytest.mark.parametrize("per", ["point", "series", "trajectory"])
def test_the_choice_is_made_for_what_it_says(per):
    """Exact or far off: which model was taken is plain in every readout."""
    noise = N.OneOf([N.Normal(0.0), N.Normal(1e3)], weights=[3, 1], per=per)

    off = noise.apply(np.zeros((2_000, 5, 2)), np.random.default_rng(0), TIMES) != 0

    assert abs(off.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 2_000)
    one_series = (off == off[:, :1]).all(axis=1)
    one_trajectory = one_series.all(axis=1) & (off[:, 0, 0] == off[:, 0, 1])
    assert one_series.all() == (per != "point")
    assert one_trajectory.all() == (per == "trajectory")


@pytest.mark.parametrize("per", ["series", "trajectory"])
def test_the_density_of_a_choice_is_the_mixture_of_the_whole(per):
    rng = np.random.default_rng(0)
    truth = np.ones((6, 5, 2))
    models = [N.Normal(0.1), N.Autocorrelated(N.Normal(0.5), 2.0)]
    noise = N.OneOf(models, weights=[1, 4], per=per)
    measured = noise.apply(truth, rng, TIMES)
    measured[rng.random(measured.shape) < 0.3] = np.nan

    found = noise.log_density(measured, truth, times=TIMES)

    axes = (1,) if per == "series" else (1, 2)
    each = [one.log_density(measured, truth, times=TIMES).sum(axis=axes) for one in models]
    expected = np.logaddexp(each[0] + np.log(0.2), each[1] + np.log(0.8))
    np.testing.assert_allclose(found.sum(axis=axes), expected)
    assert (found[np.isnan(measured)] == 0).all()


def test_what_is_impossible_under_every_model_stays_so():
    measured, truth = np.array([[1.0], [-1.0], [1.0]]), np.ones((3, 1))

    density = N.OneOf([N.Lognormal(0.1), N.Lognormal(0.2)], per="series").log_density(measured, truth, times=TIMES[:3])

    assert np.isfinite(density[0, 0]) and density[1, 0] == -np.inf and not np.isnan(density).any()


def test_additive_after_additive_and_lognormal_after_lognormal_are_one():
    measured, truth = np.array([0.7, 1.2, 4.0]), np.array([1.0, 1.0, 3.0])
    cv = np.sqrt(1.1**2 - 1)

    additive = N.InSequence([N.Normal(0.3), N.Normal(0), N.Normal(0.4)])
    factor = N.InSequence([N.Lognormal(np.sqrt(0.1)), N.Lognormal(np.sqrt(0.1))])

    np.testing.assert_allclose(additive.log_density(measured, truth), N.Normal(0.5).log_density(measured, truth))
    np.testing.assert_allclose(factor.log_density(measured, truth), N.Lognormal(cv).log_density(measured, truth))
    np.testing.assert_allclose(factor.scatter(truth), cv * truth)


def test_lognormal_and_then_normal_noise_has_the_convolved_density():
    for cv, sd in ((0.1, 0.05), (0.5, 0.001), (1.5, 0.01), (0.01, 3.0)):
        noise, truth = N.InSequence([N.Lognormal(cv), N.Normal(sd)]), np.array([0.5, 1.0, 3.0])
        measured = noise.apply(truth, np.random.default_rng(1))

        found = noise.log_density(measured, truth)

        z = np.linspace(-10, 10, 400_001)
        sigma = np.sqrt(np.log1p(cv**2))
        between = truth[:, None] * np.exp(sigma * z - sigma**2 / 2)
        parts = stats.norm.pdf(z) * stats.norm.pdf(measured[:, None], between, sd)
        np.testing.assert_allclose(found, np.log(np.trapezoid(parts, z, axis=1)), atol=1e-8)


@pytest.mark.parametrize("sd", [0.001, 0.2, 3.0])
@pytest.mark.parametrize("count", [0.5, 20.0, 3_000.0])
def test_counting_and_then_normal_noise_is_a_comb_of_normals(count, sd):
    noise = N.InSequence([N.Poisson(1), N.Normal(sd)])
    measured = noise.apply(np.full(4, count), np.random.default_rng(2))

    found = noise.log_density(measured, np.full(4, count))

    k = np.arange(count * 2 + 60)
    parts = stats.poisson.logpmf(k, count) + stats.norm.logpdf(measured[:, None], k, sd)
    np.testing.assert_allclose(found, np.logaddexp.reduce(parts, axis=1), atol=1e-8)


@pytest.mark.slow
def test_three_steps_have_a_density_that_integrates_to_one():
    noise, grid = N.InSequence([N.Lognormal(0.3), N.Poisson(10), N.Normal(0.05)]), np.linspace(-0.5, 9, 400)

    density = np.exp(noise.log_density(grid, np.full(400, 2.0)))

    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)


def test_a_choice_inside_a_sequence_is_a_choice_of_sequences():
    inside = N.InSequence([N.Lognormal(0.2), N.OneOf([N.Normal(0.01), N.Normal(2.0)], weights=[9, 1])])
    outside = N.OneOf([N.InSequence([N.Lognormal(0.2), N.Normal(sd)]) for sd in (0.01, 2.0)], weights=[9, 1])
    measured, truth = np.array([0.9, 1.0, 4.0]), np.ones(3)

    np.testing.assert_allclose(inside.log_density(measured, truth), outside.log_density(measured, truth))


def test_a_foreign_noise_model_can_come_last_in_a_sequence_and_not_first():
    class Foreign:
        def apply(self, truth, rng, times=None):
            return truth

        def log_density(self, measured, truth, censored=None, xp=np, times=None):
            return N.Normal(0.1).log_density(measured, truth, censored, xp, times)

        def scatter(self, truth, times=None):
            return 0.1 + 0 * truth

    measured, truth = np.array([1.1]), np.array([1.0])
    last, first = N.InSequence([N.Lognormal(0.1), Foreign()]), N.InSequence([Foreign(), N.Lognormal(0.1)])

    ours = N.InSequence([N.Lognormal(0.1), N.Normal(0.1)]).log_density(measured, truth)
    np.testing.assert_allclose(last.log_density(measured, truth), ours)
    with pytest.raises(DataError, match="Foreign is not ours and can only come last"):
        first.log_density(measured, truth)
    with pytest.raises(ValueError, match="of one's own must be a dataclass"):
        to_dict(last)


def test_a_point_alone_scatters_as_it_does_in_its_series():
    noise = N.PerObservable(
        {"A": N.Autocorrelated(N.Normal(0.2), 3)},
        N.OneOf([N.Normal(1), N.Autocorrelated(N.Normal(2), 3)], per="series"),
    )

    assert alone(noise) == N.PerObservable({"A": N.Normal(0.2)}, N.OneOf([N.Normal(1), N.Normal(2)]))
    with pytest.raises(DataError, match="AdjustingMean noise needs whole series"):
        alone(N.InSequence([N.AdjustingMean(0.2), N.Normal(0.1)]))


def test_the_same_noise_falls_on_a_subset_of_trajectories(truth):
    draws = sh.sample({"k": sh.priors.LogUniform(0.1, 1)}, 4, seed=0)
    many = sh.simulate(sh.load("A -> B; k*A; A = 10; k = 0.3"), draws, times=np.linspace(0, 5, 11))
    noise = N.PerObservable({"A": N.Autocorrelated(N.Lognormal(0.2), 2)}, N.InSequence([N.Normal(0.1), N.Poisson(20)]))

    whole, part = (sh.measure(one, ["A", "B"], noise, seed=3) for one in (many, many.isel(trajectory=[2, 1])))

    np.testing.assert_array_equal(whole["measured"].isel(trajectory=[2, 1]), part["measured"])

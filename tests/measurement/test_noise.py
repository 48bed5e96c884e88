"""Noise has the moments it claims, and its density is the one that it draws from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.measurement.noise import kind_of, noise_from_dict, resolved, to_dict

N = sh.noise
TIMES = np.array([0.0, 10.0, 25.0, 60.0])
TRUTH = np.array([0.4, 2.0, 30.0, 5.0])  # at these times
CONTINUOUS = [
    N.Normal(sd=0.3),
    N.Lognormal(cv=0.25),
    N.Linear(a=0.1, b=0.2),
    N.Linear(a=0, b=0.4),
    N.Growing(start=0.1, end=0.9, until=60),
    N.Growing(start=0.4, end=0.1, until=40, relative=True, exponential=True),
    N.AdjustingMean(weight=0.3, spread=0.05),
    N.Autocorrelated(N.Normal(0.3), time=10),
    N.Autocorrelated(N.Lognormal(0.25), time=10),
    N.PerObservable({"A": N.Normal(0.3)}),
    N.OneOf([N.Normal(0.1), N.Linear(0.5, 0.2)], weights=[0.9, 0.1]),
    N.OneOf([N.Normal(0.1), N.Autocorrelated(N.Normal(0.5), 10)], per="series"),
    N.OneOf([N.Normal(0.1), N.Lognormal(0.2)], [1, 3], per="trajectory"),
    N.InSequence([N.Normal(0.3), N.Growing(start=0.1, end=0.4, until=60)]),
    N.InSequence([N.Lognormal(0.2), N.Lognormal(0.1)]),
    N.InSequence([N.Lognormal(0.2), N.Normal(0.1)]),
    N.InSequence([N.AdjustingMean(0.2, 0.1), N.Linear(0.1, 0.1)]),
    N.InSequence([N.Poisson(20), N.Normal(0.02)]),
    N.InSequence([N.OneOf([N.Normal(0), N.Normal(1)]), N.Linear(0.1, 0.1)]),
]
COUNTED = [
    N.Poisson(scale=7),
    N.NegativeBinomial(scale=7, dispersion=0.3),
    N.NegativeBinomial(scale=7, dispersion=0),
    N.InSequence([N.Lognormal(0.3), N.Poisson(7)]),
    N.OneOf([N.Poisson(7), N.NegativeBinomial(7, 2.0)]),
]
MODELS = CONTINUOUS + COUNTED


def named(noise):
    return str(to_dict(noise)).replace("'", "")[:90]


def series(values):
    """One observable of many trajectories, (trajectory, time, observable)."""
    return np.asarray(values, float)[..., None]


def density_at(noise, values, point):
    """exp(log-density) of single measurements at one time of the series, nothing else being measured."""
    measured = np.full((len(values), len(TIMES), 1), np.nan)
    measured[:, point, 0] = values
    truth = series(np.broadcast_to(TRUTH, (len(values), len(TIMES))))
    return np.exp(resolved(noise, ["A"]).log_density(measured, truth, times=TIMES)[:, point, 0])


@pytest.fixture(scope="module")
def drawn():
    """20 000 series under each model."""
    truth = series(np.tile(TRUTH, (20_000, 1)))
    return {named(noise): resolved(noise, ["A"]).apply(truth, np.random.default_rng(1), TIMES) for noise in MODELS}


@pytest.mark.parametrize("noise", MODELS, ids=named)
def test_noise_has_the_mean_and_the_scatter_that_it_claims(noise, drawn):
    """Within 5 standard errors, bootstrapped for the scatter: about 10^-4 failures of the whole test over all seeds."""
    readout = drawn[named(noise)][..., 0]
    truth = TRUTH[:, None]

    made = resolved(noise, ["A"])
    mean, sd = N.mean_of(made, truth, TIMES)[:, 0], made.scatter(truth, TIMES)[:, 0]

    count = len(readout)
    assert (np.abs(readout.mean(axis=0) - mean) <= 5 * sd / np.sqrt(count) + 1e-12).all()
    squares = (readout - mean) ** 2
    assert (np.abs(squares.mean(axis=0) - sd**2) <= 5 * squares.std(axis=0) / np.sqrt(count) + 1e-12).all()


@pytest.mark.parametrize("noise", CONTINUOUS, ids=named)
@pytest.mark.parametrize("point", [1, 3])
def test_the_density_integrates_to_one_and_matches_the_histogram_of_draws(noise, point, drawn):
    """Chi-square over 20 bins at p > 1e-5: 4 failures in 10^4 runs of the whole test over all seeds."""
    values = drawn[named(noise)][:, point, 0]
    sd, middle = values.std(), values.mean()
    grid = np.linspace(middle - 10 * sd, middle + 16 * sd, 2_001)
    density = density_at(noise, grid, point)
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])

    edges = np.quantile(values[:5_000], np.linspace(0, 1, 21)[1:-1])
    counts = np.bincount(np.searchsorted(edges, values[5_000:]), minlength=20)
    chances = np.diff(np.concatenate([[0.0], np.interp(edges, grid, cumulative), [1.0]]))

    assert cumulative[-1] == pytest.approx(1, abs=2e-4)
    assert stats.chisquare(counts, counts.sum() * chances).pvalue > 1e-5


@pytest.mark.parametrize("noise", COUNTED, ids=named)
@pytest.mark.parametrize("point", [0, 1])
def test_the_probabilities_of_counts_sum_to_one_and_match_the_draws(noise, point, drawn):
    """Chi-square at p > 1e-5: 10^-4 failures of the whole test over all seeds."""
    values = np.round(drawn[named(noise)][:, point, 0] * 7).astype(int)
    chances = density_at(noise, np.arange(2_000) / 7, point)
    expected = len(values) * chances
    last = int(np.flatnonzero(expected >= 5)[-1])

    counts = np.bincount(np.minimum(values, last), minlength=last + 1)
    expected = np.append(expected[:last], expected[last:].sum())

    assert chances.sum() == pytest.approx(1, abs=1e-6)
    assert stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-5


@pytest.mark.parametrize("noise", CONTINUOUS, ids=named)
def test_a_censored_value_has_the_probability_beyond_its_limit(noise, drawn):
    """Within 5 standard errors of 20 000 draws: 10^-5 failures."""
    limit = np.full((1, 4, 1), np.nan)
    limit[0, 1, 0] = 2.1
    made, truth = resolved(noise, ["A"]), series(TRUTH)[None]

    below, above = (
        np.exp(made.log_density(limit, truth, np.full(limit.shape, code), times=TIMES))[0, 1, 0] for code in (-1, 1)
    )

    share = (drawn[named(noise)][:, 1, 0] < 2.1).mean()
    assert below + above == pytest.approx(1, abs=1e-9)
    assert abs(below - share) < 5 * np.sqrt(below * above / 20_000) + 1e-9


@pytest.mark.parametrize("noise", COUNTED, ids=named)
@pytest.mark.parametrize("limit", [0.0, 1.0, 14.0, 14.5, 40.0])
def test_a_count_is_below_above_or_at_its_limit(noise, limit):
    measured, truth = np.array([limit / 7]), np.array([2.0])

    parts = [np.exp(noise.log_density(measured, truth, np.array([code])))[0] for code in (-1, 0, 1)]

    below = np.exp(noise.log_density(np.arange(np.ceil(limit)) / 7, np.full(int(np.ceil(limit)), 2.0))).sum()
    assert sum(parts) == pytest.approx(1, abs=1e-9)
    assert parts[0] == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize("noise", MODELS, ids=named)
def test_one_seed_gives_the_same_bytes_and_another_seed_others(noise):
    """SimbaML ignores the seed in its elastic, multi and sequential noisers."""
    truth, made = np.stack([TRUTH, TRUTH[::-1]], axis=1), resolved(noise, ["A", "A"])

    np.random.seed(0)  # noqa: NPY002 (which must not matter)
    first = made.apply(truth, np.random.default_rng(5), TIMES)
    np.random.seed(1)  # noqa: NPY002
    again = made.apply(truth, np.random.default_rng(5), TIMES)
    other = made.apply(truth, np.random.default_rng(6), TIMES)

    assert first.tobytes() == again.tobytes()
    assert (first != other).any()


@pytest.mark.parametrize("noise", MODELS, ids=named)
def test_noise_leaves_the_truth_as_it_was_and_a_failed_trajectory_missing(noise):
    """SimbaML's elastic noiser writes into the signal that it is given."""
    truth = np.stack([series(TRUTH), np.full((4, 1), np.nan)])
    before = truth.copy()

    readout = resolved(noise, ["A"]).apply(truth, np.random.default_rng(0), TIMES)

    np.testing.assert_array_equal(truth, before)
    assert np.isnan(readout[1]).all() and not np.isnan(readout[0]).any()


@pytest.mark.parametrize("noise", MODELS, ids=named)
def test_the_density_means_the_same_in_keras(noise):
    from keras import ops

    made = resolved(noise, ["A", "A"])
    truth = np.stack([np.tile(TRUTH, (3, 1)), np.tile(TRUTH[::-1], (3, 1))], axis=-1)
    measured = made.apply(truth, np.random.default_rng(2), TIMES)
    measured[0, 1], measured[1, 2:, 0] = np.nan, np.nan
    censored = np.zeros(measured.shape, int)
    censored[2, 1:3, 0], censored[0, 2, 1] = -1, 1

    for codes in (None, censored):
        expected = made.log_density(measured, truth, codes, times=TIMES)
        given = [ops.convert_to_tensor(x, "float64") for x in (measured, truth)]
        found = ops.convert_to_numpy(
            made.log_density(*given, None if codes is None else ops.convert_to_tensor(codes), xp=ops, times=TIMES)
        )
        assert (expected[np.isnan(measured)] == 0).all()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("noise", MODELS, ids=named)
def test_single_precision_in_keras_is_close(noise):
    from keras import ops

    truth = series(TRUTH)[None]
    measured = resolved(noise, ["A"]).apply(truth, np.random.default_rng(4), TIMES)

    expected = resolved(noise, ["A"]).log_density(measured, truth, times=TIMES)
    given = [ops.convert_to_tensor(x, "float32") for x in (measured, truth)]
    found = resolved(noise, ["A"]).log_density(*given, xp=ops, times=TIMES)

    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=2e-3, atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(which=st.sampled_from(MODELS), trajectories=st.integers(1, 3), points=st.integers(1, 6), seed=st.integers(0, 99))
def test_shapes_are_kept(which, trajectories, points, seed):
    rng = np.random.default_rng(seed)
    truth = rng.lognormal(size=(trajectories, points, 2))
    times = np.cumsum(rng.random(points))
    made = resolved(which, ["A", "A"])

    readout = made.apply(truth, rng, times)
    readout[rng.random(readout.shape) < 0.3] = np.nan
    density = made.log_density(readout, truth, times=times)

    assert readout.shape == density.shape == made.scatter(truth, times).shape == truth.shape
    assert (density[np.isnan(readout)] == 0).all() and np.isfinite(density).all()


@given(cv=st.floats(0.0, 2.0), seed=st.integers(0, 2**32 - 1))
def test_lognormal_keeps_zeros_and_signs(cv, seed):
    truth = np.array([0.0, 1e-9, 1.0, 1e9, -3.0])

    readout = N.Lognormal(cv).apply(truth, np.random.default_rng(seed))

    assert readout[0] == 0.0
    assert (readout[1:4] > 0).all() and readout[4] < 0


def test_what_was_not_measured_has_no_weight_and_the_impossible_has_none_of_probability():
    density = N.Lognormal(0.1).log_density(np.array([np.nan, 0.0, 1.0, -1.0]), np.array([1.0, 0.0, 0.0, 1.0]))

    assert density.tolist() == [0.0, 0.0, -np.inf, -np.inf]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "noise",
    [*MODELS, N.Normal(0), N.Poisson(1), N.NegativeBinomial(1, 1), N.OneOf([N.Poisson(1), N.NegativeBinomial(1, 1)])],
    ids=named,
)
@pytest.mark.parametrize("censored", [None, np.array([[0], [-1], [1], [0]])], ids=["measured", "censored"])
def test_whole_numbers_are_as_likely_as_the_same_numbers_as_floats(noise, censored):
    measured, truth = np.array([[3], [2], [29], [0]]), np.array([[0], [2], [30], [5]])
    made = resolved(noise, ["A"])

    with np.errstate(divide="ignore", invalid="ignore"):
        expected = made.log_density(measured.astype(float), truth.astype(float), censored, times=TIMES)
        given = made.log_density(measured, truth, censored, times=TIMES)

    np.testing.assert_array_equal(given, expected)


def test_limits_of_negative_readouts_are_on_their_side():
    """A readout of -2 with 25 % noise is below -1.5 nearly always, and above 0 never."""
    noise, truth = N.Lognormal(0.25), np.array([-2.0, -2.0, 2.0])
    limit = np.array([-1.5, 0.5, -0.5])

    below, above = (np.exp(noise.log_density(limit, truth, np.full(3, code))) for code in (-1, 1))

    drawn = noise.apply(np.full(100_000, -2.0), np.random.default_rng(0))
    assert below[0] == pytest.approx((drawn < -1.5).mean(), abs=0.005)
    assert below[1:].tolist() == [1.0, 0.0] and above[1:].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("noise", [N.Normal(0), N.Lognormal(0), N.Linear(0, 0)])
def test_without_noise_only_the_truth_is_possible(noise):
    truth = np.array([1.0, 0.0, 2.0])

    assert noise.apply(truth, np.random.default_rng(0)).tolist() == truth.tolist()
    assert noise.log_density(np.array([1.0, 0.0, 2.5]), truth).tolist() == [0.0, 0.0, -np.inf]


def test_far_limits_keep_a_finite_probability():
    from keras import ops

    limit, truth, codes = np.array([-30.0, 9.0]), np.zeros(2), np.array([-1, -1])

    expected = stats.norm.logcdf(limit)

    given = [ops.convert_to_tensor(x, "float32") for x in (limit, truth)]
    np.testing.assert_allclose(N.Normal(1).log_density(limit, truth, codes), expected, rtol=1e-12)
    np.testing.assert_allclose(N.Normal(1).log_density(*given, codes, xp=ops), expected, rtol=1e-5, atol=1e-6)


REFUSED = [
    (lambda: N.Normal(-0.1), r"sd must be zero or more, got -0\.1"),
    (lambda: N.Lognormal(-0.1), r"cv must be zero or more, got -0\.1"),
    (lambda: N.Normal("0.1"), "sd must be zero or more, got '0.1'"),
    (lambda: N.Lognormal(np.nan), "cv must be zero or more, got nan"),
    (lambda: N.Linear(a=0.1, b=-1), "b must be zero or more, got -1"),
    (lambda: N.Poisson(scale=0), "scale must be above zero, got 0"),
    (lambda: N.NegativeBinomial(1, -1), "dispersion must be zero or more, got -1"),
    (lambda: N.NegativeBinomial(1, 1e-20), "dispersion must be 0 or at least 1e-12"),
    (lambda: N.Growing(0.1, 0.2, until=0), "until must be above zero, got 0"),
    (lambda: N.Growing(0, 0.2, 10, exponential=True), "needs a start and an end above zero"),
    (lambda: N.Growing(0, 0.2, 10, relative=1), "relative must be true or false, got 1"),
    (lambda: N.AdjustingMean(np.inf), "weight must be a number, got inf"),
    (lambda: N.Autocorrelated(N.Normal(1), time=-2), "time must be above zero, got -2"),
    (lambda: N.Autocorrelated(N.Poisson(1), time=2), "Autocorrelated noise takes Normal, Lognormal"),
    (lambda: N.PerObservable([N.Normal(1)]), "PerObservable takes observable -> noise model"),
    (lambda: N.PerObservable({"A": 0.1}), r"PerObservable takes noise models such as sh.noise.Normal\(0.1\), got 0.1"),
    (lambda: N.OneOf([N.Normal(1)]), "OneOf takes 2 noise models or more, got 1"),
    (lambda: N.OneOf([N.Normal, N.Lognormal]), "OneOf takes noise models"),
    (lambda: N.OneOf([N.Normal(1), N.Normal(2)], weights=[1]), r"weights must be 2 numbers.*got \[1\]"),
    (lambda: N.OneOf([N.Normal(1), N.Normal(2)], weights=[0, 0]), "not all zero"),
    (lambda: N.OneOf([N.Normal(1), N.Normal(2)], per="day"), "per must be one of point, series, trajectory, got 'day'"),
    (lambda: N.OneOf([N.Normal(1), N.Autocorrelated(N.Normal(1), 1)]), "Try per='series'"),
    (lambda: N.OneOf([N.Normal(1), N.Poisson(1)]), "cannot mix counts"),
    (lambda: N.InSequence([]), "InSequence takes 1 noise models or more"),
    (lambda: N.InSequence([N.Autocorrelated(N.Normal(1), 1), N.Normal(1)]), "cannot stand in a sequence"),
    (lambda: N.InSequence([N.Normal(1), N.AdjustingMean(0.1)]), "AdjustingMean must come first"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_what_cannot_be_is_refused_in_one_line(make, words):
    with pytest.raises(ValueError, match=words) as caught:
        make()

    assert "\n" not in str(caught.value)


@given(value=st.floats() | st.integers(-5, 5) | st.booleans() | st.text(max_size=3) | st.none())
def test_a_spread_is_a_number_zero_or_more_or_refused_with_its_value(value):
    fine = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < np.inf

    if fine:
        assert N.Normal(value).scatter(np.zeros(2)).tolist() == [value, value]
    else:
        with pytest.raises(ValueError, match="sd must be zero or more, got"):
            N.Normal(value)


@pytest.mark.parametrize("noise", MODELS, ids=named)
def test_a_noise_model_comes_back_from_its_description(noise):
    import json

    said = to_dict(noise)

    assert noise_from_dict(said) == noise_from_dict(json.loads(json.dumps(said))) == noise
    assert hash(noise_from_dict(said)) == hash(noise)


def test_a_description_may_leave_out_what_has_a_default():
    said = {"kind": "OneOf", "noises": [{"kind": "linear", "a": 0.1, "b": 0.05}, {"kind": "Normal", "sd": 2}]}

    assert noise_from_dict(said) == N.OneOf([N.Linear(0.1, 0.05), N.Normal(2)])


def test_a_description_with_other_fields_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="Lognormal noise takes cv; got sd"):
        noise_from_dict({"kind": "Lognormal", "sd": 0.1})


def test_an_unknown_noise_model_is_refused_with_the_closest_name():
    with pytest.raises(UnknownName, match="Did you mean 'Lognormal'"):
        kind_of("log-normel")


@pytest.mark.parametrize("name", ["NegativeBinomial", "negativebinomial", "negative-binomial", "Negative_Binomial"])
def test_a_noise_model_is_found_in_any_case_with_or_without_hyphens_as_gaps_and_effects_are(name):
    assert noise_from_dict({"kind": name, "scale": 20, "dispersion": 0.1}) == N.NegativeBinomial(20, 0.1)


def test_counts_that_no_float_tells_apart_are_refused():
    with pytest.raises(DataError, match=r"Poisson noise with scale=1e\+15 would count 1e\+18"):
        N.Poisson(1e15).apply(np.array([1000.0]), np.random.default_rng(0))


def test_no_part_of_a_count_is_possible():
    density = N.Poisson(10).log_density(np.array([0.3, 0.34, -0.1]), np.array([0.5, 0.5, 0.5]))

    assert np.isfinite(density[0]) and density[1:].tolist() == [-np.inf, -np.inf]


def test_the_usual_noise_gives_the_bytes_that_it_always_gave():
    truth, sigma = np.random.default_rng(0).lognormal(0, 3, (50, 7)), N.Lognormal(0.3).sigma

    additive, factor = (noise.apply(truth, np.random.default_rng(1)) for noise in (N.Normal(0.3), N.Lognormal(0.3)))

    normal = truth + np.random.default_rng(1).normal(0, 0.3, truth.shape)
    lognormal = truth * np.random.default_rng(1).lognormal(-(sigma**2) / 2, sigma, truth.shape)
    assert additive.tobytes() == normal.tobytes() and factor.tobytes() == lognormal.tobytes()


@pytest.mark.parametrize(
    "noise",
    [N.Linear(0.1, 0.2), N.Autocorrelated(N.Lognormal(0.2), 9), N.InSequence([N.Lognormal(0.2), N.Normal(0.1)])],
)
def test_what_is_trained_by_the_likelihood_gets_its_slope(noise):
    """In a compiled graph, of any number of trajectories, with gaps, beside finite differences."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradient is asked of TensorFlow")
    import tensorflow as tf

    truth = np.tile(TRUTH, (2, 1))[..., None]
    measured = noise.apply(truth, np.random.default_rng(2), TIMES)
    measured[1, 1:3] = np.nan

    def total(values, xp):
        return xp.sum(noise.log_density(measured, values, xp=xp, times=TIMES))

    @tf.function(input_signature=[tf.TensorSpec((None, 4, 1), "float64")])
    def slope(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            likelihood = total(values, keras.ops)
        return tape.gradient(likelihood, values)

    found = slope(tf.constant(truth)).numpy()

    step = np.zeros_like(truth)
    step[0, 2, 0] = 1e-5
    expected = (total(truth + step, np) - total(truth - step, np)) / 2e-5
    assert np.isfinite(found).all()
    assert found[0, 2, 0] == pytest.approx(expected, rel=1e-5)
    assert (found[1, 1:3] == 0).all()

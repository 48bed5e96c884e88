"""Draws follow their law, in bounds, reproducibly; what `around` leaves out has its reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.errors import UnknownName

LAWS = {
    "Fixed": sh.priors.Fixed(2.5),
    "Uniform": sh.priors.Uniform(-1.0, 3.0),
    "LogUniform": sh.priors.LogUniform(0.1, 10.0),
    "LogNormal": sh.priors.LogNormal(median=2.0, fold=1.5),
    "Normal": sh.priors.Normal(mean=1.0, sd=2.0),
}


def law_of(prior):
    from scipy import stats

    return {
        "Uniform": lambda p: stats.uniform(p.low, p.high - p.low),
        "LogUniform": lambda p: stats.loguniform(p.low, p.high),
        "LogNormal": lambda p: stats.lognorm(np.log(p.fold), scale=p.median),
        "Normal": lambda p: stats.norm(p.mean, p.sd),
    }[type(prior).__name__](prior)


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_draws_follow_their_law_and_columns_are_uncorrelated(design):
    """Kolmogorov-Smirnov at 1e-4 for 4 laws, correlations within 5 / sqrt(n): about 1 failure in 2000 seeds."""
    from scipy import stats

    draws = sh.sample(LAWS, 1024, seed=7, design=design)

    assert len(draws) == 1024
    assert (draws["Fixed"] == 2.5).all()
    for name in ("Uniform", "LogUniform", "LogNormal", "Normal"):
        assert stats.kstest(draws[name], law_of(LAWS[name]).cdf).pvalue > 1e-4
    ranks = draws.drop(columns="Fixed").rank().corr().to_numpy()
    assert np.abs(ranks - np.eye(4)).max() < 5 / np.sqrt(1024)


def test_a_latin_hypercube_has_one_draw_in_every_stratum():
    draws = sh.sample({"k": sh.priors.Uniform(0, 1)}, 50, seed=3, design="latin-hypercube")

    assert sorted(np.floor(draws["k"] * 50).astype(int)) == list(range(50))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20), more=st.integers(0, 20))
def test_row_i_of_a_random_design_depends_on_the_seed_and_i_alone(seed, n, more):
    few, many = sh.sample(LAWS, n, seed=seed), sh.sample(LAWS, n + more, seed=seed)

    pd.testing.assert_frame_equal(few, many.iloc[:n], check_exact=True)


@given(low=st.floats(1e-9, 1e9), fold=st.floats(1, 1e6), seed=st.integers(0, 1000))
def test_draws_stay_within_their_bounds(low, fold, seed):
    prior = sh.priors.LogUniform(low, low * fold)

    draws = sh.sample({"k": prior}, 8, seed=seed)["k"]

    assert ((draws >= prior.low) & (draws <= prior.high)).all()


def test_the_design_is_written_down_with_the_draws():
    draws = sh.sample({"k": sh.priors.LogUniform(1, 2)}, 3, seed=5, design="sobol")

    assert draws.attrs["design"] == {
        "design": "sobol",
        "n": 3,
        "seed": 5,
        "priors": {"k": {"kind": "LogUniform", "low": 1, "high": 2}},
    }


def test_a_prior_comes_back_from_its_description():
    for prior in LAWS.values():
        assert sh.priors.prior_from_dict(sh.priors.to_dict(prior)) == prior


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sh.priors.Normal(0, -1), "sd must be zero or more, got -1"),
        (lambda: sh.priors.LogNormal(1, 0.5), "fold must be 1 or more, got 0.5"),
        (lambda: sh.priors.LogNormal(-1, 2), "median must be positive, got -1"),
        (lambda: sh.priors.LogUniform(0, 2), "low must be positive, got 0"),
        (lambda: sh.priors.Uniform(3, 2), "low must not be above high"),
        (lambda: sh.priors.Fixed(float("nan")), "value must be a finite number"),
        (lambda: sh.sample(LAWS, 0, seed=0), "n must be a whole number of 1 or more, got 0"),
        (lambda: sh.around(sh.load("S -> ; k*S; k = 1"), fold=0.5), "fold must be a finite number of 1 or more"),
    ],
)
def test_an_argument_out_of_range_is_refused_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unknown_design_is_refused_with_the_closest_name():
    with pytest.raises(UnknownName, match="Did you mean 'sobol'"):
        sh.sample(LAWS, 2, seed=0, design="sobel")


# -- around ----------------------------------------------------------------------------------------

KITCHEN = """
function hill(x, K, n)
  x^n/(K^n + x^n)
end
model kitchen
  compartment C = 2; species A in C, B in C
  A = 3; B = 0
  v1: A -> B; C*vmax*hill(A, Km, n)*scale
  v2: B -> ; piecewise(k, time < t_on, 2*k)*B*C - zero*A
  scale := base*2
  p = 1; p' = drift*p
  derived = 2*k
  at (B > threshold): switched = 2
  vmax = 1; Km = 0.5; n = 2; k = 0.1; t_on = 3; zero = 0; base = 0.5; drift = 0.2; threshold = 1; switched = 1
  unused = 4; negative = -1
end
"""


def test_around_varies_what_acts_on_the_rates_and_says_why_not_for_the_rest():
    priors = sh.around(sh.load(KITCHEN), fold=2)

    assert dict(priors) == {
        name: sh.priors.LogUniform(value / 2, value * 2)
        for name, value in {"vmax": 1, "Km": 0.5, "k": 0.1, "base": 0.5, "drift": 0.2}.items()
    }
    reasons = {
        "n": "an exponent",
        "t_on": "only in triggers or conditions",
        "threshold": "only in triggers or conditions",
        "zero": "not positive",
        "negative": "not positive",
        "scale": "assignment rule",
        "derived": "initial assignment",
        "p": "a rate rule changes it",
        "switched": "an event changes it",
        "unused": "acts on no kinetic law",
        "C": "a compartment",
    }
    assert priors.left_out.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in priors.left_out[name]


def test_around_can_vary_initial_values_and_exactly_what_is_asked():
    model = sh.load(KITCHEN)

    assert sh.around(model, 2, initial=True)["init([A])"] == sh.priors.LogUniform(1.5, 6)
    assert "init([B])" in sh.around(model, 2, initial=True).left_out
    asked = sh.around(model, 2, of=["n", "C", "init(A)", "init([A])"])
    assert [p.high for p in asked.values()] == [4, 4, 12, 6]


def test_around_refuses_what_is_not_there_and_what_has_no_factor():
    model = sh.load(KITCHEN)

    with pytest.raises(UnknownName, match="Did you mean 'vmax'"):
        sh.around(model, 2, of=["Vmax"])
    with pytest.raises(ValueError, match=r"negative is -1\.0; only a positive quantity varies by a factor"):
        sh.around(model, 2, of=["negative"])


def test_draws_of_around_stay_positive_and_centred_in_the_logarithm():
    draws = sh.sample(sh.around(sh.load(KITCHEN), fold=2), 2000, seed=0)

    logs = np.log(draws / [1, 0.5, 0.1, 0.5, 0.2]) / np.log(2)
    assert (np.abs(logs) <= 1).all().all()
    assert (logs.mean().abs() < 5 * np.sqrt(1 / 3 / 2000)).all()  # 5 standard errors, 5 columns

"""Draws follow their law in every design, in bounds, in the number asked for, reproducibly and piece by piece."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid.errors import UnknownName
from sbml_hybrid.simulation.streams import uniforms

DESIGNS = ["random", "latin-hypercube", "sobol", "grid"]
CONTINUOUS = {
    "Uniform": (sh.priors.Uniform(-1.0, 3.0), stats.uniform(-1, 4)),
    "LogUniform": (sh.priors.LogUniform(0.1, 10.0), stats.loguniform(0.1, 10)),
    "LogNormal": (sh.priors.LogNormal(median=2.0, fold=1.5), stats.lognorm(np.log(1.5), scale=2)),
    "Normal": (sh.priors.Normal(mean=1.0, sd=2.0), stats.norm(1, 2)),
    "Beta": (sh.priors.Beta(2.0, 0.7, low=-1.0, high=3.0), stats.beta(2, 0.7, -1, 4)),
    "Gamma": (sh.priors.Gamma(shape=1.5, scale=4.0), stats.gamma(1.5, scale=4)),
    "Triangular": (sh.priors.Triangular(1.0, 2.0, 6.0), stats.triang(0.2, 1, 5)),
    "Truncated": (sh.priors.Truncated(sh.priors.Normal(1.0, 2.0), low=0.0), stats.truncnorm(-0.5, np.inf, 1, 2)),
}
LAWS = {name: prior for name, (prior, _) in CONTINUOUS.items()}
RELATIVE = sh.priors.Relative(sh.priors.Uniform(1, 2))
DOSES = sh.priors.Discrete([10.0, 0.1, 1.0], [0.2, 0.5, 0.3])
EVERYTHING = {
    **LAWS,
    "Fixed": sh.priors.Fixed(2.5),
    "Discrete": DOSES,
    "tied": sh.priors.Joint(
        {"kf": sh.priors.LogNormal(1, 2), "Km": sh.priors.LogNormal(3, 2)},
        correlation=[[1, 0.8], [0.8, 1]],
        formulas={"kr": "kf / 2.5"},
    ),
    "posterior": sh.priors.Table(pd.DataFrame({"p": [1.0, 2.0, 3.0], "q": [5.0, 7.0, 6.0]})),
}


# -- each law in each design -----------------------------------------------------------------------


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_draws_follow_their_law_and_columns_are_uncorrelated(design):
    """Kolmogorov-Smirnov at 1e-4 for 8 laws, rank correlations within 5 / sqrt(n): about 1 failure in 1000 seeds."""
    draws = sh.sample({**LAWS, "Fixed": sh.priors.Fixed(2.5)}, 1024, seed=7, design=design)

    assert len(draws) == 1024
    assert (draws["Fixed"] == 2.5).all()
    for name, (_, law) in CONTINUOUS.items():
        assert stats.kstest(draws[name], law.cdf).pvalue > 1e-4, name
    ranks = draws.drop(columns="Fixed").rank().corr().to_numpy()
    assert np.abs(ranks - np.eye(len(LAWS))).max() < 5 / np.sqrt(1024)


@pytest.mark.parametrize("design", ["latin-hypercube", "sobol"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_space_filling_design_keeps_each_law_far_closer_than_chance(name, design):
    """The distance of 1024 draws from their law is that of one draw in each of 1024 equal shares, at most: no luck."""
    prior, law = CONTINUOUS[name]

    draws = sh.sample({"k": prior, "other": sh.priors.Uniform(0, 1)}, 1024, seed=3, design=design)["k"]

    assert stats.kstest(draws, law.cdf).statistic <= 1 / 1024 + 1e-9


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_two_log_normal_parameters_are_drawn_independently(design):
    """A hypercube whose columns are not shuffled pairs them at 0.9993; 5 standard errors: 1 failure in a million."""
    law = sh.priors.LogNormal(1.0, fold=2.0)

    for pair in ({"a": law, "b": law}, {"a": sh.priors.Normal(5, 1), "b": sh.priors.Normal(5, 1)}):
        draws = sh.sample(pair, 1000, seed=1, design=design)
        assert abs(draws["a"].corr(draws["b"])) < 5 / np.sqrt(1000)
        assert not draws["a"].is_monotonic_increasing


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_values_of_a_discrete_law_come_as_often_as_they_should(design):
    """Chi-squared at 1e-6."""
    counts = sh.sample({"dose": DOSES}, 2000, seed=5, design=design)["dose"].value_counts()

    assert stats.chisquare(counts[[0.1, 1.0, 10.0]], [1000, 600, 400]).pvalue > 1e-6


@pytest.mark.parametrize("n", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_a_design_has_as_many_draws_as_were_asked_for(n, design):
    draws = sh.sample(EVERYTHING, n, seed=0, design=design)

    assert len(draws) == n
    assert list(draws.index) == list(range(n))
    assert list(draws.columns) == [*LAWS, "Fixed", "Discrete", "kf", "Km", "kr", "p", "q"]
    assert np.isfinite(draws.to_numpy()).all()


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_draws_stay_within_the_bounds_of_their_law(design):
    bounded = {name: prior for name, prior in LAWS.items() if name in {"Uniform", "LogUniform", "Beta", "Triangular"}}

    cut = {"cut": sh.priors.Truncated(sh.priors.LogNormal(1, 3), 0.5, 2)}

    draws = sh.sample(bounded | cut, 3000, seed=0, design=design)

    assert draws.min().ge([-1, 0.1, -1, 1, 0.5]).all()
    assert draws.max().le([3, 10, 3, 6, 2]).all()


def test_a_latin_hypercube_has_one_draw_in_every_stratum():
    draws = sh.sample({"k": sh.priors.Uniform(0, 1)}, 50, seed=3, design="latin-hypercube")

    assert sorted(np.floor(draws["k"] * 50).astype(int)) == list(range(50))


@pytest.mark.parametrize("design", ["latin-hypercube", "sobol"])
def test_what_is_fixed_counts_as_no_dimension(design):
    law = {"k": sh.priors.LogNormal(1, 2)}

    alone, beside = (sh.sample(p, 16, seed=4, design=design) for p in (law, {"c": sh.priors.Fixed(1), **law}))

    pd.testing.assert_series_equal(alone["k"], beside["k"], check_exact=True)


# -- the same draws, whatever else is asked for ----------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20), more=st.integers(0, 20))
def test_row_i_of_a_random_design_depends_on_the_seed_and_i_alone(seed, n, more):
    few, many = sh.sample(EVERYTHING, n, seed=seed), sh.sample(EVERYTHING, n + more, seed=seed)

    pd.testing.assert_frame_equal(few, many.iloc[:n], check_exact=True)


@given(seed=st.integers(0, 2**200), start=st.integers(0, 2**32 - 40), k=st.integers(0, 40))
def test_random_rows_are_those_of_numpy_s_own_generators(seed, start, k):
    rows = (np.random.SeedSequence(seed, spawn_key=(i,)) for i in range(start, start + 5))
    expected = np.array([np.random.Generator(np.random.PCG64(row)).random(k) for row in rows])

    np.testing.assert_array_equal(uniforms(seed, start, start + 5, k), expected)


def test_many_random_rows_are_those_of_numpy_s_own_generators():
    """More rows than are computed at once."""
    rows = (np.random.SeedSequence(11, spawn_key=(i,)) for i in range(6000))
    expected = np.array([np.random.Generator(np.random.PCG64(row)).random(5) for row in rows])

    np.testing.assert_array_equal(uniforms(11, 0, 6000, 5), expected)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_pieces_of_a_design_are_the_sample(design):
    priors = {"a": LAWS["LogNormal"], "b": LAWS["Beta"], "c": DOSES} if design == "grid" else EVERYTHING
    n = 6**3 if design == "grid" else 200

    made = sh.Design(priors, n, seed=9, design=design)
    pieces = pd.concat([made.rows(start, start + 17) for start in range(0, n, 17)])

    whole = sh.sample(priors, n, seed=9, design=design)
    assert len(made) == n
    assert list(made.columns) == list(whole.columns)
    assert made.said == whole.attrs["design"]
    pd.testing.assert_frame_equal(pieces, whole, check_exact=True)


def test_a_row_of_a_huge_random_design_costs_no_more_than_itself():
    made = sh.Design(LAWS, 2**32, seed=2)

    pd.testing.assert_frame_equal(made.rows(10, 12), sh.sample(LAWS, 12, seed=2).iloc[10:], check_exact=True)
    assert list(made.rows(2**32 - 1, 2**32).index) == [2**32 - 1]


def test_a_design_simulates_as_its_sample():
    model = sh.load("A -> B; k1*A; B -> A; k2*B; A = 10; B = 0; k1 = 0.3; k2 = 2")
    priors = {
        "k1": LAWS["Gamma"],
        "total": sh.priors.Table(pd.DataFrame({"init(A)": [1.0, 9.0], "init(B)": [9.0, 1.0]})),
    }

    made, table = (
        sh.simulate(model, draws, times=[0, 1, 2])
        for draws in (sh.Design(priors, 150, seed=3), sh.sample(priors, 150, seed=3))
    )

    assert made.identical(table)
    assert (made["truth"].sum("species").round(6) == 10).all()


def test_draws_of_a_given_seed_never_change():
    """The digits of the first release."""
    draws = sh.sample({"c": sh.priors.Fixed(2.5), "k": sh.priors.LogUniform(0.1, 10)}, 3, seed=7)

    u = [np.random.default_rng(np.random.SeedSequence(7, spawn_key=(i,))).random(2)[1] for i in range(3)]
    np.testing.assert_array_equal(draws["k"], np.clip(0.1 * np.exp(np.array(u) * np.log(10 / 0.1)), 0.1, 10))


def test_the_design_is_written_down_with_the_draws():
    draws = sh.sample({"k": sh.priors.LogUniform(1, 2)}, 3, seed=5, design="sobol")

    assert draws.attrs["design"] == {
        "design": "sobol",
        "n": 3,
        "seed": 5,
        "priors": {"k": {"kind": "LogUniform", "low": 1, "high": 2}},
    }


# -- grids -----------------------------------------------------------------------------------------


def test_a_grid_takes_every_combination_in_the_middle_of_equal_shares():
    draws = sh.sample(
        {"a": sh.priors.Uniform(0, 1), "c": sh.priors.Fixed(7), "b": sh.priors.Uniform(0, 10)}, 9, seed=0, design="grid"
    )

    assert draws["a"].round(12).tolist() == np.repeat([1 / 6, 3 / 6, 5 / 6], 3).round(12).tolist()
    assert draws["b"].round(12).tolist() == np.tile([10 / 6, 5, 50 / 6], 3).round(12).tolist()
    assert (draws["c"] == 7).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_grid_keeps_each_law_as_closely_as_its_levels_can_and_columns_are_uncorrelated(name):
    prior, law = CONTINUOUS[name]

    draws = sh.sample({"other": LAWS["Gamma"], "k": prior}, {"other": 5, "k": 32}, seed=0, design="grid")

    assert len(draws) == 160
    assert stats.kstest(draws["k"].unique(), law.cdf).statistic <= 1 / 64 + 1e-9
    assert abs(draws["k"].corr(draws["other"])) < 1e-9


def test_a_grid_takes_levels_by_name_and_each_value_of_a_discrete_law():
    draws = sh.sample({"k": LAWS["LogNormal"], "dose": DOSES}, {"k": 2, "dose": 3}, seed=0, design="grid")

    assert draws["dose"].tolist() == [0.1, 1, 10] * 2
    np.testing.assert_allclose(draws["k"], np.repeat(CONTINUOUS["LogNormal"][1].ppf([0.25, 0.75]), 3))
    assert draws.attrs["design"]["levels"] == {"k": 2, "dose": 3}
    assert draws.attrs["design"]["n"] == 6


def test_a_grid_over_a_joint_law_and_a_table_varies_each_quantity_and_takes_each_row_once():
    tied = sh.priors.Joint({"kf": sh.priors.Uniform(0, 1)}, formulas={"kr": "2*kf"})
    rows = sh.priors.Table(pd.DataFrame({"p": [1.0, 2.0, 4.0], "w": [0.7, 0.1, 0.2]}), weights="w")

    draws = sh.sample({"tied": tied, "posterior": rows}, {"kf": 2, "posterior": 3}, seed=0, design="grid")

    assert draws.to_numpy().tolist() == [[kf, 2 * kf, p] for kf in (0.25, 0.75) for p in (1, 2, 4)]


@pytest.mark.parametrize(("levels", "k"), [(1, 1), (10, 1), (3, 4), (2, 6)])
def test_a_grid_of_levels_to_the_power_of_quantities_is_exact(levels, k):
    draws = sh.sample({f"k{i}": LAWS["Uniform"] for i in range(k)}, levels**k, seed=0, design="grid")

    assert len(draws.drop_duplicates()) == levels**k
    assert (draws.nunique() == levels).all()


# -- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sh.sample(LAWS, 0, seed=0), "n must be a whole number of 1 or more, got 0"),
        (lambda: sh.sample(LAWS, 2.5, seed=0), r"n must be a whole number of 1 or more, got 2\.5"),
        (lambda: sh.sample(LAWS, 5, seed=-1), "seed must be a whole number of 0 or more, got -1"),
        (lambda: sh.Design(LAWS, 2**33, seed=0), "n must be at most 4294967296"),
        (
            lambda: sh.sample({k: LAWS["Uniform"] for k in "abc"}, 100, seed=0, design="grid"),
            r"levels\*\*3 draws, and 100 is none of those; the nearest: 64 \(4 levels\) and 125 \(5 levels\)",
        ),
        (
            lambda: sh.sample({"c": sh.priors.Fixed(1)}, 5, seed=0, design="grid"),
            r"and 5 is none of those; the nearest: 1 \(1 level\)",
        ),
        (
            lambda: sh.sample({"a": LAWS["Uniform"], "b": LAWS["Uniform"]}, {"a": 2}, seed=0, design="grid"),
            "n gives levels to a, and b vary as well",
        ),
        (lambda: sh.sample(LAWS, {"Normal": 2}, seed=0), "n by name makes a grid, and the design is 'random'"),
        (
            lambda: sh.sample({"kf": LAWS["Normal"], "tied": EVERYTHING["tied"]}, 2, seed=0),
            "'kf' is drawn by 'kf' and by 'tied'; leave one of them out",
        ),
        (
            lambda: sh.sample({"k": sh.priors.Relative(LAWS["Gamma"])}, 2, seed=0),
            r"'k' needs a law with values of its own.* Try: sh\.priors\.of\(model",
        ),
        (lambda: sh.sample({"k": 3.0}, 2, seed=0), r"'k' needs a law with values of its own, got 3\.0"),
    ],
)
def test_a_design_that_cannot_be_is_refused_with_what_to_try(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_names_are_refused_with_the_closest():
    with pytest.raises(UnknownName, match="Did you mean 'sobol'"):
        sh.sample(LAWS, 2, seed=0, design="sobel")
    with pytest.raises(UnknownName, match="No varied quantity 'Uniforn' in the grid. Did you mean 'Uniform'"):
        sh.sample({"Uniform": LAWS["Uniform"]}, {"Uniforn": 2}, seed=0, design="grid")


def test_rows_that_are_not_in_the_design_are_an_index_error():
    with pytest.raises(IndexError, match="Rows 6 to 8 of a design with 5"):
        sh.Design(LAWS, 5, seed=0).rows(6, 8)
    with pytest.raises(IndexError, match="Rows -2 to 3 of a design with 5"):
        sh.Design(LAWS, 5, seed=0).rows(-2, 3)

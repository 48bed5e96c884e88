"""Laws are what they say, joint laws keep what ties them, and patterns reach what can vary."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, SourceNotFound, UnknownName

P = sh.priors
U = np.linspace(0, 1, 2001)[1:-1]

sizes = st.floats(1e-6, 1e6)
starts = st.floats(-100, 100)


def widths(low: float, high: float) -> st.SearchStrategy:
    """Widths of the scale of 1, so that bounds and widths do not drown each other in rounding."""
    return st.floats(low, high)


laws = st.one_of(
    st.builds(lambda low, width: P.Uniform(low, low + width), starts, widths(0.1, 100)),
    st.builds(lambda low, fold: P.LogUniform(low, low * fold), sizes, widths(1.01, 1e6)),
    st.builds(P.LogNormal, sizes, widths(1.01, 50)),
    st.builds(P.Normal, starts, widths(0.1, 100)),
    st.builds(lambda a, b, low, width: P.Beta(a, b, low, low + width), *[widths(0.5, 20)] * 2, starts, widths(1, 100)),
    st.builds(P.Gamma, widths(0.5, 100), sizes),
    st.builds(lambda low, up, down: P.Triangular(low, low + up, low + up + down), starts, *[widths(0.1, 100)] * 2),
)
cut = st.builds(
    lambda law, low, high: P.Truncated(law, *np.sort(law.quantile(np.array([low, high]))).tolist()),
    laws,
    widths(0.01, 0.4),
    widths(0.5, 0.99),
)


# -- one quantity ----------------------------------------------------------------------------------


@given(law=laws | cut, u=st.lists(st.floats(1e-4, 1 - 1e-4), min_size=1, max_size=20))
def test_the_probability_of_a_quantile_is_the_one_it_was_asked_for(law, u):
    np.testing.assert_allclose(law.cdf(law.quantile(np.array(u))), u, atol=1e-6)


@given(law=laws | cut)
def test_quantiles_rise_and_probabilities_stay_between_0_and_1(law):
    values = law.quantile(U)

    assert (np.diff(values) >= 0).all()
    wide = law.cdf(np.concatenate([[-1e300, -1.0, 0.0], values, [1e300]]))
    assert ((wide >= 0) & (wide <= 1)).all()
    assert wide[0] == 0
    assert wide[-1] == 1


@given(law=laws | cut, factor=widths(0.01, 100))
def test_a_scaled_law_is_that_of_the_scaled_quantity(law, factor):
    np.testing.assert_allclose(law.scaled(factor).quantile(U), factor * law.quantile(U), rtol=1e-6, atol=1e-6 * factor)


@pytest.mark.parametrize(
    ("prior", "law"),
    [
        (P.Beta(2, 5), stats.beta(2, 5)),
        (P.Beta(0.5, 3, low=2, high=6), stats.beta(0.5, 3, 2, 4)),
        (P.Gamma(3, 0.5), stats.gamma(3, scale=0.5)),
        (P.Triangular(-1, 0, 3), stats.triang(0.25, -1, 4)),
        (P.Triangular(1, 1, 3), stats.triang(0, 1, 2)),
        (P.Triangular(1, 3, 3), stats.triang(1, 1, 2)),
        (P.LogNormal(2, 1.5), stats.lognorm(np.log(1.5), scale=2)),
        (P.Truncated(P.Normal(1, 2), low=0), stats.truncnorm(-0.5, np.inf, 1, 2)),
        (P.Truncated(P.Normal(1, 2), high=0.5), stats.truncnorm(-np.inf, -0.25, 1, 2)),
        (P.Truncated(P.Normal(0, 1), 2, 3), stats.truncnorm(2, 3)),
        (P.Truncated(P.Truncated(P.Uniform(0, 8), low=2), high=6), stats.uniform(2, 4)),
    ],
    ids=lambda one: str(one) if type(one).__module__.startswith("sbml_hybrid") else "scipy",
)
def test_a_law_agrees_with_scipy_s(prior, law):
    np.testing.assert_allclose(prior.quantile(U), law.ppf(U), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(prior.cdf(law.ppf(U)), U, atol=1e-9)


@pytest.mark.parametrize(
    "prior",
    [P.Uniform(2, 2), P.LogUniform(2, 2), P.LogNormal(2, 1), P.Normal(2, 0), P.Beta(1, 1, 2, 2), P.Triangular(2, 2, 2)],
    ids=str,
)
def test_a_law_without_width_is_its_one_value(prior):
    np.testing.assert_array_equal(prior.quantile(U), P.Fixed(2).quantile(U))
    np.testing.assert_array_equal(prior.cdf(np.array([1.9, 2, 2.1])), [0, 1, 1])


def test_a_discrete_law_takes_each_value_for_its_share_of_probabilities():
    doses = P.Discrete([10, 0, 1], [0.25, 0.5, 0.25])

    assert doses.values == (0, 1, 10)
    np.testing.assert_array_equal(doses.quantile(np.array([0.01, 0.5, 0.51, 0.75, 0.76, 0.999])), [0, 0, 1, 1, 10, 10])
    np.testing.assert_array_equal(doses.cdf(np.array([-1, 0, 0.5, 1, 9, 10])), [0, 0.5, 0.5, 0.75, 0.75, 1])
    assert set(P.Discrete([1, 2]).quantile(np.array([1e-300, 0.5, 1 - 1e-16]))) == {1, 2}


def test_cutting_a_discrete_law_keeps_the_values_at_the_bounds():
    cut = P.Truncated(P.Discrete([-1, 0, 1, 2]), low=0, high=1)

    assert set(cut.quantile(np.concatenate([[1e-300], U, [1 - 1e-16]]))) == {0, 1}
    assert set(P.Truncated(cut, low=-0.5, high=1.5).quantile(np.concatenate([[1e-300], U]))) == {0, 1}
    assert P.Truncated(P.Discrete([-1, 1]), low=-0.5).quantile(np.array(1e-300)) == 1
    np.testing.assert_allclose((cut.quantile(U) == 0).mean(), 0.5, atol=1e-3)


def test_a_law_gives_the_shape_that_it_is_asked_for():
    for law in (P.Fixed(1), P.Uniform(0, 1), P.Normal(1, 1), P.Discrete([1, 2]), P.Truncated(P.Gamma(2, 1), high=3)):
        assert np.shape(law.quantile(np.full((2, 3), 0.3))) == (2, 3)
        assert np.shape(law.cdf(np.full((2, 3), 0.3))) == (2, 3)
        assert np.ndim(law.quantile(np.float64(0.3))) == 0


# -- several quantities ----------------------------------------------------------------------------


@given(r=st.floats(-0.95, 0.95), folds=st.tuples(widths(1.1, 5), widths(1.1, 5)), seed=st.integers(0, 2**32 - 1))
def test_the_correlation_of_log_normal_laws_is_that_of_the_logarithms(r, folds, seed):
    """Fisher's z within 6 standard errors: 1 failure in 10 million."""
    tied = P.Joint({"a": P.LogNormal(3, folds[0]), "b": P.LogNormal(0.1, folds[1])}, [[1, r], [r, 1]])

    logs = np.log(sh.sample({"tied": tied}, 2000, seed=seed))

    assert abs(np.arctanh(logs["a"].corr(logs["b"])) - np.arctanh(r)) < 6 / np.sqrt(1997)


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_a_joint_law_keeps_each_law_and_the_correlation_of_three(design):
    """Kolmogorov-Smirnov at 1e-5 for 3 laws, correlations within 5 standard errors: 1 failure in 20 000 seeds."""
    matrix = np.array([[1, 0.9, -0.5], [0.9, 1, -0.3], [-0.5, -0.3, 1]])
    marginals = {"k": P.LogNormal(1, 2), "K": P.Gamma(2, 3), "f": P.Beta(2, 2)}

    draws = sh.sample({"tied": P.Joint(marginals, matrix)}, 4096, seed=0, design=design)

    scores = pd.DataFrame({name: stats.norm.ppf(law.cdf(draws[name])) for name, law in marginals.items()})
    for name in marginals:
        assert stats.kstest(scores[name], stats.norm.cdf).pvalue > 1e-5
    np.testing.assert_allclose(
        np.arctanh(scores.corr().to_numpy()[np.triu_indices(3, 1)]),
        np.arctanh(matrix[np.triu_indices(3, 1)]),
        atol=5 / np.sqrt(4093),
    )


def test_perfect_correlation_moves_quantities_as_one():
    tied = P.Joint(
        {"a": P.Uniform(0, 1), "b": P.Normal(0, 1), "c": P.Uniform(0, 1)}, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    )

    draws = sh.sample({"tied": tied}, 50, seed=0)

    np.testing.assert_allclose(stats.norm.cdf(draws["b"]), draws["a"], atol=1e-12)
    np.testing.assert_allclose(1 - draws["c"], draws["a"], atol=1e-12)


def test_a_joint_law_without_correlation_is_its_laws_side_by_side():
    laws = {"a": P.LogUniform(1, 2), "b": P.Normal(0, 1)}

    pd.testing.assert_frame_equal(
        sh.sample({"any": P.Joint(laws)}, 20, seed=1), sh.sample(laws, 20, seed=1), check_exact=True
    )


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_what_is_fixed_in_a_joint_law_takes_nothing_from_the_others(design):
    free = {"a": P.LogUniform(1, 2), "b": P.Normal(0, 1)}
    matrix = np.array([[1, 0, 0.7], [0, 1, 0], [0.7, 0, 1]])
    fixed = P.Joint({"a": free["a"], "c": P.Fixed(4), "b": free["b"]}, matrix, {"d": "c*a"})

    draws = sh.sample({"tied": fixed}, 16, seed=2, design=design)

    alone = sh.sample({"tied": P.Joint(free, matrix[::2, ::2])}, 16, seed=2, design=design)
    pd.testing.assert_frame_equal(draws[["a", "b"]], alone, check_exact=True)
    assert (draws["c"] == 4).all()
    np.testing.assert_array_equal(draws["d"], 4 * draws["a"])
    assert (sh.sample({"all": P.Joint({"c": P.Fixed(4)})}, 3, seed=2, design=design)["c"] == 4).all()


@given(ratio=sizes, seed=st.integers(0, 1000))
def test_an_equilibrium_constant_holds_in_every_row(ratio, seed):
    tied = P.Joint({"kf": P.LogUniform(0.01, 100)}, formulas={"kr": f"kf / {ratio!r}"})

    draws = sh.sample({"step": tied}, 20, seed=seed)

    np.testing.assert_allclose(draws["kr"], draws["kf"] / ratio, rtol=1e-15)  # libSBML rounds some numbers twice


def test_a_closed_cycle_keeps_wegscheider_s_condition():
    forwards, backwards = [f"kf{i}" for i in range(3)], [f"kr{i}" for i in range(3)]
    free = {name: P.LogNormal(1, 3) for name in (*forwards, *backwards[:2])}
    cycle = P.Joint(free, formulas={"K2": "kr0*kr1/(kf0*kf1)", "kr2": "kf2/K2"})

    draws = sh.sample({"cycle": cycle}, 200, seed=0)

    np.testing.assert_allclose(draws[forwards].prod(axis=1), draws[backwards].prod(axis=1), rtol=1e-12)


def test_a_conserved_total_may_be_split_over_initial_amounts():
    total = P.Joint({"init(A)": P.Uniform(0, 10)}, formulas={"init([B])": "10 - init(A)", "init(C)": "init([B])/2"})

    draws = sh.sample({"total": total}, 20, seed=0)

    np.testing.assert_array_equal(draws["init([B])"], 10 - draws["init(A)"])
    np.testing.assert_array_equal(draws["init(C)"], draws["init([B])"] / 2)


def posterior(rows=400):
    rng = np.random.default_rng(0)
    k1 = rng.lognormal(size=rows)
    return pd.DataFrame({"k1": k1, "k2": 5 - k1 + 0.1 * rng.normal(size=rows), "init(A)": rng.uniform(1, 2, rows)})


@pytest.mark.parametrize("design", ["random", "latin-hypercube", "sobol"])
def test_a_table_s_rows_stay_whole_and_come_equally_often(design):
    """Chi-squared over 400 rows at 1e-6."""
    rows = posterior()

    draws = sh.sample({"posterior": P.Table(rows), "k": P.Uniform(0, 1)}, 8000, seed=3, design=design)

    counts = draws.merge(rows.reset_index(), on=list(rows))["index"].value_counts()
    assert counts.sum() == 8000  # every draw is one of the rows
    assert stats.chisquare(counts.reindex(range(400), fill_value=0)).pvalue > 1e-6


def test_a_weighted_table_draws_rows_as_often_as_their_weights():
    """Chi-squared at 1e-6; a weight of 0 never comes."""
    rows = pd.DataFrame({"k": [1.0, 2.0, 3.0, 4.0], "w": [0.0, 10.0, 30.0, 0.0]})

    counts = sh.sample({"posterior": P.Table(rows, weights="w")}, 4000, seed=0)["k"].value_counts()

    assert set(counts.index) == {2.0, 3.0}
    assert stats.chisquare(counts[[2.0, 3.0]], [1000, 3000]).pvalue > 1e-6


def test_tables_are_compared_by_content_and_do_not_change_with_their_source(tmp_path):
    rows = posterior()
    rows.to_csv(tmp_path / "posterior.csv", index=False)
    rows.assign(chain=0).to_parquet(tmp_path / "posterior.parquet")
    table, csv = P.Table(rows), P.Table(tmp_path / "posterior.csv")
    parquet = P.Table(tmp_path / "posterior.parquet", columns=list(rows))

    rows.loc[0, "k1"] = 99.0

    assert table == csv == parquet
    assert len({table, csv, parquet}) == 1
    assert table != P.Table(rows)
    assert pickle.loads(pickle.dumps(table)) == table
    with pytest.raises(AttributeError, match="A Table does not change"):
        table.names = ("k3",)


def test_joint_laws_are_compared_by_content_and_order():
    a, b = P.Fixed(1), P.Uniform(0, 1)

    assert P.Joint({"a": a, "b": b}) == P.Joint({"a": a, "b": b}, formulas={})
    assert P.Joint({"a": a, "b": b}) != P.Joint({"b": b, "a": a})  # the columns come in another order
    assert len({P.Joint({"a": b}, [[1]]), P.Joint({"a": b}, np.eye(1))}) == 1
    assert pickle.loads(pickle.dumps(P.Joint({"a": b}, formulas={"c": "2*a"}))) == P.Joint(
        {"a": b}, formulas={"c": "2*a"}
    )


# -- as plain values -------------------------------------------------------------------------------

joints = st.builds(lambda a, b, r: P.Joint({"a": a, "b": b}, [[1, r], [r, 1]], {"c": "a/b"}), laws, cut, widths(-1, 1))


@given(prior=laws | cut | joints | st.builds(P.Relative, laws) | st.builds(P.Fixed, starts))
def test_a_prior_comes_back_from_its_description_through_json(prior):
    assert P.prior_from_dict(json.loads(json.dumps(P.to_dict(prior)))) == prior


def test_a_discrete_law_and_a_table_s_file_come_back_from_their_description(tmp_path):
    posterior().to_csv(tmp_path / "posterior.csv", index=False)
    table = P.Table(tmp_path / "posterior.csv", columns=["k2", "k1"])
    for prior in (P.Discrete([3, 1]), P.Discrete([3, 1], [0.1, 0.9]), P.Discrete(np.arange(3)), table):
        assert P.prior_from_dict(json.loads(json.dumps(P.to_dict(prior)))) == prior

    assert P.prior_from_dict({"kind": "Table", "source": "posterior.csv"}, folder=tmp_path) == P.Table(posterior())


def test_a_table_from_memory_or_with_another_content_says_so(tmp_path):
    said = P.to_dict(P.Table(posterior(rows=7)))
    assert {k: v for k, v in said.items() if k != "hash"} == {
        "kind": "Table", "columns": ["k1", "k2", "init(A)"], "rows": 7
    }  # fmt: skip
    with pytest.raises(DataError, match="A table of 7 rows was drawn from memory"):
        P.prior_from_dict(said)

    posterior().to_csv(tmp_path / "posterior.csv", index=False)
    said = P.to_dict(P.Table(tmp_path / "posterior.csv"))
    posterior(rows=7).to_csv(tmp_path / "posterior.csv", index=False)
    with pytest.raises(DataError, match="its content has changed"):
        P.prior_from_dict(said)


def test_a_description_that_is_none_is_refused_with_what_there_is():
    with pytest.raises(UnknownName, match="No prior 'Lognormal' in sh.priors. Did you mean 'LogNormal'"):
        P.prior_from_dict({"kind": "Lognormal", "median": 1, "fold": 2})
    with pytest.raises(UnknownName, match="No setting 'sigma' in the prior Normal"):
        P.prior_from_dict({"kind": "Normal", "mean": 1, "sigma": 2})
    with pytest.raises(ValueError, match="cannot be made: .*missing.*'high'. It takes low, high"):
        P.prior_from_dict({"kind": "Uniform", "low": 1})
    with pytest.raises(ValueError, match=r"A prior is said as a table, such as .*, got 3\.$"):
        P.prior_from_dict({"kind": "Truncated", "prior": 3, "low": 0})
    with pytest.raises(UnknownName, match="No setting 'file' in the prior Table"):
        P.prior_from_dict({"kind": "Table", "file": "posterior.csv"})


# -- what cannot be --------------------------------------------------------------------------------

PAIR = {"a": P.Normal(0, 1), "b": P.Normal(0, 1)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: P.Normal(0, -1), "sd must be zero or more, got -1"),
        (lambda: P.LogNormal(1, 0.5), r"fold must be 1 or more, got 0\.5"),
        (lambda: P.LogNormal(-1, 2), "median must be positive, got -1"),
        (lambda: P.LogUniform(0, 2), "low must be positive, got 0"),
        (lambda: P.Uniform(3, 2), "low must not be above high"),
        (lambda: P.Fixed(float("nan")), "value must be a finite number"),
        (lambda: P.LogNormal("1", 2), "median must be a finite number, got '1'"),
        (lambda: sh.sample({"k": P.Uniform}, 2, seed=0), "'k' needs a law with values of its own, got <class"),
        (lambda: P.Beta(0, 1), "a must be positive, got 0"),
        (lambda: P.Gamma(1, -1), "scale must be positive, got -1"),
        (lambda: P.Triangular(0, 3, 2), "mode must not be above high, got mode=3, high=2"),
        (lambda: P.Discrete([]), "values must hold one number or more"),
        (lambda: P.Discrete([1, 1]), r"each once, got \[1, 1\]"),
        (lambda: P.Discrete([1, np.inf]), "values must be a list of finite numbers, got"),
        (lambda: P.Discrete([1, 2], [0.5, 0.6]), r"have the sum 1, got \[0\.5, 0\.6\]"),
        (lambda: P.Discrete([1, 2], [1.0]), "2 values need as many probabilities, got 1"),
        (lambda: P.Truncated(P.Normal(0, 1)), "Truncated needs low, high or both"),
        (lambda: P.Truncated(P.Normal(0, 1), 2, 1), "low must not be above high"),
        (lambda: P.Truncated(P.Normal(0, 1), low=9), "A share of 0e.00 of Normal"),
        (lambda: P.Truncated(P.Uniform(0, 1), np.nan), "low must be a finite number, or None"),
        (lambda: P.Truncated(P.Joint(PAIR), low=0), "Truncated takes a law of one quantity"),
        (lambda: P.Truncated(P.Relative(P.Normal(1, 1)), low=0), r"Try Relative\(Truncated"),
        (lambda: P.Relative(P.Normal(1, 1)).quantile(U), r"needs the values of a model. Try: sh.priors.of"),
        (lambda: P.Joint({}), "needs the law of one quantity or more"),
        (lambda: P.Joint({"a": P.Joint(PAIR)}), "Joint takes laws of one quantity"),
        (lambda: P.Joint(PAIR, [[1]]), r"must have shape \(2, 2\), for a, b; it has \(1, 1\)"),
        (lambda: P.Joint(PAIR, [[1, 0.5], [0.4, 1]]), r"must be symmetric; \[0, 1\] is 0.5 and \[1, 0\] is 0.4"),
        (lambda: P.Joint(PAIR, [[1, 0.5], [0.5, 2]]), r"must have 1 on its diagonal; \[1, 1\] is 2"),
        (lambda: P.Joint(PAIR, [[1, 1.5], [1.5, 1]]), "positive semi-definite; its smallest eigenvalue is -0.5"),
        (lambda: P.Joint(PAIR, [[1, np.nan], [np.nan, 1]]), "must hold finite numbers"),
        (lambda: P.Joint({**PAIR, "b": P.Fixed(1)}, [[1, 0.5], [0.5, 1]]), "be 0 between a fixed quantity"),
        (lambda: P.Joint(PAIR, formulas={"a": "b"}), "'a' has both a law and a formula"),
        (lambda: P.Joint(PAIR, formulas={"c": "a +"}), "'a .' is not a formula"),
        (lambda: P.Joint(PAIR, formulas={"c": "a*time"}), "uses the time; a draw has none"),
        (lambda: P.Joint(PAIR, formulas={"c": "hill(a)"}), "uses 'hill', which is not drawn here"),
        (
            lambda: sh.sample({"j": P.Joint(PAIR, formulas={"c": "ln(a)"})}, 9, seed=0),
            r"c = ln\(a\) gives nan where a = -",
        ),
        (lambda: P.Table(pd.DataFrame({"k": [1, None, 3]})), "Row 1 of the table has nan for 'k'; 1 of its 3 values"),
        (lambda: P.Table(pd.DataFrame({"k": ["high"]})), "has high for 'k'"),
        (lambda: P.Table(pd.DataFrame({"k": []})), "0 rows and 1 columns"),
        (lambda: P.Table(pd.DataFrame({"k": [1], "w": [-1]}), weights="w"), "weights 'w' .* must be 0 or more"),
        (lambda: sh.around(sh.load("S -> ; k*S; k = 1"), fold=0.5), "fold must be a finite number of 1 or more"),
        (lambda: sh.around(sh.load("S -> ; k*S; k = 1"), fold="2"), "fold must be .* got '2'"),
        (lambda: P.LogNormal("1", 2), "median must be a finite number, got '1'"),
        (lambda: P.Uniform(None, 2), "low must be a finite number, got None"),
        (lambda: P.Discrete("12"), "values must be a list of finite numbers, got '12'"),
        (lambda: P.Joint(PAIR, [["x", 1], [1, 1]]), "correlation must be 2 rows of 2 numbers"),
        (lambda: P.Joint(PAIR, formulas={"c": 2.0}), "The formula of 'c' must be a text, .* got 2.0"),
        (lambda: sh.sample({"k": P.Uniform}, 2, seed=0), "'k' needs a law with values of its own"),
        (lambda: sh.sample(PAIR, True, seed=0), "n must be a whole number of 1 or more, got True"),
        (lambda: P.prior_from_dict({"kind": "Truncated", "prior": 3, "low": 0}), "A prior is said as a table.* got 3"),
        (lambda: P.prior_from_dict({"low": 1, "high": 2}), "needs its kind, one of Fixed, Uniform"),
    ],
)
def test_an_argument_out_of_range_is_refused_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_that_a_joint_law_or_a_table_does_not_have_are_refused(tmp_path):
    with pytest.raises(UnknownName, match=r"No quantity 'd' in the Joint, for c = a\*d"):
        P.Joint(PAIR, formulas={"c": "a*d"})
    with pytest.raises(UnknownName, match="No column 'weight' in the table. Did you mean 'weights'"):
        P.Table(pd.DataFrame({"k": [1], "weights": [1]}), weights="weight")
    with pytest.raises(SourceNotFound, match="There is no table at .*nowhere.csv"):
        P.Table(tmp_path / "nowhere.csv")
    (tmp_path / "table.xls").write_text("k\n1\n")
    with pytest.raises(DataError, match="ends in '.xls'; a table of draws is a .csv or a .parquet file"):
        P.Table(tmp_path / "table.xls")
    (tmp_path / "broken.parquet").write_text("k\n1\n")
    with pytest.raises(DataError, match="broken.parquet cannot be read as a table"):
        P.Table(tmp_path / "broken.parquet")


# -- of --------------------------------------------------------------------------------------------

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
CYCLE = """
A -> B; kf*A; B -> A; kr*B; C -> ; kcat*C
substanceOnly species C in cell
A = 10; B = 1; C = 4; cell = 1; kf = 2; kr = 4; kcat = 8
"""


@pytest.fixture(scope="module")
def kitchen():
    return sh.load(KITCHEN)


@pytest.fixture(scope="module")
def cycle():
    return sh.load(CYCLE)


def test_patterns_give_all_that_match_a_law_and_later_entries_win(cycle):
    priors = P.of(cycle, {"k*": P.LogNormal(1, 2), "init(*)": P.Uniform(1, 2), "kcat": P.Fixed(2), "k?": P.Fixed(3)})

    assert dict(priors) == {
        "kf": P.Fixed(3), "kr": P.Fixed(3), "kcat": P.Fixed(2),
        "init([A])": P.Uniform(1, 2), "init([B])": P.Uniform(1, 2), "init(C)": P.Uniform(1, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("init([A])", ["init([A])"]),
        ("init([?])", ["init([A])", "init([B])", "init([C])"]),  # brackets mean themselves
        ("init([*])", ["init([A])", "init([B])", "init([C])"]),
        ("init(A*)", ["init(A)"]),
        ("init(?)", ["init(A)", "init(B)", "init(C)"]),
        ("init*", ["init([A])", "init([B])", "init(C)"]),  # as the model gives them
        ("[k]*", None),
        ("K*", None),
        ("*cat", ["kcat"]),
        ("kca", None),
    ],
)
def test_a_pattern_matches_text_and_nothing_else(cycle, pattern, found):
    if found is None:
        with pytest.raises(UnknownName, match="Known: kf"):
            P.of(cycle, {pattern: P.Fixed(1)})
    else:
        assert list(P.of(cycle, {pattern: P.Fixed(1)})) == found


def test_the_amount_and_the_concentration_of_a_species_are_one_quantity(cycle):
    assert list(P.of(cycle, {"init(*)": P.Fixed(1), "init(A)": P.Fixed(2)})) == ["init([B])", "init(C)", "init(A)"]


def test_everything_that_can_vary_matches_a_star_and_the_rest_has_its_reason(kitchen):
    priors = P.of(kitchen, {"*": P.Uniform(1, 2)})

    assert set(priors) == {
        "vmax", "Km", "n", "k", "t_on", "zero", "base", "drift", "threshold", "switched", "unused", "negative",
        "init(p)", "C", "init([A])", "init([B])",
    }  # fmt: skip
    assert priors.left_out.keys() == {"scale", "derived"}
    assert "vary base instead" in priors.left_out["scale"]
    truth = sh.simulate(kitchen, sh.sample(priors, 3, seed=0), times=[0, 1])
    assert (truth["status"] == 0).all()


def test_a_law_relative_to_the_model_s_values_becomes_one_of_each_quantity(kitchen):
    priors = P.of(kitchen, {"*": P.Relative(P.LogNormal(1, 1.5)), "init([A])": P.Relative(P.Gamma(2, 1))})

    assert priors["k"] == P.LogNormal(0.1, 1.5)
    assert priors["t_on"] == P.LogNormal(3, 1.5)
    assert priors["init([A])"] == P.Gamma(2, 3)
    assert {"zero", "negative", "init([B])"} <= priors.left_out.keys()
    assert priors.left_out["negative"] == "its value -1 is not positive"
    assert P.of(kitchen, {"init(A)": P.Relative(P.Fixed(1))})["init(A)"] == P.Fixed(6)  # 3 per volume, in 2 volumes


def test_what_cannot_be_negative_is_cut_at_zero_and_the_priors_say_so(kitchen):
    wide = P.Normal(1, 2)
    priors = P.of(kitchen, {"*": wide, "tied": P.Joint({"k": wide, "negative": wide})})

    positive = {"vmax", "Km", "base", "drift", "C", "init([A])", "init([B])"}
    assert {name for name in priors if priors[name] == P.Truncated(wide, low=0)} == positive
    assert priors["tied"] == P.Joint({"k": P.Truncated(wide, low=0), "negative": wide})
    assert set(priors.cut) == {*positive, "k"}
    assert "cut at 0, as they cannot be negative: vmax, Km" in repr(priors)
    assert (sh.sample(priors, 500, seed=0)[list(priors.cut)] >= 0).all().all()
    assert P.of(kitchen, {"k": P.Normal(100, 1), "init([B])": P.Fixed(0)}).cut == ()
    assert P.of(kitchen, {"k": wide, "vm*": wide, "vmax": P.Uniform(1, 2)}).cut == ("k",)


def test_a_formula_that_makes_an_amount_negative_is_refused_where_it_does(cycle):
    total = P.Joint({"init(A)": P.Uniform(5, 20)}, formulas={"init(B)": "10 - init(A)", "init(C)": "1 + init(A)"})

    priors = P.of(cycle, {"total": total})

    assert priors["total"].not_negative == ("init(B)", "init(C)")
    assert P.prior_from_dict(P.to_dict(priors["total"])) == priors["total"] != total
    with pytest.raises(
        ValueError, match=r"init\(B\) = 10 - init\(A\) gives -.* where .* cannot be negative. Try: Trunc"
    ):
        sh.sample(priors, 20, seed=0)
    below = P.Joint({"init(A)": P.Truncated(total.laws["init(A)"], high=10)}, formulas=total.formulas)
    assert (sh.sample(P.of(cycle, {"total": below}), 200, seed=0) >= 0).all().all()
    with pytest.raises(UnknownName, match=r"No formula 'init\(A\)' in the Joint, for not_negative"):
        P.Joint(total.laws, formulas=total.formulas, not_negative=["init(A)"])


def test_a_joint_law_takes_its_quantities_from_earlier_entries_and_patterns_leave_it_alone(cycle):
    tied = P.Joint({"kf": P.Relative(P.LogNormal(1, 2))}, formulas={"kr": "kf / 2.5"})

    priors = P.of(cycle, {"kf": P.Fixed(1), "k*": P.Fixed(7), "step": tied, "*": P.Uniform(1, 2)})

    assert set(priors) == {"kcat", "step", "cell", "default_compartment", "init([A])", "init([B])", "init(C)"}
    assert priors["step"] == P.Joint({"kf": P.LogNormal(2, 2)}, formulas=tied.formulas, not_negative=["kr"])
    draws = sh.sample(priors, 4, seed=0)
    np.testing.assert_array_equal(draws["kr"], draws["kf"] / 2.5)
    assert (sh.simulate(cycle, draws, times=[0, 1])["status"] == 0).all()


@pytest.mark.parametrize(
    ("laws", "error", "message"),
    [
        ({"kfast": P.Fixed(1)}, UnknownName, "No quantity 'kfast' .* Did you mean 'kcat'"),
        ({"kff*": P.Fixed(1)}, UnknownName, r"No quantity matching 'kff\*' .* Did you mean 'kf'"),
        ({"A": P.Fixed(1)}, ValueError, r"'A' is a species; vary its initial value as 'init\(A\)'"),
        ({"A*": P.Fixed(1)}, ValueError, r"Nothing that matches 'A\*' can vary; A: a species; vary init\(\[A\]\)"),
        ({"kf": P.Relative(P.Uniform(-2, -1))}, ValueError, "kf cannot be negative. A share of 0e.00 of Uniform"),
        ({"kf": 3}, ValueError, r"'kf' needs a law, such as sh\.priors\.Uniform\(1, 2\), got 3"),
        ({"j": P.Joint({"kf": P.Fixed(1)}), "kf": P.Fixed(2)}, ValueError, "'kf' is drawn by 'j' and by 'kf'"),
        (
            {"j": P.Joint({"kf": P.Fixed(1)}), "l": P.Joint({"kf": P.Fixed(1)})},
            ValueError,
            "'kf' is drawn by 'j' and by 'l'",
        ),
        ({"kr": P.Joint({"kf": P.Fixed(1)})}, ValueError, "'kr' is a quantity of .* give the law of several another"),
        ({"j": P.Joint({"kx": P.Fixed(1)})}, UnknownName, "No quantity 'kx'"),
        ({"t": P.Table(pd.DataFrame({"kf": [1.0, -0.5]}))}, DataError, "kf cannot be negative, but 't' has -0.5"),
    ],
)
def test_a_law_for_what_cannot_have_it_is_refused(cycle, laws, error, message):
    with pytest.raises(error, match=message):
        P.of(cycle, laws)


def test_what_a_rule_determines_is_refused_by_name_and_left_out_by_pattern(kitchen):
    with pytest.raises(ValueError, match="'scale' cannot vary: scale is set by the assignment rule base.2; vary base"):
        P.of(kitchen, {"scale": P.Fixed(1)})
    with pytest.raises(ValueError, match="'p' cannot vary: a rate rule changes it"):
        P.of(kitchen, {"p": P.Fixed(1)})
    assert P.of(kitchen, {"?": P.Uniform(1, 2)}).left_out == {
        "p": "a rate rule changes it; vary init(p)",
        "A": "a species; vary init([A])",
        "B": "a species; vary init([B])",
    }


def test_priors_around_a_model_take_single_laws_on_top(kitchen):
    priors = P.of(kitchen, {**sh.around(kitchen, 2), "k": P.Normal(0.1, 0.1)})

    assert list(priors) == list(sh.around(kitchen, 2))
    assert priors["k"] == P.Truncated(P.Normal(0.1, 0.1), low=0)


@pytest.mark.parametrize("number", [3, 5, 13, 16])
def test_every_quantity_of_a_published_model_that_can_vary_can_be_drawn_and_set(test_data, number):
    import zipfile

    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        name = next(n for n in archive.namelist() if f"BIOMD{number:010d}" in n)
        model = sh.load(archive.read(name).decode())

    priors = P.of(model, {"*": P.Relative(P.LogNormal(1, 1.01))})

    draws = sh.sample(priors, 2, seed=0)
    own = {p.id: p.value for p in model.parameters}
    assert len(priors) > 5
    for name in draws.columns.intersection(list(own)):
        np.testing.assert_allclose(draws[name], own[name], rtol=0.06)
    assert (sh.simulate(model, draws, times=[0, 1])["status"] == 0).all()


# -- around ----------------------------------------------------------------------------------------


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


def test_around_takes_patterns(kitchen):
    priors = sh.around(kitchen, 2, of=["?m*", "init(*)", "n*"])

    assert dict(priors) == {
        "vmax": P.LogUniform(0.5, 2), "Km": P.LogUniform(0.25, 1), "init(p)": P.LogUniform(0.5, 2),
        "init([A])": P.LogUniform(1.5, 6), "n": P.LogUniform(1, 4),
    }  # fmt: skip
    assert priors.left_out == {
        "init([B])": "its value 0 is not positive", "negative": "its value -1 is not positive"
    }  # fmt: skip
    with pytest.raises(UnknownName, match=r"No quantity matching 'vmx\*' .* Did you mean 'vmax'"):
        sh.around(kitchen, 2, of="vmx*")


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

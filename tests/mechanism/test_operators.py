"""Every construct of SBML's MathML is read, and means what libroadrunner computes with."""

import math

import libsbml
import numpy as np
import pytest

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism import mathml
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, evaluate
from sbml_hybrid.mechanism.mathml import tree_from_ast
from sbml_hybrid.mechanism.operators import OPERATORS
from sbml_hybrid.mechanism.reader import parse_formula

SPACES = 'xmlns="http://www.w3.org/1998/Math/MathML" xmlns:sbml="http://www.sbml.org/sbml/level3/version2/core"'
SYMBOL = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/{0}">{0}</csymbol>'
A, B = "<ci>a</ci>", "<ci>b</ci>"
ONE = (
    "abs exp ln log root floor ceiling factorial sin cos tan sec csc cot sinh cosh tanh sech csch coth "
    "arcsin arccos arctan arcsec arccsc arccot arcsinh arccosh arctanh arcsech arccsch arccoth minus not"
)
TWO = "minus divide power quotient rem eq neq lt leq gt geq implies"
MANY = "plus times and or xor max min"
CHAINS = "eq lt leq gt geq"
CONSTANTS = "infinity notanumber pi exponentiale true false"


def applied(operator, *arguments):
    return f"<apply><{operator}/>{''.join(arguments)}</apply>"


CONSTRUCTS = (
    {f"{name}(a)": applied(name, A) for name in f"{ONE} {MANY}".split()}
    | {f"{name}(a, b)": applied(name, A, B) for name in f"{TWO} {MANY}".split()}
    | {f"{name}(a, b, 2)": applied(name, A, B, "<cn>2</cn>") for name in f"{MANY} {CHAINS}".split()}
    | {f"{name}()": applied(name) for name in MANY.split()}
    | {name: f"<{name}/>" for name in CONSTANTS.split()}
    | {
        "root(b, a)": applied("root", f"<degree>{B}</degree>", A),
        "root(3, a)": applied("root", "<degree><cn>3</cn></degree>", A),
        "log(b, a)": applied("log", f"<logbase>{B}</logbase>", A),
        "no pieces": "<piecewise/>",
        "only otherwise": f"<piecewise><otherwise>{A}</otherwise></piecewise>",
        "no otherwise": f"<piecewise><piece>{A}{applied('lt', A, B)}</piece></piecewise>",
        "a number as condition": f"<piecewise><piece>{A}{B}</piece><otherwise><cn>7</cn></otherwise></piecewise>",
        "a piece not taken": f"<piecewise><piece>{applied('ln', A)}{applied('gt', A, '<cn>0</cn>')}</piece>"
        "<otherwise><cn>7</cn></otherwise></piecewise>",
        "a condition as number": applied("plus", applied("lt", A, B), "<cn>1</cn>"),
        "minus a condition": applied("minus", applied("lt", A, B)),
        "a condition compared": applied("eq", applied("lt", A, B), "<cn>1</cn>"),
        "true + 1": applied("plus", "<true/>", "<cn>1</cn>"),
        "real": "<cn> 2.5e-3 </cn>",
        "integer": '<cn type="integer"> -7 </cn>',
        "rational": '<cn type="rational">-3<sep/>7</cn>',
        "e-notation": '<cn type="e-notation">1.5<sep/>-3</cn>',
        "avogadro": SYMBOL.format("avogadro"),
        "time": SYMBOL.format("time"),
        "annotated": f'<semantics>{A}<annotation encoding="any">words</annotation></semantics>',
    }
)
POINTS = [
    *[(0.5, 2.0), (-0.5, 2.0), (2.0, 0.5), (-2.0, 3.0), (0.0, 0.0), (7.0, 3.0), (-7.0, 3.0), (7.0, -3.0), (-7.0, -3.0)],
    *[
        (-7.5, 2.2),
        (1.0, 0.0),
        (-1.0, 0.0),
        (0.0, -1.0),
        (-8.0, 1 / 3),
        (1.5, -1.5),
        (1.0, 1.0),
        (0.3, 0.3),
        (5.0, 1.0),
    ],
    *[(math.inf, 1.0), (math.nan, 1.0), (1.0, math.nan)],
]


def read(math_ml):
    return libsbml.readMathMLFromString(f'<?xml version="1.0" encoding="UTF-8"?><math {SPACES}>{math_ml}</math>')


def is_left_alone(construct, a, b):
    """Where libroadrunner has no value to follow: see the docstring of `operators`, and docs/formulas.md."""
    return (
        (construct == "quotient(a, b)" and (b == 0 or not math.isfinite(a + b)))  # casts to a 32-bit integer
        or (construct == "coth(a)" and math.isinf(a))  # overflows to NaN
        or (construct == "root(b, a)" and b == 0)  # the zeroth root
        or (construct == "factorial(a)" and not math.isfinite(a))  # crashes
    )


@pytest.fixture(scope="module")
def engine():
    """libroadrunner with an assignment rule for each construct."""
    from sbml_hybrid.simulation.solver import roadrunner

    targets = "".join(f'<parameter id="y{i}" constant="false"/>' for i in range(len(CONSTRUCTS)))
    rules = "".join(
        f'<assignmentRule variable="y{i}"><math {SPACES}>{construct}</math></assignmentRule>'
        for i, construct in enumerate(CONSTRUCTS.values())
    )
    return roadrunner.RoadRunner(
        '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" '
        'version="2"><model id="m" timeUnits="second"><listOfParameters><parameter id="a" value="1" constant="false"/>'
        f'<parameter id="b" value="1" constant="false"/>{targets}</listOfParameters><listOfRules>{rules}</listOfRules>'
        "</model></sbml>"
    )


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_construct_means_what_libroadrunner_computes(engine, construct):
    tree = tree_from_ast(read(CONSTRUCTS[construct]))
    place = f"y{list(CONSTRUCTS).index(construct)}"

    for a, b in POINTS:
        if not is_left_alone(construct, a, b):
            engine.model["a"], engine.model["b"] = a, b
            ours = float(evaluate(tree, {"a": a, "b": b}, time=0.0))
            np.testing.assert_allclose(ours, engine.model[place], rtol=1e-14, err_msg=f"a = {a}, b = {b}")


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_construct_means_the_same_for_a_column_in_numpy_and_in_keras(construct):
    from keras import ops

    tree = tree_from_ast(read(CONSTRUCTS[construct]))
    a, b = np.array(POINTS).T

    alone = [float(evaluate(tree, {"a": x, "b": y}, time=2.5)) for x, y in POINTS]
    column = evaluate(tree, {"a": a, "b": b}, time=2.5)
    tensor = evaluate(tree, {"a": ops.convert_to_tensor(a), "b": ops.convert_to_tensor(b)}, time=2.5, xp=ops)

    np.testing.assert_allclose(np.broadcast_to(column, a.shape).astype(float), alone, rtol=1e-15)
    np.testing.assert_allclose(
        np.broadcast_to(ops.convert_to_numpy(tensor), a.shape).astype(float), alone, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize(
    ("construct", "a", "b", "value"),
    [
        ("arccot(a)", -2.0, 0, math.atan(-0.5)),
        ("arccot(a)", 0.0, 0, math.pi / 2),
        ("arccoth(a)", -2.0, 0, math.atanh(-0.5)),
        ("sec(a)", 2.0, 0, 1 / math.cos(2)),
        ("rem(a, b)", -7.0, 3.0, -1.0),
        ("rem(a, b)", 7.0, -3.0, 1.0),
        ("quotient(a, b)", -7.0, 3.0, -2.0),
        ("power(a, b)", 0.0, 0.0, 1.0),
        ("root(3, a)", -8.0, 0, math.nan),
        ("factorial(a)", 5.0, 0, 120.0),
        ("factorial(a)", 0.0, 0, 1.0),
        ("factorial(a)", math.inf, 0, math.inf),
        ("factorial(a)", 171.0, 0, math.inf),
        ("coth(a)", 800.0, 0, 1.0),
        ("arcsinh(a)", 1e-9, 0, 1e-9),
        ("quotient(a, b)", 1e12, 3.0, 333333333333.0),
        ("min()", 0, 0, math.inf),
        ("max()", 0, 0, -math.inf),
        ("xor(a, b, 2)", 1.0, 1.0, 1.0),
    ],
)
def test_a_construct_has_the_value_of_the_book(construct, a, b, value):
    ours = evaluate(tree_from_ast(read(CONSTRUCTS[construct])), {"a": a, "b": b})

    np.testing.assert_allclose(float(ours), value, rtol=1e-15)


def test_every_core_type_of_libsbml_is_read_or_refused_by_name():
    """libSBML's own list; its codes up to `AST_END_OF_CORE`, and those that level 3 version 2 added."""
    added = {"MAX", "MIN", "QUOTIENT", "RATE_OF", "REM", "IMPLIES"}
    types = {name: code for name, code in vars(libsbml).items() if name.startswith("AST_")}
    core = {name: code for name, code in types.items() if code < 315 or name.rsplit("_", 1)[-1] in added}
    core |= {"AST_FUNCTION_RATE_OF": libsbml.AST_FUNCTION_RATE_OF}
    elsewhere = {"AST_NAME", "AST_NAME_TIME", "AST_REAL_E", "AST_FUNCTION", "AST_LAMBDA"}

    read_here = {*mathml._OPERATORS, *mathml._CONSTANTS, *mathml._NUMBERS}
    assert len(core) > 65
    assert {name for name, code in core.items() if code not in read_here} == elsewhere
    assert {*mathml._OPERATORS.values()} == {*OPERATORS, "piecewise", "delay", "rateOf"}


def test_a_lambda_alone_and_a_package_construct_are_refused():
    with pytest.raises(ModelError, match="lambda outside a function definition"):
        tree_from_ast(read(f"<lambda><bvar>{A}</bvar>{A}</lambda>"))
    with pytest.raises(ModelError, match="'normal', which SBML core does not have"):
        tree_from_ast(libsbml.parseL3Formula("normal(0, 1)"))


def test_delay_and_rate_of_are_read_and_a_rate_is_looked_up():
    delay = tree_from_ast(read(f"<apply>{SYMBOL.format('delay')}{A}{B}</apply>"))
    rate = tree_from_ast(read(f"<apply>{SYMBOL.format('rateOf')}{A}</apply>"))

    assert delay == Call("delay", (Name("a"), Name("b")))
    assert rate == Call("rateOf", (Name("a"),))
    assert evaluate(rate, {"rateOf(a)": 0.25}) == 0.25
    with pytest.raises(ModelError, match=r"uses rateOf\(a\), and no rate of change is known"):
        evaluate(rate, {"a": 1.0})
    with pytest.raises(ModelError, match="'delay' cannot be evaluated"):
        evaluate(delay, {"a": 1.0, "b": 1.0})


def test_a_number_in_e_notation_is_the_nearest_one():
    assert tree_from_ast(read('<cn type="e-notation">1.1<sep/>-7</cn>')) == Number(1.1e-7)


def test_function_definitions_keep_their_arguments_apart_from_the_model():
    model = load("function g(time_, S)\n S - time_\nend\nmodel m\n S -> ; g(2, S); S = 5\nend")

    assert model.functions[0].arguments == ("time_", "S")
    assert evaluate(model.written_out(model.part("_J0").law.formula), {"S": 5.0}) == 3.0


def test_what_is_not_defined_in_a_piece_not_taken_is_no_warning_and_does_not_spread(recwarn):
    tree = tree_from_ast(read(CONSTRUCTS["a piece not taken"]))

    values = evaluate(tree, {"a": np.array([-1.0, 0.0, 1.0])})

    np.testing.assert_array_equal(values, [7.0, 7.0, 0.0])
    assert not recwarn.list


def test_constants_keep_double_precision_in_keras():
    from keras import ops

    a = ops.convert_to_tensor(np.array([1.0, 3.0]))
    tenth = Call("divide", (Number(1.0), Number(10.0)))
    jump = Call("piecewise", (Number(0.1), Call("lt", (Name("a"), Number(2.0))), Number(0.7)))
    switched = Call("times", (Call("lt", (Name("a"), Number(2.0))), Number(0.1)))
    more = [
        parse_formula(text)
        for text in (
            "root(3, a)",
            "log(7, a)",
            "log(a, 7)",
            "rem(a, 0.1)",
            "rem(0.7, a)",
            "0.1^a",
            "max(a, 3.1)",
            "min(1/3, a)",
        )
    ]

    for tree in (
        *more,
        *(Call(f, (Name("a"), part)) for f, part in (("times", tenth), ("plus", jump), ("plus", switched))),
    ):
        exact = evaluate(tree, {"a": np.array([1.0, 3.0])})
        np.testing.assert_allclose(ops.convert_to_numpy(evaluate(tree, {"a": a}, xp=ops)), exact, rtol=1e-15)


def test_a_tensor_of_single_precision_stays_one():
    from keras import ops

    a = ops.convert_to_tensor(np.array([1.0, 3.0], "float32"))

    result = evaluate(Call("plus", (Name("a"), Number(np.float64(0.1)))), {"a": a}, xp=ops)

    assert ops.convert_to_numpy(result).dtype == np.float32


@pytest.mark.parametrize("operator", sorted(OPERATORS.keys() - {"and", "or", "xor", "not", "implies"}))
def test_numbers_may_be_whole(operator):
    """A column of integers is a column of numbers: 2^(-1) is 0.5 and not an error."""
    count = 1 if operator in ONE.split() and operator not in {"log", "root", "minus"} else 2
    trees = Call(operator, (Name("a"), Name("b"))[:count])

    whole = evaluate(trees, {"a": np.array([2, 7]), "b": np.array([-1, 3])})
    real = evaluate(trees, {"a": np.array([2.0, 7.0]), "b": np.array([-1.0, 3.0])})

    np.testing.assert_array_equal(whole, real)


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_a_threshold_is_exact_in_keras(sign):
    from keras import ops

    around = np.array([np.nextafter(0.1, 0), 0.1, np.nextafter(0.1, 1)])
    tree = parse_formula(f"piecewise(0.3, a {sign} 0.1, a)")

    exact = evaluate(tree, {"a": around})
    np.testing.assert_array_equal(evaluate(tree, {"a": ops.convert_to_tensor(around)}, xp=ops), exact)

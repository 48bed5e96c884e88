"""Random formulas, for the promises that hold for every one."""

import pytest
from hypothesis import strategies as st

from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Time
from sbml_hybrid.mechanism.operators import LOGICAL, RELATIONS

WORDS = (
    "abs exp ln floor ceiling factorial sin cos tan sec csc cot sinh cosh tanh sech csch coth arcsin arccos arctan "
    "arcsec arccsc arccot arcsinh arccosh arctanh arcsech arccsch arccoth minus not"
)
ONE = WORDS.split()
TWO = ["minus", "divide", "power", "root", "log", "quotient", "rem", "implies"]
MANY = ["plus", "times", "min", "max", "and", "or", "xor"]

numbers = st.floats() | st.sampled_from([0.0, 1.0, -2.0, 0.5, 1e-320, 3e9, 1e22, 0.1, True, False])


def _calls(children):
    def call(operators, arguments):
        return st.builds(Call, st.sampled_from(sorted(operators)), arguments)

    return st.one_of(
        call(ONE, st.tuples(children)),
        call(TWO, st.tuples(children, children)),
        call(MANY, st.lists(children, max_size=4).map(tuple)),
        call(["neq"], st.tuples(children, children)),
        call(RELATIONS - {"neq"}, st.lists(children, min_size=2, max_size=3).map(tuple)),
        call(["piecewise"], st.lists(children, min_size=1, max_size=5).map(tuple)),
        st.builds(Apply, st.just("f"), st.tuples(children, children)),
    )


@pytest.fixture(scope="session")
def any_formula():
    """Formulas over a, b, c, time and f(x, y) with every operator that can be evaluated."""
    rates = st.sampled_from("ab").map(lambda id: Call("rateOf", (Name(id),)))
    leaves = numbers.map(Number) | st.sampled_from([Name("a"), Name("b"), Name("c"), Time()]) | rates
    assert {*ONE, *TWO, *MANY} >= LOGICAL
    return st.recursive(leaves, _calls, max_leaves=15)

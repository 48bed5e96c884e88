"""The right-hand side means what SBML means: amounts, concentrations, volumes, stoichiometries, rateOf."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.kinetics import Call, Name, evaluate, to_text
from sbml_hybrid.mechanism.model import Rule
from sbml_hybrid.mechanism.odes import amount_of, right_hand_side
from sbml_hybrid.mechanism.rates import Rates

GROWING = (
    "model m\n compartment C = 2; species A in C, $B in C; substanceOnly species E in C; A = 1; B = 3; E = 4\n"
    " C' = 0.5; B' = 0.3*B; v: A -> 2 E; k*A*C; k = 0.1; y := A + p; p = 7; p' = -y + time\nend"
)


def sbml(body, level=2, version=4):
    space = f"level{level}/version{version}" + ("/core" if level == 3 else "") if level > 1 else "level1"
    return f'<sbml xmlns="http://www.sbml.org/sbml/{space}" level="{level}" version="{version}">{body}</sbml>'


def rate(model, id, **state):
    odes = right_hand_side(model)
    start = dict(zip(odes.states, odes.start, strict=True)) | state
    return dict(zip(odes.states, odes.rates(np.array([start[s] for s in odes.states])), strict=True))[id]


def test_the_state_is_amounts_of_species_then_values_in_the_model_s_order():
    odes = right_hand_side(load(GROWING))

    assert odes.states == ("A", "B", "E", "p", "C")
    assert odes.variables == ("amount(A)", "amount(B)", "amount(E)", "p", "C")
    assert odes.held == ("k",)
    np.testing.assert_array_equal(odes.start, [2, 6, 4, 7, 2])


def test_rates_in_a_growing_compartment_follow_their_closed_forms():
    rates = right_hand_side(load(GROWING))

    at = rates.rates(np.array([2.0, 6.0, 4.0, 7.0, 4.0]), time=10.0)

    flux = 0.1 * (2 / 4) * 4
    b = 6 / 4
    # A rate rule is for the concentration: d(amount)/dt = V*rule + concentration*dV/dt.
    np.testing.assert_allclose(at, [-flux, 4 * 0.3 * b + b * 0.5, 2 * flux, -(2 / 4 + 7) + 10, 0.5], rtol=1e-15)


@given(values=st.lists(st.floats(0.1, 10), min_size=10, max_size=10), time=st.floats(0, 5))
def test_a_batch_of_states_is_each_of_them_alone(values, time):
    odes = right_hand_side(load(GROWING))
    states = np.array(values).reshape(2, 5)

    together = odes.rates(states, time)

    assert together.shape == (2, 5)
    for state, expected in zip(states, together, strict=True):
        np.testing.assert_array_equal(odes.rates(state, time), expected)


def test_rates_in_keras_are_those_in_numpy():
    from keras import ops

    odes = right_hand_side(load(GROWING))
    states = np.random.default_rng(0).uniform(0.5, 5, size=(3, 7, 5))
    times = np.linspace(0, 3, 7)

    tensor = odes.rates(ops.convert_to_tensor(states, "float64"), ops.convert_to_tensor(times, "float64"), xp=ops)

    np.testing.assert_allclose(ops.convert_to_numpy(tensor), odes.rates(states, times), rtol=1e-14)


def test_what_stands_still_can_be_given_draw_by_draw():
    odes = right_hand_side(load("S -> ; k*S; S = 10; k = 0.3"))

    rates = odes.rates(np.full((3, 1), 10.0), held={"k": np.array([0.1, 0.2, 0.4])})

    np.testing.assert_allclose(rates[:, 0], [-1, -2, -4])


def test_values_tell_what_every_id_means():
    odes = right_hand_side(load(GROWING))

    values = odes.values(odes.start)

    assert values["A"] == 1 and values["E"] == 4
    assert values["v"] == 0.1 * 1 * 2
    assert values["y"] == 8


def test_what_events_change_stands_still_between_them():
    odes = right_hand_side(load("S -> ; k*S; S = 10; k = 0.3; at (time > 1): k = 1"))

    assert odes.held_values == {"k": 0.3, "default_compartment": 1.0}


def test_definitions_stand_after_what_they_need():
    odes = right_hand_side(load("a := b + v; b := 2*c; c := S; v: S -> ; k*b; k = 1; S = 1"))

    order = [id for id, _ in odes.definitions]

    assert order.index("c") < order.index("b") < order.index("v") < order.index("a")


def test_a_species_conversion_factor_multiplies_what_reactions_do():
    text = load("A -> B; k*A; k = 1; A = 4; B = 0; f = 0.5; g = 3").to_sbml()
    text = text.replace('id="A"', 'id="A" conversionFactor="f"').replace("<model ", '<model conversionFactor="g" ')

    model = load(text)

    assert rate(model, "A") == -0.5 * 4
    assert rate(model, "B") == 3 * 4


def test_stoichiometry_math_and_denominators_of_old_levels_count():
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>A</ci><cn>3</cn></apply></math>'
    law = '<math xmlns="http://www.w3.org/1998/Math/MathML"><cn>5</cn></math>'
    two = load(
        sbml(
            '<model><listOfCompartments><compartment id="C" size="1"/></listOfCompartments><listOfSpecies>'
            '<species id="A" compartment="C" initialAmount="2"/></listOfSpecies><listOfReactions><reaction id="v">'
            f'<listOfProducts><speciesReference species="A"><stoichiometryMath>{math}</stoichiometryMath>'
            f"</speciesReference></listOfProducts><kineticLaw>{law}</kineticLaw></reaction></listOfReactions></model>"
        )
    )
    one = load(
        sbml(
            '<model name="m"><listOfCompartments><compartment name="C"/></listOfCompartments><listOfSpecies>'
            '<species name="A" compartment="C" initialAmount="2"/></listOfSpecies><listOfReactions>'
            '<reaction name="v"><listOfProducts><speciesReference species="A" stoichiometry="3" denominator="2"/>'
            '</listOfProducts><kineticLaw formula="4*A"/></reaction></listOfReactions></model>',
            level=1,
            version=2,
        )
    )

    assert rate(two, "A") == 5 * 3 * 2
    assert rate(one, "A") == 1.5 * 4 * 2


def with_rate_of(id):
    return load(GROWING.replace("end", f" z' = rateOf({id}); z = 0\nend"))


@pytest.mark.parametrize(
    ("id", "expected"),
    [("k", 0), ("C", 0.5), ("E", 2 * 0.2), ("B", 0.3 * 3), ("A", (-0.2 - 1 * 0.5) / 2), ("p", -8)],
)
def test_rate_of_is_the_derivative_of_what_the_id_means(id, expected):
    assert rate(with_rate_of(id), "z") == pytest.approx(expected, rel=1e-15)


def test_a_compartment_that_a_constant_formula_computes_dilutes_nothing():
    model = load("model m\n compartment C; species $S in C; C := 2*k; k = 1.5; S' = 0.1; S = 1\nend")

    assert rate(model, "S") == pytest.approx(0.1 * 3)


def test_a_compartment_without_a_size_that_does_not_matter_counts_as_one():
    text = load("model m\n compartment C = 7; species $S in C; S' = -0.5*S; S = 4\nend").to_sbml()

    model = load(text.replace('size="7"', ""))

    assert model.by_id["C"].size is None
    assert rate(model, "S") == -2


def test_a_concentration_that_a_rate_rule_moves_is_not_diluted_by_a_computed_compartment():
    model = load("model m\n compartment C; species $S in C; C := 2*p + time; p = 1.5; p' = 4; S' = 0.1; S = 1\nend")

    # d(amount)/dt = C*rule + S*dC/dt, with C = 3 and dC/dt = 2*4 + 1
    assert rate(model, "S") == pytest.approx(3 * 0.1 + 1 * 9)


def test_the_rate_of_a_reaction_s_rate_is_its_total_derivative():
    model = load("model m\n v: S -> ; k*S^2; k = 3; k' = 5; S = 2\nend")

    tree = Rates(model).of("v")

    v, speed = 3 * 2**2, -3 * 2**2
    assert evaluate(tree, {"k": 3.0, "S": 2.0, "v": v, "default_compartment": 1.0}) == 5 * 4 + 3 * 2 * 2 * speed


def test_equations_are_typeset_with_concentrations_in_brackets_and_amounts_as_n():
    text = load(GROWING).equations().to_latex()

    assert r"\frac{dn_{\mathrm{A}}}{dt} &= -\mathrm{v}" in text
    assert r"[\mathrm{A}] &= \frac{n_{\mathrm{A}}}{\mathrm{C}}" in text
    assert r"\frac{d[\mathrm{S}]}{dt} &= -\mathrm{v}" in load("v: S -> ; k*S; k = 1; S = 1").equations()._repr_latex_()


def test_rates_and_values_defined_by_each_other_are_refused():
    model = load("a' = b; b' = a; a = 1; b = 1; c = 2; d = 3")
    of = {name: Call("rateOf", (Name(name),)) for name in "ab"}
    rates = dataclasses.replace(model, rules=(Rule("rate", "a", of["b"]), Rule("rate", "b", of["a"])))
    values = dataclasses.replace(model, rules=(Rule("assignment", "c", Name("d")), Rule("assignment", "d", Name("c"))))

    with pytest.raises(ModelError, match="defines the rate of 'a' by itself: a -> b -> a"):
        Rates(rates).of("a")
    with pytest.raises(ModelError, match="defines 'c' by itself: c -> d -> c"):
        right_hand_side(values)


def test_equations_are_read_as_people_write_them():
    text = str(load(GROWING).equations())

    assert text.splitlines()[:5] == [
        "d amount(A)/dt = -v",
        "d amount(B)/dt = C*(0.3*B) + B*0.5",
        "d amount(E)/dt = 2*v",
        "dp/dt = -y + time",
        "dC/dt = 0.5",
    ]
    assert "  A = amount(A)/C" in text.splitlines()


def test_concentrations_have_equations_of_their_own_in_a_fixed_compartment():
    model = load(
        "compartment C = 2, D = 1; species A in C, B in D; v: A -> B; k*A; k = 1; A = 1; B = 0; at (time>1): k = 2"
    )

    assert str(model.equations()).splitlines() == [
        "d[A]/dt = -v/C",
        "d[B]/dt = v",
        "",
        "where",
        "  v = k*A",
        "",
        "Events set k.",
    ]


def test_names_of_amounts_are_no_ids():
    odes = right_hand_side(load(GROWING))

    assert odes.definitions[0][1].arguments == (Name(amount_of("A")), Name("C"))
    assert to_text(odes.definitions[0][1]) == "amount(A)/C"

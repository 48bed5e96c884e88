"""An edit gives a new model that simulates as the hand-written one does, and says no where it must."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbml_hybrid import around, diff, load, sample, simulate
from sbml_hybrid.errors import ModelError, UnknownName
from sbml_hybrid.mechanism.exact import survives

TIMES = np.linspace(0, 10, 11)
CHAIN = (
    "model chain\n compartment C = 2; species A in C, B in C, $E in C\n R1: A -> B; C*k1*A*E; R2: B -> ; C*k2*B\n"
    " A = 10; B = 1; E = 0.5; k1 = 0.3; k2 = 0.1\nend"
)

# Level 1 to 3 of the same: A in a compartment of size 2 decays with a local k, and y = 2 k2.
LEVEL_1 = """<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m">
<listOfCompartments><compartment name="C" volume="2"/></listOfCompartments>
<listOfSpecies><species name="A" compartment="C" initialAmount="3"/></listOfSpecies>
<listOfParameters><parameter name="k2" value="0.12345678901234567"/><parameter name="y"/></listOfParameters>
<listOfRules><parameterRule name="y" formula="2*k2"/></listOfRules>
<listOfReactions><reaction name="R" reversible="false">
<listOfReactants><speciesReference species="A"/></listOfReactants><kineticLaw formula="C*k*A*0.30000000000000004">
<listOfParameters><parameter name="k" value="0.30000000000000004"/>
</listOfParameters></kineticLaw></reaction></listOfReactions></model></sbml>"""
MATH = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>C</ci><ci>k</ci><ci>A</ci>'
    "<cn>0.30000000000000004</cn></apply></math>"
)


def level(number: int) -> str:
    if number == 1:
        return LEVEL_1
    space = {2: "level2/version4", 3: "level3/version1/core"}[number]
    version = {2: 4, 3: 1}[number]
    local = "Parameter" if number == 2 else "LocalParameter"
    tag = local[0].lower() + local[1:]
    three = number == 3
    return f"""<sbml xmlns="http://www.sbml.org/sbml/{space}" level="{number}" version="{version}"><model id="m">
<listOfCompartments><compartment id="C" size="2"{' constant="true" spatialDimensions="3"' if three else ""}/>
</listOfCompartments><listOfSpecies><species id="A" compartment="C" initialAmount="3"
{' hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"' if three else ""}/></listOfSpecies>
<listOfParameters><parameter id="k2" value="0.12345678901234567"{' constant="true"' if three else ""}/>
<parameter id="y" constant="false"/></listOfParameters>
<listOfRules><assignmentRule variable="y"><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><cn>2</cn>
<ci>k2</ci></apply></math></assignmentRule></listOfRules>
<listOfReactions><reaction id="R" reversible="false"{' fast="false"' if three else ""}><listOfReactants>
<speciesReference species="A"{' stoichiometry="1" constant="true"' if three else ""}/></listOfReactants>
<kineticLaw>{MATH}<listOf{local}s><{tag} id="k" value="0.30000000000000004"/></listOf{local}s>
</kineticLaw></reaction></listOfReactions></model></sbml>"""


def trajectory(model, times=TIMES):
    return simulate(model, None, times=times, quantities=[s.id for s in model.species])["truth"].values[0]


@pytest.fixture(scope="module")
def chain():
    return load(CHAIN)


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_number_stays_the_same_double_through_promotion_and_edits(number):
    model = load(level(number))

    edited = model.set({"R_k": 0.1 + 0.2 + 0.4, "init(A)": 1 / 3, "C": 2 / 3})

    assert model.part("R_k").value == 0.1 + 0.2
    assert "0.30000000000000004" in model.sbml.split("kineticLaw")[1]
    assert edited.part("R_k").value == 0.1 + 0.2 + 0.4
    assert (edited.part("A").initial, edited.part("C").size) == (1 / 3, 2 / 3)
    assert edited.part("k2").value == 0.12345678901234567
    assert edited.part("R").law == model.part("R").law


@given(value=st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))  # libSBML reads no others
def test_a_value_that_is_set_is_the_value_that_is_read(value):
    model = load("p = 1; q := 2*p")

    assert np.float64(model.set({"p": value}).part("p").value).tobytes() == np.float64(value).tobytes()


@settings(max_examples=15)
@given(value=st.floats(1e-100, 1e100))
def test_a_number_in_a_law_stays_the_same_double_through_edits_and_antimony(value):
    edited = load("R: S -> ; k*S; S = 1; k = 1").set_law("R", f"{value!r}*S")

    assert edited.part("R").law.formula.arguments[0].value == pytest.approx(value, rel=1e-14)
    assert edited.set({"init([S])": 2}).part("R").law.formula == edited.part("R").law.formula
    assert load(edited.to_antimony()).part("R").law.formula == edited.part("R").law.formula


def test_most_numbers_of_few_digits_need_no_stand_in():
    assert survives(0.3) and survives(1e-5) and survives(float("nan"))
    assert not survives(0.1 + 0.2)


def assert_set_equals_draw(model, seed):
    draws = sample(around(model, fold=1.3, initial=True), 1, seed=seed)
    edited = model.set(draws.iloc[0].to_dict())
    times = np.linspace(0, 5, 6)

    from_draw = simulate(model, draws, times=times)
    from_edit = simulate(edited, draws.iloc[:, :0], times=times)

    np.testing.assert_array_equal(from_edit["truth"].values, from_draw["truth"].values)
    np.testing.assert_array_equal(from_edit["status"].values, from_draw["status"].values)


@settings(max_examples=3)
@pytest.mark.parametrize("name", ["repressilator", "goldbeter_1995", "tyson_1991", "wolf_heinrich_2000", "sir"])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_set_model_simulates_as_the_draw_bit_for_bit(root, name, seed):
    assert_set_equals_draw(load(root / "models" / f"{name}.ant"), seed)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "values",
    [{"C": 0.7}, {"C": 0.7, "init(A)": 1 / 3}, {"C": 0.7, "init([A])": 1 / 3}, {"init([A])": 1 / 3}, {"R_k": 1 / 3}],
    ids=str,
)
def test_a_set_model_of_every_level_simulates_as_the_draw_bit_for_bit(number, values):
    model = load(level(number))

    from_draw = simulate(model, pd.DataFrame([values]), times=TIMES)
    from_edit = simulate(model.set(values), None, times=TIMES)

    np.testing.assert_array_equal(from_edit["truth"].values, from_draw["truth"].values)


CORE = [
    "BIOMD0000000054",
    "BIOMD0000000077",
    "BIOMD0000000153",
    "BIOMD0000000330",
    "BIOMD0000000633",
    "BIOMD0000000976",
]


@pytest.mark.parametrize("number", CORE)
def test_a_set_published_model_simulates_as_the_draw_bit_for_bit(test_data, number):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        name = next(n for n in archive.namelist() if n.startswith(number))
        assert_set_equals_draw(load(archive.read(name).decode()), seed=1)


def test_setting_values_one_after_another_in_any_order_is_setting_them_at_once(chain):
    at_once = chain.set({"k1": 0.7, "C": 3, "init(A)": 4})
    forth = chain.set({"k1": 0.7}).set({"C": 3}).set({"init(A)": 4})
    back = chain.set({"init(A)": 4}).set({"C": 3}).set({"k1": 0.7})

    assert at_once.hash == forth.hash == back.hash


def test_an_edit_leaves_the_old_model_as_it_was(chain):
    before = load(CHAIN)

    chain.set({"k1": 5})
    chain.set_law("R1", "k1*A")
    chain.add_species("X").add_reaction("R9", "X -> A", law="k9*X", k9=1)
    chain.remove("R2")
    chain.knock_out("A")
    chain.make_boundary("B")

    assert chain == before


def test_an_edited_model_says_where_it_comes_from(chain):
    assert chain.set({"k1": 2}).remove("R2").source == "text, k1 = 2, without R2"
    assert chain.set({"k1": 1, "k2": 2, "C": 3, "init(A)": 4}).source.endswith("k1 = 1, k2 = 2, C = 3 and 1 more")
    assert chain.set({"k1": 2}).id == "chain"
    assert chain.set({"k1": 2}).hash != chain.hash


# -- laws and reactions ----------------------------------------------------------------------------


def test_a_new_law_is_the_law_written_by_hand(chain):
    by_hand = load(CHAIN.replace("C*k1*A*E", "k1*A/(K + A)").replace("k1 = 0.3", "k1 = 0.3; K = 2"))

    edited = chain.set_law("R1", "k1*A/(K + A)", K=2.0)

    assert not diff(edited, by_hand)
    assert edited.part("R1").modifiers == ()
    np.testing.assert_array_equal(trajectory(edited), trajectory(by_hand))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_new_law_takes_its_local_parameters_away(number):
    edited = load(level(number)).set_law("R", "k2*A")

    assert "R_k" not in edited.by_id
    assert edited.part("R").law.text == "k2*A"
    closed = 3 / 2 * np.exp(-0.12345678901234567 * TIMES / 2)
    np.testing.assert_allclose(trajectory(edited)[:, 0], closed, rtol=1e-6)


def test_species_of_a_law_become_modifiers(chain):
    assert chain.set_law("R2", "k2*B*A*E").part("R2").modifiers == ("A", "E")
    assert chain.set_law("R2", "k2*B*A*E").set_law("R2", "C*k2*B").part("R2") == chain.part("R2")


def test_a_new_reaction_is_the_reaction_written_by_hand(chain):
    by_hand = load(CHAIN.replace("R2:", "R9: 0.5 A + 2 B => E; k9*A*B; k9 = 0.1; R2:"))

    edited = chain.add_reaction("R9", "0.5 A + 2B -> E", law="k9*A*B", k9=0.1)

    assert not diff(edited, by_hand)
    np.testing.assert_allclose(trajectory(edited), trajectory(by_hand), rtol=1e-12)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_added_and_removed_again_leaves_no_difference(number):
    model = load(level(number))

    grown = model.add_species("X", initial=1.5).add_reaction("R9", "1.5 A <-> 2 X", law="k9*A - k8*X", k9=0.1, k8=1)

    assert grown.part("R9").equation == "1.5 A <-> 2 X"
    assert grown.part("R9").law.parameters == ("k9", "k8")
    assert not diff(model, grown.remove("R9").remove("X"))
    assert len(diff(model, grown)) == 4


def test_a_reaction_may_come_from_nothing_and_go_to_nothing(chain):
    made = chain.add_reaction("in", "-> A", law="0.5").add_reaction("out", "A ->", law="0.1*A")

    assert (made.part("in").equation, made.part("out").equation) == ("-> A", "A ->")


def test_edits_of_different_parts_commute(chain):
    one = chain.set_law("R1", "k1*A").make_boundary("B").set({"k2": 0.7})
    two = chain.set({"k2": 0.7}).make_boundary("B").set_law("R1", "k1*A")

    assert not diff(one, two)


# -- species ---------------------------------------------------------------------------------------


def test_a_new_species_starts_at_its_concentration(chain):
    species = chain.add_species("X", initial=1.5, boundary=True).part("X")

    assert (species.initial, species.initial_is, species.compartment) == (1.5, "concentration", "C")
    assert species.boundary and not species.amount_in_formulas


@pytest.mark.parametrize("number", [1, 2, 3])
def test_latent_states_stay_at_0_and_change_nothing(number):
    model = load(level(number))

    latent = model.with_states("z", 2)

    assert latent.states == (*model.states, "z0", "z1")
    names = list(model.states)
    truth = simulate(latent, None, times=TIMES, quantities=[*names, "z0", "z1"])["truth"].values[0]
    np.testing.assert_array_equal(truth[:, -2:], 0.0)
    np.testing.assert_allclose(truth[:, :-2], simulate(model, None, times=TIMES, quantities=names)["truth"].values[0])


MOVED = (
    "model moved\n compartment C = 2; substanceOnly species Y in C; species A in C, B in C, Z in C\n"
    "R1: A -> 2 B; C*k1*A; R2: B -> Y; C*k2*B*Z; R3: Y -> ; 0.3*Y; at (time > 4): A = 7 + B\n"
    "A = 10; B = amount/C; Y = 3; Z = 1; Z' = 0.1*A - 0.2*Z; amount = 5; k1 = 0.3; k2 = 0.1\nend"
)


@pytest.mark.parametrize("model", [load(level(2)), load(level(3)), load(MOVED)], ids=["level 2", "level 3", "moved"])
def test_a_model_in_logarithms_is_the_same_model(model):
    logs = model.log_states()

    moving = [s.id for s in model.species]
    assert {f"log_{id}" for id in moving} <= set(logs.states)
    found = simulate(logs, None, times=TIMES, quantities=[*moving, *(f"log_{id}" for id in moving)])["truth"].values[0]
    truth = simulate(model, None, times=TIMES, quantities=moving)["truth"].values[0]
    np.testing.assert_allclose(found[:, : len(moving)], truth, rtol=1e-5)
    np.testing.assert_allclose(found[:, len(moving) :], np.log(truth), atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(size=st.floats(0.2, 5), amount=st.floats(0.5, 9))
def test_logarithms_start_where_sizes_and_assignments_put_the_species(size, amount):
    values = {"C": size, "amount": amount}

    found = trajectory(load(MOVED).log_states().set(values), TIMES[:2])

    np.testing.assert_allclose(found, trajectory(load(MOVED).set(values), TIMES[:2]), rtol=1e-5)


def test_some_of_the_states_become_logarithms(chain):
    logs = chain.log_states(of=["A"])

    assert logs.part("A").boundary and not logs.part("B").boundary and "log_A" in logs.states
    np.testing.assert_allclose(trajectory(logs), trajectory(chain), rtol=1e-5, atol=1e-6)


def test_a_knocked_out_reaction_does_not_run(chain):
    values = trajectory(chain.knock_out("R1"))

    np.testing.assert_array_equal(values[:, 0], 10)
    np.testing.assert_allclose(values[:, 1], np.exp(-0.1 * TIMES), rtol=1e-6)


def test_a_knocked_out_species_is_never_there(chain):
    values = trajectory(chain.knock_out("B"))

    assert (values[:, 1] == 0).all()
    np.testing.assert_allclose(values[:, 0], trajectory(chain)[:, 0], rtol=1e-6)
    assert (trajectory(chain.knock_out("E"))[:, 0] == 10).all()


def test_a_knock_out_overrides_an_initial_assignment():
    edited = load("S -> ; k*S; S = 5*k; k = 0.3").knock_out("S")

    assert edited.initial_assignments == () and edited.part("S").initial == 0
    assert (trajectory(edited) == 0).all()


def test_a_boundary_species_is_left_as_it_is_and_freed_again(chain):
    fixed = chain.make_boundary("A")

    assert (trajectory(fixed)[:, 0] == 10).all()
    assert not diff(fixed.make_floating("A"), chain)
    assert (np.diff(trajectory(load(CHAIN.replace("A in C", "$A in C")).make_floating("A"))[:, 0]) < 0).all()


# -- refusals --------------------------------------------------------------------------------------

DRIVEN = (
    "S -> P; k*S; S = 5*k; k = 0.3; y := 2*S; r = 1; r' = -r; species $B; B = 1; B' = 1; P = 0; at (time > 3): P = 1"
)


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (lambda m: m.set({"kk": 1}), UnknownName, "No quantity 'kk' in text. Did you mean 'k'"),
        (lambda m: m.set({"S": 1}), ValueError, r"a species; vary its initial value as 'init\(S\)'"),
        (lambda m: m.set({"init(S)": 1}), ValueError, r"S is set by the initial assignment 5\*k; vary k instead"),
        (lambda m: m.set({"y": 1}), ValueError, r"y is set by the assignment rule 2\*S"),
        (lambda m: m.set({"r": 1}), ValueError, "a rate rule changes it"),
        (lambda m: m.set({"k": float("nan")}), ValueError, "'k' must be a finite number, got nan"),
        (lambda m: m.set_law("J9", "k"), UnknownName, "No reaction 'J9' in text"),
        (lambda m: m.set_law("_J0", "k*"), ModelError, "'k\\*' is not a formula"),
        (lambda m: m.set_law("_J0", "2 k"), ModelError, "'2 k' is not a formula"),
        (lambda m: m.set_law("_J0", "kk*S"), UnknownName, "Did you mean 'k'.* A new parameter is given .*kk=1.0"),
        (lambda m: m.set_law("_J0", "hill(S)"), UnknownName, "No function 'hill'"),
        (lambda m: m.set_law("_J0", "k*S", k=1), ValueError, "'k' is in text already. Leave it out"),
        (lambda m: m.set_law("_J0", "k*S", K=1), ValueError, "'K' is given a value, but the law does not mention it"),
        (lambda m: m.set_law("_J0", "K*S", K=float("inf")), ValueError, "'K' must be a finite number"),
        (lambda m: m.add_reaction("k", "S ->", law="k"), ValueError, "'k' is in text already"),
        (lambda m: m.add_reaction("9", "S ->", law="k"), ValueError, "'9' cannot be an id"),
        (lambda m: m.add_reaction("R", "S => P", law="k"), ModelError, "is not the equation of a reaction"),
        (lambda m: m.add_reaction("R", "S", law="k"), ModelError, "is not the equation of a reaction"),
        (lambda m: m.add_reaction("R", "S + -> P", law="k"), ModelError, "'' in 'S . -> P' is not a species"),
        (lambda m: m.add_reaction("R", "0 S -> P", law="k"), ModelError, "'S' stands 0 times"),
        (lambda m: m.add_reaction("R", "S -> Q", law="k"), UnknownName, r"No species 'Q'.* add_species\('Q'\)"),
        (lambda m: m.add_species("S"), ValueError, "'S' is in text already"),
        (lambda m: m.with_states("S", 0), ValueError, "count must be a whole number"),
        (lambda m: m.with_states("9"), ValueError, "'90' cannot be an id"),
        (lambda m: m.with_states("z").with_states("z"), ValueError, "'z0' is in .* already"),
        (
            lambda m: m.log_states(),
            ModelError,
            r"P of text starts at 0, which has no logarithm. Try: set\(\{'init\(P\)'",
        ),
        (lambda m: m.log_states(of="Q"), UnknownName, "No species that changes 'Q'"),
        (lambda m: load(level(1)).log_states(), ModelError, "is SBML level 1 version 2, where rules cannot mention"),
        (lambda m: m.add_species("X", compartment="cell"), UnknownName, "No compartment 'cell'"),
        (lambda m: m.add_species("X", initial=float("inf")), ValueError, "'initial' must be a finite number"),
        (lambda m: m.remove("Q"), UnknownName, "No quantity 'Q'"),
        (lambda m: m.remove("P"), ModelError, r"it is used in reaction _J0 \(S -> P\), event _E0"),
        (lambda m: m.remove("S"), ModelError, "law of _J0, the assignment rule for y, the initial assignment of S"),
        (lambda m: m.remove("k"), ModelError, "used in the law of _J0, the initial assignment of S"),
        (lambda m: m.remove("r"), ModelError, "used in the rate rule for r"),
        (lambda m: m.remove("default_compartment"), ModelError, "used in species"),
        (lambda m: m.knock_out("k"), ModelError, r"'k' is no reaction or species of text. Try: set\(\{'k': 0\}\)"),
        (lambda m: m.knock_out("P"), ModelError, "an event sets it"),
        (lambda m: m.knock_out("B"), ModelError, "a rate rule sets it"),
        (lambda m: m.make_boundary("k"), UnknownName, "No species 'k'"),
        (lambda m: m.make_floating("B"), ModelError, "stays a boundary species: a rate rule already determines it"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_in_words(edit, error, words):
    with pytest.raises(error, match=words):
        edit(load(DRIVEN.replace("S -> P", "S => P")))


def test_a_reaction_that_a_formula_reads_is_not_removed():
    model = load("R: S -> ; k*S; S = 1; k = 1; flux := 2*R")

    with pytest.raises(ModelError, match="used in the assignment rule for flux"):
        model.remove("R")


def test_a_species_needs_its_compartment_said_where_there_are_several():
    model = load("compartment C = 1, D = 2; species S in C; S -> ; S; S = 1")

    with pytest.raises(ModelError, match="text has 2 compartments: C, D. Say compartment="):
        model.add_species("X")
    assert model.add_species("X", compartment="D").part("X").compartment == "D"
    with pytest.raises(ModelError, match="has no compartment"):
        load("p = 1; p' = -p").add_species("X")


def test_level_1_refuses_a_law_that_it_cannot_write():
    with pytest.raises(ModelError, match="law of R = .* is not valid SBML: .*Level 1"):
        load(level(1)).set_law("R", "piecewise(k2, A > 1, 0)")


def test_a_compartment_without_dimensions_has_no_concentrations():
    text = level(3).replace('size="2"', "").replace('spatialDimensions="3"', 'spatialDimensions="0"')
    model = load(text.replace('hasOnlySubstanceUnits="false"', 'hasOnlySubstanceUnits="true"'))

    with pytest.raises(ValueError, match=r"has no dimensions. Try: 'init\(A\)'"):
        model.set({"init([A])": 1})
    assert model.set({"init(A)": 1}).part("A").initial == 1
    assert model.add_species("X", initial=2).part("X").initial_is == "amount"

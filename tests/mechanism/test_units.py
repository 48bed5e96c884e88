"""Units are read in every level as libSBML derives them, written as people write them, and never made up."""

import re
import time
import zipfile
from fractions import Fraction

import libsbml
import numpy as np
import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid import load
from sbml_hybrid.cli import main
from sbml_hybrid.errors import UnknownName
from sbml_hybrid.mechanism.declared_units import DeclaredUnits
from sbml_hybrid.mechanism.reader import parse_formula
from sbml_hybrid.mechanism.units import DIMENSIONLESS, KINDS, Unit, UnitFactor, unit_of_formula

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>k</ci></math>'
NMOL, ML, PER_LITRE = ("mole", 1, -9, 1), ("litre", 1, -3, 1), ("litre", -1, 0, 1)
MINUTES, HOURS = ("second", 1, 0, 60), ("second", 1, 0, 3600)
MINUTE = '<unitDefinition id="{}"><listOfUnits><unit kind="second" {}/></listOfUnits></unitDefinition>'


def sbml(body, level=2, version=4, attributes=""):
    space = f"level{level}" if (level, version) in {(1, 2), (2, 1)} else f"level{level}/version{version}"
    space += "/core" if level == 3 else ""
    named = f'id="m" {attributes}' if level > 1 else 'name="m"'
    head = f'<sbml xmlns="http://www.sbml.org/sbml/{space}" level="{level}" version="{version}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n<model {named}>\n{body}\n</model>\n</sbml>'


def definitions(**units):
    """Unit definitions by id: lists of (kind, exponent, scale, multiplier)."""
    factors = {
        id: "".join(f'<unit kind="{k}" exponent="{e}" scale="{s}" multiplier="{m}"/>' for k, e, s, m in made)
        for id, made in units.items()
    }
    made = "".join(
        f'<unitDefinition id="{id}"><listOfUnits>{f}</listOfUnits></unitDefinition>' for id, f in factors.items()
    )
    return f"<listOfUnitDefinitions>{made}</listOfUnitDefinitions>"


def parts(compartment="", species="", parameter="", law=""):
    """A compartment C, a species S, a parameter k and a reaction v, level 2."""
    return (
        f'<listOfCompartments><compartment id="C" size="2" {compartment}/></listOfCompartments>'
        f'<listOfSpecies><species id="S" compartment="C" initialAmount="3" {species}/></listOfSpecies>'
        f'<listOfParameters><parameter id="k" value="1" {parameter}/></listOfParameters>'
        '<listOfReactions><reaction id="v"><listOfReactants><speciesReference species="S"/></listOfReactants>'
        f"<kineticLaw {law}>{MATH}</kineticLaw></reaction></listOfReactions>"
    )


def level_three(body):
    """Level 3 has no default for anything."""
    body = re.sub(r'(<compartment|<parameter)( id="\w+")', r'\1\2 constant="true"', body)
    body = body.replace(
        "<species ", '<species hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false" '
    )
    body = body.replace("<speciesReference ", '<speciesReference constant="true" stoichiometry="1" ')
    return body.replace("<reaction ", '<reaction reversible="false" fast="false" ')


def shown(model):
    """The units of S (amount, concentration), C, k and v in words."""
    return [
        str(u) for u in (model.part("S").unit, model.unit("[S]"), model.unit("C"), model.unit("k"), model.unit("v"))
    ]


# -- reading ---------------------------------------------------------------------------------------


def test_level_two_has_defaults_and_none_for_parameters():
    model = load(sbml(parts()))

    assert (model.time_unit, model.substance_unit) == ("s", "mol")
    assert shown(model) == ["mol", "mol/l", "l", "", "mol/s"]


def test_level_two_defines_its_defaults_anew():
    units = definitions(
        substance=[NMOL], time=[MINUTES], volume=[ML], per=[("second", -1, 0, 60)]
    )  # fmt: skip

    model = load(sbml(units + parts(parameter='units="per"')))

    assert (model.time_unit, model.substance_unit) == ("min", "nmol")
    assert shown(model) == ["nmol", "nmol/ml", "ml", "1/min", "nmol/min"]


@pytest.mark.parametrize(
    ("dimensions", "size", "concentration"), [(3, "l", "mol/l"), (2, "m^2", "mol/m^2"), (1, "m", "mol/m"), (0, "", "")]
)
def test_a_concentration_is_per_size_of_its_compartment(dimensions, size, concentration):
    body = parts(f'spatialDimensions="{dimensions}"', 'hasOnlySubstanceUnits="true"' if dimensions == 0 else "")
    model = load(sbml(body.replace('size="2"', "") if dimensions == 0 else body))

    assert (str(model.unit("C")), str(model.unit("[S]"))) == (size, concentration)


def test_a_species_and_a_compartment_may_have_units_of_their_own():
    units = definitions(fl=[("litre", 1, -15, 1)])

    model = load(sbml(units + parts('units="fl"', 'substanceUnits="item"')))

    assert shown(model) == ["item", "item/fl", "fl", "", "mol/s"]


def test_the_first_version_of_level_two_lets_a_law_and_a_species_have_units():
    units = definitions(hour=[HOURS], ml=[ML])
    body = units + parts(law='timeUnits="hour" substanceUnits="item"', species='spatialSizeUnits="ml"')

    model = load(sbml(body, version=1))

    assert str(model.unit("v")) == "item/h"
    assert str(model.unit("[S]")) == "mol/ml"


def test_level_one_is_read_with_its_spelling():
    body = (
        '<listOfUnitDefinitions><unitDefinition name="substance"><listOfUnits><unit kind="mole" scale="-6"/>'
        "</listOfUnits></unitDefinition></listOfUnitDefinitions>"
        '<listOfCompartments><compartment name="C" volume="2" units="liter"/></listOfCompartments>'
        '<listOfSpecies><species name="S" compartment="C" initialAmount="3"/></listOfSpecies>'
    )

    model = load(sbml(body, level=1, version=2))

    assert (model.time_unit, str(model.part("S").unit), str(model.unit("[S]"))) == ("s", "umol", "umol/l")


def test_level_three_without_units_has_none():
    model = load(sbml(level_three(parts()), 3, 1))

    assert (model.time_unit, model.substance_unit) == ("", "")
    assert shown(model) == [""] * 5
    assert "time in" not in str(model.describe())


def test_level_three_takes_what_the_model_declares():
    units = definitions(
        hour=[HOURS], nmol=[NMOL], ml=[ML], nM=[NMOL, PER_LITRE]
    )  # fmt: skip
    declared = 'timeUnits="hour" substanceUnits="nmol" volumeUnits="ml" extentUnits="mole"'

    model = load(sbml(units + level_three(parts('spatialDimensions="3"', parameter='units="nM"')), 3, 1, declared))

    assert shown(model) == ["nmol", "nmol/ml", "ml", "nM", "mol/h"]
    assert (model.time_unit, model.substance_unit) == ("h", "nmol")


def test_promoted_local_parameters_keep_their_units():
    model = load("model m; unit per_min = 1/(60 second); S -> ; k*S; S = 1; k = 2 per_min; end")

    own = '<listOfParameters><parameter id="k" value="1" units="second"/></listOfParameters></kineticLaw>'
    local = load(sbml(parts().replace("</kineticLaw>", own)))

    assert str(model.unit("k")) == "1/min"
    assert str(local.unit("v_k")) == "s"


def test_a_name_is_trusted_only_where_it_means_what_it_says():
    nano, milli = [NMOL, PER_LITRE], [("mole", 1, -3, 1), PER_LITRE]

    honest = load(sbml(definitions(nM=nano, substance=[NMOL]) + parts(parameter='units="nM"')))
    lying = load(sbml(definitions(nM=milli) + parts(parameter='units="nM"')))

    assert (str(honest.unit("k")), str(honest.unit("S"))) == ("nM", "nM")
    assert str(lying.unit("k")) == "mmol/l"


@pytest.mark.parametrize(
    "factor",
    ['scale="999999999"', 'exponent="99999"', 'multiplier="NaN"', 'multiplier="0"', 'multiplier="INF"'],
)
def test_a_senseless_definition_is_no_unit_and_costs_no_time(factor):
    began = time.perf_counter()
    body = f"<listOfUnitDefinitions>{MINUTE.format('u', factor)}</listOfUnitDefinitions>" + parts(parameter='units="u"')

    model = load(sbml(body))
    text = str(model.describe())

    assert str(model.unit("k")) == ""
    assert len(text) < 5000
    assert time.perf_counter() - began < 5


def test_an_unknown_quantity_has_no_unit():
    with pytest.raises(UnknownName, match="No quantity 'x'"):
        load(sbml(parts())).unit("x")


# -- against libSBML -------------------------------------------------------------------------------


def by_libsbml(definition):
    """SI factor and dimension, from libSBML's conversion to SI; None where it knows none."""
    if definition is None or not definition.getNumUnits():
        return None
    factor, powers = 1.0, {}
    converted = libsbml.UnitDefinition.convertToSI(definition)  # has to live as long as its units
    for u in converted.getListOfUnits():
        kind = libsbml.UnitKind_toString(u.getKind())
        factor *= (u.getMultiplier() * 10.0 ** u.getScale()) ** u.getExponentAsDouble()
        if kind not in {"dimensionless", "radian", "steradian"}:
            powers[kind] = powers.get(kind, 0) + u.getExponentAsDouble()
    return factor, {kind: power for kind, power in powers.items() if power}


def assert_agrees(unit, definition, what):
    reference = by_libsbml(definition)
    assert bool(unit) == (reference is not None), what
    if unit:
        assert float(unit.si) == pytest.approx(reference[0], rel=1e-9), what
        assert {base: float(power) for base, power in unit.dimension} == reference[1], what
    return bool(unit)


def test_every_unit_of_the_core_models_is_what_libsbml_derives(test_data):
    known = 0
    with zipfile.ZipFile(test_data / "biomodels.zip") as models:
        for name in (test_data / "biomodels_core.txt").read_text().split():
            model = load(models.read(name).decode())
            document = libsbml.readSBMLFromString(model.sbml)
            m = document.getModel()
            for part in (*m.getListOfSpecies(), *m.getListOfParameters(), *m.getListOfCompartments()):
                known += assert_agrees(model.unit(part.getId()), part.getDerivedUnitDefinition(), (name, part.getId()))
            for unit in model.units:
                assert_agrees(unit, m.getUnitDefinition(unit.id), (name, unit.id))

    assert known > 2000


def test_every_unit_of_the_suite_s_cases_is_what_libsbml_derives(test_data):
    known = 0
    with zipfile.ZipFile(test_data / "sbml_test_suite.zip") as suite:
        for name in [n for n in suite.namelist() if n.endswith(".xml")][::8]:
            text = suite.read(name).decode()
            if "unitDefinition" not in text or "comp:" in text:
                continue
            document = libsbml.readSBMLFromString(text)
            m = document.getModel()
            units = DeclaredUnits(m)
            for s in m.getListOfSpecies():
                unit = units.amount(s) if s.getHasOnlySubstanceUnits() else units.concentration(s)
                known += assert_agrees(unit, s.getDerivedUnitDefinition(), (name, s.getId()))
            for p in m.getListOfParameters():
                known += assert_agrees(units.called(p.getUnits()), p.getDerivedUnitDefinition(), (name, p.getId()))
            for c in m.getListOfCompartments():
                known += assert_agrees(units.size(c), c.getDerivedUnitDefinition(), (name, c.getId()))

    assert known > 100


def test_the_models_of_the_repository_have_units_that_fit(root):
    known = 0
    for path in sorted((root / "models").glob("*.ant")):
        model = load(path)

        assert model.time_unit, path.name
        assert all(model.unit(id) for id in model.states), path.name
        for reaction in model.reactions:  # a law is an extent per time
            unit = unit_of_formula(model.written_out(reaction.law.formula), model.unit)
            assert not unit or unit.equals(reaction.unit), (path.name, reaction.id, str(unit), str(reaction.unit))
            known += bool(unit)

    assert known > 60


# -- in words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        ([], ""),
        ([("dimensionless", 1, 0, 1)], "dimensionless"),
        ([("dimensionless", 1, -2, 1)], "0.01 dimensionless"),
        ([("mole", 1, -3, 1), ("litre", -1, 0, 1)], "mmol/l"),
        ([("mole", 1, 0, 1), ("litre", -1, 0, 1), ("second", -1, 0, 1)], "mol/(l*s)"),
        ([("second", -1, 0, 1)], "1/s"),
        ([("second", 1, 0, 60)], "min"),
        ([("second", -1, 0, 3600)], "1/h"),
        ([("second", 1, 0, 86400)], "day"),
        ([("second", 1, 0, 31557600)], "year"),
        ([("second", 1, -3, 1)], "ms"),
        ([("second", 1, 0, 90)], "90 s"),
        ([("second", -1, 0, 90)], "1/(90*s)"),
        ([("dimensionless", 1, -9, 1), ("mole", 1, 0, 1), ("litre", -1, 0, 1)], "nmol/l"),
        ([("mole", 1, 0, 1e-9)], "nmol"),
        ([("mole", 1, 0, 0.1)], "0.1 mol"),
        ([("item", 1, 3, 1)], "1000 item"),
        ([("metre", 3, -1, 1)], "dm^3"),
        ([("metre", 2, -6, 1)], "um^2"),
        ([("kilogram", 1, 0, 1)], "kg"),
        ([("gram", 1, -3, 1), ("litre", -1, -3, 1)], "mg/ml"),
        ([("mole", 1, 0, 1), ("mole", -1, 0, 1)], "dimensionless"),
        ([("litre", 2, 0, 1), ("mole", -2, 0, 1), ("second", -1, 0, 1)], "l^2/(mol^2*s)"),
        ([("second", 0, 0, 60)], "dimensionless"),
        ([("mole", 0.5, 0, 1)], "mol^0.5"),
    ],
)  # fmt: skip
def test_a_unit_is_written_as_people_write_it(factors, text):
    assert str(Unit("", tuple(UnitFactor(*factor) for factor in factors))) == text


@given(
    factors=st.lists(
        st.tuples(
            st.sampled_from(sorted(set(KINDS) - {"avogadro"})),
            st.sampled_from([-3, -2, -1, 1, 2, 3, 0.5]),
            st.integers(-18, 9),
            st.sampled_from([1.0, 60.0, 3600.0, 86400.0, 0.1, 2.5, 1 / 3, 1e-9, 31557600.0]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_means_for_pint_what_was_read(factors):
    unit = Unit("", tuple(UnitFactor(*factor) for factor in factors))

    said = PINT.Quantity(str(unit)).to_root_units()

    powers = {base: float(power) for base, power in unit.dimension}
    grams = 1000.0 ** powers.get("kilogram", 0)  # pint's root of a mass is the gram
    assert said.magnitude / grams == pytest.approx(float(unit.si), rel=1e-9)
    assert {ROOTS[base]: power for base, power in powers.items()} == pytest.approx(dict(said.dimensionality))


PINT = pint.UnitRegistry()
PINT.define("item = [item]")
ROOTS = {
    "ampere": "[current]", "candela": "[luminosity]", "item": "[item]", "kelvin": "[temperature]",
    "kilogram": "[mass]", "metre": "[length]", "mole": "[substance]", "second": "[time]",
}  # fmt: skip


@given(size=st.integers(-15, 6), exponent=st.integers(-3, 3).filter(bool), multiplier=st.floats(1e-6, 1e6))
def test_a_unit_over_itself_has_no_dimension_and_the_factor_one(size, exponent, multiplier):
    unit = Unit("", (UnitFactor("mole", exponent, size, multiplier), UnitFactor("litre", -1)))

    ratio = unit.times(unit, -1)

    assert ratio.equals(DIMENSIONLESS)
    assert (ratio.si, str(ratio)) == (Fraction(1), "dimensionless")


# -- formulas --------------------------------------------------------------------------------------

MOLAR = Unit("uM", (UnitFactor("mole", 1, -6), UnitFactor("litre", -1)))
LITRE = Unit("", (UnitFactor("litre"),))
AROUND = {"A": MOLAR, "B": MOLAR, "C": LITRE, "x": Unit()}


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("A", "uM"), ("2*A + B", "uM"), ("-A", "uM"), ("A*C", "umol"), ("A^2", "umol^2/l^2"), ("A/B", "dimensionless"),
        ("2", "dimensionless"), ("A + C", ""), ("A + 1", ""), ("x*A", ""), ("A + x", ""), ("sin(A)", ""), ("A^B", ""),
    ],
)  # fmt: skip
def test_a_formula_has_the_unit_of_its_parts_or_none(formula, text):
    assert str(unit_of_formula(parse_formula(formula), AROUND.__getitem__)) == text


def test_trajectories_and_measurements_carry_their_units():
    model = load(
        "model m; unit substance = 1e-9 mole; unit volume = litre; unit time_unit = 60 second; compartment C = 2\n"
        "species A in C; substanceOnly species B in C; A -> B; C*k*A; A = 5; B = 1; k = 0.3; p' = 1; p = 0; end"
    )

    truth = sh.simulate(model, times=np.linspace(0, 1, 3))
    data = sh.measure(truth, {"A": "A", "total": "A*C + B", "odd": "A + B", "p": "p"}, seed=0)

    assert truth["time"].attrs["units"] == truth.attrs["time_unit"] == "min"
    assert truth["truth"].attrs["units"] == '{"A": "nmol/l", "B": "nmol", "p": ""}'
    for variable in ("readout", "measured"):
        assert data[variable].attrs["units"] == '{"A": "nmol/l", "total": "nmol", "odd": "", "p": ""}'


def test_a_described_model_says_its_units():
    units = definitions(substance=[NMOL], time=[MINUTES])

    text = str(load(sbml(units + parts(parameter='units="second"'))).describe())

    assert "; time in min" in text
    assert re.search(r"S\s+C\s+3 nmol \(amount\)\s+nmol/l", text)
    assert re.search(r"k\s+1\s+s$", text, re.MULTILINE)
    assert re.search(r"C\s+2\s+l$", text, re.MULTILINE)
    assert re.search(r"v\s+S <-> \s*k\s+nmol/min$", text, re.MULTILINE)
    assert re.search(r"Units\n.*\n\s+substance\s+nmol\n\s+time\s+min", text)


# -- what libSBML warns of -------------------------------------------------------------------------


def test_a_law_whose_unit_does_not_fit_is_found_with_its_line_and_in_words():
    units = definitions(substance=[NMOL])
    body = units + "\n" + parts(parameter='units="second"').replace("<kineticLaw", "\n<kineticLaw")

    model = load(sbml(body))
    found = model.describe(check=True).tables[-1]

    line, severity, category, message = found[2][0]
    assert found[0].startswith("Warnings")
    assert (severity, category) == ("warning", "unit consistency")
    assert "kineticLaw" in model.to_sbml().splitlines()[int(line) - 1]
    assert "Expected units are nmol/s but" in message and "reaction> with id 'v') are s." in message
    assert "exponent" not in message


def test_findings_are_counted_beyond_fifty_and_what_does_not_fit_comes_first():
    more = "".join(f'<parameter id="k{i}" value="1"/>\n' for i in range(70))
    body = parts(parameter='units="second"').replace("</listOfParameters>", f"{more}</listOfParameters>")

    rows = load(sbml(body)).describe(check=True).tables[-1][2]

    assert len(rows) == 51
    assert rows[0][2] == "unit consistency"
    assert rows[1][3] == "The <parameter> with the id 'k0' does not have a 'units' attribute."
    assert rows[-1][3] == "and 21 more"


def test_a_model_without_a_fault_has_no_warnings(root):
    (row,) = load(root / "models" / "goldbeter_1995.ant").describe(check=True).tables[-1][2]

    assert row[3] == "none: libSBML finds nothing to warn of"


def test_nothing_is_checked_unless_asked(monkeypatch):
    from sbml_hybrid.mechanism import consistency

    monkeypatch.setattr(consistency, "findings", lambda sbml: pytest.fail("checked without being asked"))

    assert "Warnings" not in str(load(sbml(parts())).describe())


def test_the_command_line_checks_when_asked(tmp_path, capsys):
    (tmp_path / "m.xml").write_text(sbml(parts()))

    assert main(["describe", str(tmp_path / "m.xml")]) == 0
    assert "Warnings" not in capsys.readouterr().out
    assert main(["describe", str(tmp_path / "m.xml"), "--check"]) == 0
    assert "does not have a 'units' attribute" in capsys.readouterr().out

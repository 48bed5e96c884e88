"""What cannot be simulated is refused by the element and with the reason, and is described all the same."""

import zipfile

import pytest

from sbml_hybrid import load, simulate
from sbml_hybrid.errors import ModelError

CORE = 'xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"'
FAST = """<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="m">
<listOfCompartments><compartment id="C" size="1"/></listOfCompartments>
<listOfSpecies><species id="S" compartment="C" initialConcentration="1"/></listOfSpecies>
<listOfReactions><reaction id="quick" fast="true"><listOfReactants><speciesReference species="S"/></listOfReactants>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>S</ci></math></kineticLaw></reaction></listOfReactions>
</model></sbml>"""
ALGEBRAIC = f"""<sbml {CORE}><model><listOfParameters><parameter id="p" value="1" constant="false"/></listOfParameters>
<listOfRules><algebraicRule><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><minus/><ci>p</ci><cn>2</cn></apply></math></algebraicRule></listOfRules></model></sbml>"""
FLUX = """<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"
xmlns:fbc="http://www.sbml.org/sbml/level3/version1/fbc/version2" fbc:required="false"><model id="m" fbc:strict="false">
<listOfCompartments><compartment id="C" size="1" constant="true"/></listOfCompartments>
<listOfSpecies><species id="S" compartment="C" initialAmount="1" hasOnlySubstanceUnits="false"
boundaryCondition="false" constant="false"/></listOfSpecies>
<listOfReactions><reaction id="uptake" reversible="false" fast="false"><listOfProducts>
<speciesReference species="S" stoichiometry="1" constant="true"/></listOfProducts></reaction></listOfReactions>
</model></sbml>"""


def species(value):
    return f"""<sbml {CORE}><model>
<listOfCompartments><compartment id="C" size="1" constant="true"/></listOfCompartments>
<listOfSpecies><species id="S" compartment="C" {value} hasOnlySubstanceUnits="false" boundaryCondition="false"
constant="false"/></listOfSpecies><listOfReactions><reaction id="R" reversible="false" fast="false"><listOfReactants>
<speciesReference species="S" stoichiometry="1" constant="true"/></listOfReactants><kineticLaw>
<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>S</ci></math></kineticLaw></reaction></listOfReactions></model></sbml>"""


@pytest.mark.parametrize(
    ("text", "kind", "element", "said"),
    [
        (ALGEBRAIC, "algebraic rule", "", r"algebraic rule 0 = p - 2"),
        (FAST, "fast reaction", "quick", r"reaction 'quick' is declared fast"),
        ("R: S -> ; k*delay(S, 2); S = 1; k = 1", "delay", "R", r"kinetic law of 'R' uses delay\(\)"),
        ("S = 1; k = 1; S' = k; at time > 1: S = delay(S, 1)", "delay", "_E0", r"assignment of event '_E0' uses delay"),
        ("R: S -> P; ; S = 1", "no kinetic law", "R", r"reaction 'R' has no kinetic law \(1 of 1 have none\)"),
        (FLUX, "no kinetic law", "uptake", r"a model of the SBML package fbc: .* no kinetic laws"),
        ("R: S -> ; k*S; S = 1", "missing value", "k", r"'k' has no value, and the kinetic law of 'R' reads it"),
        (species(""), "missing value", "S", r"'S' has no initial concentration, and the kinetic law of 'R' reads it"),
        (species('initialAmount="NaN"'), "missing value", "S", r"'S' has the initial amount nan"),
        (species('initialConcentration="INF"'), "missing value", "S", r"'S' has the initial concentration inf"),
    ],
)
def test_a_model_that_cannot_be_simulated_is_refused_with_the_element_and_described(text, kind, element, said):
    model = load(text)

    assert (model.obstacles[0].kind, model.obstacles[0].element) == (kind, element)
    with pytest.raises(ModelError, match=said):
        simulate(model, None, times=[0, 1], quantities=[*model.by_id][:1])
    assert "Cannot be simulated: " in str(model.describe())
    assert "Cannot be simulated: " in model.describe().to_html()


def test_a_model_that_runs_has_no_obstacles():
    model = load(species('initialAmount="1"'))

    assert model.obstacles == ()
    assert "Cannot be simulated" not in str(model.describe())


def test_a_formula_that_calls_what_is_not_defined_is_refused_by_the_element(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        name = next(n for n in archive.namelist() if "BIOMD0000001096" in n and n.endswith(".xml"))
        model = load(archive.read(name).decode())

    assert (model.obstacles[0].kind, model.obstacles[0].element) == ("undefined", "R_r146")
    with pytest.raises(
        ModelError, match="kinetic law of 'R_r146' calls 'R_r146_LOWER_BOUND', which the model does not"
    ):
        simulate(model, None, times=[0, 1])


def test_a_value_that_was_missing_can_be_given():
    model = load("R: S -> ; k*S; S = 1").set({"k": 1.0})

    assert model.obstacles == ()


# -- models of models ------------------------------------------------------------------------------

COMP = 'xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true"'
INNER = species('initialAmount="3"')
OUTER = f"""<sbml {CORE} {COMP}><model id="outer"><comp:listOfSubmodels>
<comp:submodel comp:id="left" comp:modelRef="part"/><comp:submodel comp:id="right" comp:modelRef="part"/>
</comp:listOfSubmodels></model><comp:listOfExternalModelDefinitions>
<comp:externalModelDefinition comp:id="part" comp:source="SOURCE"/></comp:listOfExternalModelDefinitions></sbml>"""


def test_submodels_of_a_file_beside_it_are_written_out(tmp_path):
    (tmp_path / "inner.xml").write_text(INNER)
    (tmp_path / "outer.xml").write_text(OUTER.replace("SOURCE", "inner.xml"))

    model = load(tmp_path / "outer.xml")

    assert [s.id for s in model.species] == ["left__S", "right__S"]
    assert model.packages == ("comp",)
    assert "comp:" not in model.sbml
    truth = simulate(model, None, times=[0, 1])["truth"].values[0]
    assert truth[1, 0] == truth[1, 1] == pytest.approx(3 * 2.718281828459045**-1, rel=1e-6)


@pytest.mark.parametrize("source", ["../inner.xml", "/etc/passwd", "file:///etc/passwd", "sub/inner.xml", "a:b.xml"])
def test_a_submodel_s_file_outside_the_folder_is_not_read(tmp_path, source):
    (tmp_path / "inner.xml").write_text(INNER)
    folder = tmp_path / "models"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "inner.xml").write_text(INNER)
    (folder / "outer.xml").write_text(OUTER.replace("SOURCE", source))

    with pytest.raises(ModelError, match="only files in its own folder are read"):
        load(folder / "outer.xml")


def test_a_link_to_a_file_outside_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.xml").write_text(INNER)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "inner.xml").symlink_to(tmp_path / "secret.xml")
    (folder / "outer.xml").write_text(OUTER.replace("SOURCE", "inner.xml"))

    with pytest.raises(ModelError, match="only files in its own folder are read"):
        load(folder / "outer.xml")


def test_a_submodel_s_file_is_not_looked_for_when_the_model_came_as_text():
    with pytest.raises(ModelError, match="came as text, so its folder is not known"):
        load(OUTER.replace("SOURCE", "inner.xml"))


def test_files_that_contain_each_other_are_refused(tmp_path):
    (tmp_path / "outer.xml").write_text(OUTER.replace("SOURCE", "other.xml"))
    (tmp_path / "other.xml").write_text(OUTER.replace("SOURCE", "outer.xml"))

    with pytest.raises(ModelError, match="contain each other"):
        load(tmp_path / "outer.xml")


def test_files_of_files_do_not_explode(tmp_path):
    ten = "".join(f'<comp:submodel comp:id="s{i}" comp:modelRef="part"/>' for i in range(10))
    for level in range(8):
        text = OUTER.replace("SOURCE", f"level{level + 1}.xml")
        start, end = text.index("<comp:submodel "), text.index("</comp:listOfSubmodels>")
        (tmp_path / f"level{level}.xml").write_text(text[:start] + ten + text[end:])
    (tmp_path / "level8.xml").write_text(INNER)

    with pytest.raises(ModelError, match="elements come together"):
        load(tmp_path / "level0.xml")

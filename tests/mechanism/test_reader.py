"""What loads is described right; what does not is refused with one clear message."""

import pickle

import pytest

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError, SourceNotFound, UnknownName
from sbml_hybrid.mechanism.model import Participant

DECAY = "model decay\n S -> ; k*S; S = 10; k = 0.3\nend"


def sbml(body: str, level: int = 2, version: int = 4) -> str:
    space = f"level{level}/version{version}" if level > 1 else "level1"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="http://www.sbml.org/sbml/{space}" '
        f'level="{level}" version="{version}">\n<model id="m" name="m">\n{body}\n</model>\n</sbml>'
    )


COMPARTMENT = '<listOfCompartments><compartment id="C" size="2"/></listOfCompartments>'
SPECIES = '<listOfSpecies><species id="S" compartment="C" initialConcentration="1"/></listOfSpecies>'


def test_antimony_and_its_sbml_are_the_same_model(tmp_path):
    (tmp_path / "decay.ant").write_text(DECAY)
    (tmp_path / "decay.xml").write_text(load(DECAY).to_sbml())

    from_antimony, from_sbml = load(tmp_path / "decay.ant"), load(str(tmp_path / "decay.xml"))

    assert from_antimony.hash == from_sbml.hash
    assert from_antimony.reactions == from_sbml.reactions
    assert from_sbml.source == "decay.xml"


def test_antimony_written_out_and_read_again_is_the_same_model():
    model = load(DECAY)

    again = load(model.to_antimony())

    assert (again.species, again.reactions, again.parameters) == (model.species, model.reactions, model.parameters)


def test_the_records_say_what_the_model_says():
    model = load(
        "function f(x, y)\n x*y\nend\nmodel m\n compartment C = 2; species A in C; species $B in C; A = 3; B = 4\n"
        " v: 2 A + B -> A; f(k, A); k = 0.5; p = 1; p' = -p; y := A + p; z = 2*k\n"
        " e: at (A < 1): p = 5, k = 2\nend"
    )

    reaction = model.part("v")
    assert reaction.reactants == (Participant("A", 2.0), Participant("B", 1.0))
    assert reaction.law.text == "f(k, A)"
    assert model.functions[0].arguments == ("x", "y")
    assert {r.target: r.kind for r in model.rules} == {"p": "rate", "y": "assignment"}
    assert [a.target for a in model.initial_assignments] == ["z"]
    assert [target for target, _ in model.events[0].assignments] == ["p", "k"]
    assert model.part("C").size == 2
    assert model.part("B").boundary and not model.part("A").boundary
    assert model.states == ("A", "k", "p")


def test_local_parameters_are_promoted_and_told_apart():
    law = (
        '<reaction id="{0}" reversible="false"><listOfReactants><speciesReference species="S"/></listOfReactants>'
        '<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>k</ci>'
        '</math><listOfParameters><parameter id="k" value="{1}"/></listOfParameters></kineticLaw></reaction>'
    )
    model = load(
        sbml(f"{COMPARTMENT}{SPECIES}<listOfReactions>{law.format('R1', 1)}{law.format('R2', 2)}</listOfReactions>")
    )

    assert {p.id: (p.value, p.reaction) for p in model.parameters} == {"R1_k": (1.0, "R1"), "R2_k": (2.0, "R2")}
    assert model.part("R2").law.text == "R2_k"
    assert model.part("R2").law.parameters == ("R2_k",)


def test_level_one_is_read():
    model = load(
        sbml(
            '<listOfCompartments><compartment name="C" volume="2"/></listOfCompartments>'
            '<listOfSpecies><specie name="S" compartment="C" initialAmount="3"/></listOfSpecies>'
            '<listOfReactions><reaction name="v" reversible="false"><listOfReactants><specieReference specie="S"/>'
            '</listOfReactants><kineticLaw formula="k*S"><listOfParameters><parameter name="k" value="0.5"/>'
            "</listOfParameters></kineticLaw></reaction></listOfReactions>",
            level=1,
            version=1,
        ).replace('model id="m" name="m"', 'model name="m"')
    )

    assert model.species[0].initial == 3 and model.species[0].initial_is == "amount"
    assert model.part("v").law.text == "v_k*S"


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_the_declared_encoding_is_honoured(tmp_path, encoding):
    text = sbml(COMPARTMENT).replace('name="m"', 'name="für"').replace("UTF-8", encoding)
    (tmp_path / "m.xml").write_bytes(text.encode(encoding))

    assert load(tmp_path / "m.xml").name == "für"


def test_a_model_survives_pickling():
    model = load(DECAY)
    model.describe()

    assert pickle.loads(pickle.dumps(model)) == model


def test_a_description_shows_reactions_and_laws_and_escapes_what_it_shows():
    model = load(sbml(COMPARTMENT).replace('name="m"', 'name="&lt;script&gt;"'))

    assert "<script>" not in model.describe().to_html()
    assert "<script>" in str(model.describe())
    assert "k*S" in str(load(DECAY).describe())
    assert "k*S" in load(DECAY).describe().to_html()


def test_an_unknown_part_is_refused_with_the_closest_names():
    with pytest.raises(UnknownName, match=r"No quantity 'kk' in text\. Did you mean 'k'"):
        load(DECAY).part("kk")


def test_a_missing_file_is_refused_with_the_models_that_are_there(tmp_path):
    (tmp_path / "decay.ant").write_text(DECAY)

    with pytest.raises(SourceNotFound, match=r"No model at .*decai\.ant\. Models there: decay\.ant"):
        load(tmp_path / "decai.ant")
    with pytest.raises(SourceNotFound, match="The folder does not exist"):
        load(tmp_path / "nowhere" / "decay.ant")
    with pytest.raises(SourceNotFound, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<sbml><model></sbml>", r"broken XML: line 1, column \d+: mismatched tag"),
        ("<html><body/></html>", "XML, but not SBML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><sbml/>", "has a DTD"),
        ("<a>" * 500 + "</a>" * 500, "over 400 nested elements"),
        ("S -> ; k*S; S = 10\nk = = 3", "not valid Antimony: line 2: syntax error"),
        ('import "other.ant"\nS -> ; k*S', "imports another file"),
        ("   ", "is empty"),
        (
            sbml('<listOfSpecies>\n<species id="S" compartment="D"/></listOfSpecies>'),
            "not valid SBML: .*line 5: The value of 'compartment'",
        ),
    ],
)
def test_a_broken_model_is_refused_with_the_place(text, message):
    with pytest.raises(ModelError, match=message):
        load(text)


def test_a_broken_picture_does_not_keep_a_model_from_being_read():
    text = """<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"
    xmlns:layout="http://www.sbml.org/sbml/level3/version1/layout/version1" layout:required="false"><model>
    <listOfParameters><parameter id="p" value="1" constant="true"/></listOfParameters>
    <layout:listOfLayouts><layout:layout layout:id="l"><layout:dimensions layout:width="9" layout:height="9"/>
    <layout:listOfSpeciesGlyphs><layout:speciesGlyph layout:id="g" layout:species="nowhere"><layout:boundingBox>
    <layout:position layout:x="1" layout:y="1"/><layout:dimensions layout:width="1" layout:height="1"/>
    </layout:boundingBox></layout:speciesGlyph></layout:listOfSpeciesGlyphs></layout:layout></layout:listOfLayouts>
    </model></sbml>"""

    assert load(text).part("p").value == 1


def test_no_error_is_left_over_from_a_model_that_failed():
    with pytest.raises(ModelError):
        load("S -> ; k*S; S = = 3")

    assert load(DECAY).id == "decay"


def test_something_else_than_a_source_is_refused():
    with pytest.raises(ModelError, match="not from a int"):
        load(3)

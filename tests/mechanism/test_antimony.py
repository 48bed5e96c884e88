"""A model written as Antimony loads as a model that simulates the same, or is not written at all."""

import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sbml_hybrid import load, simulate
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.difference import diff
from sbml_hybrid.mechanism.essence import essence
from sbml_hybrid.quiet import quiet

ROOT = Path(__file__).parents[2]
MODELS = sorted(p.name for p in (ROOT / "models").iterdir() if p.suffix in (".ant", ".xml"))
FOLDER = Path(os.environ.get("SBML_HYBRID_TEST_DATA", ROOT.parent / "shared" / "data"))
LIST = FOLDER / "biomodels_core.txt"
CORE = [line.strip() for line in LIST.read_text().split("\n") if line.strip()] if LIST.is_file() else []
QUICK = {f"BIOMD0000000{number}" for number in ("054", "084", "180", "312", "411", "956", "976", "981")}
# libAntimony does not read its function called rateOf, a name that level 3 version 2 has taken.
UNWRITTEN = {"BIOMD0000000956/Bertozzi2020.xml"}
TIMES = np.linspace(0, 20, 21)


def assert_simulates_the_same(model, again):
    with quiet():
        before = simulate(model, None, times=TIMES)["truth"]
        after = simulate(again, None, times=TIMES)["truth"]
    names = [str(s) for s in before["species"].values]
    known = set(after["species"].values)
    order = [name if name in known else f"{name}_" for name in names if {name, f"{name}_"} & known]
    assert len(order) >= len(after["species"])
    here = [i for i, name in enumerate(names) if {name, f"{name}_"} & known]
    before, after = before.values[0][:, here], after.sel(species=order).values[0]
    extent = np.maximum(np.ptp(before, axis=0), 1e-9 * np.abs(before).max())
    assert (np.abs(before - after) <= 1e-5 * extent).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_ours_comes_back_and_simulates_the_same(root, name):
    model = load(root / "models" / name)

    again = load(model.to_antimony())

    assert not diff(essence(model), essence(again))
    assert_simulates_the_same(model, again)


@pytest.fixture(scope="module")
def archive(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as opened:
        yield opened


WRITTEN = [n for n in CORE if n[:15] != "BIOMD0000001065"]  # libAntimony needs minutes to read its 480 reactions


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n[:15] not in QUICK)) for n in WRITTEN])
def test_a_published_model_comes_back_and_simulates_the_same(archive, name):
    model = load(archive.read(name).decode())
    if name in UNWRITTEN:
        with pytest.raises(ModelError, match="has no Antimony form"):
            model.to_antimony()
        return

    again = load(model.to_antimony())

    assert_simulates_the_same(model, again)


@pytest.mark.parametrize(
    "part", [pytest.param(n, marks=pytest.mark.suite if n % 5 else pytest.mark.slow) for n in range(10)]
)
def test_a_case_of_the_test_suite_comes_back_or_is_refused_for_what_is_lost(test_data, part):
    with zipfile.ZipFile(test_data / "sbml_test_suite.zip") as opened:
        names = [n for n in opened.namelist() if n.endswith(("-sbml-l3v2.xml", "-sbml-l2v5.xml"))][part::10]
        tried = written = 0
        for name in names:
            try:
                model = load(opened.read(name).decode())
                model.require_simulable()
            except ModelError:
                continue
            tried += 1
            try:
                again = load(model.to_antimony())
            except ModelError as error:
                assert "Antimony cannot hold" in str(error) or "has no Antimony form" in str(error)
                continue
            written += 1
            if model.states:
                assert_simulates_the_same(model, again)
    assert written > 0.85 * tried


# -- what Antimony loses ---------------------------------------------------------------------------

LEVEL_3 = """<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="m">
<listOfCompartments><compartment id="C" size="2" constant="true" spatialDimensions="3"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="C" initialAmount="3" hasOnlySubstanceUnits="true" boundaryCondition="false"
constant="false"/></listOfSpecies>
<listOfParameters><parameter id="gamma" value="0.123456789012345678" constant="true"/></listOfParameters>
<listOfReactions><reaction id="R" reversible="false" fast="false"><listOfReactants>
<speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants><kineticLaw>
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>gamma</ci><ci>A</ci></apply></math>
</kineticLaw></reaction></listOfReactions>
<listOfEvents><event id="event" useValuesFromTriggerTime="false"><trigger initialValue="false" persistent="false">
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><lt/><ci>A</ci><cn>1</cn></apply></math></trigger>
<delay><math xmlns="http://www.w3.org/1998/Math/MathML"><cn>2</cn></math></delay>
<priority><math xmlns="http://www.w3.org/1998/Math/MathML"><cn>7</cn></math></priority><listOfEventAssignments>
<eventAssignment variable="A"><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>A</ci></math></eventAssignment>
</listOfEventAssignments></event></listOfEvents></model></sbml>"""


def test_what_an_event_and_a_species_are_is_kept():
    again = load(load(LEVEL_3).to_antimony())

    event, species = again.events[0], again.part("A")
    assert (event.persistent, event.initial_value, event.from_trigger) == (False, False, False)
    assert (event.delay.value, event.priority.value) == (2, 7)
    assert (species.amount_in_formulas, species.initial, species.initial_is) == (True, 3, "amount")


def test_a_word_of_antimony_gets_an_underscore_and_numbers_stay_exact():
    again = load(load(LEVEL_3).to_antimony())

    assert again.part("gamma_").value == 0.123456789012345678
    assert again.part("R").law.text == "gamma_*A"


def test_notes_within_notes_do_no_harm():
    notes = (
        '<notes><p xmlns="http://www.w3.org/1999/xhtml">&lt;notes xmlns=&quot;http://www.sbml.org/sbml/level2/version4'
        "&quot;&gt; two lines\n &lt;/notes&gt;</p></notes>"
    )
    model = load(LEVEL_3.replace('version="1"><model id="m">', f'version="1"><model id="m">{notes}'))

    assert "two lines" in model.to_sbml()
    assert load(model.to_antimony()).part("A").initial == 3


def test_a_conversion_factor_is_kept():
    model = load(LEVEL_3.replace('id="A" compartment="C"', 'id="A" compartment="C" conversionFactor="gamma"'))

    assert load(model.to_antimony()).part("A").conversion_factor == "gamma_"


def test_what_antimony_cannot_hold_is_refused_by_name():
    flat = LEVEL_3.replace('size="2" constant="true" spatialDimensions="3"', 'constant="true" spatialDimensions="0"')
    assert flat != LEVEL_3

    with pytest.raises(
        ModelError, match=r"Antimony cannot hold text; it would change: dimensions of C: 0 -> 3.*to_sbml"
    ):
        load(flat).to_antimony()


# -- Antimony in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'import "other.ant"\ny = 1',
        'y = 1; import "other.ant"',
        'import /* this */ "other.ant"\ny = 1',
        "import```other.ant```\ny = 1",
    ],
)
def test_a_file_that_imports_another_one_is_refused(text):
    with pytest.raises(ModelError, match="imports another file"):
        load(text)


def test_import_in_a_comment_or_a_name_is_a_word_like_any_other():
    text = '// import "other.ant"\ny = 1; y is "import \'all\'"; z = 2; z is "the import "'

    assert load(text).part("z").name == "the import "


def test_several_models_in_a_file_are_told_apart(caplog):
    text = "model a()\n x = 1\nend\nmodel c()\n z = 3\nend\nmodel *b()\n part: c(); y = 2\nend"

    with caplog.at_level("WARNING", "sbml_hybrid"):
        model = load(text)

    assert model.id == "b" and {p.value for p in model.parameters} == {2, 3}
    assert "text holds several models: b is read, and not a." in caplog.text


def test_one_model_in_a_file_is_nothing_to_tell(caplog):
    with caplog.at_level("WARNING", "sbml_hybrid"):
        load("function f(x)\n x\nend\nmodel a\n x = f(1)\nend")

    assert not caplog.text


def test_genes_units_and_ports_are_read():
    model = load(
        "model m(S, k)\n unit nM = 1e-9 mole / litre; S = 1; k = 0.5; k has nM; R1: S -> ; k*S\n"
        " DNA d; operator o; gene g; o := 0.5; g: => S; 2; d: --o--g--\nend"
    )

    assert str(model.part("k").unit) == "nM"
    assert [r.id for r in model.reactions] == ["R1", "g"]
    assert not diff(essence(load(model.to_antimony())), essence(model))


def test_reading_and_writing_prints_nothing(capfd):
    load("S -> ; k*S; S = 1; k = 0.5").to_antimony()
    with pytest.raises(ModelError):
        load("S -> ; k*S; S = = 1")

    assert capfd.readouterr() == ("", "")


def test_threads_read_each_their_own_model():
    texts = [f"S -> ; k*S; S = {n}; k = 0.{n}1" for n in range(1, 9)]
    read = {}

    def work(n):
        for _ in range(2):
            model = load(load(texts[n]).to_antimony())
            read.setdefault(n, []).append((model.part("S").initial, model.part("k").value))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert read == {n: [(n + 1.0, float(f"0.{n + 1}1"))] * 2 for n in range(8)}


def test_long_numbers_of_antimony_are_read_in_full():
    model = load(
        "S -> ; 0.30000000000000004*S; S = 1.2345678901234567; k = 0.1234567890123456e-7; // 0.30000000000000004"
    )

    assert model.part("S").initial == 1.2345678901234567
    assert model.part("k").value == 0.1234567890123456e-7
    assert model.reactions[0].law.text == "0.30000000000000004*S"
    assert simulate(model, None, times=[0, 1])["status"].item() == 0

"""Conditions on published models: SBML of every level, and doses that are all there."""

import zipfile

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.dosing import Places, at_level_three, libsbml, prepared
from sbml_hybrid.mechanism.exact import written

SOME = (0, 2, 4, 16, 38)  # of the core models: small ones, of reactions and of rate rules
TIMES = np.linspace(0, 10, 21)


@pytest.fixture(scope="module")
def core(test_data):
    """Return a function from a number to that core model."""
    archive = zipfile.ZipFile(test_data / "biomodels.zip")
    names = (test_data / "biomodels_core.txt").read_text().split()
    return lambda number: sh.load(archive.read(names[number]).decode())


def _changes_at_level_three(model):
    converted = sh.load(written(at_level_three(model), model.sbml))
    assert libsbml.readSBMLFromString(converted.sbml).getLevel() == 3
    before = sh.simulate(model, None, times=TIMES)["truth"].values
    after = sh.simulate(converted, None, times=TIMES, quantities=model.states)["truth"].values
    return not np.array_equal(before, after)


def _lost(model):
    """How much of a dose is missing at its time, relative to what is there; 0 where nothing can be dosed."""
    free = [s for s in model.species if s.id not in model.assignment_rules and not s.constant]
    if not free:
        return 0.0
    amount = f"amount({free[0].id})"
    plain = sh.simulate(model, None, times=TIMES, quantities=[amount])["truth"].values[0, :, 0]
    dose = float(np.abs(plain).max() / 2) or 1.0
    arms = [sh.Condition("control"), sh.Condition("dosed", inputs=[sh.Dose(free[0].id, dose, time=TIMES[11])])]

    data = sh.simulate(model, None, times=TIMES, conditions=arms, quantities=[amount])

    control, dosed = data["truth"].values[:, :, 0]
    assert (data["status"] == 0).all()
    assert abs(control - plain).max() <= 1e-4 * dose
    assert abs(dosed[:11] - control[:11]).max() <= 1e-4 * dose
    return abs(dosed[11] - control[11] - dose) / dose


@pytest.mark.parametrize("number", SOME)
def test_a_model_of_level_two_is_the_same_to_the_last_bit_at_level_three(core, number):
    assert not _changes_at_level_three(core(number))


@pytest.mark.parametrize("number", SOME)
def test_a_dose_is_all_there_at_its_time(core, number):
    assert _lost(core(number)) < 1e-4


@pytest.mark.parametrize(
    "every",
    [pytest.param(4, id="every fourth", marks=pytest.mark.slow), pytest.param(1, id="all", marks=pytest.mark.suite)],
)
def test_core_models_are_the_same_at_level_three_and_take_doses(core, every):
    models = [core(number) for number in range(0, 58, every)]

    assert [m.source for m in models if _changes_at_level_three(m)] == []
    assert max(_lost(m) for m in models) < 1e-4


@pytest.mark.parametrize(
    "every",
    [pytest.param(8, id="every eighth", marks=pytest.mark.slow), pytest.param(1, id="all", marks=pytest.mark.suite)],
)
def test_curated_models_have_places_for_a_dose_and_a_knock_out_or_lack_a_size(test_data, every):
    refused = []
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for name in archive.namelist()[::every]:
            text = archive.read(name).decode()
            if not name.endswith(".xml") or len(text) > 400_000:  # the larger ones are no different, and take minutes
                continue
            model = sh.load(text)
            if model.obstacles:
                continue
            dosed = [s.id for s in model.species if not s.constant and s.id not in model.assignment_rules][:1]
            places = Places(dict.fromkeys(dosed, 1), knock_outs=tuple(r.id for r in model.reactions if r.law)[:1])
            try:
                prepared(model, places)
            except ModelError as error:
                refused.append(f"{name}: {error}")

    assert all("has no size" in said for said in refused), refused
    assert len(refused) < 10


def test_a_model_of_level_one_takes_doses_too():
    document = libsbml.readSBMLFromString(sh.load("compartment C = 2; S in C; S = 10; R: S -> ; C*k*S; k = 0.3").sbml)
    assert document.setLevelAndVersion(1, 2, False)
    model = sh.load(libsbml.writeSBMLToString(document))

    arms = [sh.Condition("control"), sh.Condition("dosed", inputs=[sh.Dose("S", 8, time=0), sh.Dose("S", 4, time=5)])]
    control, dosed = sh.simulate(model, None, times=TIMES, conditions=arms)["truth"].values[:, :, 0]

    later = np.where(TIMES >= 5, 2 * np.exp(-0.3 * (TIMES - 5)), 0)
    np.testing.assert_allclose(control, 10 * np.exp(-0.3 * TIMES), rtol=1e-5)
    np.testing.assert_allclose(dosed, 14 * np.exp(-0.3 * TIMES) + later, rtol=1e-5)


def test_counts_of_level_two_that_are_formulas_stay_what_they_are(test_data):
    """A species made twice in one reaction, 2 and 1 at a time, each by a formula (stoichiometryMath)."""
    with zipfile.ZipFile(test_data / "sbml_test_suite.zip") as archive:
        model = sh.load(archive.read("01439/01439-sbml-l2v5.xml").decode())

    arms = [sh.Condition("control"), sh.Condition("dosed", inputs=[sh.Dose("A", 5, time=4)])]
    control, dosed = sh.simulate(model, None, times=TIMES, conditions=arms)["truth"].values[:, :, 0]

    np.testing.assert_allclose(control, 1 + 3 * TIMES, rtol=1e-9)
    np.testing.assert_allclose(dosed, 1 + 3 * TIMES + np.where(TIMES >= 4, 5, 0), rtol=1e-9)

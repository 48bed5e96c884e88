"""Stoichiometry and conserved moieties: right for every network, and constant along real trajectories."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.nullspace import exact, independent, left_null_space, non_negative
from sbml_hybrid.quiet import quiet

FOLDER = Path(os.environ.get("SBML_HYBRID_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
LIST = FOLDER / "biomodels_core.txt"
CORE = LIST.read_text().split() if LIST.is_file() else []
WITH_MOIETIES = [f"BIOMD0000000{n}" for n in ("080", "084", "365", "475", "951", "957", "974")]
ENZYME = "E + S -> ES; k1*E*S; ES -> E + P; k2*ES; E = 1; S = 9; ES = 0; P = 0; k1 = 1; k2 = 1"


@pytest.fixture(scope="module")
def biomodels(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        yield archive


def published(archive, name):
    (file,) = [n for n in CORE if n.startswith(name)]
    return load(archive.read(file).decode())


def as_rows(matrix):
    """Turn an integer matrix into what the null space is asked of."""
    return {
        f"s{i}": {f"v{j}": exact(float(entry)) for j, entry in enumerate(row) if entry} for i, row in enumerate(matrix)
    }


def as_matrix(vectors, n):
    dense = np.zeros((len(vectors), n))
    for row, vector in zip(dense, vectors, strict=True):
        for name, count in vector.items():
            row[int(name[1:])] = count
    return dense


# -- any network -----------------------------------------------------------------------------------

matrices = st.integers(1, 9).flatmap(
    lambda m: st.integers(1, 9).flatmap(
        lambda n: st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=m, max_size=m)
    )
)


@given(matrix=matrices)
def test_moieties_are_all_the_totals_that_reactions_leave_alone(matrix):
    matrix = np.array(matrix)

    basis = left_null_space(as_rows(matrix))
    totals = as_matrix(independent([], non_negative(basis)), len(matrix))

    assert not (totals @ matrix).any()
    assert len(totals) == len(matrix) - np.linalg.matrix_rank(matrix)
    assert len(totals) == 0 or np.linalg.matrix_rank(totals) == len(totals)


@given(data=st.data(), species=st.integers(3, 9), atoms=st.integers(1, 3))
def test_where_every_species_is_made_of_atoms_no_total_has_a_negative_coefficient(data, species, atoms):
    made_of = np.array(
        data.draw(
            st.lists(st.lists(st.integers(0, 3), min_size=species, max_size=species), min_size=atoms, max_size=atoms)
        )
    )
    made_of[0] += 1  # nothing is made of nothing
    # Any reactions that leave every atom where it is: integer vectors of the null space of `made_of`.
    balanced = as_matrix(left_null_space(as_rows(made_of.T)), species).T
    if balanced.shape[1] == 0:
        balanced = np.zeros((species, 1))

    totals = as_matrix(independent([], non_negative(left_null_space(as_rows(balanced)))), species)

    assert (totals >= 0).all()
    assert np.linalg.matrix_rank(np.vstack([totals, made_of])) == len(totals)


def test_fractions_are_meant_as_they_are_written():
    assert exact(1 / 3) * 3 == 1
    assert exact(0.1) * 10 == 1
    assert exact(0.123456789) * 10**9 == 123456789


# -- models ----------------------------------------------------------------------------------------


def test_an_enzyme_keeps_its_total_and_so_does_its_substrate():
    model = load(ENZYME)

    table = model.stoichiometry()

    assert table.index.tolist() == ["E", "S", "ES", "P"]
    assert table["_J0"].tolist() == [-1, -1, 1, 0]
    assert [str(m) for m in model.moieties()] == ["E + ES = 1 (amount)", "S + ES + P = 9 (amount)"]
    assert model.moieties()[1].coefficients == {"S": 1, "ES": 1, "P": 1}


def test_totals_are_of_amounts_whatever_the_compartments_are():
    model = load(
        "model m\n compartment C = 2, D = 5; species A in C, B in D; A = 3; B = 1; v: A -> 2 B; k*A; k = 1\n"
        " C' = 0.1\nend"
    )

    (total,) = model.moieties()

    assert total.coefficients == {"A": 2, "B": 1}
    assert total.total == 2 * 3 * 2 + 1 * 5


def test_boundary_species_are_no_members_and_catalysts_are_totals_of_one():
    model = load("species $X; E + X -> E + A; E*X; A + X -> ; A; A = 1; E = 2; X = 1")

    assert model.stoichiometry().index.tolist() == ["E", "A"]
    assert [str(m) for m in model.moieties()] == ["E = 2 (amount)"]


def test_a_total_of_mixed_signs_is_found_where_there_is_no_other():
    model = load("-> A + B; k; A + B -> ; A*B; k = 1; A = 5; B = 2")

    assert [str(m) for m in model.moieties()] == ["A - B = 3 (amount)"]


def test_an_event_breaks_the_totals_of_what_it_sets_and_no_others():
    model = load(
        "model m\n A + B -> C; k*A*B; C -> A + B; C; k = 1; A = 1; B = 2; C = 3; D -> E; D; D = 1; E = 0\n"
        " dose: at (time > 2): A = 10\nend"
    )

    lasting = [str(m) for m in model.moieties() if not m.broken_by]
    broken = [m for m in model.moieties() if m.broken_by]

    assert sorted(lasting) == ["B + C = 5 (amount)", "D + E = 1 (amount)"]
    assert str(broken[0]) == "A + C = 4 (amount), until event dose sets A"
    assert len(broken) == 1


def test_conversion_factors_weigh_the_amounts():
    sbml = load("A -> B; k*A; k = 1; A = 1; B = 0; f = 0.5; g = 3").to_sbml()
    sbml = sbml.replace('id="A"', 'id="A" conversionFactor="f"').replace('id="B"', 'id="B" conversionFactor="g"')

    (total,) = load(sbml).moieties()

    # dA/dt = -f v and dB/dt = g v
    assert total.coefficients["A"] * 0.5 == total.coefficients["B"] * 3


def test_a_stoichiometry_that_is_fixed_at_the_start_is_a_number():
    model = load("model test\n n = 2*p; p = 1.5; v: A -> n B; A; A = 1; B = 0\nend")

    assert model.stoichiometry().loc["B", "v"] == 3
    assert model.moieties()[0].coefficients == {"A": 3, "B": 1}


def test_a_stoichiometry_that_changes_is_refused_and_breaks_totals():
    model = load(
        "model m\n n := 2 + time; v: A -> n B; A; w: B -> A; 0.1*B; A = 1; B = 0; X -> Y; X; X = 1; Y = 1\nend"
    )

    with pytest.raises(ModelError, match=r"The stoichiometry of B in reaction v of text is n, which changes"):
        model.stoichiometry()
    assert [str(m) for m in model.moieties() if not m.broken_by] == ["X + Y = 2 (amount)"]


def test_a_model_without_reactions_has_no_totals():
    model = load("model m\n p = 1; p' = -p\nend")

    assert model.moieties() == ()
    assert model.stoichiometry().empty


# -- published models ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_MOIETIES)
def test_totals_are_constant_along_a_trajectory(biomodels, name):
    from sbml_hybrid.simulation.solver import to_roadrunner

    model = published(biomodels, name)
    totals = [m for m in model.moieties() if not m.broken_by]
    engine = to_roadrunner(model)
    engine.integrator.relative_tolerance = 1e-8
    species = model.stoichiometry().index.tolist()

    with quiet():
        amounts = np.array(engine.simulate(0, 100, 51, selections=species))

    weights = np.array([[m.coefficients.get(s, 0.0) for s in species] for m in totals])
    assert len(totals) > 0
    assert np.ptp(amounts, axis=0).max() > 0
    allowed = 1e-9 * (amounts.max(axis=0) @ np.abs(weights.T))
    assert (np.abs(amounts @ weights.T - [m.total for m in totals]) <= allowed).all()


@pytest.mark.parametrize("name", WITH_MOIETIES)
def test_totals_are_those_that_libroadrunner_finds(biomodels, name):
    from sbml_hybrid.simulation.solver import to_roadrunner

    model = published(biomodels, name)
    totals = model.moieties()
    engine = to_roadrunner(model)
    with quiet():
        engine.conservedMoietyAnalysis = True
        theirs = engine.getConservationMatrix()

    reacting = [theirs.colnames.index(s) for s in model.stoichiometry().index]
    theirs = np.array(theirs)[:, reacting]
    theirs = theirs[np.abs(theirs).any(axis=1)]  # a species in no reaction is a row of its own there
    ours = np.array([[m.coefficients.get(s, 0.0) for s in model.stoichiometry().index] for m in totals])
    assert ours.shape == theirs.shape
    assert np.linalg.matrix_rank(np.vstack([ours, theirs])) == len(ours)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORE)
def test_published_models_have_as_many_totals_as_numpy_says(biomodels, name):
    model = load(biomodels.read(name).decode())
    table = model.stoichiometry()

    totals = model.moieties()

    weights = np.array([[m.coefficients.get(s, 0.0) for s in table.index] for m in totals]).reshape(
        len(totals), len(table)
    )
    rank = np.linalg.matrix_rank(table.to_numpy()) if table.size else 0
    assert len(totals) == len(table) - rank
    assert np.abs(weights @ table.to_numpy()).max(initial=0.0) < 1e-9


@pytest.mark.slow
def test_the_largest_published_model_takes_seconds(biomodels):
    import time

    (name,) = [n for n in biomodels.namelist() if n.startswith("BIOMD0000001096/") and n.endswith(".xml")]
    model = load(biomodels.read(name).decode())

    began = time.perf_counter()
    totals = model.moieties()

    assert time.perf_counter() - began < 10
    table = model.stoichiometry()
    assert len(table) == 1443
    assert len(totals) == len(table) - np.linalg.matrix_rank(table.to_numpy())

"""729 curated models: each one is described, and simulated or refused with a reason."""

import zipfile
from collections import Counter

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import ModelError, SolverError
from sbml_hybrid.simulation.solver import LADDER

TIMES = np.linspace(0, 100, 101)
UNSERVED = {f"BIOMD0000000{number}" for number in (527, 696, 723, 775)}  # no settings of CVODE serve


def _outcome(text):
    """(what happened, the rung that served or the reason)."""
    model = sh.load(text)
    assert len(str(model.describe())) > 50
    if not model.states:
        return "static", ""
    try:
        result = sh.simulate(model, None, times=TIMES)
    except SolverError as error:
        return "failed", str(error)
    except ModelError as error:
        assert model.obstacles
        return "refused", str(error)
    return "simulated", LADDER[int(result["rung"].item())].name


def _outcomes(test_data, every):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".xml")]
        assert len(names) == 729
        return {name: _outcome(archive.read(name).decode()) for name in names[::every]}


@pytest.mark.slow
def test_every_eighth_published_model_is_described_and_simulated_or_refused_with_a_reason(test_data, capfd):
    outcomes = _outcomes(test_data, every=8)

    assert capfd.readouterr().out == ""
    assert {name[:15] for name, (kind, _) in outcomes.items() if kind == "failed"} <= UNSERVED


@pytest.mark.suite
def test_every_published_model_is_described_and_97_percent_of_the_dynamic_ones_simulate(test_data, capfd):
    outcomes = _outcomes(test_data, every=1)

    counts = Counter(kind for kind, _ in outcomes.values())
    assert capfd.readouterr().out == ""
    dynamic = len(outcomes) - counts["static"]
    assert counts["simulated"] / dynamic >= 0.97, {n: o for n, o in outcomes.items() if o[0] in ("failed", "refused")}


@pytest.mark.slow
def test_of_the_models_that_libroadrunner_fails_on_those_run_that_run_with_any_settings(test_data):
    hard = (test_data / "biomodels_hard.txt").read_text().split("\n")
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        outcomes = {name: _outcome(archive.read(name).decode()) for name in map(str.strip, hard) if name}

    by_kind = {kind: {name[:15] for name, (k, _) in outcomes.items() if k == kind} for kind in ("simulated", "failed")}
    assert len(by_kind["simulated"]) == 6
    assert by_kind["failed"] == UNSERVED
    assert all(said for _, said in outcomes.values())

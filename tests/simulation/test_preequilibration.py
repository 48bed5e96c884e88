"""Trajectories that begin in a steady state: what was in balance before is what they begin with."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.simulation.rows import source_of
from sbml_hybrid.simulation.runs import Deterministic
from sbml_hybrid.simulation.settings import selection_of
from sbml_hybrid.simulation.solver import NOT_EQUILIBRATED
from sbml_hybrid.simulation.work import Task, simulate_rows

TIMES = np.linspace(0, 30, 31)
RELAY = (
    "R -> Ra; kon*stimulus*R - koff*Ra; T -> Tp; kp*(basal + Ra)*T - kd*Tp; R = 5; Ra = 0; T = 8; Tp = 0;"
    "stimulus = 1; kon = 0.4; koff = 0.3; kp = 0.2; kd = 0.5; basal = 0.1"
)


def simulated(model, draws, before, times=TIMES, rows=None):
    source = source_of(model, draws, times)
    task = Task(model, tuple(selection_of(model, name)[0] for name in model.states), Deterministic())
    part = source.part(0, len(source))
    part = replace(part, before=np.asarray(before, float))
    rows = np.arange(len(part)) if rows is None else np.asarray(rows)
    part = replace(
        part, labels=part.labels[rows], draws=part.draws[rows], values=part.values[rows], before=part.before[rows]
    )
    return simulate_rows(task, 0, part)


@pytest.fixture
def model():
    return sh.load(RELAY)


@pytest.fixture
def draws():
    priors = {name: sh.priors.LogUniform(0.1, 1) for name in ("kon", "koff", "kp", "kd")}
    return sh.sample(priors | {"stimulus": sh.priors.Uniform(1, 2)}, 12, seed=0)


def test_a_stimulus_after_rest_is_the_two_phases_done_by_hand(model, draws):
    resting = draws.assign(stimulus=0.0)

    _, found = simulated(model, draws, resting)

    at_rest = sh.simulate(model, resting, times=[0, 1e4])["truth"].isel(time=1)
    by_hand = draws.assign(**{f"init({id})": at_rest.sel(species=id).values for id in ("R", "Ra", "T", "Tp")})
    expected = sh.simulate(model, by_hand, times=TIMES)["truth"]
    np.testing.assert_allclose(found["truth"], expected, rtol=1e-6, atol=1e-9)
    kp, kd = draws["kp"], draws["kd"]  # in closed form: no receptor is active, and T is phosphorylated by itself
    np.testing.assert_allclose(found["truth"][:, 0, 3], 8 * 0.1 * kp / (0.1 * kp + kd), rtol=1e-10)


def test_totals_stay_what_they_are_from_rest_to_response(model, draws):
    _, found = simulated(model, draws, draws.assign(stimulus=0.0))

    np.testing.assert_allclose(found["truth"][..., :2].sum(-1), 5, rtol=1e-8)
    np.testing.assert_allclose(found["truth"][..., 2:].sum(-1), 8, rtol=1e-8)


def test_order_and_parts_change_no_byte(model, draws):
    resting = draws.assign(stimulus=0.0)
    _, whole = simulated(model, draws, resting)

    rows = [9, 1, 1, 4]
    _, some = simulated(model, draws, resting, rows=rows)

    np.testing.assert_array_equal(some["truth"], whole["truth"][rows])


def test_a_row_of_nan_begins_at_the_models_own_start(model, draws):
    before = draws.assign(stimulus=0.0).to_numpy()
    before[5] = np.nan

    _, found = simulated(model, draws, before)

    np.testing.assert_array_equal(found["truth"][5], sh.simulate(model, draws, times=TIMES)["truth"][5])
    assert found["truth"][5, 0, 3] == 0 != found["truth"][4, 0, 3]


def test_nothing_happens_where_nothing_changes_after_rest(model, draws):
    _, found = simulated(model, draws, draws)

    np.testing.assert_allclose(found["truth"], np.broadcast_to(found["truth"][:, :1], found["truth"].shape), rtol=1e-7)


def test_an_amount_that_the_row_sets_otherwise_is_added_to_the_rest(model, draws):
    given = draws.assign(**{"init(R)": 50.0})
    _, found = simulated(model, given, given.assign(**{"init(R)": 5.0}))
    _, resting = simulated(model, draws, draws)

    assert (found["truth"][:, 0, 0] == 50.0).all()
    np.testing.assert_allclose(found["truth"][:, 0, 1:], resting["truth"][:, 0, 1:], rtol=1e-10)


def test_what_an_event_has_changed_during_rest_stays_changed_but_not_what_the_row_sets():
    model = sh.load("-> S; k*p - S; S = 0; k = 1; p = 1; E: at S > 0.5: p = 7, k = 2")
    draws = pd.DataFrame({"k": [3.0]})

    _, found = simulated(model, draws, [[1.0]], times=[0.0, 100.0])

    np.testing.assert_allclose(found["truth"][0, :, 0], [14, 21], rtol=1e-6)


def test_a_rest_that_does_not_exist_is_a_failed_row_with_its_reason_and_no_other(draws):
    model = sh.load("-> A; k - d*A; A = 0; k = 1; d = 1")
    given = pd.DataFrame({"d": [1.0, 1.0, 2.0]})

    note, found = simulated(model, given, [[0.5], [0.0], [1.0]])

    assert found["status"].tolist() == [0, NOT_EQUILIBRATED, 0]
    assert np.isnan(found["truth"][1]).all() and np.isfinite(found["truth"][[0, 2]]).all()
    [(label, status, reason)] = note.failures
    assert (label, status) == (1, NOT_EQUILIBRATED)
    assert reason == "no steady state to begin in: A grows without end"

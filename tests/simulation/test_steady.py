"""Steady states: closed forms, the state into which the trajectory falls, what conserves and what never rests."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.data import shards
from sbml_hybrid.errors import ModelError, SolverError
from sbml_hybrid.simulation.solver import STATUSES

REVERSIBLE = sh.load("A -> B; k1*A - k2*B; A = 10; B = 0; k1 = 3; k2 = 1")
RATE = st.floats(1e-3, 1e3)


def status(data):
    return [STATUSES[code] for code in data["status"].values.tolist()]


@pytest.fixture(scope="module")
def toggle(root):
    return sh.load(root / "models/gardner_2000.ant")


@pytest.fixture(scope="module")
def cascade(root):
    return sh.load(root / "models/huang_ferrell_1996.ant")


# -- what is known exactly ---------------------------------------------------------------------------


@settings(max_examples=20)
@given(k1=RATE, k2=RATE, a=st.floats(0, 1e6), b=st.floats(1e-6, 1e6))
def test_a_reversible_reaction_rests_at_the_ratio_of_its_constants(k1, k2, a, b):
    draws = pd.DataFrame({"k1": [k1], "k2": [k2], "init(A)": [a], "init(B)": [b]})

    found = sh.steady_state(REVERSIBLE, draws)

    assert status(found) == ["ok"] and found["stability"].values.tolist() == [1]
    expected = np.array([k2, k1]) / (k1 + k2) * (a + b)
    np.testing.assert_allclose(found["truth"].values[0, 0], expected, rtol=1e-10)


@settings(max_examples=20)
@given(inflow=RATE, rates=st.lists(RATE, min_size=4, max_size=4))
def test_an_open_chain_rests_at_inflow_over_rate(inflow, rates):
    model = sh.load(
        "-> A; v; A -> B; a*A; B -> C; b*B; C -> D; c*C; D -> ; d*D; A=0; B=0; C=0; D=0; v=1; a=1; b=1; c=1; d=1"
    )
    draws = pd.DataFrame([[inflow, *rates]], columns=["v", "a", "b", "c", "d"])

    found = sh.steady_state(model, draws)

    assert found["stability"].values.tolist() == [1]
    np.testing.assert_allclose(found["truth"].values[0, 0], inflow / np.array(rates), rtol=1e-9)


def test_a_covalent_cycle_has_the_sharp_threshold_of_goldbeter_and_koshland():
    """doi:10.1073/pnas.78.11.6840, in the form of Tyson, Chen and Novak (2003)."""
    cycle = sh.load("W -> Wp; v1*W/(K + W); Wp -> W; v2*Wp/(K + Wp); W = 1; Wp = 0; v1 = 1; v2 = 1; K = 1")
    v1, k = (grid.ravel() for grid in np.meshgrid(np.logspace(-1, 1, 15), [0.01, 0.1, 1]))

    found = sh.steady_state(cycle, pd.DataFrame({"v1": v1, "K": k}))

    b = 1 - v1 + k + v1 * k
    expected = 2 * v1 * k / (b + np.sqrt(b**2 - 4 * (1 - v1) * v1 * k))
    np.testing.assert_allclose(found["truth"].sel(species="Wp", time=0.0), expected, rtol=1e-9)


def test_a_product_made_in_two_ways_rests_where_its_trajectory_does_though_no_root_is_isolated():
    found = sh.steady_state(sh.load("A -> B; A; A -> C; 2*A; A = 1; B = 0; C = 0"))

    np.testing.assert_allclose(found["truth"].values[0, 0], [0, 1 / 3, 2 / 3], atol=1e-7)
    assert found["stability"].values.tolist() == [0]


def test_rate_rules_compartments_and_amounts_mean_what_they_mean_in_a_trajectory():
    model = sh.load(
        "compartment C = 2; species S in C, P in C; R' = 3 - 0.5*R; R = 1; -> S; C*R*0.1; S -> P; C*0.3*S; "
        "P -> ; C*0.2*P; S = 1; P = 7; substanceOnly species H in C; H = 5; H -> ; 0.4*H - 1; Q := S + P"
    )
    later = sh.simulate(model, times=[200.0], quantities=["S", "P", "H", "R", "Q", "amount(S)"])

    found = sh.steady_state(model, quantities=["S", "P", "H", "R", "Q", "amount(S)"])

    np.testing.assert_allclose(found["truth"].values[0, 0], [2, 3, 2.5, 6, 5, 4], rtol=1e-10)
    np.testing.assert_allclose(found["truth"].values, later["truth"].values, rtol=1e-6)


# -- the one that the trajectory reaches -------------------------------------------------------------


def test_a_switch_is_found_in_the_state_into_which_each_start_falls(toggle):
    starts = pd.DataFrame({"init(U)": np.linspace(0, 20, 21), "init(V)": 5.0})

    found = sh.steady_state(toggle, starts)

    later = sh.simulate(toggle, starts, times=[1e4])
    np.testing.assert_allclose(found["truth"].values, later["truth"].values, rtol=1e-5)
    assert (found["stability"] == 1).all()
    ends = found["truth"].sel(species="U").values.ravel()
    assert (ends[:1] < 1).all() and (ends[-1:] > 100).all()  # both of its states are among them


def test_a_trajectory_held_on_the_ridge_of_a_switch_is_said_to_rest_unstably():
    symmetric = sh.load("-> U; 4/(1 + V^2); U -> ; U; -> V; 4/(1 + U^2); V -> ; V; U = 1; V = 1")
    level = 1.3787967001295518  # u + u^3 = 4
    assert level + level**3 == pytest.approx(4, abs=1e-12)

    held = sh.steady_state(symmetric)
    beside = sh.steady_state(symmetric, pd.DataFrame({"init(U)": [1.1]}))

    np.testing.assert_allclose(held["truth"].values.ravel(), [level, level], rtol=1e-9)
    assert held["stability"].values.tolist() == [-1]
    high, low = beside["truth"].values.ravel()
    np.testing.assert_allclose([high, low], [2 + np.sqrt(3), 2 - np.sqrt(3)], rtol=1e-9)  # their product is 1
    assert beside["stability"].values.tolist() == [1]


@pytest.mark.parametrize("name", ["repressilator", "lotka_volterra", "tyson_1991", "goldbeter_1995"])
def test_what_oscillates_has_a_steady_state_that_it_never_reaches(root, name):
    model = sh.load(root / f"models/{name}.ant")

    found = sh.steady_state(model, pd.DataFrame(index=[0]))

    assert status(found) == ["not_steady"]
    assert np.isnan(found["truth"]).all()
    with pytest.raises(SolverError, match=r"reaches no steady state \(not_steady\): still moving"):
        sh.steady_state(model)


@pytest.mark.parametrize("text", ["-> A; 1; A = 0", "A -> ; -0.1*A; A = 1", "x' = 0.5*x; x = 1"])
def test_what_grows_without_end_is_said_to_diverge(text):
    assert status(sh.steady_state(sh.load(text), pd.DataFrame(index=[0]))) == ["diverged"]


def test_events_on_the_way_are_gone_through_and_a_rhythm_of_events_is_no_rest():
    dosed = sh.load("S -> ; 0.3*S; S = 4; -> Q; p - Q; Q = 0; p = 1; E1: at time > 5000: p = 4; E2: at S < 1e-6: p = 2")
    recurring = sh.load("S -> ; 0.3*S; S = 4; E: at S < 0.5: S = 4")

    found = sh.steady_state(dosed, quantities=["Q"])

    assert found["truth"].item() == pytest.approx(4, rel=1e-9)
    with pytest.raises(SolverError, match="events fire again and again"):
        sh.steady_state(recurring)


def test_drawn_doses_that_come_late_count_and_one_that_never_comes_does_not():
    model = sh.load(
        "-> S; p - 0.1*S; S = 1; A -> B; k*A - B; A = 2; B = 0; k = 1; p = 1; t = 0; u = 0;"
        "E: at time >= t: A = A + 6; F: at time >= u: A = A + 1"
    )
    t, u = np.sort(10 ** np.random.default_rng(0).uniform(-2, 2.5, (2, 4000)), axis=0)
    hard = np.flatnonzero(t + (u - t) < u)[:8]  # libroadrunner goes so far, and not to u
    draws = pd.DataFrame({"t": [*t[hard], 1e7], "u": [*u[hard], np.finfo(float).max], "k": [1.0, 2.0] * 4 + [3.0]})
    assert len(draws) == 9

    found = sh.steady_state(model, draws)

    b = np.array([9.0] * 8 + [8.0]) * draws["k"] / (1 + draws["k"])
    np.testing.assert_allclose(found["truth"].sel(species="B", time=0.0), b, rtol=1e-7)


def test_rates_that_depend_on_time_are_refused_with_the_way_there():
    model = sh.load("S -> ; k*S; S = 1; k := 1 + sin(time)")

    with pytest.raises(ModelError, match=r"the rate of 'S' depends on time \(through _J0 and k\)"):
        sh.steady_state(model)


def test_time_in_what_nothing_depends_on_is_no_obstacle():
    model = sh.load("S -> ; S - 2; S = 1; hours := time/3600")

    assert sh.steady_state(model)["truth"].sel(species="S").item() == pytest.approx(2)


# -- against laws and against long integration -----------------------------------------------------------


def test_conserved_totals_are_those_of_the_start_and_the_rates_vanish_at_small_numbers_too(cascade):
    draws = sh.sample(sh.around(cascade, fold=2, initial=True), 25, seed=0)

    found = sh.steady_state(cascade, draws)

    assert status(found) == ["ok"] * 25 and (found["stability"] == 1).all()
    start = sh.simulate(cascade, draws, times=[0.0])
    for moiety in cascade.moieties():
        totals = [sum(n * data["truth"].sel(species=id) for id, n in moiety.members) for data in (found, start)]
        np.testing.assert_allclose(*totals, rtol=1e-12)
    odes = sh.right_hand_side(cascade)
    for row in range(25):
        held = dict(zip(draws.columns, draws.iloc[row], strict=True))
        state = found["truth"].sel(species=list(odes.states)).values[row, 0]
        ways = [odes.values(state, 0.0, held)[reaction.id] for reaction in cascade.reactions]
        assert np.abs(odes.rates(state, 0.0, held)).max() <= 1e-9 * np.abs(ways).max()


SETTLING = ["054", "077", "084", "212", "491", "493", "515", "522", "838", "919", "974", "1102"]


@pytest.mark.parametrize("number", SETTLING)
def test_published_models_rest_where_a_long_integration_ends(test_data, number):
    names = (test_data / "biomodels_core.txt").read_text().split()
    name = next(name for name in names if f"BIOMD{int(number):010d}" in name)
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        model = sh.load(archive.read(name).decode())

    found = sh.steady_state(model)["truth"].values[0, 0]

    later = sh.simulate(model, times=[1e7])["truth"].values[0, 0]
    np.testing.assert_allclose(found, later, rtol=1e-5, atol=1e-6 * np.abs(later).max())


# -- the dataset ---------------------------------------------------------------------------------------


def test_every_row_has_the_parameters_of_its_own_draw():
    draws = sh.sample({"k1": sh.priors.LogUniform(0.1, 10), "k2": sh.priors.LogUniform(0.1, 10)}, 50, seed=3)

    found = sh.steady_state(REVERSIBLE, draws)

    np.testing.assert_array_equal(found["parameters"], draws)
    k1, k2 = (found["parameters"].sel(parameter=name) for name in ("k1", "k2"))
    np.testing.assert_allclose(found["truth"].sel(species="B", time=0.0), 10 * k1 / (k1 + k2), rtol=1e-10)


def test_workers_shards_order_parts_and_stores_change_no_byte(cascade, tmp_path, monkeypatch):
    draws = sh.sample(sh.around(cascade, fold=1.5), 20, seed=0)
    whole = sh.steady_state(cascade, draws, before={"init([E1])": 1e-6})

    assert sh.steady_state(cascade, draws, before={"init([E1])": 1e-6}, jobs=2).identical(whole)
    assert sh.steady_state(cascade, draws, before={"init([E1])": 1e-6}, store=tmp_path / "x.zarr").equals(whole)
    some = sh.steady_state(cascade, draws.iloc[[16, 2, 11]], before={"init([E1])": 1e-6})
    np.testing.assert_array_equal(some["truth"], whole["truth"].sel(trajectory=[16, 2, 11]))
    monkeypatch.setattr(shards, "SHARD_ROWS", 1)
    assert sh.steady_state(cascade, draws, before={"init([E1])": 1e-6}).identical(whole)


def test_steady_states_are_measured_tabulated_and_split_as_trajectories_are(toggle):
    draws = sh.sample(sh.around(toggle, fold=1.2), 20, seed=0)

    found = sh.steady_state(toggle, draws)
    data = sh.measure(found, noise=sh.noise.Lognormal(0.1), seed=1)

    sh.check(found)
    sh.check(data)
    assert found.sizes["time"] == 1 and found["time"].item() == 0.0
    assert found["stability"].attrs["flag_meanings"] == "unstable undetermined stable"
    assert data["measured"].notnull().all()
    assert len(sh.to_table(data)) >= 20
    train, test = sh.split(data, test=0.25, seed=2)
    assert (train.sizes["trajectory"], test.sizes["trajectory"]) == (15, 5)


# -- one after another ------------------------------------------------------------------------------------


def test_a_switch_remembers_the_state_in_which_it_was_before(toggle):
    inducer = pd.DataFrame({"IPTG": np.logspace(-6, -3, 13)})

    from_below = sh.steady_state(toggle, inducer, before={"IPTG": 0.0})["truth"].sel(species="V", time=0.0)
    from_above = sh.steady_state(toggle, inducer, before={"IPTG": 1e-3})["truth"].sel(species="V", time=0.0)

    apart = np.abs(from_above - from_below).values > 1
    assert apart[:5].all() and not apart[-4:].any()
    assert (np.diff(from_below) > 0).all()


def test_what_only_before_names_keeps_the_models_own_value_after(toggle):
    found = sh.steady_state(toggle, before={"IPTG": 1e-3})

    np.testing.assert_array_equal(found["parameters"], [[0.0]])
    assert found["truth"].sel(species="V").item() > 10  # it stays switched on without IPTG


def test_a_rest_that_does_not_exist_before_is_the_reason_of_its_own():
    model = sh.load("-> A; k - d*A; A = 0; k = 1; d = 1")

    found = sh.steady_state(model, pd.DataFrame({"k": [1.0, 2.0]}), before={"d": 0.0})

    assert status(found) == ["not_equilibrated"] * 2
    assert "no steady state to begin in: A grows without end" in found.attrs["failures"]


def test_a_start_that_is_no_number_is_a_failed_row_and_no_other():
    model = sh.load("A -> B; k1*A - k2*B; A = 10; B = 0; k1 = 3; k2 = 1; -> C; 1/d - C; C = 0; d = 1")

    found = sh.steady_state(model, pd.DataFrame({"d": [1.0, 0.0, 2.0]}))

    assert (found["status"] == 0).values.tolist() == [True, False, True]
    np.testing.assert_allclose(found["truth"].sel(species="C", time=0.0, trajectory=[0, 2]), [1, 0.5], rtol=1e-10)


# -- under conditions ----------------------------------------------------------------------------------------


ARMS = [
    sh.Condition("control"),
    sh.Condition("dosed", inputs=[sh.Dose("A", "dose", time=50, every=2000, count=2)]),
    sh.Condition("held", inputs=[sh.Steps("k1", [1, 400], [9, 4])]),
    sh.Condition("slow", {"k1": 1.0}),
    sh.Condition("blocked", knock_outs="back"),
]
SWITCHED = sh.load("forth: A -> B; k1*A; back: B -> A; k2*B; A = 10; B = 0; k1 = 3; k2 = 1")


def test_every_draw_rests_under_every_condition_where_its_closed_form_says(tmp_path):
    draws = pd.DataFrame({"k2": [1.0, 2.0, 3.0], "dose": [5.0, 7.0, 0.0]})

    found = sh.steady_state(SWITCHED, draws, conditions=ARMS)

    k2, dose = draws["k2"].to_numpy()[:, None], draws["dose"].to_numpy()[:, None]
    total = np.hstack([np.full((3, 1), 10.0), 10 + 2 * dose, np.full((3, 3), 10.0)])
    k1 = np.array([3.0, 3.0, 4.0, 1.0, 3.0])
    expected = total * k1 / (k1 + k2)
    expected[:, 4] = 10.0  # all of it, as nothing goes back
    np.testing.assert_allclose(found["truth"].sel(species="B", time=0.0).values, expected.ravel(), rtol=1e-9)
    assert found["condition"].values.tolist() == [arm.name for arm in ARMS] * 3
    assert found["draw"].values.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    controls = found["controls"].isel(time=0).to_pandas()  # what was given in all, and what is held in the end
    assert controls["dose(A)"].tolist() == [0, 10, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0]
    assert controls["k1"].tolist() == [3, 3, 4, 1, 3] * 3
    sh.check(found)
    stored = sh.steady_state(SWITCHED, draws, conditions=ARMS, store=tmp_path / "x.zarr", jobs=2)
    assert stored.equals(found)


def test_a_condition_rests_before_as_it_says_itself_and_as_all_do_otherwise(toggle):
    doses = pd.DataFrame({"IPTG": [1e-6, 1e-5]})
    above, own = sh.Condition("above", before={"IPTG": 1e-2}), sh.Condition("own")
    by_hand = [sh.steady_state(toggle, doses, before={"IPTG": iptg})["truth"].values for iptg in (1e-2, 0.0)]

    found = sh.steady_state(toggle, doses, conditions=[above, own], before={"IPTG": 0.0})

    np.testing.assert_allclose(found["truth"].values[0::2], by_hand[0], rtol=1e-10)
    np.testing.assert_allclose(found["truth"].values[1::2], by_hand[1], rtol=1e-10)
    assert (np.abs(by_hand[0] - by_hand[1]) > 1).any(axis=(1, 2)).all()


def test_what_all_conditions_rest_at_before_may_be_drawn(toggle):
    doses = pd.DataFrame({"IPTG": [1e-6, 1e-6], "past": [0.0, 1e-2]})
    by_hand = [sh.steady_state(toggle, doses[["IPTG"]], before={"IPTG": iptg})["truth"].values for iptg in (0.0, 1e-2)]

    found = sh.steady_state(toggle, doses, conditions=sh.Condition("own"), before={"IPTG": "past"})

    np.testing.assert_allclose(found["truth"].values, [by_hand[0][0], by_hand[1][1]], rtol=1e-10)
    assert sh.run_from_dict(json.loads(found.attrs["run"])).before == (("IPTG", "past"),)
    with pytest.raises(ValueError, match="before has 'past' for 'IPTG'; it needs a finite number"):
        sh.steady_state(toggle, doses[["IPTG"]], before={"IPTG": "past"})


def test_one_arm_without_rest_is_a_failed_row_and_no_other():
    arms = [sh.Condition("fed"), sh.Condition("mutant", knock_outs="out")]

    found = sh.steady_state(sh.load("-> A; k; out: A -> ; A; A = 0; k = 2"), conditions=arms)

    assert status(found) == ["ok", "diverged"]


def test_a_time_course_and_a_dose_that_comes_too_late_are_refused_by_name():
    course = sh.Condition("ramp", inputs=[sh.TimeCourse("k1", [0, 5], [1, 2])])
    late = sh.Condition("late", inputs=[sh.Dose("A", 5, time=2e9)])

    with pytest.raises(ValueError, match="'ramp' follows a time course of 'k1', and at rest nothing moves. Try: Steps"):
        sh.steady_state(REVERSIBLE, conditions=[course])
    with pytest.raises(ValueError, match=r"'late' begins a dose of 'A' at 2e\+09"):
        sh.steady_state(REVERSIBLE, conditions=late)


def test_rates_that_depend_on_time_have_no_rest_to_begin_in_and_leave_no_store(tmp_path):
    model, arm = sh.load("S -> ; k*S; S = 1; k := 1 + sin(time)"), sh.Condition("rested", before={})

    with pytest.raises(ModelError, match=r"'rested' begins at a steady state \(before\): .*'S' depends on time"):
        sh.simulate(model, times=[0, 1], conditions=[arm], store=tmp_path / "x.zarr")
    with pytest.raises(ModelError, match="'S' depends on time"):
        sh.steady_state(model, conditions=[sh.Condition("control")], store=tmp_path / "x.zarr")
    assert not (tmp_path / "x.zarr").exists()


def test_the_kind_of_run_is_said_and_read_back_and_has_no_trajectory():
    said = json.loads(sh.steady_state(REVERSIBLE, before={"k1": 2}).attrs["run"])

    run = sh.run_from_dict(said)

    assert said["kind"] == "SteadyState" and run.before == (("k1", 2.0),)
    assert sh.run_from_dict({"kind": "steadystate", "before": {"k1": 2}}) == run
    with pytest.raises(ValueError, match=r"A steady state has no times. Try: sh.steady_state"):
        sh.simulate(REVERSIBLE, times=[0, 1], run=run)
